# The machine beneath: too few descriptors, too little memory, outputs that nobody reads, terminals,
# environments. Each starts a relay of its own.
import contextlib
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import time
from pathlib import Path

from .attack import Attack
from .house import KEY, free_port, is_json, listens
from .measure import Measurer
from .probes import health
from .wire import BINARY, CLOSE, PATIENCE, TEXT, Door, request

RAW = "/ws/transcribe?encoding=mulaw&sample_rate=8000"


class Lone(Attack):
    """A relay of its own"""

    lone, kind = True, "machine"

    def relay(self, scene, *before, more=None, settings=None, **options):
        """A relay behind these words: its program and door, once it listens or has ended."""
        port = free_port()
        file = scene.house.settings(port, scene.ports["twin"], "", more)
        program = scene.house.program(
            *before, scene.house.relay_binary, "serve", "--config", file, settings=settings,
            **options)
        end = time.monotonic() + 20
        while time.monotonic() < end and program.process.poll() is None and not listens(port):
            time.sleep(0.05)
        return program, Door(port, False, KEY, program.pid)

    def refused(self, scene, program):
        """Whether it did not start, which must be said in one sentence and by status 2."""
        status = program.wait(0)
        if status is None:
            return False
        said = [line for line in program.lines if '"starting"' not in line]
        scene.note(f"not started: status {status}: {' / '.join(said)[:200]}")
        scene.expect(status == 2, f"it ended with {status}, not 2")
        scene.expect(1 <= len(said) <= 2, f"it said {len(said)} lines, not one sentence")
        return True

    def check(self, scene, more, *before):
        """What `sidetone check` says of the same."""
        file = scene.house.settings(free_port(), scene.ports["twin"], "", more)
        done = subprocess.run(
            [*before, scene.house.relay_binary, "check", "--config", file], timeout=20,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=scene.house.folder,
            env={"PATH": os.environ["PATH"], "SWIFT_BACKTRACE": "enable=no"})
        return done.returncode, done.stdout + done.stderr

    def all_json(self, scene, program):
        odd = [line for line in program.lines if not is_json(line)]
        scene.expect(not odd, f"{len(odd)} lines of a JSON log are none: {odd[:1]}")


def lived(door):
    """A call that was let in: whether it is told to speak; a ConnectionError where it is not let
    in."""
    call = door.call(RAW, door.proof())
    kind, text = call.message(PATIENCE)
    return call, kind == TEXT and b"ready" in text


class FewDescriptors(Lone):
    """`ulimit -n 64` and 45 calls wanted: who is let in is served, /health answers, and check says
    it"""

    name, short, limit, wanted = "descriptors-64", True, 64, 45

    def perform(self, scene):
        before = ("prlimit", f"--nofile={self.limit}:{self.limit}")
        status, text = self.check(scene, None, *before)
        told = "descriptor" in text.lower() or "nofile" in text.lower()
        scene.note(f"check: {status}, descriptors {'' if told else 'not '}mentioned")
        scene.expect(told, "check does not say that there are too few descriptors")
        program, door = self.relay(scene, *before)
        try:
            if not self.refused(scene, program):
                self.serve(scene, program, door)
            self.all_json(scene, program)
        finally:
            program.end()

    def serve(self, scene, program, door):
        for _ in range(self.wanted):
            if scene.noted["refused: timed out"] == 3:
                scene.note("and so on")
                break
            try:
                call, good = lived(door)
                scene.held.append(call)
                scene.note("calls served" if good else "let in and then not served")
                scene.expect(good, "a call was let in by 101 and then not served")
            except (OSError, ConnectionError) as error:
                scene.note(f"refused: {error}")
                scene.expect("status 503" in str(error), f"refused without a status: {error}")
        begin = time.monotonic()
        failure = health(door)
        took = (time.monotonic() - begin) * 1000
        scene.note(f"/health {failure or 'answered'} after {took:.0f} ms")
        scene.expect(failure is None, f"/health: {failure}")
        before = program.count
        time.sleep(1.0)
        lines = program.count - before
        scene.note(f"{lines} lines in the second after")
        scene.expect(lines <= 5, f"{lines} lines a second go on")


class NoDescriptors(FewDescriptors):
    """`ulimit -n 8`: not started, in one sentence; or served"""

    name, limit, wanted = "descriptors-8", 8, 1


class TooManyCalls(Lone):
    """A plan of more memory than there is: check and serve say so in a sentence, status 2"""

    name, short = "plan-beyond-the-machine", True
    # Of what no limit of descriptors makes less.
    more = {"limits": {"large_buffers_max": 1024, "upstream_message_bytes_max": 16 << 20}}

    def perform(self, scene):
        # A program that tries to take it all must not take it from others.
        guard = ("prlimit", f"--as={6 << 30}")
        status, text = self.check(scene, self.more, *guard)
        last = text.strip().splitlines()[-1] if text.strip() else ""
        scene.note(f"check: {status}: {last[:120]}")
        scene.expect(status == 2, f"check answers {status}")
        program, _ = self.relay(scene, *guard, more=self.more)
        try:
            if not self.refused(scene, program):
                scene.fail("it was started")
        finally:
            program.end()


