# A load of cascades: many callers, and stubs of all services, in one process, before a relay that
# runs beside it.
#
#     cascade_load.py turns [CALLS [SECONDS]]
#         What a cascade itself adds to a turn beyond its services: from the caller's last words,
#         as the ears tell them, to the request; from the chat's first sentence to its being told
#         to the voice; from the voice's first sound to the caller. Beside it how late this process
#         is to see what its own sockets bring, which is part of all three.
#     cascade_load.py cpu [CALLS [SECONDS [PAIRS]]]
#         Processor time of the relay, and of its process that makes HTTP requests, for each frame
#         of 20 ms, of cascades and of calls with OpenAI Realtime (G.711), in turn: the same
#         callers, who hear the same sound.
import asyncio
import base64
import json
import os
import random
import re
import socket
import statistics
import sys
import time

import household
from losses import KEY, accepting, frame

SILENCE = bytes([255]) * 160
MEDIA = json.dumps({"event": "media", "sequenceNumber": "3", "media": {
    "track": "inbound", "chunk": "2", "timestamp": "20",
    "payload": base64.b64encode(SILENCE).decode()}, "streamSid": "MZ"}).encode()
SOUND = bytes(random.Random(1).choices(range(16, 112), k=1600))
SENTENCE = "This is the first sentence of it. And "
FILE = """
[upstreams.cascade]
private = true
key = "ears"
url = "ws://127.0.0.1:{port}/v1/listen"
think_url = "http://127.0.0.1:{port}/v1"
think_key = "sk-1"
speak_url = "ws://127.0.0.1:{port}/v1/speak"
speak_key = "voice"
greeting = ""
[upstreams.openai]
private = true
key = "sk-1"
url = "ws://127.0.0.1:{port}/v1/realtime"
audio = "g711"
greeting = ""
[[routes]]
path = "/cascade"
upstream = "cascade"
[[routes]]
path = "/openai"
upstream = "openai"
"""


