# A client as users write them: it connects with its key in a header, takes the first message for
# `ready`, then sends its audio and reads at the same time, and never closes. It runs with the old
# line of `websockets` and with the current one.
#
#     user.py URL KEY FILE SECONDS      FILE: raw audio, 16-bit samples at 8 kHz
import asyncio
import json
import sys

import websockets

CHUNK = 1600


async def main(url, key, path, seconds):
    headers = {"Authorization": f"Bearer {key}"}
    is_old = int(websockets.__version__.split(".")[0]) < 14
    keyword = "extra_headers" if is_old else "additional_headers"
    socket = await websockets.connect(url, **{keyword: headers})
    ready = json.loads(await socket.recv())
    print(json.dumps(ready), flush=True)

    async def send():
        with open(path, "rb") as audio:
            while chunk := audio.read(CHUNK):
                await socket.send(chunk)
                await asyncio.sleep(CHUNK / 16000)

    async def read():
        async for message in socket:
            print(message, flush=True)

    try:
        await asyncio.wait_for(asyncio.gather(send(), read()), seconds)
    except asyncio.TimeoutError:
        # The judge has waited long enough; the connection simply vanishes with the process.
        sys.exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