class Cgroup(Lone):
    """A cgroup whose memory.max is below the plan: not started, in one sentence"""

    name, place = "plan-beyond-the-cgroup", Path("/sys/fs/cgroup/sidetone-drill")

    def perform(self, scene):
        if not (self.place.parent / "cgroup.subtree_control").exists():
            scene.note("not tried: there are no cgroups of version 2 here")
            return
        try:
            self.place.mkdir(exist_ok=True)
            (self.place / "memory.max").write_text(str(64 << 20))
        except OSError as error:
            scene.note(f"not tried: no cgroup may be made here ({error.strerror})")
            with contextlib.suppress(OSError):
                self.place.rmdir()
            return
        enter = ("sh", "-c", f"echo $$ >{self.place}/cgroup.procs; exec \"$@\"", "sh")
        try:
            status, text = self.check(scene, None, *enter)
            scene.note(f"check: {status}: {text.strip().splitlines()[-1][:120]}")
            scene.expect(status == 2, f"check answers {status}")
            program, _ = self.relay(scene, *enter)
            status = program.wait(1)
            if status is not None and status < 0:
                scene.fail(f"it was killed by signal {-status}")
            elif not self.refused(scene, program):
                scene.fail("it was started")
            program.end()
        finally:
            self.leave()

    def leave(self):
        """A cgroup goes once its last process has been reaped."""
        end = time.monotonic() + 5
        while self.place.exists() and time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.place.rmdir()
            time.sleep(0.05)


class Outputs(Lone):
    """Standard output is a pipe that nobody reads: calls do not notice, standard error goes on, and
    what was dropped is counted"""

    name, short = "stdout-blocked", True
    stream = "stdout"

    def open(self):
        read, write = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(write, 1031, 4096)
        return read, write

    def perform(self, scene):
        read, write = self.open()
        other = "stderr" if self.stream == "stdout" else "stdout"
        hostile = f"ws://127.0.0.1:{scene.ports['hostile']}/v1/listen/words"
        more = {"output": {"transcripts": True, "log": "json", "level": "debug"},
                "upstreams.words": {"kind": "deepgram", "url": hostile, "key": "test"},
                "routes": [{"path": "/words", "upstream": "words"}]}
        program, door = self.relay(
            scene, more=more, **{self.stream: write, other: subprocess.PIPE})
        os.close(write)
        measurer = None
        try:
            measurer = Measurer(scene.upstream, door, 20)
            window = measurer.window(1.5 if scene.is_short else 4)
            scene.note(f"worst frame {window.worst:.1f} ms, {window.lost} lost, "
                       f"{window.damaged} damaged")
            scene.expect(not window.lost and not window.damaged, "frames were lost or damaged")
            measurer.end()
            measurer = None
            self.read(scene, program, door, other)
        finally:
            if measurer:
                measurer.end()
            program.end()
            if read is not None:
                os.close(read)

    def read(self, scene, program, door, other):
        # An upstream that does not pause makes more lines than any buffer holds.
        call = door.call(RAW.replace("/ws/transcribe", "/words"), door.proof())
        end = time.monotonic() + 1.5
        call.send(BINARY, b"\xff" * 160)
        while time.monotonic() < end and call.message(0.1)[0] != -1:
            pass
        call.close()
        time.sleep(0.3)
        before = program.count
        call, _ = lived(door)
        call.send(BINARY, b"\xff" * 8000)
        call.send(CLOSE, struct.pack("!H", 1000))
        call.end(PATIENCE)
        call.close()
        end = time.monotonic() + PATIENCE
        while program.count == before and time.monotonic() < end:
            time.sleep(0.05)
        heard = program.count - before
        scene.note(f"{heard} new lines on {other} for another call")
        scene.expect(heard > 0, f"{other} fell silent too")
        figures = scene.house.metrics(door)
        dropped = {name: int(count) for name, count in figures.items() if "lines_dropped" in name}
        scene.note(f"dropped: {dropped}")
        scene.expect(any(dropped.values()), "lines were dropped, and /metrics says none")


class FullDevice(Outputs):
    """Standard output is /dev/full: calls do not notice, standard error goes on, and what was
    dropped is counted"""

    name, short = "stdout-full", False

    def open(self):
        return None, os.open("/dev/full", os.O_WRONLY)


class BlockedLog(Outputs):
    """Standard error is a pipe that nobody reads: calls do not notice, transcripts go on"""

    name, short, stream = "stderr-blocked", False, "stderr"


