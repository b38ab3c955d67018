// Stateful reconnect of the stock clients: a proxy cuts their sockets at any byte, and their pages notice nothing.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cutter } from './cutter.mjs';
import { Hub, USER, callIn, within } from './hub.mjs';
import { Browser, VERSIONS, inNode } from './stock.mjs';

const EVENT = 'UserCallInComing';
const COUNT = 150;

/** A connection with stateful reconnect; what its page notices is in an inbox. */
async function connected(client, url, hub, protocol) {
  const connection = client({ url, token: hub.client(), transport: 'WebSockets', protocol, isStateful: true });
  await connection.start();
  return connection;
}

async function subscribe(connection) {
  const [verdict] = await connection.invoke('Subscribe', [{ EntityId: USER, EventName: EVENT }]);
  assert.equal(verdict.subscribed, true);
}

async function publish(hub, leg) {
  const call = callIn(USER);
  const { status } = await hub.publish({ ...call, data: { ...call.data, legId: leg } });
  assert.equal(status, 202);
}

const browser = new Browser();
before(() => browser.start());
after(() => browser.stop());

const CLIENTS = VERSIONS.filter(({ name }) => !/ [36]\./.test(name)).map((version) => ({ name: version.name, client: inNode(version) }));

for (const { name, client } of [...CLIENTS, { name: 'Chromium', client: (options) => browser.client(options) }]) {
  describe(name, () => {
    const hub = new Hub(['server.threads=4']);
    before(() => hub.start());
    after(() => hub.stop());

    for (const [protocol, seed] of [['json', 1], ['json', 2], ['messagepack', 3], ['messagepack', 4]]) {
      test(`sockets cut at any byte are not noticed, seed ${seed}, ${protocol}`, async () => {
        const cutter = await new Cutter().start(hub.url, seed);
        const connection = await connected(client, cutter.url, hub, protocol);
        const id = await connection.id();
        await subscribe(connection);
        cutter.cuts = true;
        const legs = Array.from({ length: COUNT }, (_, n) => String(n));
        for (const leg of legs) {
          await publish(hub, leg);
          if (leg % 10 === 0) {
            const active = await within(connection.invoke('GetActiveSubscriptions'), 'an answer');
            assert.equal(active.length, 1);
          }
        }
        cutter.cuts = false;
        const heard = [];
        while (heard.at(-1) !== legs.at(-1)) heard.push((await connection.messages.next()).data.legId);
        assert.deepEqual(heard, legs, 'nothing lost, nothing twice');
        assert.deepEqual([connection.noticed.rest, connection.messages.rest, await connection.id()], [[], [], id]);
        assert.ok(cutter.count >= 5, `${cutter.count} cuts`);
        await connection.stop();
        cutter.stop();
      });
    }

    test('who is too late connects anew', async () => {
      const brief = await new Hub(['limits.disconnect_ms=100']).start();
      const cutter = await new Cutter().start(brief.url, 5);
      const connection = await connected(client, cutter.url, brief);
      cutter.stop();
      // The one attempt is refused, and it goes on as it would without.
      assert.match(await connection.noticed.next(), /^reconnecting/);
      assert.equal(connection.reconnected.rest.length, 0);
      await connection.stop();
      await brief.stop();
    });

    test('a hub that comes back without the connection refuses it at once, and is not asked for ever', async () => {
      const restarted = await new Hub().start();
      const cutter = await new Cutter().start(restarted.url, 6);
      const connection = await connected(client, cutter.url, restarted);
      await restarted.stop();
      await restarted.start();
      await connection.reconnected.next();
      assert.ok(cutter.upgrades <= 12, `${cutter.upgrades} upgrades`);
      await subscribe(connection);
      await publish(restarted, 'again');
      assert.equal((await connection.messages.next()).data.legId, 'again');
      await connection.stop();
      cutter.stop();
      await restarted.stop();
    });

    test('behind a stop, and behind a drain, nothing is heard on a socket that would go on', async () => {
      const drained = await new Hub(['limits.drain_spread_ms=1']).start();
      const cutter = await new Cutter().start(drained.url, 7);
      const connection = await connected(client, cutter.url, drained);
      await subscribe(connection);
      await publish(drained, 'before');
      assert.equal((await connection.messages.next()).data.legId, 'before');
      assert.equal(await drained.drain(), 0);
      await connection.noticed.next();
      assert.deepEqual(connection.messages.rest, []);
      await connection.stop();
      cutter.stop();
    });
  });
}
