# Attacks from the other side: upstreams that flood, lie, break the protocol or die, and callers who
# leave it at that.
import json
import re
import select
import subprocess
import threading
import time

from .attack import Attack
from .wire import BINARY


def talk(scene, name, number):
    """A call whose upstream is the hostile one of this name, with its first frame of audio."""
    call = scene.door.call(
        f"/x/{name}?encoding=mulaw&sample_rate=8000&call_id={name}-{number}",
        scene.door.proof(), source=scene.source(number, 4))
    call.send(BINARY, b"\x55" * 160)
    return call


class Flooded(Attack):
    """Ten sessions of an upstream that sends audio as fast as it is taken, to callers who never
    read"""

    name, short, hostile, calls = "upstream-flood", True, "flood", 10

    def perform(self, scene):
        for number in range(self.calls):
            scene.hold(lambda: talk(scene, self.hostile, number), "calls")
        while scene.left:
            time.sleep(min(0.02, scene.left))
            for call in scene.held:
                call.link.settimeout(0.001)
                try:
                    call.send(BINARY, b"\x55" * 160)
                except OSError:
                    pass
        for call in scene.held:
            scene.note(f"{call.end(0.001)} at the end")


class FloodedReaders(Flooded):
    """The same to callers who read"""

    name, short = "upstream-flood-read", False

    def perform(self, scene):
        for number in range(self.calls):
            scene.hold(lambda: talk(scene, self.hostile, number), "calls")
        got = 0
        while scene.left and scene.held:
            ready, _, _ = select.select([call.link for call in scene.held], [], [],
                                        min(0.1, scene.left))
            for link in ready:
                try:
                    got += len(link.recv(262144))
                except OSError:
                    pass
        scene.note(f"{got / 1000 / scene.seconds:.0f} kB a second to callers")


class Talkers(Flooded):
    """The same while ten callers talk with a model both ways (`sidetone-lab load`): their frames in
    both directions"""

    name, short, stand = "upstream-flood-two-way", False, "talk"
    gives_way = False

    def perform(self, scene):
        before = self.load(scene)
        flood = threading.Thread(target=super().perform, args=(scene,))
        scene.seconds *= 2
        scene.begin()
        flood.start()
        during = self.load(scene)
        scene.end = 0
        flood.join()
        for name, control in before.items():
            p99, worst = during[name]
            scene.note(f"{name}: p99 {p99:.1f} worst {worst:.1f} ms (control {control[0]:.1f}, "
                       f"{control[1]:.1f})")
            scene.expect(worst < max(20, 2 * control[1]), f"{name}: worst {worst:.0f} ms")

    def load(self, scene):
        """p99 and worst in milliseconds, by direction."""
        port, seconds = scene.ports[self.stand]["port"], max(1, int(scene.seconds))
        done = subprocess.run(list(map(str, [
            scene.house.lab_binary, "load", "--relay", f"ws://127.0.0.1:{scene.door.port}/load",
            "--twin-port", port, "--two-way", "--calls", 10, "--seconds", seconds, "--json"])),
            capture_output=True, text=True, timeout=seconds + 30)
        report = json.loads(done.stdout)
        scene.expect(report["clean"], f"frames were lost or damaged: {done.stdout[:300]}")
        return {name: (report[key]["p99"] / 1000, report[key]["worst"] / 1000) for name, key in
                [("from callers", "delay_us"), ("to callers", "down_delay_us")]}


class UpstreamEscapes(Flooded):
    """Ten sessions of an upstream that sends messages of no concern, full of escapes"""

    name, short, hostile = "upstream-escapes", False, "escapes"


class UpstreamOnes(Flooded):
    """Four sessions of an upstream that sends one message in fragments of one byte without end"""

    name, short, hostile, calls = "upstream-one-byte-fragments", False, "ones", 4


class UpstreamEmpties(Flooded):
    """Four sessions of an upstream that sends empty fragments and pings without end"""

    name, short, hostile, calls = "upstream-empty-fragments", False, "empties", 4


class UpstreamWords(Flooded):
    """Ten sessions of an upstream that sends results without pause, to callers who never read"""

    name, short, hostile = "upstream-words", False, "words"


