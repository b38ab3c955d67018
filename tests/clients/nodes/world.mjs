// Several nodes on one Redis, clients and publishers at each, and what has become of it all in the end.

import { randomBytes } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { Hub, within } from '../hub.mjs';
import { Client, Publisher, snapshot } from './load.mjs';
import { Redis } from './redis.mjs';

/** Of what is published, so much is by publishers that do not send again. */
const ONCE_SHARE = 0.1;
/** A client that is away for seconds misses more than most would want to be told. */
const REPLAYS = ['limits.replay_items_max=100000', 'limits.outbox_hard_bytes=67108864'];
/** All have come within this time after the last was taken. */
const SETTLE_MS = 30_000;
/** Entries of a batch: so many may be appended after they were refused, of each node, for each time that the engine is away. */
const BATCH = 256;

export class World {
  nodes = [];
  clients = [];
  publishers = [];
  faults = 0;
  #series = new Map();
  #secret = randomBytes(32).toString('hex');
  #healed = [];

  /** `rate` publications a second, by publishers at each node. */
  constructor({ count = 2, isKept = true, settings = [], rate = 2_000, appendTimeoutMs = 5_000, sleepsMs = 0, engine = new Redis(isKept) } = {}) {
    Object.assign(this, { count, rate, engine, longestMs: appendTimeoutMs + sleepsMs + 500 });
    this.settings = ['server.threads=2', 'limits.user_connects_per_minute=0', ...REPLAYS, `journal.redis.append_timeout_ms=${appendTimeoutMs}`, ...settings];
  }

  async start() {
    await this.engine.start();
    for (let node = 0; node < this.count; node += 1) await this.addNode();
    return this;
  }

