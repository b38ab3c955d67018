#!/usr/bin/env python3
"""What a crowd costs the others, and whether anybody who reads is closed: tests/bench/crowd.py [figure ...]

    --rte PATH         the program, target/release/rte
    --threads 1,2      shards; each figure is made with each of them
    --members 1000     members of the crowd's topic; the soft limit of descriptors must allow for them
    --seconds 5        how long latencies are measured
    --wsload PATH      a load generator that prints "us_per_delivery" as JSON, for the figure "deliveries"

Figures: callbacks (1,100 callbacks in one request to 300 readers), publishers (8 requests of 1 MiB at once to 300 readers),
agent (events for one agent while the crowd gets 100 a second), large (the same during requests of 1 MiB for the crowd),
subscribes (the same while clients subscribe to 1,000 topics each), mute (the same beside 100 peers that never read),
wallboard (the same while a reader of 64 KiB/s gets a snapshot of 5,000 entities by one subscription, and what it got),
returns (5,000 clients that come back at once, with 20 topics each: their CPU, and what 500 others wait for meanwhile),
journal (the same without a crowd, by hubs that keep publications in memory, in files, and on the disk),
deliveries (CPU of a delivery, by the load generator). Only Python's own library is needed. Everything is on loopback.
The reader is one process, the one that measures another; a machine with two cores to spare gives figures worth comparing.
"""
import argparse, base64, hashlib, hmac, json, multiprocessing, os, re, resource, selectors, socket, subprocess, tempfile, time

SECRET = "the secret of the bench has more than 32 bytes"
ORGANIZATION = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59"
CROWD, AGENT, LIST = (f"{n:08x}-0000-4000-8000-000000000000" for n in (1, 2, 3))
RS = b"\x1e"


def token(**claims):
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    claims = {"exp": 4102444800, "org": ORGANIZATION, **claims}
    head = b".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256"}, claims))
    return (head + b"." + part(hmac.new(SECRET.encode(), head, hashlib.sha256).digest())).decode()


class Hub:
    tls = None  # a context where the hub speaks TLS

    def __init__(self, rte, threads, *words):
        command = [rte, "serve", "--set", "server.listen=127.0.0.1:0", "--set", f"server.threads={threads}", *words]
        environment = {**os.environ} if "--config" in words else {**os.environ, "RTE_AUTH_SECRET": SECRET}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        for line in self.process.stderr:
            if found := re.search(r"127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        multiprocessing.get_context("fork").Process(target=lambda: self.process.stderr.read(), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def dial(self):
        stream = socket.create_connection(("127.0.0.1", self.port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def connect(self):
        return self.tls.wrap_socket(self.dial()) if self.tls else self.dial()

    def status(self, name):
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self):
        with self.connect() as stream:
            stream.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: stream.recv(1 << 16), b"")).decode()

    def closed(self):
        counts = re.findall(r'rte_connections_closed_total\{reason="(overrun|backlog_full|write_stuck)"\} (\d+)', self.metrics())
        return {reason: int(count) for reason, count in counts if count != "0"}


def frame(payload, first=0x81):
    length = len(payload)
    head = bytes([first, 0x80 | length]) if length < 126 else bytes([first, 0xFE]) + length.to_bytes(2, "big")
    return head + bytes(4) + payload


def subscribe(pairs, more=""):
    items = ",".join(f'{{"EntityId":"{entity}","EventName":"{event}"{more}}}' for entity, event in pairs)
    record = f'{{"type":1,"invocationId":"1","target":"Subscribe","arguments":[[{items}]]}}'
    return frame(record.encode() + RS)


