# What a soak is about: a relay with records, and all that it needs on free loopback ports (twins of
# voice models, a receiver of webhooks, a chat endpoint). The lab's load brings the other upstreams.
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from drilling.house import Program, children, free_port, toml
from drilling.wire import Door, request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# Most of what happens is well; each fault comes about once a round. Those behind which nothing goes
# for a second or more stand far apart.
HOOK_FAULTS = "ok*150,500,ok*150,429:1,ok*150,slow:100,ok*150,drop,ok*150,503,again"
CHAT_FAULTS = "ok*60,wrong-shape,ok*60,fenced,ok*60,500,ok*60,slow:100,again"
CALLS_MAX = 128
SCHEMA = {
    "type": "object", "required": ["said"],
    "properties": {"said": {"type": ["string", "null"]}, "order": {"type": "integer"}}}


class Stand:
    """The folder, the programs, the ports."""

    def __init__(self, binaries, preload=None):
        """`preload`: variables of the relay's environment."""
        self.lab = Path(binaries).resolve() / "sidetone-lab"
        self.folder = Path(tempfile.mkdtemp(prefix="sidetone-soak-"))
        self.records = self.folder / "data"
        self.told = self.folder / "told.jsonl"
        self.programs, self.heard = [], 0
        try:
            self.hooks = self.serve("hooks", "--secret", SECRET, "--out", self.told,
                                    "--faults", HOOK_FAULTS)
            self.chat = self.serve("chat", "--faults", CHAT_FAULTS)
            self.gemini = self.serve("upstream", "gemini")
            self.breaks = self.serve("upstream", "deepgram", "--misbehave", "reset-after=0.3")
            # Of the load's upstreams: nobody listens there between two runs.
            self.twins = {name: free_port() for name in ("hear", "raw", "talk", "ucid")}
            self.port = free_port()
            self.relay = self.start(
                Path(binaries).resolve() / "sidetone", "serve", "--config", self.settings(),
                settings=preload or {})
            self.relay.until_listening(self.port, seconds=60)
            self.door = Door(self.port)
        except BaseException:
            self.end()
            raise

    def start(self, *words, settings=None):
        made = Program(words, settings, self.folder)
        self.programs.append(made)
        return made

    def serve(self, *words):
        """One of the lab's servers; its port."""
        port = free_port()
        self.start(self.lab, *words, "--port", port).until_listening(port, seconds=60)
        return port

    def settings(self):
        schema = self.folder / "schema.json"
        schema.write_text(json.dumps(SCHEMA))
        upstreams = {
            "upstreams.breaks": {
                "kind": "deepgram", "key": "test",
                "url": f"ws://127.0.0.1:{self.breaks}/v1/listen"},
            "upstreams.gemini": {
                "url": f"ws://127.0.0.1:{self.gemini}/ws/google.ai.generativelanguage.v1beta."
                       "GenerativeService.BidiGenerateContent", "key": "test"}}
        for name, port in self.twins.items():
            hears = name in ("hear", "raw")
            path = "listen" if hears else "realtime"
            upstreams[f"upstreams.{name}"] = {
                "kind": "deepgram" if hears else "openai", "key": "test",
                "url": f"ws://127.0.0.1:{port}/v1/{path}"}
        tables = {
            "listen": {"address": f"127.0.0.1:{self.port}"},
            "output": {"log": "json", "transcripts": False},
            "limits": {"calls_max": CALLS_MAX, "two_way_calls_max": CALLS_MAX,
                       "calls_per_second_per_address": 100_000,
                       # A client that waits for a processor takes its time.
                       "first_byte_seconds": 20},
            "routes": [{"path": f"/{name}", "upstream": name}
                       for name in (*self.twins, "breaks", "gemini", "echo")],
            **upstreams,
            "records": {"directory": str(self.records)},
            "records.webhooks": [{
                "url": f"http://127.0.0.1:{self.hooks}/", "secrets": [SECRET],
                "events": ["call.started", "transcript.final", "call.ended", "call.extracted"]}],
            "records.extraction": {
                "url": f"http://127.0.0.1:{self.chat}/v1", "model": "lab", "schema": str(schema)},
        }
        path = self.folder / "relay.toml"
        path.write_text(toml(tables))
        return path

    # What is seen from outside

    def metrics(self):
        """The figures of `/metrics`, by their names behind `sidetone_`; those of one name with
        several labels are added up."""
        status, data = self.door.ask(request("/metrics"))
        if status != 200:
            raise RuntimeError(f"/metrics answered {status}")
        found = {}
        for line in data.decode(errors="replace").splitlines():
            if line.startswith("sidetone_"):
                name, figure = line.removeprefix("sidetone_").rsplit(" ", 1)
                name = name.split("{")[0]
                found[name] = found.get(name, 0.0) + float(figure)
        return found

    def courier(self):
        """The process that the relay has started; None while there is none."""
        return next(iter(children(self.relay.pid)), None)

    def kill_courier(self):
        process = self.courier()
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def files(self):
        """The names of what lies in the two folders of calls."""
        return {folder: sorted(os.listdir(self.records / folder))
                if (self.records / folder).is_dir() else [] for folder in ("transcripts", "calls")}

    def journal(self):
        """How many files the journal has; bytes of the spool."""
        files = [path for path in (self.records / "journal").glob("*/*") if path.is_file()]
        return len(files), sum(path.stat().st_size for path in self.records.glob("courier.sqlite*"))

    def deliveries(self):
        """What came to the receiver since the last time."""
        if not self.told.exists():
            return []
        with open(self.told, "rb") as file:
            file.seek(self.heard)
            whole = file.read().rpartition(b"\n")[0]
        self.heard += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]

    def clear(self):
        """Takes away what a round has left: files are the user's, and nobody else takes them. What
        the receiver wrote goes where nothing has come since it was read."""
        for folder, names in self.files().items():
            for name in names:
                (self.records / folder / name).unlink()
        if self.told.stat().st_size == self.heard:
            os.truncate(self.told, 0)
            self.heard = 0

    def ended(self):
        """The programs that have ended, which none should."""
        return [program.process.args[0] for program in self.programs
                if program.process.poll() is not None]

    def end(self):
        for program in reversed(self.programs):
            if program.process.poll() is None:
                program.end()
        # The courier ends with its relay, but a little later.
        time.sleep(0.2)
        shutil.rmtree(self.folder, ignore_errors=True)
