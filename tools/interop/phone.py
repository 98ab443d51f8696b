# A phone call that talks both ways, shaped as Twilio's or Telnyx' streams, over a foreign WebSocket
# library. It plays what it is sent at the speed of a phone, and returns each mark when what lies
# before it has been played, or cleared.
import asyncio
import base64
import contextlib
import json
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

FRAME = 160


class Phone:
    """An async context; `messages` is what came, as text. Audio is G.711 both ways."""

    def __init__(self, url, call, parameters=None, **options):
        self.url, self.call, self.options = url, call, options
        self.parameters = parameters or {}
        self.messages = []
        self.played_until = 0.0
        self.marks = set()
        self.chunks = 0

    async def __aenter__(self):
        self.socket = await connect(self.url, compression=None, **self.options)
        self.reader = asyncio.create_task(self.read())
        await self.begin()
        return self

    async def __aexit__(self, *_):
        await self.socket.close()
        await self.reader

    async def tell(self, event, **fields):
        await self.socket.send(json.dumps({"event": event} | self.ids | fields))

    async def say(self, audio):
        """Frames of 20 ms, in their time."""
        begin = time.monotonic()
        for index in range(0, len(audio), FRAME):
            self.chunks += 1
            await self.media(base64.b64encode(audio[index:index + FRAME]).decode())
            await asyncio.sleep(max(0, begin + (index / FRAME + 1) * 0.02 - time.monotonic()))

    async def read(self):
        with contextlib.suppress(Exception):
            async for message in self.socket:
                self.messages.append(message)
                event = json.loads(message)
                now = time.monotonic()
                if event["event"] == "media":
                    seconds = len(base64.b64decode(event["media"]["payload"])) / 8000
                    self.played_until = max(self.played_until, now) + seconds
                elif event["event"] == "mark":
                    timer = asyncio.create_task(self.mark(event["mark"]))
                    self.marks.add(timer)
                    timer.add_done_callback(self.marks.discard)
                elif event["event"] == "clear":
                    self.played_until = now

    async def mark(self, mark):
        while time.monotonic() < self.played_until:
            await asyncio.sleep(0.005)
        # The call may be over by then.
        with contextlib.suppress(ConnectionClosed):
            await self.tell("mark", mark=mark)

    def told(self, kind):
        return [e for e in map(json.loads, self.messages) if e["event"] == kind]

    def audio(self):
        return b"".join(base64.b64decode(e["media"]["payload"]) for e in self.told("media"))

    async def hang_up(self):
        """Says stop; returns the code with which the relay closed."""
        await self.stop()
        await asyncio.wait_for(self.socket.wait_closed(), 10)
        return self.socket.close_code


class Twilio(Phone):
    stream = "MZ00000000000000000000000000000002"
    ids = {"streamSid": stream}

    async def begin(self):
        await self.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await self.tell("start", sequenceNumber="1", start={
            "streamSid": self.stream, "accountSid": "AC" + "0" * 32, "callSid": self.call,
            "tracks": ["inbound"], "customParameters": self.parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}})

    async def media(self, payload):
        await self.tell("media", sequenceNumber=str(self.chunks + 1), media={
            "track": "inbound", "chunk": str(self.chunks),
            "timestamp": str((self.chunks - 1) * 20), "payload": payload})

    async def press(self, digit):
        await self.tell("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def stop(self):
        await self.tell("stop", stop={"accountSid": "AC" + "0" * 32, "callSid": self.call})


class Telnyx(Phone):
    ids = {"stream_id": "32de0dea-53cb-4b21-89a4-9e1819c043bc"}

    async def begin(self):
        await self.socket.send('{"event":"connected","version":"1.0.0"}')
        await self.tell("start", sequence_number="1", start={
            "user_id": "3e6f995f-85f7-4705-9741-53b116d28237", "call_control_id": self.call,
            "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f", "from": "+13122010094",
            "to": "+13122123456", "client_state": "", "custom_parameters": self.parameters,
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}})

    async def media(self, payload):
        await self.tell("media", sequence_number=str(self.chunks + 1), media={
            "track": "inbound", "chunk": str(self.chunks),
            "timestamp": str((self.chunks - 1) * 20), "payload": payload})

    async def press(self, digit):
        await self.tell("dtmf", occurred_at="2026-11-20T10:00:00Z", dtmf={"digit": digit})

    async def stop(self):
        await self.tell("stop", sequence_number=str(self.chunks + 2), stop={
            "user_id": "3e6f995f-85f7-4705-9741-53b116d28237", "call_control_id": self.call})
