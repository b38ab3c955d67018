// The stock clients behind a proxy that eats the upgrade and shares few sockets among all of them.

import assert from 'node:assert/strict';
import { Agent, createServer, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as newest from '@microsoft/signalr';
import * as oldest from 'signalr-3';
import { Hub, Inbox, USER, callIn, within } from './hub.mjs';

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

for (const [name, signalR] of [
  ['@microsoft/signalr 10', newest],
  ['@microsoft/signalr 3.1.31', oldest],
]) {
  describe(name, () => {
    const hub = new Hub(['server.threads=4']);
    const proxy = new Proxy();
    const open = new Set();

    before(async () => {
      await hub.start();
      await proxy.start(hub);
    });
    after(async () => {
      await Promise.all([...open].map((connection) => connection.stop()));
      proxy.stop();
      await hub.stop();
    });

    async function connected(url, transport) {
      const options = { accessTokenFactory: () => hub.client() };
      if (transport) options.transport = signalR.HttpTransportType[transport];
      const connection = new signalR.HubConnectionBuilder()
        .withUrl(url, options)
        .configureLogging(signalR.LogLevel.None)
        .withAutomaticReconnect(Array(200).fill(50))
        .build();
      open.add(connection);
      const inbox = new Inbox();
      connection.on('MessageReceived', (message) => inbox.push(message));
      await connection.start();
      return { connection, inbox };
    }

    async function hears(inbox, legs) {
      for (const leg of legs) {
        const call = callIn(USER);
        await hub.publish({ ...call, data: { ...call.data, legId: leg } });
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

    for (const transport of [undefined, 'ServerSentEvents', 'LongPolling']) {
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
  });
}
