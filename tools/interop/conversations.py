# Audio truth of two-way calls: the lab's callers in every carrier's manner and encoding talk
# through real relays with the lab's twins of voice models. What the caller said in tones must reach
# the model as text, and what the model said in tones must be heard as text by the caller.
#
#     conversations.py [PART …]      only the conversations whose names hold these parts
import asyncio
import subprocess
import sys

import household
from household import BIN, expect

GREETING = "hello there"
# Texts tell the calls apart in what the twins and the relays print.
COUNT = ["one", "two", "six", "ten", "red", "sun", "sky", "sea"]
# Calls that are held at the same time. Each takes a small part of one core.
AT_ONCE = 8

ROUTES = """
[upstreams.openai]
greeting = "Greet the caller."
[upstreams.gemini]
greeting = "Greet the caller."
[upstreams.deepgram-agent]
greeting = "hello there"
[[routes]]
path = "/openai"
upstream = "openai"
[[routes]]
path = "/gemini"
upstream = "gemini"
[[routes]]
path = "/agent"
upstream = "deepgram-agent"
"""


def telnyx(codec, *options, rate=8000):
    return ["telnyx", "--encoding", codec, "--back", codec, "--rate", rate, *options]


def asking(codec, rate=8000):
    """The custom parameters that say what Telnyx takes, where the settings say something else."""
    return ["--parameter", f"bidirectional_codec={codec}",
            "--parameter", f"bidirectional_sampling_rate={rate}"]


CARRIERS = {
    "twilio": ["twilio", "--two-way"],
    "telnyx PCMU": telnyx("PCMU"),
    "telnyx PCMU, shuffled": telnyx("PCMU", "--shuffle"),
    "telnyx PCMA": telnyx("PCMA", *asking("PCMA")),
    "telnyx L16, little endian": telnyx("L16", *asking("L16", 16000), rate=16000),
    "telnyx L16, big endian": telnyx("L16", "--big-endian", rate=16000),
    "ucid": ["ucid"],
    "kookoo": ["ucid", "--kookoo"],
}
ORDERS = {
    "little": {},
    "big": {
        "SIDETONE_AUDIO_TELNYX_CODEC": "L16", "SIDETONE_AUDIO_TELNYX_RATE": "16000",
        "SIDETONE_AUDIO_TELNYX_BYTE_ORDER": "big"},
}
# The upstream, and the audio that OpenAI is asked for.
MODELS = {
    "openai": ("openai", "pcm"), "openai g711": ("openai", "g711"), "gemini": ("gemini", "pcm"),
    "agent": ("agent", "pcm"),
}


class Late(AssertionError):
    """Words were lost because audio came too late: the machine was too busy to tell anything."""


class Stage(household.Household):
    """The twins, and a relay for every pair of OpenAI's audio and Telnyx' byte order."""

    async def begin(self):
        self.twins = {
            kind: await self.add(household.start_twin(kind, "--greeting", GREETING))
            for kind in ("openai", "gemini", "agent")}
        ports = {kind: twin.port for kind, twin in self.twins.items()}
        self.relays = {}
        for audio in ("pcm", "g711"):
            for order, chosen in ORDERS.items():
                settings = household.upstreams(**ports) | chosen | {
                    "SIDETONE_UPSTREAMS_OPENAI_AUDIO": audio}
                self.relays[audio, order] = await self.add(
                    household.start_relay(settings, ROUTES))


async def call(stage, manner, model, text):
    """One conversation; raises where a word was lost on its way."""
    kind, audio = MODELS[model]
    order = "big" if "--big-endian" in manner else "little"
    relay = stage.relays[audio, order]
    command = [BIN / "sidetone-lab", "call", "--as", *manner, "--say", text,
               f"ws://127.0.0.1:{relay.port}/{kind}"]
    caller = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = await asyncio.wait_for(caller.communicate(), 40)
    finally:
        if caller.returncode is None:
            caller.kill()
            await caller.wait()
    lines = output.decode().splitlines()
    expect(caller.returncode == 0, f"the caller ended with {caller.returncode}: {lines}")
    heard = [line.removeprefix("heard: ") for line in lines if line.startswith("heard: ")]
    if heard != [GREETING, f"you said: {text}"]:
        is_late = not any(line.startswith("0 of them late") for line in lines)
        raise (Late if is_late else AssertionError)(f"the caller heard {heard}: {lines}")
    expect(await stage.twins[kind].shows(f": heard: {text}"),
           "the model did not hear the caller's words")
    expect(await relay.shows(f"[FINAL] Transcription: {text} ("),
           "the relay does not show the caller's words")
    expect(await relay.shows(f"[AGENT] you said: {text} ("),
           "the relay does not show the agent's words")


async def main(parts):
    conversations = [
        (f"{carrier} with {model}", manner, model, f"{COUNT[row]} {COUNT[column]}")
        for row, (carrier, manner) in enumerate(CARRIERS.items())
        for column, model in enumerate(MODELS)]
    chosen = [row for row in conversations if not parts or any(part in row[0] for part in parts)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def judge(stage, name, *conversation):
        """What was wrong, or nothing."""
        async with gate:
            try:
                return await call(stage, *conversation)
            except Exception as error:
                return error

    async with Stage() as stage:
        problems = await asyncio.gather(*(judge(stage, *row) for row in chosen))
        for index, row in enumerate(chosen):
            if isinstance(problems[index], Late):
                # Once more, alone.
                problems[index] = await judge(stage, *row)
    for (name, *_), problem in zip(chosen, problems):
        print(f"{'FAIL' if problem else 'ok  '}  {name}")
        if problem:
            print(f"      {type(problem).__name__}: {problem}")
    verdicts = [problem is None for problem in problems]
    print(f"conversations: {sum(verdicts)} of {len(verdicts)} understood in both directions")
    return all(verdicts) and len(verdicts) > 0


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(sys.argv[1:])) else 1)
