# What the relay tells the three services of a cascade, in real calls from a foreign caller: every
# request to the chat endpoint must be one that the package of OpenAI knows, and every message to
# who listens and who speaks one that their vendors' packages know. The calls bring out every kind:
# greeting, questions, a function, an interruption, a key, the end.
import asyncio
import base64
import contextlib
import inspect
import json
from urllib.parse import parse_qsl, urlsplit

from cartesia.types import websocket_client_event_param, websocket_response
from deepgram.listen.v1 import types as listen
from deepgram.listen.v1.client import AsyncV1Client as ListenClient
from deepgram.speak.v1 import types as speak
from deepgram.speak.v1.client import AsyncV1Client as SpeakClient
from elevenlabs import types as contexts
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

import household
from calls import sid, until
from household import expect, free_port
from models import Model, known, plain
from phone import Twilio

REQUEST = TypeAdapter(CompletionCreateParamsStreaming)
CARTESIA = TypeAdapter(websocket_client_event_param.WebsocketClientEventParam)
CARTESIA_SERVER = TypeAdapter(websocket_response.WebsocketResponse)
INSTRUCTION = 'You are "Ada".\nSay \u00e9, \U0001f600 and \\ as they are, & nothing = more.'
GREETING = 'Hello "there", \u00e9.'
FIRST = ["One moment, ", "please. ", "**The sky** is ", "blue \u2603 today. ", "Ask me more."]
SECOND = ["You may ask ", "again."]
WISHES = {"model": "model-of-the-day", "language": "de", "system_instruction": INSTRUCTION,
          "voice": "voice/of-the-day"}
FILE = """
[upstreams.{kind}]
private = true
key = "ears"
url = "ws://127.0.0.1:{ears}/v1/listen"
think_url = "http://127.0.0.1:{chat}/v1"
think_key = "sk-1"
speak_url = "ws://127.0.0.1:{voice}{path}"
speak_key = "voice"
temperature = 0.5
greeting = 'Hello "there", \u00e9.'
[[functions]]
name = "look"
description = 'Looks "up".'
parameters = '{{"type":"object","properties":{{"where":{{"type":"string"}}}}}}'
url = "http://127.0.0.1:{chat}/look"
plain = true
[[routes]]
path = "/talk"
upstream = "{kind}"
functions = ["look"]
"""


def judge_request(body):
    """The package's types drop names that they do not know: what comes out must be what went in."""
    event = json.loads(body)
    expect(plain(REQUEST.validate_python(event)) == event, f"OpenAI does not know: {body}")


class Ears(Model):
    """Deepgram, which listens."""

    hears_binary = True

    async def begin(self):
        pass

    async def answer(self, event):
        pass

    @staticmethod
    def judge(message):
        event = json.loads(message)
        known(getattr(listen, f"ListenV1{event['type']}").model_validate(event), message)

    async def say(self, words, is_final=True, ends=True):
        event = {
            "type": "Results", "channel_index": [0, 1], "duration": 1.0, "start": 0.0,
            "is_final": is_final, "speech_final": ends, "from_finalize": False,
            "channel": {"alternatives": [{"transcript": words, "confidence": 0.9, "words": []}]},
            "metadata": {"request_id": "r", "model_uuid": "u", "model_info": {
                "name": "n", "version": "1", "arch": "a"}}}
        listen.ListenV1Results.model_validate(event)
        await self.sockets[-1].send(json.dumps(event))


class Deepgram(Model):
    kind, path = "cascade", "/v1/speak"

    async def begin(self):
        pass

    @staticmethod
    def judge(message):
        event = json.loads(message)
        kind = "Text" if event["type"] == "Speak" else event["type"]
        known(getattr(speak, f"SpeakV1{kind}").model_validate(event), message)

    async def answer(self, event):
        if event["type"] == "Flush":
            await self.sockets[-1].send(bytes(range(256)) * 16)
            await self.say(speak.SpeakV1Flushed(type="Flushed", sequence_id=1))
        if event["type"] == "Clear":
            await self.say(speak.SpeakV1Cleared(type="Cleared", sequence_id=1))

    async def say(self, message):
        await self.sockets[-1].send(message.model_dump_json())

    def texts(self):
        return [e["text"] for e in map(json.loads, self.messages) if e["type"] == "Speak"]

    def judge_all(self):
        kinds = {json.loads(message)["type"] for message in self.messages}
        expect(kinds == {"Speak", "Flush", "Clear"}, f"told: {kinds}")
        asked = query(self, SpeakClient)
        expect(asked == {"encoding": "mulaw", "sample_rate": "8000", "model": "voice/of-the-day"},
               f"{asked}")


