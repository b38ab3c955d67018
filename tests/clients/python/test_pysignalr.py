"""pysignalr: asyncio, negotiate without a version, WebSocket pings, binary handshake, dataclasses that refuse unknown keys."""

import asyncio
import contextlib
import logging
import unittest

import pysignalr
from hub import EVENT, OTHER_USER, PATIENCE_S, USER, Hub, assert_in_guide, message, pair, verdict
from pysignalr.client import SignalRClient
from pysignalr.exceptions import AuthorizationError
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

PROTOCOLS = {"json": JSONProtocol, "messagepack": MessagepackProtocol}

# It waits up to this many seconds before it connects again for the first time.
pysignalr.BACKOFF_INITIAL = 0.1


class Client:
    """A client that runs as a task, with its messages in a queue."""

    def __init__(self, hub, token, protocol="json"):
        # A token factory is asked only after the socket is open, so the first connect would have no token: the header has it.
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = SignalRClient(hub.url, PROTOCOLS[protocol](), headers=headers, retry_sleep=0.05)
        self.messages = asyncio.Queue()
        self.is_open = asyncio.Event()
        self.is_closed = asyncio.Event()
        self.client.on_open(self._opened)
        self.client.on_close(self._closed)
        self.client.on("MessageReceived", self.messages.put)
        self.running = None

    async def _opened(self):
        self.is_closed.clear()
        self.is_open.set()

    async def _closed(self):
        self.is_open.clear()
        self.is_closed.set()

    async def start(self):
        self.running = asyncio.create_task(self.client.run())
        opened = asyncio.create_task(self.is_open.wait())
        await asyncio.wait((self.running, opened), timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if self.running.done():
            self.running.result()
        return self

    async def stop(self):
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running

    async def invoke(self, method, *arguments):
        answer = asyncio.get_running_loop().create_future()

        async def answered(completion):
            answer.set_result(completion.result)

        await self.client.send(method, list(arguments), on_invocation=answered)
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def next(self):
        return await asyncio.wait_for(self.messages.get(), PATIENCE_S)


class PysignalrTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("pysignalr").setLevel(logging.CRITICAL)
        cls.hub = Hub()
        cls.hub.start()
        cls.addClassCleanup(cls.hub.stop)

    async def connected(self, protocol="json"):
        client = await Client(self.hub, self.hub.client_token(), protocol).start()
        self.addAsyncCleanup(client.stop)
        return client

    async def test_gets_a_401_with_a_bad_or_no_token(self):
        for token in (None, "not.a.token", self.hub.token(exp=1500000000)):
            with self.subTest(token=token), self.assertRaises(AuthorizationError):
                await Client(self.hub, token).client.run()

    async def test_gets_a_verdict_per_item(self):
        client = await self.connected()
        verdicts = await client.invoke("Subscribe", [pair(USER), pair(USER, "Nothing"), pair("not-a-guid")])
        self.assertEqual(
            verdicts,
            [
                verdict(USER, True),
                verdict(USER, False, "Unknown EventName", "Nothing"),
                verdict("not-a-guid", False, "Invalid EntityId"),
            ],
        )

    async def test_receives_and_after_unsubscribe_no_more(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                await self.receive(protocol)

    async def receive(self, protocol):
        client = await self.connected(protocol)
        await client.invoke("Subscribe", [pair(USER), pair(OTHER_USER)])
        await asyncio.to_thread(self.hub.publish, USER)
        self.assertEqual(await client.next(), [message(USER)])
        refreshed = await client.invoke("RefreshToken", self.hub.client_token())
        self.assertEqual((refreshed["removed"], refreshed["changed"]), ([], []))
        self.assertEqual(await client.invoke("Unsubscribe", [pair(USER)]), [verdict(USER, False)])
        # What follows on the other topic proves that nothing came on this one: one publisher's order is kept.
        await asyncio.to_thread(self.hub.publish, USER, OTHER_USER)
        self.assertEqual(await client.next(), [message(OTHER_USER)])
        self.assertTrue(client.messages.empty())

    async def test_lists_the_catalogue(self):
        names = await (await self.connected()).invoke("AvailableSubscriptions")
        self.assertEqual(len(names), 41)
        self.assertIn(EVENT, names)

    async def test_its_websocket_ping_is_answered(self):
        client = await self.connected()
        pong = await client.client._transport._ws.ping()
        await asyncio.wait_for(pong, PATIENCE_S)

    async def test_comes_back_after_a_drain(self):
        client = await self.connected()
        await client.invoke("Subscribe", [pair(USER)])
        self.assertEqual(await asyncio.to_thread(self.hub.drain), 0)
        await asyncio.wait_for(client.is_closed.wait(), PATIENCE_S)
        await asyncio.to_thread(self.hub.start)
        # It connects again by itself: first to the URL with the id of the connection that ended, which gets a 404, as that hub is
        # no more; that sends it to negotiate anew.
        await asyncio.wait_for(client.is_open.wait(), PATIENCE_S)
        self.assertEqual(await client.invoke("GetActiveSubscriptions"), [])
        self.assertEqual(await client.invoke("Subscribe", [pair(USER)]), [verdict(USER, True)])
        await asyncio.to_thread(self.hub.publish, USER)
        self.assertEqual(await client.next(), [message(USER)])

    def test_the_guide_names_what_was_tried(self):
        assert_in_guide(self, "pysignalr", {"WebSockets": PROTOCOLS})


if __name__ == "__main__":
    unittest.main()