def upgrade(bearer):
    """The request for a WebSocket, and SignalR's handshake."""
    return (f"GET /rte?access_token={bearer} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            + frame(b'{"protocol":"json","version":1}' + RS))


def publication(body, *headers):
    lines = ["POST /publish HTTP/1.1", "Host: h", f"Authorization: Bearer {token(scope='publish')}",
             "Content-Type: application/x-ndjson", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """Counts what it hears of these words, and keeps the last bytes for words that are cut."""

    def __init__(self, hub, pairs, read_bytes=None):
        self.stream, self.counts, self.rest, self.is_closed = hub.connect(), {}, b"", False
        if read_bytes:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)
        self.stream.sendall(upgrade(token(sub=AGENT, rte=["user/*", "queue/*", "calllist/*"])) + subscribe(pairs))
        while self.rest.count(b'"subscribed":true') < len(pairs):
            self.rest += self.stream.recv(1 << 16)
        self.rest = b""

    def read(self, word):
        try:
            got = self.stream.recv(1 << 18)
        except ConnectionError:
            got = b""
        self.is_closed |= not got
        text = self.rest + got
        self.counts[word] = self.counts.get(word, 0) + text.count(word)
        self.rest = text[len(text) - len(word) + 1:] if len(word) > 1 else b""
        return got


def post(hub, bodies):
    """Requests, one after the other; the statuses."""
    with hub.connect() as stream:
        reader, statuses = stream.makefile("rb"), []
        for body in bodies:
            stream.sendall(publication(body))
            statuses.append(int(reader.readline().split()[1]))
            length = 0
            while (line := reader.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            reader.read(length)
        return statuses


def alert(user, value, padding=0):
    return json.dumps({"eventName": "UserAlert", "data": {
        "alertId": LIST, "conditionExpression": "x" * padding, "conditionName": "a", "conditionValue": "5",
        "organizationId": ORGANIZATION, "userId": user, "value": value}})


def callback(n):
    data = {name: None for name in (
        "callId", "classificationId", "contactMessage", "contactName", "dueDate", "expiryDate", "lastAttemptNote",
        "lastAttemptTimestamp", "lastAttemptTypeId", "lastAttemptUserId", "lastModifiedUserId", "notBefore",
        "recordingId", "transcriptId")}
    data |= {"assignedUserId": AGENT, "calculatedPriority": "100", "callbackAttempts": [], "callbackExtras": [],
             "callBackId": CROWD, "callbackRelatedItems": [], "callListId": LIST, "channelIn": "Support",
             "contactNumber": "+358401234567", "creationTime": "2024-05-31T07:01:22.1170000Z",
             "modified": "2024-05-31T07:01:22.1170000Z", "note": f"{n:0100}", "organizationId": ORGANIZATION, "typeId": 2}
    return json.dumps({"eventName": "CallbackChanged", "data": data}, separators=(",", ":"))


def lines(items):
    return "\n".join(items).encode()


def fork(target, *arguments):
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def burst(hub, pairs, bodies, each, word=b'"MessageReceived"'):
    """All bodies at once, to 300 readers: who was closed, what was lost."""
    readers = [Client(hub, pairs) for _ in range(300)]
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.stream, selectors.EVENT_READ, reader)
    began, most = time.monotonic(), 0
    publishers = [fork(post, hub, [body]) for body in bodies]
    while time.monotonic() - began < 120:
        for key, _ in selector.select(1):
            reader = key.data
            reader.read(word)
            if reader.is_closed or reader.counts[word] >= each:
                selector.unregister(reader.stream)
        most = max(most, hub.status("VmRSS"))
        if not selector.get_map():
            break
    took = time.monotonic() - began
    [publisher.join() for publisher in publishers]
    lost = sum(each - reader.counts.get(word, 0) for reader in readers)
    return f"closed {hub.closed() or 'nobody'}, lost {lost}, {took:.1f} s, RSS at most {most:.0f} MB"


def callbacks(hub, _):
    pairs = [(LIST, "CallbackChanged"), (AGENT, "UserCallbackChanged")]
    return burst(hub, pairs, [lines(callback(n) for n in range(1100))], 2200)


def publishers(hub, _):
    body = lines(alert(CROWD, str(n), 700) for n in range(1000))
    return burst(hub, [(CROWD, "UserAlert")], [body] * 8, 8000)


def read_all(clients):
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.stream, selectors.EVENT_READ, client)
    while selector.get_map():
        for key, _ in selector.select():
            if not key.data.read(b"!"):
                selector.unregister(key.data.stream)


