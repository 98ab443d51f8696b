# Attacks of callers who are let in: floods of what costs the other side more than it costs them,
# and frames and messages that break the rules.
import contextlib
import json
import select
import ssl
import time

from .attack import Attack
from .attacks_room import start
from .wire import BINARY, CLOSE, PATIENCE, PING, PONG, TEXT, frame, head

RAW = "/ws/transcribe?encoding=mulaw&sample_rate=8000"


class Flood(Attack):
    """A few callers send the same bytes as fast as they are taken, and come again once closed"""

    path, callers, first = RAW, 4, b""
    reads = True

    def blob(self, scene):
        raise NotImplementedError

    def connect(self, scene, number):
        try:
            caller = scene.door.call(
                self.path, scene.door.proof(), source=scene.source(number, 4), seconds=2)
            caller.link.sendall(self.first)
            caller.link.setblocking(False)
        except (OSError, ConnectionError) as error:
            scene.note(f"refused: {error}")
            return None
        caller.waits = b""
        scene.note("calls")
        return caller

    def perform(self, scene):
        blob = self.blob(scene)
        calls = [self.connect(scene, number) for number in range(self.callers)]
        sent, stalled = 0, 0.0
        while scene.left:
            if None in calls:
                time.sleep(0.1)
                calls = [call or self.connect(scene, number) for number, call in enumerate(calls)]
            links = {call.link: number for number, call in enumerate(calls) if call}
            begin = time.monotonic()
            readable, writable, _ = select.select(
                links if self.reads else [], links, [], min(0.2, scene.left))
            stalled += time.monotonic() - begin
            for link in readable:
                if how := self.read(calls[links[link]]):
                    scene.note(how)
                    self.lose(calls, links[link])
            for link in writable:
                if call := calls[links[link]]:
                    try:
                        call.waits = call.waits or memoryview(blob)
                        count = link.send(call.waits)
                        call.waits = call.waits[count:]
                        sent += count
                    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        pass
                    except OSError:
                        scene.note(self.read(call) or "cut")
                        self.lose(calls, links[link])
        scene.note(f"{sent / 1e6 / scene.seconds:.1f} MB a second taken")
        scene.note(f"held back {100 * stalled / scene.seconds:.0f} % of the time")
        for number, call in enumerate(calls):
            if call:
                scene.note("kept to the end")
                self.lose(calls, number)

    def lose(self, calls, number):
        calls[number].close()
        calls[number] = None

    def read(self, caller):
        """Reads what has come; how it was closed, if it was."""
        try:
            data = caller.link.recv(262144)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return "cut"
        if not data:
            return "closed without a Close"
        # A Close stands at the end of what came.
        for size in range(4, min(len(data), 127) + 1):
            if data[-size] == 0x88 and data[1 - size] == size - 2:
                return f"closed {int.from_bytes(data[2 - size:4 - size or None], 'big')}"
        return "closed bare" if data.endswith(b"\x88\0") else None


class Escapes(Flood):
    """JSON full of escapes in messages of no concern, from four callers without pause"""

    name, short = "escapes", True

    def blob(self, scene):
        text = "\\u00e9\\\"\\n" * 3000
        return frame(TEXT, '{"type":"nothing","' + text + '":"' + text + '"}') * 4


class EscapesTLS(Escapes):
    """The same inside of TLS"""

    name, stand, short = "escapes-tls", "tls", False


class EscapesTwilio(Escapes):
    """The same in members of Twilio's media messages"""

    name, short, path = "escapes-twilio", False, "/media"
    first = frame(TEXT, start("CA" + "9" * 32))

    def blob(self, scene):
        text = "\\u0041\\/" * 3000
        return frame(TEXT, '{"event":"media","x":"' + text + '","media":{"payload":"'
                     + "\\u0041\\u0041" * 80 + '"}}') * 4


class Ones(Flood):
    """A message in fragments of one byte without pause, from four callers"""

    name, short = "one-byte-fragments", True

    def blob(self, scene):
        rest = head(0, 1, last=False) + b"\xff"
        return head(BINARY, 1, last=False) + b"\xff" + rest * 8000 + head(0, 1) + b"\xff"


