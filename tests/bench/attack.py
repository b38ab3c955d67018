#!/usr/bin/env python3
"""What an attack costs the hub, and what honest clients beside it notice: tests/bench/attack.py [attack ...]

    --rte PATH         the program, target/release/rte
    --threads 1        shards
    --seconds 5        how long each attack lasts
    --list             the attacks, each with what it does

Beside each attack an agent gets 100 events a second. The table has, per attack:

    µs       CPU of the hub, the system's part included, for each request that it has read; of new connections for each of these
    MB       RSS at the most, above that before the attack
    kernel   MB that the kernel holds for sockets of TCP at the most, both ends, above that before; judged where no token is shown,
             since what a client's socket may hold is socket_send_bytes and the kernel's own tcp_rmem
    left     RSS 6 s after its end, above that before: what the allocator keeps for the next burst, as well
    more     how much of that a second attack of the same kind has added: what is really left behind grows with each
    kept     what the hub itself counts for its peers (rte_memory_bytes), above that of the quiet run, in KB
    turn     the bound of rte_turn_cpu_seconds that holds the longest turn: work, not what else the machine does
    p50, p99 of the agent, in ms; the first row is the quiet run. A ? says that others had more than a tenth of the machine

What passes a bound has a ! behind it, and the exit code is 1: 20 µs of a stranger, 50 µs of a client (and 1 ns for each byte of
request and answer, 1 µs for each item of a publish), 30 MB, 100 MB in the kernel, 4 MB left, 0.5 MB more, 4 KB kept, 5 ms, 3 times
the quiet p99 (not judged with a ?). Attackers have what the machine has left (SCHED_IDLE), so that the hub is measured and not who
gets the core. Only Python's own library is needed, and openssl for TLS. Everything is on loopback.
"""
import argparse, base64, contextlib, dataclasses, gzip, json, os, re, resource, selectors, socket, ssl, subprocess, tempfile, threading, time, typing
from crowd import AGENT, CROWD, RS, SECRET, Hub, alert, at, frame, lines, measure, post, publication, subscribe, token, upgrade

STRANGER_US, CLIENT_US, MB, KERNEL_MB, LEFT_MB, MORE_MB, KEPT_KB, TURN_MS, TIMES, OTHERS, SETTLE_S = 20, 50, 30, 100, 4, .5, 4, 5, 3, .1, 6
OTHER = "000000ff-0000-4000-8000-000000000000"
GRANTS = [f"queue/{n:08x}-0000-4000-8000-000000000000" for n in range(130)]


