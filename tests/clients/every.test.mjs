// `EntityId: "*"` by each transport and protocol: random subscriptions of two tenants with several rights, held against what
// follows from them by brute force. Each publication comes once, whatever names it, and to nobody without the right.
//
// RTE_SEED=7 plays a failure again.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Hub, ORGANIZATION, ROOT } from './hub.mjs';
import { TRANSPORTS, VERSIONS, inNode, protocolsOf } from './stock.mjs';

const SEED = Number(process.env.RTE_SEED ?? Date.now() % 100_000);
const OTHER = '1c0b5f6e-8b62-4b1a-8e1f-6e2a3d4c5b60';
const QUEUES = [1, 2, 3].map((n) => `5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b1${n}`);
const EVENTS = ['QueueStatus', 'QueueCallInArrived'];
const EXAMPLES = Object.fromEntries(EVENTS.map((event) => {
  const text = readFileSync(join(ROOT, `schema/queue/${event}.toml`), 'utf8');
  return [event, JSON.parse(/json = '''([\s\S]+?)'''/.exec(text)[1])];
}));
/** Who a client may be: whose it is, what its token says, and which pairs that gives it. */
const RIGHTS = [
  { org: ORGANIZATION, rte: ['queue/*'], may: () => true },
  { org: ORGANIZATION, rte: [`queue/${QUEUES[0]}/*`, `queue/${QUEUES[1]}/QueueStatus`], may: (queue, event) => queue === QUEUES[0] || (queue === QUEUES[1] && event === EVENTS[0]) },
  { org: ORGANIZATION, rte: [], may: () => false },
  { org: OTHER, rte: ['queue/*'], may: () => true },
];

/** mulberry32. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

describe('every entity of an event', () => {
  const hub = new Hub(['server.threads=3']);
  const next = random(SEED);
  const pick = (from) => from[next(from.length)];
  const clients = [];

  before(async () => {
    await hub.start();
    const ways = TRANSPORTS.flatMap((transport) => protocolsOf(transport).map((protocol) => ({ transport, protocol })));
    for (const [at, way] of ways.entries()) {
      for (const rights of RIGHTS) {
        const version = way.protocol === 'json' && at % 2 ? VERSIONS[0] : VERSIONS.at(-1);
        const token = hub.client({ org: rights.org, rte: rights.rte });
        const connection = inNode(version)({ url: hub.url, token, ...way });
        clients.push({ connection, rights, held: new Set(), due: [], name: `${version.name} ${Object.values(way).join(' ')} ${rights.rte}` });
      }
    }
    await Promise.all(clients.map(({ connection }) => connection.start()));
  });
  after(async () => {
    await Promise.all(clients.map(({ connection }) => connection.stop()));
    await hub.stop();
  });

  const covers = ({ held, rights }, queue, event) => rights.may(queue, event) && (held.has(`${queue} ${event}`) || held.has(`* ${event}`));

  async function change(client) {
    const [queue, event] = [pick([...QUEUES, '*', '*']), pick(EVENTS)];
    const item = { EntityId: queue, EventName: event };
    if (next(3)) {
      const isGranted = queue === '*' ? QUEUES.some((one) => client.rights.may(one, event)) : client.rights.may(queue, event);
      const [verdict] = await client.connection.invoke('Subscribe', [item]);
      assert.deepEqual([verdict.subscribed, verdict.message], isGranted ? [true, null] : [false, 'Unauthorized'], client.name);
      if (isGranted) client.held.add(`${queue} ${event}`);
    } else {
      await client.connection.invoke('Unsubscribe', [item]);
      client.held.delete(`${queue} ${event}`);
    }
  }

  async function publish(number) {
    const [org, queue, event] = [pick([ORGANIZATION, OTHER]), pick(QUEUES), pick(EVENTS)];
    const data = { ...EXAMPLES[event], queueId: queue, organizationId: org, queueName: String(number) };
    const { status, body } = await hub.publish({ eventName: event, data }, org);
    assert.equal(status, 202, JSON.stringify(body));
    for (const client of clients) if (client.rights.org === org && covers(client, queue, event)) client.due.push(`${queue} ${event} ${number}`);
  }

  test('comes once to whoever may have it, by each transport and protocol', async () => {
    let number = 0;
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(clients.map((client) => change(client)));
      for (let more = next(4); more >= 0; more -= 1) await publish((number += 1));
      for (const client of clients) {
        // Behind the answer nothing is on its way.
        await client.connection.invoke('GetActiveSubscriptions');
        const heard = [];
        for (const expected of client.due) {
          const { subscription, data } = await client.connection.messages.next(`${expected} for ${client.name}, seed ${SEED}`);
          const event = EVENTS.find((name) => name.toLowerCase() === subscription.eventName);
          heard.push(`${subscription.entityId} ${event} ${data.queueName}`);
        }
        assert.deepEqual([heard, client.connection.messages.rest], [client.due, []], `${client.name}, seed ${SEED}`);
        client.due = [];
      }
    }
    assert.ok(number > 20);
  });
});
