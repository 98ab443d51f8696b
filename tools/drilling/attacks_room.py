# Attacks on the room that newcomers need: connections that prove nothing, places that are taken by
# nobody, requests that are replayed.
import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import urlencode

from .attack import Attack
from .house import TWILIO
from .probes import health
from .wire import PATIENCE, TEXT, request, upgrade


class Silent(Attack):
    """128 silent TCP connections from three addresses, and 13 new ones a second keep it up"""

    name, stand, kind, short = "silent-tls", "tls", "room", True
    first, rate, addresses = 128, 13, 3

    def perform(self, scene):
        for number in range(self.first):
            scene.hold(lambda: scene.door.tcp(scene.source(number, self.addresses), 1))
        for number in scene.paced(self.rate):
            scene.hold(lambda: scene.door.tcp(scene.source(number, self.addresses), 1))
        scene.fates()


class SilentPlain(Silent):
    """128 silent TCP connections from three addresses, 13 new ones a second, plain"""

    name, stand = "silent-plain", "plain"


class SilentSix(Silent):
    """128 silent TCP connections from ::1, and 13 new ones a second"""

    name, stand, short = "silent-ipv6", "tls", False

    def perform(self, scene):
        scene.source = lambda number, addresses=1: "::1"
        super().perform(scene)


class Neighbour(Silent):
    """70 silent TCP connections from the address of honest callers, as behind one balancer"""

    name, first, rate = "silent-neighbour", 70, 4

    def perform(self, scene):
        scene.source = lambda number, addresses=1: "127.0.0.1"
        super().perform(scene)


class Balancer(Attack):
    """80 silent connections from a trusted proxy, whose other clients are honest: these are
    answered"""

    name, stand, kind = "silent-balancer", "tls-proxy", "room"

    def perform(self, scene):
        for _ in range(80):
            scene.hold(lambda: scene.door.tcp("127.0.2.9", 1))
        answered = [scene.ask("/health", f"X-Forwarded-For: 198.51.100.{number % 200}",
                              source="127.0.2.9")[0] for number in scene.paced(10)]
        scene.note(f"{answered.count(200)} of {len(answered)} of its honest clients answered")
        scene.expect(answered.count(200) == len(answered), "its honest clients were not answered")
        scene.fates()


class IdleAtCap(Silent):
    """At calls_max: 200 idle connections from one address; newcomers get a 503, operators are
    served"""

    name, stand, newcomers, short = "idle-at-calls-max", "full", False, True
    first, addresses, rate = 200, 1, 13

    def perform(self, scene):
        super().perform(scene)
        status, _ = scene.door.ask(upgrade("/ws/transcribe", scene.door.proof()))
        scene.note(f"a proven newcomer: {status}")
        scene.expect(status in (429, 503), f"a proven newcomer at calls_max got {status or 'cut'}")
        for path in ("/ready", "/metrics"):
            status, _ = scene.ask(path, scene.door.proof())
            scene.note(f"{path} {status}")
            scene.expect(status in (200, 503), f"{path} was answered {status or 'nothing'}")


class SlowHeads(Attack):
    """100 requests whose heads come a byte at a time, ten bytes a second, from three addresses"""

    name, kind, short = "slow-heads", "room", True
    data = upgrade("/ws/transcribe", "X-A: " + "b" * 2000)

    def perform(self, scene):
        for number in range(100):
            scene.hold(lambda: scene.door.open(scene.source(number), 1))
        for number in scene.paced(10):
            scene.send_to_each(self.data[number % len(self.data):][:1])
        scene.fates()


class SlowHeadsTLS(SlowHeads):
    """The same inside of TLS"""

    name, stand, short = "slow-heads-tls", "tls", False


