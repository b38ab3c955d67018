#!/usr/bin/env python3
"""What it costs that several nodes are one hub, against what Redis does alone: tests/bench/nodes.py [figure ...]

    --rte PATH         the program, target/release/rte
    --before PATH      another one, for the figure "memory"
    --items 100000     publications of a figure
    --rounds 5         of the figure "memory", each with both programs in turn

Figures: publish (publications a second over two nodes in requests of 256, against pipelined XADD), engine (CPU of Redis for a
publication that four nodes read, against XADD and four XREAD), latency (from a publish at one node to a client of the other,
against one hub and twice the way to Redis), reading (CPU of a node without members that reads 20,000 a second), back (how long
after Redis answers again until a node takes publications), memory (CPU of a delivery with engine = "memory", of --rte against
--before). Each line ends with its goal; where that is missed the exit code is 1. Needs redis-server; a
machine with two cores to spare gives figures worth comparing. Everything is on loopback.
"""
import argparse, contextlib, re, selectors, socket, statistics, subprocess, tempfile, time
from crowd import AGENT, CROWD, Client, Hub, alert, fork, lines, post, publication

DATA = 300
BATCH = 256
# What goes before each item of publications that Redis gets without a hub: an entry as long as one of a hub.
HEAD = 90


class Redis:
    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as place:
            self.port = place.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        self.start()

    def start(self):
        words = f"--port {self.port} --bind 127.0.0.1 --appendonly yes --dir {self.folder.name}".split()
        self.process = subprocess.Popen(["redis-server", *words, "--save", ""], stdout=subprocess.DEVNULL)
        while True:
            with contextlib.suppress(OSError):
                if self.ask("PING").startswith("+PONG"):
                    return
            time.sleep(.01)

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.sendall(f"{command}\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: stream.recv(1 << 16), b"")).decode()

    cpu = Hub.cpu

    def latency_ms(self):
        """The median of what redis-cli --latency measures."""
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = []
            for _ in range(500):
                began = time.perf_counter()
                stream.sendall(b"PING\r\n")
                stream.recv(64)
                took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


@contextlib.contextmanager
def nodes(rte, redis, count, threads=1):
    words = ["--set", "journal.engine=redis", "--set", f"journal.redis.addresses=127.0.0.1:{redis.port}"]
    with contextlib.ExitStack() as stack:
        hubs = [stack.enter_context(Hub(rte, threads, *words)) for _ in range(count)]
        for hub in hubs:
            while not asked(hub, "/readyz").startswith("HTTP/1.1 200"):
                time.sleep(.01)
        yield hubs


def asked(hub, path):
    with hub.connect() as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: stream.recv(1 << 16), b"")).decode()


def number(hub, name):
    return float(re.search(rf"^{name} (\S+)", hub.metrics(), re.M)[1])


def body(padding=DATA - 180):
    return lines(alert(CROWD, str(n), padding) for n in range(BATCH))


def request(hub, text, count):
    """So many requests on one connection, each sent when the one before is answered."""
    assert set(post(hub, [text] * count)) == {202}


