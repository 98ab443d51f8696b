# Pipecat's serializers for Twilio and Telnyx, which stand on the side of a bot: what the lab's
# callers send must be audio, keys and interruptions to them, what they write must be heard by the
# lab's callers, and what the relay writes to a carrier must have the very shape of theirs.
import asyncio
import base64
import contextlib
import json
import subprocess

import audioop
from loguru import logger

# It greets whoever imports it.
logger.disable("pipecat")

from pipecat.frames.frames import (
    InputAudioRawFrame, InputDTMFFrame, InterruptionFrame, OutputAudioRawFrame)
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from websockets.asyncio.server import serve

import household
import phone
from calls import sid, until
from household import BIN, expect, free_port, mulaw
from models import OpenAI, staged

SAID = "good day"
ANSWER = "what a fine day this is to talk about the weather"
OVER = "stop"
# Below it is silence; the lab's tones are far above.
LOUD = 300


async def twilio(stream):
    params = TwilioFrameSerializer.InputParams(sample_rate=8000, auto_hang_up=False)
    serializer = TwilioFrameSerializer(stream, params=params)
    await serializer.setup(None)
    return serializer


async def telnyx(stream, heard="PCMU", said="PCMU"):
    params = TelnyxFrameSerializer.InputParams(sample_rate=8000, auto_hang_up=False)
    serializer = TelnyxFrameSerializer(stream, heard, said, params=params)
    await serializer.setup(None)
    return serializer


def spoken(samples):
    """Frames of 20 ms at 8 kHz, as a bot's voice makes them."""
    samples += bytes(-len(samples) % 320)
    return [OutputAudioRawFrame(audio=samples[at:at + 320], sample_rate=8000, num_channels=1)
            for at in range(0, len(samples), 320)]


class Bot:
    """Answers once when the caller has finished, and stops when it is talked over."""

    def __init__(self, make):
        self.make, self.port = make, free_port()
        self.frames, self.quiet = [], 0
        self.has_heard = self.has_answered = self.is_interrupted = False

    async def hold(self, socket):
        with contextlib.suppress(Exception):
            async for message in socket:
                event = json.loads(message)
                if event["event"] == "start":
                    stream = event.get("streamSid") or event.get("stream_id")
                    self.serializer = await self.make(stream)
                if "start" in event or event["event"] == "connected":
                    continue
                frame = await self.serializer.deserialize(message)
                if frame is not None:
                    self.frames.append(frame)
                    await self.act(frame, socket)
                if event["event"] == "stop":
                    await socket.close(1000)

    async def act(self, frame, socket):
        if not isinstance(frame, InputAudioRawFrame):
            return
        is_loud = audioop.rms(frame.audio, 2) > LOUD
        self.quiet = 0 if is_loud else self.quiet + 1
        if is_loud and self.has_answered and not self.is_interrupted:
            self.is_interrupted = True
            await socket.send(await self.serializer.serialize(InterruptionFrame()))
        self.has_heard = self.has_heard or is_loud
        if self.has_heard and self.quiet == 30 and not self.has_answered:
            self.has_answered = True
            for piece in spoken(household.say(ANSWER)):
                await socket.send(await self.serializer.serialize(piece))


async def converse(make, *manner):
    """The lab's caller says something, talks over the answer, and presses keys."""
    bot = Bot(make)
    server = await serve(bot.hold, "127.0.0.1", bot.port, compression=None)
    command = [
        BIN / "sidetone-lab", "call", "--as", *manner, "--say", SAID, "--say", OVER,
        "--interrupt", "1.5", "--patience", "2", "--dtmf", "12#", f"ws://127.0.0.1:{bot.port}/"]
    caller = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = await asyncio.wait_for(caller.communicate(), 30)
    finally:
        if caller.returncode is None:
            caller.kill()
            await caller.wait()
        server.close()
    text = output.decode()
    expect(caller.returncode == 0, f"the caller ended with {caller.returncode}: {text}")
    audio = [frame for frame in bot.frames if isinstance(frame, InputAudioRawFrame)]
    lengths = {len(frame.audio) for frame in audio}
    expect(lengths == {320}, f"20 ms came as {lengths} bytes")
    expect({(frame.sample_rate, frame.num_channels) for frame in audio} == {(8000, 1)}, "format")
    heard = household.hear(b"".join(frame.audio for frame in audio))
    expect(heard == f"{SAID} {OVER}", f"the bot heard {heard}")
    keys = "".join(frame.button.value for frame in bot.frames if isinstance(frame, InputDTMFFrame))
    expect(keys == "12#", f"the bot saw the keys {keys}")
    expect(bot.is_interrupted, "the bot was not interrupted")
    (line,) = [line for line in text.splitlines() if line.startswith("heard: ")]
    expect(ANSWER.startswith(line.removeprefix("heard: ").removesuffix(" [?]")), text)
    expect(" 0.0 s cleared" not in text and "cleared" in text, f"nothing was cleared: {text}")


