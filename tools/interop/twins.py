# The lab's twins of voice models, judged by the vendors' own packages: their clients hold a whole
# conversation with them, and their models must know every message that a twin sends, with nothing
# in it that they do not know.
import array
import asyncio
import base64
import contextlib
import json

from deepgram.speak.v1 import types as speak
from elevenlabs import types as contexts
from google import genai
from google.genai import types
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

import household
from household import expect, hear as heard
from models import AGENT_SERVER, judge_agent, known

SERVER_EVENT = TypeAdapter(RealtimeServerEvent)
TEXT = "how are you"
ANSWER = f"you said: {TEXT}"
GREETING = "hello there"


@contextlib.asynccontextmanager
async def started(kind, *options):
    twin = await household.start_twin(kind, "--greeting", GREETING, *options)
    try:
        yield twin
    finally:
        await twin.end()


def repeated(samples, times):
    """Each sample so many times: a higher rate, whose images lie above what the twins listen to."""
    source = array.array("h", samples)
    return array.array("h", (sample for sample in source for _ in range(times))).tobytes()


def tones(times):
    return repeated(household.say(TEXT) + bytes(16000), times)


def thinned(samples, times):
    return array.array("h", samples)[::times].tobytes()


def judge_openai(raw):
    """The package's models keep names that they do not know, and know that they do not."""
    event = SERVER_EVENT.validate_json(raw)
    expect(event.type == json.loads(raw)["type"], f"the package does not know {raw[:300]}")
    # The service describes a session with more than the package's type of it has.
    allowed = {"id", "object", "expires_at"} if event.type.startswith("session.") else set()
    extra = set(unknown(event)) - allowed
    expect(not extra, f"the package does not know {extra} in {raw[:500]}")
    return event


def unknown(model):
    """The names that a message has and its model has not, at any depth."""
    if isinstance(model, list):
        return [name for member in model for name in unknown(member)]
    if not hasattr(model, "model_fields_set"):
        return []
    own = list(model.model_extra or {})
    return own + [name for field in model.model_fields_set
                  for name in unknown(getattr(model, field, None))]


class Realtime:
    """The package's connection, with every message judged as it came."""

    def __init__(self, connection):
        self.connection = connection
        self.kinds = []

    async def next(self, kind=None):
        while True:
            raw = await asyncio.wait_for(self.connection.recv_bytes(), 5)
            event = judge_openai(raw)
            self.kinds.append(event.type)
            if kind is None or event.type == kind:
                return event

    async def answer(self):
        """Audio and transcript of the response that is being given."""
        audio = b""
        while True:
            event = await self.next()
            if event.type == "response.output_audio.delta":
                audio += base64.b64decode(event.delta)
            if event.type == "response.done":
                return audio, event.response


async def openai_package_talks_with_the_twin(house):
    async with started("openai") as twin:
        client = AsyncOpenAI(api_key="test", base_url=f"http://127.0.0.1:{twin.port}/v1")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            talk = Realtime(connection)
            await talk.next("session.created")
            pcm = {"type": "audio/pcm", "rate": 24000}
            await connection.session.update(session={
                "type": "realtime", "audio": {
                    "input": {"format": pcm, "transcription": {"model": "whisper-1"},
                              "turn_detection": {"type": "server_vad"}},
                    "output": {"format": pcm}}})
            await talk.next("session.updated")
            await connection.response.create(response={"instructions": "Greet."})
            audio, response = await talk.answer()
            expect(heard(thinned(audio, 3)) == GREETING, "the greeting is not in its sound")
            await append(connection, tones(3))
            words = await talk.next("conversation.item.input_audio_transcription.completed")
            expect(words.transcript == TEXT, f"heard {words.transcript}")
            audio, response = await talk.answer()
            expect(heard(thinned(audio, 3)) == ANSWER, "the answer is not in its sound")
            expect(response.output[0].content[0].transcript == ANSWER, f"{response.output}")
            await edit(connection, talk, response.output[0].id)
        for kind in ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                     "input_audio_buffer.committed", "conversation.item.added",
                     "response.output_audio_transcript.done", "response.output_audio.done"):
            expect(kind in talk.kinds, f"no {kind} among {set(talk.kinds)}")


