# What happens in a round: calls of all kinds from the lab's load and callers, clients that are cut
# or rude, and subscribers, all side by side. Whoever fails that should not is told.
import contextlib
import json
import random
import socket
import struct
import subprocess
import threading
import time

from drilling.wire import BINARY, TEXT, frame, head, request

# Seconds after which a part of a round is ended, whatever it waits for.
PATIENCE = 60.0
# Frames in a short call of the load.
FRAMES = 20
# Seconds by which we ourselves came late in a round: what callers then miss is the machine's doing.
# What is held afterwards is judged all the same.
LATE = 0.3


def load(stand, name, calls, at_once, *options):
    """Short calls through one route; what was wrong with them, on whatever machine."""
    command = [stand.lab, "load", "--relay", f"ws://127.0.0.1:{stand.port}/{name}",
               "--twin-port", stand.twins[name], "--calls", at_once, "--short-calls", calls,
               "--frames", FRAMES, "--result-frames", 10, "--json", *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=PATIENCE)
    if done.returncode == 0:
        return []
    # What is 0 where all is well: of calls, and of frames up and down.
    with contextlib.suppress(ValueError):
        report = json.loads(done.stdout)
        wrong = [
            f"{figure} {what}" for section in ("calls", "frames", "down_frames")
            for what, figure in report.get(section, {}).items() if figure and what in (
                "refused", "broken", "stuck", "upstreams_left_open", "lost", "doubled",
                "overtaken", "damaged", "foreign", "stray_bytes")]
        return [f"load {name}: {', '.join(wrong)}"]
    return [f"load {name}: {done.stderr.strip()[-200:]}"]


def talk(stand, *options):
    """A conversation in tones with the twin of Gemini."""
    command = [stand.lab, "call", *options, "--say", "red sun", "--silence", "0.5", "--limit", "20",
               f"ws://127.0.0.1:{stand.port}/gemini"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=PATIENCE)
    said = " ".join(done.stderr.split())[-200:]
    return [f"call {options[1]}: {said}"] if done.returncode != 0 else []


def lose(stand):
    """A call whose upstream breaks off again and again; what becomes of it is not the point."""
    command = [stand.lab, "call", "--as", "raw", "--say", "red sun sky sea",
               f"ws://127.0.0.1:{stand.port}/breaks"]
    subprocess.run([str(word) for word in command], capture_output=True, timeout=PATIENCE)
    return []


# Clients that behave badly; none may fail here whatever the relay does to them.

def start(name):
    """What Twilio says first of a call of this name."""
    return json.dumps({
        "event": "start", "sequenceNumber": "1", "streamSid": name, "start": {
            "streamSid": name, "callSid": name, "accountSid": "AC1", "tracks": ["inbound"],
            "customParameters": {},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}})


def media(name):
    return json.dumps({"event": "media", "streamSid": name, "media": {
        "track": "inbound", "chunk": "1", "timestamp": "0", "payload": "/" * 216}})


def reset(link):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def cut_in_a_call(stand, name, gently):
    """A call whose connection is cut in the middle of a message."""
    caller = stand.door.call("/echo")
    caller.send(TEXT, start(name))
    for _ in range(5):
        caller.send(TEXT, media(name))
        time.sleep(0.02)
    caller.link.sendall(head(TEXT, 4000) + b"{")
    caller.close() if gently else reset(caller.link)


def breaks_off_in_a_handshake(stand, name):
    with stand.door.tcp() as link:
        link.sendall(f"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-{name}: ".encode())
        time.sleep(0.1)


def says_nonsense(stand, name):
    with stand.door.tcp() as link:
        link.sendall(random.randbytes(200) + b"\r\n\r\n")
        link.settimeout(2)
        with contextlib.suppress(OSError):
            link.recv(4096)


def says_nonsense_in_a_call(stand, name):
    caller = stand.door.call("/echo")
    caller.send(TEXT, start(name))
    caller.send(BINARY, random.randbytes(100))
    caller.send(TEXT, '{"event":"media","media":{"payload":5')
    caller.link.sendall(frame(TEXT, b"\xff\xfe", masked=False))
    caller.end(2)
    caller.close()


def opens_and_says_nothing(stand, name):
    caller = stand.door.call("/echo")
    time.sleep(0.1)
    reset(caller.link)


def asks_for_what_is_not_there(stand, name):
    stand.door.ask(request(f"/{name}", method="POST", body=b"x" * 2000))


RUDE = [
    lambda stand, name: cut_in_a_call(stand, name, gently=False),
    lambda stand, name: cut_in_a_call(stand, name, gently=True),
    breaks_off_in_a_handshake, says_nonsense, says_nonsense_in_a_call, opens_and_says_nothing,
    asks_for_what_is_not_there,
]


def rude(stand, number, count):
    for index in range(count):
        with contextlib.suppress(OSError):
            RUDE[index % len(RUDE)](stand, f"rude-{number}-{index}")
    return []


class Lateness:
    """How late a thread comes that only sleeps."""

    def __init__(self):
        self.worst, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        last = time.monotonic()
        while not self.over.wait(0.02):
            now = time.monotonic()
            self.worst, last = max(self.worst, now - last - 0.02), now

    def end(self):
        self.over.set()
        self.thread.join()
        return self.worst


class Subscribers:
    """Two who read what is said while it is said, and one who asks and never reads."""

    def __init__(self, stand):
        self.links, self.heard = [], [0, 0]
        for path in ("/events", "/events", "/events"):
            link = stand.door.tcp(seconds=PATIENCE, room=4096 if len(self.links) == 2 else 0)
            link.sendall(request(path, "Accept: text/event-stream"))
            self.links.append(link)
        self.readers = [threading.Thread(target=self.read, args=(index,)) for index in range(2)]
        for reader in self.readers:
            reader.start()

    def read(self, index):
        with contextlib.suppress(OSError, ValueError):
            while data := self.links[index].recv(65536):
                self.heard[index] += data.count(b"\ndata:")

    def end(self):
        """Faults: a reader who heard nothing."""
        for link in self.links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for reader in self.readers:
            reader.join(5)
        for link in self.links:
            link.close()
        return [f"subscriber {index} heard nothing" for index in (0, 1) if not self.heard[index]]


def round_of(stand, number, calls, kills):
    """One round; `calls` of each of the four kinds of load. What callers missed, and whether that
    can be the machine's doing."""
    faults, lateness = [], Lateness()
    subscribers = Subscribers(stand)

    def part(*work):
        def run():
            try:
                faults.extend(work[0](stand, *work[1:]))
            except Exception as error:
                faults.append(f"{work[0].__name__}: {type(error).__name__}: {error}")
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    at_once = max(4, calls // 4)
    parts = [
        part(load, "hear", calls, at_once), part(load, "raw", calls, at_once, "--as", "raw"),
        part(load, "talk", calls, at_once, "--two-way"),
        part(load, "ucid", calls, at_once, "--two-way", "--as", "ucid"),
        part(talk, "--as", "telnyx"), part(talk, "--as", "twilio", "--two-way"),
        part(lose), part(rude, number, 14),
    ]
    if kills:
        time.sleep(1.5)
        stand.kill_courier()
    for one in parts:
        one.join(PATIENCE)
    faults += subscribers.end()
    return faults, lateness.end() > LATE
