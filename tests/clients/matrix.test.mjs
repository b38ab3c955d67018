// Each version of the stock client, by each transport and hub protocol, from its first connect to its return after a drain.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Hub, USER, callIn, within } from './hub.mjs';
import { BALANCERS, PROXIES } from './proxies/proxies.mjs';
import { Browser, TRANSPORTS, VERSIONS, holdOrBless, inNode, namesOf, protocolsOf } from './stock.mjs';

const EVENT = 'UserCallInComing';

const browser = new Browser();
const CLIENTS = [
  ...VERSIONS.map((version) => ({ name: version.name, client: inNode(version) })),
  { name: `${VERSIONS.at(-1).name} in Chromium`, client: (options) => browser.client(options) },
];
/** Each has users of its own, so that all of them can be connected at once. */
const MATRIX = CLIENTS.flatMap(({ name, client }) =>
  TRANSPORTS.flatMap((transport) => protocolsOf(transport).map((protocol) => ({ name, client, transport, protocol }))),
).map((entry, at) => ({ ...entry, what: `${entry.name}, ${entry.transport}, ${entry.protocol}`, users: [user(2 * at), user(2 * at + 1)] }));

function user(number) {
  return `${String(number).padStart(8, '0')}${USER.slice(8)}`;
}

const items = (users) => users.map((EntityId) => ({ EntityId, EventName: EVENT }));
const verdicts = (users, subscribed) =>
  users.map((entityId) => ({ subscribed, message: null, entityId, eventName: EVENT.toLowerCase() }));
const message = ({ data }) => ({ subscription: { entityId: data.userId, eventName: EVENT.toLowerCase() }, data });
const calls = (userId, count) =>
  Array.from({ length: count }, (_, leg) => {
    const item = callIn(userId);
    return { ...item, data: { ...item.data, legId: `leg-${leg}` } };
  });

describe('the stock clients', () => {
  // With several shards, requests of one connection come in at each of them.
  const hub = new Hub(['server.threads=4']);
  const connected = new Map();

  before(() => Promise.all([hub.start(), browser.start()]));
  after(() => Promise.all([hub.stop(), browser.stop()]));

  async function subscribes({ users }, connection) {
    assert.deepEqual(await connection.invoke('GetActiveSubscriptions'), []);
    assert.deepEqual(await connection.invoke('Subscribe', items(users)), verdicts(users, true));
  }

  async function receives({ users: [first] }, { messages }) {
    const published = calls(first, 3);
    assert.equal((await hub.publish(published)).status, 202);
    for (const item of published) assert.deepEqual(await messages.next(), message(item));
  }

  async function unsubscribes({ users: [first, second] }, connection) {
    assert.deepEqual(await connection.invoke('Unsubscribe', items([first])), verdicts([first], false));
    // What follows on the other topic proves that nothing came on this one: one publisher's order is kept.
    await hub.publish([callIn(first), callIn(second)]);
    assert.deepEqual(await connection.messages.next(), message(callIn(second)));
    assert.deepEqual(connection.messages.rest, []);
  }

  describe('connect, subscribe, receive, refresh, unsubscribe', { concurrency: true }, () => {
    for (const entry of MATRIX) {
      const { client, transport, protocol } = entry;
      test(entry.what, async () => {
        const options = { url: hub.url, transport, protocol };
        for (const token of ['', hub.client({ exp: 1500000000 })]) {
          // Version 3.1 has the status in a property, later ones in the words.
          const is401 = (error) => error.statusCode === 401 || /Status code '401'|: 401\b/.test(error.message);
          await assert.rejects(client({ ...options, token }).start(), is401);
        }
        const connection = client({ ...options, token: hub.client() });
        await connection.start();
        connected.set(entry, connection);
        assert.match(await connection.id(), /^[\w-]{22}$/);
        await subscribes(entry, connection);
        await receives(entry, connection);
        const { tokenLifetimeSeconds, ...changes } = await connection.invoke('RefreshToken', hub.client());
        assert.ok(tokenLifetimeSeconds > 3590, `${tokenLifetimeSeconds}`);
        assert.deepEqual(changes, { removed: [], changed: [] });
        await unsubscribes(entry, connection);
      });
    }
  });

  describe('return after a drain, under another id, and stop', { concurrency: true }, () => {
    const ids = new Map();

    before(async () => {
      for (const [entry, connection] of connected) ids.set(entry, await connection.id());
      assert.equal(await hub.drain(), 0);
      await hub.start();
    });

    for (const entry of MATRIX) {
      test(entry.what, async () => {
        const connection = connected.get(entry);
        const id = await connection.reconnected.next('onreconnected');
        assert.equal(id, await connection.id());
        assert.notEqual(id, ids.get(entry));
        await subscribes(entry, connection);
        await receives(entry, connection);
        assert.equal(await connection.invoke('UnsubscribeAll'), true);
        await connection.stop();
      });
    }
  });

  test('the hub knows that all of them have left', async () => {
    const looked = async () => {
      while (!/^rte_hub_connections 0$/m.test(await (await fetch(`${hub.base}/metrics`)).text()));
    };
    await within(looked(), 'the last connection to end');
  });

  test('no token is in the log', () => assert.doesNotMatch(hub.log, /eyJ|access_token=[^&\s]/));
});

test('the guide names each combination', () => {
  const tried = (name, transport) => MATRIX.filter((entry) => entry.name === name && entry.transport === transport).map(({ protocol }) => protocol);
  const row = ({ name }) => [name.replace(/^\S+/, '`$&`'), ...TRANSPORTS.map((transport) => tried(name, transport).join(', '))];
  holdOrBless('javascript', [['client', ...TRANSPORTS], ...CLIENTS.map(row)]);
});

// What came of them is written by the suite of the proxies, where these are installed.
test('the guide names each proxy that has a suite', () => {
  assert.deepEqual(namesOf('proxies').map((name) => name.replace(/ [\d.]+/, '')), [...PROXIES, ...BALANCERS].map(({ name }) => name));
});
