# Starts what a drill needs on free loopback ports (the relay, the lab's twins, certificates) and
# ends it by its own process. Reads from outside what the relay takes: memory, descriptors, time.
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .wire import Door, request

ROOT = Path(__file__).resolve().parent.parent.parent
# Healthy callers and attackers bring keys of their own, so that one's rate is not the other's.
KEY = "drill-key-of-healthy-callers-0001"
GUEST = "drill-key-of-those-who-attack-0001"
TWILIO = "5f2d1c3b4a5968778695a4b3c2d1e0f0"
GIVEN = set()
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
CERTIFICATES = {
    "ecdsa": CURVE, "rsa2048": ["-newkey", "rsa:2048"], "rsa4096": ["-newkey", "rsa:4096"],
}


def free_port():
    """A port that nobody has, below those that the system gives to connections."""
    while True:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in GIVEN:
                GIVEN.add(port)
                return port


def has_six():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


SIX = has_six()


def listens(port, address="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 0.5):
        return True
    return False


class Program:
    """A child process; the last of its lines are kept with the times at which they came, and all of
    them are counted."""

    def __init__(self, command, settings=None, folder=None, **options):
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.lines, self.times, self.count = [], [], 0
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, cwd=folder,
            env=kept | {"SWIFT_BACKTRACE": "enable=no"} | (settings or {}), **options)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        stream = self.process.stdout or self.process.stderr
        if stream is None:
            return
        for line in stream:
            self.count += 1
            self.times.append(time.monotonic())
            self.lines.append(line.decode(errors="replace").rstrip())
            del self.lines[:-5000], self.times[:-5000]

    def since(self, moment):
        """The lines that came since this moment of the monotonic clock."""
        return [line for line, came in zip(self.lines, self.times) if came >= moment]

    def until_listening(self, port, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if listens(port):
                return self
            time.sleep(0.02)
        self.end()
        raise RuntimeError(f"nobody listens on {port}:\n" + "\n".join(self.lines[-20:]))

    def until_saying(self, words, seconds=5.0):
        """Waits for a line with these words; whoever needs it looks for it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(words in line for line in self.lines):
            time.sleep(0.02)

    def wait(self, seconds):
        """The exit status, negative for a signal; None where it still runs. Its last lines have
        been read by then."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.reader.join(2)
        return status

    def send(self, number):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def end(self, seconds=5.0):
        self.send(signal.SIGCONT)
        # The first asks it to drain, the second to end at once.
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            self.send(number)
            if self.wait(0.3 if number == signal.SIGTERM else seconds) is not None:
                break
        self.reader.join(1)
        return self.process.returncode


class Usage:
    """What a process holds and has used."""

    def __init__(self, pid):
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/status") as lines:
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
        self.kilobytes = int(fields["VmRSS"].split()[0])

    def __str__(self):
        return f"{self.kilobytes / 1024:.1f} MiB, {self.descriptors} descriptors"


def thread_seconds(pid):
    """Processor time of the process's first thread: the one that carries the calls."""
    with open(f"/proc/{pid}/task/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def children(pid):
    """The processes that this one has started, and that run."""
    with contextlib.suppress(OSError):
        return [
            int(word) for thread in os.listdir(f"/proc/{pid}/task")
            for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
    return []


def certificate(folder, kind):
    """A self-signed certificate for localhost: paths of the certificate and of its key."""
    made, key = Path(folder) / f"{kind}.pem", Path(folder) / f"{kind}.key"
    if not made.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", *CERTIFICATES[kind],
             "-keyout", key, "-out", made, "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
    return made, key


def is_json(line):
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(line), dict)
    return False


def value(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    return json.dumps(item, ensure_ascii=False) if not isinstance(item, int) else str(item)


def toml(tables):
    """A settings file: a table is a dictionary, a list of them an array of tables."""
    lines = []
    for name, table in tables.items():
        for part in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{key} = {value(item)}" for key, item in part.items()]
    return "\n".join(lines) + "\n"


class House:
    """The folder, the programs, and whatever has to be ended at the end."""

    def __init__(self, binaries, relay=None):
        self.relay_binary = Path(relay or Path(binaries) / "sidetone").resolve()
        self.lab_binary = Path(binaries).resolve() / "sidetone-lab"
        self.folder = tempfile.mkdtemp(prefix="sidetone-drill-")
        self.programs = []

    def program(self, *words, settings=None, **options):
        made = Program(words, settings, self.folder, **options)
        self.programs.append(made)
        return made

    def settings(self, port, twin, kind="", more=None):
        """The file of a relay whose healthy callers bring a key; `more` adds tables or members."""
        tables = {
            "listen": {"address": f"127.0.0.1:{port}" + (f", [::1]:{port}" if SIX else "")},
            "auth": {"api_keys": [KEY, GUEST], "twilio_auth_token": TWILIO},
            "output": {"log": "json", "transcripts": False},
            "upstreams.deepgram": {"url": f"ws://127.0.0.1:{twin}/v1/listen", "key": "test"},
        }
        if kind:
            made, key = certificate(self.folder, kind)
            tables["listen"] |= {"certificate": str(made), "key": str(key)}
        for name, table in (more or {}).items():
            tables[name] = table if isinstance(table, list) else tables.get(name, {}) | table
        path = Path(self.folder) / f"relay-{port}.toml"
        path.write_text(toml(tables))
        return path

    def relay(self, twin, kind="", more=None, **options):
        """A relay that listens: the program and its door."""
        port = free_port()
        file = self.settings(port, twin, kind, more)
        made = self.program(self.relay_binary, "serve", "--config", file, **options)
        made.until_listening(port)
        return made, Door(port, bool(kind), KEY, made.pid)

    def twin(self, kind, *options):
        """A twin of `sidetone-lab upstream`: its port."""
        port = free_port()
        made = self.program(self.lab_binary, "upstream", kind, "--port", port, *options)
        made.until_listening(port)
        return port

    def metrics(self, door):
        """The figures without labels, by their names behind `sidetone_`; empty where there is no
        answer."""
        status, data = door.ask(request("/metrics", door.proof()))
        found = {}
        for line in data.decode(errors="replace").splitlines() if status == 200 else []:
            if line.startswith("sidetone_") and "{" not in line:
                name, figure = line.removeprefix("sidetone_").split(" ", 1)
                found[name] = float(figure)
        return found

    def end(self):
        for program in reversed(self.programs):
            if program.process.poll() is None:
                program.end()
        for path in Path(self.folder).iterdir():
            path.unlink()
        Path(self.folder).rmdir()
