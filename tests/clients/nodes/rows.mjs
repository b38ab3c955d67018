// What happens to several nodes and their Redis, and what must hold then. Each row is a function of a time in seconds, for which
// it has load before what happens, and gives figures and the promises that do not hold.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { BINARY, within } from '../hub.mjs';
import { balanced, rolling, tokens } from './balanced.mjs';
import { Redis } from './redis.mjs';
import { World, ready, until } from './world.mjs';

/** How soon publishers are served again once the engine answers. */
const AGAIN_MS = 1_500;
/** The same where seconds of publications are written again first, in debug builds on a machine that has much else to do. */
const REPAIRED_MS = 3_000;

/** A fault of the engine, with load before, in and behind it, `times` in all; it is over when the promise is kept. */
function fault(happen, { times = 1, promise = () => {}, isOrdered = true, againMs = AGAIN_MS, ...options } = {}) {
  return async (seconds) => {
    const world = await new World(options).start();
    try {
      await world.listen();
      world.publish();
      await pass(seconds * 1000);
      for (let time = 0; time < times; time += 1) {
        await happen(world, seconds);
        await world.healed();
      }
      await pass(seconds * 1000);
      await world.settle();
      const { figures, broken, must } = await world.outcome({ isOrdered });
      must(figures.againMs <= againMs, `publishing again after ${figures.againMs} ms`);
      promise(figures, must);
      return { figures, broken };
    } finally {
      await world.stop();
    }
  };
}

/** The engine has lost something, and gets it back: in an order of its own for who had not read it. */
const REPAIRS = {
  isOrdered: false,
  againMs: REPAIRED_MS,
  promise({ missed, repaired }, must) {
    must(missed === 0, `${missed} missed`);
    must(repaired > 0, 'nothing is repaired');
  },
};

async function killed({ engine }) {
  await engine.kill();
  await pass(300);
  await engine.start();
}

const frozen = (ms) => async ({ engine }) => {
  engine.freeze();
  await pass(ms);
  engine.thaw();
};

async function none(seconds) {
  const world = await new World({ count: 3 }).start();
  try {
    await world.listen();
    world.publish();
    await pass(seconds * 500);
    const late = await world.addNode();
    await world.listen([late.url], true);
    await pass(seconds * 500);
    await world.settle();
    return await world.outcome();
  } finally {
    await world.stop();
  }
}

async function trimmed(seconds) {
  const world = await new World({ settings: ['journal.redis.retain_entries=1000'] }).start();
  try {
    await world.listen();
    world.publish();
    await pass(seconds * 500);
    const [behind] = world.nodes;
    const of = world.clients.slice(0, 2);
    behind.freeze();
    await pass(3_000);
    behind.thaw();
    // They are closed within limits.gap_spread_ms.
    await within(until(() => of[0].gaps > 0), 'the client of a node that has missed something to be told so').catch(() => {});
    await world.healed();
    await pass(seconds * 500);
    await world.settle();
    const { figures, broken, must } = await world.outcome({ gapsOf: (client) => client === of[0] });
    must(of[0].closedWithGap > 0 && of[0].gaps > 0, `closed ${of[0].closedWithGap}, told of ${of[0].gaps} gaps`);
    must(of[1].closedWithGap === 0, 'who hears only states is closed');
    return { figures, broken };
  } finally {
    await world.stop();
  }
}

/** The next of the nodes that are there. */
const nextOf = (world) => (node) => {
  const rest = world.nodes.filter((other) => other !== node);
  return rest[Math.floor(Math.random() * rest.length)];
};

async function nodeKilled(seconds) {
  const world = await new World({ count: 3 }).start();
  try {
    await world.listen();
    world.publish(nextOf(world));
    await pass(seconds * 500);
    await world.nodes[0].stop();
    await world.healed();
    await pass(500);
    await world.nodes[0].start();
    await ready(world.nodes[0]);
    await pass(seconds * 500);
    await world.settle();
    return await world.outcome();
  } finally {
    await world.stop();
  }
}

