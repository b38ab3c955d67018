#!/usr/bin/env python3
"""What a client costs by its transport and hub protocol, beside what one of a plain WebSocket does: tests/bench/transports.py [figure ...]

    --rte PATH         the program, target/release/rte
    --clients 3500     how many; a table of the hub doubles at 3,584 and 7,168 of them
    --deliveries 100   events that each gets, one after the other
    --rounds 5         the kinds take turns; the medians are printed, and those of the ratios within a round

Figures: idle (RSS of each client that is past its Subscribe and hears nothing), deliveries (CPU of one event for one client, where
nothing is gathered), connects (CPU from the first byte to the answer to the handshake, by a token of HS256 and one of RS256).

Kinds: websocket (skips the negotiation, JSON), negotiated, stream (server-sent events), polls (a poll waits), messagepack
(negotiated), stateful (stateful reconnect; it acknowledges once a second, as stock clients do), tickets (negotiates, shows a ticket).
Needs openssl for RS256, and else Python's own library. Everything is on loopback.
"""
import argparse, json, os, re, resource, selectors, statistics, subprocess, tempfile, time
from crowd import AGENT, CROWD, ORGANIZATION, RS, Hub, alert, frame, publication, token

ROUTE = "/rte"
ITEM = {"EntityId": CROWD, "EventName": "UserAlert"}
INVOCATION = json.dumps({"type": 1, "invocationId": "1", "target": "Subscribe", "arguments": [[ITEM]]}).encode() + RS
# It is given up for what a Python client takes its time for.
PATIENT = ["limits.strangers_max=30000", "limits.disconnect_ms=600000", "limits.poll_ms=600000", "limits.idle_ms=600000"]


def hello(protocol="json", version=1):
    return json.dumps({"protocol": protocol, "version": version}).encode() + RS


def packed(value):
    """MessagePack, as far as a Subscribe needs it."""
    if isinstance(value, str):
        return bytes([0xD9, len(value.encode())]) + value.encode()
    if isinstance(value, int):
        return bytes([value])
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    return bytes([0x80 | len(value)]) + b"".join(packed(part) for pair in value.items() for part in pair)


def in_messagepack():
    message = packed([1, {}, "1", "Subscribe", [[ITEM]], []])
    return bytes([len(message) & 0x7F | 0x80, len(message) >> 7]) + message


class Client:
    """One of a kind, past its Subscribe."""

    def __init__(self, hub, bearer, **how):
        self.hub, self.bearer = hub, bearer
        getattr(self, how.pop("by", "upgrades"))(**how)

    def request(self, method, target, *headers, body=b""):
        lines = [f"{method} {target} HTTP/1.1", "Host: h", f"Authorization: Bearer {self.bearer}", *headers]
        lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def ask(self, stream, *request, **more):
        stream.sendall(self.request(*request, **more))
        head, rest = until(stream, b"\r\n\r\n").split(b"\r\n\r\n", 1)
        length = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
        while len(rest) < length:
            rest += stream.recv(1 << 16)
        return rest

    def negotiates(self, query=""):
        self.other = self.hub.connect()
        offer = json.loads(self.ask(self.other, "POST", f"{ROUTE}/negotiate?negotiateVersion=1{query}"))
        self.bearer = offer.get("accessToken", self.bearer)
        return f"{ROUTE}?id={offer['connectionToken']}"

    def upgrades(self, is_negotiated=True, query="", greeting=hello(), subscribe=frame(INVOCATION)):
        target = self.negotiates(query) if is_negotiated else ROUTE
        self.stream = self.hub.connect()
        if is_negotiated:
            self.other.close()
        upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        self.stream.sendall(self.request("GET", target, *upgrade) + frame(greeting) + subscribe)
        until(self.stream, b"subscribed" if subscribe else b"{}" + RS)

    def streams(self):
        target = self.negotiates()
        self.stream = self.hub.connect()
        self.stream.sendall(self.request("GET", target, "Accept: text/event-stream"))
        until(self.stream, b":\r\n")
        self.ask(self.other, "POST", target, body=hello() + INVOCATION)
        until(self.stream, b"subscribed")
        self.other.close()

    def polls(self):
        self.target = self.negotiates()
        self.stream = self.hub.connect()
        self.ask(self.stream, "GET", self.target)
        self.ask(self.other, "POST", self.target, body=hello() + INVOCATION)
        heard = b""
        while b"subscribed" not in heard:
            heard += self.ask(self.stream, "GET", self.target)
        self.other.close()
        self.again()

    def again(self):
        self.stream.sendall(self.request("GET", self.target))