@dataclasses.dataclass
class Attack:
    """Sockets that send `opening` once and `payload` again and again, all at once."""

    what: str
    sockets: int = 8
    opening: typing.Any = b""
    payload: bytes = b""
    requests: int = 1                   # in the payload; in the opening where there is no payload
    us: float | None = STRANGER_US
    reads: typing.Any = True            # or bytes a second
    pause: float = 0                    # between two payloads
    churns: bool = False                # is over with its opening and the first answer, and comes again
    items: int = 0                      # of a publish
    beside: typing.Any = None           # what else happens
    kind: str = ""                      # of the hub

    def open(self, hub, n):
        stream = hub.dial()
        if self.reads is not True:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.sendall(self.opening(n) if callable(self.opening) else self.opening)
        stream.setblocking(False)
        return stream

    def is_known(self):
        """Whether it shows a good token."""
        opening = self.opening(0) if callable(self.opening) else self.opening
        return b"Upgrade:" in opening or b"POST /publish" in opening + self.payload

    def run(self, hub):
        """Goes on until it is terminated; whoever is closed comes again."""
        # Whoever is woken comes before it at once; who only has a low priority keeps its core for milliseconds.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        if self.beside:
            threading.Thread(target=self.beside, args=[hub], daemon=True).start()
        selector, offsets, due, number = selectors.DefaultSelector(), {}, {}, 0
        writes = selectors.EVENT_WRITE if self.payload else 0
        paced = self.pause or self.reads not in (True, False)
        events = (selectors.EVENT_READ if self.reads is True else 0) | (0 if paced else writes)
        while True:
            while len(offsets) < self.sockets:
                try:
                    stream, number = self.open(hub, number), number + 1
                except OSError:
                    break
                offsets[stream] = 0
                if events:
                    selector.register(stream, events)
            for key, ready in selector.select(.01) if events else ():
                if not (self.take(key.fileobj) if ready & selectors.EVENT_READ else True) \
                        or ready & selectors.EVENT_WRITE and not self.give(key.fileobj, offsets):
                    selector.unregister(key.fileobj)
                    del offsets[key.fileobj]
                    key.fileobj.close()
            if paced:
                began = time.monotonic()
                for stream in [stream for stream in offsets if not self.take_a_little(stream, offsets)]:
                    selector.unregister(stream) if events else None
                    del offsets[stream]
                    stream.close()
                time.sleep(max(0, began + (self.pause or 1) - time.monotonic()))
            elif not events:
                time.sleep(.1)

    def take(self, stream):
        try:
            return bool(stream.recv(1 << 18)) and not self.churns
        except BlockingIOError:
            return True
        except OSError:
            return False

    def take_a_little(self, stream, offsets):
        if self.payload and not self.give(stream, offsets):
            return False
        try:
            return self.reads in (True, False) or bool(stream.recv(int(self.reads)))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def give(self, stream, offsets):
        try:
            offsets[stream] = (offsets[stream] + stream.send(self.payload[offsets[stream]:])) % len(self.payload)
            return True
        except BlockingIOError:
            return True
        except OSError:
            return False


def get(target, *headers):
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *headers, "", ""]).encode()


def client(*grants):
    return upgrade(token(sub=OTHER, rte=list(grants) or ["user/*", "queue/*"]))


def record(target, arguments="", number='"1"'):
    return f'{{"type":1,"invocationId":{number},"target":"{target}","arguments":[{arguments}]}}'.encode() + RS


def topics(n, count=1000):
    return [(f"{n:08x}-{m:04x}-4000-8000-000000000000", "UserAlert") for m in range(count)]


def own_topics(count):
    """Subscribes to topics of one's own, and takes them back."""
    return b"".join(subscribe(topics(1, 1000)[start:start + 100]) for start in range(0, count, 100)) + frame(record("UnsubscribeAll"))


def subscribed(n):
    return client() + b"".join(subscribe(topics(n)[start:start + 100]) for start in range(0, 1000, 100))


def chunked(head, body):
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def forged(alg):
    head, claims, _ = token(sub=OTHER).split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": alg}).encode()).decode().rstrip("=")
    return f"{head}.{claims}.{'Q' * (43 if alg == 'HS256' else 86)}"


def misspelt():
    item = json.dumps({"eventName": "UserAlertt", "data": {"organizationIdd": CROWD}}).encode()
    return b"\n".join([item] * 9_000)


def publishes(hub):
    while True:
        post(hub, [lines([alert(CROWD, "!", 700)] * 20)])
        time.sleep(.02)


