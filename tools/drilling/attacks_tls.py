# Attacks with what stands before every request: TLS hellos, recorded once and sent again, which
# cost the attacker nothing.
import select
import time

from .attack import Attack
from .house import thread_seconds
from .wire import anybody, record_hello

# What a client hello may offer, each by itself, as `openssl s_client` words it.
HELLOS = {
    "x25519": ["-tls1_3", "-groups", "X25519"],
    "p256": ["-tls1_3", "-groups", "P-256"],
    "p384": ["-tls1_3", "-groups", "P-384"],
    "p521": ["-tls1_3", "-groups", "P-521"],
    "x448": ["-tls1_3", "-groups", "X448"],
    "ffdhe2048": ["-tls1_3", "-groups", "ffdhe2048"],
    "ffdhe4096": ["-tls1_3", "-groups", "ffdhe4096"],
    "ffdhe8192": ["-tls1_3", "-groups", "ffdhe8192"],
    "tls1.2-ecdhe": ["-tls1_2", "-cipher", "ECDHE"],
    "tls1.2-dhe": ["-tls1_2", "-cipher", "DHE:@SECLEVEL=0"],
    "tls1.2-cbc": ["-tls1_2", "-cipher", "ECDHE+AES+SHA:ECDHE+AES+SHA256:ECDHE+AES+SHA384"],
    "tls1.2-rsa": ["-tls1_2", "-cipher", "kRSA"],
}


def replies(link, seconds):
    """What a hello was answered with: the kind of the first record, or how it ended."""
    link.settimeout(max(0.01, seconds))
    try:
        data = link.recv(4096)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "cut"
    if not data:
        return "cut"
    return {22: "answered", 21: "alert"}.get(data[0], "odd bytes")


class Replay(Attack):
    """One recorded hello, sent again and again on new connections."""

    stand, hello, rate, addresses = "tls", "x25519", 8, 3

    def prepare(self, scene):
        self.bytes = record_hello(*HELLOS[self.hello])

    def perform(self, scene):
        if self.bytes is None:
            scene.note("not offered by this machine's openssl")
            return
        waiting = []
        for number in scene.paced(self.rate):
            try:
                link = scene.door.tcp(scene.source(number, self.addresses), 0.5)
                link.sendall(self.bytes)
                scene.note("sent")
                waiting.append(link)
            except OSError as error:
                scene.note(type(error).__name__)
            if len(waiting) > 200 or number % 16 == 15:
                self.collect(scene, waiting, 0)
                while len(waiting) > 200:
                    waiting.pop(0).close()
                    scene.note("given up")
        self.collect(scene, waiting, 0.3)

    def collect(self, scene, waiting, seconds):
        ready, _, _ = select.select(waiting, [], [], seconds)
        for link in ready:
            scene.note(replies(link, 0.01))
            link.close()
            waiting.remove(link)


class DearHello(Replay):
    """A recorded TLS 1.3 hello that offers only ffdhe8192, 3 a second from one address"""

    name, hello, rate, addresses, short = "hello-ffdhe8192", "ffdhe8192", 3, 1, True


class DearHelloOften(Replay):
    """The same, 8 a second from three addresses"""

    name, hello = "hello-ffdhe8192-often", "ffdhe8192"


class Curve521(Replay):
    """A recorded TLS 1.3 hello that offers only P-521, 50 a second from three addresses"""

    name, hello, rate = "hello-p521", "p521", 50


class OldHello(Replay):
    """A recorded TLS 1.2 hello with finite-field DHE, 20 a second from three addresses"""

    name, hello, rate = "hello-tls12-dhe", "tls1.2-dhe", 20


class HelloStorm(Replay):
    """A recorded X25519 hello to an ECDSA certificate, 200 a second from three addresses"""

    name, rate, short = "hello-storm", 200, True


class HelloStormRSA(Replay):
    """A recorded X25519 hello to an RSA-4096 certificate, 200 a second from three addresses, with
    limits raised as for a load generator"""

    name, stand, rate = "hello-storm-rsa4096", "tls-rsa4096", 200


class HelloStormSmallRSA(Replay):
    """A recorded X25519 hello to an RSA-2048 certificate, 200 a second from three addresses, with
    limits raised as for a load generator"""

    name, stand, rate = "hello-storm-rsa2048", "tls-rsa2048", 200


