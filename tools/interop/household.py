# Starts what is judged (the relay, and the lab's twin as its upstream) on free loopback ports, and
# ends it by its own process. Knows how to make audio of a text; knows no protocol.
import array
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("SIDETONE_BIN", ROOT / ".build" / "release"))
HERE = Path(__file__).resolve().parent
# The names of each upstream's settings, and where it is served.
UPSTREAMS = {
    "openai": ("OPENAI", "OPENAI_REALTIME_URL", "/v1/realtime"),
    "gemini": ("GEMINI", "GEMINI_LIVE_URL", "/ws/google.ai.generativelanguage.v1beta."
               "GenerativeService.BidiGenerateContent"),
    "deepgram": ("DEEPGRAM", "DEEPGRAM_URL", "/v1/listen"),
    "agent": ("DEEPGRAM", "DEEPGRAM_AGENT_URL", "/v1/agent/converse"),
}


GIVEN = set()


def free_port():
    """A port to listen on soon. It is none that the kernel gives to connections meanwhile, and is
    given once."""
    begin = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    low = max(1024, begin - 12_000)
    for attempt in range(1000):
        wish = random.randrange(low, begin) if low < begin and attempt < 900 else 0
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", wish))
                port = probe.getsockname()[1]
                if port not in GIVEN:
                    GIVEN.add(port)
                    return port
    raise RuntimeError("no port is free")


class Program:
    """A child process whose output is kept line by line."""

    def __init__(self, process, port):
        self.process = process
        self.port = port
        self.lines = []
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode(errors="replace").rstrip())

    async def shows(self, part):
        """Whether a line holds this part. What it has written may still be on its way to us."""
        end = time.monotonic() + 5
        while not any(part in line for line in self.lines):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    async def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), 10)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.reader.cancel()


class Household:
    """Programs that are up together, and end together, the last first; `begin` starts them."""

    async def __aenter__(self):
        self.programs = []
        try:
            await self.begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def add(self, starting):
        program = await starting
        self.programs.append(program)
        return program

    async def __aexit__(self, *_):
        for program in reversed(self.programs):
            await program.end()


async def start(command, port, settings):
    """Runs a command until it listens on its port."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=HERE,
        env=kept | {"SWIFT_BACKTRACE": "enable=no"} | settings)
    program = Program(process, port)
    end = time.monotonic() + 10
    while time.monotonic() < end and process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return program
        except OSError:
            await asyncio.sleep(0.02)
    await program.end()
    raise RuntimeError(f"{command[0]} does not listen on {port}:\n" + "\n".join(program.lines))


async def start_twin(kind, *options):
    """The lab's twin of one of the upstreams."""
    port = free_port()
    command = [BIN / "sidetone-lab", "upstream", kind, "--port", port, *options]
    return await start(command, port, {})


def upstreams(**ports):
    """The settings by which a relay finds its upstreams on loopback ports."""
    settings = {}
    for kind, port in ports.items():
        name, variable, path = UPSTREAMS[kind]
        settings[variable] = f"ws://127.0.0.1:{port}{path}"
        settings[f"{name}_API_KEY"] = "test"
    return settings


async def start_relay(settings, file=None, folder=None):
    """A relay on a free port; settings are environment variables, the file is its TOML, which is
    left in the folder where there is one."""
    port = free_port()
    settings = {
        "SIDETONE_LISTEN_ADDRESS": f"127.0.0.1:{port}",
        "SIDETONE_OUTPUT_TRANSCRIPTS": "true",
        # Where many wait for one processor, a client takes its time between two lines.
        "SIDETONE_LIMITS_FIRST_BYTE_SECONDS": "20",
    } | settings
    command = [BIN / "sidetone", "serve"]
    with tempfile.NamedTemporaryFile(
            "w", suffix=".toml", dir=folder, delete=folder is None) as written:
        if file is not None:
            written.write(file)
            written.flush()
            command += ["--config", written.name]
        # Once it listens it has read its file, unless it is to do so again.
        return await start(command, port, settings)


def say(text):
    """The lab's tones for a text, as little-endian 16-bit samples at 8 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run([BIN / "sidetone-lab", "say", text, path], check=True, capture_output=True)
        with wave.open(str(path)) as sound:
            assert sound.getframerate() == 8000 and sound.getsampwidth() == 2
            assert sound.getnchannels() == 1
            return sound.readframes(sound.getnframes())


def hear(samples):
    """The words that the lab hears in little-endian 16-bit samples at 8 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heard.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(samples)
        heard = subprocess.run(
            [BIN / "sidetone-lab", "hear", path], check=True, capture_output=True, text=True)
    return " ".join(line.split()[-1] for line in heard.stdout.splitlines())


def mulaw(samples):
    """G.711 µ-law of little-endian 16-bit samples."""
    return bytes(map(mulaw_byte, array.array("h", samples)))


def mulaw_byte(sample):
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = magnitude >> (exponent + 3) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


async def request(port, path, data=None, headers=None):
    """One HTTP request; returns status, headers and body whatever the status is."""

    def perform():
        url = f"http://127.0.0.1:{port}{path}"
        asked = urllib.request.Request(url, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    return await asyncio.to_thread(perform)


def parse(body):
    return json.loads(body)


def expect(condition, what):
    """A check that stays on whatever the interpreter's flags are."""
    if not condition:
        raise AssertionError(what)