async def pipecat_talks_with_the_labs_twilio(house):
    await converse(twilio, "twilio", "--two-way")


async def pipecat_talks_with_the_labs_telnyx(house):
    def make(stream):
        return telnyx(stream, heard="PCMA", said="PCMU")

    await converse(make, "telnyx", "--encoding", "PCMA", "--back", "PCMU")


def shape(message):
    """The names of a message, in their order and at every depth."""
    if not isinstance(message, dict):
        return type(message).__name__
    return {name: shape(member) for name, member in message.items()}


async def relay_is_spoken_to(caller, serializer, house):
    """A caller whose audio the serializer wrote, and a relay whose messages it reads."""
    model = OpenAI()
    async with staged(model, SIDETONE_UPSTREAMS_OPENAI_AUDIO="g711") as relay:
        caller.url = f"ws://127.0.0.1:{relay.port}/ws"
        async with caller:
            await model.until(lambda e: e["type"] == "session.update", "session.update")
            samples = house.samples[:8000]
            for frame in spoken(samples):
                caller.chunks += 1
                written = json.loads(await serializer.serialize(frame))
                await caller.media(written["media"]["payload"])
            await until(lambda: len(model.audio()) >= 4000, "the model does not hear it")
            expect(model.audio() == audioop.lin2ulaw(samples, 2), "other samples than were said")
            answer = mulaw(house.samples[8000:24000])
            await model.speak("item_1", answer)
            await until(lambda: len(caller.audio()) >= 1600, "the caller is sent nothing")
            await model.interrupt()
            await until(lambda: caller.told("clear"), "the carrier is not told to clear")
            expect(await caller.hang_up() == 1000, "not closed well")
    clear = await serializer.serialize(InterruptionFrame())
    theirs = json.loads(await serializer.serialize(spoken(house.samples[:320])[0]))
    expect(caller.told("clear")[0] == json.loads(clear), f"{caller.told('clear')}, not {clear}")
    heard = b""
    for message in caller.messages:
        event = json.loads(message)
        if event["event"] != "media":
            # The serializers have no marks; ours are a clear with a name.
            named = {"mark": {"name": "str"}} if event["event"] == "mark" else {}
            expect(shape(event) == shape(json.loads(clear)) | named, f"{message}")
            continue
        expect(shape(event) == shape(theirs), f"{shape(event)}, not {shape(theirs)}")
        frame = await serializer.deserialize(message)
        expect(len(frame.audio) == 2 * len(base64.b64decode(event["media"]["payload"])), "length")
        heard += frame.audio
    expect(len(heard) >= 3200 and audioop.ulaw2lin(answer, 2).startswith(heard), "other samples")


async def relay_speaks_to_twilio_as_pipecat_does(house):
    serializer = await twilio(phone.Twilio.stream)
    await relay_is_spoken_to(phone.Twilio("", sid(31)), serializer, house)


async def relay_speaks_to_telnyx_as_pipecat_does(house):
    serializer = await telnyx("stream-1")
    await relay_is_spoken_to(phone.Telnyx("", "v3:pipecat"), serializer, house)


CASES = [
    pipecat_talks_with_the_labs_twilio, pipecat_talks_with_the_labs_telnyx,
    relay_speaks_to_twilio_as_pipecat_does, relay_speaks_to_telnyx_as_pipecat_does,
]
