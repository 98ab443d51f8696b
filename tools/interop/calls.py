# Calls placed through the relay with a foreign WebSocket library: what the caller gets back, and
# what reaches the upstream.
import asyncio
import hashlib
import json
import time
from datetime import datetime

from deepgram.listen.v1.socket_client import V1SocketClientResponse
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

import twilio_caller
from household import expect, mulaw, words

CHUNK = 1600


def sid(number):
    return f"CA{number:032x}"


def transcripts(program, call_id):
    """The words of the final lines that a relay printed for one call."""
    lines = [line for line in program.lines if "[FINAL]" in line and call_id in line]
    text = " ".join(line.split("Transcription:", 1)[-1] for line in lines)
    return words(text)


async def until(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, what)
        await asyncio.sleep(0.05)


def holds(heard, said):
    """Whether all words said appear in that order among the words heard."""
    rest = iter(heard)
    return all(word in rest for word in said)


async def twilio_call_is_transcribed(house):
    port = house.open.port
    code = await twilio_caller.call(
        f"ws://127.0.0.1:{port}/media-stream", mulaw(house.samples), sid(1))
    expect(code == 1000, f"closed with {code}")
    said = words(house.text)
    await until(
        lambda: holds(transcripts(house.open, sid(1)), said), "the words do not appear", 5)


async def next_session(house, mark):
    """The session of the recording twin whose call carries this mark as its tag."""
    waiting = []
    try:
        while True:
            session = await asyncio.wait_for(house.recorder.calls.get(), 10)
            if ("tag", mark) in session.query:
                return session
            waiting.append(session)
            await asyncio.sleep(0.05)
            while waiting:
                house.recorder.calls.put_nowait(waiting.pop())
    finally:
        for session in waiting:
            house.recorder.calls.put_nowait(session)