def probe(hub, seconds, meanwhile):
    """The percentiles of what an agent waits for."""
    latencies, busy = measure(hub, seconds, meanwhile)
    return (f"p50 {at(latencies, .5):.2f} ms, p99 {at(latencies, .99):.2f} ms, p99.9 {at(latencies, .999):.2f} ms, "
            f"CPU {busy:.0%}, closed {hub.closed() or 'nobody'}")


def at(latencies, share):
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] / 1e6


def measure(hub, seconds, meanwhile, watch=lambda: None):
    """Events for one agent, 100 a second, sent without waiting for the last one: their latencies, and the hub's share of a core."""
    agent = Client(hub, [(AGENT, "UserAlert")])
    process = fork(meanwhile)
    began, cpu, latencies = time.monotonic(), hub.cpu(), []
    def send():
        stream = hub.connect()
        for n in range(seconds * 100):
            time.sleep(max(0, began + n / 100 - time.monotonic()))
            stream.sendall(publication(alert(AGENT, f"~{time.monotonic_ns()}~").encode()))
        stream.recv(1 << 20)
        time.sleep(5)
    sender, text = fork(send), b""
    agent.stream.settimeout(10)
    while len(latencies) < seconds * 100:
        text += agent.stream.recv(1 << 16) or exit("the agent was closed")
        now = time.monotonic_ns()
        *marks, text = text.split(RS)
        latencies += [now - int(mark[1]) for mark in (re.search(rb"~(\d+)~", each) for each in marks) if mark]
        watch()
    busy = (hub.cpu() - cpu) / (time.monotonic() - began)
    process.terminate()
    sender.terminate()
    return sorted(latencies), busy


def crowd(hub, options):
    clients = [Client(hub, [(CROWD, "UserAlert")]) for _ in range(options.members)]
    reading = fork(read_all, clients)
    return clients, reading


def agent(hub, options):
    held = crowd(hub, options)
    def meanwhile():
        while True:
            post(hub, [alert(CROWD, "!").encode()])
            time.sleep(.01)
    return probe(hub, options.seconds, meanwhile), held[1].terminate()


def large(hub, options):
    held = crowd(hub, options)
    body = lines(alert(CROWD, "!", 700) for _ in range(1000))
    def meanwhile():
        while True:
            post(hub, [body])
            time.sleep(1)
    return probe(hub, options.seconds, meanwhile), held[1].terminate()


def subscribes(hub, options):
    def meanwhile():
        pairs = [(f"{n:08x}-1111-4000-8000-000000000000", "UserAlert") for n in range(1000)]
        while True:
            clients = [Client(hub, []) for _ in range(200)]
            for start in range(0, 1000, 100):
                [client.stream.sendall(subscribe(pairs[start:start + 100])) for client in clients]
            for client in clients:
                while client.counts.get(b'"subscribed":true', 0) < 1000:
                    client.read(b'"subscribed":true')
                client.stream.close()
    return probe(hub, options.seconds, meanwhile), None


def mute(hub, options):
    held = crowd(hub, options), [Client(hub, [(CROWD, "UserAlert")], 4096) for _ in range(100)]
    def meanwhile():
        while True:
            post(hub, [lines([alert(CROWD, "!", 700)] * 10)])
            time.sleep(.05)
    return probe(hub, options.seconds, meanwhile), held[0][1].terminate()


def status(n):
    return json.dumps({"eventName": "QueueStatus", "data": {
        "maxWaitTime": 74, "nbrOfAgentsCheckedInQueue": 5, "nbrOfAgentsImmediatelyFree": 0, "nbrOfAgentsLongTermAway": 1,
        "nbrOfAgentsOnWrapUp": 1, "nbrOfAgentsShortTermAway": 3, "nbrOfAllocated": 1, "nbrOfConnected": 3,
        "nbrOfNotServedRequesters": 3, "nbrOfProviders": 5, "nbrOfQueuingRequesters": 2, "nbrOfRequesters": 6,
        "nbrOfServingAgentsEstimate": 4, "openStatus": 5, "organizationId": ORGANIZATION,
        "queueId": f"{n:08x}-2222-4000-8000-000000000000", "queueName": f"Queue {n}"}})


