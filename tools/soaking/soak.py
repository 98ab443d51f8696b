# Rounds of churn, and what is seen after each when all is at rest. What must be back is judged
# round by round, memory over all rounds; everything else is printed.
import collections
import time

from .churn import round_of
from .measure import Growth, Held, WARM_ROUNDS
from .stand import CALLS_MAX, Stand

# Seconds that a round may take to come to rest: a hook that rests waits for some of them.
REST = 45.0
# Calls of each kind in a round, and in the first, in which nearly as many places are taken at once
# as there are: what is used later has been used before.
CALLS, FIRST = 80, 4 * CALLS_MAX // 5
# The courier is killed in the first round, and in each of so many that follow.
KILLED_EVERY = 20
# Rounds of which growth can be judged at all.
ROUNDS_MIN = WARM_ROUNDS + 6
# The journal at rest: the segment that is being written and its lock, perhaps one that is about to
# go. Curl keeps connections that were used, 8 to a hook and 8 to a model, and as many again that
# the other side has ended and that it has not looked at since; and there is one to the relay.
SEGMENTS_MAX, SOCKETS_MAX = 3, 33
# The spool: a row for each of the last 10,000 calls and of those since it was last tidied, which it
# is with each segment of the journal; and the log ahead of it.
SPOOL_CALL, SPOOL_CALLS_MAX, SPOOL_ROOM = 3072, 16_000, 8 << 20
# Figures of `/metrics` that must be 0 at rest, those of places that must be free, and those of the
# one connection that asks.
IDLE = ["calls_active", "blocks_in_use", "subscribers", "deliveries_pending"]
EMPTY = IDLE + ["hooks_off", "deliveries_dropped_total", "journal_entries_lost_total",
                "records_failed_total"]
FREE = ["voice", "transcription"]
SAME = ["links_in_use", "unproven"]
# Events that each call has once.
ONCE = ["call.started", "call.ended", "call.extracted"]
COLUMNS = "{:>5} {:>5} {:>6} {:>6} {:>9} {:>7} {:>11} {:>7} {:>6} {:>8} {:>10} {:>6} {:>6}"
NAMES = ["round", "s", "calls", "total", "relay: fd", "KiB", "courier: fd", "KiB", "files",
         "segments", "spool: KiB", "told", "twice"]


class Seen:
    """What is seen from outside at one moment; `told`: what came to the receiver in this round."""

    def __init__(self, stand, told, calls_before):
        self.metrics = stand.metrics()
        self.calls = int(self.metrics["calls_started_total"]) - calls_before
        self.files = stand.files()
        self.told = told
        accepted = [line for line in told if line["answered"] == 200]
        self.ids = {name: {line["id"] for line in accepted if line["type"] == name}
                    for name in ONCE}
        self.twice = len(accepted) - len({line["id"] for line in accepted})
        self.segments, self.spool = stand.journal()
        courier = stand.courier()
        self.relay = Held(stand.relay.pid)
        self.courier = Held(courier) if courier else None

    @property
    def held(self):
        """What must be back at its least, by name."""
        held = {name: self.metrics[name] for name in SAME}
        held["descriptors of the relay"] = self.relay.descriptors
        if self.courier:
            held["descriptors of the courier, sockets apart"] = self.courier.files
        return held

    @property
    def is_at_rest(self):
        counts = [len(names) for names in self.files.values()]
        counts += [len(ids) for ids in self.ids.values()]
        return (self.courier is not None and all(count >= self.calls for count in counts)
                and all(self.metrics.get(name) == 0 for name in IDLE))