class TextOnes(Ones):
    """A text in fragments of one byte that is longer than a message may be, from four callers"""

    name, short = "one-byte-fragments-of-text", False

    def blob(self, scene):
        return head(TEXT, 1, last=False) + b"{" + (head(0, 1, last=False) + b" ") * 70_000


class Empties(Flood):
    """Empty fragments without end, from four callers"""

    name, short = "empty-fragments", True

    def connect(self, scene, number):
        caller = super().connect(scene, number)
        if caller:
            caller.waits = head(TEXT, 0, last=False)
        return caller

    def blob(self, scene):
        return head(0, 0, last=False) * 40_000


class EmptiesTLS(Empties):
    """The same inside of TLS"""

    name, stand, short = "empty-fragments-tls", "tls", False


class EmptiesInside(Empties):
    """Empty fragments without end behind one that is not empty, from four callers"""

    name, short = "empty-fragments-behind-one", False

    def connect(self, scene, number):
        caller = super().connect(scene, number)
        if caller:
            caller.waits = frame(TEXT, b"{", last=False)
        return caller


class EmptyMessages(Flood):
    """Empty binary messages without end, from four callers"""

    name = "empty-messages"

    def blob(self, scene):
        return frame(BINARY) * 40_000


class Pings(Flood):
    """Pings without pause, whose answers are read, from four callers"""

    name, short = "ping-flood", True

    def blob(self, scene):
        return frame(PING, b"p" * 125) * 2000


class PingsUnread(Pings):
    """Pings without pause, whose answers are never read, from four callers"""

    name, short, reads = "ping-flood-unread", False, False


class Pongs(Flood):
    """Pongs that nobody asked for, without pause, from four callers"""

    name = "pong-flood"

    def blob(self, scene):
        return frame(PONG) * 20_000


class Audio(Flood):
    """Audio as fast as it is taken, from four callers"""

    name = "audio-flood"
    # What the kernel took of it was said by somebody: 6 MiB are twelve minutes a call, sent on in a
    # quarter of that time.
    ends_within = 200

    def blob(self, scene):
        return frame(BINARY, b"\x55" * 160) * 1000


class TwilioAudio(Flood):
    """Twilio's media messages as fast as they are taken, from four callers"""

    name, path, first = "audio-flood-twilio", "/media", frame(TEXT, start("CA" + "6" * 32))

    def blob(self, scene):
        return frame(TEXT, '{"event":"media","sequenceNumber":"3","streamSid":"MZ' + "6" * 32
                     + '","media":{"track":"inbound","chunk":"1","timestamp":"20","payload":"'
                     + "VVVV" * 53 + 'VQ=="}}') * 500


class Numbers(Flood):
    """Numbers of 10,000 digits in the samples of a ucid call that talks, from four callers"""

    name, path = "numbers-of-10000-digits", "/ws"
    first = frame(TEXT, '{"event":"start","type":"text","ucid":"CALL-0001"}')

    def blob(self, scene):
        samples = ",".join(["1" * 10_000, "-" + "9" * 10_000, "0." + "3" * 10_000, "1e999999"])
        return frame(TEXT, '{"event":"media","type":"media","ucid":"CALL-0001","data":{"samples":['
                     + samples + '],"bitsPerSample":16,"sampleRate":8000,"channelCount":1,'
                     '"numberOfFrames":4,"type":"data"}}') * 8


class Deep(Flood):
    """JSON nested 30,000 deep, from four callers"""

    name = "deep-json"

    def blob(self, scene):
        return frame(TEXT, '{"type":"x","a":' + "[" * 30_000 + "]" * 30_000 + "}") * 4


class Marks(Flood):
    """Twilio's marks that nobody sent, and clears, keys and names of 8 KiB, from four callers"""

    name, path, first = "nonsense-marks", "/echo", frame(TEXT, start("CA" + "5" * 32))

    def blob(self, scene):
        stream = "MZ" + "5" * 32
        messages = [
            {"event": "mark", "streamSid": stream, "mark": {"name": "m" * 8000}},
            {"event": "dtmf", "streamSid": stream, "dtmf": {"digit": "5" * 500}},
            {"event": "clear", "streamSid": stream}]
        return b"".join(frame(TEXT, json.dumps(one)) for one in messages) * 50