def wallboard(hub, options, rows=5000, bytes_per_s=64 * 1024):
    for first in range(0, rows, 1000):
        assert post(hub, [lines(status(n) for n in range(first, first + 1000))]) == [202]
    quiet = probe(hub, options.seconds, lambda: time.sleep(options.seconds + 60))
    reports = multiprocessing.get_context("fork").Queue()
    def meanwhile():
        client, began, word = Client(hub, [], 16 * 1024), time.monotonic(), b"MessageReceived"
        client.stream.sendall(subscribe([("*", "QueueStatus")], ',"Snapshot":true'))
        while client.counts.get(word, 0) < rows and not client.is_closed:
            text = client.rest + client.stream.recv(4096)
            client.counts[word] = client.counts.get(word, 0) + text.count(word)
            client.rest, client.is_closed = text[len(text) - len(word) + 1:], len(text) == len(client.rest)
            time.sleep(4096 / bytes_per_s)
        reports.put(f"{client.counts[word]} rows in {time.monotonic() - began:.0f} s")
        time.sleep(60)
    return f"quiet {quiet}; meanwhile {probe(hub, max(options.seconds, 75), meanwhile)}; {reports.get(timeout=90)}", None


def returning(n, topics=20):
    """A user with a token of its own, and the pairs of that client."""
    user = f"{n:08x}-3333-4000-8000-000000000000"
    pairs = [(f"{(n * 7 + k * 53) % 1000:08x}-4444-4000-8000-000000000000", "UserAlert") for k in range(topics)]
    return token(sub=user, rte=["user/*"]), pairs


def all_at_once(hub, hellos, word, each, most=500):
    """Clients that say that and wait for so many of these words, so many of them at a time: how long it took, their sockets."""
    selector, waiting, streams, began = selectors.DefaultSelector(), list(hellos), [], time.monotonic()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < most:
            stream = hub.connect()
            stream.sendall(waiting.pop())
            streams.append(stream)
            selector.register(stream, selectors.EVENT_READ, [0, b""])
        for key, _ in selector.select():
            got = key.fileobj.recv(1 << 18) or exit("a client that comes back was closed")
            text = key.data[1] + got
            key.data[:] = [key.data[0] + text.count(word), text[len(text) - len(word) + 1:]]
            if key.data[0] >= each:
                selector.unregister(key.fileobj)
    return time.monotonic() - began, streams


def living(hub, seconds, meanwhile, members=500):
    """The percentiles of what members wait for, of ten events a second, while `meanwhile` goes on or for so long; what it said."""
    clients = [Client(hub, [(CROWD, "UserAlert")]) for _ in range(members)]
    reports, latencies = multiprocessing.get_context("fork").Queue(), []
    fork(lambda: reports.put(meanwhile()))
    def send():
        with hub.connect() as stream:
            while True:
                stream.sendall(publication(alert(CROWD, f"~{time.monotonic_ns()}~").encode()))
                stream.recv(1 << 16)
                time.sleep(.1)
    sender, selector, until = fork(send), selectors.DefaultSelector(), time.monotonic() + seconds
    for client in clients:
        selector.register(client.stream, selectors.EVENT_READ, client)
    while reports.empty() or time.monotonic() < until:
        for key, _ in selector.select(.1):
            found = re.findall(rb"~(\d+)~", key.data.stream.recv(1 << 16) or exit("a living member was closed"))
            latencies += [time.monotonic_ns() - int(mark) for mark in found]
    sender.terminate()
    [client.stream.close() for client in clients]
    return sorted(latencies), reports.get()


