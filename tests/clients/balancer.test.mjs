// The reference client behind a balancer that knows nothing of sessions: negotiate at one node, connect at the other.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import * as newest from '@microsoft/signalr';
import * as oldest from 'signalr-3';
import { Hub } from './hub.mjs';

const SECRET = 'the secret of two nodes has more than 32 bytes';

describe('two nodes with one secret, by turns', () => {
  const nodes = [new Hub([], SECRET), new Hub([], SECRET)];
  let turns = 0;
  const balancer = createServer((client) => {
    const node = connect(nodes[turns++ % nodes.length].port, '127.0.0.1');
    client.pipe(node).pipe(client);
    for (const [one, other] of [[client, node], [node, client]]) one.on('error', () => other.destroy());
  });

  before(async () => {
    await Promise.all(nodes.map((node) => node.start()));
    await new Promise((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    balancer.close();
  });

  for (const [name, signalR] of [
    ['@microsoft/signalr 10', newest],
    ['@microsoft/signalr 3.1.31', oldest],
  ]) {
    test(`${name} connects every time`, async () => {
      for (let n = 0; n < 20; n++) {
        const connection = new signalR.HubConnectionBuilder()
          .withUrl(`http://127.0.0.1:${balancer.address().port}/rte`, { accessTokenFactory: () => nodes[0].client() })
          .configureLogging(signalR.LogLevel.None)
          .build();
        await connection.start();
        assert.equal(await connection.invoke('UnsubscribeAll'), true);
        await connection.stop();
      }
      assert.ok(turns >= 20);
    });
  }
});