class Deaf(Flood):
    """Eight callers of the echo route talk twice as fast as they may and never read"""

    name, callers, reads = "never-read-echo", 8, False
    path = "/echo?encoding=mulaw&sample_rate=8000"

    def blob(self, scene):
        return frame(BINARY, b"\x55" * 160) * 100


class SmallWindow(Attack):
    """Twenty callers with a receive window of next to nothing, who do not read"""

    name, kind = "zero-window", "thread"

    def perform(self, scene):
        for number in range(20):
            scene.hold(lambda: scene.door.call(
                "/echo?encoding=mulaw&sample_rate=8000", scene.door.proof(),
                source=scene.source(number), room=1024))
        for _ in scene.paced(50):
            for call in scene.held:
                call.link.settimeout(0.001)
                with contextlib.suppress(OSError):
                    call.send(BINARY, b"\x55" * 160)
        scene.fates()


class SlowFrames(Attack):
    """Twenty callers who send frames a byte at a time, headers too"""

    name, short = "frames-by-the-byte", True

    def perform(self, scene):
        data = frame(BINARY, b"\x55" * 300) + frame(PING, b"slow") + frame(TEXT, '{"a":1}')
        for number in range(20):
            scene.hold(lambda: scene.door.call(
                RAW, scene.door.proof(), source=scene.source(number)), "calls")
        for number in scene.paced(200):
            for call in scene.held:
                with contextlib.suppress(OSError):
                    call.link.send(data[number % len(data):][:1])
        for call in scene.held:
            scene.note(f"{call.end(0.001)} at the end")


