# What calls of functions cost the calls beside them: `sidetone-lab load` measures how long a relay
# holds each frame of its two-way calls, while other callers of the same relay have models that
# call functions, and while the same callers have models that call none; in turn, some pairs.
#
#     function_load.py [CALLS [SECONDS [PAIRS [PER_SECOND]]]]        100 20 5 50
#
# The functions are signed POSTs to `sidetone-lab functions`, answered after 50 ms. Run it where
# nothing else runs.
import asyncio
import itertools
import json
import os
import statistics
import sys
import time
import types

import household
from cascade_load import Caller, Peer
from losses import accepting

FUNCTION_CALLERS = 10
SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
FILE = """
[limits]
calls_per_second_per_address = 1000
handshakes_per_address_max = 1000
[upstreams.openai]
private = true
key = "sk-1"
greeting = ""
url = "ws://127.0.0.1:{twin}/v1/realtime"
[upstreams.gemini]
private = true
key = "AIza"
greeting = ""
url = "ws://127.0.0.1:{models}/gemini"
[[functions]]
name = "look"
description = "Looks something up."
parameters = '{{"type":"object","properties":{{"id":{{"type":"string"}}}},"required":["id"]}}'
url = "http://127.0.0.1:{here}/look"
secrets = ["{secret}"]
plain = true
[[routes]]
path = "/talk"
upstream = "openai"
[[routes]]
path = "/gemini"
upstream = "gemini"
functions = ["look"]
"""


class Model(Peer):
    """Gemini's protocol as far as it is needed: it calls a function when it is told to."""

    def __init__(self, load):
        super().__init__()
        self.load = load

    def opened(self):
        self.transport.write(accepting(self.head.decode()))
        self.load.models.append(self)

    def told(self, opcode, payload):
        if opcode not in (1, 2) or b'"realtimeInput"' in payload[:20]:
            return
        event = json.loads(payload)
        if "setup" in event:
            self.say({"setupComplete": {}})
        for answer in event.get("toolResponse", {}).get("functionResponses", []):
            assert answer["response"]["ok"], event
            self.load.answered += 1

    def call(self, number):
        self.say({"toolCall": {"functionCalls": [
            {"id": f"f{number}", "name": "look", "args": {"id": "42"}}]}})


class FunctionCaller(Caller):
    """A caller who says nothing and hears nothing."""

    def __init__(self, number, load):
        super().__init__(types.SimpleNamespace(number=number, load=load), "gemini")


class Load:
    def __init__(self):
        self.models, self.numbers = [], itertools.count()
        self.sent = self.heard = self.answered = 0

    async def round(self, relay, twin, count, seconds, rate):
        """What the load has measured, with so many calls of functions a second beside it."""
        process = await asyncio.create_subprocess_exec(
            household.BIN / "sidetone-lab", "load", "--two-way", "--json", "--calls", str(count),
            "--seconds", str(seconds), "--twin-port", str(twin), "--warmup", "2",
            "--relay", f"ws://127.0.0.1:{relay.port}/talk", stdout=asyncio.subprocess.PIPE)
        measured = asyncio.create_task(process.communicate())
        begin, made, answered = time.monotonic(), 0, self.answered
        while not measured.done():
            if rate:
                self.models[made % len(self.models)].call(next(self.numbers))
                made += 1
            await asyncio.sleep(max(0, begin + made / rate - time.monotonic()) if rate else 0.1)
        seen = json.loads((await measured)[0])
        assert seen["clean"], seen
        await asyncio.sleep(1)
        assert self.answered - answered == made, (made, self.answered - answered)
        return seen


async def main(count=100, seconds=20, pairs=5, rate=50):
    load, loop = Load(), asyncio.get_running_loop()
    model = await loop.create_server(lambda: Model(load), "127.0.0.1", 0)
    models = model.sockets[0].getsockname()[1]
    twin, functions = household.free_port(), household.free_port()
    # A processor for the relay with all that it starts, and another for what stands around it.
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:1])
    relay = await household.start_relay(
        {"SIDETONE_OUTPUT_TRANSCRIPTS": "false", "SIDETONE_OUTPUT_LEVEL": "error"},
        FILE.format(twin=twin, here=functions, models=models, secret=SECRET))
    os.sched_setaffinity(0, processors[1:] or processors)
    server = await household.start(
        [household.BIN / "sidetone-lab", "functions", "--port", functions, "--secret", SECRET,
         "--faults", "slow:50,again"], functions, {})
    callers, ratios = [], {"up": [], "down": []}
    try:
        for number in range(FUNCTION_CALLERS):
            callers.append((await loop.create_connection(
                lambda number=number: FunctionCaller(number, load), "127.0.0.1", relay.port))[1])
            await asyncio.sleep(0.05)
        while len(load.models) < FUNCTION_CALLERS:
            await asyncio.sleep(0.1)
        for _ in range(pairs):
            p99 = {}
            for each in (0, rate):
                seen = await load.round(relay, twin, count, seconds, each)
                p99[each] = [seen[way]["p99"] / 1000 for way in ("delay_us", "down_delay_us")]
                print(f"{each:3} functions a second, {count} calls: p99 up {p99[each][0]:.3f}, "
                      f"down {p99[each][1]:.3f} ms", flush=True)
            for way, quiet, loud in zip(ratios, p99[0], p99[rate]):
                ratios[way].append(loud / quiet)
    finally:
        for caller in callers:
            caller.task.cancel()
            caller.transport.close()
        await asyncio.sleep(0.5)
        await relay.end()
        await server.end()
        model.close()
    print(f"{load.answered} functions answered")
    for way, seen in ratios.items():
        print(f"{way}: median ratio {statistics.median(seen):.3f}, "
              f"{min(seen):.3f} to {max(seen):.3f}")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
