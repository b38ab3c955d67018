// Several nodes behind nginx and HAProxy, as the guide configures them.

import { setTimeout as pass } from 'node:timers/promises';
import { USER } from '../hub.mjs';
import { BALANCERS, Proxy, ROLLING, versionOf } from '../proxies/proxies.mjs';
import { TRANSPORTS, VERSIONS, inNode } from '../stock.mjs';
import { World, ready } from './world.mjs';

const CONNECTS = 1_000;
/** Clients that connect at a time. */
const AT_ONCE = 20;

const isThere = ({ program }) => versionOf(program) !== null;
/** Balancers poll once a second, and need two answers. */
const POLLED_MS = 5_000;

/** So many connects by each transport that may be tried, by turns and by the query's id; how many were refused. */
export async function balanced() {
  const world = await new World({ settings: ['server.trusted_proxies=127.0.0.1'] }).start();
  const [refused, broken] = [{}, []];
  const connect = async (url, transport) => {
    const client = inNode(VERSIONS.at(-1))({ url, token: world.nodes[0].client(), transport });
    try {
      await client.start();
      return (await client.invoke('UnsubscribeAll')) === true;
    } catch {
      return false;
    } finally {
      await client.stop();
    }
  };
  const connects = async (name, url, transport) => {
    let failures = 0;
    for (let left = CONNECTS; left > 0; left -= AT_ONCE) {
      const outcomes = await Promise.all(Array.from({ length: AT_ONCE }, () => connect(url, transport)));
      failures += outcomes.filter((isGood) => !isGood).length;
    }
    refused[`${name}, ${transport}`] = failures;
    if (failures > 0) broken.push(`${name}: ${failures} of ${CONNECTS} connects over ${transport} are refused`);
  };
  try {
    for (const entry of BALANCERS.filter(isThere)) {
      const proxy = await new Proxy().start(entry, world.nodes);
      for (const transport of entry.turns ? ['WebSockets'] : TRANSPORTS.slice(1)) await connects(entry.name, proxy.url, transport);
      await proxy.stop();
    }
    // Those that need their node find it by a name of its own, whoever has negotiated.
    for (const node of world.nodes) {
      node.set([`server.public_url=${node.url}`]);
      await node.stop();
      await node.start();
      await ready(node);
    }
    for (const entry of BALANCERS.filter((entry) => isThere(entry) && entry.turns)) {
      const proxy = await new Proxy().start(entry, world.nodes);
      for (const transport of TRANSPORTS.slice(1)) await connects(`${entry.name}, public_url`, proxy.url, transport);
      await proxy.stop();
    }
    return { figures: { connects: CONNECTS, refused }, broken };
  } finally {
    await world.stop();
  }
}

/** What one node has negotiated is good at the other for its bearer, for a while; anything else is a 404. */
export async function tokens() {
  const world = await new World({ settings: ['limits.negotiated_ms=1000'] }).start();
  const broken = [];
  const [first, second] = world.nodes;
  const asked = (bearer, options) => ({ ...options, headers: { Authorization: `Bearer ${bearer}` } });
  const negotiated = async () => {
    const reply = await fetch(`${first.url}/negotiate?negotiateVersion=1`, asked(first.client(), { method: 'POST' }));
    return (await reply.json()).connectionToken;
  };
  const must = async (wanted, what, id, bearer = first.client()) => {
    const { status } = await fetch(`${second.url}?id=${encodeURIComponent(id)}`, asked(bearer));
    if (status !== wanted) broken.push(`${what}: ${status}`);
  };
  try {
    await must(200, 'negotiated at the other node', await negotiated());
    const id = await negotiated();
    await must(404, 'forged', (id[0] === 'A' ? 'B' : 'A') + id.slice(1));
    await must(404, 'forged', id.slice(0, -2) + (id.at(-2) === 'x' ? 'y' : 'x') + id.at(-1));
    await must(404, "somebody else's", await negotiated(), first.client({ sub: USER.replace('c9', 'd9') }));
    // They are good for 5 s more than that, and tell it in whole seconds.
    await pass(7_500);
    await must(404, 'expired', id);
    return { figures: {}, broken };
  } finally {
    await world.stop();
  }
}

/** Three nodes are drained and started again, one after the other, with clients and publishers. */
export async function rolling(seconds) {
  const results = {};
  const broken = [];
  for (const entry of ROLLING.filter(isThere)) {
    const outcome = await rolled(entry, seconds);
    results[entry.name] = outcome.figures;
    broken.push(...outcome.broken.map((text) => `${entry.name}: ${text}`));
  }
  return { figures: results, broken };
}

async function rolled(entry, seconds) {
  const settings = [`limits.drain_delay_ms=${POLLED_MS}`, 'limits.drain_spread_ms=2000', 'server.trusted_proxies=127.0.0.1'];
  const world = await new World({ count: 3, settings }).start();
  const proxy = new Proxy();
  try {
    await proxy.start(entry, world.nodes);
    await world.listen(Array(6).fill(proxy.url));
    // Who publishes goes on to the next where it is refused.
    world.publish((node) => world.nodes[(world.nodes.indexOf(node) + 1) % world.nodes.length]);
    await pass(seconds * 1000);
    for (const node of world.nodes) {
      await node.drain();
      await node.start();
      await ready(node);
      await pass(POLLED_MS);
    }
    await pass(seconds * 1000);
    await world.settle();
    const { figures, broken, must } = await world.outcome();
    const failures = world.clients.flatMap(({ failures }) => failures);
    must(failures.length === 0, `${failures.length} connects are refused`);

    return { figures: { ...figures, moves: world.clients.reduce((sum, { moves }) => sum + moves, 0), refusedConnects: failures.length }, broken };
  } finally {
    await world.stop();
    await proxy.stop();
  }
}
