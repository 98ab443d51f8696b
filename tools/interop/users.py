# Clients as users write them, each a program of its own: the judge only starts it and reads what it
# prints. Two of them never close, and still must get their last words.
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile

import household
from calls import holds, until
from household import HERE, expect, words


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


async def vendors_script_sees_media_and_the_end(house):
    """Silent, it is greeted with exact messages at the speed of a phone, and its stop ends the
    call although it names another one."""
    greeting = "a long word of welcome to everybody who calls us on this fine morning"
    twin = await household.start_twin("openai", "--greeting", greeting)
    house.programs.append(twin)
    relay = await household.start_relay(household.upstreams(openai=twin.port))
    house.programs.append(relay)
    lines = await run(house, "node", "vendor.js", f"ws://127.0.0.1:{relay.port}/ws")
    messages = [line.split(" ", 1)[1] for line in lines if line[:1].isdigit()]
    times = [int(line.split(" ", 1)[0]) for line in lines if line[:1].isdigit()]
    expect(lines[0] == "connected" and lines[-1] == "closed 1000", f"{lines[:2]} {lines[-2:]}")
    expect(len(messages) > 100, f"{len(messages)} messages: {lines[:3]}")
    for message in messages:
        expect(message.startswith('{"event":"media"'), message[:200])
        event = json.loads(message)
        expect(list(event) == ["event", "type", "ucid", "data"], f"{list(event)}")
        expect((event["type"], event["ucid"]) == ("media", "vendor-1"), message[:200])
        data = event["data"]
        samples = data.pop("samples")
        expect(len(samples) == 80, f"{len(samples)} samples")
        expect(all(isinstance(s, int) and -32768 <= s < 32768 for s in samples), f"{samples}")
        expect(data == {"bitsPerSample": 16, "sampleRate": 8000, "channelCount": 1,
                        "numberOfFrames": 80, "type": "data"}, f"{data}")
    rate = (len(times) - 1) * 1000 / (times[-1] - times[0])
    expect(90 < rate < 110, f"{rate:.0f} messages a second")
    await until(lambda: any("call_ended" in line for line in relay.lines), "no end in the log", 5)
    log = [json.loads(line) for line in relay.lines if line.startswith("{")]
    told = {entry["event"]: entry["detail"] for entry in log if entry.get("call_id") == "vendor-1"}
    expect({"call_started", "upstream_connected", "stop_received"} <= set(told), f"{told}")
    ended = re.match(r"stopped after (\d+) ms \((\d+\.\d+) s\)", told.get("call_ended", ""))
    expect(ended is not None, f"{told}")
    milliseconds, seconds = int(ended[1]), float(ended[2])
    expect(milliseconds == round(seconds * 1000) and 4900 < milliseconds < 7000, ended[0])
