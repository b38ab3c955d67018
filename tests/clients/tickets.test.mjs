// Tickets: the stock clients show them in the place of their token, so that none stands in a URL that a proxy sees.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import * as newest from '@microsoft/signalr';
import * as oldest from 'signalr-3';
import { Hub } from './hub.mjs';

describe('a hub that hands out tickets and refuses tokens in queries', () => {
  const hub = new Hub(['auth.tickets=true', 'auth.jwt_in_query=refuse']);
  let seen = '';
  const proxy = createServer((client) => {
    const node = connect(hub.port, '127.0.0.1');
    client.on('data', (bytes) => (seen += bytes.toString('latin1')));
    client.pipe(node).pipe(client);
    for (const [one, other] of [[client, node], [node, client]]) one.on('error', () => other.destroy());
  });

  before(async () => {
    await hub.start();
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    await hub.stop();
    proxy.close();
  });

  for (const [name, signalR] of [
    ['@microsoft/signalr 10', newest],
    ['@microsoft/signalr 3.1.31', oldest],
  ]) {
    test(`${name} puts no token into a URL`, async () => {
      seen = '';
      const token = hub.client();
      const url = `http://127.0.0.1:${proxy.address().port}/rte`;
      const connection = new signalR.HubConnectionBuilder()
        .withUrl(url, { accessTokenFactory: () => token })
        .configureLogging(signalR.LogLevel.None)
        .build();
      await connection.start();
      assert.equal(await connection.invoke('UnsubscribeAll'), true);
      assert.ok((await connection.invoke('RefreshToken', token)).tokenLifetimeSeconds > 0);
      await connection.stop();
      const targets = [...seen.matchAll(/(?:GET|POST|DELETE) (\S+) HTTP/g)].map(([, target]) => target);
      assert.ok(targets.length >= 2, targets);
      assert.ok(targets.every((target) => !target.includes(token) && !target.includes('eyJ')), targets);
      // In Node the newest sends a header with the upgrade, as it does in a query in browsers; it holds the ticket.
      assert.equal(seen.split(`Bearer ${token}`).length - 1, 1, 'the token is shown once: to negotiate');
    });
  }
});
