# Attacks with requests: heads that are too long, too many, ambiguous, or for somebody else.
import time

from .attack import Attack
from .wire import answer, request, upgrade


class Heads(Attack):
    """One request for each way to write a bad head; each is refused with a status"""

    name, kind, short = "bad-heads", "room", True

    def samples(self, key):
        long = "x" * 9000
        return {
            "65 headers": (request("/health", *[f"X-{n}: 1" for n in range(65)]), {431}),
            "a header of 9,000 bytes": (request("/health", f"X-A: {long}"), {431}),
            "a target of 5,000 bytes": (request("/" + "a" * 5000), {414}),
            "a method that is not": (request("/health", method="BREW"), {405, 501, 400}),
            "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
            "HTTP/3.0": (b"GET /health HTTP/3.0\r\nHost: a\r\n\r\n", {505, 400}),
            "no Host": (b"GET /health HTTP/1.1\r\n\r\n", {400}),
            "two Hosts": (request("/health", "Host: other"), {400}),
            "a NUL": (request("/health", "X-A: a\0b"), {400}),
            "a bare CR": (request("/health", "X-A: a\rX-B: b"), {400}),
            "a space before the colon": (request("/health", "X-A : b"), {400}),
            "a folded line": (request("/health", "X-A: a\r\n b"), {400}),
            "a body of 17 KiB": (request(
                "/voice", f"Authorization: Bearer {key}", method="POST",
                body=b"x" * 17_408), {413}),
            "a length that is no number": (request(
                "/voice", "Content-Length: 1e3", method="POST"), {400}),
            "a length beyond 64 bits": (request(
                "/voice", "Content-Length: 99999999999999999999", method="POST"), {400, 413}),
            "a negative length": (request("/voice", "Content-Length: -1", method="POST"), {400}),
            "gzip as transfer coding": (request(
                "/voice", "Transfer-Encoding: gzip", method="POST"), {400, 501}),
            "an upgrade without a nonce": (
                upgrade("/ws/transcribe", f"Authorization: Bearer {key}").replace(
                    b"Sec-WebSocket-Key", b"X-Key"), {400, 426}),
            "an upgrade of version 8": (
                upgrade("/ws/transcribe", f"Authorization: Bearer {key}").replace(
                    b"Version: 13", b"Version: 8"), {400, 426}),
        }

    def perform(self, scene):
        for name, (data, statuses) in self.samples(scene.door.key).items():
            status, _ = scene.door.ask(data, "127.0.3.3")
            scene.note(f"{name}: {status or 'cut'}")
            scene.expect(status in statuses, f"{name}: {status or 'cut without an answer'}, not "
                         f"{' or '.join(map(str, sorted(statuses)))}")


class DearHeads(Attack):
    """Upgrades whose headers are dear to read (8 KiB of commas, quotes, spaces, addresses, pairs of
    a query), 200 a second"""

    name = "dear-heads"

    def perform(self, scene):
        def call(*headers, query=""):
            return upgrade(f"/ws/transcribe{query}", scene.door.proof() + "x", *headers)

        samples = [
            call("Sec-WebSocket-Protocol: b" + " " * 7000 + "x"),
            call("Sec-WebSocket-Protocol: " + "token," * 1100 + "k"),
            call('Sec-WebSocket-Extensions: a; b="' + "\\c" * 3000),
            call("Sec-WebSocket-Extensions: " + "constructor,;" * 500),
            call("X-Forwarded-For: " + "1.2.3.4, " * 780),
            call("Connection: " + "a," * 3500), call(*[f"X-{n}: {n}" * 10 for n in range(50)]),
            call(query="?" + "&".join(f"k{n}=%41" for n in range(450))),
            call("Authorization: " + "Bearer " * 1000), call("Cookie: " + "a=b; " * 1400)]
        for number in scene.paced(200):
            status, _ = scene.door.ask(samples[number % 10], scene.source(number, 5), 1)
            scene.note(f"{status or 'cut'}")