STATEFUL = {"query": "&useStatefulReconnect=true", "greeting": hello(version=2)}
KINDS = {
    "websocket": {"is_negotiated": False}, "negotiated": {}, "stream": {"by": "streams"}, "polls": {"by": "polls"},
    "messagepack": {"greeting": hello("messagepack"), "subscribe": frame(in_messagepack(), 0x82)}, "stateful": STATEFUL,
}


def until(stream, mark):
    heard = b""
    while mark not in heard:
        heard += stream.recv(1 << 16) or exit(f"closed instead of {mark}: {heard}")
    return heard


def hub(options, *settings, words=()):
    return Hub(options.rte, 1, *words, *(word for setting in (*PATIENT, *settings) for word in ("--set", setting)))


def cpu_us(hub):
    tasks = f"/proc/{hub.process.pid}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks)) / 1e3


def idle(options, kind):
    bearer = token(sub=AGENT, rte=["user/*"])
    with hub(options) as it:
        _some = [Client(it, bearer, **KINDS[kind]) for _ in range(50)]
        before = it.status("VmRSS")
        _clients = [Client(it, bearer, **KINDS[kind]) for _ in range(options.clients - 50)]
        return (it.status("VmRSS") - before) * (1 << 20) / (options.clients - 50)


def deliveries(options, kind, members=1000):
    bearer, acknowledged = token(sub=AGENT, rte=["user/*"]), time.monotonic()
    with hub(options) as it:
        clients = [Client(it, bearer, **KINDS[kind]) for _ in range(members)]
        selector, publisher = selectors.DefaultSelector(), it.connect()
        for client in clients:
            selector.register(client.stream, selectors.EVENT_READ, client)
        before = cpu_us(it)
        for n in range(1, options.deliveries + 1):
            publisher.sendall(publication(alert(CROWD, str(n)).encode()))
            publisher.recv(1 << 16)
            left = members
            while left:
                for key, _ in selector.select():
                    heard = key.data.stream.recv(1 << 16).count(b"MessageReceived")
                    left -= heard
                    if kind == "polls" and heard:
                        key.data.again()
            if kind == "stateful" and time.monotonic() - acknowledged > 1:
                # The Completion counts, too.
                ack = frame(json.dumps({"type": 8, "sequenceId": n + 1}).encode() + RS)
                [client.stream.sendall(ack) for client in clients]
                acknowledged = time.monotonic()
        return (cpu_us(it) - before) / (members * options.deliveries)


def connects(options, kind, count=1000):
    """Of a client with a WebSocket and nothing but its handshake."""
    settings, words = ["auth.tickets=true"] if kind.startswith("tickets") else [], []
    how = {"is_negotiated": kind != "websocket", "subscribe": b""}
    with tempfile.TemporaryDirectory() as folder:
        bearer = token(sub=AGENT, rte=["user/*"])
        if kind.endswith("RS256"):
            bearer, words = of_public_key(options, folder)
        with hub(options, *settings, words=words) as it:
            before = cpu_us(it)
            _clients = [Client(it, bearer, **how) for _ in range(count)]
            return (cpu_us(it) - before) / count


def of_public_key(options, folder):
    """A token of RS256, and how a hub gets to know its key."""
    key, public, config = f"{folder}/key.pem", f"{folder}/public.pem", f"{folder}/rte.toml"
    run = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", public)
    with open(config, "w") as file:
        file.write(f'[auth]\npem_file = "{public}"\n')
    bearer = run(options.rte, "token", "--pem", key, "--sub", AGENT, "--org", ORGANIZATION, "--grant", "user/*")
    return bearer, ["--config", config]


FIGURES = {
    "idle": (idle, "B", list(KINDS)), "deliveries": (deliveries, "µs", list(KINDS)),
    "connects": (connects, "µs", ["websocket", "negotiated", "tickets", "negotiated, RS256", "tickets, RS256"]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], default=[])
    parser.add_argument("--rte", default="target/release/rte")
    parser.add_argument("--clients", type=int, default=3500)
    parser.add_argument("--deliveries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in options.figures or FIGURES:
        figure, unit, kinds = FIGURES[name]
        rounds = [{kind: figure(options, kind) for kind in kinds} for _ in range(options.rounds)]
        for kind in kinds:
            ratios = [found[kind] / found[other] for found in rounds for other in kinds[:1]]
            most = statistics.median(found[kind] for found in rounds)
            print(f"{name:<10} {kind:<18} {most:8.2f} {unit}, {statistics.median(ratios):.3f} × {kinds[0]}", flush=True)


if __name__ == "__main__":
    main()