class SlowBodies(SlowHeads):
    """100 webhooks whose bodies come a byte at a time (R.U.D.Y.), from three addresses"""

    name, short = "slow-bodies", False

    def perform(self, scene):
        self.data = b"x" * 9000
        head = request("/voice", "Content-Type: application/x-www-form-urlencoded",
                       "Content-Length: 9000", method="POST")

        def make():
            link = scene.door.open(scene.source(len(scene.held)), 1)
            link.sendall(head)
            return link

        for _ in range(100):
            scene.hold(make)
        for number in scene.paced(10):
            scene.send_to_each(b"x")
        scene.fates()


class SlowReaders(Attack):
    """64 clients that ask for /metrics, /stats and an unknown page a hundred times on one
    connection and never read"""

    name, kind, short = "never-read-answers", "room", True

    def perform(self, scene):
        pages = [request(path, scene.door.proof()) for path in ("/metrics", "/stats", "/nothing")]
        for number in range(64):
            scene.hold(lambda: scene.door.open(scene.source(number), 1))
        for link in scene.held:
            link.settimeout(0.001)
        for _ in scene.paced(10):
            scene.note("asked", 9 * scene.send_to_each(b"".join(pages) * 3))
        scene.fates()


class Churn(Attack):
    """Connections opened and reset at once, 500 a second from five addresses"""

    name, kind = "connect-and-reset", "room"

    def perform(self, scene):
        for number in scene.paced(500):
            try:
                scene.door.tcp(scene.source(number, 5), 0.5).close()
                scene.note("opened and closed")
            except OSError as error:
                scene.note(type(error).__name__)


class Tokenless(Attack):
    """Token route: sockets that never show a token, 50 a second from five addresses"""

    name, stand, kind, short = "no-token", "seats", "room", True
    rate = 50

    def perform(self, scene):
        honest = [0, 0]
        for number in scene.paced(self.rate):
            scene.hold(lambda: scene.door.call(
                "/ws/phone", source=scene.source(number, 5), seconds=1), "let in unproven")
            if number % self.rate == self.rate - 1:
                honest[1] += 1
                honest[0] += announced(scene, f"CA{number:032x}")
        for caller in scene.held:
            scene.note(f"{caller.end(0.001)} at the end")
        scene.expect(honest[0] == honest[1], f"{honest[0]} of {honest[1]} honest callers served")
        scene.note(f"{honest[0]} of {honest[1]} honest callers served")


def signed(scene, path, form):
    """A webhook as Twilio signs it, ready to be sent (and sent again)."""
    scheme = "https" if scene.door.secure else "http"
    host = f"127.0.0.1:{scene.door.port}"
    text = f"{scheme}://{host}{path}" + "".join(f"{key}{form[key]}" for key in sorted(form))
    proof = base64.b64encode(hmac.new(TWILIO.encode(), text.encode(), hashlib.sha1).digest())
    return request(path, "Content-Type: application/x-www-form-urlencoded",
                   f"X-Twilio-Signature: {proof.decode()}", method="POST", host=host,
                   body=urlencode(form).encode())


def form(call):
    return {"CallSid": call, "AccountSid": "AC" + "0" * 31 + "1", "From": "+15550100",
            "To": "+15550101", "Direction": "inbound"}


def token_of(data):
    found = re.search(rb'name="token" value="([^"]*)"', data)
    return found.group(1).decode() if found else ""


def webhook(scene, call):
    """A token for a call; the status where there is none."""
    status, data = scene.door.ask(
        signed(scene, "/twiml?bot_type=openai-realtime", form(call)))
    return (token_of(data), status) if status == 200 else ("", status)