class Injection(Attack):
    """Ids, paths, names and texts that hold line ends, quotes, control sequences and keys: the log
    stays JSON, and holds no key"""

    name, kind, short = "log-injection", "room", True
    secret = "sk-this-is-a-key-that-nobody-may-log"

    def perform(self, scene):
        evil = '%0A%7B%22level%22%3A%22error%22%7D%1B%5B2J%E2%80%AE%22%5C'
        proof = scene.door.proof()
        for data in [
            upgrade(f"/ws/transcribe?call_id={evil}", proof),
            upgrade(f"/ws/transcribe?model={evil}&language={evil}", proof),
            request(f"/{evil}"), request("/\x1b[2J\x7f"), request("/health", f"Host: {evil}"),
            upgrade(f"/media?api_key={self.secret}"), request(f"/twiml?token={self.secret}"),
            upgrade("/ws/transcribe", f"Authorization: Bearer {self.secret}"),
            upgrade("/ws/transcribe", f"Sec-WebSocket-Protocol: token, {self.secret}"),
        ]:
            status, _ = scene.door.ask(data, "127.0.3.6", 1)
            scene.note(f"{status or 'cut'}")
        call = scene.door.call("/media", proof, source="127.0.3.6")
        call.send(1, '{"event":"start","streamSid":"\\u001b[2J",'
                  '"start":{"callSid":"a\\nb\\u202e"}}')
        scene.note(f"an evil start: {call.end(0.3)}")
        call.close()

    def read_log(self, scene, lines):
        for line in lines:
            scene.expect(self.secret not in line, f"a key is logged: {line[:100]}")
            scene.expect(not any(ord(letter) < 32 or letter in "\u202e\x7f" for letter in line),
                         f"a control character is logged: {ascii(line)[:150]}")


class Smuggling(Attack):
    """Pairs of requests in one: lengths that contradict each other, chunks that hide a request. The
    second must never be answered"""

    name, kind, short = "request-smuggling", "room", True

    def pairs(self):
        hidden = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        first = "POST /voice HTTP/1.1\r\nHost: a\r\n"
        size = len(hidden)
        return {
            "CL.TE": f"{first}Content-Length: {5 + size}\r\nTransfer-Encoding: chunked\r\n\r\n"
                     f"0\r\n\r\n{hidden}",
            "TE.CL": f"{first}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                     f"{size:x}\r\n{hidden}\r\n0\r\n\r\n",
            "CL.CL": f"{first}Content-Length: 0\r\nContent-Length: {size}\r\n\r\n{hidden}",
            "CL list": f"{first}Content-Length: 0, {size}\r\n\r\n{hidden}",
            "TE.TE": f"{first}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"
                     f"0\r\n\r\n{hidden}",
            "TE xchunked": f"{first}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}",
            "TE with a tab": f"{first}Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n\r\n"
                             f"{hidden}",
            "TE folded": f"{first}Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n"
                         f"{hidden}",
            "a chunk size with a sign": f"{first}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n"
                                        f"{hidden}",
            "a chunk size that wraps": f"{first}Transfer-Encoding: chunked\r\n\r\n"
                                       f"10000000000000000\r\n{hidden}",
            "a bare LF in a chunk": f"{first}Transfer-Encoding: chunked\r\n\r\n0\n\n{hidden}",
            "CL with a plus": f"{first}Content-Length: +{size}\r\n\r\n{hidden}",
            "GET with a body": f"GET /stats HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n"
                               f"\r\n{hidden}",
            "an upgrade with a body": upgrade("/ws/transcribe").decode().replace(
                "\r\n\r\n", f"\r\nContent-Length: {size}\r\n\r\n") + hidden,
        }

    def perform(self, scene):
        for name, text in self.pairs().items():
            data = b""
            try:
                with scene.door.open("127.0.3.4", 1) as link:
                    link.sendall(text.encode())
                    _, data = answer(link)
                    link.settimeout(0.1)
                    data += link.recv(65536)
            except OSError:
                pass
            hidden = b'"healthy"' in data
            scene.note(f"{name}: {data.count(b'HTTP/1.1 ')} answers"
                       + (" AND THE HIDDEN ONE" if hidden else ""))
            scene.expect(not hidden, f"{name}: the hidden request was answered")


