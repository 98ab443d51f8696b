# The lab's web servers, judged by what their clients are in the world: webhooks that the package of
# Standard Webhooks signs, and a chat endpoint that the package of OpenAI talks with.
import asyncio
import contextlib
import datetime
import json
import time

import httpx
import openai
from standardwebhooks import Webhook

from household import BIN, expect, free_port, parse, request, start

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["order", "intent"],
    "properties": {
        "order": {"type": ["string", "null"], "pattern": "^[0-9]+$"},
        "intent": {"type": "string", "enum": ["complaint", "other"]}}}
CALL = "The transcript:\n\ncaller: I have a complaint about 4711"


@contextlib.asynccontextmanager
async def server(verb, *options):
    """One of the lab's servers; its lines are its program's."""
    port = free_port()
    program = await start([BIN / "sidetone-lab", verb, "--port", port, *options], port, {})
    try:
        yield program
    finally:
        await program.end()


async def post(port, identity, secret=SECRET, seconds=0, change=b""):
    """A delivery as a sender makes it with their package: the status of the answer."""
    moment = datetime.datetime.fromtimestamp(time.time() + seconds, tz=datetime.timezone.utc)
    body = json.dumps({"type": "call.ended", "data": {"call_id": "CA1", "call_key": "k"}})
    headers = {
        "Content-Type": "application/json", "webhook-id": identity,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(identity, moment, body)}
    status, _, _ = await request(port, "/hook", body.encode() + change, headers)
    return status


async def hook_sink_takes_what_their_package_signs(house):
    other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    async with server("hooks", "--secret", SECRET, "--faults", "500,ok") as sink:
        statuses = [
            await post(sink.port, "k-1"), await post(sink.port, "k-1"),
            await post(sink.port, "k-2"), await post(sink.port, "k-1"),
            await post(sink.port, "k-3", secret=other), await post(sink.port, "k-3", change=b" "),
            await post(sink.port, "k-3", seconds=-400), await post(sink.port, "k-0")]
        expect(statuses == [500, 200, 200, 200, 401, 401, 401, 200], f"{statuses}")
        status, _, body = await request(sink.port, "/")
        expect(status == 200 and parse(body) == {
            "deliveries": 8, "ids": 4, "accepted": 3, "duplicates": 1, "out_of_order": 1,
            "bad_signatures": 3}, f"{body}")
    await asyncio.sleep(0.1)
    expect(sink.process.returncode == 1, f"it ended with {sink.process.returncode}")
    expect(sink.lines[-1].startswith("8 deliveries, 4 ids, 3 accepted"), f"{sink.lines[-1]}")


async def faults_are_met_in_their_order(house):
    async with server("hooks", "--faults", "429:7,drop,slow:300,redirect:http://127.0.0.1:9/") as sink:
        status, headers, _ = await request(sink.port, "/", b"{}")
        expect((status, headers["Retry-After"]) == (429, "7"), f"{status} {headers}")
        with contextlib.suppress(ConnectionError):
            await request(sink.port, "/", b"{}")
            raise AssertionError("a dropped connection has an answer")
        begun = time.monotonic()
        status, _, _ = await request(sink.port, "/", b"{}")
        expect(status == 200 and time.monotonic() - begun >= 0.3, "it was not slow")
        # What is no HTTP is answered as such, and costs nobody else anything.
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"nonsense\r\n\r\n")
        expect((await reader.read()).startswith(b"HTTP/1.1 400 "), "nonsense")
        writer.close()


async def chat_endpoint_is_one_for_their_package(house):
    async with server(
            "chat", "--key", "sk-1", "--faults", "ok*2,500,refusal,cut-off,ok*9") as chat:
        url = f"http://127.0.0.1:{chat.port}/v1"
        client = openai.AsyncOpenAI(base_url=url, api_key="sk-1", max_retries=0)
        messages = [{"role": "user", "content": CALL}]
        asked = {"type": "json_schema",
                 "json_schema": {"name": "call", "strict": True, "schema": SCHEMA}}

        async def ask(**more):
            answer = await client.chat.completions.create(
                model="m", messages=messages, **{"response_format": asked} | more)
            return answer.choices[0]

        choice = await ask()
        expect(json.loads(choice.message.content) == {"order": "4711", "intent": "complaint"},
               f"{choice}")
        choice = await ask(response_format={"type": "text"})
        expect(choice.message.content == f"You said: {CALL}", f"{choice}")
        with contextlib.suppress(openai.InternalServerError):
            await ask()
            raise AssertionError("500 was not told")
        expect((await ask()).message.refusal, "no refusal")
        expect((await ask()).finish_reason == "length", "not cut off")
        for wrong in ({"type": "json_object"}, asked | {"json_schema": {
                "name": "call", "strict": True, "schema": SCHEMA | {"required": []}}}):
            with contextlib.suppress(openai.BadRequestError):
                await ask(response_format=wrong)
                raise AssertionError(f"{wrong} was taken")
        with contextlib.suppress(openai.AuthenticationError):
            await client.with_options(api_key="sk-2").chat.completions.create(
                model="m", messages=messages)
            raise AssertionError("a wrong key was taken")


TOOLS = [{"type": "function", "function": {
    "name": "status", "description": "Looks up an order.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}}}}]


async def chat_endpoint_streams_for_their_package(house):
    async with server(
            "chat", "--calls", "1", "--chunk-ms", "5", "--faults", "ok*2,broken,429:2") as chat:
        client = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{chat.port}/v1", api_key="sk-1", max_retries=0)
        messages = [{"role": "user", "content": "where is 4711"}]

        async def ask():
            """The text, the calls by their index, and why it ended."""
            text, calls, reason = "", {}, None
            stream = await client.chat.completions.create(
                model="m", messages=messages, tools=TOOLS, stream=True,
                stream_options={"include_usage": True})
            async for chunk in stream:
                expect(not (chunk.model_extra or {}), f"unknown: {chunk.model_extra}")
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    reason = choice.finish_reason or reason
                    for call in choice.delta.tool_calls or []:
                        whole = calls.setdefault(call.index, {"arguments": ""})
                        whole["id"] = call.id or whole["id"]
                        whole["name"] = call.function.name or whole["name"]
                        whole["arguments"] += call.function.arguments or ""
            return text, calls, reason

        text, calls, reason = await ask()
        expect((text, reason, calls[0]["name"]) == ("", "tool_calls", "status"), f"{calls}")
        expect(json.loads(calls[0]["arguments"]) == {"order": 4711}, f"{calls}")
        function = {"name": calls[0]["name"], "arguments": calls[0]["arguments"]}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": calls[0]["id"], "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "on its way"}]
        expect(await ask() == ("the function says: on its way", {}, "stop"), "the answer")
        with contextlib.suppress(openai.APIError, httpx.RemoteProtocolError):
            await ask()
            raise AssertionError("a broken stream has an end")
        with contextlib.suppress(openai.RateLimitError):
            await ask()
            raise AssertionError("429 was not told")


CASES = [
    hook_sink_takes_what_their_package_signs, faults_are_met_in_their_order,
    chat_endpoint_is_one_for_their_package, chat_endpoint_streams_for_their_package,
]