async def append(connection, samples):
    for index in range(0, len(samples), 9600):
        piece = base64.b64encode(samples[index:index + 9600]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def edit(connection, talk, item):
    """What a relay does to a conversation, and what is wrong with it."""
    await connection.conversation.item.truncate(
        item_id=item, content_index=0, audio_end_ms=480)
    cut = await talk.next()
    expect((cut.type, cut.audio_end_ms) == ("conversation.item.truncated", 480), f"{cut}")
    await connection.conversation.item.truncate(
        item_id=item, content_index=0, audio_end_ms=1_000_000)
    expect((await talk.next()).type == "error", "more is cut than was said")
    await connection.conversation.item.create(item={
        "type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "The caller pressed 1."}]})
    await talk.next("conversation.item.added")
    await connection.conversation.item.delete(item_id=item)
    await talk.next("conversation.item.deleted")
    await connection.send({"type": "session.update", "session": {"type": "realtime", "voice": "x"}})
    error = (await talk.next("error")).error
    expect("voice" in f"{error.param} {error.message}", f"an unknown name: {error}")


async def openai_package_knows_the_twin_in_trouble(house):
    """The same judgement of what the twin says when it goes wrong."""
    audio = {"type": "audio/pcmu"}
    update = {"type": "session.update", "session": {"type": "realtime", "audio": {
        "input": {"format": audio, "transcription": {"model": "whisper-1"},
                  "turn_detection": {"type": "server_vad"}}, "output": {"format": audio}}}}
    sound = household.mulaw(tones(1))
    expected = {
        "frames=100": "response.done", "failed-transcripts":
        "conversation.item.input_audio_transcription.failed",
        "late-transcripts=0.3": "conversation.item.input_audio_transcription.completed",
        "expire-after=0.5": "error", "reject-update": "error"}
    async with started("openai") as twin:
        for way, kind in expected.items():
            headers = {"Authorization": f"Bearer misbehave:{way}"}
            url = f"ws://127.0.0.1:{twin.port}/v1/realtime?model=m"
            async with connect(url, additional_headers=headers, max_queue=None) as socket:
                await socket.send(json.dumps(update))
                for index in range(0, len(sound), 800):
                    await socket.send(json.dumps({
                        "type": "input_audio_buffer.append",
                        "audio": base64.b64encode(sound[index:index + 800]).decode()}))
                while judge_openai(await asyncio.wait_for(socket.recv(), 5)).type != kind:
                    pass


class Live:
    """One session of the package; its models refuse what they do not know."""

    def __init__(self, session):
        self.session = session

    async def turn(self):
        """The caller's words, the agent's, and its audio, up to the end of a turn."""
        words, said, audio = "", "", b""
        async with asyncio.timeout(8):
            async for message in self.session.receive():
                content = message.server_content
                if content is None:
                    continue
                if content.input_transcription:
                    words += content.input_transcription.text
                if content.output_transcription:
                    said += content.output_transcription.text
                for part in (content.model_turn.parts if content.model_turn else []):
                    audio += part.inline_data.data
        return words, said, audio

    async def say(self, samples):
        for index in range(0, len(samples), 6400):
            await self.session.send_realtime_input(audio=types.Blob(
                data=samples[index:index + 6400], mime_type="audio/pcm;rate=16000"))


async def gemini_package_talks_with_the_twin(house):
    async with started("gemini") as twin:
        async with live(twin.port, "test") as session:
            talk = Live(session)
            await session.send_client_content(
                turns=types.Content(role="user", parts=[types.Part(text="Greet.")]))
            _, said, audio = await talk.turn()
            expect(said == GREETING, f"greeted with {said}")
            expect(heard(thinned(audio, 3)) == GREETING, "the greeting is not in its sound")
            await talk.say(tones(2))
            words, said, audio = await talk.turn()
            expect((words, said) == (TEXT, ANSWER), f"heard {words}, said {said}")
            expect(heard(thinned(audio, 3)) == ANSWER, "the answer is not in its sound")
            await session.send_realtime_input(text="The caller pressed 1.")
            _, said, _ = await talk.turn()
            expect(said != "", "no answer to a text")
            await session.send_realtime_input(audio_stream_end=True)
        try:
            async with live(twin.port, "misbehave:refuse-setup=1008"):
                raise AssertionError("let in although the setup is refused")
        except genai.errors.APIError as error:
            expect(error.code == 1008 and "not found" in str(error), f"{error}")


def live(port, key):
    client = genai.Client(api_key=key)
    # The package dials wss only; this is where it asks for the address and for its TLS settings.
    api = client._api_client
    api._websocket_base_url = lambda *_: f"ws://127.0.0.1:{port}"
    api._websocket_ssl_ctx = {}
    return client.aio.live.connect(model="gemini-live", config=types.LiveConnectConfig(
        response_modalities=["AUDIO"], input_audio_transcription={},
        output_audio_transcription={}, session_resumption={}, system_instruction="Be kind.",
        speech_config={"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}},
                       "language_code": "en-US"},
        realtime_input_config={"automatic_activity_detection": {"silence_duration_ms": 300}},
        context_window_compression={"sliding_window": {}}))


AGENT_SETTINGS = {
    "type": "Settings",
    "audio": {"input": {"encoding": "linear16", "sample_rate": 16000},
              "output": {"encoding": "linear16", "sample_rate": 8000, "container": "none"}},
    "agent": {
        "listen": {"provider": {"type": "deepgram", "version": "v1", "model": "nova-3"}},
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}}}


async def deepgram_package_knows_all_that_the_agent_twin_says(house):
    async with started("agent") as twin:
        address = f"ws://127.0.0.1:{twin.port}/v1/agent/converse"
        key = {"Authorization": "Token misbehave:ask-function=1"}
        async with connect(address, additional_headers=key) as socket:
            await socket.send(json.dumps(AGENT_SETTINGS))
            sound = tones(2)
            for index in range(0, len(sound), 6400):
                await socket.send(sound[index:index + 6400])
            kinds, audio = [], b""
            while "AgentAudioDone" not in kinds:
                message = await asyncio.wait_for(socket.recv(), 10)
                if isinstance(message, bytes):
                    audio += message
                    continue
                judge_agent(message, AGENT_SERVER)
                kinds.append(json.loads(message)["type"])
            expect(heard(audio) == ANSWER, "the answer is not in its sound")
            await socket.send("{")
            judge_agent(await asyncio.wait_for(socket.recv(), 10), AGENT_SERVER)
            await socket.wait_closed()
    expect(set(kinds) == {
        "Welcome", "SettingsApplied", "UserStartedSpeaking", "ConversationText", "AgentThinking",
        "FunctionCallRequest", "AgentStartedSpeaking", "AgentAudioDone"}, f"{kinds}")


SPEAK_SERVER = {kind: getattr(speak, f"SpeakV1{kind}")
                for kind in ("Metadata", "Flushed", "Cleared", "Warning")}


async def deepgram_package_knows_all_that_the_twin_of_its_voices_says(house):
    async with started("speak", "--pace", "2") as twin:
        address = f"ws://127.0.0.1:{twin.port}/v1/speak?encoding=linear16&sample_rate=8000"
        key = {"Authorization": "Token misbehave:trailing-deltas=2"}
        async with connect(address, additional_headers=key) as socket:
            kinds, audio = [], b""

            async def tell(message):
                await socket.send(json.dumps(message.model_dump(exclude_none=True)))

            async def hear_until(kind):
                nonlocal audio
                kinds.append("")
                while kinds[-1] != kind:
                    message = await asyncio.wait_for(socket.recv(), 10)
                    if isinstance(message, bytes):
                        audio += message
                        continue
                    event = json.loads(message)
                    known(SPEAK_SERVER[event["type"]].model_validate(event), message)
                    kinds.append(event["type"])

            await tell(speak.SpeakV1Text(text=TEXT))
            await tell(speak.SpeakV1Flush(type="Flush"))
            await hear_until("Flushed")
            expect(heard(audio) == TEXT, f"{heard(audio)} was heard")
            await tell(speak.SpeakV1Text(text="never " * 20))
            await tell(speak.SpeakV1Clear(type="Clear"))
            await hear_until("Cleared")
            for _ in range(21):
                await tell(speak.SpeakV1Flush(type="Flush"))
            await hear_until("Warning")
            await tell(speak.SpeakV1Close(type="Close"))
            await socket.wait_closed()
    expect({kind for kind in kinds if kind} == set(SPEAK_SERVER), f"{kinds}")


async def elevenlabs_package_knows_all_that_the_twin_of_its_voices_says(house):
    async with started("speak", "--pace", "2") as twin:
        address = (f"ws://127.0.0.1:{twin.port}/v1/text-to-speech/voice/multi-stream-input"
                   "?output_format=pcm_8000")
        async with connect(address, additional_headers={"xi-api-key": "test"}) as socket:
            async def tell(message):
                await socket.send(json.dumps(message.model_dump(exclude_none=True)))

            async def hear(context):
                """What is said in a context to its end; nothing else is on its way."""
                audio = b""
                while True:
                    message = await asyncio.wait_for(socket.recv(), 10)
                    event = json.loads(message)
                    expect(event["contextId"] == context, f"{message[:300]}")
                    model = (contexts.AudioOutputMulti if "audio" in event
                             else contexts.FinalOutputMulti)
                    known(model.model_validate(event), message)
                    if event.get("isFinal"):
                        return audio
                    audio += base64.b64decode(event["audio"])

            for context in ("1", "2"):
                await tell(contexts.InitializeConnectionMulti(text=" ", context_id=context))
                await tell(contexts.SendTextMulti(text=f"{TEXT} ", context_id=context, flush=True))
                await tell(contexts.CloseContext(context_id=context, close_context=True))
                audio = await hear(context)
                expect(heard(audio) == TEXT, f"{heard(audio)} was heard")
            await tell(contexts.CloseSocket(close_socket=True))
            await socket.wait_closed()


CASES = [
    deepgram_package_knows_all_that_the_twin_of_its_voices_says,
    elevenlabs_package_knows_all_that_the_twin_of_its_voices_says,
    deepgram_package_knows_all_that_the_agent_twin_says,
    openai_package_talks_with_the_twin, openai_package_knows_the_twin_in_trouble,
    gemini_package_talks_with_the_twin,
]