class Cartesia(Model):
    kind, path = "cascade-cartesia", "/tts/websocket"

    async def begin(self):
        pass

    @staticmethod
    def judge(message):
        event = json.loads(message)
        expect(plain(CARTESIA.validate_python(event)) == event, f"Cartesia: {message}")

    async def answer(self, event):
        if event.get("cancel"):
            return
        where = {"context_id": event["context_id"], "done": False, "status_code": 206}
        if event["transcript"]:
            await self.say(where | {
                "type": "chunk", "data": base64.b64encode(bytes(4096)).decode(), "step_time": 1.0})
        if not event["continue"]:
            await self.say(where | {"type": "done", "done": True, "status_code": 200})

    async def say(self, event):
        CARTESIA_SERVER.validate_python(event)
        await self.sockets[-1].send(json.dumps(event))

    def texts(self):
        return [e["transcript"] for e in map(json.loads, self.messages) if e.get("transcript")]

    def judge_all(self):
        asked = [e for e in map(json.loads, self.messages) if "cancel" not in e]
        expect(any(e.get("cancel") for e in map(json.loads, self.messages)), "nothing is cancelled")
        expect(all(e["voice"] == {"mode": "id", "id": "voice/of-the-day"} and e["language"] == "de"
                   and e["output_format"] == {
                       "container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
                   for e in asked), f"{asked}")
        headers = self.requests[0].headers
        expect(headers["X-API-Key"] == "voice", f"{headers}")


class ElevenLabs(Model):
    kind, path = "cascade-elevenlabs", "/v1/text-to-speech"

    async def begin(self):
        pass

    @staticmethod
    def judge(message):
        event = json.loads(message)
        model = (contexts.CloseSocket if "close_socket" in event
                 else contexts.CloseContext if "close_context" in event
                 else contexts.SendTextMulti)
        known(model.model_validate(event), message)

    async def answer(self, event):
        if event.get("flush"):
            await self.say({"audio": base64.b64encode(bytes(4096)).decode(),
                            "contextId": event["context_id"]}, contexts.AudioOutputMulti)
        if event.get("close_context"):
            await self.say({"isFinal": True, "contextId": event["context_id"]},
                           contexts.FinalOutputMulti)

    async def say(self, event, model):
        known(model.model_validate(event), event)
        await self.sockets[-1].send(json.dumps(event))

    def texts(self):
        return [e["text"] for e in map(json.loads, self.messages) if "text" in e]

    def judge_all(self):
        expect(all(text.endswith(" ") for text in self.texts()), f"{self.texts()}")
        path, _, asked = self.requests[0].path.partition("?")
        expect(path == "/v1/text-to-speech/voice%2Fof-the-day/multi-stream-input", path)
        expect(dict(parse_qsl(asked)) == {
            "output_format": "ulaw_8000", "inactivity_timeout": "180",
            "model_id": "eleven_flash_v2_5", "language_code": "de"}, asked)
        headers = self.requests[0].headers
        expect(headers["xi-api-key"] == "voice", f"{headers}")


def query(model, client):
    """What a handshake asks for, which their client can ask for as well."""
    asked = dict(parse_qsl(urlsplit(model.requests[0].path).query))
    names = set(inspect.signature(client.connect).parameters)
    expect(set(asked) <= names, f"their client has no {set(asked) - names}")
    return asked


class Chat:
    """A chat endpoint that says what a case has it say, and the server of a function."""

    def __init__(self):
        self.port = free_port()
        self.requests, self.keys, self.called = [], [], []
        self.go_on = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.hold, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def hold(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(row.lower().split(": ", 1) for row in head[1:] if ": " in row)
                body = await reader.readexactly(int(fields["content-length"]))
                if " /look " in head[0]:
                    self.called.append(json.loads(body))
                    answer = b'{"sky":"blue \xe2\x98\x83"}'
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
                    writer.write(answer)
                    continue
                self.requests.append(body)
                self.keys.append(fields["authorization"])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
                await self.answer(len(self.requests), writer)

    async def answer(self, number, writer):
        def say(delta, finish=None):
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                     "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            ChatCompletionChunk.model_validate(chunk)
            piece = b"data: " + json.dumps(chunk).encode() + b"\n\n"
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))

        say({"role": "assistant", "content": ""})
        if number == 1:
            for place, where in enumerate(("sky", "sea")):
                say({"tool_calls": [{
                    "index": place, "id": f"call_{place}", "type": "function", "function": {
                        "name": "look", "arguments": '{"where":'}}]})
                say({"tool_calls": [{"index": place, "function": {
                    "arguments": f'"{where}"}}'}}]})
            say({}, "tool_calls")
        else:
            for word in FIRST if number == 2 else SECOND:
                say({"content": word})
                await writer.drain()
            if number == 2:
                # The rest of this one never comes: the caller interrupts.
                await self.go_on.wait()
            say({}, "stop")
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


