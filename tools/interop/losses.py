# Losses of a session in mid-call with an answer owed, over real sockets: callers whose every sample
# says its place, models in OpenAI's and Gemini's manner that die at such moments, and a relay
# between them. Of each loss: the next session hears what the caller said from where it must, sample
# by sample; what is owed is asked for once; and how long the caller was without anybody.
#
#     losses.py [COUNT]      so many losses (10)
import array
import asyncio
import base64
import hashlib
import itertools
import json
import random
import re
import struct
import sys
import time
from urllib.parse import parse_qs, urlsplit

import household
from household import expect

# So many milliseconds a session lives before it is lost: that was no passing fault.
LIFE = 10.3
FRAME = 0.02
# Losses of one call, and calls at the same time.
PER_CALL = 10
CALLS_MAX = 20
KEY = base64.b64encode(bytes(16)).decode()
FILE = """
[upstreams.openai]
greeting = ""
[upstreams.gemini]
greeting = ""
[[functions]]
name = "look"
description = "Looks."
url = "http://127.0.0.1:{port}/look"
plain = true
[[routes]]
path = "/openai"
upstream = "openai"
functions = ["look"]
[[routes]]
path = "/gemini"
upstream = "gemini"
functions = ["look"]
"""


def accepting(head):
    """The answer to a WebSocket's handshake."""
    key = re.search(r"Sec-WebSocket-Key: (\S+)", head, re.I)[1]
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")


def frame(payload, mask):
    """One message as a WebSocket's client or server frames it."""
    length = len(payload)
    head = bytes([0x81]) + (
        bytes([length | mask << 7]) if length < 126 else
        bytes([126 | mask << 7]) + struct.pack(">H", length) if length < 65536 else
        bytes([127 | mask << 7]) + struct.pack(">Q", length))
    return head + bytes(4 * mask) + payload


