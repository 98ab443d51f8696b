# Where attacks take place: relays that differ in what they are told, each with healthy calls.
from .house import certificate, free_port
from .measure import Measurer

HOSTILE = {
    # name: kind of the upstream; the hostile twin behaves by the last part of the path.
    "flood": "openai", "dies": "openai", "falls": "openai", "masked": "openai",
    "oversized": "openai", "utf8": "openai", "marks": "deepgram", "slow": "openai",
    "escapes": "openai", "ones": "openai", "nobody": "openai", "empties": "openai",
    "words": "deepgram",
}


def hostile(port):
    """Upstreams of the hostile twin, and a route to each."""
    tables, routes = {}, []
    for name, kind in HOSTILE.items():
        path = "/v1/listen" if kind == "deepgram" else "/v1/realtime"
        tables[f"upstreams.{name}"] = {
            "kind": kind, "url": f"ws://127.0.0.1:{port}{path}/{name}", "key": "test"}
        routes.append({"path": f"/x/{name}", "upstream": name})
    return tables | {"routes": routes}


class Stand:
    """A relay, what it is told, and who calls it."""

    def __init__(self, name, kind="", limits=None, newcomers=True, loads=False, more=None):
        self.name, self.kind, self.newcomers = name, kind, newcomers
        self.loads = loads
        self.more = (more or {}) | ({"limits": limits} if limits else {})

    def start(self, house, upstream, ports, calls):
        """The relay's program, its door and its measurer."""
        more = hostile(ports["hostile"]) | {
            "upstreams.openai": {
                "url": f"ws://127.0.0.1:{ports['openai']}/v1/realtime", "key": "test"},
        }
        for name, table in self.more.items():
            more[name] = more.get(name, {}) | table
        if self.loads:
            port = free_port()
            ports[self.name] = {"port": port}
            load = {"kind": "openai", "url": f"ws://127.0.0.1:{port}/v1/realtime", "key": "test"}
            if self.kind:
                files = ports[self.name]["files"] = certificate(house.folder, self.kind)
                load |= {"kind": "deepgram", "ca_file": str(files[0]),
                         "url": f"wss://127.0.0.1:{port}/v1/listen"}
            more |= {"upstreams.load": load, "routes": more["routes"] + [
                {"path": "/load", "upstream": "load", "open": True}]}
        if "limits" in more and more["limits"].get("calls_max") == "healthy":
            more["limits"] = more["limits"] | {"calls_max": calls}
        program, door = house.relay(upstream.port, self.kind, more)
        return program, door, lambda: Measurer(upstream, door, calls, self.newcomers)


RAISED = {"calls_per_second_per_address": 100_000, "calls_per_second_per_key": 100_000,
          "handshakes_per_address_max": 10_000, "other_links_max": 1024}
STANDS = {stand.name: stand for stand in [
    Stand("plain"),
    Stand("tls", "ecdsa"),
    Stand("talk", loads=True),
    Stand("tls-rsa2048", "rsa2048", RAISED),
    Stand("tls-rsa4096", "rsa4096", RAISED),
    Stand("tls-raised", "ecdsa", RAISED),
    Stand("tls-proxy", "ecdsa", more={"listen": {"trusted_proxies": ["127.0.2.9"]}}),
    Stand("setups-ecdsa", "ecdsa", RAISED, loads=True),
    Stand("setups-rsa4096", "rsa4096", RAISED, loads=True),
    # Every place for a call is taken by a healthy one: newcomers rightly get 503.
    Stand("full", limits={"calls_max": "healthy"}, newcomers=False),
    Stand("seats", limits={"two_way_calls_max": 16}),
]}
