# The healthy calls beside a drill, measured from outside. One process is all the callers, one is
# the upstream that they reach; each frame of 20 ms says in its audio whose it is, which one, and
# when it was sent, so that one which was lost, late, doubled, overtaken or damaged is seen. The
# time of arrival is the kernel's stamp, so a busy reader does not add to it. Commands come over a
# pipe: the work of measuring never waits for the drill.
import contextlib
import multiprocessing
import select
import socket
import struct
import time
import zlib
from urllib.parse import parse_qs, urlsplit

from .answers import accept, metadata, results
from .wire import BINARY, CLOSE, PING, PONG, TEXT, frame, head, take_frame

FORK = multiprocessing.get_context("fork")
FRAME, PERIOD, MAGIC = 160, 0.020, b"DRIL"
STAMP = struct.Struct("!4sIIQ")
FILLER = bytes(range(1, FRAME - STAMP.size - 4 + 1))
TIMESTAMPNS = 35
LATE = 20_000_000


def block(call, number):
    """One frame's audio; its last four bytes are a sum over the others."""
    data = STAMP.pack(MAGIC, call, number, time.time_ns()) + FILLER
    return data + struct.pack("!I", zlib.crc32(data))


class Worker:
    """A process that takes commands over a pipe and answers them."""

    def __init__(self, work, *arguments):
        self.pipe, theirs = FORK.Pipe()
        # Daemons: they end with the drill, however that ends.
        self.process = FORK.Process(target=work, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, *command, seconds=30.0):
        self.pipe.send(command)
        if not self.pipe.poll(seconds):
            raise RuntimeError(f"the measurer does not answer {command[0]}")
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self):
        with contextlib.suppress(OSError):
            self.pipe.send(("end",))
        self.process.join(3)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Session:
    """One call as its upstream sees it."""

    def __init__(self, link):
        self.link, self.data, self.audio = link, bytearray(), bytearray()
        self.call, self.frames, self.is_open = None, 0, False

    def say(self, kind, payload):
        with contextlib.suppress(OSError):
            self.link.send(frame(kind, payload, masked=False))


class Twin:
    """The upstream of all healthy calls: notes each frame, answers results now and then."""

    def __init__(self, pipe, server):
        self.pipe, self.server = pipe, server
        self.poll = select.epoll()
        self.sessions = {}
        self.arrivals, self.next = [], {}
        self.damaged = self.repeated = self.overtaken = 0
        self.asked = None

    def run(self):
        self.poll.register(self.server, select.EPOLLIN)
        self.poll.register(self.pipe, select.EPOLLIN)
        while True:
            for number, _ in self.poll.poll(0.02 if self.asked else 1):
                if number == self.server.fileno():
                    self.accept()
                elif number == self.pipe.fileno():
                    command = self.pipe.recv()
                    if command[0] == "end":
                        return
                    self.asked = command[1], time.monotonic() + command[2]
                elif number in self.sessions:
                    self.read(number)
            if self.asked:
                self.answer()

    def accept(self):
        link, _ = self.server.accept()
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        self.sessions[link.fileno()] = Session(link)
        self.poll.register(link, select.EPOLLIN)

    def drop(self, number):
        session = self.sessions.pop(number)
        self.poll.unregister(number)
        session.link.close()

    def read(self, number):
        session = self.sessions[number]
        try:
            data, notes, _, _ = session.link.recvmsg(65536, 64)
        except BlockingIOError:
            return
        except OSError:
            data, notes = b"", []
        if not data:
            self.drop(number)
            return
        stamp = time.time_ns()
        for level, kind, content in notes:
            if level == socket.SOL_SOCKET and kind == TIMESTAMPNS:
                seconds, rest = struct.unpack("qq", content[:16])
                stamp = seconds * 1_000_000_000 + rest
        session.data += data
        if not session.is_open and not self.welcome(session):
            return
        while taken := take_frame(session.data):
            kind, payload, _, after = taken
            del session.data[:after]
            self.take(session, kind, payload, stamp)

    def welcome(self, session):
        at = session.data.find(b"\r\n\r\n")
        if at < 0:
            return False
        asked = urlsplit(session.data.split(b" ", 2)[1].decode())
        tag = parse_qs(asked.query).get("tag", [""])[0]
        if tag.startswith("healthy-"):
            session.call = int(tag[8:])
            self.next.setdefault(session.call, 0)
        reply = accept(bytes(session.data))
        del session.data[:at + 4]
        session.is_open = True
        session.link.send(reply)
        return True

    def take(self, session, kind, payload, stamp):
        if kind == PING:
            session.say(PONG, payload)
        elif kind == CLOSE:
            session.say(CLOSE, payload[:2])
        elif kind == TEXT and b"CloseStream" in payload:
            session.say(TEXT, results("goodbye", session.frames * PERIOD, 0.0))
            session.say(TEXT, metadata(session.frames * PERIOD))
            session.say(CLOSE, struct.pack("!H", 1000))
        elif kind == BINARY and session.call is not None:
            session.audio += payload
            while len(session.audio) >= FRAME:
                self.note(session, bytes(session.audio[:FRAME]), stamp)
                del session.audio[:FRAME]

    def note(self, session, data, stamp):
        session.frames += 1
        if session.frames % 50 == 0:
            begin = (session.frames - 50) * PERIOD
            session.say(TEXT, results(f"word {session.frames // 50}", begin, 50 * PERIOD))
        magic, call, number, sent = STAMP.unpack(data[:STAMP.size])
        sound = struct.unpack("!I", data[-4:])[0] == zlib.crc32(data[:-4])
        if magic != MAGIC or not sound or call != session.call:
            self.damaged += 1
            return
        expected = self.next[call]
        self.repeated += number < expected
        self.overtaken += number > expected
        self.next[call] = max(expected, number + 1)
        self.arrivals.append((call, number, max(0, stamp - sent)))

    def answer(self):
        """Answers once all frames of the window have come, or are not to come any more."""
        bounds, end = self.asked
        complete = all(self.next.get(call, 0) >= last for call, (_, last) in bounds.items())
        if not complete and time.monotonic() < end:
            return
        seen = [(call, number, delay) for call, number, delay in self.arrivals
                if call in bounds and bounds[call][0] <= number < bounds[call][1]]
        self.arrivals = [one for one in self.arrivals
                         if one[0] in bounds and one[1] >= bounds[one[0]][1]]
        whole = {(call, number) for call, number, _ in seen}
        expected = sum(last - first for first, last in bounds.values())
        self.pipe.send({
            "delays": seen, "lost": expected - len(whole), "damaged": self.damaged,
            "repeated": self.repeated, "overtaken": self.overtaken})
        self.damaged = self.repeated = self.overtaken = 0
        self.asked = None