class Broken(Attack):
    """One caller for each way to break the protocol; each must be closed with the right code"""

    name, short, kind = "broken-frames", True, "room"
    ways = {
        "64-bit length, then nothing": (b"\x82\xff" + (1 << 62).to_bytes(8, "big"), 1009),
        "length with its top bit set": (b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0", 1002),
        "a frame of 1 GiB": (head(BINARY, 1 << 30) + b"\xff" * 1000, 1009),
        "a text of 1 MiB": (head(TEXT, 1 << 20) + b"x" * 1000, 1009),
        "no mask": (frame(BINARY, b"\xff" * 160, masked=False), 1002),
        "a reserved bit": (b"\xc2" + frame(BINARY, b"\xff")[1:], 1002),
        "a kind that is not": (frame(3, b"x"), 1002),
        "a control kind that is not": (frame(11, b"x"), 1002),
        "a ping of 126 bytes": (frame(PING, b"p" * 126), 1002),
        "a ping in fragments": (frame(PING, b"p", last=False), 1002),
        "a message within a message": (
            frame(TEXT, b"{", last=False) + frame(TEXT, b"}"), 1002),
        "a fragment of nothing": (frame(0, b"x"), 1002),
        "text that is not UTF-8": (frame(TEXT, b'{"a":"\xff\xfe"}'), 1007),
        "a surrogate in UTF-8": (frame(TEXT, b'{"a":"\xed\xa0\x80"}'), 1007),
        "a Close of one byte": (frame(CLOSE, b"\x03"), 1002),
        "a Close with code 1005": (frame(CLOSE, b"\x03\xed"), 1002),
        "a Close with bad UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        "length not in its shortest form": (b"\x82\xfe\x00\x05\0\0\0\0hello", 1002),
    }

    def perform(self, scene):
        for name, (data, code) in self.ways.items():
            try:
                call = scene.door.call(RAW, scene.door.proof(), source="127.0.3.1")
            except (OSError, ConnectionError) as error:
                scene.fail(f"{name}: no call: {error}")
                continue
            call.link.sendall(data)
            # Whoever waits behind a length for what never comes is asked for life at last.
            is_patient = name.startswith("64-bit")
            how = call.end(2 if is_patient else PATIENCE)
            scene.note(f"{name}: {how}")
            scene.expect(how == f"closed {code}" or is_patient and how == "kept",
                         f"{name}: {how}, not closed {code}")
            call.close()


class WrongOrder(Attack):
    """Telephony messages in the wrong order, and audio of odd shapes: none may end the process, and
    a good call comes after each"""

    name, short, kind = "wrong-order", True, "room"

    def scripts(self):
        call, other = "CA" + "1" * 32, "CA" + "2" * 32
        media = json.dumps({"event": "media", "streamSid": "MZ" + "1" * 32, "media": {
            "track": "inbound", "chunk": "1", "timestamp": "20", "payload": "/////w=="}})
        stop = json.dumps({"event": "stop", "streamSid": "MZ" + "1" * 32, "stop": {
            "accountSid": "AC" + "0" * 32, "callSid": call}})
        odd = '{"event":"media","type":"media","ucid":"C","data":{"samples":%s,%s,"type":"data"}}'
        ucid = '{"event":"start","type":"text","ucid":"C"}'
        shape = '"bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":%d'
        return [
            ("/media", "media before start", [media, start(call), media]),
            ("/media", "two starts", [start(call), start(call), media]),
            ("/media", "start of another call", [start(call), media, start(other), media]),
            ("/media", "stop twice", [start(call), stop, stop, media]),
            ("/media", "stop first", [stop, media]),
            ("/media", "base64 of odd length", [start(call), media.replace("/////w==", "/////")]),
            ("/media", "no base64", [start(call), media.replace("/////w==", "\u2028 no!")]),
            ("/media", "nonsense in mid-call", [start(call), media, "{", "[]", '{"event":7}', '""',
                                                '{"event":"media","media":[]}', media]),
            ("/media", "a start of arrays", ['{"event":"start","start":[[[]]]}']),
            ("/media", "names of other kinds", ['{"event":{"a":1},"start":7}', "[]", "null", '""']),
            ("/ws", "samples with floats", [ucid, odd % ("[1.5,NaN,1e400,-0]", shape % 4)]),
            ("/ws", "samples out of range", [ucid, odd % ("[99999,-99999]", shape % 2)]),
            ("/ws", "a wrong count of frames", [ucid, odd % ("[1,2,3]", shape % 4_000_000_000)]),
            ("/ws", "a rate of 100 kHz", [ucid, (odd % ("[1]", shape % 1)).replace(
                "8000", "100000")]),
            ("/ws", "zero channels", [ucid, (odd % ("[1]", shape % 1)).replace(
                'Count":1', 'Count":0')]),
            ("/ws", "stop of an unknown id", [ucid, '{"event":"stop","ucid":"other"}']),
            ("/echo", "clear and marks with nothing queued", [
                start(call), '{"event":"clear"}', '{"event":"mark","mark":{"name":"never"}}']),
            ("/media", "Telnyx out of order", [
                '{"event":"start","sequence_number":"9","stream_id":"s","start":{'
                '"call_control_id":"v3:x","media_format":{"encoding":"PCMU","sample_rate":8000,'
                '"channels":1}}}'] + [
                '{"event":"media","sequence_number":"%d","stream_id":"s","media":{"track":"inbound"'
                ',"chunk":"%d","timestamp":"%d","payload":"/////w=="}}' % (chunk, chunk, chunk * 20)
                for chunk in (7, 3, 3, 900_000, 1, 4_294_967_296)]),
        ]

    def perform(self, scene):
        for path, name, messages in self.scripts():
            try:
                call = scene.door.call(path, scene.door.proof(), source="127.0.3.2", seconds=2)
                for message in messages:
                    call.send(TEXT, message)
                how = call.end(0.15)
                scene.note(f"{name}: {how}")
                scene.expect(how == "kept" or "mid-call" not in name, f"{name} ended it: {how}")
                call.close()
            except (OSError, ConnectionError) as error:
                scene.note(f"{name}: {error}")


class Vanish(Attack):
    """Callers who vanish without a word (reset, or closed in the middle of a frame), 30 a second"""

    name = "callers-who-vanish"

    def perform(self, scene):
        for number in scene.paced(30):
            try:
                call = scene.door.call(
                    RAW, scene.door.proof(), source=scene.source(number, 5), seconds=2)
            except (OSError, ConnectionError) as error:
                scene.note(f"refused: {error}")
                continue
            if number % 2:
                call.link.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
            else:
                call.link.sendall(frame(BINARY, b"\xff" * 160)[:77])
            call.close()
            scene.note("vanished")