class Peer(asyncio.Protocol):
    """One end of a WebSocket: `told` is called with each message; audio is left masked."""

    def __init__(self):
        self.buffer = bytearray()
        self.head = b""

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.buffer += data
        if not self.head:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.head = bytes(self.buffer[:end])
            del self.buffer[:end + 4]
            self.opened()
        self.read()

    def read(self):
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 2:
            length, begin = buffer[at + 1] & 0x7F, at + 2
            if length == 126:
                length, begin = int.from_bytes(buffer[at + 2:at + 4], "big"), at + 4
            elif length == 127:
                length, begin = int.from_bytes(buffer[at + 2:at + 10], "big"), at + 10
            key = b""
            if buffer[at + 1] & 0x80:
                key, begin = buffer[begin:begin + 4], begin + 4
            if len(buffer) < begin + length:
                break
            opcode = buffer[at] & 0xF
            payload = bytes(buffer[begin:begin + length])
            if key and opcode != 2:
                whole = (bytes(key) * (length // 4 + 1))[:length]
                payload = (int.from_bytes(payload, "big")
                           ^ int.from_bytes(whole, "big")).to_bytes(length, "big")
            at = begin + length
            self.told(opcode, payload)
        del buffer[:at]

    def say(self, event):
        self.send(1, json.dumps(event).encode())

    def send(self, opcode, payload, mask=0):
        if self.transport.is_closing():
            return
        message = bytearray(frame(payload, mask))
        message[0] = 0x80 | opcode
        self.transport.write(message)


class Call:
    """All that belongs to one call."""

    def __init__(self, load, number):
        self.load, self.number = load, number
        self.ears = self.voice = self.model = self.caller = None
        self.turn = {}
        self.is_sounding = False

    async def talk(self, end):
        """One turn after the other: words, and an answer of 4 s."""
        dice = random.Random(self.number)
        await asyncio.sleep(dice.uniform(0, 5))
        while time.monotonic() < end:
            for words in ("please", "please tell", "please tell me"):
                if self.load.kind == "cascade":
                    self.ears.result(words, False)
                await asyncio.sleep(0.3)
            self.turn = {"asked": time.monotonic()}
            if self.load.kind == "cascade":
                self.ears.result("please tell me", True)
            else:
                asyncio.create_task(self.model.answer())
            await asyncio.sleep(dice.uniform(4.8, 5.2))

    def mark(self, what):
        self.turn.setdefault(what, time.monotonic())
        if what == "heard" and {"request", "sentence", "told", "sound"} <= set(self.turn):
            t = self.turn
            self.load.turns.append((
                t["request"] - t["asked"], t["told"] - t["sentence"], t["heard"] - t["sound"]))
            self.turn = {}


class Caller(Peer):
    def __init__(self, call, kind):
        super().__init__()
        self.call, self.kind = call, kind

    def connection_made(self, transport):
        super().connection_made(transport)
        name = f"c{self.call.number}"
        transport.write((
            f"GET /{self.kind}?model={name}&voice={name}&language={name} HTTP/1.1\r\n"
            "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n").encode())

    def opened(self):
        assert b" 101 " in self.head, self.head
        self.send(1, json.dumps({"event": "start", "streamSid": "MZ", "start": {
            "streamSid": "MZ", "accountSid": "AC", "callSid": f"call{self.call.number}",
            "tracks": ["inbound"], "mediaFormat": {
                "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}).encode(), 1)
        self.task = asyncio.create_task(self.pace())

    async def pace(self):
        message = frame(MEDIA, 1)
        begin = time.monotonic() - random.random() * 0.02
        index = 0
        while not self.transport.is_closing():
            index += 1
            self.transport.write(message)
            self.call.load.sent += 1
            await asyncio.sleep(max(0, begin + index * 0.02 - time.monotonic()))

    def told(self, opcode, payload):
        if opcode == 1 and b'"media"' in payload[:20]:
            self.call.load.heard += len(payload) > 150
            self.call.mark("heard")
        elif opcode == 1 and b'"mark"' in payload[:40]:
            self.send(1, payload, 1)
        elif opcode == 9:
            self.send(10, payload, 1)


class Service(Peer):
    """Whatever the relay dials, by its path."""

    def __init__(self, load):
        super().__init__()
        self.load = load
        self.owed = 0

    def opened(self):
        head = self.head.decode()
        self.path = head.split()[1]
        if "chat/completions" in self.path:
            self.length = int(re.search(r"Content-Length: (\d+)", head, re.I)[1])
            return
        self.transport.write(accepting(head))
        if "realtime" in self.path:
            self.is_of(self.path.split("model=c")[1]).model = self
            self.say({"type": "session.created", "event_id": "e", "session": {
                "type": "realtime"}})
        elif "speak" in self.path:
            self.is_of(self.path.split("model=c")[1]).voice = self
        else:
            self.is_of(self.path.split("language=c")[1]).ears = self

    def is_of(self, text):
        self.call = self.load.calls[int(text.split("&")[0].split('"')[0])]
        return self.call

    def read(self):
        if "chat/completions" not in self.path:
            return super().read()
        if len(self.buffer) < self.length:
            return
        body = bytes(self.buffer[:self.length]).decode()
        del self.buffer[:self.length]
        self.head = b""
        self.is_of(body.split('"model":"c')[1])
        self.call.mark("request")
        asyncio.create_task(self.chat())

    async def chat(self):
        await asyncio.sleep(0.05)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
        self.call.mark("sentence")
        self.chunk(SENTENCE)
        for word in ("more ", "of ", "it ", "is ", "said."):
            await asyncio.sleep(0.03)
            self.chunk(word)
        self.transport.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def chunk(self, words):
        piece = b"data: " + json.dumps({
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{
                "index": 0, "delta": {"content": words}, "finish_reason": None}]}).encode()
        self.transport.write(b"%x\r\n%b\n\n\r\n" % (len(piece) + 2, piece))

    def result(self, words, is_final):
        self.say({"type": "Results", "is_final": is_final, "speech_final": is_final,
                  "channel_index": [0, 1], "duration": 1.0, "start": 0.0,
                  "channel": {"alternatives": [{"transcript": words, "confidence": 0.9}]}})

    def told(self, opcode, payload):
        if opcode != 1:
            return
        if b'"Speak"' in payload:
            self.call.mark("told")
            if not self.call.is_sounding:
                self.call.is_sounding = True
                asyncio.create_task(self.speak())
        elif b'"Clear"' in payload:
            self.say({"type": "Cleared", "sequence_id": 0})
        elif b'"Flush"' in payload:
            self.owed += 1
        elif b"session.update" in payload:
            self.say({"type": "session.updated", "event_id": "e",
                      "session": json.loads(payload)["session"]})

    async def speak(self):
        await asyncio.sleep(0.05)
        self.call.mark("sound")
        await self.sound(lambda: self.send(2, SOUND))
        while self.owed:
            self.owed -= 1
            self.say({"type": "Flushed", "sequence_id": 0})
        self.call.is_sounding = False

    async def sound(self, send):
        """4 s of it in their time, 200 ms at once."""
        begin = time.monotonic()
        for index in range(20):
            send()
            await asyncio.sleep(max(0, begin + (index + 1) * 0.2 - time.monotonic()))

    async def answer(self):
        self.say({"type": "input_audio_buffer.speech_started", "item_id": "u",
                  "audio_start_ms": 0})
        self.say({"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 9})
        self.say({"type": "conversation.item.input_audio_transcription.completed", "item_id": "u",
                  "content_index": 0, "transcript": "please tell me"})
        await asyncio.sleep(0.1)
        name = f"a{time.monotonic_ns()}"
        of = {"response_id": name, "item_id": name, "output_index": 0, "content_index": 0}
        self.say({"type": "response.created", "response": {
            "id": name, "object": "realtime.response", "status": "in_progress"}})
        for words in (SENTENCE, "more ", "of ", "it ", "is ", "said."):
            self.say({"type": "response.output_audio_transcript.delta", "delta": words} | of)
        delta = base64.b64encode(SOUND).decode()
        await self.sound(lambda: self.say({"type": "response.output_audio.delta",
                                           "delta": delta} | of))
        self.say({"type": "response.output_audio.done"} | of)
        self.say({"type": "response.done", "response": {
            "id": name, "object": "realtime.response", "status": "completed", "output": []}})


class Load:
    """A relay, its callers and its services."""

    def __init__(self, kind, count):
        self.kind = kind
        self.calls = [Call(self, number) for number in range(count)]
        self.turns, self.lags = [], []
        self.sent = self.heard = 0

    async def run(self, seconds):
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Service(self), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay = await household.start_relay(
            {"SIDETONE_OUTPUT_TRANSCRIPTS": "false", "SIDETONE_OUTPUT_LEVEL": "error"},
            FILE.format(port=port))
        try:
            for call in self.calls:
                _, call.caller = await loop.create_connection(
                    lambda call=call: Caller(call, self.kind), "127.0.0.1", relay.port)
                await asyncio.sleep(0.04)
            await asyncio.sleep(2)
            watch = asyncio.create_task(self.watch())
            end = time.monotonic() + seconds + 6
            talks = [asyncio.create_task(call.talk(end)) for call in self.calls]
            await asyncio.sleep(6)
            before, frames = processor(relay.process.pid), self.sent + self.heard
            await asyncio.sleep(seconds)
            after = processor(relay.process.pid)
            self.spent = [b - a for a, b in zip(before, after)]
            self.frames = self.sent + self.heard - frames
            for task in (watch, *talks):
                task.cancel()
        finally:
            for call in self.calls:
                if call.caller:
                    call.caller.task.cancel()
                    call.caller.transport.close()
            await asyncio.sleep(1)
            await relay.end()
            server.close()

    async def watch(self):
        """How late this process sees what has come."""
        here, there = socket.socketpair()
        reader, _ = await asyncio.open_connection(sock=here)
        while True:
            await asyncio.sleep(random.uniform(0.005, 0.015))
            begin = time.monotonic()
            there.send(b".")
            await reader.readexactly(1)
            self.lags.append(time.monotonic() - begin)


def processor(pid):
    """Nanoseconds that the relay's process has had a processor, and those of its children."""
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    return [sum(int(open(f"/proc/{each}/task/{task}/schedstat").read().split()[0])
                for each in group for task in os.listdir(f"/proc/{each}/task"))
            for group in ([pid], children)]


def row(name, seconds):
    at = sorted(seconds)
    pick = [at[min(len(at) - 1, int(len(at) * part))] * 1000 for part in (0.5, 0.99)]
    print(f"{name:44} p50 {pick[0]:6.2f}  p99 {pick[1]:6.2f}  worst {at[-1] * 1000:6.2f} ms")


async def turns(count=100, seconds=30):
    load = Load("cascade", count)
    await load.run(seconds)
    print(f"{len(load.turns)} turns in {seconds} s of {count} calls, {load.sent} frames sent")
    row("last words to the request", [turn[0] for turn in load.turns])
    row("first sentence to the voice", [turn[1] for turn in load.turns])
    row("first sound to the caller", [turn[2] for turn in load.turns])
    row("all three", [sum(turn) for turn in load.turns])
    row("this process late, once", load.lags)
    row("this process late, three times", [
        sum(random.choices(load.lags, k=3)) for _ in range(20_000)])


async def cpu(count=25, seconds=20, pairs=3):
    ratios = []
    for _ in range(pairs):
        costs = {}
        for kind in ("openai", "cascade"):
            load = Load(kind, count)
            await load.run(seconds)
            relay, fetcher = (spent / load.frames / 1000 for spent in load.spent)
            costs[kind] = relay + fetcher
            print(f"{kind:8} {count} calls, {load.frames} frames: {relay:.2f} us a frame, the "
                  f"process that makes HTTP requests {fetcher:.2f} us", flush=True)
        ratios.append(costs["cascade"] / costs["openai"])
        print(f"         ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    what = {"turns": turns, "cpu": cpu}[sys.argv[1]]
    asyncio.run(what(*map(int, sys.argv[2:])))