class ForeignTargets(Attack):
    """Absolute targets of other hosts, targets of proxies, and what a raw tunnel would bring"""

    name, kind = "foreign-targets", "room"

    def perform(self, scene):
        for name, data, wrong in [
            ("absolute, another host", request("http://example.com/stats"), {200}),
            ("absolute, another host, health", request("http://example.com/health"), {200}),
            ("absolute, with a name", request("http://user@127.0.0.1/stats"), {200}),
            ("CONNECT", request("example.com:443", method="CONNECT"), {200}),
            ("OPTIONS *", request("*", method="OPTIONS"), {200}),
            ("a path of dots", request("/ws/../stats"), {200}),
            ("a path in escapes", request("/%73tats"), {200}),
            ("a path with a NUL", request("/health%00"), {200}),
            ("stats without a key", request("/stats"), {200}),
            ("metrics without a key", request("/metrics"), {200}),
        ]:
            status, _ = scene.door.ask(data, "127.0.3.5", 2)
            scene.note(f"{name}: {status or 'cut'}")
            scene.expect(status not in wrong, f"{name}: {status}")


class Pipelined(Attack):
    """200 requests in one write on a new connection, 30 times a second"""

    name = "pipelined-requests"

    def perform(self, scene):
        blob = request("/health", "Connection: keep-alive") * 200
        for number in scene.paced(30):
            try:
                with scene.door.open(scene.source(number, 5), 1) as link:
                    link.sendall(blob)
                    end, data = time.monotonic() + 0.1, b""
                    while time.monotonic() < end and (more := link.recv(262144)):
                        data += more
                        if data.count(b"HTTP/1.1 200") >= 200:
                            break
                    scene.note("answers", data.count(b"HTTP/1.1 200"))
            except OSError as error:
                scene.note(type(error).__name__)


class RequestStorm(Attack):
    """Requests as fast as one client can on new connections: unknown paths, wrong keys, bad
    signatures, from five addresses"""

    name = "request-storm"

    def perform(self, scene):
        from .attacks_room import form, signed
        bad = signed(scene, "/twiml", form("CA" + "0" * 32)).replace(b"CallSid=CA0", b"CallSid=CA1")
        samples = [request("/nothing"), request("/stats", "Authorization: Bearer wrong"), bad,
                   upgrade("/ws/transcribe", "Authorization: Bearer wrong"), upgrade("/ws/phone")]
        for number in scene.paced(2000):
            status, _ = scene.door.ask(samples[number % 5], scene.source(number, 5), 1)
            scene.note(f"{status or 'cut'}")


class BigSignatures(Attack):
    """Signed webhooks with bodies of 16 KiB and a wrong signature, as fast as one client can"""

    name = "dear-signatures"

    def perform(self, scene):
        body = b"&".join(b"k%d=%s" % (n, b"%41" * 20) for n in range(240))
        data = request("/twiml", "Content-Type: application/x-www-form-urlencoded",
                       "X-Twilio-Signature: " + "A" * 27 + "=", method="POST", body=body)
        for number in scene.paced(1000):
            status, _ = scene.door.ask(data, scene.source(number, 5), 1)
            scene.note(f"{status or 'cut'}")


class BadCalls(Attack):
    """Calls that end at once, with a key, 100 a second: what a reconnect storm looks like"""

    name, short = "reconnect-storm", True

    def perform(self, scene):
        for number in scene.paced(100):
            try:
                call = scene.door.call("/ws/transcribe", scene.door.proof(),
                                       source=scene.source(number, 5), seconds=2)
                call.close()
                scene.note("calls")
            except (OSError, ConnectionError) as error:
                scene.note(f"refused: {error}")