def judge_chat(chat):
    for body in chat.requests:
        judge_request(body)
    expect(set(chat.keys) == {"bearer sk-1"}, f"{chat.keys}")
    first, second, third, fourth = map(json.loads, chat.requests)
    expect(first["model"] == "model-of-the-day" and first["temperature"] == 0.5
           and first["stream"] is True, f"{first}")
    expect(first["tools"] == [{"type": "function", "function": {
        "name": "look", "description": 'Looks "up".', "parameters": {
            "type": "object", "properties": {"where": {"type": "string"}}}}}], f"{first}")
    asked = [{"role": "system", "content": INSTRUCTION},
             {"role": "assistant", "content": GREETING}, {"role": "user", "content": "What's up?"}]
    expect(first["messages"] == asked, f"{first['messages']}")
    expect(second["messages"][:3] == asked, f"{second['messages']}")
    judge_calls(second["messages"])
    # Of what was interrupted only what was heard, by estimate; then what the caller said, once.
    said = third["messages"]
    expect(said.count({"role": "user", "content": "Stop. Go on."}) == 1, f"{said}")
    spoken = [m["content"] for m in said if m["role"] == "assistant" and m["content"]]
    expect(spoken[0] == GREETING and all(
        len(text) < 20 and "".join(FIRST).startswith(text) for text in spoken[1:]),
           f"{said}")
    expect(fourth["messages"][-1] == {"role": "user", "content": "(The caller pressed 5.)"},
           f"{fourth['messages']}")
    expect(fourth["messages"][-2] == {"role": "assistant", "content": "".join(SECOND)},
           f"{fourth['messages']}")


def judge_calls(messages):
    """Both calls in one message, and behind it an answer to each of them."""
    place = next(place for place, m in enumerate(messages) if m.get("tool_calls"))
    calls, answers = messages[place]["tool_calls"], messages[place + 1:place + 3]
    ids = [call["id"] for call in calls]
    expect(messages[place]["role"] == "assistant" and len(set(ids)) == 2, f"{calls}")
    expect([json.loads(call["function"]["arguments"]) for call in calls]
           == [{"where": "sky"}, {"where": "sea"}], f"{calls}")
    expect(sorted(answer["tool_call_id"] for answer in answers) == sorted(ids)
           and all(json.loads(answer["content"]) == {"sky": "blue \u2603"} for answer in answers),
           f"{answers}")


async def talk(voice):
    ears, chat = Ears(), Chat()
    async with ears, chat, voice:
        relay = await household.start_relay({}, FILE.format(
            kind=voice.kind, ears=ears.port, chat=chat.port, voice=voice.port, path=voice.path))
        try:
            url = f"ws://127.0.0.1:{relay.port}/talk"
            async with Twilio(url, sid(31), WISHES) as phone:
                await until(lambda: len(phone.audio()) > 1600, "no greeting is heard")
                await asyncio.sleep(1)
                await phone.say(bytes([255]) * 4000)
                await ears.say("What's up?")
                await until(lambda: len(chat.requests) == 2, "no request behind the functions")
                begun = len(phone.audio())
                await until(lambda: len(phone.audio()) > begun + 1600, "no answer is heard")
                await ears.say("Stop.", is_final=False, ends=False)
                await until(lambda: phone.told("clear"), "the carrier is not told to clear")
                await ears.say("Stop. Go on.")
                await until(lambda: len(chat.requests) == 3, "no request behind the interruption")
                await asyncio.sleep(2)
                await phone.press("5")
                await until(lambda: len(chat.requests) == 4, "no request behind the key")
                await asyncio.sleep(1)
                expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
            await voice.sockets[-1].wait_closed()
        finally:
            chat.go_on.set()
            await relay.end()
    for message in ears.messages:
        ears.judge(message)
    asked = query(ears, ListenClient)
    expect(asked == {
        "encoding": "mulaw", "sample_rate": "8000", "channels": "1", "interim_results": "true",
        "punctuate": "true", "utterance_end_ms": "1000", "model": "nova-3", "language": "de",
        "endpointing": "300"}, f"{asked}")
    for message in voice.messages:
        voice.judge(message)
    voice.judge_all()
    text = " ".join("".join(voice.texts()).split())
    expect(text.startswith(GREETING) and "The sky is blue \u2603 today." in text, text)
    expect("*" not in text, text)
    expect(len(chat.called) == 2, f"{chat.called}")
    judge_chat(chat)


async def every_message_of_a_cascade_is_known_to_its_packages(house):
    await talk(Deepgram())


async def every_message_to_cartesia_is_known_to_its_package(house):
    await talk(Cartesia())


async def every_message_to_elevenlabs_is_known_to_its_package(house):
    await talk(ElevenLabs())


CASES = [
    every_message_of_a_cascade_is_known_to_its_packages,
    every_message_to_cartesia_is_known_to_its_package,
    every_message_to_elevenlabs_is_known_to_its_package,
]
