# A caller shaped like Twilio's media streams, over a foreign WebSocket library: connected, start,
# media every 20 ms, stop, and then it waits for the relay to close.
import asyncio
import base64
import json
import time

from websockets.asyncio.client import connect

FRAME = 160
STREAM = "MZ00000000000000000000000000000001"


async def call(url, audio, sid, parameters=None, headers=None):
    """Plays µ-law audio as one call; returns the code with which the relay closed."""
    async with connect(url, additional_headers=headers or {}) as socket:
        sequence = 0

        async def send(event, **fields):
            nonlocal sequence
            sequence += 1
            await socket.send(json.dumps(
                {"event": event, "sequenceNumber": str(sequence), "streamSid": STREAM} | fields))

        await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await send("start", start={
            "streamSid": STREAM, "accountSid": "AC00000000000000000000000000000001",
            "callSid": sid, "tracks": ["inbound"], "customParameters": parameters or {},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}})
        begin = time.monotonic()
        for index in range(0, len(audio), FRAME):
            number = index // FRAME
            payload = base64.b64encode(audio[index:index + FRAME]).decode()
            await send("media", media={
                "track": "inbound", "chunk": str(number + 1), "timestamp": str(number * 20),
                "payload": payload})
            await asyncio.sleep(max(0, begin + (number + 1) * 0.02 - time.monotonic()))
        await send("stop", stop={
            "accountSid": "AC00000000000000000000000000000001", "callSid": sid})
        async for _ in socket:
            pass
        return socket.close_code
