#!/usr/bin/env python3
"""What it costs when all come back at once, and whether anything is lost or out of order: tests/bench/returns.py [figure ...]

    --rte PATH         the program, target/release/rte
    --threads 1,2      shards; each figure is made with each of them
    --clients 5000     how many; the hard limit of descriptors must allow for them

Figures: restart (a hub with a journal is killed and started again; all open a WebSocket at once and say since when, while events
are published for all of them), polls (the long polls of all return at once, again and again, by a burst of events for all).

Each line has the seconds until all were back, or had all; the CPU of the hub, its RSS at the most, the bound of
rte_turn_cpu_seconds that holds the longest turn, and what was lost, doubled, out of order or not recovered: nothing, or the exit
code is 1. The clients are one process, which takes most of the time. Only Python's own library is needed. All is on loopback.
"""
import argparse, contextlib, json, re, resource, selectors, socket, tempfile, time
from attack import Numbers
from crowd import AGENT, CROWD, RS, Hub, alert, fork, post, subscribe, token, upgrade

TOKEN = token(sub=AGENT, rte=["user/*"])
VALUE, POSITION = re.compile(rb'"value": "(\d+)"'), re.compile(rb'"position":"([^"]+)"')


class Page:
    """What one client has heard, whatever its socket."""

    def __init__(self):
        self.values, self.position, self.failures, self.is_back, self.unrecovered = [], None, 0, False, 0
        self.stream, self.out, self.text = None, b"", b""

    def dial(self, port, out):
        self.stream, self.out, self.text, self.is_back = socket.socket(), out, b"", False
        self.stream.setblocking(False)
        self.stream.connect_ex(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            self.out = out[self.stream.send(out):]

    def hear(self, text):
        self.values += [int(value) for value in VALUE.findall(text)]
        positions = POSITION.findall(text)
        self.position = positions[-1].decode() if positions else self.position
        self.is_back |= b'"subscribed":true' in text
        self.unrecovered += text.count(b'"recovered":false')


class WebPage(Page):
    def come(self, port):
        since = json.dumps(self.position)
        self.dial(port, upgrade(TOKEN) + subscribe([(CROWD, "UserAlert")], f',"Since":{since}'))

    def take(self, got):
        *records, self.text = (self.text + got).split(RS)
        [self.hear(record) for record in records]


class Poller(Page):
    """One socket, on which each poll follows the answer to the one before."""

    def come(self, port):
        self.id, self.polls = None, 0
        self.dial(port, self.request("POST", "/rte/negotiate?negotiateVersion=1"))

    def request(self, method, target, body=b""):
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        return f"{method} {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n{length}\r\n".encode() + body

    def take(self, got):
        self.text += got
        while self.text:
            head, mark, rest = self.text.partition(b"\r\n\r\n")
            length = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
            if not mark or len(rest) < length:
                return
            self.text = rest[length:]
            self.answer(rest[:length])

    def answer(self, body):
        if self.id is None:
            self.id = json.loads(body)["connectionToken"]
            hello = b'{"protocol":"json","version":1}' + RS
            items = json.dumps([[{"EntityId": CROWD, "EventName": "UserAlert"}]]).encode()
            call = b'{"type":1,"invocationId":"1","target":"Subscribe","arguments":' + items + b"}" + RS
            # The first poll is answered at once.
            self.out = self.request("GET", f"/rte?id={self.id}") + self.request("POST", f"/rte?id={self.id}", hello + call)
            return
        self.polls += 1
        self.hear(body)
        if self.polls > 1:
            self.out += self.request("GET", f"/rte?id={self.id}")


def serve(hub, pages, is_done, most, patience_s=300):
    """Reads and writes until all are done; who is closed or turned away comes again."""
    selector, began = selectors.DefaultSelector(), time.monotonic()
    waiting = set(pages)
    for page in pages:
        selector.register(page.stream, selectors.EVENT_READ | selectors.EVENT_WRITE, page)
    while waiting and time.monotonic() - began < patience_s:
        for key, ready in selector.select(1):
            page, got = key.data, None
            try:
                if ready & selectors.EVENT_READ:
                    got = page.stream.recv(1 << 16)
                    page.take(got)
                if page.out:
                    page.out = page.out[page.stream.send(page.out):]
            except BlockingIOError:
                pass
            except OSError:
                got = b""
            if got == b"":
                selector.unregister(page.stream)
                page.stream.close()
                page.failures += 1
                page.come(hub.port)
                selector.register(page.stream, selectors.EVENT_READ | selectors.EVENT_WRITE, page)
            elif page.stream.fileno() >= 0:
                selector.modify(page.stream, selectors.EVENT_READ | (selectors.EVENT_WRITE if page.out else 0), page)
            if is_done(page):
                waiting.discard(page)
        most[0] = max(most[0], hub.status("VmRSS"))
    return time.monotonic() - began


def verdict(pages, count):
    heard = [page.values for page in pages]
    found = {"lost": sum(count - len(set(values)) for values in heard), "doubled": sum(len(values) - len(set(values)) for values in heard),
             "out of order": sum(values != sorted(values) for values in heard), "not recovered": sum(page.unrecovered for page in pages)}
    failures = sum(page.failures for page in pages)
    return found, f"closed or turned away {failures}, " + ", ".join(f"{name} {number}" for name, number in found.items())


def publish(hub, numbers, pause):
    for n in numbers:
        assert post(hub, [alert(CROWD, str(n)).encode()]) == [202]
        time.sleep(pause)


def told(hub, before, took, most, what):
    after = Numbers(hub)
    return (f"{what} in {took:.1f} s, CPU {after.cpu - before.cpu:.2f} s, RSS at most {most:.0f} MB, "
            f"turn at most {after.longest_ms(before):.0f} ms")


@contextlib.contextmanager
def journalled(options, threads, folder):
    words = ["--set", "journal.engine=file", "--set", f"journal.dir={folder}"]
    with Hub(options.rte, threads, *words) as hub:
        yield hub


def restart(options, threads):
    pages, most = [WebPage() for _ in range(options.clients)], [0]
    with tempfile.TemporaryDirectory() as folder:
        with journalled(options, threads, folder) as hub:
            [page.come(hub.port) for page in pages]
            serve(hub, pages, lambda page: page.is_back, [0])
            publish(hub, range(20), 0)
            serve(hub, pages, lambda page: len(page.values) >= 20, [0])
            hub.process.kill()
        [page.stream.close() for page in pages]
        with journalled(options, threads, folder) as hub:
            before = Numbers(hub)
            publisher = fork(publish, hub, range(20, 60), .05)
            [page.come(hub.port) for page in pages]
            took = serve(hub, pages, lambda page: page.is_back, most)
            line = told(hub, before, took, most[0], "all back")
            serve(hub, pages, lambda page: len(set(page.values)) >= 60, most)
            publisher.join()
    return line, *verdict(pages, 60)


def polls(options, threads):
    pages, most = [Poller() for _ in range(options.clients)], [0]
    with Hub(options.rte, threads) as hub:
        [page.come(hub.port) for page in pages]
        serve(hub, pages, lambda page: page.is_back, [0])
        before = Numbers(hub)
        publisher = fork(publish, hub, range(40), .02)
        took = serve(hub, pages, lambda page: len(page.values) >= 40, most)
        line = told(hub, before, took, most[0], "all had all")
        publisher.join()
        polled = sum(page.polls for page in pages)
    found, text = verdict(pages, 40)
    return f"{line}, {polled} polls", found, text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = {each.__name__: each for each in (restart, polls)}
    parser.add_argument("figures", nargs="*", choices=[[], *figures], default=[])
    parser.add_argument("--rte", default="target/release/rte")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--clients", type=int, default=5000)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    is_bad = False
    for name in options.figures or figures:
        for threads in options.threads.split(","):
            line, found, text = figures[name](options, threads)
            is_bad |= any(found.values())
            print(f"{name:<8} {threads} shard(s), {options.clients} clients: {line}, {text}", flush=True)
    exit(is_bad)


if __name__ == "__main__":
    main()