async def next_frame(reader):
    """The opcode and the payload of the next frame."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length > 125:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    key = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(length)
    if any(key):
        mask = int.from_bytes((key * (length // 4 + 1))[:length], "big")
        payload = (int.from_bytes(payload, "big") ^ mask).to_bytes(length, "big")
    return first & 0xF, payload


class Sound:
    """What one caller says, 20 ms at a time; no two stretches of it are alike."""

    def __init__(self, number, is_wide):
        self.dice = random.Random(number)
        self.is_wide = is_wide
        self.said = bytearray()
        # When each frame was sent.
        self.times = []

    @property
    def frame_bytes(self):
        return 640 if self.is_wide else 160

    def next(self, is_loud):
        noise = self.dice.randbytes(self.frame_bytes)
        if self.is_wide:
            level = 6000 if is_loud else 0
            samples = array.array("h", (level + (byte >> 1) for byte in noise[:320]))
            piece = samples.tobytes()
        else:
            # G.711: a loud segment, or the quietest.
            piece = bytes((0x90 if is_loud else 0xF0) | byte & 0xF for byte in noise)
        self.said += piece
        self.times.append(time.monotonic())
        return piece


class Caller:
    """A phone call that speaks when it is told to, and notes what is played to it."""

    def __init__(self, port, number, kind):
        self.number, self.kind = number, kind
        self.sound = Sound(number, kind == "gemini")
        self.port = port
        self.loud_frames = 0
        self.sessions = []
        self.is_over = False
        self.keys = []

    async def begin(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(
            f"GET /{self.kind}?model=c{self.number} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        expect(b" 101 " in head.splitlines()[0], head.decode())
        if self.kind == "gemini":
            self.tell({"event": "start", "stream_id": "s", "start": {
                "call_control_id": f"call{self.number}", "media_format": {
                    "encoding": "L16", "sample_rate": 16000, "channels": 1}}})
        else:
            self.tell({"event": "start", "streamSid": "MZ", "start": {
                "streamSid": "MZ", "accountSid": "AC", "callSid": f"call{self.number}",
                "tracks": ["inbound"], "mediaFormat": {
                    "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}})
        self.tasks = [asyncio.create_task(self.talk()), asyncio.create_task(self.listen())]

    def tell(self, event):
        self.writer.write(frame(json.dumps(event).encode(), 1))

    async def talk(self):
        begin = time.monotonic()
        for index in itertools.count(1):
            is_loud = self.loud_frames > 0
            self.loud_frames -= is_loud
            payload = base64.b64encode(self.sound.next(is_loud)).decode()
            self.tell({"event": "media", "streamSid": "MZ", "media": {"payload": payload}})
            await asyncio.sleep(max(0, begin + index * FRAME - time.monotonic()))

    async def listen(self):
        """Marks are returned as they come: nothing here is cut off."""
        try:
            while True:
                opcode, payload = await next_frame(self.reader)
                if opcode == 9:
                    self.writer.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)
                elif opcode == 8:
                    return
                elif b'"mark"' in payload[:40]:
                    self.writer.write(frame(payload, 1))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.is_over = True

    def press(self, key):
        self.tell({"event": "dtmf", "streamSid": "MZ", "dtmf": {"digit": key}})

    async def end(self):
        self.tasks[0].cancel()
        self.tell({"event": "stop", "streamSid": "MZ"})
        await asyncio.wait([self.tasks[1]], timeout=10)
        self.writer.close()


class Session:
    """One session of a model, and all that it was told."""

    def __init__(self, kind, reader, writer):
        self.kind, self.reader, self.writer = kind, reader, writer
        self.accepted = time.monotonic()
        self.own = 0.0
        self.caller = None
        self.heard = bytearray()
        self.arrivals = []
        self.first_audio = None
        self.asks = []
        self.texts = []
        self.results = []
        self.answers = 0
        self.ended = None
        self.is_lost = False
        # What is done when a part of the caller's turn has come.
        self.on_loud = self.on_quiet = self.on_ask = None
        self.loud = self.quiet = 0

    def say(self, **event):
        self.writer.write(frame(json.dumps(event).encode(), 0))

    async def hold(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        begin = time.monotonic()
        self.writer.write(accepting(head))
        query = parse_qs(urlsplit(head.split()[1]).query)
        self.model = query.get("model", [""])[0]
        self.own += time.monotonic() - begin
        try:
            while True:
                opcode, payload = await next_frame(self.reader)
                if opcode == 9:
                    self.writer.write(bytes([0x8A, len(payload)]) + payload)
                elif opcode == 8:
                    self.writer.write(bytes([0x88, 0]))
                    return
                elif opcode == 1:
                    self.take(json.loads(payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def take(self, event):
        now = time.monotonic()
        kind = event.get("type")
        audio = event.get("audio") or event.get("realtimeInput", {}).get("audio", {}).get("data")
        if kind == "session.update" or "setup" in event:
            if "setup" in event:
                self.model = event["setup"]["model"].split("/")[-1]
                self.say(setupComplete={})
            else:
                self.say(type="session.updated", session=event["session"])
            self.own += time.monotonic() - now
            self.caller = Stage.callers[self.model]
            self.caller.sessions.append(self)
        elif isinstance(audio, str):
            self.hear(base64.b64decode(audio), now)
        elif kind == "response.create":
            self.asks.append(now)
            if self.on_ask:
                self.on_ask()
            elif not self.is_lost:
                self.answer()
        elif "toolResponse" in event or event.get("item", {}).get("type") == "function_call_output":
            self.results.append(event)
        elif kind == "conversation.item.create" or "realtimeInput" in event:
            self.texts.append(json.dumps(event))

    def hear(self, audio, now):
        if self.first_audio is None:
            self.first_audio = now
        self.heard += audio
        self.arrivals.append((len(self.heard), now))
        is_loud = max(audio[1::2]) > 8 if self.kind == "gemini" else audio[0] < 0xF0
        if is_loud:
            self.loud, self.quiet = self.loud + 1, 0
            if self.on_loud and self.loud >= self.on_loud[0]:
                self.on_loud[1]()
        elif self.loud:
            self.quiet += 1
            if self.quiet == 15:
                self.loud = 0
                (self.on_quiet or self.answer)()

    def answer(self, is_heard=True):
        """A turn of its own, 100 ms long; or only its beginning."""
        self.answers += 1
        name = f"r{id(self)}_{self.answers}"
        if self.kind == "gemini":
            if is_heard:
                self.say(serverContent={"modelTurn": {"parts": [{"inlineData": {
                    "mimeType": "audio/pcm;rate=24000",
                    "data": base64.b64encode(bytes(4800)).decode()}}]}})
                self.say(serverContent={"generationComplete": True})
                self.say(serverContent={"turnComplete": True})
            return
        self.say(type="response.created", response={"id": name})
        if is_heard:
            self.say(
                type="response.output_audio.delta", response_id=name, item_id="i" + name,
                delta=base64.b64encode(b"\xff" * 800).decode())
            self.say(type="response.output_audio.done", response_id=name, item_id="i" + name)
            self.say(type="response.done", response={"id": name, "status": "completed"})

    def call(self):
        """Calls a function, and is silent until it has the answer."""
        if self.kind == "gemini":
            self.say(toolCall={"functionCalls": [{"id": "f", "name": "look", "args": {}}]})
            return
        self.say(type="response.created", response={"id": "rf"})
        self.say(type="response.output_item.done", response_id="rf", item={
            "type": "function_call", "status": "completed", "name": "look", "call_id": "f",
            "arguments": "{}"})
        self.say(type="response.done", response={
            "id": "rf", "status": "completed", "output": [{"type": "function_call"}]})

    def die(self, is_reset):
        if self.is_lost:
            return
        self.is_lost = True
        self.ended = time.monotonic()
        if is_reset:
            self.writer.transport.abort()
        else:
            self.writer.write(bytes([0x88, 2]) + struct.pack(">H", 1011))
            self.writer.close()


class Stage(household.Household):
    """The models, the function's server, and the relay."""

    callers = {}

    async def begin(self):
        self.servers = []
        ports = {}
        for kind in ("openai", "gemini"):
            ports[kind] = await self.listen(
                lambda r, w, kind=kind: Session(kind, r, w).hold())
        look = await self.listen(self.look)
        settings = household.upstreams(**ports) | {
            "SIDETONE_UPSTREAMS_OPENAI_AUDIO": "g711",
            "SIDETONE_LIMITS_CALLS_PER_SECOND_PER_ADDRESS": "1000",
            "SIDETONE_AUDIO_TELNYX_BYTE_ORDER": "little"}
        self.relay = await self.add(household.start_relay(settings, FILE.format(port=look)))

    async def listen(self, hold):
        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        self.servers.append(server)
        return server.sockets[0].getsockname()[1]

    @staticmethod
    async def look(reader, writer):
        """Answers after a while: by then another session stands."""
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.6)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{\"n\":777}")
        writer.close()

    async def __aexit__(self, *_):
        for server in self.servers:
            server.close()
        await super().__aexit__()