def returns(hub, options, clients=5000):
    some = [returning(n) for n in range(clients)]
    _, streams = all_at_once(hub, [upgrade(some[0][0]) + subscribe(some[0][1], ',"Since":null')], b'"position":"', 20)
    streams[0].sendall(subscribe(some[0][1][:1], ',"Since":null'))
    place = re.search(rb'"position":"(\w+)"', streams[0].recv(1 << 16))[1].decode()
    # Every client has missed one event, more or less.
    assert post(hub, [lines(alert(f"{n * 20:08x}-4444-4000-8000-000000000000", "missed") for n in range(50))]) == [202]
    def come(hello, word, each):
        hellos = [hello(*it) for it in some]
        cpu = hub.cpu()
        took, streams = all_at_once(hub, hellos, word, each)
        found = (hub.cpu() - cpu) / clients * 1e6
        [stream.close() for stream in streams]
        return found, took
    quiet, _ = living(hub, options.seconds, lambda: time.sleep(options.seconds))
    connects, (connect, _) = living(hub, 0, lambda: come(lambda bearer, _: upgrade(bearer), b"{}" + RS, 1))
    since = f',"Since":"{place}"'
    latencies, (back, took) = living(
        hub, 0, lambda: come(lambda bearer, pairs: upgrade(bearer) + subscribe(pairs, since), b'"recovered":true', 20))
    return (f"{back - connect:.0f} µs of CPU for each client beyond its connect of {connect:.0f} µs, all in {took:.1f} s; "
            f"p99 of the others quiet {at(quiet, .99):.2f} ms, while they only connect {at(connects, .99):.2f} ms, "
            f"while they come back {at(latencies, .99):.2f} ms; closed {hub.closed() or 'nobody'}")


def journal(_, options, rounds=3):
    engines = {"memory": [], "no": ["journal.engine=file"], "always": ["journal.engine=file", "journal.sync=always"]}
    latencies = {name: [] for name in engines}
    for name, settings in list(engines.items()) * rounds:
        with tempfile.TemporaryDirectory(dir=os.path.dirname(options.rte) or None) as folder:
            more = [f"journal.dir={os.path.abspath(folder)}"] if settings else []
            words = [word for setting in settings + more for word in ("--set", setting)]
            with Hub(options.rte, options.shards, *words) as hub:
                latencies[name] += measure(hub, options.seconds, lambda: None)[0]
    figures = ((name, sorted(found)) for name, found in latencies.items())
    return ", ".join(f"{name} p50 {at(found, .5):.3f} ms p99 {at(found, .99):.2f} ms" for name, found in figures)


def deliveries(hub, options):
    found = []
    for name, more in {"f100": ["--subs", "100"], "f1000": ["--subs", "1000"], "f5000": ["--subs", "5000"],
                       "w1": ["--subs", "1000", "--window", "1"]}.items():
        url = f"ws://127.0.0.1:{hub.port}/rte?access_token={{TOKEN}}"
        command = [options.wsload, "fanout", "--dialect", "signalr", "--url", url, "--org", ORGANIZATION,
                   "--token", token(sub=AGENT, rte=["user/*"]), "--pub-token", token(scope="publish"),
                   "--pub-url", f"http://127.0.0.1:{hub.port}/publish", "--pub-pipeline", "256",
                   "--pid", str(hub.process.pid), "--json", "--duration", "3", *more]
        figures = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
        found.append(f"{name} {figures['window']['server']['us_per_delivery']:.3f} µs")
    return ", ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = {each.__name__: each for each in (
        callbacks, publishers, agent, large, subscribes, mute, wallboard, returns, journal, deliveries)}
    parser.add_argument("figures", nargs="*", choices=[[], *figures], default=[])
    parser.add_argument("--rte", default="target/release/rte")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--wsload")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in options.figures or [name for name in figures if name != "deliveries" or options.wsload]:
        for threads in options.threads.split(","):
            with Hub(options.rte, threads) as hub:
                options.shards = threads
                found = figures[name](hub, options)
                print(f"{name:<11} {threads} shard(s): {found if isinstance(found, str) else found[0]}", flush=True)


if __name__ == "__main__":
    main()
