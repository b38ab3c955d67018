// The stock clients behind a proxy that eats the upgrade and shares few sockets among all of them.

import assert from 'node:assert/strict';
import { Agent, createServer, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as newest from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import * as oldest from 'signalr-3';
import { Hub, Inbox, USER, callIn, within } from './hub.mjs';
import { TRANSPORTS } from './stock.mjs';

const EVENT = 'UserCallInComing';
const item = { EntityId: USER, EventName: EVENT };

/** Passes requests on, and no upgrade; what it knows of clients is their requests, which take turns on its sockets. */
class Proxy {
  #agent = new Agent({ keepAlive: true, maxSockets: 12 });
  #server;
  seen = [];

  async start(hub) {
    this.#server = createServer((asked, answer) => {
      this.seen.push(`${asked.method} ${asked.headers['sec-websocket-key'] ? 'websocket' : (asked.headers.accept ?? '')}`);
      const { connection, upgrade, ...headers } = asked.headers;
      const options = { port: hub.port, agent: this.#agent, method: asked.method, path: asked.url, headers };
      const passed = request({ host: '127.0.0.1', ...options }, (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        answer.flushHeaders();
        reply.pipe(answer);
      });
      // The client is gone, or the hub is.
      answer.on('close', () => passed.destroy());
      passed.on('error', () => answer.destroy());
      asked.pipe(passed);
    });
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/rte`;
  }

  stop() {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

for (const [name, signalR, protocol] of [
  ['@microsoft/signalr 10', newest],
  ['@microsoft/signalr 10 with MessagePack', newest, new MessagePackHubProtocol()],
  ['@microsoft/signalr 3.1.31', oldest],
]) {
  describe(name, () => {
    const hub = new Hub(['server.threads=4']);
    const proxy = new Proxy();
    const open = new Set();
    // A stream of texts carries no bytes.
    const transports = TRANSPORTS.filter((transport) => !protocol || transport !== 'ServerSentEvents');

    before(async () => {
      await hub.start();
      await proxy.start(hub);
    });
    after(async () => {
      await Promise.all([...open].map((connection) => connection.stop()));
      proxy.stop();
      await hub.stop();
    });

    async function connected(url, transport, at = hub) {
      const options = { accessTokenFactory: () => at.client() };
      if (transport) options.transport = signalR.HttpTransportType[transport];
      const builder = new signalR.HubConnectionBuilder()
        .withUrl(url, options)
        .configureLogging(signalR.LogLevel.None)
        .withAutomaticReconnect(Array(200).fill(50));
      if (protocol) builder.withHubProtocol(protocol);
      const connection = builder.build();
      open.add(connection);
      const inbox = new Inbox();
      connection.on('MessageReceived', (message) => inbox.push(message));
      await connection.start();
      return { connection, inbox };
    }

    async function hears(inbox, legs, from = hub) {
      for (const leg of legs) {
        const call = callIn(USER);
        await from.publish({ ...call, data: { ...call.data, legId: leg } });
      }
      for (const leg of legs) assert.equal((await inbox.next()).data.legId, leg);
    }

    const legs = Array.from({ length: 20 }, (_, n) => `leg-${n}`);

    /** The hub knows that all of them have left. */
    async function gone() {
      const metrics = async () => (await fetch(`${hub.base}/metrics`)).text();
      const looked = async () => {
        while (!/^rte_hub_connections 0$/m.test(await metrics()));
      };
      await within(looked(), 'the hub to know that nobody is there');
    }

    for (const transport of [undefined, ...transports.slice(1)]) {
      test(`works behind a proxy that eats the upgrade, ${transport ?? 'by the transport that it finds'}`, async () => {
        proxy.seen = [];
        const clients = [];
        for (let n = 0; n < 5; n++) clients.push(await connected(proxy.url, transport));
        for (const { connection } of clients) await connection.invoke('Subscribe', [item]);
        for (const { inbox } of clients.slice(0, 1)) await hears(inbox, legs);
        for (const { inbox } of clients.slice(1)) {
          for (const leg of legs) assert.equal((await inbox.next()).data.legId, leg);
        }
        assert.equal(proxy.seen.some((seen) => seen === 'GET websocket'), transport === undefined);
        for (const { connection } of clients) await connection.stop();
        await gone();
      });
    }

    test('is sent by a balancer that is not sticky to the hub that answers, and comes back by the balancer', async () => {
      const named = new Hub();
      const balancer = new Proxy();
      await named.start();
      named.set([`server.public_url=${named.url}`]);
      await named.drain();
      await named.start();
      await balancer.start(named);
      for (const transport of transports) {
        balancer.seen = [];
        const { connection, inbox } = await connected(balancer.url, transport, named);
        const reconnected = new Promise((resolve) => connection.onreconnected(resolve));
        await connection.invoke('Subscribe', [item]);
        await hears(inbox, legs, named);
        assert.equal(balancer.seen.length, 1, transport);
        assert.equal(await named.drain(), 0);
        await named.start();
        await within(reconnected, 'onreconnected');
        await connection.invoke('Subscribe', [item]);
        await hears(inbox, ['leg-1'], named);
        assert.ok(balancer.seen.length > 1 && balancer.seen.every((seen) => seen.startsWith('POST')), transport);
        await connection.stop();
      }
      balancer.stop();
      await named.stop();
    });
  });
}
