# A window: what the healthy calls and the newcomers noticed between two moments, and how that is
# judged against a window without an attack in the same minute.
import os
import resource
import signal
import socket
import time

from .healthy import LATE, Worker, callers, twin
from .probes import probes


def share(values, part):
    """The value below which this part of a sorted list lies."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0


class Window:
    """Figures of one window; times in milliseconds."""

    def __init__(self, marks, seen, asked):
        delays = sorted(delay for _, _, delay in seen["delays"])
        self.frames = len(delays)
        self.p50, self.p99, self.worst = (
            share(delays, part) / 1e6 for part in (0.50, 0.99, 1))
        self.late = sum(delay > LATE for delay in delays)
        self.lost, self.damaged = seen["lost"], seen["damaged"]
        self.disordered = seen["repeated"] + seen["overtaken"]
        self.broken = marks["broken"]
        self.own = marks["lateness"] * 1000
        self.asked = asked

    def probe(self, name):
        """How many of these newcomers were answered, of how many, and how soon the slowest was."""
        taken = self.asked.get(name)
        if taken is None:
            return None
        return (len(taken["times"]) - len(taken["failures"]), len(taken["times"]),
                max(taken["times"], default=0.0), taken["failures"])


class Upstream:
    """The process that is the upstream of healthy calls."""

    def __init__(self):
        server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = server.getsockname()[1]
        self.worker = Worker(twin, server)
        server.close()

    def end(self):
        self.worker.end()


class Measurer:
    """Healthy calls and newcomers at one relay, and windows over them."""

    numbers = 1

    def __init__(self, upstream, door, calls, newcomers=True):
        self.upstream = upstream
        self.callers = Worker(callers, door, calls, Measurer.numbers)
        Measurer.numbers += calls
        if not self.callers.pipe.poll(60):
            raise RuntimeError("the healthy calls do not begin")
        begun = self.callers.pipe.recv()
        if isinstance(begun, Exception):
            raise begun
        self.probes = Worker(probes, door, newcomers)

    def open(self):
        """Begins a window: what was before belongs to none."""
        self.close(0.5)

    def close(self, patience=3.0):
        """Ends a window. Frames get this time to arrive before they count as lost."""
        marks = self.callers.ask("mark")
        asked = self.probes.ask("take")
        seen = self.upstream.worker.ask("take", marks["bounds"], patience)
        return Window(marks, seen, asked)

    def window(self, seconds):
        self.open()
        time.sleep(seconds)
        return self.close()

    def end(self):
        self.probes.end()
        self.callers.end()


def give_way(wholly):
    """Leaves the processors to everybody else: an attacker has its own machine, and what it takes
    of this one is not the relay's doing. Wholly: it runs only where nobody else wants to; beside
    other work it would hardly come to its turn."""
    os.nice(10)
    if wholly:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class Attacker:
    """An attack in a process of its own."""

    def __init__(self, work, gives_way, wholly):
        self.worker = Worker(attacker, work, gives_way, wholly)

    def result(self, seconds):
        """What happened to it; nothing where it does not come to an end by itself."""
        try:
            if self.worker.pipe.poll(seconds):
                return self.worker.pipe.recv()
            return RuntimeError("it did not come to an end")
        except EOFError:
            return RuntimeError("it broke")
        finally:
            if self.worker.process.is_alive():
                self.worker.process.join(0.2)
            if self.worker.process.is_alive():
                self.worker.process.kill()


def attacker(pipe, work, gives_way, wholly):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if gives_way:
        give_way(wholly)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        pipe.send(work())
    except Exception as error:
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))

