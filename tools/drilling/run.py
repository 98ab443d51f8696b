# Runs the drill: stands in turn, on each its attacks, before each a window without one. Judges what
# the healthy calls and the newcomers noticed, and prints it.
import socket
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

from .attack import Scene
from .healthy import Worker
from .house import GUEST, House, Usage, is_json
from .measure import Attacker, Upstream
from .probes import WAITED
from .stands import STANDS
from .stubs import serve
from .wire import Door

# Below this many milliseconds a p99 is no delay that anybody notices. A heap may keep so many MiB
# of what a flood took of it, but once the same is done again it must not grow by more than the
# second figure.
FLOOR, GROWTH, LEAK = 2.0, 64.0, 2.0
# A window whose frames come within this many milliseconds is one without an attack.
CALM = 20.0


class Bounds:
    """What a verdict asks for. In the short form times are loose, since the machine has other
    work, and by as much as the callers were late, who are a process of their own; counts are as
    strict."""

    def __init__(self, is_short):
        self.ratio, self.floor = (10.0, 30.0) if is_short else (2.0, FLOOR)
        self.worst = 400.0 if is_short else 20.0
        self.newcomer = 2000.0 if is_short else 100.0
        self.is_short = is_short

    def faults(self, attack, control, window):
        """What the healthy calls and newcomers noticed that they should not have."""
        found = [f"{count} frames of healthy calls {what}" for count, what in [
            (window.lost, "lost"), (window.damaged, "damaged"), (window.disordered, "out of order")]
            if count]
        found += window.broken[:3]
        for name in ("health", "newcomer"):
            taken = window.probe(name)
            if taken is None or (name == "newcomer" and not attack.newcomers):
                continue
            answered, asked, _, failures = taken
            if refused := [why for why in failures if why != WAITED]:
                found.append(f"{name}: {answered} of {asked} answered ({refused[0]})")
        return found + self.slow(attack, control, window)

    def slow(self, attack, control, window):
        """Faults of time alone: they are tried again, as the machine may have been late."""
        found = []
        ratio = self.ratio if self.is_short else attack.ratio or self.ratio
        late = attack.stopped + (window.own if self.is_short else 0)
        limit = max(ratio * control.p99, self.floor) + late
        worst = self.worst + late
        if window.p99 > limit:
            found.append(f"p99 {window.p99:.1f} ms, not under {limit:.1f}")
        if window.worst > worst:
            found.append(f"worst {window.worst:.1f} ms, not under {worst:.0f}")
        for name in ("health", "newcomer"):
            taken = window.probe(name)
            most = self.newcomer + late
            if not taken or (name == "newcomer" and not attack.newcomers):
                continue
            if taken[2] > most:
                found.append(f"{name}: {taken[2]:.0f} ms, not under {most:.0f}")
            if WAITED in taken[3]:
                found.append(f"{name}: {taken[3].count(WAITED)} of {taken[1]} had {WAITED}")
        return found


def tell(line, indent):
    """Prints a line, broken where it is long; what follows is indented."""
    print(textwrap.fill(line, 118, subsequent_indent=indent, break_long_words=False,
                        break_on_hyphens=False))


def figures(window):
    return f"p50 {window.p50:.2f} p99 {window.p99:.2f} worst {window.worst:.1f} ms"


