# Signals: a process that is stopped and goes on, signals that mean nothing, the end of its life and
# its successor.
import contextlib
import os
import signal
import socket
import struct
import threading
import time

from .attack import Attack
from .attacks_machine import Lone, lived
from .house import KEY
from .measure import Measurer
from .probes import health
from .wire import BINARY, CLOSE, TEXT, Door


class Stop(Attack):
    """SIGSTOP for 200 ms, then SIGCONT"""

    name, short, kind = "stopped-200ms", True, "machine"
    duration, stopped, looks_back = 0.2, 400.0, 10
    # Whether the frames must be in time again at its end.
    drains = False

    def perform(self, scene):
        before = scene.house.metrics(scene.door)
        time.sleep(0.2)
        os.kill(scene.door.relay, signal.SIGSTOP)
        time.sleep(self.duration)
        os.kill(scene.door.relay, signal.SIGCONT)
        time.sleep(max(scene.left, 0.2))
        after = scene.house.metrics(scene.door)
        words = ("lag", "turn", "loop", "stall")
        lags = [name for name in after if after[name] != before.get(name)
                and any(word in name for word in words)]
        scene.note(f"figures of the loop that moved: {', '.join(lags) or 'none'}")
        scene.expect(lags, "no figure of /metrics says that the loop was late")

    def read_log(self, scene, lines):
        said = [line for line in lines if '"warning"' in line
                and any(word in line for word in ("late", "lag", "loop", "stall", "behind"))]
        scene.expect(said, "no warning line says that the loop was late")


class StopLong(Stop):
    """SIGSTOP for 5 s, then SIGCONT; the backlog is drained in seconds"""

    name, short, seconds = "stopped-5s", False, 12
    duration, stopped = 5.0, 5200.0
    drains = True


class Ignored(Lone):
    """SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGWINCH, SIGIO: ignored, with a line; SIGHUP reloads"""

    name, short = "unknown-signals", True

    def perform(self, scene):
        for name in ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM", "SIGPIPE", "SIGWINCH", "SIGIO",
                     "SIGVTALRM"):
            program, door = self.relay(scene)
            try:
                program.send(getattr(signal, name))
                ended = program.wait(0.2)
                failure = None if ended is not None else health(door)
                scene.note(f"{name}: " + (
                    f"killed ({ended})" if ended is not None else failure or "lives"))
                scene.expect(ended is None and failure is None, f"{name} ended it")
                if name == "SIGUSR1" and ended is None:
                    program.until_saying("signal_ignored")
                    scene.expect(any("signal_ignored" in line for line in program.lines),
                                 "SIGUSR1 is not told in a line")
            finally:
                program.end()
            if scene.is_short and name == "SIGUSR2":
                break


