# Calls that are set up with TLS on both sides, a hundred a second, beside calls that run: the load
# and its upstream are `sidetone-lab load`.
import json
import subprocess
import time

from .attack import Attack


class SetUps(Attack):
    """100 calls a second that are set up and ended, TLS on both sides (ECDSA)"""

    name, stand, ratio = "setups-ecdsa", "setups-ecdsa", 1.2

    gives_way = False

    def perform(self, scene):
        certificate, key = scene.ports[self.stand]["files"]
        port = scene.ports[self.stand]["port"]
        # So many at a time, each of 10 frames and its last words, are about 100 a second.
        command = [
            scene.house.lab_binary, "load", "--relay", f"wss://127.0.0.1:{scene.door.port}/load",
            "--twin-port", port, "--twin-certificate", certificate, "--twin-key", key,
            "--as", "raw", "--short-calls", int(100 * scene.seconds), "--calls", 30,
            "--frames", 10, "--json"]
        begin = time.monotonic()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              timeout=scene.seconds + 25)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            scene.fail(f"the load said {(done.stdout + done.stderr)[-200:]}")
            return
        frames, calls = report["frames"], report["calls"]
        took = time.monotonic() - begin
        scene.note(f"{frames['calls']} calls, {frames['calls'] / took:.0f} a second")
        scene.expect(scene.is_short or frames["calls"] > 80 * took, "far fewer than 100 a second")
        scene.note(f"{frames['lost']} frames of them lost, {frames['damaged']} damaged, "
                   f"{calls['refused']} refused, {calls['broken']} broken")
        scene.expect(done.returncode == 0, f"the short calls lost frames: {done.stdout[:300]}")


class SetUpsRSA(SetUps):
    """The same with an RSA-4096 certificate"""

    name, stand, ratio = "setups-rsa4096", "setups-rsa4096", 1.5
