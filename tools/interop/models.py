# Voice models that keep what they are told: foreign WebSocket servers in the place of OpenAI
# Realtime, Gemini Live and Deepgram's Voice Agent, which say what a case has them say. Every client
# message is kept as it came, and judged by the vendors' own models of it (`judge`); what these
# servers say themselves is judged by the vendors' models too.
import asyncio
import base64
import contextlib
import json

from deepgram.agent.v1 import types as agent
from google.genai import types
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import TypeAdapter
from websockets.asyncio.server import serve

import household
from household import expect, free_port

CLIENT_EVENT = TypeAdapter(RealtimeClientEventParam)
SERVER_EVENT = TypeAdapter(RealtimeServerEvent)


def plain(value):
    """What a validator gave, as JSON has it: some lists come as iterators."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return [plain(member) for member in value]


def judge_openai(message):
    """The package's types drop names that they do not know: what comes out must be what went in."""
    event = json.loads(message)
    expect(plain(CLIENT_EVENT.validate_python(event)) == event, f"OpenAI does not know: {message}")


def judge_gemini(message):
    """The package's models know all names but one of the setup, which has a model of its own. They
    take snake case as well, which the service need not: what comes out is in camel case."""
    event = json.loads(message)
    if "realtimeInputConfig" in event.get("setup", {}):
        config = event["setup"].pop("realtimeInputConfig")
        expect(written(types.RealtimeInputConfig, config) == config, f"Gemini: {config}")
    expect(written(types.LiveClientMessage, event) == event, f"Gemini does not know: {message}")


AGENT_CLIENT = {
    "Settings": agent.AgentV1Settings, "KeepAlive": agent.AgentV1KeepAlive,
    "InjectAgentMessage": agent.AgentV1InjectAgentMessage,
    "InjectUserMessage": agent.AgentV1InjectUserMessage,
    "FunctionCallResponse": agent.AgentV1SendFunctionCallResponse,
}
AGENT_SERVER = {
    kind: getattr(agent, f"AgentV1{kind}") for kind in (
        "Welcome", "SettingsApplied", "ConversationText", "UserStartedSpeaking", "AgentThinking",
        "AgentStartedSpeaking", "AgentAudioDone", "FunctionCallRequest", "InjectionRefused",
        "Warning", "Error")
}


def judge_agent(message, kinds=None):
    """The package's models keep names that they do not know, as members without a field."""
    event = json.loads(message)
    model = (kinds or AGENT_CLIENT).get(event["type"])
    expect(model is not None, f"Deepgram has no such message: {message}")
    known(model.model_validate(event), message)


def known(value, message):
    if isinstance(value, list):
        for member in value:
            known(member, message)
    if hasattr(value, "model_fields_set"):
        expect(not value.model_extra, f"the package does not know {value.model_extra}: {message}")
        for name in value.model_fields_set:
            known(getattr(value, name), message)


def written(model, value):
    text = model.model_validate(value).model_dump_json(by_alias=True, exclude_unset=True)
    again = json.loads(text)
    audio = again.get("realtimeInput", {}).get("audio", {})
    if "data" in audio:
        # It writes bytes in the alphabet for URLs.
        audio["data"] = audio["data"].replace("-", "+").replace("_", "/")
    return again


class Model:
    """Listens in a model's place, for one call. `messages` is all that it was told."""

    # Whether binary messages are audio.
    hears_binary = False

    def __init__(self):
        self.port = free_port()
        self.messages = []
        # The same, a list for each connection.
        self.sessions = []
        self.sound = []
        self.sockets = []
        self.requests = []
        self.came = asyncio.Condition()

    async def __aenter__(self):
        self.server = await serve(
            self.hold, "127.0.0.1", self.port, compression=None, max_size=None)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def hold(self, socket):
        told = []
        self.sessions.append(told)
        self.sockets.append(socket)
        self.requests.append(socket.request)
        with contextlib.suppress(Exception):
            await self.begin()
            async for message in socket:
                async with self.came:
                    told.append(message)
                    (self.sound if isinstance(message, bytes) and self.hears_binary
                     else self.messages).append(message)
                    self.came.notify_all()
                if not self.hears_binary or isinstance(message, str):
                    await self.answer(json.loads(message))

    async def until(self, condition, what, seconds=10):
        """Waits until a message was told of which the condition is true; returns it."""

        def found():
            return next((e for e in map(json.loads, self.messages) if condition(e)), None)

        async with self.came:
            try:
                await asyncio.wait_for(self.came.wait_for(lambda: found() is not None), seconds)
            except asyncio.TimeoutError:
                raise AssertionError(f"not told in {seconds} s: {what}") from None
            return found()


class OpenAI(Model):
    kind = "openai"
    judge = staticmethod(judge_openai)

    async def begin(self):
        await self.say("session.created", session={"type": "realtime"})

    async def answer(self, event):
        if event["type"] == "session.update":
            await self.say("session.updated", session=event["session"])

    async def say(self, kind, **fields):
        text = json.dumps({"type": kind, "event_id": f"event_{kind}"} | fields)
        event = SERVER_EVENT.validate_json(text)
        expect(event.type == kind, f"{kind} is unknown to the package")
        await self.sockets[-1].send(text)

    async def speak(self, item, audio):
        """One message of audio, in the session's format."""
        await self.say(
            "response.output_audio.delta", response_id="resp_1", item_id=item, output_index=0,
            content_index=0, delta=base64.b64encode(audio).decode())

    async def finish(self, item, status="completed"):
        await self.say(
            "response.output_audio.done", response_id="resp_1", item_id=item, output_index=0,
            content_index=0)
        await self.say(
            "response.done", response={"id": "resp_1", "object": "realtime.response",
                                       "status": status, "output": []})

    async def interrupt(self):
        await self.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_user")

    def told(self, kind):
        return [e for e in map(json.loads, self.messages) if e["type"] == kind]

    def audio(self):
        pieces = self.told("input_audio_buffer.append")
        return b"".join(base64.b64decode(piece["audio"]) for piece in pieces)


class Gemini(Model):
    kind = "gemini"
    judge = staticmethod(judge_gemini)

    async def begin(self):
        pass

    async def answer(self, event):
        if "setup" in event:
            await self.say(setupComplete={})

    async def say(self, **fields):
        text = json.dumps(fields)
        types.LiveServerMessage.model_validate_json(text)
        # The service writes its JSON into binary messages.
        await self.sockets[-1].send(text.encode())

    def told(self, *path, messages=None):
        """What stands at a path, in each message that has it."""
        found = []
        for value in map(json.loads, self.messages if messages is None else messages):
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return found

    def audio_of(self, session):
        pieces = self.told("realtimeInput", "audio", "data", messages=self.sessions[session])
        return b"".join(map(base64.b64decode, pieces))


class Agent(Model):
    kind = "agent"
    judge = staticmethod(judge_agent)
    hears_binary = True

    async def begin(self):
        await self.say("Welcome", request_id="request-1")

    async def answer(self, event):
        if event["type"] == "Settings":
            await self.say("SettingsApplied")

    async def say(self, kind, **fields):
        text = json.dumps({"type": kind} | fields)
        judge_agent(text, AGENT_SERVER)
        await self.sockets[-1].send(text)

    def audio(self):
        return b"".join(self.sound)


@contextlib.asynccontextmanager
async def staged(model, file=None, **settings):
    """A relay of its own, with this model as its only upstream."""
    async with model:
        relay = await household.start_relay(
            household.upstreams(**{model.kind: model.port}) | settings, file)
        try:
            yield relay
        finally:
            await relay.end()