async function originKilled(seconds) {
  const world = await new World({ count: 3, isKept: false }).start();
  try {
    await world.listen();
    world.publish(nextOf(world));
    await pass(seconds * 500);
    await Promise.all([world.engine.kill(), world.nodes[0].stop()]);
    await world.engine.start();
    await world.healed();
    const rest = world.clients.filter(({ kinds, name }) => kinds.length > 1 && name !== 'client 0');
    await within(until(() => rest.every(({ gaps }) => gaps > 0)), 'all clients to be told').catch(() => {});
    await world.nodes[0].start();
    await ready(world.nodes[0]);
    await pass(seconds * 500);
    await world.settle();
    const { figures, broken, must } = await world.outcome({ isOrdered: false, gapsOf: () => true });
    must(rest.every(({ gaps, closedWithGap }) => gaps > 0 && closedWithGap > 0), `told of gaps: ${rest.map(({ gaps }) => gaps)}`);
    return { figures, broken };
  } finally {
    await world.stop();
  }
}

async function absent(seconds) {
  const world = new World({ engine: await new Redis().start() });
  await world.engine.kill();
  try {
    const isReady = world.addNode();
    await pass(1_000);
    await world.engine.start();
    const back = performance.now();
    await isReady;
    const againMs = Math.round(performance.now() - back);
    await world.listen();
    world.publish();
    await pass(seconds * 1000);
    await world.settle();
    const { figures, broken, must } = await world.outcome();
    must(againMs <= AGAIN_MS, `ready after ${againMs} ms`);
    return { figures: { ...figures, againMs }, broken };
  } finally {
    await world.stop();
  }
}

/** `rte check --connect` ends with 2 and says why; what it says has no password. */
async function refused() {
  const engine = await new Redis().start();
  const folder = mkdtempSync(join(tmpdir(), 'rte-refused-'));
  writeFileSync(join(folder, 'word'), 'hush-hush');
  const broken = [];
  const check = (wanted, ...settings) => {
    const words = ['journal.engine=redis', `journal.redis.addresses=127.0.0.1:${engine.port}`, ...settings].flatMap((set) => ['--set', set]);
    const { status, stdout, stderr } = spawnSync(BINARY, ['check', '--connect', ...words], { env: { RTE_AUTH_SECRET: 'x'.repeat(40) }, encoding: 'utf8' });
    const said = stdout + stderr;
    if (status !== 2 || !said.includes(wanted) || said.includes('hush')) broken.push(`exit code ${status}: ${said}`);
  };
  try {
    await engine.ask('HSET rte:meta format 1 partitions 8');
    check('has partitions "8"');
    await engine.ask('CONFIG SET requirepass another');
    check('knows no such user with this password', `journal.redis.password_file=${join(folder, 'word')}`);
    await engine.kill();
    check('nobody listens there');
  } finally {
    await engine.stop();
    rmSync(folder, { recursive: true });
  }
  return { figures: {}, broken };
}

/** How long a node is frozen at random. */
const SLEEPS_MS = 3_000;

