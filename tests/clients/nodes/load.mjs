// Publishers and clients of several nodes, and what each client must have heard of what was acknowledged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import * as signalR from '@microsoft/signalr';
import { ORGANIZATION, QUEUE, ROOT, USER } from '../hub.mjs';

/** Who gets what is published once: again or not is what tells what comes late. */
const ONCE = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
/** Items of a request, at most: more come only where a publisher is behind. */
const ITEMS_MAX = 100;
/** A node judges after ten seconds who is missing in another epoch, and spreads what it closes over as long. */
const TOLD_WITHIN_MS = 30_000;
/** A publisher that was refused tries again after so long; less than `Retry-After`, so that the time until it may again shows. */
const AGAIN_MS = 50;

function example(family, event) {
  return JSON.parse(readFileSync(join(ROOT, `schema/${family}/${event}.toml`), 'utf8').match(/json = '''([\s\S]+?)'''/)[1]);
}

/** What is published: each kind with its event, whose it is, and the property that carries its name. */
const KINDS = [
  { name: 'alert', event: 'UserAlert', entity: USER, owner: 'userId', mark: 'value', data: example('user', 'UserAlert') },
  { name: 'call', event: 'QueueCallInArrived', entity: QUEUE, owner: 'queueId', mark: 'queueName', data: example('queue', 'QueueCallInArrived') },
  { name: 'state', event: 'UserAvailability', entity: USER, owner: 'userId', mark: 'note', data: example('user', 'UserAvailability'), isState: true },
  { name: 'once', event: 'UserAlert', entity: ONCE, owner: 'userId', mark: 'value', data: example('user', 'UserAlert') },
];
const kindOf = new Map(KINDS.map((kind) => [`${kind.entity}/${kind.event.toLowerCase()}`, kind]));

/** A name of what is published: the publisher, the kind, and its number among these, from 1 on without holes. */
const item = ({ event, entity, owner, mark, data }, name) => ({ id: name, eventName: event, data: { ...data, [owner]: entity, [mark]: name } });

/** What became of one series of publications, of one publisher and kind. */
class Series {
  last = 0;
  /** Numbers that were refused, and not sent again. */
  refused = new Set();
  /** The same, where no answer came. */
  unknown = new Set();

  constructor(kind) {
    this.kind = kind;
  }

  isPromised(number) {
    return !this.refused.has(number) && !this.unknown.has(number);
  }
}

/** Publishes items; answers with the status. Refusals have no JSON. */
async function post(node, items) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${node.token({ org: ORGANIZATION, scope: 'publish' })}` };
  const response = await fetch(`${node.base}/publish`, { method: 'POST', headers, body: JSON.stringify(items) });
  await response.arrayBuffer();
  return response.status;
}

/** Publishes at a node, so many a second. */
export class Publisher {
  acknowledged = 0;
  refusals = 0;
  longestRefusalMs = 0;
  /** When the last request was taken, and that after the last fault. */
  takenAt = 0;
  #isOver = false;
  #done;
  #reuse = 0;

  /** `kinds` in the order in which they are published; one that does not retry leaves out what was refused. */
  constructor({ name, node, series, rate, kinds = ['alert', 'call', 'state'], retries = true, next = (node) => node }) {
    Object.assign(this, { name, node, rate, retries, next });
    this.kinds = KINDS.filter((kind) => kinds.includes(kind.name));
    this.series = series;
    this.#done = this.#run();
  }

  /** Of each request a tenth are states and calls. */
  #items(count) {
    return Array.from({ length: count }, (_, at) => {
      const kind = at === 0 ? this.kinds.at(-1) : at === 1 && this.kinds.length > 1 ? this.kinds[1] : this.kinds[0];
      const of = `${this.name}${this.#reuse || ''}.${kind.name}`;
      if (!this.series.has(of)) this.series.set(of, new Series(kind.name));
      return item(kind, `${of}.${++this.series.get(of).last}`);
    });
  }

  async #run() {
    let [began, sent] = [performance.now(), 0];
    while (!this.#isOver) {
      const due = Math.floor(((performance.now() - began) / 1000) * this.rate) - sent;
      if (due < Math.min(10, this.rate / 10)) {
        await pass(5);
        continue;
      }
      const items = this.#items(Math.min(due, ITEMS_MAX));
      sent += items.length;
      if (!(await this.#publish(items))) [began, sent] = [performance.now(), 0];
    }
  }

  /** Whether it was taken at once. */
  async #publish(items) {
    for (let tries = 1; ; tries += 1) {
      const asked = performance.now();
      const status = await post(this.node, items).catch(() => null);
      if (status === 202) {
        this.acknowledged += items.length;
        this.takenAt = performance.now();
        return tries === 1;
      }
      if (status !== null) {
        if (status !== 503) throw new Error(`${this.name}: ${status}`);
        this.refusals += 1;
        this.longestRefusalMs = Math.max(this.longestRefusalMs, performance.now() - asked);
      }
      const node = this.next(this.node);
      // Two origins have no order between them where an engine loses something: another series begins behind this request.
      if (node !== this.node) this.#reuse += 1;
      this.node = node;
      if (!this.retries) {
        this.#giveUp(items, status === null ? 'unknown' : 'refused');
        return false;
      }
      await pass(AGAIN_MS);
    }
  }

  #giveUp(items, why) {
    for (const { id } of items) {
      const [of, number] = split(id);
      this.series.get(of)[why].add(number);
    }
  }

  async end() {
    this.#isOver = true;
    await this.#done;
  }
}

