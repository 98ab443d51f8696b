# A stand-in for Deepgram's streaming endpoint, made of a foreign WebSocket library. It hears
# nothing; it keeps the handshake and every message as they came, answers with a result now and
# then, and finishes as the real one does. What it kept is then held against the vendor's own
# models and rules.
import asyncio
import contextlib
import hashlib
import json
import time
from urllib.parse import parse_qsl, urlsplit

from deepgram.listen.v1 import types
from deepgram.listen.v1.socket_client import V1SocketClientResponse
from pydantic import TypeAdapter
from websockets.asyncio.server import serve

from household import expect, free_port

# What a relay may ask for, and the values that are right for a phone call.
ALLOWED = {
    "model": {"nova-2", "nova-3"},
    "language": {"en", "en-US"},
    "encoding": {"mulaw", "linear16", "alaw"},
    "sample_rate": {"8000", "16000", "24000", "48000"},
    "channels": {"1", "2"},
    "multichannel": {"true", "false"},
    "interim_results": {"true"},
    "punctuate": {"true"},
    "smart_format": {"true", "false"},
    "endpointing": None,
    "utterance_end_ms": None,
    "vad_events": {"true", "false"},
    "tag": None,
}
CONTROL = {
    "KeepAlive": types.ListenV1KeepAlive,
    "Finalize": types.ListenV1Finalize,
    "CloseStream": types.ListenV1CloseStream,
}
REQUEST = "5f1b7c1e-0000-4000-8000-000000000001"


def results(text, start, duration, is_final):
    """A result as the vendor writes it, with odd spacing that must survive the way."""
    words = [{"word": text, "start": start, "end": start + duration, "confidence": 0.99,
              "punctuated_word": text.capitalize()}]
    alternatives = [{"transcript": text, "confidence": 0.98, "words": words}]
    return json.dumps({
        "type": "Results", "channel_index": [0, 1], "duration": duration, "start": start,
        "is_final": is_final, "speech_final": is_final, "from_finalize": False,
        "channel": {"alternatives": alternatives},
        "metadata": {"request_id": REQUEST, "model_uuid": REQUEST, "model_info": {
            "name": "2-general-nova", "version": "2024-01-09.29447", "arch": "nova-2"}},
    }, separators=(", ", ":  "))


def metadata(duration):
    return json.dumps({
        "type": "Metadata", "transaction_key": "deprecated", "request_id": REQUEST,
        "sha256": "0" * 64, "created": "2026-11-20T10:00:00.000Z", "duration": duration,
        "channels": 1})


class Session:
    """One connection: its handshake, its messages in order, and what was answered."""

    def __init__(self, request):
        self.path = request.path
        self.headers = request.headers
        self.messages = []
        self.times = [time.monotonic()]
        self.answers = []
        self.is_over = asyncio.Event()

    @property
    def query(self):
        return parse_qsl(urlsplit(self.path).query, keep_blank_values=True)

    @property
    def audio(self):
        return b"".join(message for message in self.messages if isinstance(message, bytes))

    @property
    def controls(self):
        return [json.loads(message) for message in self.messages if isinstance(message, str)]

    def judge(self):
        """The rules that hold for every session, whoever called."""
        expect(urlsplit(self.path).path == "/v1/listen", f"the path is {self.path}")
        expect(self.headers.get("Authorization") == "Token test", "the key is sent as Token")
        expect(self.headers.get("Sec-WebSocket-Extensions") is None, "no extension is offered")
        for name, value in self.query:
            expect(name in ALLOWED, f"{name} is asked for")
            values = ALLOWED[name]
            expect(values is None or value in values, f"{name}={value} is asked for")
        names = [name for name, _ in self.query]
        expect(len(names) == len(set(names)), f"asked twice: {names}")
        for name in ("model", "encoding", "sample_rate"):
            expect(name in names, f"{name} is missing")
        for message in self.messages:
            if isinstance(message, bytes):
                expect(len(message) > 0, "an empty binary message")
                continue
            control = json.loads(message)
            # The models take any `type` and any further key, so both are checked literally.
            model = CONTROL.get(control.get("type"))
            expect(model is not None, f"an unknown control message: {message}")
            model.model_validate(control)
            expect(set(control) <= set(model.model_fields), f"unknown keys: {message}")
        kinds = [control["type"] for control in self.controls]
        expect(kinds.count("CloseStream") == 1, f"control messages: {kinds}")
        expect(self.messages[-1] == '{"type":"CloseStream"}', "CloseStream is the last message")

    def digest(self):
        return hashlib.sha256(self.audio).hexdigest()


class Twin:
    """Listens; `calls` holds the sessions in the order in which they came."""

    def __init__(self):
        self.port = free_port()
        self.calls = asyncio.Queue()

    async def __aenter__(self):
        self.server = await serve(
            self.serve, "127.0.0.1", self.port, compression=None, max_size=None)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, socket):
        session = Session(socket.request)
        await self.calls.put(session)

        async def answer(text):
            TypeAdapter(V1SocketClientResponse).validate_json(text)
            session.answers.append(text)
            await socket.send(text)

        bytes_per_second = 8000 * (1 if dict(session.query).get("encoding") == "mulaw" else 2)
        said = 0
        with contextlib.suppress(Exception):
            async for message in socket:
                session.messages.append(message)
                session.times.append(time.monotonic())
                heard = len(session.audio) / bytes_per_second
                if isinstance(message, bytes) and heard >= said + 1:
                    await answer(results(f"word{said}", said, 1.0, True))
                    said += 1
                if message == '{"type":"CloseStream"}':
                    await answer(results("goodbye \u00fc \"quoted\"", said, heard - said, True))
                    await answer(metadata(heard))
                    await socket.close(1000)
        session.is_over.set()
