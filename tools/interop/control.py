# What operators and carriers ask by HTTP: shapes of the answers, TwiML read by an XML parser,
# signatures made by the vendor's own package, and doors that must stay shut.
import json
from urllib.parse import urlencode
from xml.etree import ElementTree

from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import twilio_caller
from household import expect, mulaw, parse, request

FORM = {
    "CallSid": "CA00000000000000000000000000000009", "AccountSid": "AC" + "0" * 32,
    "From": "+15550100001", "To": "+15550100002", "CallStatus": "ringing",
    "Direction": "inbound", "ApiVersion": "2010-04-01", "FromCity": "  S\u00e3o Paulo & more ",
}


async def health_ready_and_stats_have_their_shapes(house):
    port = house.open.port
    status, headers, body = await request(port, "/health")
    health = parse(body)
    expect(status == 200 and "json" in headers["Content-Type"], f"/health: {status}")
    expect(set(health) == {"status", "service", "active_connections", "timestamp"}, f"{health}")
    expect(health["status"] == "healthy", f"{health}")
    status, _, body = await request(port, "/ready")
    expect(status == 200, f"/ready: {status} {body}")
    async with connect(f"ws://127.0.0.1:{port}/ws/transcribe?call_id=stats-1") as socket:
        await socket.recv()
        await socket.send(house.samples[:3200])
        status, _, body = await request(port, "/stats")
    stats = parse(body)
    expect(status == 200, f"/stats: {status}")
    names = {"active_connections", "total_bytes_processed", "total_transcriptions"}
    expect(names < set(stats), f"{stats}")
    lists = [value for value in stats.values() if isinstance(value, list)]
    (own,) = [row for row in lists[0] if row["call_id"] == "stats-1"]
    expect({"connection_id", "call_id", "started_at", "bytes_sent", "transcription_count",
            "duration_seconds"} <= set(own), f"{own}")
    address, _, seconds = own["connection_id"].rpartition("-")
    expect(address.startswith("127.0.0.1:") and seconds.isdigit(), own["connection_id"])
    status, _, body = await request(port, "/nowhere")
    expect(status == 404 and isinstance(parse(body), dict), f"/nowhere: {status} {body}")


async def twiml_is_well_formed(house):
    headers = signed(house, "/voice", FORM)
    status, answer, body = await request(
        house.locked.port, "/voice", urlencode(FORM).encode(), headers)
    expect(status == 200 and "xml" in answer["Content-Type"], f"/voice: {status} {body}")
    response = ElementTree.fromstring(body)
    expect(response.tag == "Response", body)
    kinds = [child.tag for child in response]
    expect(kinds[0] == "Start" and len(kinds) > 1, f"verbs: {kinds}")
    expect(kinds[1] in ("Say", "Dial", "Pause"), f"nothing keeps the call up: {kinds}")
    (stream,) = response.find("Start")
    expect(stream.tag == "Stream", body)
    address = house.public.replace("https", "wss") + "/media-stream"
    expect(stream.get("url") == address, stream.get("url"))
    expect(response.find("Stream") is None, "a stream directly under the response")


def signed(house, path, form, token=None):
    validator = RequestValidator(token or house.token)
    return {"X-Twilio-Signature": validator.compute_signature(house.public + path, form)}


async def signed_webhook_is_accepted_and_tampered_refused(house):
    port = house.locked.port

    async def post(form, headers):
        status, _, body = await request(port, "/voice", urlencode(form).encode(), headers)
        return status, body

    good = signed(house, "/voice", FORM)
    status, body = await post(FORM, good)
    expect(status == 200, f"a good signature: {status} {body}")
    status, _ = await post(FORM | {"From": "+15550100009"}, good)
    expect(status == 403, f"a changed form: {status}")
    status, _ = await post(FORM | {"Extra": "1"}, good)
    expect(status == 403, f"an added field: {status}")
    status, _ = await post(FORM, signed(house, "/voice", FORM, "f" * 32))
    expect(status == 403, f"another account's token: {status}")
    status, _ = await post(FORM, signed(house, "/twiml", FORM))
    expect(status == 403, f"another path: {status}")
    status, _ = await post(FORM, {})
    expect(status in (401, 403), f"no signature: {status}")
    query = "/voice?a=1&b=%2F"
    status, _, body = await request(port, query, headers=signed(house, query, {}))
    expect(status == 200, f"a signed GET with a query: {status} {body}")


async def signed_stream_is_accepted_and_tampered_refused(house):
    path = "/media-stream"
    url = f"ws://127.0.0.1:{house.locked.port}{path}"
    address = house.public.replace("https", "wss") + path
    good = RequestValidator(house.token).compute_signature(address, {})
    code = await twilio_caller.call(
        url, mulaw(house.samples[:8000]), "CA" + "3" * 32, None, {"X-Twilio-Signature": good})
    expect(code == 1000, f"closed with {code}")
    bad = RequestValidator("f" * 32).compute_signature(address, {})
    for headers in ({"X-Twilio-Signature": bad}, {"X-Twilio-Signature": good[:-4] + "AAA="}):
        expect(await refusal(url, headers) in (401, 403), f"let in with {headers}")
    # Without any it may still bring the token of a signed webhook, in its first message.
    try:
        code = await twilio_caller.call(url, mulaw(house.samples[:8000]), "CA" + "4" * 32)
    except ConnectionClosed as closed:
        code = closed.rcvd.code
    expect(code == 1008, f"without signature and token: closed with {code}")


async def refusal(url, headers):
    """The status of a refused handshake; 101 when it was not refused."""
    try:
        async with connect(url, additional_headers=headers, compression=None):
            return 101
    except InvalidStatus as error:
        body = json.loads(error.response.body)
        expect(isinstance(body, dict), f"a refusal without words: {body}")
        return error.response.status_code


async def foreign_requests_do_not_open_a_loopback_route(house):
    url = f"ws://127.0.0.1:{house.open.port}/ws/transcribe"
    for headers in ({"Origin": "https://page.example.com"}, {"X-Forwarded-For": "203.0.113.9"},
                    {"Forwarded": "for=203.0.113.9"}):
        expect(await refusal(url, headers) == 403, f"let in with {headers}")
    status, _, body = await request(
        house.open.port, "/voice", headers={"Host": "tunnel.example.com"})
    expect(status == 403, f"a foreign Host: {status} {body}")


async def keys_are_asked_for(house):
    url = f"ws://127.0.0.1:{house.locked.port}/ws/transcribe"
    expect(await refusal(url, {}) == 401, "let in without a key")
    wrong = {"Authorization": "Bearer sk-wrong"}
    expect(await refusal(url, wrong) == 401, "let in with a wrong key")
    for query in ("api_key", "token", "key"):
        status = await refusal(f"{url}?{query}={house.key}", {})
        expect(status in (400, 401), f"?{query}= gets {status}")
    right = {"Authorization": f"Bearer {house.key}"}
    expect(await refusal(url, right) == 101, "refused with the right key")
    status, _, _ = await request(house.locked.port, "/stats")
    expect(status == 401, f"/stats without a key: {status}")
    status, _, _ = await request(house.locked.port, "/stats", headers=right)
    expect(status == 200, f"/stats with the key: {status}")
    secrets = "\n".join(house.locked.lines)
    expect(house.key not in secrets and "sk-wrong" not in secrets, "a key was logged")