/** The series of a name, and the number in it. */
function split(name) {
  const at = name.lastIndexOf('.');
  return [name.slice(0, at), Number(name.slice(at + 1))];
}

/** FNV-1a. */
function hash(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** What one client has heard of one series. */
class Heard {
  last = 0;
  count = 0;
  /** Numbers that were passed over and not told, each with when that was noticed. */
  missing = new Map();

  constructor(isTold) {
    /** What comes next may be anything, for the client was told so, or has just come. */
    this.isTold = isTold;
  }

  tell() {
    this.isTold = true;
    for (const [number, at] of this.missing) if (performance.now() - at < TOLD_WITHIN_MS) this.missing.delete(number);
  }
}

/** A stock client that subscribes to everything, or to states only, and says since when it has been away. */
export class Client {
  delivered = 0;
  doubled = 0;
  unordered = 0;
  gaps = 0;
  closedWithGap = 0;
  failures = [];
  /** Why it was cut off, each time. */
  ends = [];
  series = new Map();
  state = null;
  /** Times that it was cut off, whatever it was told. */
  moves = 0;
  /** Kinds of which it was told to miss something: of a series that is new to it, too. */
  #told = new Set();
  /** Of what has come, with where it stood: the same for all clients that have heard the same in the same order. */
  digest = 0;
  #cursors = new Map();
  #held = null;
  #isOver = false;
  #connection;

  /** One that is late has heard nothing of what was before. */
  constructor({ name, url, token, kinds = ['alert', 'call', 'state', 'once'], isLate = false }) {
    Object.assign(this, { name, isLate });
    this.kinds = KINDS.filter((kind) => kinds.includes(kind.name));
    this.#connection = new signalR.HubConnectionBuilder()
      .withUrl(url, { accessTokenFactory: token, transport: signalR.HttpTransportType.WebSockets })
      .configureLogging({ log: (_, text) => /Reconnect attempt failed/.test(text) && this.failures.push(text) })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 + 200 * Math.random() })
      .build();
    this.#connection.on('MessageReceived', (message) => (this.#held ? this.#held.push(message) : this.#hear(message)));
    this.#connection.onreconnecting((error) => this.#leave(error));
    this.#connection.onreconnected(() => this.#subscribe().catch(() => this.#connection.stop().then(() => this.start())));
    this.#connection.onclose((error) => this.#leave(error));
  }

  async start() {
    while (!this.#isOver) {
      try {
        await this.#connection.start();
        return await this.#subscribe();
      } catch (error) {
        this.failures.push(error.message);
        await this.#connection.stop();
        await pass(100);
      }
    }
  }

  #leave(error) {
    this.moves += 1;
    if (error) this.ends.push(error.message);
    if (/gap/.test(error?.message ?? '')) this.closedWithGap += 1;
  }

  /** The client may hand over messages before the result that they came behind: they wait for it here. */
  async #subscribe() {
    this.#held = [];
    const items = this.kinds.map(({ event, entity, name }) => ({ EntityId: entity, EventName: event, Since: this.#cursors.get(name) ?? null }));
    const verdicts = await this.#connection.invoke('Subscribe', items);
    for (const [at, { subscribed, recovered, position, message }] of verdicts.entries()) {
      const { name, isState } = this.kinds[at];
      if (!subscribed) throw new Error(message);
      if (recovered === false && !isState) {
        this.gaps += 1;
        this.#told.add(name);
        for (const [of, heard] of this.series) if (of.endsWith(`.${name}`)) heard.tell();
      }
      this.#cursors.set(name, position);
    }
    const held = this.#held;
    this.#held = null;
    held.forEach((message) => this.#hear(message));
  }

  #hear({ subscription, data, position }) {
    const kind = kindOf.get(`${subscription.entityId}/${subscription.eventName}`);
    this.delivered += 1;
    const cursor = this.#cursors.get(kind.name);
    this.#cursors.set(kind.name, position);
    const name = data[kind.mark];
    if (kind.isState) {
      this.state = { name, position };
      return;
    }
    if (cursor !== undefined && position <= cursor) this.unordered += 1;
    const [of, number] = split(name);
    if (!this.series.has(of)) this.series.set(of, new Heard(this.isLate || this.#told.has(kind.name)));
    const heard = this.series.get(of);
    if (number <= heard.last) {
      if (heard.missing.delete(number)) this.unordered += 1;
      else this.doubled += 1;
      return;
    }
    if (!heard.isTold) for (let at = heard.last + 1; at < number; at += 1) heard.missing.set(at, performance.now());
    heard.isTold = false;
    [heard.last, heard.count] = [number, heard.count + 1];
    this.digest = (this.digest + hash(`${name}@${position}`)) >>> 0;
  }

  /** How much of what was promised it has not heard, and was not told to miss. */
  missing(series) {
    return this.#each(series, ({ heard, promised }) => {
      const passed = [...heard.missing.keys()].filter((number) => promised.isPromised(number)).length;
      let behind = 0;
      if (!heard.isTold) for (let at = heard.last + 1; at <= promised.last; at += 1) behind += Number(promised.isPromised(at));
      return passed + behind;
    });
  }

  /** How much it has heard of what was refused for good. */
  late(series) {
    return this.#each(series, ({ heard, promised }) => {
      return [...promised.refused].filter((number) => number <= heard.last && !heard.missing.has(number)).length;
    });
  }

  #each(series, count) {
    let sum = 0;
    for (const [of, promised] of series) {
      if (promised.kind === 'state' || !this.kinds.some(({ name }) => name === promised.kind)) continue;
      sum += count({ heard: this.series.get(of) ?? new Heard(this.isLate), promised });
    }
    return sum;
  }

  async stop() {
    this.#isOver = true;
    await this.#connection.stop();
  }
}

/** What a client that comes now is told to hold: the name of the last state. */
export async function snapshot(url, token) {
  const connection = new signalR.HubConnectionBuilder().withUrl(url, { accessTokenFactory: token }).configureLogging(signalR.LogLevel.None).build();
  const { event, entity, mark } = KINDS.find(({ isState }) => isState);
  const told = new Promise((resolve) => connection.on('MessageReceived', ({ data, position }) => resolve({ name: data[mark], position })));
  try {
    await connection.start();
    const [verdict] = await connection.invoke('Subscribe', [{ EntityId: entity, EventName: event, Snapshot: true, Since: null }]);
    return verdict.snapshot === 0 ? null : await told;
  } finally {
    await connection.stop();
  }
}