  /** Another node, once it is ready. */
  async addNode(settings = []) {
    const address = `journal.redis.addresses=127.0.0.1:${this.engine.port}`;
    const node = new Hub(['journal.engine=redis', address, ...this.settings, ...settings], this.#secret);
    this.nodes.push(node);
    await node.start();
    await ready(node);
    return node;
  }

  /** A client at each address that subscribes to everything, and one to states only. */
  async listen(urls = this.nodes.map((node) => node.url), isLate = false) {
    const token = () => this.nodes[0].client();
    for (const url of urls) {
      const name = `client ${this.clients.length}`;
      this.clients.push(new Client({ name, url, token, isLate }), new Client({ name: `${name}, states`, url, token, isLate, kinds: ['state'] }));
    }
    await Promise.all(this.clients.map((client) => client.start()));
  }

  /** Publishers at each node: one that sends again what was refused, and one that does not. */
  publish(next) {
    for (const [at, node] of this.nodes.entries()) {
      const rate = this.rate / this.nodes.length;
      const one = { node, series: this.#series, next };
      this.publishers.push(new Publisher({ ...one, name: `p${at}`, rate: rate * (1 - ONCE_SHARE) }));
      this.publishers.push(new Publisher({ ...one, name: `o${at}`, rate: rate * ONCE_SHARE, kinds: ['once'], retries: false }));
    }
  }

  /** Something has happened, and is over now: publishers go on. */
  async healed() {
    this.faults += 1;
    const at = performance.now();
    const isAgain = () => this.publishers.every(({ takenAt }) => takenAt > at);
    await within(until(isAgain), 'all to publish again');
    this.#healed.push(Math.max(...this.publishers.map(({ takenAt }) => takenAt)) - at);
  }

  /** No more is published; all have heard what they will. */
  async settle() {
    await within(Promise.all(this.publishers.map((publisher) => publisher.end())), 'the publishers to end');
    const end = performance.now() + SETTLE_MS;
    const isQuiet = () => this.clients.every((client) => client.missing(this.#series) === 0) && new Set(this.clients.map(({ state }) => state?.name)).size <= 1;
    while (!isQuiet() && performance.now() < end) await pass(50);
    // Whatever is told twice has time to come.
    await pass(300);
  }

  /** The sum over all nodes of a metric. */
  async metric(name) {
    const texts = await Promise.all(this.nodes.map((node) => fetch(`${node.base}/metrics`).then((reply) => reply.text(), () => '')));
    return texts.map((text) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0)).reduce((sum, one) => sum + one, 0);
  }

  /** Why clients were told that something may be missing, of the nodes as they run now. */
  async reasons() {
    const texts = await Promise.all(this.nodes.map((node) => fetch(`${node.base}/metrics`).then((reply) => reply.text(), () => '')));
    return texts.flatMap((text, at) => [...text.matchAll(/rte_since_total\{result="(\w+)"\} ([1-9]\d*)/g)].map(([, result, count]) => `node ${at}: since ${result} ${count}`));
  }

  /** What has become of it, in figures; the promises that all faults leave are in it. */
  async outcome({ isOrdered = true, gapsOf = () => false } = {}) {
    const sum = (list) => list.reduce((sum, one) => sum + one, 0);
    const whole = this.clients.filter((client) => client.kinds.length > 1);
    const held = await Promise.all(this.nodes.map((node) => snapshot(node.url, () => node.client())));
    const figures = {
      acknowledged: sum(this.publishers.map(({ acknowledged }) => acknowledged)),
      delivered: whole.map(({ delivered }) => delivered),
      missing: sum(this.clients.map((client) => client.missing(this.#series))),
      doubled: sum(this.clients.map(({ doubled }) => doubled)),
      unordered: sum(this.clients.map(({ unordered }) => unordered)),
      gaps: sum(this.clients.map(({ gaps }) => gaps)),
      closed: sum(this.clients.map(({ closedWithGap }) => closedWithGap)),
      refused: sum(this.publishers.map(({ refusals }) => refusals)),
      refusedMs: Math.round(Math.max(0, ...this.publishers.map(({ longestRefusalMs }) => longestRefusalMs))),
      late: Math.max(0, ...whole.map((client) => client.late(this.#series))),
      againMs: Math.round(Math.max(0, ...this.#healed)),
      repaired: await this.metric('rte_backplane_repaired_total'),
      unrepaired: await this.metric('rte_backplane_unrepaired_total'),
      missed: await this.metric('rte_backplane_missed_total'),
    };
    const states = new Set([...this.clients.map(({ state }) => state?.name), ...held.map((state) => state?.name)]);
    const calm = whole.filter((client) => !client.isLate && !gapsOf(client));
    const broken = [];
    const must = (holds, text) => holds || broken.push(text);
    must(figures.acknowledged > 0 && figures.missing === 0, `${figures.missing} are missing`);
    must(figures.doubled === 0, `${figures.doubled} are doubled`);
    must(figures.unordered === 0, `${figures.unordered} are out of order`);
    must(calm.every(({ gaps, closedWithGap }) => gaps + closedWithGap === 0), 'a gap is told where none is');
    must(this.clients.every(({ kinds, closedWithGap }) => kinds.length > 1 || closedWithGap === 0), 'who hears only states is closed');
    must(!isOrdered || new Set(calm.map(({ digest }) => digest)).size <= 1, 'clients have heard the same in different order');
    must(states.size === 1, `last states differ: ${[...states].join(', ')}`);
    must(figures.refusedMs <= this.longestMs, `a 503 after ${figures.refusedMs} ms`);
    must(figures.late <= BATCH * this.nodes.length * this.faults, `${figures.late} were refused and came`);
    // What helps to find out why.
    const lines = this.nodes.flatMap((node, at) => node.log.split('\n').filter((line) => / (warn|error) /.test(line)).slice(-12).map((line) => `node ${at}: ${line}`));
    if (broken.length > 0) broken.push(...new Set(this.clients.flatMap(({ name, ends, failures }) => [...ends, ...failures].map((text) => `${name}: ${text}`))), ...lines, ...(await this.reasons()));
    return { figures, broken, must };
  }

  async stop() {
    await Promise.all(this.publishers.map((publisher) => publisher.end()));
    await Promise.all(this.clients.map((client) => client.stop()));
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.engine.stop();
  }
}

/** Until it is so. */
export async function until(isSo) {
  while (!(await isSo())) await pass(10);
}

export function ready(node) {
  return within(until(() => fetch(`${node.base}/readyz`).then(({ status }) => status === 200, () => false)), 'a node to be ready');
}