def client_hello():
    """The first bytes of a handshake that could go on."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="h").do_handshake()
    return out.read()


def toggled():
    """Subscribes to all users, and takes that back."""
    return subscribe([("*", "UserAlert")]) + frame(record("Unsubscribe", '[{"entityId":"*","eventName":"UserAlert"}]'))


def wide_header():
    """A token whose header has thousands of members."""
    head = json.dumps({"alg": "HS256", **{f"m{n}": n for n in range(1_500)}}).encode()
    return ".".join([base64.urlsafe_b64encode(head).decode().rstrip("="), *forged("HS256").split(".")[1:]])


HELLO = bytes.fromhex("16030101fc010001f80303") + bytes(100)
PROXY = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
PUBLISHER_HEAD = b"\r\n".join([b"POST /publish HTTP/1.1", b"Host: h", b"Authorization: Bearer " + token(scope="publish").encode(),
                               b"Transfer-Encoding: chunked", b"Content-Type: application/json", b"", b""])
BOMB = gzip.compress(bytes(64 << 20), 9)
# A block without a byte has ten bits: not the last one, fixed codes, end of block.
EMPTY_BLOCKS = bytes.fromhex("1f8b08000000000000ff") + sum(2 << 10 * n for n in range(4)).to_bytes(5, "little") * 200_000
EMPTY_MEMBERS = gzip.compress(b"") * 40_000
FRAGMENTS = b"".join(frame(bytes([byte]), 0x01 if at == 0 else 0x00) for at, byte in enumerate(record("Catalogue")[:-1])) + frame(RS, 0x80)

ATTACKS = {
    "documents": Attack("pipelines 20 documents and reads none", 1000, payload=get("/reference") * 20, requests=20, reads=False, pause=.2),
    "nonsense": Attack("asks for a document, sends nonsense behind it and reads nothing", 1000, opening=get("/reference") + b"nonsense\r\n\r\n",
                       us=None, reads=False),
    "documents-read": Attack("the same, and reads them", 4, payload=get("/reference") * 20, requests=20, us=None),
    "not-modified": Attack("asks for pages that there are not", payload=get("/x") * 50, requests=50),
    "silent": Attack("connects and says nothing", 1000, us=None),
    "drip": Attack("sends a byte of a head each second", 1000, opening=b"GET /healthz HTTP/1.1\r\nX: ", payload=b"x", pause=1, us=None),
    "nearest": Attack("asks for schemas whose names are long and wrong", payload=get(f"/schemas/{'UserAlertt' * 11}.json") * 20, requests=20),
    "encoded": Attack("asks for paths of encoded slashes", payload=get("/" + "%2f" * 9_000)),
    "parameters": Attack("asks with queries of 14,000 parameters, and comes again", opening=get("/rte?" + "+&" * 14_000), churns=True, us=None),
    "open-api": Attack("asks for the description of the routes", payload=get("/openapi.json") * 20, requests=20),
    "headers": Attack("sends heads of 99 headers", payload=get("/healthz", *[f"A{n}: b" for n in range(98)]) * 5, requests=5),
    "long-heads": Attack("sends heads of 30 KiB", payload=get("/healthz", "A: " + "b" * 30_000)),
    "too-many": Attack("sends heads of 200 headers, and comes again", opening=get("/healthz", *[f"A{n}: b" for n in range(200)]),
                       churns=True, us=None),
    "negotiates": Attack("negotiates without a token", payload=b"POST /rte/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n" * 20,
                         requests=20),
    "chunks": Attack("negotiates with bodies in chunks of a byte", payload=chunked(
        b"POST /rte/negotiate HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", b"x" * 500), us=None),
    "forged": Attack("shows tokens with a wrong signature", payload=get("/rte?access_token=" + forged("HS256")) * 20, requests=20),
    "forged-es256": Attack("the same, where the key is public (P-256)", payload=get("/rte?access_token=" + forged("ES256")) * 20,
                           requests=20, kind="es256"),
    "foreign-alg": Attack("shows tokens of an algorithm that no key has", payload=get("/rte?access_token=" + forged("ES256")) * 20,
                          requests=20),
    "wide-headers": Attack("shows tokens whose headers have 1,500 members", payload=get("/rte", f"Authorization: Bearer {wide_header()}")),
    "churn": Attack("connects, asks once, and comes again", 64, opening=get("/healthz", "Connection: close"), churns=True, us=None),
    "proxy": Attack("sends headers of the PROXY protocol, and comes again", 64, opening=PROXY + get("/healthz"), churns=True, us=None),
    "tls-half": Attack("sends half a TLS handshake", 1000, opening=HELLO, us=None, kind="tls"),
    "tls-hello": Attack("begins a TLS handshake, leaves when it is answered, and comes again", 200, opening=client_hello(), churns=True,
                        us=None, kind="tls"),
    "tls-churn": Attack("sends what is no TLS handshake, and comes again", 64, opening=b"\x16\x03\x01\x00\x05hello",
                        churns=True, us=None, kind="tls"),
    "misspelt": Attack("publishes 1 MiB of misspelt names", 2, payload=publication(misspelt()), items=9_000, us=CLIENT_US),
    "publish-chunks": Attack("publishes in chunks of a byte", 4, payload=chunked(PUBLISHER_HEAD, alert(CROWD, "x" * 500).encode()), us=None),
    "bomb": Attack("publishes gzip that inflates to 64 MiB", 4, opening=publication(BOMB, "Content-Encoding: gzip"), churns=True, us=None),
    "empty-blocks": Attack("publishes gzip of 800,000 blocks without a byte", 2, payload=publication(EMPTY_BLOCKS, "Content-Encoding: gzip"),
                           us=None),
    "empty-members": Attack("publishes gzip of 40,000 members without a byte", 2, payload=publication(EMPTY_MEMBERS, "Content-Encoding: gzip"),
                            us=None),
    "catalogue": Attack("asks for the Catalogue", 8, opening=client(), payload=frame(record("Catalogue")) * 50, requests=50, us=CLIENT_US),
    "catalogue-grants": Attack("the same with 130 grants", 8, opening=client(*GRANTS), payload=frame(record("Catalogue")) * 50, requests=50,
                               us=CLIENT_US),
    "one-frame": Attack("asks 900 times in one frame", 8, opening=client(), payload=frame(record("Catalogue") * 900), requests=900,
                        us=CLIENT_US),
    "active": Attack("asks for its 1,000 subscriptions", 8, opening=subscribed, payload=frame(record("GetActiveSubscriptions")) * 20,
                     requests=20, us=CLIENT_US),
    "active-one-frame": Attack("the same 800 times in one frame", 8, opening=subscribed, payload=frame(record("GetActiveSubscriptions") * 800),
                               requests=800, us=CLIENT_US),
    "unread": Attack("asks for the Catalogue and reads nothing", 200, opening=client(), payload=frame(record("Catalogue")) * 50, requests=50,
                     us=CLIENT_US, reads=False, pause=.2),
    "own-topics": Attack("subscribes to 1,000 topics and takes them back", 8, opening=client(), payload=own_topics(1000), requests=11, us=None),
    "toggled": Attack("holds 1,000 users, subscribes to all of them and takes it back", 8,
                      opening=lambda n: client() + b"".join(subscribe(topics(n, 990)[at:at + 90]) for at in range(0, 990, 90)),
                      payload=toggled() * 100, requests=200, us=CLIENT_US),
    "empty-items": Attack("subscribes to 20,000 items that are none in one record", 8, opening=client(),
                          payload=frame(record("Subscribe", "[" + ",".join(["{}"] * 20_000) + "]")), us=CLIENT_US),
    "many-topics": Attack("1,000 subscriptions on each of 200 connections", 200, opening=subscribed, us=None),
    "endless": Attack("sends 100 KiB of a record without an end", 200, opening=client() + frame(b"{" + b"x" * 60_000, 0x01)
                      + frame(b"x" * 40_000, 0x00), us=None),
    "fragments": Attack("asks in fragments of a byte", 8, opening=client(), payload=FRAGMENTS * 20, requests=20, us=CLIENT_US),
    "pings": Attack("sends pings of WebSocket", 8, opening=client(), payload=frame(b"x" * 125, 0x89) * 200, requests=200, us=CLIENT_US),
    "pongs": Attack("sends pongs that nobody asked for", 8, opening=client(), payload=frame(b"x" * 125, 0x8A) * 200, requests=200,
                    us=CLIENT_US),
    "hub-pings": Attack("sends pings of SignalR", 8, opening=client(), payload=frame((b'{"type":6}' + RS) * 200), requests=200, us=CLIENT_US),
    "no-method": Attack("calls methods that there are not", 8, opening=client(), payload=frame(record("x" * 200)) * 50, requests=50,
                        us=CLIENT_US),
    "closed": Attack("is closed for nonsense, and sends 4 MiB of pings all the same", 64, opening=client() + frame(b"nonsense" + RS)
                     + frame(b"", 0x89) * 700_000, churns=True, us=None),
    "slow-readers": Attack("100 members read 4 KB a second of what comes for a crowd", 100, opening=lambda _: client() + subscribe(
        [(CROWD, "UserAlert")]), reads=4096, beside=publishes, us=None),
}


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@contextlib.contextmanager
def hub_of(options, kind):
    """A hub that speaks TLS, or whose clients' key is a public one, where the word says so."""
    with tempfile.TemporaryDirectory() as folder:
        # What is published meanwhile would be kept for those who come back.
        quiet = ["--set", "limits.history_bytes_max=0"]
        key, public, words = f"{folder}/key", f"{folder}/public", quiet
        if kind == "tls":
            openssl(*"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=h -keyout".split(), key, "-out", public)
            words = quiet + ["--set", f"server.tls_key={key}", "--set", f"server.tls_certificate={public}"]
        if kind == "es256":
            openssl(*"ecparam -name prime256v1 -genkey -noout -out".split(), key)
            openssl("ec", "-in", key, "-pubout", "-out", public)
            with open(f"{folder}/rte.toml", "w") as file:
                file.write(f'[[auth.keys]]\npem_file = "{public}"\n[[auth.keys]]\nid = "b"\nsecret = "{SECRET}"\n')
            words = quiet + ["--config", f"{folder}/rte.toml"]
        with Hub(options.rte, options.threads, *words) as hub:
            if kind == "tls":
                hub.tls = ssl._create_unverified_context()
            measure(hub, 1, lambda: None)
            yield hub


