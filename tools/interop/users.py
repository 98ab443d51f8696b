# Clients as users write them, each a program of its own: the judge only starts it and reads what it
# prints. Two of them never close, and still must get their last words.
import asyncio
import json
import os
import subprocess
import sys
import tempfile

from household import HERE, expect, words
from calls import holds


async def run(house, *command, seconds=40):
    """What a program prints, given the relay's address, the key and a file of audio."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as audio:
        audio.write(house.samples)
        audio.flush()
        url = f"ws://127.0.0.1:{house.locked.port}/ws/transcribe"
        node = os.environ.get("NODE_PATH", "/usr/share/nodejs:/usr/lib/nodejs")
        process = await asyncio.create_subprocess_exec(
            *(part.format(url=url, key=house.key, audio=audio.name) for part in command),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=HERE,
            env=os.environ | {"NODE_PATH": node})
        try:
            output, _ = await asyncio.wait_for(process.communicate(), seconds)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    expect(process.returncode == 0, output.decode())
    return output.decode().splitlines()


async def python_user(house, python):
    length = len(house.samples) / 16000
    lines = await run(
        house, python, "user.py", "{url}", "{key}", "{audio}", str(length + 4))
    messages = [json.loads(line) for line in lines]
    expect(messages and messages[0]["type"] == "ready", f"first: {messages[:1]}")
    finals = [
        message["text"] for message in messages
        if message["type"] == "transcript" and message["is_final"]]
    expect(holds(words(" ".join(finals)), words(house.text)), f"heard {finals}")


async def current_python_user_who_never_closes(house):
    await python_user(house, sys.executable)


def old_python_user_who_never_closes(python):
    async def case(house):
        await python_user(house, python)

    case.__name__ = "old_python_user_who_never_closes"
    return case


async def javascript_user_who_closes_at_once(house):
    lines = await run(house, "node", "user.js", "{url}", "{key}", "{audio}")
    finals = " ".join(line.removeprefix("[FINAL]") for line in lines if "[FINAL]" in line)
    expect(holds(words(finals), words(house.text)), f"printed {lines}")
    # 1005: our Close carried no code, as the client's own did not.
    expect(lines[-1] in ("closed 1000", "closed 1005"), f"ended with {lines[-1]}")
