// A JavaScript client as users write them, with the `ws` package: its key in a header, audio in
// small pieces, transcripts printed as they come; it closes right after its last piece.
//
//     node user.js URL KEY FILE      FILE: raw audio, 16-bit samples at 8 kHz
const fs = require('fs');
const WebSocket = require('ws');

const [url, key, path] = process.argv.slice(2);
const chunkBytes = 1600;
const audio = fs.readFileSync(path);
const socket = new WebSocket(url, { headers: { Authorization: `Bearer ${key}` } });

socket.on('open', () => {
  let offset = 0;
  const timer = setInterval(() => {
    if (offset >= audio.length) {
      clearInterval(timer);
      socket.close();
      return;
    }
    socket.send(audio.subarray(offset, offset + chunkBytes));
    offset += chunkBytes;
  }, chunkBytes / 16);
});

socket.on('message', (data) => {
  const message = JSON.parse(data.toString());
  if (message.type === 'transcript') {
    console.log(`${message.is_final ? '[FINAL]' : '[INTERIM]'} ${message.text}`);
  }
});

socket.on('close', (code) => {
  console.log(`closed ${code}`);
});

socket.on('error', (error) => {
  console.log(`error ${error.message}`);
  process.exitCode = 1;
});
