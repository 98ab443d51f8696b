// A script as vendors hand it out to try a voice endpoint, with the `ws` package: it says start and
// sends no audio at all, five seconds later it says stop for another call, and it never closes. It
// prints each message as it came, behind its time in milliseconds.
//
//     node vendor.js URL
const WebSocket = require('ws');

const socket = new WebSocket(process.argv[2]);

socket.on('open', () => {
  console.log('connected');
  socket.send(JSON.stringify({ event: 'start', ucid: 'vendor-1', type: 'text' }));
  setTimeout(() => {
    socket.send(JSON.stringify({ event: 'stop', ucid: 'vendor-2', type: 'text' }));
  }, 5000);
});

socket.on('message', (data) => {
  console.log(`${Date.now()} ${data.toString()}`);
});

socket.on('close', (code) => {
  console.log(`closed ${code}`);
});

socket.on('error', (error) => {
  console.log(`error ${error.message}`);
  process.exitCode = 1;
});
