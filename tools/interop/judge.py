# Lets foreign programs judge a running relay: clients and servers that share no code with it, the
# vendors' own packages, and clients that behave as users' do. Prints one line per verdict and
# exits 1 when one is bad. Each case is a function; they run side by side, since each has calls of
# its own.
#
#     judge.py [--old-python PYTHON] [CASE …]      OLD-PYTHON: one that has websockets 13
import argparse
import asyncio
import base64
import os
import shutil
import sys
import time
import traceback

import calls
import control
import deployments
import events
import household
import orders
import pipelines
import servers
import services
import twins
import users
import voices
import webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twin import Twin

KEY = "sk-interop-0123456789"
TOKEN = "12345678901234567890123456789012"
PUBLIC = "https://relay.example.com"


class House(household.Household):
    """What the cases share: twins of all upstreams, three relays, and one text as sound."""

    text = "the quick brown fox jumps over"

    async def begin(self):
        self.samples = household.say(self.text)
        self.key, self.token, self.public = KEY, TOKEN, PUBLIC
        self.telnyx = Ed25519PrivateKey.generate()
        self.hearing = await self.add(household.start_twin("deepgram"))
        heard = household.upstreams(deepgram=self.hearing.port)
        self.recorder = await Twin().__aenter__()
        # Open on loopback; its upstream is the lab's twin, which hears the tones.
        self.open = await self.add(household.start_relay(heard))
        # Open, with an upstream that keeps what it gets.
        self.kept = await self.add(household.start_relay(
            household.upstreams(deepgram=self.recorder.port)))
        # As on the Internet: keys, what carriers sign with, a public name.
        public_key = base64.b64encode(self.telnyx.public_key().public_bytes_raw()).decode()
        voices = {kind: (await self.add(household.start_twin(kind))).port
                  for kind in ("openai", "gemini")}
        self.locked = await self.add(household.start_relay(
            heard | household.upstreams(**voices) | {
                "SIDETONE_API_KEYS": KEY, "TWILIO_AUTH_TOKEN": TOKEN,
                "TELNYX_PUBLIC_KEY": public_key, "SIDETONE_LISTEN_PUBLIC_URL": PUBLIC}))


def cases(old_python):
    everything = [
        calls.twilio_call_is_transcribed, calls.raw_call_follows_the_documented_order,
        calls.upstream_gets_every_byte_of_a_raw_call, calls.upstream_gets_every_byte_of_twilio,
        calls.silent_client_is_kept_alive, calls.deflate_is_declined_and_the_call_works,
        control.health_ready_and_stats_have_their_shapes, control.twiml_is_well_formed,
        control.signed_webhook_is_accepted_and_tampered_refused,
        control.signed_stream_is_accepted_and_tampered_refused,
        control.foreign_requests_do_not_open_a_loopback_route, control.keys_are_asked_for,
        users.current_python_user_who_never_closes, *voices.CASES, *services.CASES,
        *twins.CASES,
        *orders.CASES, *pipelines.CASES, *webhooks.CASES, *events.CASES, *servers.CASES,
        *deployments.cases(old_python),
    ]
    if old_python:
        everything.append(users.old_python_user_who_never_closes(old_python))
    if shutil.which("node"):
        everything.append(users.javascript_user_who_closes_at_once)
        everything.append(users.vendors_script_sees_media_and_the_end)
    else:
        print("javascript users: cannot run here, there is no node")
    return everything


async def judge(house, case):
    begin = time.monotonic()
    try:
        await asyncio.wait_for(case(house), 60)
        problem = None
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        problem = f"{words} ({place.name}, line {place.lineno})"
    name = case.__name__.replace("_", " ")
    seconds = time.monotonic() - begin
    print(f"{'ok  ' if problem is None else 'FAIL'} {seconds:5.1f} s  {name}", flush=True)
    if problem:
        print(f"       {problem[:1500]}", flush=True)
    return problem is None


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--old-python", type=os.path.abspath)
    parser.add_argument("cases", nargs="*", help="parts of names; all by default")
    arguments = parser.parse_args()
    chosen = [
        case for case in cases(arguments.old_python)
        if not arguments.cases or any(part in case.__name__ for part in arguments.cases)]
    async with House() as house:
        # All at once they would be late to their own appointments.
        places = asyncio.Semaphore(16)

        async def judge_in_place(case):
            async with places:
                return await judge(house, case)

        verdicts = await asyncio.gather(*map(judge_in_place, chosen))
        if not all(verdicts):
            for program in house.programs:
                print("\n".join(line[:200] for line in program.lines[-10:]))
    print(f"judged by others: {sum(verdicts)} of {len(verdicts)} well")
    return all(verdicts)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