class HelloBurst(Attack):
    """128 recorded hellos held ready and let go in the same millisecond, once a second"""

    name, stand = "hello-burst", "tls"

    def prepare(self, scene):
        self.bytes = record_hello(*HELLOS["x25519"])

    def perform(self, scene):
        for _ in scene.paced(1):
            for number in range(128):
                scene.hold(lambda: scene.door.tcp(scene.source(number, 9), 0.5))
            for link in scene.held:
                try:
                    link.sendall(self.bytes)
                    scene.note("sent")
                except OSError:
                    scene.note("cut")
            time.sleep(min(0.5, scene.left))
            scene.drop()


class HalfHello(Attack):
    """60 connections that send a recorded hello byte by byte, twenty bytes a second"""

    name, stand, kind, short = "hello-by-the-byte", "tls", "room", True

    def prepare(self, scene):
        self.bytes = record_hello(*HELLOS["x25519"])

    def perform(self, scene):
        for number in range(60):
            scene.hold(lambda: scene.door.tcp(scene.source(number), 0.5))
        for number in scene.paced(20):
            scene.send_to_each(self.bytes[number:number + 1])
        scene.fates()


class HelloGarbage(Attack):
    """Records that are no hello: noise, other versions, a record that never ends, SSLv2"""

    name, stand = "hello-garbage", "tls"
    samples = [b"\x80\x2e\x01\x00\x02" + b"\0" * 64, b"\x16\x03\x01\x40\x00\x01" + b"\xff" * 8000,
               b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28",
               b"\x17\x03\x03\x00\x01\x00",
               b"\x16\x03\x01\x00\x00" * 500]

    def perform(self, scene):
        for number in scene.paced(100):
            sample = scene.random.choice([*self.samples, scene.random.randbytes(300)])
            try:
                with scene.door.tcp(scene.source(number, 5), 0.5) as link:
                    link.sendall(sample)
                    scene.note(replies(link, 0.02))
            except OSError as error:
                scene.note(type(error).__name__)


class Resumed(Attack):
    """One session resumed on 50 new connections a second from three addresses"""

    name, stand = "tls-resumptions", "tls"

    def perform(self, scene):
        with scene.door.open() as link:
            link.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            link.recv(4096)
            session = link.session
        context = link.context
        for number in scene.paced(50):
            try:
                raw = scene.door.tcp(scene.source(number), 1)
                with context.wrap_socket(raw, session=session) as one:
                    scene.note("resumed" if one.session_reused else "in full")
            except OSError as error:
                scene.note(type(error).__name__)


class HelloCosts(Attack):
    """Twenty of each hello that openssl can send, and what each costs the thread"""

    name, stand, seconds = "hello-costs", "tls-raised", 20
    most = 3.0

    def prepare(self, scene):
        self.hellos = {name: record_hello(*options) for name, options in HELLOS.items()}

    def perform(self, scene):
        idle = self.cost(scene, 0.5)
        for name, data in self.hellos.items():
            if data is None or scene.left < 0.5:
                scene.note(f"{name}: not sent")
                continue
            costs, answers = [], set()
            for number in range(20):
                begin, before = time.monotonic(), thread_seconds(scene.door.relay)
                try:
                    with scene.door.tcp(scene.source(number, 9), 1) as link:
                        link.sendall(data)
                        answers.add(replies(link, 2))
                except OSError as error:
                    answers.add(type(error).__name__)
                costs.append(thread_seconds(scene.door.relay) - before
                             - idle * (time.monotonic() - begin))
            # The middle one: beside it are frames of others.
            each = max(0.0, sorted(costs)[10] * 1000)
            scene.note(f"{name} {each:.2f} ms ({'/'.join(sorted(answers))})")
            scene.expect(each < self.most, f"{name} costs {each:.1f} ms, not under {self.most}")

    def cost(self, scene, seconds):
        before = thread_seconds(scene.door.relay)
        time.sleep(seconds)
        return (thread_seconds(scene.door.relay) - before) / seconds


class HalfClosed(Attack):
    """Complete handshakes that then say nothing, 20 a second from three addresses"""

    name, stand, kind = "tls-then-silence", "tls", "room"

    def perform(self, scene):
        for number in scene.paced(20):
            def make():
                return anybody().wrap_socket(scene.door.tcp(scene.source(number), 1))
            scene.hold(make)
        scene.fates()
