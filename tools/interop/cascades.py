# Calls with cascades over real sockets: the lab's callers in the manner of carriers and of raw
# clients talk through a relay with the lab's twins of a service that listens, a chat endpoint and
# voices. What the caller says in tones must come back as the chat's answer, in tones, also where
# the caller interrupts, a function is called, the voice goes in mid-answer or the chat goes wrong.
#
#     cascades.py [PART …]      only the cases whose names hold these parts
import asyncio
import contextlib
import inspect
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import household
from household import BIN, expect, free_port, start

GREETING = "hello there"
LONG = "one two three four five six seven eight nine ten eleven twelve"
# So long that the caller still speaks when it is made out that it does.
OVER = "red sun sky sea red sun sky sea"
# Calls that are held at the same time. Each takes a small part of one core.
AT_ONCE = 8
FUNCTION = """[[functions]]
name = "look"
description = "Looks."
url = "http://127.0.0.1:{port}/look"
plain = true
"""
SPEAKS = {"cascade": "/v1/speak", "cascade-elevenlabs": "/v1/text-to-speech"}


class Late(AssertionError):
    """Words were lost because audio came too late: the machine was too busy to tell anything."""


class Stage(household.Household):
    """The three twins as a case wants them, and a relay before them."""

    def __init__(self, kind="cascade", chat=(), voice=(), greeting=GREETING, functions=False,
                 phrases="", directory="", ears=(), pauses="service"):
        self.kind, self.chat_options, self.voice_options = kind, chat, voice
        self.ears_options, self.pauses = ears, pauses
        self.greeting, self.calls_functions = greeting, functions
        self.phrases, self.directory = phrases, directory

    async def begin(self):
        self.ears = await self.add(household.start_twin("deepgram", "--verbose", *self.ears_options))
        self.voice = await self.add(household.start_twin("speak", *self.voice_options))
        self.chat = await self.serve("chat", *self.chat_options)
        declared = ""
        if self.calls_functions:
            self.functions = await self.serve("functions", "--answer", 'look={"sky":"blue"}')
            declared = FUNCTION.format(port=self.functions.port)
        names = '["look"]' if self.calls_functions else "[]"
        folder = self.directory or None
        kept = f'[phrases]\ndirectory = "{folder}/spoken"' if folder else ""
        self.relay = await self.add(household.start_relay({}, f"""
{kept}
[upstreams.{self.kind}]
private = true
key = "ears"
url = "ws://127.0.0.1:{self.ears.port}/v1/listen"
think_url = "http://127.0.0.1:{self.chat.port}/v1"
think_key = "sk-1"
speak_url = "ws://127.0.0.1:{self.voice.port}{SPEAKS[self.kind]}"
speak_key = "voice"
greeting = "{self.greeting}"
turn_detection = "{self.pauses}"
{declared}
[[routes]]
path = "/talk"
upstream = "{self.kind}"
functions = {names}
{self.phrases}
""", folder))

    async def serve(self, verb, *options):
        port = free_port()
        command = [BIN / "sidetone-lab", verb, "--port", port, *options]
        return await self.add(start(command, port, {}))

    async def call(self, *options, query=""):
        """One call from its beginning to its end: what the caller heard, and all its lines."""
        command = [BIN / "sidetone-lab", "call", *options,
                   f"ws://127.0.0.1:{self.relay.port}/talk{query}"]
        caller = await asyncio.create_subprocess_exec(
            *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = await asyncio.wait_for(caller.communicate(), 60)
        finally:
            if caller.returncode is None:
                caller.kill()
                await caller.wait()
        lines = output.decode().splitlines()
        expect(caller.returncode == 0, f"the caller ended with {caller.returncode}: {lines}")
        return [row.removeprefix("heard: ") for row in lines if row.startswith("heard: ")], lines

    async def finish(self):
        """The relay ends as it should, with nothing under way."""
        self.relay.process.terminate()
        await asyncio.wait_for(self.relay.process.wait(), 10)
        expect(self.relay.process.returncode == 0,
               f"the relay ended with {self.relay.process.returncode}")

    def asked(self):
        """How often the chat was."""
        return sum(line.startswith("request ") for line in self.chat.lines)


def heard_all(heard, wanted, lines):
    if heard == wanted:
        return
    is_late = not any(line.startswith("0 of them late") for line in lines)
    raise (Late if is_late else AssertionError)(f"{heard} was heard, not {wanted}: {lines}")


@contextlib.asynccontextmanager
async def staged(**wishes):
    async with Stage(**wishes) as stage:
        yield stage
        await stage.finish()


# MARK: Who calls, and how


async def talk(manner, kind="cascade", query="", **wishes):
    """The greeting and two answers, word for word, on both sides and in what the relay shows."""
    async with staged(kind=kind, **wishes) as stage:
        heard, lines = await stage.call(
            "--as", *manner, "--say", "good morning", "--say", "red sky", query=query)
        answers = ["you said: good morning", "you said: red sky"]
        heard_all(heard, [GREETING, *answers], lines)
        expect(stage.asked() == 2, f"the chat was asked {stage.asked()} times")
        for text in ("good morning", "red sky"):
            expect(await stage.relay.shows(f"[FINAL] Transcription: {text} ("),
                   "the relay does not show the caller's words")
            expect(await stage.relay.shows(f"[AGENT] you said: {text} ("),
                   "the relay does not show the agent's words")


async def twilio_talks(): await talk(["twilio", "--two-way"])


async def telnyx_talks(): await talk(["telnyx", "--encoding", "PCMU", "--back", "PCMU"])


async def telnyx_talks_in_l16():
    await talk(["telnyx", "--encoding", "L16", "--back", "L16", "--rate", "16000",
                "--parameter", "bidirectional_codec=L16",
                "--parameter", "bidirectional_sampling_rate=16000"])


async def raw_client_talks():
    await talk(["raw", "--two-way"], query="?encoding=linear16&sample_rate=16000")


async def twilio_talks_with_elevenlabs():
    await talk(["twilio", "--two-way"], kind="cascade-elevenlabs")


async def twilio_talks_with_a_slow_chat_and_voice():
    await talk(["twilio", "--two-way"], chat=("--chunk-ms", "30"), voice=("--pace", "1.3"))


async def the_relay_finds_the_pauses():
    await talk(["twilio", "--two-way"], pauses="relay")


async def the_relay_finds_pauses_that_nobody_answers():
    await talk(["telnyx", "--encoding", "PCMU", "--back", "PCMU"], pauses="relay",
               ears=("--misbehave", "no-finalize"))


# MARK: Interruption


async def interrupt(manner, kind="cascade"):
    """Nothing of the answer comes behind the clear, and the next question is answered. The voice
    has not said all of it yet, and more of it still comes when it was told to forget it."""
    voice = ["--pace", "2", "--delta-bytes", "800"]
    if kind == "cascade":
        voice += ["--misbehave", "trailing-deltas=5"]
    async with staged(kind=kind, voice=voice) as stage:
        heard, lines = await stage.call(
            "--as", *manner, "--say", LONG, "--say", OVER, "--interrupt", "1")
        told = "\n".join(lines)
        if heard[:1] + heard[2:] != [GREETING, f"you said: {OVER}"]:
            heard_all(heard, [GREETING, "…", f"you said: {OVER}"], lines)
        # The word in which it was cut off is damaged.
        begun = [word for word in heard[1].split() if "?" not in word]
        expect(begun and f"you said: {LONG}".startswith(" ".join(begun)), f"{heard}")
        expect(len(begun) < 10, f"all of it was heard: {heard}")
        expect("stale messages behind the clear: 0" in told, told)
        expect("cleared: never" not in told, told)
        # Of its words too only the beginning was heard.
        expect(await stage.relay.shows("[INTERRUPTED] heard "), "no interruption is shown")
        shown = "".join(line for line in stage.relay.lines if line.startswith("[INTERRUPTED]"))
        expect(re.search(r": you said: one [a-z ]*\|[a-z ]* twelve \(", shown), shown)
        expect(stage.asked() == 2, f"the chat was asked {stage.asked()} times")


async def twilio_interrupts(): await interrupt(["twilio", "--two-way"])


async def telnyx_interrupts(): await interrupt(["telnyx", "--encoding", "PCMU", "--back", "PCMU"])


async def twilio_interrupts_elevenlabs():
    await interrupt(["twilio", "--two-way"], kind="cascade-elevenlabs")


# MARK: Functions


async def a_function_is_called_and_its_answer_spoken():
    async with staged(chat=("--calls", "1"), functions=True) as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--say", "what now", "--say", "red sky")
        expect(len(heard) == 3 and heard[0] == GREETING, f"{heard}: {lines}")
        expect(heard[1].startswith("the function says:") and "blue" in heard[1], f"{heard}")
        expect(heard[2] == "you said: red sky", f"{heard}")
        expect(await stage.functions.shows("look"), "the function was not called")
        # The call, its answer, and the second question.
        expect(stage.asked() == 3, f"the chat was asked {stage.asked()} times")


# MARK: Texts that are spoken once


async def a_text_is_spoken_beside_the_calls_and_kept():
    text = 'greeting = { say = "sun sky sea" }'
    with tempfile.TemporaryDirectory() as directory:
        async with staged(greeting="", phrases=text, directory=directory) as stage:
            expect(await stage.relay.shows("spoken:"), "the text was not spoken")
            expect(await stage.relay.shows("reloaded"), "the settings were not read anew")
            heard, lines = await stage.call("--as", "twilio", "--two-way", "--say", "red sky")
            heard_all(heard, ["sun sky sea", "you said: red sky"], lines)
            expect(await stage.relay.shows("[AGENT] sun sky sea ("), "its words are not shown")
            expect(stage.asked() == 1, f"the chat was asked {stage.asked()} times")
        # The next relay has it from its first call on, and asks nobody for it.
        async with staged(greeting="", phrases=text, directory=directory) as stage:
            heard, lines = await stage.call("--as", "twilio", "--two-way", "--say", "good morning")
            heard_all(heard, ["sun sky sea", "you said: good morning"], lines)
            log = "".join(stage.relay.lines)
            expect("spoken:" not in log and "reloaded" not in log, log)


async def a_text_that_nobody_speaks_is_a_warning_and_calls_go_on():
    voice = ("--misbehave", "reset-after=0.1,first=1")
    with tempfile.TemporaryDirectory() as directory:
        text = f'greeting = {{ say = "{LONG}" }}'
        async with staged(greeting="", voice=voice, phrases=text, directory=directory) as stage:
            expect(await stage.relay.shows("not spoken:"), "the log does not say so")
            heard, lines = await stage.call("--as", "twilio", "--two-way", "--say", "red sky")
            heard_all(heard, ["you said: red sky"], lines)
            kept = list(pathlib.Path(directory, "spoken").iterdir())
            expect(not kept, f"half of it was kept: {kept}")


# MARK: What goes wrong


async def the_voice_resets_in_its_greeting():
    voice = ("--pace", "2", "--delta-bytes", "800", "--misbehave", "reset-after=0.5,first=1")
    async with staged(voice=voice, greeting=LONG) as stage:
        heard, lines = await stage.call("--as", "twilio", "--two-way", "--say", "red sky")
        heard_all(heard[-1:], ["you said: red sky"], lines)
        expect(await stage.voice.shows("session 2: open"), "the voice was not dialled again")


async def the_voice_goes_in_mid_answer():
    """Of that answer the rest is missing; the caller's next words are answered by the session
    behind it."""
    voice = ("--delta-bytes", "4000", "--misbehave", "close-after-first,first=1")
    async with staged(voice=voice, greeting="") as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--say", "red sky", "--say", "good morning")
        expect(len(heard) == 2 and heard[0].startswith("you"), f"{heard}: {lines}")
        heard_all(heard[1:], ["you said: good morning"], lines)
        expect(await stage.voice.shows("session 2: open"), "the voice was not dialled again")
        expect(stage.asked() == 2, f"the chat was asked {stage.asked()} times")


async def the_voice_says_nothing():
    """It is given up after 8 s; the session behind it gives the answer anew."""
    voice = ("--misbehave", "silent,first=1")
    async with staged(voice=voice, greeting="") as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--patience", "20", "--say", "red sky")
        heard_all(heard, ["you said: red sky"], lines)
        expect(await stage.relay.shows("the voice says nothing"), "the relay does not say so")


async def the_chat_fails_and_breaks_off_before_its_answer():
    async with staged(chat=("--faults", "500,ok,drop,ok")) as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--say", "good morning", "--say", "red sky")
        heard_all(heard, [GREETING, "you said: good morning", "you said: red sky"], lines)
        expect(stage.asked() == 4, f"the chat was asked {stage.asked()} times")


async def the_chat_says_nothing():
    """It is given up after 12 s, and asked again."""
    async with staged(chat=("--faults", "hang,ok")) as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--patience", "20", "--say", "red sky")
        heard_all(heard, [GREETING, "you said: red sky"], lines)
        expect(await stage.relay.shows("says nothing"), "the relay does not say so")
        expect(stage.asked() == 2, f"the chat was asked {stage.asked()} times")


async def the_chat_breaks_in_mid_answer():
    """What came of it is spoken, and the caller's next words are answered whole."""
    answer = "One two three four five. Six seven eight nine. Ten red sun sky. Sea one two three."
    chat = ("--faults", "broken,ok", "--chunk-ms", "20", "--answer", answer)
    async with staged(chat=chat) as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--say", "red sky", "--say", "good morning")
        expect(len(heard) == 3 and heard[0] == GREETING, f"{heard}: {lines}")
        expect(heard[1].startswith("One two three four five."), f"{heard}: {lines}")
        expect(len(heard[1]) < len(answer) - 10, f"{heard}: {lines}")
        heard_all(heard[2:], [answer], lines)


async def the_chat_breaks_in_its_first_sentence():
    async with staged(chat=("--faults", "broken,ok", "--chunk-ms", "20")) as stage:
        heard, lines = await stage.call(
            "--as", "twilio", "--two-way", "--say", LONG, "--say", "red sky")
        expect(len(heard) == 3 and heard[0] == GREETING, f"{heard}: {lines}")
        whole = f"you said: {LONG}"
        expect(heard[1].startswith("you said: one") and len(heard[1]) < len(whole), f"{heard}")
        heard_all(heard[2:], ["you said: red sky"], lines)
        expect(await stage.relay.shows("answer_incomplete"), "the relay does not say so")


async def the_chat_refuses_the_key():
    """The call ends, and the log says why. A session that did its work is dialled once more."""
    async with Stage(chat=("--key", "sk-2")) as stage:
        with contextlib.suppress(AssertionError):
            await stage.call("--as", "twilio", "--two-way", "--say", "red sky")
        expect(await stage.relay.shows("the chat endpoint refused the relay's key"),
               "the relay does not say so")
        expect(stage.asked() <= 2, f"the chat was asked {stage.asked()} times")
        await stage.finish()


CASES = [
    case for name, case in list(globals().items())
    if inspect.iscoroutinefunction(case) and not inspect.signature(case).parameters]


async def main(parts):
    chosen = [
        case for case in CASES
        if not parts or any(part in case.__name__ for part in parts)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def judge(case):
        """What was wrong, or nothing, and how long it took."""
        async with gate:
            begin = time.monotonic()
            try:
                await asyncio.wait_for(case(), 75)
                problem = None
            except Exception as error:
                problem = error
            return problem, time.monotonic() - begin

    # The longest first.
    chosen.sort(key=lambda case: "says_nothing" not in case.__name__)
    verdicts = await asyncio.gather(*map(judge, chosen))
    for index, case in enumerate(chosen):
        if isinstance(verdicts[index][0], Late):
            # Once more, alone.
            verdicts[index] = await judge(case)
    for case, (problem, seconds) in zip(chosen, verdicts):
        name = re.sub("_", " ", case.__name__)
        print(f"{'FAIL' if problem else 'ok  '} {seconds:5.1f} s  {name}")
        if problem:
            print(f"      {type(problem).__name__}: {problem}")
    well = sum(problem is None for problem, _ in verdicts)
    print(f"cascades: {well} of {len(verdicts)} calls as they should be")
    return well == len(verdicts) and well > 0


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(sys.argv[1:])) else 1)
