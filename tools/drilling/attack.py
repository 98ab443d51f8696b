# What an attack is: a name, a stand on which it takes place, what is done, and which figures hold
# for those who are not attacked. An attack notes what happens to it, and what should not have.
import collections
import contextlib
import random
import time

from .wire import PATIENCE, fate, request

ATTACKS = {}


class Attack:
    """One row of the drill. `perform` runs in a process of its own until the scene's end; a `lone`
    attack starts a relay of its own in the drill's process."""

    stand = "plain"
    # Whose figures hold: "thread" (frames of others), "room" (newcomers), "machine" (both loosely).
    kind = "thread"
    # In the short form too.
    short = False
    # Whether a proven newcomer is to be served during it: not where all places are rightly taken.
    newcomers = True
    # How long a frame may be late in milliseconds because the process itself was stopped.
    stopped = 0.0
    # What p99 may be at most, in times of the control's, where the figures name another than 2.
    ratio = None
    lone = False
    # Done with `--tools` only.
    extra = False
    seconds = None
    # Whether it leaves the processors to everybody else: not where its rate is the point, nor where
    # it measures.
    gives_way = True
    # Lines of the log of so many seconds ahead of it are judged too: a warning that is like another
    # is not written again within ten.
    looks_back = 0
    # How long what it began may take to end, in seconds.
    ends_within = 30

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            ATTACKS[cls.name] = cls

    @property
    def what(self):
        return " ".join(self.__doc__.split())

    def prepare(self, scene):
        """What takes time and harms nobody, ahead of the windows: it runs in the drill's process,
        and what it leaves in itself is there for `perform`."""

    def read_log(self, scene, lines):
        """Judges what the relay said meanwhile, in a scene of its own."""

    def perform(self, scene):
        raise NotImplementedError


class Scene:
    """What an attack has at hand, and where it notes what happens."""

    def __init__(self, door, seconds, seed, house=None, ports=None, stub=None,
                 is_short=False):
        self.door, self.seconds, self.house = door, seconds, house
        self.ports, self.stub = ports or {}, stub
        self.random = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.noted, self.failures = collections.Counter(), []
        self.held, self.is_short = [], is_short

    def begin(self):
        self.end = time.monotonic() + self.seconds

    def note(self, what, count=1):
        self.noted[what] += count

    def fail(self, why):
        if why not in self.failures and len(self.failures) < 8:
            self.failures.append(why)

    def expect(self, condition, why):
        if not condition:
            self.fail(why)

    @property
    def left(self):
        return max(0.0, self.end - time.monotonic())

    def paced(self, rate, most=1_000_000):
        """Counts, at most so many a second, until the scene ends."""
        begin = time.monotonic()
        for number in range(most):
            due = begin + number / rate
            now = time.monotonic()
            if due >= self.end or now >= self.end:
                return
            if due > now:
                time.sleep(due - now)
            yield number

    def source(self, number, addresses=3):
        """One of so many addresses that no honest caller has."""
        return f"127.0.2.{1 + number % addresses}"

    def hold(self, make, what="connected"):
        """A connection that is kept; nothing where it was refused."""
        try:
            made = make()
        except (OSError, ConnectionError) as error:
            self.note(f"refused: {error}" if "status" in str(error) else type(error).__name__)
            return None
        self.note(what)
        self.held.append(made)
        return made

    def send_to_each(self, data):
        """To each connection that is kept, but for those that were cut; how many took it."""
        took = 0
        for link in list(self.held):
            try:
                link.send(data)
                took += 1
            except TimeoutError:
                self.note("held back")
            except OSError:
                self.held.remove(link)
                self.note("cut on the way")
        return took

    def drop(self):
        for one in self.held:
            with contextlib.suppress(OSError):
                one.close()
        self.held = []

    def fates(self, links=None):
        """Notes what has become of connections that wait."""
        for one in self.held if links is None else links:
            link = getattr(one, "link", one)
            self.note(f"{fate(link)} at the end")

    def ask(self, path, *headers, source="127.0.0.1", seconds=PATIENCE, **options):
        return self.door.ask(request(path, *headers, **options), source, seconds)

    def outcome(self):
        self.drop()
        return {"noted": dict(self.noted), "failures": self.failures}

