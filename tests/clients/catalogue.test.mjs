// Every event of the catalogue, published over HTTP and received by a stock client, with deep equality.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as signalR from '@microsoft/signalr';
import { documented, events, items, wireName } from './catalogue.mjs';
import { Hub, Inbox, ORGANIZATION, callIn } from './hub.mjs';

const STRANGER = '3f2a7c1e-58b4-4d09-9e6a-71c0d2b8f345';
/** Nobody's user: the topic whose event says that all before it has come. */
const SENTINEL = '00000000-0000-4000-8000-00000000beef';

const hub = new Hub();
const clients = [];
const published = events.flatMap((event) => items(event).map((item) => ({ event, ...item })));

/** The pairs of all that is published, each once; with what is derived, and the sentinel. */
const topics = [
  ...new Map(
    [
      ...published.map(({ event, entityId }) => [entityId, event.event]),
      ...derived(published).map(({ entityId, eventName }) => [entityId, eventName]),
      [SENTINEL, 'UserCallInComing'],
    ].map(([EntityId, EventName]) => [`${EntityId} ${EventName}`, { EntityId, EventName }]),
  ).values(),
];

/** What the catalogue's rules make of the published items: UserCallbackChanged for whom the callback is assigned to. */
function derived(all) {
  return all
    .filter(({ event, item }) => event.event === 'CallbackChanged' && item.data.assignedUserId !== null)
    .map(({ item }) => ({
      entityId: item.data.assignedUserId,
      eventName: 'UserCallbackChanged',
      data: { ...item.data, targetUser: item.data.assignedUserId },
    }));
}

async function client(claims) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(hub.url, { accessTokenFactory: () => hub.client(claims) })
    .configureLogging(signalR.LogLevel.None)
    .build();
  const inbox = new Inbox();
  // What a user is told whose callback has moved to another one is no event of its own.
  connection.on('MessageReceived', (message) => message.last || inbox.push(message));
  await connection.start();
  clients.push(connection);
  return { connection, inbox };
}

/** The messages up to the sentinel's, by topic: between topics no order is promised. */
async function untilSentinel(inbox) {
  const byTopic = new Map();
  for (;;) {
    const message = await inbox.next('the sentinel');
    const { entityId, eventName } = message.subscription;
    if (entityId === SENTINEL) return byTopic;
    const topic = `${entityId} ${eventName}`;
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), message.data]);
  }
}

function expectedByTopic() {
  const byTopic = new Map();
  const add = (entityId, eventName, data) => {
    const topic = `${entityId} ${eventName.toLowerCase()}`;
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), data]);
  };
  for (const one of published) {
    add(one.entityId, one.event.event, one.item.data);
    for (const { entityId, eventName, data } of derived([one])) add(entityId, eventName, data);
  }
  return byTopic;
}

before(() => hub.start());
after(async () => {
  await Promise.all(clients.map((connection) => connection.stop()));
  await hub.stop();
});

test('the catalogue has 41 events, each with an example', () => {
  assert.equal(events.length, 41);
  assert.equal(new Set(published.map(({ event }) => event.event)).size, 41);
  assert.ok(derived(published).length > 0);
});

test('all arrive as published, in wire or documented spelling, and only in their own organization', async () => {
  // By name, as the events for back ends want it.
  const byName = await client({ rte: events.map((event) => `*/*/${event.event}`) });
  const byScope = await client({ rte: ['user/*', 'queue/*', 'calllist/*'], scope: 'backend' });
  const stranger = await client({ org: STRANGER, rte: events.map((event) => `*/*/${event.event}`) });
  for (const { connection } of [byName, byScope, stranger]) {
    const verdicts = await connection.invoke('Subscribe', topics);
    assert.deepEqual(
      verdicts.filter((verdict) => !verdict.subscribed),
      [],
    );
    assert.equal(verdicts.length, topics.length);
  }

  const accepted = { accepted: published.length, rejected: 0, results: [] };
  const asOnTheWire = published.map(({ item }) => item);
  const asDocumented = published.map(({ event, item }) => ({ ...item, data: documented(event, item.data) }));
  for (const items of [asOnTheWire, asDocumented]) {
    assert.deepEqual(await hub.publish(items), { status: 202, body: accepted });
    await hub.publish(callIn(SENTINEL));
    for (const { inbox } of [byName, byScope]) {
      assert.deepEqual(await untilSentinel(inbox), expectedByTopic());
    }
  }

  await hub.publish(callIn(SENTINEL, STRANGER), STRANGER);
  assert.deepEqual(await untilSentinel(stranger.inbox), new Map());
  assert.deepEqual([...byName.inbox.rest, ...byScope.inbox.rest], []);
});

test('names are spelt on the wire as .NET does', () => {
  const names = ['CallBackId', 'CBRId', 'SMSTo', 'UserName', 'ID', 'RUser'].map(wireName);
  assert.deepEqual(names, ['callBackId', 'cbrId', 'smsTo', 'userName', 'id', 'rUser']);
});

test('a publisher of one organization publishes for no other', async () => {
  const { status, body } = await hub.publish([callIn(SENTINEL, ORGANIZATION), callIn(SENTINEL, STRANGER)]);
  assert.equal(status, 207);
  assert.deepEqual([body.accepted, body.rejected, body.results[0].index], [1, 1, 1]);
  assert.deepEqual(body.results[0].errors.map((error) => error.rule), ['organization']);
});
