// The reference client, newest and oldest: what it is refused, and what it can read of errors. The matrix has what all versions share.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as newest from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import * as oldest from 'signalr-3';
import { Hub, Inbox, QUEUE, USER, callIn, mint, within } from './hub.mjs';

const EVENT = 'UserCallInComing';
const pair = (entityId, eventName) => ({ EntityId: entityId, EventName: eventName });
const verdict = (entityId, subscribed, message = null) => ({
  subscribed,
  message,
  entityId,
  eventName: EVENT.toLowerCase(),
});

for (const [name, signalR, protocol] of [
  ['@microsoft/signalr 10', newest],
  ['@microsoft/signalr 10 with MessagePack', newest, new MessagePackHubProtocol()],
  ['@microsoft/signalr 3.1.31', oldest],
]) {
  describe(name, () => {
    const hub = new Hub();
    const open = new Set();

    before(() => hub.start());
    after(async () => {
      await Promise.all([...open].map((connection) => connection.stop()));
      await hub.stop();
    });

    // Often and soon, in place of 0, 2, 10 and 30 s: the suite has no half minute for a hub that is back after 50 ms.
    const soon = Array(200).fill(50);

    function build(accessTokenFactory, { transport } = {}) {
      const builder = new signalR.HubConnectionBuilder()
        .withUrl(hub.url, { accessTokenFactory, ...transport })
        .configureLogging(signalR.LogLevel.None)
        .withAutomaticReconnect(soon);
      if (protocol) builder.withHubProtocol(protocol);
      const connection = builder.build();
      open.add(connection);
      const inbox = new Inbox();
      connection.on('MessageReceived', (message) => inbox.push(message));
      return { connection, inbox };
    }

    async function connected(options) {
      const client = build(() => hub.client(), options);
      await client.connection.start();
      return client;
    }

    test('connects without negotiating', async () => {
      const transport = { skipNegotiation: true, transport: signalR.HttpTransportType.WebSockets };
      const { connection } = await connected({ transport });
      assert.equal(connection.connectionId ?? null, null);
      assert.equal(await connection.invoke('UnsubscribeAll'), true);
    });

    const refused = {
      'no token': () => '',
      'what is no token': () => 'not.a.token',
      "a stranger's token": () => mint('another secret of at least 32 bytes', { sub: USER, exp: 4102444800 }),
      'an expired token': () => hub.client({ exp: 1500000000 }),
      'a token without organization': () => hub.client({ org: undefined }),
    };
    for (const [what, factory] of Object.entries(refused)) {
      test(`gets a 401 with ${what}`, async () => {
        // The oldest has the status in a property, the newest in the words.
        await assert.rejects(
          build(factory).connection.start(),
          (error) => error.statusCode === 401 || error.message.includes("Status code '401'"),
        );
      });
    }

    test('gets a verdict per item, in order', async () => {
      const { connection } = await connected();
      const verdicts = await connection.invoke('Subscribe', [
        pair(USER.toUpperCase(), EVENT),
        pair(USER, 'Nothing'),
        pair('not-a-guid', EVENT),
        pair(USER, 'UserMissedCallNotification'),
      ]);
      assert.deepEqual(verdicts, [
        verdict(USER, true),
        { ...verdict(USER, false, 'Unknown EventName'), eventName: 'nothing' },
        verdict('not-a-guid', false, 'Invalid EntityId'),
        // An event for back ends needs more than a grant for everything.
        { ...verdict(USER, false, 'Unauthorized'), eventName: 'usermissedcallnotification' },
      ]);
      assert.deepEqual(await connection.invoke('GetActiveSubscriptions'), [verdict(USER, true)]);
    });

    test('can read why a method failed, and stays connected', async () => {
      const { connection } = await connected();
      await assert.rejects(connection.invoke('Nope'), (error) => {
        const text = "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.";
        return error.message === text;
      });
      await assert.rejects(
        connection.invoke('Subscribe', 'no array'),
        (error) => error.message === "Failed to invoke 'Subscribe' due to an error on the server.",
      );
      assert.deepEqual(await connection.invoke('GetActiveSubscriptions'), []);
    });

    test('hears nothing of another organization', async () => {
      const stranger = '3f2a7c1e-58b4-4d09-9e6a-71c0d2b8f345';
      const theirs = build(() => hub.client({ org: stranger }));
      const ours = await connected();
      await theirs.connection.start();
      const topics = [pair(USER, EVENT), pair(QUEUE, 'QueueStatus')];
      for (const { connection } of [theirs, ours]) await connection.invoke('Subscribe', topics);
      await hub.publish(callIn(USER));
      await ours.inbox.next();
      await hub.publish(callIn(USER, stranger), stranger);
      // The first that arrives is their own: what was published before it did not come.
      assert.equal((await theirs.inbox.next()).data.organizationId, stranger);
      assert.deepEqual([...theirs.inbox.rest, ...ours.inbox.rest], []);
    });

    test('shows the word of a Close, and comes back', async () => {
      const { connection } = await connected();
      const reconnecting = new Promise((resolve) => connection.onreconnecting(resolve));
      const reconnected = new Promise((resolve) => connection.onreconnected(resolve));
      connection.invoke('Subscribe', [pair(USER, 'x'.repeat(140_000))]).catch(() => {});
      assert.match((await within(reconnecting, 'onreconnecting')).message, /message_too_long: .*limits\.record_bytes_max/);
      await within(reconnected, 'onreconnected');
      // As many items as there may be subscriptions are one message.
      const many = Array.from({ length: 1000 }, (_, n) => pair(`${String(n).padStart(8, '0')}-ff4b-ea11-ac9c-00155d4fdcf3`, EVENT));
      const verdicts = await connection.invoke('Subscribe', many);
      assert.deepEqual([verdicts.length, verdicts.every((verdict) => verdict.subscribed)], [1000, true]);
    });

    test('shows why it was refused', async () => {
      const message = (factory) => build(factory).connection.start().then(
        () => assert.fail('it is refused'),
        (error) => error.message,
      );
      // The oldest shows the status only.
      const isShown = signalR === newest;
      const shown = async (factory, words) => isShown && assert.match(await message(factory), words);
      await shown(() => '', /there is no token/);
      await shown(() => hub.client({ exp: 1500000000 }), /The token expired [\d,]+ s ago/);
      await shown(() => hub.client({ org: undefined }), /organization/);
    });

    test('has left no token in the log', () => {
      assert.doesNotMatch(hub.log, /eyJ|access_token=[^&\s]/);
    });
  });
}
