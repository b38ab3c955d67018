// Stateful reconnect of the stock clients: a proxy cuts their sockets at any byte, and their pages notice nothing.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Hub, Inbox, USER, callIn, within } from './hub.mjs';
import { VERSIONS } from './stock.mjs';

const EVENT = 'UserCallInComing';
const COUNT = 150;
const HEAD_END = '\r\n\r\n';

/** A small generator, so that a failure can be had again. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Passes bytes on; of a WebSocket, while it cuts, so many in each direction. */
class Cutter {
  #server;
  #random;
  #links = new Set();
  #cuts = false;
  count = 0;
  upgrades = 0;

  async start(hub, seed) {
    this.#random = random(seed);
    this.#server = createServer((near) => this.#pass(near, connect(hub.port, '127.0.0.1')));
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/rte`;
    return this;
  }

  #pass(near, far) {
    const link = { near, far, left: [Infinity, Infinity], isUpgraded: false };
    this.#links.add(link);
    for (const [way, [from, to]] of [[near, far], [far, near]].entries()) {
      from.on('data', (bytes) => this.#take(link, way, bytes, to));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#links.delete(link);
      });
    }
  }

  #take(link, way, bytes, to) {
    if (!link.isUpgraded) {
      const text = bytes.toString('latin1');
      this.upgrades += Number(way === 0 && /^Upgrade: websocket/im.test(text));
      if (way === 0 || !text.startsWith('HTTP/1.1 101 ')) return void to.write(bytes);
      const head = text.indexOf(HEAD_END) + HEAD_END.length;
      link.isUpgraded = true;
      to.write(bytes.subarray(0, head));
      if (this.#cuts) this.#limit(link);
      if (head === bytes.length) return;
      bytes = bytes.subarray(head);
    }
    to.write(bytes.subarray(0, Math.min(bytes.length, link.left[way])));
    link.left[way] -= bytes.length;
    if (link.left[way] <= 0) this.#cut(link);
  }

  /** The more there were, the longer they last: what is not acknowledged, for a second, comes again on each. */
  #limit(link) {
    link.left = [500, 3_000].map((bytes) => 1 + this.#random(bytes * (1 + this.count)));
  }

  #cut(link) {
    this.count += 1;
    // What was passed on still arrives.
    for (const socket of [link.near, link.far]) this.#random(2) ? socket.end() : setImmediate(() => socket.destroy());
    this.#links.delete(link);
  }

  set cuts(cuts) {
    this.#cuts = cuts;
    for (const link of this.#links) {
      if (link.isUpgraded) cuts ? this.#limit(link) : (link.left = [Infinity, Infinity]);
    }
  }

  /** Ends all sockets, and takes no other. */
  stop() {
    this.#server.close();
    for (const { near, far } of this.#links) [near, far].forEach((socket) => socket.destroy());
  }
}

/** A connection with stateful reconnect, and what its page notices. */
async function connected({ signalR, MessagePack }, url, hub, protocol) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => hub.client(), transport: signalR.HttpTransportType.WebSockets })
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect(Array(200).fill(50))
    .withStatefulReconnect();
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePack());
  const connection = builder.build();
  const [messages, reconnected, noticed] = [new Inbox(), new Inbox(), []];
  connection.on('MessageReceived', (message) => messages.push(message));
  connection.onreconnecting((error) => noticed.push(`reconnecting: ${error}`));
  connection.onreconnected((id) => reconnected.push(id));
  connection.onclose((error) => noticed.push(`close: ${error}`));
  await connection.start();
  return { connection, messages, reconnected, noticed };
}

const subscribe = async (connection) => {
  const [verdict] = await connection.invoke('Subscribe', [{ EntityId: USER, EventName: EVENT }]);
  assert.equal(verdict.subscribed, true);
};

async function publish(hub, leg) {
  const call = callIn(USER);
  const { status } = await hub.publish({ ...call, data: { ...call.data, legId: leg } });
  assert.equal(status, 202);
}

for (const version of VERSIONS.filter(({ name }) => !/ [36]\./.test(name))) {
  describe(version.name, () => {
    const hub = new Hub(['server.threads=4']);
    before(() => hub.start());
    after(() => hub.stop());

    for (const [protocol, seed] of [['json', 1], ['json', 2], ['messagepack', 3], ['messagepack', 4]]) {
      test(`sockets cut at any byte are not noticed, seed ${seed}, ${protocol}`, async () => {
        const cutter = await new Cutter().start(hub, seed);
        const { connection, messages, noticed } = await connected(version, cutter.url, hub, protocol);
        const id = connection.connectionId;
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
        while (heard.at(-1) !== legs.at(-1)) heard.push((await messages.next()).data.legId);
        assert.deepEqual(heard, legs, 'nothing lost, nothing twice');
        assert.deepEqual([noticed, messages.rest, connection.connectionId], [[], [], id]);
        assert.ok(cutter.count >= 5, `${cutter.count} cuts`);
        await connection.stop();
        cutter.stop();
      });
    }

    test('who is too late connects anew', async () => {
      const brief = await new Hub(['limits.disconnect_ms=100']).start();
      const cutter = await new Cutter().start(brief, 5);
      const { connection, reconnected, noticed } = await connected(version, cutter.url, brief);
      cutter.stop();
      // The one attempt is refused, and it goes on as it would without.
      while (noticed.length === 0) await new Promise(setImmediate);
      assert.match(noticed[0], /^reconnecting/);
      assert.equal(reconnected.rest.length, 0);
      await connection.stop();
      await brief.stop();
    });

    test('a hub that comes back without the connection refuses it at once, and is not asked for ever', async () => {
      const restarted = await new Hub().start();
      const cutter = await new Cutter().start(restarted, 6);
      const { connection, messages, reconnected } = await connected(version, cutter.url, restarted);
      await restarted.stop();
      await restarted.start();
      await reconnected.next();
      assert.ok(cutter.upgrades <= 12, `${cutter.upgrades} upgrades`);
      await subscribe(connection);
      await publish(restarted, 'again');
      assert.equal((await messages.next()).data.legId, 'again');
      await connection.stop();
      cutter.stop();
      await restarted.stop();
    });

    test('behind a stop, and behind a drain, nothing is heard on a socket that would go on', async () => {
      const drained = await new Hub(['limits.drain_spread_ms=1']).start();
      const cutter = await new Cutter().start(drained, 7);
      const { connection, messages, noticed } = await connected(version, cutter.url, drained);
      await subscribe(connection);
      await publish(drained, 'before');
      assert.equal((await messages.next()).data.legId, 'before');
      assert.equal(await drained.drain(), 0);
      while (noticed.length === 0) await new Promise(setImmediate);
      assert.deepEqual(messages.rest, []);
      await connection.stop();
      cutter.stop();
    });
  });
}