class Marks(Lone):
    """A transcript with right-to-left marks and control sequences on a terminal: shown escaped"""

    name, short = "marks-on-a-terminal", True
    raw = {"\u202e": "U+202E", "\u202c": "U+202C", "\u2066": "U+2066", "\u2069": "U+2069",
           "\u200f": "U+200F", "\u001b[2J": "ESC [2J"}

    def perform(self, scene):
        master, slave = pty.openpty()
        hostile = f"ws://127.0.0.1:{scene.ports['hostile']}/v1/listen/marks"
        more = {"output": {"transcripts": True, "log": "text"},
                "upstreams.deepgram": {"url": hostile, "key": "test"}}
        program, door = self.relay(
            scene, more=more, stdout=slave, stderr=slave)
        os.close(slave)
        try:
            call, _ = lived(door)
            call.send(BINARY, b"\xff" * 8000)
            seen = self.read(master)
            call.send(CLOSE, struct.pack("!H", 1000))
            call.end(PATIENCE)
            call.close()
        finally:
            program.end()
            os.close(master)
        text = seen.decode(errors="replace")
        lines = [line for line in text.splitlines() if "Transcription" in line]
        scene.note(f"{len(lines)} transcript lines: {ascii(lines[0])[:140] if lines else ''}")
        scene.expect(lines, "no transcript was shown")
        bare = [name for mark, name in self.raw.items() if any(mark in line for line in lines)]
        scene.expect(not bare, f"shown as they are: {', '.join(bare)}")


    def read(self, master):
        """What is shown, up to the end of the first line of a transcript at least."""
        seen, end = b"", time.monotonic() + PATIENCE
        os.set_blocking(master, False)
        while b"\n" not in seen.partition(b"Transcription")[2] and time.monotonic() < end:
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                while data := os.read(master, 65536):
                    seen += data
        return seen


class Environment(Lone):
    """A cluster's environment (SIDETONE_PORT=tcp://…, _VERSION, _IMAGE_TAG) beside one that is
    meant: warnings, and it starts"""

    name, short = "foreign-environment", True
    settings = {
        "SIDETONE_PORT": "tcp://10.0.0.7:8080", "SIDETONE_PORT_8080_TCP": "tcp://10.0.0.7:8080",
        "SIDETONE_SERVICE_HOST": "10.0.0.7", "SIDETONE_VERSION": "1.2.3",
        "SIDETONE_IMAGE_TAG": "main"}

    def perform(self, scene):
        program, door = self.relay(scene, settings=self.settings)
        try:
            if self.refused(scene, program):
                scene.fail("it was not started")
                return
            program.until_saying("listening")
            longest = max(map(len, program.lines), default=0)
            scene.note(f"started; {sum('warning' in line for line in program.lines)} warnings, the "
                       f"longest line has {longest} letters")
            scene.expect(longest < 1000, f"a line of {longest} letters")
            failure = health(door)
            scene.expect(failure is None, f"/health: {failure}")
        finally:
            program.end()


class OperatorKeys(Lone):
    """Keys of operators: once set, they alone open /stats and /metrics; callers' keys do not"""

    name = "operator-keys"

    def perform(self, scene):
        keys = {"SIDETONE_AUTH_OPERATOR_KEYS": "operator-key-of-the-drill-0001"}
        program, door = self.relay(scene, settings=keys)
        try:
            for name, proof, right in [
                ("an operator's", f"Authorization: Bearer {keys.popitem()[1]}", {200}),
                ("a caller's", door.proof(), {401, 403}), ("no", "X-No: key", {401, 403}),
            ]:
                for page in ("/stats", "/metrics"):
                    status, _ = door.ask(request(page, proof))
                    scene.note(f"{page} with {name} key: {status}")
                    scene.expect(status in right, f"{page} with {name} key: {status}")
        finally:
            program.end()


class Preloaded(Lone):
    """A preloaded library that calls setenv before main, as agents of APM vendors do"""

    name = "preloaded-setenv"

    def perform(self, scene):
        compiler = shutil.which("cc") or shutil.which("clang")
        if not compiler:
            scene.note("not tried: no C compiler")
            return
        source, library = (Path(scene.house.folder) / f"preload.{end}" for end in ("c", "so"))
        source.write_text(
            "#include <stdlib.h>\n__attribute__((constructor)) static void early(void) {\n"
            "  for (int i = 0; i < 9; i++) setenv((char[]){'D', '0' + i, 0}, \"agent\", 1);\n"
            '  setenv("PATH", "/usr/bin", 1);\n  putenv("AGENT=1");\n}\n')
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
        done = subprocess.run(
            [scene.house.relay_binary, "version"], capture_output=True, text=True, timeout=10,
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": str(library)})
        said = (done.stdout + done.stderr).strip()
        scene.note(f"status {done.returncode}: {said[:100]}")
        scene.expect(done.returncode == 0, f"status {done.returncode}: {said[:100]}")
