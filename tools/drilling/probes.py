# Newcomers beside a drill: one process asks for `/health` and places short calls that bring a key,
# all the time, each on a connection of its own, and says how long each took or why it failed.
import contextlib
import struct
import threading
import time

from .wire import BINARY, CLOSE, PATIENCE, TEXT, request

# Why a probe failed that nobody refused: a fault of time.
WAITED = "no answer in time"


def health(door):
    """Asks for `/health`; the reason where it is not answered as it should be."""
    status, data = door.ask(request("/health"))
    if status == 200 and b'"healthy"' in data:
        return None
    if data == TimeoutError.__name__.encode():
        return WAITED
    return f"status {status}" if status else f"no answer: {data.decode(errors='replace') or 'cut'}"


def newcomer(door):
    """A caller who proves itself by a key, is told to speak, and hangs up."""
    try:
        caller = door.call("/ws/transcribe?encoding=mulaw&sample_rate=8000", door.proof())
    except TimeoutError:
        return WAITED
    except (OSError, ConnectionError) as error:
        return str(error) or type(error).__name__
    try:
        kind, text = caller.message(PATIENCE)
        if kind == 0:
            return WAITED
        if kind != TEXT or b"ready" not in text:
            return f"told {text[:60]!r} instead of ready"
        caller.send(BINARY, b"\xff" * 160)
        caller.send(CLOSE, struct.pack("!H", 1000))
        return None
    except OSError as error:
        return type(error).__name__
    finally:
        # The other side's Close is waited for, so that its end is no reset.
        with contextlib.suppress(OSError):
            caller.end(1)
        caller.close()


class Prober:
    """Asks one question in a thread of its own."""

    def __init__(self, ask, door, period):
        self.ask, self.door, self.period = ask, door, period
        self.lock, self.times, self.failures = threading.Lock(), [], []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            begin = time.monotonic()
            clock = [0.0]
            try:
                failure = self.timed(clock)
            except Exception as error:  # A probe that breaks is a finding, never the end.
                failure = f"{type(error).__name__}: {error}"
            with self.lock:
                self.times.append(clock[0])
                if failure:
                    self.failures.append(failure)
            time.sleep(max(0.01, begin + self.period - time.monotonic()))

    def timed(self, clock):
        begin = time.monotonic()
        try:
            return self.ask(self.door)
        finally:
            clock[0] = (time.monotonic() - begin) * 1000

    def take(self):
        with self.lock:
            taken = {"times": self.times, "failures": self.failures}
            self.times, self.failures = [], []
            return taken


def probes(pipe, door, calls):
    """The process: health four times a second, and newcomers twice a second where they may come."""
    running = {"health": Prober(health, door, 0.25)}
    if calls:
        running["newcomer"] = Prober(newcomer, door, 0.5)
    while pipe.recv()[0] != "end":
        pipe.send({name: prober.take() for name, prober in running.items()})