def machine():
    """Seconds that all cores have been busy."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def descendants():
    """CPU of this process and all below it, those that live and those that are over."""
    parents, times = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            parents[int(pid)], times[int(pid)] = int(fields[1]), sum(map(int, fields[11:15]))
    def is_ours(pid):
        while pid and pid != os.getpid():
            pid = parents.get(pid, 0)
        return pid == os.getpid()
    return sum(time for pid, time in times.items() if is_ours(pid)) / os.sysconf("SC_CLK_TCK")


class Numbers:
    def __init__(self, hub):
        text = hub.metrics()
        number = lambda name: float(re.search(rf"^{name} (\S+)", text, re.M)[1])
        self.cpu, self.took, self.sent = hub.cpu(), number("rte_received_bytes_total"), number("rte_sent_bytes_total")
        self.requests, self.messages = number("rte_http_requests_total"), number("rte_hub_messages_total")
        self.accepted, self.when = number("rte_connections_accepted_total"), time.monotonic()
        self.kept, self.others = number("rte_memory_bytes"), machine() - descendants()
        self.turns = [float(count) for count in re.findall(r"rte_turn_cpu_seconds_bucket\S+ (\d+)", text)]
        self.bounds = re.findall(r'rte_turn_cpu_seconds_bucket\{le="(\S+?)"', text)

    def longest_ms(self, before):
        counts = [now - then for now, then in zip(self.turns, before.turns)]
        return float(self.bounds[next(at for at, count in enumerate(counts) if count == counts[-1])]) * 1000


def kernel_mb():
    """What the kernel holds for sockets of TCP."""
    words = re.search(r"^TCP: .*", open("/proc/net/sockstat").read(), re.M)[0].split()
    return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def settled(hub):
    """RSS and what is kept, once the hub has had its time to notice, and to give back."""
    time.sleep(SETTLE_S)
    return hub.status("VmRSS"), Numbers(hub).kept


def figures(hub, attack, seconds, quiet):
    """One row: the figures, each with its verdict."""
    before, rss, held, most = Numbers(hub), hub.status("VmRSS"), kernel_mb(), [0, 0]
    def watch():
        most[:] = max(most[0], hub.status("VmRSS")), max(most[1], kernel_mb())
    def meanwhile():
        attack.run(hub) if attack else time.sleep(60)
    latencies, _ = measure(hub, seconds, meanwhile, watch)
    after = Numbers(hub)
    left, kept = settled(hub)
    is_alone = (after.others - before.others) / (after.when - before.when) < OTHERS * os.cpu_count()
    row = {"p50": (at(latencies, .5), None), "p99": (at(latencies, .99), is_alone and quiet and TIMES * quiet["p99"][0]),
           "MB": (most[0] - rss, MB), "kernel": (most[1] - held, attack and not attack.is_known() and KERNEL_MB), "left": (left - rss, LEFT_MB), "kept": ((kept - before.kept) / 1024 - (quiet["kept"][0] if quiet else 0), quiet and KEPT_KB),
           "turn": (after.longest_ms(before), TURN_MS), "alone": (is_alone, None)}
    if attack:
        measure(hub, seconds, meanwhile)
        row["more"] = settled(hub)[0] - left, MORE_MB
    seconds = after.when - before.when
    row["cpu"] = ((after.cpu - before.cpu) / seconds, None)
    row["took"], row["sent"] = ((after.took - before.took) / seconds, None), ((after.sent - before.sent) / seconds, None)
    if attack:
        cpu, took, sent = (row[name][0] - quiet[name][0] for name in ("cpu", "took", "sent"))
        if attack.churns:
            count = (after.accepted - before.accepted) / seconds
        elif b"HTTP/1.1" in attack.payload:
            count = (after.requests - before.requests) / seconds - 100
        elif RS in attack.payload:
            count = (after.messages - before.messages) / seconds
        else:
            count = took / len(attack.payload) * attack.requests if attack.payload else 0
        bound = attack.us and attack.us + ((sent + took) / count * .001 if count else 0) + attack.items
        row["each"], row["rate"] = (cpu / count * 1e6 if count else 0, bound), (count, None)
    return row


def shown(name, row):
    cell = lambda name, digits: (f"{row[name][0]:.{digits}f}" + ("!" if row[name][1] and row[name][0] > row[name][1] else "")
                                 if name in row else "")
    columns = [cell("rate", 0), cell("each", 1), cell("MB", 1), cell("kernel", 0), cell("left", 1), cell("more", 1), cell("kept", 1), cell("turn", 0),
               cell("p50", 2), cell("p99", 2) + ("" if row["alone"][0] else "?")]
    return f"{name:<18}" + "".join(f"{column:>10}" for column in columns) + f"{row['cpu'][0]:>8.0%}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", choices=[[], *ATTACKS], default=[])
    parser.add_argument("--rte", default="target/release/rte")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        return print("\n".join(f"{name:<18} {attack.what}" for name, attack in ATTACKS.items()))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{'attack':<18}" + "".join(f"{title:>10}" for title in ("/s", "µs", "MB", "kernel", "left", "more", "kept", "turn", "p50", "p99")) + f"{'CPU':>8}")
    quiet, is_bad = {}, False
    for name in options.attacks or ATTACKS:
        attack = ATTACKS[name]
        if attack.kind not in quiet:
            with hub_of(options, attack.kind) as hub:
                quiet[attack.kind] = figures(hub, None, options.seconds, None)
            print(shown(f"quiet {attack.kind}", quiet[attack.kind]), flush=True)
        with hub_of(options, attack.kind) as hub:
            row = figures(hub, attack, options.seconds, quiet[attack.kind])
        print(shown(name, row), flush=True)
        is_bad |= any(bound and value > bound for value, bound in row.values())
    exit(is_bad)


if __name__ == "__main__":
    main()