def start(call, token=None):
    parameters = {"token": token} if token else {}
    return json.dumps({
        "event": "start", "sequenceNumber": "1", "streamSid": "MZ" + call[2:], "start": {
            "streamSid": "MZ" + call[2:], "accountSid": "AC" + "0" * 31 + "1", "callSid": call,
            "tracks": ["inbound"], "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}})


def claim(scene, call, token, seconds=PATIENCE):
    """The socket of an announced call: whether it is spoken to. It is held open."""
    try:
        caller = scene.door.call("/ws/phone", seconds=seconds)
    except (OSError, ConnectionError) as error:
        scene.note(f"claim refused: {error}")
        return False
    return greeted(scene, caller, call, token, seconds)


def greeted(scene, caller, call, token, seconds=PATIENCE):
    """Whether an announced call is spoken to once it shows its token. It is held open."""
    scene.held.append(caller)
    caller.send(TEXT, '{"event":"connected","protocol":"Call","version":"1.0.0"}')
    caller.send(TEXT, start(call, token))
    kind, text = caller.message(seconds)
    if kind == TEXT:
        return True
    scene.note(f"claim ended: {text[2:].decode(errors='replace') or kind}")
    return False


def announced(scene, call):
    """A whole honest call: webhook, socket, greeting; hung up again."""
    token, status = webhook(scene, call)
    if not token:
        scene.note(f"webhook {status}")
        return False
    count = len(scene.held)
    served = claim(scene, call, token)
    for caller in scene.held[count:]:
        caller.close()
    del scene.held[count:]
    return served


class Webhooks(Attack):
    """16 two-way places: 16 webhooks, then their 16 sockets"""

    name, stand, kind, short = "webhooks-then-sockets", "seats", "room", True

    def perform(self, scene):
        tokens = [(f"CA{number:032x}", *webhook(scene, f"CA{number:032x}"))
                  for number in range(16)]
        scene.note("announced", sum(bool(token) for _, token, _ in tokens))
        time.sleep(0.3)
        # All sockets are there before the first says whose it is, as in a busy second.
        callers = [(self.socket(scene), call, token) for call, token, _ in tokens if token]
        served = sum(greeted(scene, *one) for one in callers if one[0])
        scene.note("served", served)
        scene.expect(served == 16, f"{served} of 16 announced callers were served")
        failure = health(scene.door)
        scene.expect(failure is None, f"/health: {failure}")


    def socket(self, scene):
        try:
            return scene.door.call("/ws/phone")
        except (OSError, ConnectionError) as error:
            scene.note(f"a socket refused: {error}")
            return None


class ReplayedWebhook(Attack):
    """One signed webhook replayed 60 times within its window; then its honest socket comes"""

    name, stand, kind, short = "webhook-replayed", "seats", "room", True

    def perform(self, scene):
        call = "CA" + "7" * 32
        tokens, statuses = set(), set()
        for _ in range(60):
            token, status = webhook(scene, call)
            statuses.add(status)
            if token:
                tokens.add(token)
        scene.note(f"{len(tokens)} tokens, statuses {sorted(statuses)}")
        scene.expect(len(tokens) == 1, f"{len(tokens)} tokens for one call id")
        served = claim(scene, call, sorted(tokens)[0]) if tokens else False
        scene.expect(served, "its honest caller was not served")
        other = announced(scene, "CA" + "8" * 32)
        scene.expect(other, "another honest caller was not served")


class ReadyWhenFull(Attack):
    """Every two-way place is taken by honest callers: what do /ready and /metrics say"""

    name, stand, kind = "ready-when-full", "seats", "room"

    def perform(self, scene):
        for number in range(16):
            call = f"CA{number + 64:032x}"
            token, _ = webhook(scene, call)
            scene.note("served", claim(scene, call, token) if token else 0)
        status, data = scene.ask("/ready")
        text = data.split(b"\r\n\r\n", 1)[-1].decode(errors="replace")
        scene.note(f"/ready {status} {text[:90]}")
        status, data = scene.ask("/metrics", scene.door.proof())
        free = [line for line in data.decode().splitlines()
                if "voice_places" in line and not line.startswith("#")]
        scene.note(f"/metrics: {'; '.join(free) or 'no word of two-way places'}")
        scene.expect(free, "/metrics does not say how many two-way places are free")
