"""aiosignalr: asyncio, all transports and hub protocols, an AccessToken in the header of each request."""

import asyncio
import logging
import unittest

from aiosignalr.client import HubConnection, RetryPolicy
from aiosignalr.errors import NegotiationError
from hub import OTHER_USER, PATIENCE_S, USER, Hub, assert_in_guide, message, pair, verdict

TRIED = {"WebSockets": ("json", "messagepack"), "ServerSentEvents": ("json",), "LongPolling": ("json", "messagepack")}


class Soon(RetryPolicy):
    def next_retry_delay(self, context):
        return 0.05


class Client:
    """A connection with its messages in a queue."""

    def __init__(self, protocol="json"):
        self.messages = asyncio.Queue()
        self.is_back = asyncio.Event()
        self.connection = HubConnection(protocol=protocol).with_retry_policy(Soon())
        self.connection.on("MessageReceived", self.messages.put_nowait)
        self.connection.on_reconnected = self.is_back.set

    async def start(self, hub, token, transport="WebSockets"):
        await self.connection.start(hub.url, access_token_factory=lambda: token, transports={transport})
        return self

    async def invoke(self, *arguments):
        return await asyncio.wait_for(self.connection.invoke(*arguments), PATIENCE_S)

    async def next(self):
        return await asyncio.wait_for(self.messages.get(), PATIENCE_S)


class AiosignalrTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("aiosignalr").setLevel(logging.CRITICAL)
        cls.hub = Hub()
        cls.hub.start()
        cls.addClassCleanup(cls.hub.stop)

    async def test_gets_a_401_with_a_bad_or_no_token(self):
        for token in (None, "not.a.token", self.hub.token(exp=1500000000)):
            with self.subTest(token=token), self.assertRaisesRegex(NegotiationError, "status 401"):
                await Client().start(self.hub, token)

    async def test_receives_and_after_unsubscribe_no_more(self):
        for transport, protocols in TRIED.items():
            for protocol in protocols:
                with self.subTest(transport=transport, protocol=protocol):
                    await self.receive(transport, protocol)

    async def receive(self, transport, protocol):
        client = await Client(protocol).start(self.hub, self.hub.client_token(), transport)
        both = [pair(USER), pair(OTHER_USER)]
        self.assertEqual(await client.invoke("Subscribe", both), [verdict(USER, True), verdict(OTHER_USER, True)])
        await asyncio.to_thread(self.hub.publish, USER)
        self.assertEqual(await client.next(), message(USER))
        refreshed = await client.invoke("RefreshToken", self.hub.client_token())
        self.assertEqual((refreshed["removed"], refreshed["changed"]), ([], []))
        self.assertEqual(await client.invoke("Unsubscribe", [pair(USER)]), [verdict(USER, False)])
        # What follows on the other topic proves that nothing came on this one: one publisher's order is kept.
        await asyncio.to_thread(self.hub.publish, USER, OTHER_USER)
        self.assertEqual(await client.next(), message(OTHER_USER))
        self.assertTrue(client.messages.empty())
        await client.connection.stop()

    async def test_comes_back_after_a_drain(self):
        clients = [await Client().start(self.hub, self.hub.client_token(), transport) for transport in TRIED]
        self.assertEqual(await asyncio.to_thread(self.hub.drain), 0)
        await asyncio.to_thread(self.hub.start)
        for transport, client in zip(TRIED, clients):
            with self.subTest(transport=transport):
                await asyncio.wait_for(client.is_back.wait(), PATIENCE_S)
                self.assertEqual(await client.invoke("Subscribe", [pair(USER)]), [verdict(USER, True)])
                await asyncio.to_thread(self.hub.publish, USER)
                self.assertEqual(await client.next(), message(USER))
                await client.connection.stop()

    def test_the_guide_names_what_was_tried(self):
        assert_in_guide(self, "aiosignalr", TRIED)


if __name__ == "__main__":
    unittest.main()