def twin(pipe, server):
    Twin(pipe, server).run()


class Caller:
    """A healthy caller: a frame every 20 ms, and it reads what it is told."""

    def __init__(self, door, number):
        self.number, self.sent, self.is_over = number, 0, False
        self.caller = door.call(
            f"/ws/transcribe?encoding=mulaw&sample_rate=8000&tag=healthy-{number}", door.proof())
        self.header = head(BINARY, FRAME)
        kind, text = self.caller.message(10)
        if kind != TEXT or b"ready" not in text:
            raise ConnectionError(f"a healthy call was told {text!r}")
        self.caller.link.setblocking(False)

    def send(self):
        """Sends the next frame."""
        try:
            self.caller.link.send(self.header + block(self.number, self.sent))
            self.sent += 1
        except BlockingIOError:
            # Held back: this frame is not said, and so it cannot be lost.
            return
        except OSError:
            self.is_over = True

    def read(self):
        """Reads what has come; how the call was ended, if it was."""
        try:
            data = self.caller.link.recv(65536)
        except (BlockingIOError, OSError) as error:
            would_wait = isinstance(error, BlockingIOError) or "did not complete" in str(error)
            return None if would_wait else "cut"
        if not data:
            return "cut"
        self.caller.rest += data
        while taken := take_frame(self.caller.rest):
            kind, payload, _, after = taken
            del self.caller.rest[:after]
            if kind == PING:
                self.caller.link.send(frame(PONG, payload))
            if kind == CLOSE:
                return f"closed {payload[:2].hex()} {payload[2:].decode(errors='replace')}"
        return None


class Callers:
    """All healthy callers, each with its own moment within the 20 ms."""

    def __init__(self, pipe, door, count, first):
        self.pipe = pipe
        self.calls = [Caller(door, first + index) for index in range(count)]
        self.marks = {call.number: 0 for call in self.calls}
        self.broken, self.lateness = [], 0.0

    def run(self):
        step = PERIOD / len(self.calls)
        begin, turn = time.monotonic(), 0
        while True:
            now = time.monotonic()
            due = begin + turn * step
            if due > now:
                time.sleep(due - now)
            else:
                self.lateness = max(self.lateness, now - due)
            call = self.calls[turn % len(self.calls)]
            turn += 1
            if not call.is_over:
                call.send()
                if how := call.read():
                    call.is_over = True
                    self.broken.append(f"call {call.number}: {how}")
            if self.pipe.poll() and self.heed(self.pipe.recv()[0]):
                return

    def heed(self, command):
        if command == "end":
            for call in self.calls:
                if not call.is_over:
                    with contextlib.suppress(OSError):
                        call.caller.link.setblocking(True)
                        call.caller.send(CLOSE, struct.pack("!H", 1000))
            for call in self.calls:
                call.caller.end(3)
                call.caller.close()
            return True
        bounds = {call.number: (self.marks[call.number], call.sent) for call in self.calls}
        self.marks = {call.number: call.sent for call in self.calls}
        self.pipe.send({"bounds": bounds, "broken": self.broken, "lateness": self.lateness})
        self.broken, self.lateness = [], 0.0
        return False


def callers(pipe, door, count, first):
    try:
        made = Callers(pipe, door, count, first)
    except (OSError, ConnectionError) as error:
        pipe.send(RuntimeError(f"no healthy calls: {error}"))
        return
    pipe.send({"calls": count})
    made.run()
