# Bytes for both sides of a relay, written by hand so that they can be wrong where a drill wants it:
# HTTP requests, WebSocket frames, and TLS client hellos that were recorded once and are replayed.
import contextlib
import select
import socket
import ssl
import struct
import subprocess
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
# How long an answer is waited for that must come, in seconds: longer than any attack stops the
# relay, and any machine with other work stands still. How long it took is judged by itself.
PATIENCE = 10.0
NONCE = "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"


def request(path, *headers, method="GET", body=b"", host="127.0.0.1"):
    """A request that ends with its body; each header is a whole line without its end."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def upgrade(path, *headers, host="127.0.0.1"):
    """The request with which a call begins."""
    extra = "".join(f"{header}\r\n" for header in headers)
    return (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\n{NONCE}{extra}\r\n").encode()


def mask(payload, key):
    """The payload under a key of four bytes; twice is the payload again."""
    size = len(payload)
    long = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(long, "big")).to_bytes(size, "big")


def head(kind, size, key=b"\0\0\0\0", last=True, masked=True):
    """A frame's header; with a key of zeros the payload stands behind it as it is."""
    first = kind | (0x80 if last else 0)
    bit = 0x80 if masked else 0
    if size < 126:
        made = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        made = struct.pack("!BBH", first, bit | 126, size)
    else:
        made = struct.pack("!BBQ", first, bit | 127, size)
    return made + key if masked else made


def frame(kind, payload=b"", last=True, masked=True):
    payload = payload.encode() if isinstance(payload, str) else payload
    return head(kind, len(payload), last=last, masked=masked) + payload


def take_frame(data):
    """The first whole frame of a buffer: kind, payload, whether it is the last of its message, and
    where the next one begins; nothing where it has not come yet."""
    if len(data) < 2:
        return None
    size, at = data[1] & 0x7F, 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < 2 + wide:
            return None
        size, at = int.from_bytes(data[2:2 + wide], "big"), 2 + wide
    key = None
    if data[1] & 0x80:
        key, at = bytes(data[at:at + 4]), at + 4
    if len(data) < at + size:
        return None
    payload = bytes(data[at:at + size])
    if key and any(key):
        payload = mask(payload, key)
    return data[0] & 0x0F, payload, bool(data[0] & 0x80), at + size


class Door:
    """Where a relay listens, and how one gets in: the same words for plain and TLS."""

    def __init__(self, port, secure=False, key="", relay=0):
        self.port, self.secure, self.key, self.relay = port, secure, key, relay

    def proof(self):
        return f"Authorization: Bearer {self.key}"

    def tcp(self, source="127.0.0.1", seconds=PATIENCE, room=0):
        """A TCP connection from an address of this machine, without a word; with so many bytes of
        room for what is not read."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        link = socket.socket(family, socket.SOCK_STREAM)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(seconds)
        if room:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        try:
            link.bind((source, 0))
            link.connect(("::1" if family == socket.AF_INET6 else "127.0.0.1", self.port))
        except OSError:
            link.close()
            raise
        return link

    def open(self, source="127.0.0.1", seconds=PATIENCE, room=0):
        """A connection on which requests are understood."""
        link = self.tcp(source, seconds, room)
        if not self.secure:
            return link
        try:
            return anybody().wrap_socket(link)
        except OSError:
            link.close()
            raise

    def ask(self, data, source="127.0.0.1", seconds=PATIENCE):
        """One request; the status (0: closed without an answer), and all that came."""
        try:
            with self.open(source, seconds) as link:
                link.sendall(data)
                return answer(link)
        except OSError as error:
            return 0, type(error).__name__.encode()

    def call(self, path, *headers, source="127.0.0.1", seconds=PATIENCE, room=0):
        """A WebSocket, or a ConnectionError that names the status."""
        link = self.open(source, seconds, room)
        try:
            link.sendall(upgrade(path, *headers))
            status, data = answer(link, body=False)
        except OSError:
            link.close()
            raise
        if status != 101:
            link.close()
            raise ConnectionError(f"status {status}")
        return Caller(link, data.split(b"\r\n\r\n", 1)[1])


def anybody():
    """A context of TLS that trusts anybody: the drill's certificates are its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def answer(link, body=True):
    """Reads an answer to its end, as its Content-Length says."""
    data = b""
    while True:
        at = data.find(b"\r\n\r\n")
        if at >= 0:
            if not body or data.startswith(b"HTTP/1.1 101"):
                break
            length = 0
            for line in data[:at].split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if len(data) >= at + 4 + length:
                break
        more = link.recv(65536)
        if not more:
            break
        data += more
    return status(data), data


def status(data):
    parts = data.split(b" ", 2)
    return int(parts[1]) if data.startswith(b"HTTP/") and len(parts) > 1 else 0


class Caller:
    """A WebSocket that a drill drives by hand."""

    def __init__(self, link, rest=b""):
        self.link, self.rest = link, bytearray(rest)

    def send(self, kind, payload=b"", last=True):
        self.link.sendall(frame(kind, payload, last))

    def message(self, seconds):
        """The next frame within this time: kind and payload; (0, b"") where none came, and
        (-1, b"") where the connection ended without a Close."""
        end = time.monotonic() + seconds
        while (taken := take_frame(self.rest)) is None:
            left = end - time.monotonic()
            if left <= 0:
                return 0, b""
            self.link.settimeout(left)
            try:
                more = self.link.recv(65536)
            except TimeoutError:
                return 0, b""
            except OSError:
                return -1, b""
            if not more:
                return -1, b""
            self.rest += more
        kind, payload, _, after = taken
        del self.rest[:after]
        return kind, payload

    def end(self, seconds):
        """Reads on until the other side ends it; how it did."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            kind, payload = self.message(left)
            if kind == CLOSE:
                return f"closed {int.from_bytes(payload[:2], 'big') if payload else 'bare'}"
            if kind == -1:
                return "cut"
        return "kept"

    def close(self):
        with contextlib.suppress(OSError):
            self.link.close()


def fate(link):
    """What has become of a socket that waits: open, answered with a status, or closed. A TLS
    socket is looked at below its records."""
    try:
        if not select.select([link], [], [], 0)[0]:
            return "open"
        data = socket.socket.recv(link, 4096, socket.MSG_PEEK)
    except (OSError, ValueError):
        return "closed"
    if not data:
        return "closed"
    return str(status(data)) if data.startswith(b"HTTP/") else "spoke"


def record_hello(*options):
    """The first record that `openssl s_client` sends with these options: a client hello, which
    costs nothing to send again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.getsockname()[1]}",
                   "-servername", "localhost", *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as client:
            try:
                link, _ = server.accept()
                with link:
                    link.settimeout(5)
                    data = b""
                    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
                        more = link.recv(65536)
                        if not more:
                            return None
                        data += more
                    return data
            except TimeoutError:
                return None
            finally:
                client.kill()
