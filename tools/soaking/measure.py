# What a process holds at rest, and how it is judged whether it grows.
import os

# Rounds in which a process takes for the first time what it will use again, and rounds behind them
# below which nothing is said of its growth.
WARM_ROUNDS, JUDGED_ROUNDS = 3, 6
# What may come and go between two rounds at rest, in KiB, and is no growth. The relay takes its
# memory at the start: a few pages of stacks and of what libraries keep. The courier has a heap, and
# in it SQLite's cache of the calls that it remembers. Over the 2,000 calls that are judged in two
# minutes, a relay that lost more than 32 bytes a call would be seen.
NOISE = {"relay": 64, "courier": 256}


class Held:
    """What a process holds at one moment: descriptors, sockets and others, and memory."""

    def __init__(self, process):
        self.process = process
        self.files = self.sockets = 0
        for number in os.listdir(f"/proc/{process}/fd"):
            try:
                is_socket = os.readlink(f"/proc/{process}/fd/{number}").startswith("socket:")
            except OSError:
                continue
            self.sockets += is_socket
            self.files += not is_socket
        with open(f"/proc/{process}/smaps_rollup") as lines:
            figures = dict(line.split(":", 1) for line in lines if line.endswith(" kB\n"))
        # What it has written itself: pages of the program and of files are the system's to keep.
        self.kilobytes = int(figures["Anonymous"].split()[0])

    @property
    def descriptors(self):
        return self.files + self.sockets


class Growth:
    """Memory at rest, round by round. A process does not grow where the least of the last third of
    its rounds is no more than the least of the first third and the noise: the ups and downs of a
    heap are above the least, a leak lifts it. A process that was killed is judged by itself, and so
    is the one that follows."""

    def __init__(self, name):
        self.name = name
        self.process = None
        self.points = []
        self.lines = []

    def add(self, process, calls, kilobytes):
        if process != self.process:
            self.judge()
            self.process, self.points = process, []
        self.points.append((calls, kilobytes))

    def judge(self):
        points, self.points = self.points[WARM_ROUNDS:], []
        if len(points) < JUDGED_ROUNDS:
            return
        third, noise = len(points) // 3, NOISE[self.name]
        first, last = points[:third], points[-third:]
        grown = min(size for _, size in last) - min(size for _, size in first)
        calls = last[0][0] - first[0][0]
        each = 1024 * max(0, grown - noise) / max(1, calls)
        self.lines.append((
            grown <= noise,
            f"memory of the {self.name}: {grown:+d} KiB over {calls} calls, "
            f"{each:.0f} bytes a call beyond a noise of {noise} KiB"))

    def verdict(self):
        """For each process that lived long enough whether it is well, and a line."""
        self.judge()
        return self.lines or [(False, f"memory of the {self.name}: no process lived long enough")]