class Drain(Lone):
    """SIGTERM with calls running: they go on, /ready says 404, new calls get 503, and it ends with
    0 after the last"""

    name, short = "drain", True

    def perform(self, scene):
        program, door = self.relay(scene)
        measurer = Measurer(scene.upstream, door, 20, newcomers=False)
        try:
            measurer.window(0.3)
            measurer.open()
            program.send(signal.SIGTERM)
            time.sleep(0.5)
            status, _ = door.ask(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            scene.note(f"/ready {status}")
            scene.expect(status == 404, f"/ready answers {status}, not 404")
            try:
                lived(door)
                scene.fail("a new call was let in")
            except (OSError, ConnectionError) as error:
                scene.note(f"a new call: {error}")
                scene.expect("503" in str(error), f"a new call: {error}")
            time.sleep(0.5)
            window = measurer.close()
            scene.note(f"healthy calls: {window.frames} frames, worst {window.worst:.1f} ms")
            scene.expect(not window.lost and not window.broken, "running calls noticed it")
        finally:
            measurer.end()
            status = program.wait(5)
            scene.note(f"ended with {status}")
            scene.expect(status == 0, f"it ended with {status}")
            program.end()


class LastWords(Lone):
    """SIGTERM, and the end of drain_seconds while a caller speaks: it gets its last results, then a
    Close"""

    name, short = "last-words", True

    def perform(self, scene):
        program, door = self.relay(scene, more={"limits": {"drain_seconds": 1}})
        try:
            call, _ = lived(door)
            call.send(BINARY, b"\xff" * 8000)
            program.send(signal.SIGTERM)
            words, how = [], "kept"
            end = time.monotonic() + 8
            while time.monotonic() < end:
                kind, payload = call.message(1)
                if kind == TEXT:
                    words.append(payload)
                elif kind == CLOSE:
                    how = f"closed {struct.unpack('!H', payload[:2])[0]}"
                    break
                elif kind == -1:
                    how = "cut"
                    break
            last = any(b"goodbye" in text for text in words)
            scene.note(f"{how}, last words {'came' if last else 'did not come'}")
            scene.expect(last, "the last words did not come")
            scene.expect(how == "closed 1001", f"{how}, not closed 1001")
            status = program.wait(6)
            scene.expect(status == 0, f"it ended with {status}")
        finally:
            program.end()


class Successor(Lone):
    """A listening socket that is handed over (LISTEN_FDS): a successor takes new calls at once,
    while the old process ends its own; nobody is refused"""

    name = "handed-over"

    def perform(self, scene):
        with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
            port = server.getsockname()[1]
            old, new = (self.inherit(scene, server, port) for _ in range(2))
            door = Door(port, False, KEY, old.pid)
            end = time.monotonic() + 5
            time.sleep(1.5)
            if old.process.poll() is not None or new.process.poll() is not None:
                scene.fail("it does not take an inherited socket: "
                           + " / ".join((old.lines + new.lines)[-1:])[:200])
                old.end()
                new.end()
                return
            failures = []
            stop = threading.Event()

            def ask():
                while not stop.is_set():
                    failures.append(health(door))
                    time.sleep(0.005)

            asking = threading.Thread(target=ask)
            asking.start()
            old.send(signal.SIGTERM)
            status = old.wait(max(1, end - time.monotonic()))
            time.sleep(0.5)
            stop.set()
            asking.join()
            bad = [one for one in failures if one]
            scene.note(f"{len(failures)} asked, {len(bad)} not answered; "
                       f"the old ended with {status}")
            scene.expect(not bad, f"{len(bad)} not answered: {bad[:1]}")
            new.end()

    def inherit(self, scene, server, port):
        file = scene.house.settings(port, scene.ports["twin"], "", {
            "listen": {"address": f"127.0.0.1:{port}"}})
        descriptor = server.fileno()
        shell = f"exec 3<&{descriptor}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\""
        return scene.house.program(
            "sh", "-c", shell, "sh", scene.house.relay_binary, "serve", "--config", file,
            pass_fds=(descriptor,))


class Reconnect(Lone):
    """A restart with 100 callers who all come again at once: all are served within a second"""

    name = "restart"

    def perform(self, scene):
        more = {"limits": {"calls_per_second_per_key": 1000, "handshakes_per_address_max": 1000}}
        program, door = self.relay(scene, more=more)
        file = scene.house.settings(door.port, scene.ports["twin"], "", more)
        program.send(signal.SIGKILL)
        program.wait(2)
        again = scene.house.program(scene.house.relay_binary, "serve", "--config", file)
        again.until_listening(door.port)
        served, took = [], []

        def come():
            begin = time.monotonic()
            with contextlib.suppress(OSError, ConnectionError):
                call, good = lived(door)
                served.append(good)
                took.append(time.monotonic() - begin)
                call.close()

        threads = [threading.Thread(target=come) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        scene.expect(sum(served) == 100, f"{sum(served)} of 100 served")
        scene.note(f"{sum(served)} of 100 served, the last after {max(took, default=0):.2f} s")
        again.end()

