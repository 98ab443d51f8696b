# Other people's tools against the relay, where they are installed; which are not is said.
import os
import re
import shutil
import subprocess
import time

from .attack import Attack
from .attacks_machine import Lone
from .house import listens


class Tool(Attack):
    """Another program attacks; its name is `tool`."""

    extra, tool, kind = True, "", "room"

    def command(self, scene):
        raise NotImplementedError

    def read(self, scene, text):
        scene.note(" / ".join(line.strip() for line in text.strip().splitlines()[-2:])[:200])

    def perform(self, scene):
        path = shutil.which(self.tool)
        if not path:
            scene.note(f"not tried: {self.tool} is not installed")
            return
        done = subprocess.run(
            [path, *map(str, self.command(scene))], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=(self.seconds or scene.seconds) + 60,
            env=os.environ | {"TERM": "dumb"})
        self.read(scene, done.stdout + done.stderr)


class SlowHTTP(Tool):
    """slowhttptest: Slowloris heads, 300 connections, 50 a second"""

    name, tool, seconds, ways = "slowhttptest-heads", "slowhttptest", 12, ["-H"]

    def command(self, scene):
        return [*self.ways, "-c", 300, "-r", 50, "-i", 1, "-l", 10, "-p", 2,
                "-u", f"http://127.0.0.1:{scene.door.port}/health"]

    def read(self, scene, text):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        for name in ("service available", "connected", "closed", "error"):
            found = re.findall(rf"{name}:\s+(\S+)", plain)
            if found:
                scene.note(f"{name} {found[-1]}")


class SlowHTTPBody(SlowHTTP):
    """slowhttptest: slow bodies (R.U.D.Y.), 300 connections, 50 a second"""

    name, ways = "slowhttptest-body", ["-B"]


class SlowHTTPRead(SlowHTTP):
    """slowhttptest: slow reading, 300 connections, 50 a second"""

    name, ways = "slowhttptest-read", ["-X", "-w", "1", "-y", "10", "-z", "1"]


class Wrk(Tool):
    """wrk: 50 connections ask for /health as fast as one thread can"""

    name, tool, kind = "wrk-health", "wrk", "thread"

    def command(self, scene):
        return ["-t", 1, "-c", 50, "-d", f"{int(scene.seconds)}s",
                f"http://127.0.0.1:{scene.door.port}/health"]

    def read(self, scene, text):
        for line in text.splitlines():
            if any(word in line for word in ("Requests/sec", "errors", "Non-2xx")):
                scene.note(line.strip())


class H2Load(Wrk):
    """h2load: new connections by TLS, 20 at a time, HTTP/1.1"""

    name, tool, stand = "h2load-tls", "h2load", "tls"

    def command(self, scene):
        return ["--h1", "-c", 20, "-n", 2000, f"https://127.0.0.1:{scene.door.port}/health"]

    def read(self, scene, text):
        for line in text.splitlines():
            if line.startswith(("requests:", "status codes:")):
                scene.note(line.strip())


class Scan(Tool):
    """sslscan: protocols and suites that are offered"""

    name, tool, stand, seconds = "sslscan", "sslscan", "tls-raised", 20

    def command(self, scene):
        return ["--no-colour", f"127.0.0.1:{scene.door.port}"]

    def read(self, scene, text):
        suites = [line.split() for line in text.splitlines()
                  if line.startswith(("Accepted", "Preferred"))]
        names = sorted({words[4] for words in suites if len(words) > 4})
        scene.note(f"{len(names)} suites: {' '.join(names)}")
        weak = [name for name in names if "GCM" not in name and "CHACHA" not in name
                and not name.startswith("TLS_")]
        scene.expect(not weak, f"suites that are not AEAD: {' '.join(weak)}")


class TestSSL(Tool):
    """testssl.sh: findings of medium or higher"""

    name, tool, stand, seconds = "testssl", "testssl", "tls-raised", 240

    def command(self, scene):
        return ["--quiet", "--color", 0, "--severity", "MEDIUM", "--jsonfile", "/dev/stdout",
                "--warnings", "off", "-p", "-P", "-E", "-U", f"127.0.0.1:{scene.door.port}"]

    def read(self, scene, text):
        found = re.findall(r'"id"\s*:\s*"([^"]+)"[^}]*?"severity"\s*:\s*"(MEDIUM|HIGH|CRITICAL)"',
                           text, re.DOTALL)
        scene.note(f"{len(found)} findings of medium or higher")
        for name, severity in found:
            scene.fail(f"{severity}: {name}")


class Injected(Lone):
    """strace -e inject: every second accept, socket, read and write is refused by the system for a
    while; it lives, and says what is wrong a bounded number of times"""

    name, extra = "refused-by-the-system", True
    calls = ["accept4:error=EMFILE:when=1+2", "socket:error=EMFILE:when=1+2",
             "recvfrom,read:error=EINTR:when=3+3", "sendto,write:error=EINTR:when=3+3",
             "epoll_wait,epoll_pwait,epoll_pwait2:error=EINTR:when=2+2",
             "accept4:error=ENOMEM:when=1+2", "accept4:error=ECONNABORTED:when=1+2"]

    def perform(self, scene):
        tracer = shutil.which("strace")
        if not tracer:
            scene.note("not tried: strace is not installed")
            return
        for inject in self.calls:
            program, door = self.relay(scene)
            before = program.count
            trace = subprocess.Popen(
                [tracer, "-f", "-qq", "-o", "/dev/null", "-p", str(program.pid), "-e",
                 f"trace={inject.split(':')[0]}", "-e", f"inject={inject}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(0.5)
                answers = [self.asks(door) for _ in range(10)]
                trace.terminate()
                trace.wait(5)
                lines = program.count - before
                scene.note(f"{inject.split(':when')[0]}: {sum(answers)} of 10 answered, "
                           f"{lines} lines")
                scene.expect(program.process.poll() is None, f"{inject} ended it")
                scene.expect(self.asks(door) and self.asks(door), f"deaf after {inject}")
                scene.expect(lines < 60, f"{lines} lines of {inject}")
                self.all_json(scene, program)
            finally:
                if trace.poll() is None:
                    trace.kill()
                program.end()

    def asks(self, door):
        status, _ = door.ask(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", seconds=1)
        return status == 200 and listens(door.port)
