# What a carrier is asked to do with a call, when a voice model has it transferred or presses keys:
# each request must be the one that the carrier's own package sends for it.
import asyncio
import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import httpx
import telnyx
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

from calls import sid, until
from household import expect
from models import Agent, staged
from phone import Telnyx, Twilio

# Most of these packages is loaded when it is first used, which takes seconds: now, and not while
# other cases have appointments to keep.
_ = telnyx.Telnyx(api_key="-").calls.actions, Client("-", "-").calls

ACCOUNT = "AC" + "0" * 32
TOKEN = "12345678901234567890123456789012"
KEY = "KEY0123456789"
NUMBER = "+4930123"
ADDRESS = "sip:desk@example.com;transport=tls?x=1&y=2"
SUMMARY = 'It is about "order 42" & <more>, it\'s said.'
FILE = f"""
[[functions]]
name = "transfer"
description = "Connects the caller."
built_in = "transfer"
warm = true
targets = {{ sales = "{NUMBER}", desk = "{ADDRESS}" }}
[[functions]]
name = "press"
description = "Presses keys."
built_in = "send_dtmf"
[[routes]]
path = "/orders"
upstream = "deepgram-agent"
secret = "orders-orders-orders"
functions = ["transfer", "press"]
"""


class Carrier:
    """A carrier's API, which keeps what it was asked and says yes."""

    def __enter__(self):
        self.requests = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append((self.path, self.headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


async def ordered(phone_of, calls):
    """What the carrier was asked in one call, whose model calls these functions in turn."""
    model = Agent()
    with Carrier() as carrier:
        async with staged(
                model, FILE, TWILIO_AUTH_TOKEN=TOKEN, TELNYX_API_KEY=KEY,
                TWILIO_API_URL=carrier.url, TELNYX_API_URL=carrier.url) as relay:
            phone = phone_of(f"ws://127.0.0.1:{relay.port}/orders/orders-orders-orders")
            async with phone:
                await model.until(lambda e: e["type"] == "Settings", "the settings")
                for number, (name, arguments) in enumerate(calls, 1):
                    await model.say("FunctionCallRequest", functions=[{
                        "id": f"fc_{number}", "name": name, "arguments": json.dumps(arguments),
                        "client_side": True}])
                    await until(lambda: len(carrier.requests) == number, "nobody is asked")
                    answer = await model.until(
                        lambda e: e["type"] == "FunctionCallResponse"
                        and e["id"] == f"fc_{number}", "no answer to the function")
                    expect("error" not in answer["content"], answer["content"])
                await asyncio.sleep(0.3)
                expect(phone.socket.close_code is None, "the relay has closed by itself")
                expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
        return carrier.requests


class Recorder(TwilioHttpClient):
    """What Twilio's package would send."""

    def request(self, method, url, params=None, data=None, headers=None, auth=None, **_):
        self.sent = (method, url, data, headers, auth)
        raise TwilioException("it is kept")


async def a_transfer_is_what_twilios_package_sends(house):
    cold, warm = VoiceResponse(), VoiceResponse()
    cold.dial(NUMBER)
    warm.say(SUMMARY)
    warm.dial().sip(ADDRESS)
    cases = [({"to": "sales"}, cold), ({"to": "desk", "summary": SUMMARY}, warm)]
    for number, (arguments, response) in enumerate(cases):
        call = sid(60 + number)
        recorder = Recorder()
        client = Client(ACCOUNT, TOKEN, http_client=recorder)
        with contextlib.suppress(TwilioException):
            client.calls(call).update(twiml=str(response))
        method, url, data, headers, auth = recorder.sent
        [(path, ours, body)] = await ordered(lambda u: Twilio(u, call), [("transfer", arguments)])
        expect(method == "POST" and url == "https://api.twilio.com" + path, f"{path}, not {url}")
        user, password = base64.b64decode(ours["Authorization"].split()[1]).decode().split(":")
        theirs = auth or (client.username, client.password)
        expect((user, password) == tuple(theirs), "who asks")
        expect(ours["Content-Type"] == headers["Content-Type"], ours["Content-Type"])
        form = parse_qs(body.decode(), strict_parsing=True)
        expect(set(form) == set(data) == {"Twiml"}, f"{form}, not {data}")
        twiml, wanted = (ElementTree.canonicalize(x) for x in (form["Twiml"][0], data["Twiml"]))
        expect(twiml == wanted, f"{twiml}, not {wanted}")


async def orders_are_what_telnyxs_package_sends(house):
    call = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg==+/"
    sent = []

    def keep(request):
        sent.append(request)
        return httpx.Response(200, json={"data": {"result": "ok"}})

    client = telnyx.Telnyx(
        api_key=KEY, base_url="https://api.telnyx.com/v2",
        http_client=httpx.Client(transport=httpx.MockTransport(keep)))
    client.calls.actions.send_dtmf(call_control_id=call, digits="1w2#")
    client.calls.actions.transfer(call_control_id=call, to=NUMBER)
    ours = await ordered(lambda u: Telnyx(u, call), [
        ("press", {"digits": "1w2#"}), ("transfer", {"to": "sales"})])
    for request, (path, headers, body) in zip(sent, ours, strict=True):
        theirs = request.url.raw_path.decode()
        expect(path.count("/") == theirs.count("/"), f"{path}, not {theirs}")
        expect(unquote(path) == unquote(theirs), f"{path}, not {theirs}")
        expect(json.loads(body) == json.loads(request.content), f"{body}")
        for name in ("Authorization", "Content-Type"):
            expect(headers[name] == request.headers[name], f"{name}: {headers[name]}")


CASES = [a_transfer_is_what_twilios_package_sends, orders_are_what_telnyxs_package_sends]