/** mulberry32. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Faults that lose nothing that is not told, one after the other, by `--seed`. */
async function many(seconds, seed) {
  // A node that sleeps answers so much later.
  const world = await new World({ count: 3, isKept: false, settings: ['limits.drain_spread_ms=500'], sleepsMs: SLEEPS_MS }).start();
  const next = random(seed);
  const until_ms = performance.now() + seconds * 1000;
  const among = (list) => list[Math.floor(next() * list.length)];
  const rss = () => world.nodes.map(({ pid }) => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`))[1]) / 1024));
  const happenings = {
    killed,
    frozen: (world) => frozen(500 + next() * 6_000)(world),
    cut: ({ engine }) => engine.ask('CLIENT KILL TYPE normal'),
    paused: ({ engine }) => engine.ask(`CLIENT PAUSE ${Math.floor(next() * 4_000)}`),
    forgotten: ({ engine }) => engine.ask('SCRIPT FLUSH'),
    flushed: ({ engine }) => engine.ask('FLUSHALL'),
    deleted: async ({ engine }) => engine.ask(`DEL ${await engine.log()}`),
    full,
    async drained() {
      const node = among(world.nodes);
      await node.drain();
      await node.start();
      await ready(node);
    },
    async slept() {
      const node = among(world.nodes);
      node.freeze();
      await pass(next() * SLEEPS_MS);
      node.thaw();
    },
  };
  try {
    await world.listen();
    world.publish(nextOf(world));
    const counts = {};
    const first = rss();
    while (performance.now() < until_ms) {
      await pass(500 + next() * 8_000);
      const name = among(Object.keys(happenings));
      counts[name] = (counts[name] ?? 0) + 1;
      await happenings[name](world);
      await world.healed();
    }
    await world.settle();
    // Of a node that has ended nobody knows whether it would have had what is lost within a minute after that: a gap may be told.
    const { figures, broken } = await world.outcome({ isOrdered: false, gapsOf: () => true });
    return { figures: { ...figures, happened: counts, rssMiB: `${first} to ${rss()}` }, broken };
  } finally {
    await world.stop();
  }
}

async function full({ engine }) {
  await engine.ask('CONFIG SET maxmemory 1');
  await pass(2_000);
  await engine.ask('CONFIG SET maxmemory 0');
}

/** What `tests/backplane` knows, in the order in which it does it; those that are short are part of the gate. */
export const ROWS = [
  { name: 'none', says: 'three nodes, and one that is started last', isShort: true, run: none },
  { name: 'killed', says: 'Redis is killed and started again, five times, with appendonly', run: fault(killed, { times: 5 }) },
  { name: 'unkept', says: 'the same without appendonly', run: fault(killed, { times: 5, isKept: false, ...REPAIRS }) },
  { name: 'flushed', says: 'FLUSHALL', isShort: true, run: fault(({ engine }) => engine.ask('FLUSHALL'), REPAIRS) },
  { name: 'deleted', says: 'DEL of the log', isShort: true, run: fault(async ({ engine }) => engine.ask(`DEL ${await engine.log()}`), REPAIRS) },
  {
    name: 'flushed-frozen',
    says: 'FLUSHALL while one node is frozen',
    run: fault(async ({ engine, nodes }) => {
      nodes[1].freeze();
      await pass(200);
      await engine.ask('FLUSHALL');
      await pass(2_000);
      nodes[1].thaw();
    }, REPAIRS),
  },
  { name: 'frozen', says: 'Redis is frozen for 3 s', run: fault(frozen(3_000)) },
  { name: 'frozen-long', says: 'Redis is frozen for 20 s', run: fault(frozen(20_000)) },
  {
    name: 'paused',
    says: 'CLIENT PAUSE for 3 s',
    run: fault(async ({ engine }) => {
      await engine.ask('CLIENT PAUSE 3000');
      await pass(3_000);
    }),
  },
  {
    name: 'cut',
    says: 'all connections to Redis are cut, every 0.3 s',
    isShort: true,
    run: fault(async ({ engine }, seconds) => {
      for (let time = 0; time < Math.max(5, (seconds * 1000) / 300); time += 1) {
        await engine.ask('CLIENT KILL TYPE normal');
        await pass(300);
      }
    }),
  },
  { name: 'forgotten', says: 'SCRIPT FLUSH', isShort: true, run: fault(({ engine }) => engine.ask('SCRIPT FLUSH')) },
  { name: 'full', says: 'Redis has no memory left for 2 s', isShort: true, run: fault(full) },
  { name: 'trimmed', says: 'a node is frozen until the log does not reach back to it', run: trimmed },
  { name: 'node-killed', says: 'a node is killed while it publishes, and started again', isShort: true, run: nodeKilled },
  { name: 'origin-killed', says: 'a node is killed, and with it Redis, which comes back empty', run: originKilled },
  { name: 'absent', says: 'Redis is not there at the start', isShort: true, run: absent },
  { name: 'refused', says: 'wrong password, other partitions, no Redis', isShort: true, run: refused },
  { name: 'tokens', says: 'forged, expired and foreign connection tokens', run: tokens },
  { name: 'balanced', says: 'connects through nginx and HAProxy, by turns and by `id`', isLong: true, run: balanced },
  { name: 'rolling', says: 'three nodes behind nginx, and HAProxy, are drained and started again, one after the other', run: rolling },
  { name: 'many', says: 'one of these after the other at random, for --seconds', isLong: true, run: many },
];