# How a session is lost: in the question, behind it, when its answer has begun without a sound, when
# it is asked about a key, and while a function runs that it has called.
WAYS = ["in the question", "behind the question", "before a sound", "at a key", "at a function"]


async def lose(caller, way, dice):
    """One loss; what it came to."""
    while not (caller.sessions and caller.sessions[-1].first_audio):
        await asyncio.sleep(0.02)
        expect(not caller.is_over, "the relay has closed the call")
    old = caller.sessions[-1]
    # It has done its work, and lived.
    caller.loud_frames = 20
    await asyncio.sleep(max(2.0, LIFE - (time.monotonic() - old.accepted)))
    expect(old.answers > 0, "a question was not answered")
    is_reset = dice.random() < 0.5

    def die():
        old.die(is_reset)

    question = len(caller.sound.said)
    asks = 0
    if way == "at a key" and caller.kind == "gemini":
        way = "behind the question"
    if way == "in the question":
        old.on_loud = (dice.randrange(3, 18), die)
        old.loud = 0
        caller.loud_frames = 20
    elif way == "behind the question":
        old.on_quiet = die
        caller.loud_frames = 20
    elif way == "before a sound":
        def begin():
            old.answer(is_heard=False)
            asyncio.get_running_loop().call_later(0.02, die)
        old.on_quiet = begin
        caller.loud_frames = 20
    elif way == "at a key":
        old.on_ask = die
        caller.press("5")
        asks = 1
    else:
        old.call()
        asyncio.get_running_loop().call_later(0.1, die)
        asks = 1 if caller.kind == "openai" else 0
    end = time.monotonic() + 15
    while caller.sessions[-1] is old or caller.sessions[-1].first_audio is None:
        await asyncio.sleep(0.01)
        expect(time.monotonic() < end and not caller.is_over, f"no next session {way}")
    new = caller.sessions[-1]
    await asyncio.sleep(2.0)
    return judge(caller, old, new, way, question, asks)