class Drill:
    """The whole of it: what is up, and what came of it."""

    def __init__(self, options):
        self.options = options
        self.bounds = Bounds(options.short)
        self.seconds = options.seconds or (1.0 if options.short else 6.0)
        self.calls = options.calls or (20 if options.short else 40)
        # Name and faults of those that failed.
        self.passed, self.failed = 0, {}
        self.house = House(options.binaries, options.binary)
        self.upstream = self.stub = None
        self.begun = time.monotonic()

    def run(self, chosen):
        try:
            self.upstream = Upstream()
            with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
                port = server.getsockname()[1]
                self.stub = Worker(serve, server, not self.options.short)
            self.ports = {"hostile": port, "openai": self.house.twin("openai")}
            for name, stand in STANDS.items():
                attacks = [one for one in chosen if one.stand == name and not one.lone]
                while attacks:
                    attacks = self.on(stand, attacks)
            # They mostly wait; but where times are judged, each has the machine for itself.
            with ThreadPoolExecutor(4 if self.options.short else 1) as pool:
                for judged in pool.map(self.alone, [one() for one in chosen if one.lone]):
                    self.judge(*judged)
        finally:
            for one in (self.stub, self.upstream):
                if one:
                    one.end()
            self.house.end()
        # Once more at the end, where somebody looks.
        for name, faults in self.failed.items():
            for fault in faults:
                tell(f"FAIL  {name}: {fault}", "      ")
        print(f"{self.passed} passed, {len(self.failed)} failed"
              + (f": {', '.join(self.failed)}" if self.failed else ""))
        return not self.failed

    def on(self, stand, attacks):
        """Holds these attacks on one relay; answers those that are left where it did not live."""
        program, door, measure = stand.start(
            self.house, self.upstream, self.ports, self.calls)
        time.sleep(0.2)
        empty = Usage(program.pid)
        measurer = measure()
        try:
            measurer.window(0.2 if self.options.short else 1.0)
            base = Usage(program.pid)
            self.control = None
            for index, attack in enumerate(attacks):
                if not self.one(attack(), program, door, measurer, base):
                    program.end()
                    return attacks[index + 1:]
            grown = self.again(attacks, program, door, measurer)
        finally:
            measurer.end()
        if program.process.poll() is None:
            self.judge(f"after-{stand.name}", *self.afterwards(program, door, empty, base, grown))
        program.end()
        return []

    def settle(self, program, measurer, base, seconds):
        """Until what the attack held is given back and what it delayed is caught up; whether that
        was so in the time for it."""
        end = time.monotonic() + (5 if self.options.short else seconds)
        while time.monotonic() < end and program.process.poll() is None:
            if Usage(program.pid).descriptors > base.descriptors + 4:
                time.sleep(0.05)
                continue
            window = measurer.window(0.2)
            if window.worst < CALM and window.frames and not window.lost:
                return True
        return False

    def again(self, attacks, program, door, measurer):
        """All attacks once more, each for a second, and what the heap grew by: a leak grows each
        time, while a heap that has taken its fill does not."""
        if self.options.short:
            return 0.0
        before = Usage(program.pid)
        for attack in attacks:
            self.attack(attack(), door, measurer, 1.0)
            if program.process.poll() is not None:
                break
        else:
            return (Usage(program.pid).kilobytes - before.kilobytes) / 1024
        return 0.0

    def one(self, attack, program, door, measurer, base):
        """Holds one attack and judges it; whether the relay is good for another."""
        if not self.options.short:
            self.control = None
        for attempt in range(2 if self.options.short else 3):
            if attempt:
                self.settle(program, measurer, base, attack.ends_within)
            lines, faults, is_sure = self.attempt(attack, program, door, measurer)
            if is_sure:
                break
        if attempt:
            lines.append(f"tried       {attempt + 1} times, since only times were wrong")
        begin = time.monotonic()
        is_over = self.settle(program, measurer, base, attack.ends_within)
        took = time.monotonic() - begin
        if took > 2 and program.process.poll() is None:
            lines.append(f"afterwards  all as before {took:.0f} s later" if is_over else
                         f"afterwards  not as before even {took:.0f} s later")
            if not is_over and not self.options.short:
                faults.append(f"{took:.0f} s after it things are not as before")
        self.judge(attack.name, attack.what, lines, faults)
        return is_over

    def attempt(self, attack, program, door, measurer):
        """One try: what is to be told, what was wrong, and whether another try could tell more."""
        seconds = attack.seconds if attack.seconds and not self.options.short else self.seconds
        if self.control is None or not self.options.short:
            control = measurer.window(min(seconds, 1.0 if self.options.short else 5.0))
            # What the machine did to calls without an attack it may have done in the attack, too.
            if self.control is None or control.p99 > self.control.p99:
                self.control = control
        begun = time.monotonic()
        result, window = self.attack(attack, door, measurer, seconds)
        if program.process.poll() is not None:
            return [], [f"the relay ended with {program.process.returncode}: "
                        + " ".join(program.lines[-3:])[:300]], True
        lines = self.lines(result, window)
        faults = self.bounds.faults(attack, self.control, window)
        # Faults of time alone may be the machine's: another try tells.
        slow = self.bounds.slow(attack, self.control, window)
        was_late = max(window.own, self.control.worst) > 2 * CALM
        is_sure = not faults or faults != slow or (
            window.worst > 10 * self.bounds.worst and not was_late)
        others = self.said(attack, door, measurer, program.since(begun - attack.looks_back))
        if isinstance(result, Exception):
            others.append(f"the attack failed: {result}")
        else:
            others += result["failures"]
        return lines, faults + others, is_sure or bool(others)

    def said(self, attack, door, measurer, lines):
        """What is wrong with what the relay said, and with how it goes on."""
        scene = Scene(door, 0, self.options.seed)
        attack.read_log(scene, lines)
        if getattr(attack, "drains", False) and measurer.window(0.5).worst > CALM:
            scene.fail("the backlog is not drained yet")
        odd = [line for line in lines if not is_json(line)]
        scene.expect(not odd, f"{len(odd)} lines of a JSON log are none: {odd[:1]}")
        return scene.failures

    def attack(self, attack, door, measurer, seconds):
        guest = Door(door.port, door.secure, GUEST, door.relay)
        scene = Scene(guest, seconds, self.options.seed, self.house, self.ports, self.stub,
                      is_short=self.options.short)
        attack.prepare(scene)

        def work():
            scene.begin()
            attack.perform(scene)
            # Newcomers are asked for in the whole of the window.
            time.sleep(scene.left)
            return scene.outcome()

        measurer.open()
        attacker = Attacker(work, attack.gives_way, not self.options.short)
        result = attacker.result(seconds + 30)
        return result, measurer.close((3 if self.options.short else 20) + attack.stopped / 1000)

    def lines(self, result, window):
        noted = [] if isinstance(result, Exception) else [
            f"{count} {what}" if count != 1 else what for what, count in result["noted"].items()]
        ratio = window.p99 / self.control.p99 if self.control.p99 else 0
        lines = [
            "attacker    " + ("; ".join(noted) or "nothing to tell"),
            f"healthy     {window.frames} frames: {figures(window)} "
            f"(control {figures(self.control)}: p99 x {ratio:.1f}); {window.late} late, "
            f"{window.lost} lost, {window.damaged} damaged; callers' own lateness "
            f"{window.own:.0f} ms"]
        asked = []
        for name in ("health", "newcomer"):
            if taken := window.probe(name):
                asked.append(f"{name} {taken[0]} of {taken[1]}, {taken[2]:.0f} ms at most")
        return lines + ["newcomers   " + "; ".join(asked)]

    def afterwards(self, program, door, empty, base, leaked):
        """Memory and descriptors once all calls have gone, against those before the attacks."""
        end = time.monotonic() + 20
        while True:
            figures = self.house.metrics(door)
            usage = Usage(program.pid)
            held = {name: figures.get(name) for name in ("calls_active", "blocks_in_use")}
            # The page itself is asked over one link.
            held["other links"] = figures.get("links_in_use", 0) - 1
            held["descriptors"] = usage.descriptors - empty.descriptors
            if not any(held.values()) or time.monotonic() > end:
                break
            time.sleep(0.1)
        faults = [f"{count} {name} more than before" for name, count in held.items() if count]
        grown = (usage.kilobytes - base.kilobytes) / 1024
        if grown > GROWTH:
            faults.append(f"{grown:.1f} MiB more than before")
        if leaked > LEAK:
            faults.append(f"{leaked:.1f} MiB more when all was done again")
        lines = [f"relay       before {base.kilobytes / 1024:.1f} MiB, {empty.descriptors} "
                 f"descriptors; after {usage} "
                 f"(done again: {leaked:+.1f} MiB); {program.count} lines of log"]
        return "memory and descriptors once everybody has gone", lines, faults

    def alone(self, attack):
        # Several go on at the same time: each measures by an upstream of its own.
        upstream = Upstream()
        scene = Scene(None, attack.seconds or self.seconds, self.options.seed, self.house,
                      self.ports | {"twin": upstream.port},
                      is_short=self.options.short)
        scene.upstream = upstream
        try:
            attack.perform(scene)
        except Exception as error:
            scene.fail(f"{type(error).__name__}: {error}")
        finally:
            upstream.end()
        result = scene.outcome()
        noted = [f"{count} {what}" if count != 1 else what for what, count in scene.noted.items()]
        return (attack.name, attack.what, ["seen        " + "; ".join(noted)],
                result["failures"])

    def judge(self, name, what, lines, faults):
        verdict = "FAIL" if faults else "ok"
        took = time.monotonic() - self.begun
        self.begun += took
        print(f"{verdict:5} {name} ({took:.1f} s): {what}")
        for line in [*lines, *(f"because     {fault}" for fault in faults)]:
            tell(" " * 6 + line, " " * 18)
        sys.stdout.flush()
        if faults:
            self.failed[name] = faults
        else:
            self.passed += 1