class Soak:
    """A stand, what has been counted, and what was wrong."""

    def __init__(self, binaries, preload=None, quiet=False):
        self.stand = Stand(binaries, preload)
        self.quiet = quiet
        self.growth = [Growth("relay"), Growth("courier")]
        self.faults = collections.Counter()
        self.calls = self.rounds = self.told = self.twice = 0
        # The least that was held at rest so far, by name: what is above it has not come back.
        self.least = {}
        self.took = 0.0

    def run(self, seconds):
        """Rounds for so long, and no fewer than can be judged; the lines of the verdict. At its end
        all is ended."""
        try:
            self.say(COLUMNS.format(*NAMES))
            end = time.monotonic() + seconds
            # One that would not be over in time is not begun.
            while self.rounds < ROUNDS_MIN or time.monotonic() + self.took < end:
                self.round()
            for name in self.stand.ended():
                self.fault(f"{name} has ended")
        finally:
            self.stand.end()
        return self.verdict()

    def round(self):
        begun = time.monotonic()
        kills = self.rounds % KILLED_EVERY == 0
        calls = CALLS if self.rounds else FIRST
        self.rounds += 1
        missed, is_late = round_of(self.stand, self.rounds, calls, kills)
        for fault in missed:
            self.say(f"      the machine was late: {fault}") if is_late else self.fault(fault)
        seen = self.rest()
        self.calls += seen.calls
        self.told += len(seen.told)
        self.twice += seen.twice
        self.took = time.monotonic() - begun
        if seen.courier is None:
            return self.fault("there is no courier")
        self.judge_deliveries(seen, kills)
        self.judge_slots(seen)
        self.judge_files(seen)
        for growth, held in zip(self.growth, (seen.relay, seen.courier)):
            growth.add(held.process, self.calls, held.kilobytes)
        self.say(COLUMNS.format(
            f"{self.rounds}{'k' if kills else ''}", f"{self.took:.1f}", seen.calls, self.calls,
            seen.relay.descriptors, seen.relay.kilobytes,
            f"{seen.courier.files} + {seen.courier.sockets}", seen.courier.kilobytes,
            sum(len(names) for names in seen.files.values()), seen.segments, seen.spool // 1024,
            len(seen.told), seen.twice))
        self.stand.clear()

    def rest(self):
        """Waits until all is at rest, and looks."""
        told = []
        end = time.monotonic() + REST
        while True:
            time.sleep(0.3)
            told += self.stand.deliveries()
            seen = Seen(self.stand, told, self.calls)
            if seen.is_at_rest or time.monotonic() > end:
                break
        # What is over on the wire is put away in the turns that follow: what stays longer is held.
        for _ in range(6):
            time.sleep(0.5)
            told += self.stand.deliveries()
            seen = Seen(self.stand, told, self.calls)
            if all(now <= self.least.get(name, now) for name, now in seen.held.items()):
                break
        return seen

    def judge_deliveries(self, seen, kills):
        """Of each call one of each, in their order, signed, and twice only behind a kill."""
        for name, ids in seen.ids.items():
            if len(ids) != seen.calls:
                self.fault(f"{seen.calls} calls, but {len(ids)} different {name} were told")
        if late := sum(line["out_of_order"] for line in seen.told):
            self.fault(f"{late} deliveries out of order")
        if wrong := sum(line["signature"] != "signed" for line in seen.told):
            self.fault(f"{wrong} deliveries not signed well")
        if seen.twice and not kills:
            self.fault(f"{seen.twice} deliveries twice, though nobody was killed")

    def judge_slots(self, seen):
        for name in EMPTY:
            if seen.metrics.get(name) != 0:
                self.fault(f"{name} is {seen.metrics.get(name)} at rest")
        for kind in FREE:
            free, most = (seen.metrics.get(f"{kind}_places_{end}") for end in ("free", "max"))
            if free != most:
                self.fault(f"of the places for {kind} {free} are free at rest, not {most}")
        for name, now in seen.held.items():
            least = self.least[name] = min(now, self.least.get(name, now))
            if now > least:
                self.fault(f"{name}: {now:.0f}, were {least:.0f}")
        if seen.courier.sockets > SOCKETS_MAX:
            self.fault(f"sockets of the courier: {seen.courier.sockets}")

    def judge_files(self, seen):
        for folder, names in seen.files.items():
            if len(names) != seen.calls:
                self.fault(f"{seen.calls} calls, but {len(names)} files in {folder}")
        if seen.segments > SEGMENTS_MAX:
            self.fault(f"{seen.segments} files of the journal at rest")
        if seen.spool > SPOOL_ROOM + SPOOL_CALL * min(self.calls, SPOOL_CALLS_MAX):
            self.fault(f"the spool takes {seen.spool >> 10} KiB at rest")

    def fault(self, words):
        if not self.faults[words]:
            self.say(f"      {words}")
        self.faults[words] += 1

    def say(self, line):
        if not self.quiet:
            print(line, flush=True)

    def verdict(self):
        """Lines that begin with `ok` or `FAIL`, then the one that counts."""
        memory = [line for growth in self.growth for line in growth.verdict()]
        lines = [f"{'ok  ' if is_good else 'FAIL'} {words}" for is_good, words in memory]
        lines += [f"FAIL {words}" + (f", {count} times" if count > 1 else "")
                  for words, count in self.faults.items()]
        failed = sum(line.startswith("FAIL") for line in lines)
        if self.twice:
            lines.append(f"     {self.twice} deliveries came twice behind a kill, with one id")
        lines.append(f"{self.calls} calls, {self.told} deliveries, {self.rounds} rounds: "
                     + (f"{failed} failed" if failed else "all is back, nothing grows"))
        return lines
