// A peer for comparison: the same relay, Twilio to Deepgram, in Node with `ws`, as one would write it
// without thinking about speed. Node finds Debian's node-ws by itself; elsewhere set NODE_PATH.
//
//     PORT=8080 DEEPGRAM_URL=ws://127.0.0.1:9000/v1/listen node relay.mjs
import { createRequire } from "node:module";

const { WebSocket, WebSocketServer } = createRequire(import.meta.url)("ws");

const query =
  "model=nova-2&language=en-US&encoding=mulaw&sample_rate=8000&channels=1" +
  "&interim_results=true&punctuate=true";
const headers = { Authorization: `Token ${process.env.DEEPGRAM_API_KEY ?? "test"}` };
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT) });

server.on("connection", (caller) => {
  let waiting = [];
  let ended = false;
  const deepgram = new WebSocket(`${process.env.DEEPGRAM_URL}?${query}`, {
    headers,
    perMessageDeflate: false,
  });

  const finish = () => {
    if (ended) return;
    ended = true;
    if (deepgram.readyState === WebSocket.OPEN) {
      deepgram.send(JSON.stringify({ type: "CloseStream" }));
    }
  };

  deepgram.on("open", () => {
    for (const audio of waiting) deepgram.send(audio);
    waiting = null;
    if (ended) deepgram.send(JSON.stringify({ type: "CloseStream" }));
  });
  deepgram.on("message", (data) => {
    const message = JSON.parse(data);
    const transcript = message.channel?.alternatives?.[0]?.transcript;
    if (transcript && process.stdout.isTTY) {
      console.log(`[${message.is_final ? "FINAL" : "INTERIM"}] Transcription: ${transcript}`);
    }
  });
  deepgram.on("close", () => caller.close());
  deepgram.on("error", () => caller.close());

  caller.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.event === "media") {
      const audio = Buffer.from(message.media.payload, "base64");
      if (waiting) waiting.push(audio);
      else deepgram.send(audio);
    } else if (message.event === "stop") {
      finish();
    }
  });
  caller.on("close", finish);
  caller.on("error", finish);
});
