# Upstreams that mean ill, all behind one port: each behaves as the last part of its path says. What
# a voice model sends is worded as OpenAI Realtime words it.
import contextlib
import json
import socket
import struct
import threading
import time

from .answers import accept, metadata, results
from .measure import give_way
from .wire import BINARY, CLOSE, PING, PONG, TEXT, frame, head, take_frame


def event(kind, **members):
    return frame(TEXT, json.dumps({"type": kind, "event_id": "event_1"} | members), masked=False)


def delta(audio, response="resp_1", item="item_1"):
    return event("response.output_audio.delta", response_id=response, item_id=item, output_index=0,
                 content_index=0, delta=audio)


class Falls:
    """The sessions that fall when they are told to, and when others were dialled in their place."""

    def __init__(self):
        self.standing, self.dials, self.lock = [], [], threading.Lock()

    @contextlib.contextmanager
    def standing_with(self, link):
        with self.lock:
            self.standing.append(link)
        try:
            yield
        finally:
            with self.lock, contextlib.suppress(ValueError):
                self.standing.remove(link)

    def fall(self):
        with self.lock:
            fallen, self.standing, self.dials = self.standing, [], []
            for link in fallen:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
        return len(fallen)


class Stub:
    """One session; `begin` comes once it is set up and asked to speak."""

    def __init__(self, link, path, all_falls):
        self.link, self.path, self.data = link, path, bytearray()
        self.all_falls = all_falls

    def run(self):
        name = self.path.rsplit("/", 1)[1].split("?")[0]
        behave = getattr(self, name, None)
        if name == "falls":
            self.all_falls.dials.append(time.monotonic())
        if "/listen" in self.path:
            behave()
            return
        self.link.sendall(event("session.created", session={"type": "realtime", "id": "sess_1"}))
        while message := self.message():
            asked = json.loads(message)
            if asked["type"] == "session.update":
                session = {"type": "realtime", "id": "sess_1"} | asked["session"]
                self.link.sendall(event("session.updated", session=session))
            if asked["type"] == "response.create" and behave:
                self.answer()
                behave()
                return

    def message(self):
        """The next text of the relay; nothing once it has closed."""
        while True:
            while (taken := take_frame(self.data)) is None:
                more = self.link.recv(65536)
                if not more:
                    return None
                self.data += more
            kind, payload, _, after = taken
            del self.data[:after]
            if kind == PING:
                self.link.sendall(frame(PONG, payload, masked=False))
            if kind == CLOSE:
                return None
            if kind in (TEXT, BINARY):
                return payload

    def drain(self):
        """Reads on beside what is sent, so that the relay is never held back by us."""
        def read():
            with contextlib.suppress(OSError, ValueError):
                while self.link.recv(65536):
                    pass
        threading.Thread(target=read, daemon=True).start()

    def answer(self):
        response = {"object": "realtime.response", "id": "resp_1", "status": "in_progress",
                    "status_details": None, "output": [], "output_modalities": ["audio"]}
        item = {"id": "item_1", "object": "realtime.item", "type": "message",
                "status": "in_progress", "role": "assistant", "content": []}
        self.link.sendall(
            event("response.created", response=response)
            + event("response.output_item.added", response_id="resp_1", output_index=0, item=item)
            + delta("AAAA" * 320))

    def pour(self, blob):
        self.drain()
        while True:
            self.link.sendall(blob)

    # What they do, by name.

    def flood(self):
        """Audio as fast as it is taken."""
        self.pour(delta("AAAA" * 3200) * 16)

    def escapes(self):
        """Messages of no concern, full of escapes."""
        text = "\\u00e9\\\"" * 4000
        body = '{"type":"conversation.item.nothing","text":"' + text + '"}'
        self.pour(frame(TEXT, body, masked=False) * 4)

    def ones(self):
        """A message in fragments of one byte, and empty ones between them, that never ends."""
        self.link.sendall(head(TEXT, 1, last=False, masked=False) + b" ")
        self.pour((head(0, 1, last=False, masked=False) + b" "
                   + head(0, 0, last=False, masked=False)) * 4096)

    def empties(self):
        """Empty fragments without end, and pings between them."""
        self.link.sendall(head(TEXT, 1, last=False, masked=False) + b" ")
        self.pour((head(0, 0, last=False, masked=False) * 15
                   + head(PING, 0, masked=False)) * 1024)

    def words(self):
        """Results without pause."""
        self.message()
        text = " ".join(f"word{number}" for number in range(40))
        self.pour(frame(TEXT, results(text, 0, 1.0), masked=False) * 8)

    def dies(self):
        """Answers once and dies."""
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def falls(self):
        """Stands until all are told to fall."""
        with self.all_falls.standing_with(self.link):
            self.rest()

    def slow(self):
        """Speaks and then stalls."""
        self.drain()
        threading.Event().wait(600)

    def masked(self):
        self.link.sendall(frame(TEXT, '{"type":"error"}', masked=True))
        self.rest()

    def oversized(self):
        self.link.sendall(head(TEXT, 1 << 30, masked=False) + b"{" * 65536)
        self.rest()

    def utf8(self):
        self.link.sendall(frame(TEXT, b'{"type":"caf\xe9 \xff"}', masked=False))
        self.rest()

    def marks(self):
        """Results whose words hold marks that turn a terminal's lines round."""
        words = "pay \u202e100 euro\u202c \u2066now\u2069 \u200f\u001b[2J done"
        self.message()
        self.link.sendall(frame(TEXT, results(words, 0, 1.0), masked=False))
        while message := self.message():
            if b"CloseStream" in message:
                self.link.sendall(frame(TEXT, metadata(1.0), masked=False)
                                  + frame(CLOSE, struct.pack("!H", 1000), masked=False))
                break

    def rest(self):
        while self.message() is not None:
            pass


def serve(pipe, server, wholly):
    """The process of all of them."""
    give_way(wholly)
    counts, all_falls = {"sessions": 0}, Falls()

    def session(link):
        with contextlib.suppress(OSError, ValueError, AttributeError), link:
            data = b""
            while b"\r\n\r\n" not in data:
                more = link.recv(65536)
                if not more:
                    return
                data += more
            path = data.split(b" ", 2)[1].decode()
            if "/nobody" in path:
                link.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(accept(data))
            Stub(link, path, all_falls).run()

    def listen():
        while True:
            link, _ = server.accept()
            counts["sessions"] += 1
            threading.Thread(target=session, args=(link,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    while (command := pipe.recv()[0]) != "end":
        if command == "fall":
            counts["fallen"] = all_falls.fall()
        pipe.send(counts | {"dials": list(all_falls.dials)})
