# Programs that hear of calls while they go: two libraries for Server-Sent Events, curl, and a
# WebSocket client, each of which shares no code with the relay.
import asyncio
import json
import threading

import household
import httpx
import sseclient
from household import expect, request, words
from httpx_sse import aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

KEY = "operators-0123456789"
CHUNK = 1600


async def call(port, samples, call_id):
    """A raw client's call, from its ready to its end."""
    async with connect(f"ws://127.0.0.1:{port}/ws/transcribe?call_id={call_id}") as socket:
        await socket.recv()
        for at in range(0, len(samples), CHUNK):
            await socket.send(samples[at:at + CHUNK])
            await asyncio.sleep(0.005)
        await socket.send('{"type":"CloseStream"}')
        async for _ in socket:
            pass


def check(events, house, call_id):
    """A whole call, in order, and with all of its words."""
    kinds = [event["type"] for event in events]
    expect(kinds[0] == "call.started" and kinds[-1] == "call.ended", f"{kinds}")
    expect(kinds.count("call.started") == kinds.count("call.ended") == 1, f"{kinds}")
    expect(all(event["call_id"] == call_id for event in events), f"{events}")
    finals = [event for event in events if event["type"] == "transcript.final"]
    expect(all(event["side"] == "caller" for event in finals), f"{finals}")
    heard = words(" ".join(event["text"] for event in finals))
    expect(heard == words(house.text), f"heard {heard}")


async def by_httpx(url, headers):
    events, numbers = [], []
    async with httpx.AsyncClient(timeout=30) as client:
        async with aconnect_sse(client, "GET", url, headers=headers) as source:
            source.response.raise_for_status()
            async for event in source.aiter_sse():
                data = json.loads(event.data)
                expect(event.event == data["type"] and event.retry in (None, 2000), f"{event}")
                events.append(data)
                numbers.append(int(event.id))
                if data["type"] == "call.ended":
                    break
    expect(numbers == sorted(set(numbers)), f"{numbers}")
    return events


def by_sseclient(url, headers):
    events = []
    with httpx.stream("GET", url, headers=headers, timeout=30) as answer:
        for event in sseclient.SSEClient(answer.iter_bytes()).events():
            events.append(json.loads(event.data))
            if event.event == "call.ended":
                return events
    return events


async def by_curl(url, headers):
    fields = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    curl = await asyncio.create_subprocess_exec(
        "curl", "-sSN", *fields, url, stdout=asyncio.subprocess.PIPE)
    events = []
    try:
        while line := await asyncio.wait_for(curl.stdout.readline(), 30):
            if line.startswith(b"data: "):
                events.append(json.loads(line[6:]))
                if events[-1]["type"] == "call.ended":
                    return events
    finally:
        curl.terminate()
        await curl.wait()
    return events


async def by_socket(url, headers):
    events = []
    async with connect(url.replace("http", "ws", 1), additional_headers=headers) as socket:
        async for text in socket:
            events.append(json.loads(text))
            if events[-1]["type"] == "call.ended":
                return events
    return events


async def listening(port, count, headers=None):
    """Waits until so many hear."""
    for _ in range(200):
        _, _, body = await request(port, "/metrics", headers=headers)
        if f"\nsidetone_subscribers {count}\n".encode() in body:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"there are not {count} who hear")


async def a_call_is_heard_by_every_client(house):
    relay = await house.add(household.start_relay(
        household.upstreams(deepgram=house.hearing.port) | {"SIDETONE_AUTH_OPERATOR_KEYS": KEY}))
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{relay.port}/events"
    one = url + "?call_id=events-1"
    hearing = asyncio.gather(
        by_httpx(one, headers), asyncio.to_thread(by_sseclient, one, headers),
        by_curl(one, headers), by_socket(one, headers))
    await listening(relay.port, 4, headers)
    await asyncio.gather(
        call(relay.port, house.samples, "events-1"), call(relay.port, house.samples, "events-2"))
    for events in await hearing:
        check(events, house, "events-1")
    for proof in ({}, {"Authorization": "Bearer other"}):
        status, _, body = await request(relay.port, "/events", headers=proof)
        expect(status == 401, f"{proof}: {status} {body}")
    await listening(relay.port, 0, headers)


async def those_who_hear_are_let_go_when_the_relay_ends(house):
    relay = await household.start_relay(household.upstreams(deepgram=house.hearing.port))
    url = f"http://127.0.0.1:{relay.port}/events"
    ended = threading.Event()

    def stream():
        with httpx.stream("GET", url, timeout=30) as answer:
            for _ in answer.iter_lines():
                pass
            ended.set()

    try:
        streaming = asyncio.to_thread(stream)
        task = asyncio.create_task(streaming)
        async with connect(url.replace("http", "ws", 1)) as socket:
            await listening(relay.port, 2)
            relay.process.terminate()
            try:
                await asyncio.wait_for(socket.recv(), 10)
                raise AssertionError("there was nothing to hear")
            except ConnectionClosed as closed:
                expect(closed.rcvd.code == 1001, f"closed with {closed}")
        await asyncio.wait_for(task, 10)
        expect(ended.is_set(), "the stream broke")
        expect(await asyncio.wait_for(relay.process.wait(), 10) == 0, "it did not end well")
    finally:
        await relay.end()


async def callers_and_proxies_do_not_hear(house):
    for fields in ({"X-Forwarded-For": "203.0.113.5"}, {"Host": "relay.example.com"},
                   {"Origin": "https://evil.example"}):
        status, _, body = await request(
            house.locked.port, "/events", headers={"Authorization": f"Bearer {house.key}"} | fields)
        expect(status in (403, 421), f"{fields}: {status} {body}")


CASES = [
    a_call_is_heard_by_every_client, those_who_hear_are_let_go_when_the_relay_ends,
    callers_and_proxies_do_not_hear,
]