def check_message(message, call_id):
    expect(message["call_id"] == call_id, f"call_id: {message}")
    moment = datetime.strptime(message["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
    expect(len(message["timestamp"]) == 24, f"not milliseconds: {message['timestamp']}")
    expect(abs((datetime.utcnow() - moment).total_seconds()) < 60, "the time is not the time")


async def raw_call_follows_the_documented_order(house):
    url = f"ws://127.0.0.1:{house.open.port}/ws/transcribe?call_id=order-1"
    received = []
    async with connect(url) as socket:
        ready = json.loads(await socket.recv())
        expect(set(ready) == {"type", "call_id", "timestamp"}, f"ready is {ready}")
        expect(ready["type"] == "ready", f"ready is {ready}")
        for index in range(0, len(house.samples), CHUNK):
            await socket.send(house.samples[index:index + CHUNK])
            await asyncio.sleep(CHUNK / 16000)
        closing = asyncio.create_task(socket.close(1000))
        async for message in socket:
            received.append(json.loads(message))
        await closing
        expect(socket.close_code == 1000, f"closed with {socket.close_code}")
    check_message(ready, "order-1")
    for index, message in enumerate(received):
        check_message(message, "order-1")
        kind = message["type"]
        expect(kind in ("transcript", "deepgram_response"), f"unexpected: {message}")
        if kind == "deepgram_response":
            TypeAdapter(V1SocketClientResponse).validate_python(message["data"])
            continue
        # A transcript stands directly before the message it was taken from.
        expect(index + 1 < len(received), "a transcript without its response")
        following = received[index + 1]
        expect(following["type"] == "deepgram_response", "a transcript without its response")
        best = following["data"]["channel"]["alternatives"][0]
        expect(message["text"] == best["transcript"], "another text than the response")
        expect(message["confidence"] == best["confidence"], "another confidence")
        expect(message["is_final"] == following["data"]["is_final"], "another is_final")
    finals = [m["text"] for m in received if m["type"] == "transcript" and m["is_final"]]
    expect(holds(words(" ".join(finals)), words(house.text)), f"heard {finals}")
    expect(received[-1]["data"]["type"] == "Metadata", "the last message is the metadata")


async def upstream_gets_every_byte_of_a_raw_call(house):
    # An odd number of bytes in odd pieces, faster than real time: nothing may be dropped.
    audio = bytes(range(1, 256)) * 300 + b"!"
    url = (f"ws://127.0.0.1:{house.kept.port}/ws/transcribe"
           "?call_id=sum-1&tag=sum-1&sample_rate=16000&language=en&model=nova-3")
    async with connect(url) as socket:
        answers = [await socket.recv()]
        for index in range(0, len(audio), 997):
            await socket.send(audio[index:index + 997])
        session = await next_session(house, "sum-1")
        closing = asyncio.create_task(socket.close(1000))
        async for message in socket:
            answers.append(message)
        await closing
    await asyncio.wait_for(session.is_over.wait(), 15)
    session.judge()
    asked = dict(session.query)
    expect((asked["encoding"], asked["sample_rate"]) == ("linear16", "16000"), f"asked {asked}")
    expect((asked["language"], asked["model"]) == ("en", "nova-3"), f"asked {asked}")
    whole = audio[:len(audio) // 2 * 2]
    expect(session.digest() == hashlib.sha256(whole).hexdigest(),
           f"{len(session.audio)} bytes arrived of {len(whole)}")
    for answer in session.answers:
        carried = any(f'"data":{answer}' in message.replace('"data": ', '"data":')
                      for message in answers)
        expect(carried, f"not handed on untouched: {answer}")


async def upstream_gets_every_byte_of_twilio(house):
    audio = mulaw(house.samples)
    audio += b"\xff" * (-len(audio) % 160)
    number = sid(2)
    before = house.recorder.calls
    await twilio_caller.call(f"ws://127.0.0.1:{house.kept.port}/media", audio, number)
    found = None
    for _ in range(before.qsize()):
        session = before.get_nowait()
        if dict(session.query).get("encoding") == "mulaw":
            found = session
        else:
            before.put_nowait(session)
    expect(found is not None, "no call reached the upstream")
    await asyncio.wait_for(found.is_over.wait(), 15)
    found.judge()
    asked = dict(found.query)
    expect(asked["model"] == "nova-2" and asked["language"] == "en-US", f"asked {asked}")
    expect(asked["sample_rate"] == "8000", f"asked {asked}")
    expect(found.digest() == hashlib.sha256(audio).hexdigest(),
           f"{len(found.audio)} bytes arrived of {len(audio)}")


async def silent_client_is_kept_alive(house):
    """The upstream ends a stream that is silent for ten seconds; the relay must not let it."""
    url = f"ws://127.0.0.1:{house.kept.port}/ws/transcribe?tag=silent-1"
    async with connect(url) as socket:
        await socket.recv()
        session = await next_session(house, "silent-1")
        await asyncio.sleep(21)
        expect(any(session.messages), "nothing was sent upstream")
        expect(len(session.audio) > 0, "keep-alives alone do not save a stream without audio")
        times = session.times + [time.monotonic()]
        gap = max(b - a for a, b in zip(times, times[1:]))
        expect(gap < 9, f"{gap:.1f} s without a word to the upstream")
        await socket.close(1000)
    await asyncio.wait_for(session.is_over.wait(), 15)
    session.judge()


async def deflate_is_declined_and_the_call_works(house):
    """Browsers and Python clients always offer it."""
    url = f"ws://127.0.0.1:{house.open.port}/ws/transcribe"
    async with connect(url, compression="deflate") as socket:
        offered = socket.request.headers["Sec-WebSocket-Extensions"]
        expect("permessage-deflate" in offered, "it was not offered")
        answered = socket.response.headers.get("Sec-WebSocket-Extensions")
        expect(answered is None, f"negotiated {answered}")
        expect(json.loads(await socket.recv())["type"] == "ready", "no ready")
