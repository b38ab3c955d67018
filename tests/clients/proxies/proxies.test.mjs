// The newest stock client through each proxy of the guide, as it is configured there. `tests/proxies` starts it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cutter } from '../cutter.mjs';
import { Hub, USER, callIn } from '../hub.mjs';
import { Browser, TRANSPORTS, VERSIONS, holdOrBless, inNode } from '../stock.mjs';
import { BALANCERS, PROXIES, Proxy, versionOf } from './proxies.mjs';

const CONNECTS = 200;
const RESUMED = 20;
const STATEFUL = 'stateful reconnect';
const COLUMNS = [...TRANSPORTS, STATEFUL];
const item = { EntityId: USER, EventName: 'UserCallInComing' };
const legs = Array.from({ length: 20 }, (_, leg) => {
  const call = callIn(USER);
  return { ...call, data: { ...call.data, legId: `leg-${leg}` } };
});

const node = inNode(VERSIONS.at(-1));
const browser = new Browser();
before(() => browser.start());
after(() => browser.stop());

/** What came of each proxy by each transport, as the guide shows it. */
const results = new Map([...PROXIES, ...BALANCERS].map(({ name }) => [name, {}]));
const skip = ({ program }) => versionOf(program) === null && `${program.command} is not installed`;

/** What the client does between its start and its end. */
async function during(client, story) {
  try {
    await client.start();
    await story(client);
  } finally {
    await client.stop();
  }
}

async function lives(hub, client) {
  assert.equal((await client.invoke('Subscribe', [item]))[0].subscribed, true);
  await hub.publish(legs);
  for (const leg of legs) assert.deepEqual((await client.messages.next()).data, leg.data);
  assert.equal((await client.invoke('Unsubscribe', [item]))[0].subscribed, false);
  await hub.publish(legs[0]);
  assert.equal(await client.invoke('UnsubscribeAll'), true);
  assert.deepEqual(client.messages.rest, []);
}

/** Connections with stateful reconnect whose sockets are all cut at once go on, and none of them notices. */
async function goOn(hubs, url, clients) {
  const cutter = await new Cutter().start(url);
  const options = { url: cutter.url, token: hubs[0].client(), transport: 'WebSockets', isStateful: true };
  const open = clients.map((client) => client(options));
  try {
    await Promise.all(open.map((client) => client.start()));
    const ids = await Promise.all(open.map((client) => client.id()));
    const verdicts = await Promise.all(open.map((client) => client.invoke('Subscribe', [item])));
    assert.ok(verdicts.every(([{ subscribed }]) => subscribed));
    const [before, ...behind] = legs;
    for (const hub of hubs) await hub.publish(before);
    for (const client of open) assert.deepEqual((await client.messages.next()).data, before.data);
    cutter.cutAll();
    for (const hub of hubs) await hub.publish(behind);
    for (const client of open) for (const leg of behind) assert.deepEqual((await client.messages.next()).data, leg.data);
    assert.deepEqual(await Promise.all(open.map((client) => client.id())), ids);
    assert.deepEqual(open.flatMap((client) => [...client.noticed.rest, ...client.messages.rest]), []);
  } finally {
    await Promise.all(open.map((client) => client.stop()));
    cutter.stop();
  }
}

for (const entry of PROXIES) {
  describe(entry.name, { skip: skip(entry) }, () => {
    const hub = new Hub(['server.threads=4', 'server.trusted_proxies=127.0.0.1', 'server.log_level=debug']);
    const proxy = new Proxy();
    before(() => hub.start().then(() => proxy.start(entry, [hub])));
    after(() => proxy.stop().then(() => hub.stop()));
    const options = (transport) => ({ url: proxy.url, token: hub.client(), transport });

    for (const transport of TRANSPORTS) {
      const isEaten = entry.eats && transport === 'WebSockets';
      test(isEaten ? 'the client takes the next transport' : transport, async () => {
        for (const client of [node, browser.client]) {
          if (isEaten) await assert.rejects(client(options(transport)).start());
          await during(client(options(isEaten ? undefined : transport)), (client) => lives(hub, client));
        }
        results.get(entry.name)[transport] = isEaten ? 'no: the client takes the next' : 'yes';
      });
    }

    if (!entry.eats) {
      test('a WebSocket that is cut on its way to the proxy goes on on another', async () => {
        await goOn([hub], proxy.url, [node, browser.client]);
        results.get(entry.name)[STATEFUL] = 'yes';
      });
    }

    test('the hub is told the address of the client, and warns of what the proxy does wrong', () => {
      assert.match(hub.log, /debug connected conn=\d+ client=127\.0\.0\.1/);
      assert.equal(/front_fault/.test(hub.log), entry.eats === true, hub.log.match(/.*front_fault.*/)?.[0]);
    });

    if (entry.name === 'HAProxy') {
      test('the browser sends its WebSocket in HTTP/2', () => assert.match(proxy.log, /^GET HTTP\/2\.0 websocket /m));
    }
  });
}

for (const entry of BALANCERS) {
  describe(entry.name, { skip: skip(entry) }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'rte-hubs-'));
    const secret = join(folder, 'id-secret');
    writeFileSync(secret, randomBytes(48).toString('base64'));
    const settings = ['server.trusted_proxies=127.0.0.1', `server.id_secret_file=${secret}`];
    const shared = randomBytes(32).toString('hex');
    const hubs = [new Hub(settings, shared), new Hub(settings, shared)];
    const proxy = new Proxy();
    before(() => Promise.all(hubs.map((hub) => hub.start())).then(() => proxy.start(entry, hubs)));
    after(async () => {
      await proxy.stop();
      await Promise.all(hubs.map((hub) => hub.stop()));
      rmSync(folder, { recursive: true });
    });

    for (const transport of entry.turns ? ['WebSockets'] : TRANSPORTS) {
      test(`${CONNECTS} connects over ${transport}, none of them refused`, async () => {
        const isBack = (client) => client.invoke('UnsubscribeAll').then((answer) => assert.equal(answer, true));
        const connect = () => during(node({ url: proxy.url, token: hubs[0].client(), transport }), isBack);
        for (let left = CONNECTS; left > 0; left -= 20) await Promise.all(Array.from({ length: 20 }, connect));
        results.get(entry.name)[transport] = `${CONNECTS} of ${CONNECTS}`;
      });
    }

    if (!entry.turns) {
      test(`${RESUMED} WebSockets that are cut go on, each at the hub that has its connection`, async () => {
        await goOn(hubs, proxy.url, Array(RESUMED).fill(node));
        results.get(entry.name)[STATEFUL] = `${RESUMED} of ${RESUMED}`;
      });
    }

    test('both hubs have had their share', async () => {
      for (const hub of hubs) {
        const accepted = /^rte_connections_accepted_total (\d+)/m.exec(await (await fetch(`${hub.base}/metrics`)).text());
        assert.ok(Number(accepted?.[1]) > CONNECTS / 4, `${accepted?.[0]}`);
      }
    });
  });
}

test('the guide shows what came of each', { skip: [...PROXIES, ...BALANCERS].some(skip) && 'not all are installed' }, () => {
  const row = ({ name, program }) => {
    const result = results.get(name);
    return [name.replace(/^\w+/, `$& ${versionOf(program)}`), ...COLUMNS.map((column) => result[column] ?? '')];
  };
  // The versions are those of the machine on which it was written.
  const versionless = (text) => text.replaceAll(/ \d+\.\d+\.\d+/g, '');
  holdOrBless('proxies', [['proxy', ...COLUMNS], ...[...PROXIES, ...BALANCERS].map(row)], versionless);
});