class UpstreamStalls(Flooded):
    """Ten sessions of an upstream that speaks and then stalls"""

    name, short, hostile = "upstream-stalls", False, "slow"


class Dying(Attack):
    """An upstream that answers once and dies, with 100 calls (short: 20): how many lines that
    makes"""

    name, kind, short = "upstream-dies", "thread", True

    def perform(self, scene):
        calls = 20 if scene.is_short else 100
        for number in scene.paced(40, calls):
            scene.hold(lambda: talk(scene, "dies", number), "calls")
        time.sleep(scene.left)
        for call in scene.held:
            scene.note(f"{call.end(0.001)} at the end")


    def read_log(self, scene, lines):
        """Judges how many lines that made. Sessions that worked are followed at once."""
        judge_lines(scene, lines, "dies")


class Falling(Attack):
    """An upstream that falls with 100 sessions (short: 20) at one moment and stands again: they
    come back one after the other"""

    name, kind, short = "upstream-falls", "thread", True

    def perform(self, scene):
        calls = 20 if scene.is_short else 100
        for number in scene.paced(100, calls):
            scene.hold(lambda: talk(scene, "falls", number), "calls")
        time.sleep(0.2)
        fallen = scene.stub.ask("fall")["fallen"]
        scene.expect(fallen == len(scene.held), f"{fallen} of {len(scene.held)} sessions stood")
        time.sleep(0.005 * fallen + 0.5)
        dials = scene.stub.ask("dials")["dials"]
        scene.expect(len(dials) == fallen, f"{len(dials)} dials for {fallen} sessions")
        # 500 a second at 1,000 calls; half of that time, should the relay have been held up.
        if dials:
            took = max(dials) - min(dials)
            scene.note(f"{len(dials)} dials in {1000 * took:.0f} ms")
            scene.expect(took > 0.002 * (fallen - 1) / 2, f"all came within {1000 * took:.0f} ms")


def judge_redials(scene, lines, name):
    """Not all calls at the same moment."""
    waits = re.findall(r"in (\d+) ms, attempt 1 ", "\n".join(lines))
    scene.expect(len(waits) < 10 or len(set(waits)) > 2,
                 f"{len(waits)} calls wait for the same {'/'.join(set(waits))} ms: no jitter")
    judge_lines(scene, lines, name)


def judge_lines(scene, lines, name):
    """One line for an upstream and a minute."""
    told = [line for line in lines if f'"{name}' in line and '"warning"' in line and (
        "upstream_" in line)]
    scene.expect(len(told) <= 20, f"{len(told)} warnings of the same upstream")
    dialled = sum(f'"{name}' in line and "upstream_dialled" in line for line in lines)
    scene.note(f"{dialled} dials in the log")


class Liars(Attack):
    """Upstreams whose frames are masked, of 1 GiB, or not UTF-8: the log must name the rule"""

    name, kind, short = "upstream-breaks-rules", "room", True
    words = {"masked": ("mask",), "oversized": ("too large", "too_large", "large"),
             "utf8": ("UTF-8", "utf8", "UTF8")}

    def perform(self, scene):
        for number, name in enumerate(self.words):
            scene.hold(lambda: talk(scene, name, number), "calls")
        time.sleep(min(1.0, scene.left))
        for call in scene.held:
            scene.note(f"{call.end(0.01)}")

    def read_log(self, scene, lines):
        """Judges what the relay said meanwhile."""
        for name, words in self.words.items():
            said = [line for line in lines if name in line and (
                "upstream_" in line) and "upstream_dialled" not in line]
            told = any(word in line for line in said for word in words)
            scene.expect(told, f"of {name} it is only said: {said[0][:150] if said else 'nothing'}")


class Refusing(Attack):
    """Calls whose upstream refuses every handshake, 40 a second"""

    name = "upstream-refuses"

    def perform(self, scene):
        for number in scene.paced(40):
            try:
                scene.held.append(talk(scene, "nobody", number))
                scene.note("calls")
            except (OSError, ConnectionError) as error:
                scene.note(f"refused: {error}")

    def read_log(self, scene, lines):
        judge_redials(scene, lines, "nobody")

