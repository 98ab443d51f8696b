# The way of a caller from a carrier's webhook to a voice model: signatures made by the vendor's own
# package or a foreign library, XML read by an XML parser and compared with the vendor's own, and
# the call token that opens the socket once.
import base64
import time
from urllib.parse import urlencode
from xml.etree import ElementTree

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.twiml.voice_response import VoiceResponse

from calls import sid, until
from control import FORM, refusal, signed
from household import expect, parse, request
from phone import Telnyx, Twilio

BOTS = ["gemini-live", "openai-realtime", "deepgram-agent"]
TELNYX_FORM = {
    "AccountSid": "3e6f995f-85f7-4705-9741-53b116d28237", "CallSid": "v3:webhook",
    "CallSidLegacy": "v3:webhook", "From": "+13122010094", "To": "+13122123456",
}


def header(house):
    return {"Authorization": f"Bearer {house.key}"}


async def webhook(house, path, form=None, headers=None):
    data = None if form is None else urlencode(form).encode()
    if headers is None:
        headers = signed(house, path, form or {})
    return await request(house.locked.port, path, data, headers)


def token(house, body):
    """The token in an answer, which must be the one that Twilio's package would write."""
    response = ElementTree.fromstring(body)
    value = response.find("Connect/Stream/Parameter").get("value")
    theirs = VoiceResponse()
    stream = theirs.connect().stream(url=house.public.replace("https", "wss") + "/ws/phone")
    stream.parameter(name="token", value=value)
    expect(canonical(str(theirs)) == canonical(body), f"{body}, not {theirs}")
    expect(len(value) == 32 and set(value) <= set("0123456789abcdef"), f"the token is {value}")
    return value


def canonical(xml):
    text = xml if isinstance(xml, str) else xml.decode()
    return ElementTree.canonicalize(text, strip_text=True)


def phones(house):
    return f"ws://127.0.0.1:{house.locked.port}/ws/phone"


async def is_greeted(house, caller, upstream):
    """A call that its model greets; the log says which one it was."""
    async with caller:
        await until(lambda: len(caller.audio()) > 8000, "the caller is not greeted")
        expect(await caller.hang_up() == 1000, f"closed with {caller.socket.close_code}")
    line = f" to {upstream} on /ws/phone"
    expect(any(caller.call in entry and line in entry for entry in house.locked.lines), line)


async def is_turned_away(house, caller):
    async with caller:
        await caller.socket.wait_closed()
    expect(caller.socket.close_code == 1008, f"closed with {caller.socket.close_code}")
    expect("token" in caller.socket.close_reason, f"it says {caller.socket.close_reason}")
    expect(not caller.audio(), "audio for a caller without a good token")


async def twilio_webhook_brings_its_caller_to_the_model(house):
    status, headers, body = await webhook(house, "/twiml", FORM)
    expect(status == 200 and "xml" in headers["Content-Type"], f"/twiml: {status} {body}")
    first = token(house, body)
    await is_greeted(house, Twilio(phones(house), sid(41), {"token": first}), "gemini")
    # Once is once.
    await is_turned_away(house, Twilio(phones(house), sid(42), {"token": first}))
    await is_turned_away(house, Twilio(phones(house), sid(43), {"token": "0" * 32}))
    await is_turned_away(house, Twilio(phones(house), sid(44), {"bot_type": BOTS[0]}))
    path = "/twiml?bot_type=openai-realtime&voice=cedar&system_instruction=Be%20kind%20%26+brief."
    status, _, body = await webhook(house, path)
    expect(status == 200, f"{path}: {status} {body}")
    second = token(house, body)
    expect(second != first and b"kind" not in body, f"{body}")
    await is_greeted(house, Twilio(phones(house), sid(45), {"token": second}), "openai")


async def telnyx_webhook_brings_its_caller_to_the_model(house):
    body = urlencode(TELNYX_FORM).encode()
    path = "/twiml?bot_type=openai-realtime"

    async def post(data, headers):
        return await request(house.locked.port, path, data, headers)

    good = telnyx_signature(house.telnyx, body)
    status, headers, answer = await post(body, good)
    expect(status == 200 and "xml" in headers["Content-Type"], f"signed: {status} {answer}")
    stream = ElementTree.fromstring(answer).find("Connect/Stream")
    expect(stream.get("url") == house.public.replace("https", "wss") + "/ws/phone", f"{answer}")
    attributes = {name: stream.get(name) for name in (
        "track", "codec", "bidirectionalMode", "bidirectionalCodec", "bidirectionalSamplingRate")}
    expect(attributes == {
        "track": "inbound_track", "codec": "PCMU", "bidirectionalMode": "rtp",
        "bidirectionalCodec": "PCMU", "bidirectionalSamplingRate": "8000"}, f"{attributes}")
    value = stream.find("Parameter").get("value")
    await is_greeted(house, Telnyx(phones(house), "v3:webhook", {"token": value}), "openai")
    for name, data, headers in [
        ("a changed form", body + b"&x=1", good),
        ("another key", body, telnyx_signature(Ed25519PrivateKey.generate(), body)),
        ("an old time", body, telnyx_signature(house.telnyx, body, -400)),
        ("a time that was not signed", body, good | {
            "telnyx-timestamp": str(int(good["telnyx-timestamp"]) + 1)}),
        ("half a signature", body, good | {
            "telnyx-signature-ed25519": good["telnyx-signature-ed25519"][:40]}),
        ("no signature", body, {}),
    ]:
        status, _, answer = await post(data, headers)
        expect(status in (401, 403) and b"token" not in answer, f"{name}: {status} {answer}")


def telnyx_signature(key, body, seconds=0):
    moment = str(int(time.time()) + seconds)
    signature = key.sign(moment.encode() + b"|" + body)
    return {"telnyx-timestamp": moment,
            "telnyx-signature-ed25519": base64.b64encode(signature).decode()}


async def wrong_turns_to_a_model_are_explained(house):
    status, _, body = await webhook(house, "/twiml?bot_type=nobody")
    expect(status == 400 and all(bot in body.decode() for bot in BOTS), f"{status} {body}")
    status, _, body = await webhook(house, "/twiml?system_instruction=" + "a" * 4000)
    expect(status == 400 and isinstance(parse(body), dict), f"long: {status} {body}")
    status, _, body = await request(house.locked.port, "/ws/phone", headers=header(house))
    expect(status == 426 and b"/twiml" in body, f"a plain request: {status} {body}")
    for path in ("/twiml", "/voice"):
        status, _, body = await request(
            house.locked.port, f"{path}?api_key={house.key}", headers=header(house))
        expect(status == 401 and b"environment" in body, f"{path}?api_key=: {status} {body}")
        expect(house.key.encode() not in body, "the key is repeated")
    for path in ("/ws/phone", "/ws", "/media"):
        url = f"ws://127.0.0.1:{house.locked.port}{path}?api_key={house.key}"
        expect(await refusal(url, header(house)) == 401, f"let in at {path} with a key in the URL")
    expect(not any(house.key in line for line in house.locked.lines), "a key was logged")
    # A caller who brings a key needs no token, and chooses by its parameters.
    wish = {"bot_type": "openai-realtime", "system_instruction": "Be brief."}
    caller = Twilio(phones(house), sid(46), wish, additional_headers=header(house))
    await is_greeted(house, caller, "openai")


CASES = [
    twilio_webhook_brings_its_caller_to_the_model, telnyx_webhook_brings_its_caller_to_the_model,
    wrong_turns_to_a_model_are_explained,
]