def judge(caller, old, new, way, question, asks):
    said, frame_bytes = caller.sound.said, caller.sound.frame_bytes
    begin = said.find(bytes(new.heard[:frame_bytes]))
    expect(begin >= 0, f"{way}: the next session begins with other audio")
    heard = bytes(new.heard)
    expect(bytes(said[begin:begin + len(heard)]) == heard,
           f"{way}: a sample is lost or doubled in the next session")
    first = said.find(bytes(old.heard[:frame_bytes]))
    expect(bytes(said[first:first + len(old.heard)]) == bytes(old.heard),
           f"{way}: a sample is lost or doubled in the session that was lost")
    seen = first + len(old.heard)
    if way in ("at a key", "at a function"):
        # Nothing was unanswered: it goes on where the relay had come to.
        expect(begin >= seen, f"{way}: {seen - begin} bytes are said again")
    else:
        lead = question - begin
        expect(0 <= lead <= 17 * frame_bytes, f"{way}: it begins {lead} bytes before the question")
    expect(len(new.asks) == asks, f"{way}: asked {len(new.asks)} times, not {asks}")
    told = sum("777" in text and "before the connection" in text for text in new.texts)
    expect(told == (way == "at a function"), f"{way}: told {told} times of the function")
    keys = sum("pressed 5" in text for text in new.texts)
    expect(keys == (way == "at a key"), f"{way}: told {keys} times of the key")
    expect(way == "at a function" and caller.kind == "gemini" or new.answers == 1,
           f"{way}: {new.answers} answers")
    # Live frames behind the first audio: how late each came.
    late = []
    for length, arrived in new.arrivals:
        index = (begin + length) // frame_bytes - 1
        if caller.sound.times[index] > new.first_audio + 0.1:
            late.append(arrived - caller.sound.times[index])
    return {
        "way": way, "gone": max(0, begin - seen) // frame_bytes,
        "pause": new.accepted - old.ended,
        "rest": new.first_audio - new.accepted - new.own, "late": late}


async def hold(stage, number, losses, seed):
    kind = "openai" if number % 2 else "gemini"
    caller = Stage.callers[f"c{number}"] = Caller(stage.relay.port, number, kind)
    dice = random.Random(seed * 1000 + number)
    found = []
    await asyncio.sleep(dice.random() * 2)
    await caller.begin()
    try:
        for index in range(losses):
            way = WAYS[(number // 2 + index) % len(WAYS)]
            try:
                found.append(await lose(caller, way, dice))
            except AssertionError as error:
                found.append(f"call {number}, loss {index}, {kind}: {error}")
                return found
    finally:
        await caller.end()
    return found


def shown(values):
    values = sorted(values)
    part = lambda p: 1000 * values[min(len(values) - 1, int(p * len(values)))]
    return f"p50 {part(.5):.1f}  p90 {part(.9):.1f}  p99 {part(.99):.1f}  worst {part(1):.1f} ms"


async def watch(lags):
    """How late this program itself is."""
    while True:
        begin = time.monotonic()
        await asyncio.sleep(0.005)
        lags.append(time.monotonic() - begin - 0.005)


async def main(count):
    lags = []
    calls = min(CALLS_MAX, max(2, count // PER_CALL if count > 20 else count // 2))
    shares = [count // calls + (index < count % calls) for index in range(calls)]
    watching = asyncio.create_task(watch(lags))
    async with Stage() as stage:
        found = await asyncio.gather(
            *(hold(stage, number, share, count) for number, share in enumerate(shares, 1)))
    watching.cancel()
    found = [one for some in found for one in some]
    good = [one for one in found if isinstance(one, dict)]
    for problem in found:
        if not isinstance(problem, dict):
            print(f"FAIL  {problem}")
    if good:
        print(f"dead to dialled: the pause before an attempt   {shown([g['pause'] for g in good])}")
        print(f"dialled to first audio, beyond the upstream's  {shown([g['rest'] for g in good])}")
        late = [value for one in good for value in one["late"]]
        print(f"frames behind that, from caller to model       {shown(late)}")
        print(f"this program's own lateness                    {shown(lags)}")
        print(f"quiet frames that went with the old socket: {sum(g['gone'] for g in good)}")
    print(f"losses: {len(good)} of {count} well, {len(late) if good else 0} frames judged")
    return len(good) == count


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)) else 1)