def xadd(redis, items, publishers=2):
    """Appends by pipelines of XADD; publications a second."""
    began = time.monotonic()
    forks = [fork(append, redis, items // BATCH // publishers) for _ in range(publishers)]
    [process.join() for process in forks]
    return items / (time.monotonic() - began)


def append(redis, count):
    words = [b"XADD", b"bare", b"*", b"h", b"h" * HEAD, b"d", b"d" * DATA]
    command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    with socket.create_connection(("127.0.0.1", redis.port)) as stream:
        for _ in range(count):
            stream.sendall(command * BATCH)
            ends = 0
            while ends < 2 * BATCH:
                ends += stream.recv(1 << 16).count(b"\n")


def published(hubs, items, publishers=4):
    """Publications a second by that many publishers, each with requests of a batch."""
    began = time.monotonic()
    count = items // BATCH // publishers
    forks = [fork(request, hubs[at % len(hubs)], body(), count) for at in range(publishers)]
    [process.join() for process in forks]
    return count * BATCH * publishers, time.monotonic() - began


def await_read(hubs, count):
    """Waits until all of them have read so many entries. A figure of nodes that were too slow to read all is none."""
    while waiting := [hub for hub in hubs if number(hub, "rte_backplane_read_total") < count]:
        for hub in waiting:
            if missed := number(hub, "rte_backplane_missed_total"):
                raise SystemExit(f"a node has missed {missed:.0f} entries, which the log had no more: take fewer --items, or a machine of its own")
        time.sleep(.05)


def publish(options):
    with Redis() as redis:
        alone = xadd(redis, options.items)
        with nodes(options.rte, redis, 2) as hubs:
            count, took = published(hubs, options.items)
    ratio = count / took / alone
    return f"{count / took:,.0f}/s over two nodes, {alone:,.0f}/s by XADD alone: {ratio:.2f} of it, goal 0.55", ratio >= .55


def drain(redis, last):
    """Reads a stream up to the entry of that number, as a node reads: 512 at a time."""
    with socket.create_connection(("127.0.0.1", redis.port)) as stream:
        seen, at, entry = 0, "0", re.compile(rb"\r\n(\d{13}-\d+)\r\n")
        while seen < last:
            stream.sendall(f"XREAD COUNT 512 BLOCK 1000 STREAMS bare {at}\r\n".encode())
            answer = b""
            while not answer.startswith(b"*-1\r\n") and not is_whole(answer):
                answer += stream.recv(1 << 20)
            ids = entry.findall(answer)
            seen, at = seen + len(ids), ids[-1].decode() if ids else at


def is_whole(answer):
    count = re.search(rb"bare\r\n\*(\d+)\r\n", answer)
    return count and answer.endswith(b"\r\n") and answer.count(b"d" * DATA) == int(count[1])


def engine(options):
    with Redis() as redis:
        cpu = redis.cpu()
        readers = [fork(drain, redis, options.items // BATCH // 2 * BATCH * 2) for _ in range(4)]
        xadd(redis, options.items)
        [reader.join() for reader in readers]
        bare = (redis.cpu() - cpu) / options.items * 1e6
    with Redis() as redis, nodes(options.rte, redis, 4) as hubs:
        cpu = redis.cpu()
        count, _ = published(hubs, options.items)
        await_read(hubs, count)
        ours = (redis.cpu() - cpu) / count * 1e6
    return f"{ours:.1f} us of Redis for a publication, {bare:.1f} us bare: {ours / bare:.2f} of it, goal 1.8", ours / bare <= 1.8


def latency_of(publisher, hub, count=500):
    """Median of the time from a publish to a client, in ms."""
    client, took = Client(hub, [(AGENT, "UserAlert")]), []
    client.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with publisher.connect() as stream:
        for n in range(count):
            text = publication(alert(AGENT, str(n), DATA - 180).encode())
            began, rest = time.perf_counter(), b""
            stream.sendall(text)
            while b"\x1e" not in rest or b"MessageReceived" not in rest:
                rest += client.stream.recv(1 << 16)
            took.append(time.perf_counter() - began)
            stream.recv(1 << 16)
    return statistics.median(took) * 1000


def latency(options):
    with Hub(options.rte, 1) as hub:
        alone = latency_of(hub, hub)
    with Redis() as redis, nodes(options.rte, redis, 2) as (first, second):
        ours, way = latency_of(first, second), redis.latency_ms()
    goal = alone + 2 * way + .3
    return f"p50 {ours:.2f} ms over two nodes, {alone:.2f} ms in one hub, {way:.2f} ms to Redis and back, goal {goal:.2f} ms", ours <= goal


def reading(options):
    with Redis() as redis, nodes(options.rte, redis, 2) as (first, second):
        before, cpu, began = number(second, "rte_backplane_read_total"), second.cpu(), time.monotonic()
        count, _ = published([first], options.items, 2)
        await_read([second], before + count)
        took, spent = time.monotonic() - began, second.cpu() - cpu
    share = spent / count * 20_000
    return f"{spent / count * 1e6:.1f} us for a publication, read at {count / took:,.0f}/s: {share:.1%} of a core at 20,000/s, goal 10%", share <= .1


def back(options):
    text, waits = alert(AGENT, "1").encode(), []
    with Redis() as redis, nodes(options.rte, redis, 2) as hubs:
        for _ in range(options.rounds):
            redis.process.kill()
            redis.process.wait()
            time.sleep(3)
            redis.start()
            began = time.monotonic()
            for hub in hubs:
                while post(hub, [text]) != [202]:
                    time.sleep(.01)
            waits.append(time.monotonic() - began)
    return f"{max(waits):.2f} s at most of {len(waits)} times, {statistics.median(waits):.2f} s in the median, goal 1.5 s", max(waits) <= 1.5


def delivery_us(rte):
    """CPU of a hub for a delivery to 300 readers."""
    with Hub(rte, 1) as hub:
        readers = [Client(hub, [(CROWD, "UserAlert")]) for _ in range(300)]
        selector = selectors.DefaultSelector()
        [selector.register(reader.stream, selectors.EVENT_READ, reader) for reader in readers]
        cpu, word, rounds = hub.cpu(), b'"MessageReceived"', 60
        publisher = fork(request, hub, body(), rounds)
        while selector.get_map():
            for key, _ in selector.select(1):
                key.data.read(word)
                if key.data.counts[word] >= rounds * BATCH or key.data.is_closed:
                    selector.unregister(key.data.stream)
        publisher.join()
        assert not any(reader.is_closed for reader in readers), hub.closed()
        return (hub.cpu() - cpu) / (300 * rounds * BATCH) * 1e6


def memory(options):
    pairs = [(delivery_us(options.rte), delivery_us(options.before)) for _ in range(options.rounds)]
    ours, before = (statistics.median(column) for column in zip(*pairs))
    return f"{ours:.3f} us of CPU for a delivery, {before:.3f} us before: {ours / before - 1:+.1%}, goal 2%", ours / before <= 1.02


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = {each.__name__: each for each in (publish, engine, latency, reading, back, memory)}
    parser.add_argument("figures", nargs="*", choices=[[], *figures], default=[])
    parser.add_argument("--rte", default="target/release/rte")
    parser.add_argument("--before")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    is_bad = False
    for name in options.figures or [name for name in figures if name != "memory" or options.before]:
        text, is_good = figures[name](options)
        is_bad |= not is_good
        print(f"{name:<8} {'' if is_good else 'MISSED '}{text}", flush=True)
    exit(is_bad)


if __name__ == "__main__":
    main()
