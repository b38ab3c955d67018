// The client library under a hub that lies: it throws nothing into the page, pauses, and has what it is told later.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import { USER, within } from './hub.mjs';
import { chance, ending, exported, load, reaches } from './library.mjs';

const EVENT = 'UserCallInComing';
const ENDED = 'UserCallInDisconnected';
const URL_OF_LIAR = 'http://liar.example/rte';

const library = await exported();
const { DAService } = await load(library.package);
after(() => library.remove());
const made = ending(after);
const turns = () => new Promise(setImmediate);

/** The hub of the test that runs: `negotiate()` makes a response, `take(socket, record)` hears what is said. */
let hub;
const realFetch = globalThis.fetch;
before(() => (globalThis.fetch = async () => hub.negotiate()));
after(() => (globalThis.fetch = realFetch));

/** A WebSocket whose other end is in this process. */
class Socket {
  readyState = 0;
  isGreeted = false;

  constructor() {
    setImmediate(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(text) {
    for (const record of text.split('\u001e').slice(0, -1)) setImmediate(() => this.readyState === 1 && hub.take(this, JSON.parse(record)));
  }

  /** The hub says so. */
  say(...records) {
    this.onmessage?.({ data: records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\u001e`).join('') });
  }

  close() {
    this.readyState = 3;
  }

  cut() {
    this.close();
    this.onclose?.({ code: 1006 });
  }
}

const invocation = (message) => ({ type: 1, target: 'MessageReceived', arguments: [message] });
const message = (eventName, callId, position, at = '2026-11-26T06:00:00.000Z') => ({
  subscription: { entityId: USER, eventName: eventName.toLowerCase() }, data: { callId, legId: '1' }, position, at,
});

/** A hub that tells the truth: it grants everything, and replays nothing. */
class Honest {
  epoch = 'h';
  number = 0;
  sockets = new Set();
  /** The events of calls that are open. */
  open = new Map();

  negotiate() {
    return new Response('{"connectionToken":"x"}');
  }

  get position() {
    return `${this.epoch}${String(this.number).padStart(9, '0')}`;
  }

  take(socket, { type, target, invocationId, arguments: [items] = [] }) {
    if (!socket.isGreeted) {
      socket.isGreeted = true;
      socket.say({});
    } else if (type === 1) {
      const records = target === 'Subscribe' ? this.subscribe(socket, items) : [[]];
      const [result, ...block] = records;
      socket.say({ type: 3, invocationId, result }, ...block.map(invocation));
    }
  }

  subscribe(socket, items) {
    this.sockets.add(socket);
    const isGap = ({ Since }) => Since !== null;
    const result = items.map((item) => ({
      subscribed: true, message: null, entityId: item.EntityId, eventName: item.EventName, position: `${this.epoch}`, ...(isGap(item) && { recovered: false, snapshot: 0 }),
    }));
    const block = [...this.open.values()].filter(({ subscription }) => items.some(({ EventName, Snapshot }) => Snapshot && EventName === subscription.eventName));
    return [result, ...block];
  }

  publish(eventName, callId, at) {
    this.number += 1;
    const told = message(eventName, callId, this.position, at);
    if (eventName === ENDED) this.open.delete(callId);
    else this.open.set(callId, told);
    for (const socket of this.sockets) {
      if (socket.readyState === 1) socket.say(invocation(told));
      else this.sockets.delete(socket);
    }
    return told;
  }

  cut() {
    for (const socket of this.sockets) socket.cut();
    this.sockets.clear();
  }
}

/** One that says what chance says. */
class Liar extends Honest {
  epoch = 'z';
  heard = 0;

  constructor(random) {
    super();
    this.random = random;
  }

  pick(...choices) {
    return choices[Math.floor(this.random() * choices.length)];
  }

  /** Something of any type. */
  thing() {
    const { pick } = this;
    return pick.call(this, null, 0, -1, 1e99, '', 'x', true, [], [null], {}, { type: 1 }, '\u0000', '__proto__', USER, EVENT.toLowerCase(), 'zzzz', [[[]]], undefined);
  }

  negotiate() {
    const json = (body, status = 200, headers = {}) => new Response(body, { status, headers });
    return this.pick(
      ...Array.from({ length: 8 }, () => json('{"connectionToken":"x"}')),
      json('null'), json('[]'), json('{"connectionToken":1}'), json('<html>'), json(''), json('{"error":{}}'), json('{"connectionToken":"x","accessToken":7}'),
      json('', 500), json('busy', 503, { 'Retry-After': '-5' }), json('busy', 429, { 'Retry-After': 'soon', Date: 'never' }), json('', 404),
    );
  }

  message() {
    const good = message(this.pick(EVENT, ENDED, 'UserCallInArrived'), this.pick('a', 'b', 'c'), this.pick('z1', 'z2', 'z9', 'a', ''));
    const bad = { ...good, [this.pick('subscription', 'data', 'position', 'at', 'last')]: this.thing() };
    const stranger = { ...good, subscription: { entityId: this.pick('x', '*', '__proto__', USER.toUpperCase()), eventName: this.pick('userstatus', 'constructor', EVENT) } };
    return this.pick(good, good, bad, stranger, this.thing());
  }

  record(invocationId) {
    const completion = { type: 3, invocationId: this.pick(invocationId, invocationId, '0', 'none', this.thing()), result: this.thing() };
    return this.pick(
      invocation(this.message()), invocation(this.message()), invocation(this.message()), { type: 1, target: 'MessageReceived' }, { type: 1, target: this.thing(), arguments: this.thing() },
      completion, { ...completion, error: this.thing() }, { type: 6 }, { type: this.thing() }, '{"type":1', 'null', '1', '[]', this.thing() ?? '',
      { type: 7, error: this.thing(), allowReconnect: true }, { type: 8 }, { type: 9, sequenceId: -1 },
    );
  }

  take(socket, record) {
    this.heard += 1;
    const { invocationId, target, arguments: [items] = [] } = record;
    if (!socket.isGreeted) {
      if (this.random() < 0.1) return socket.say(this.pick('{', '{"error":"no"}', 'null', '[]', '1'));
      return super.take(socket, record);
    }
    const say = (...records) => socket.readyState === 1 && socket.say(...records);
    for (let more = Math.floor(this.random() * 4); more > 0; more -= 1) say(this.record(invocationId));
    if (this.random() < 0.1) return socket.cut();
    if (target !== 'Subscribe') return super.take(socket, record);
    const verdict = (item) => ({ ...super.subscribe(socket, [item])[0][0], ...(this.random() < 0.2 && { [this.pick('subscribed', 'position', 'recovered', 'snapshot', 'message')]: this.thing() }) });
    const verdicts = items.map((item) => (this.random() < 0.01 ? this.thing() : verdict(item)));
    if (this.random() < 0.1) verdicts.pop();
    say({ type: 3, invocationId, result: this.random() < 0.1 ? this.thing() : verdicts });
    for (let more = Math.floor(this.random() * 6); more > 0; more -= 1) say(this.record(invocationId));
  }
}

const TIMES = { delayMs: 2, delayMaxMs: 8, tickMs: 20, answerMs: 40, probeMs: 20, silentMs: 60 };

test('lies reach no page, are met with pauses, and the truth that comes later is shown', async () => {
  const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 150 }, (_, seed) => seed);
  for (const seed of seeds) await within(lied(seed), `seed ${seed}`);
});

async function lied(seed) {
  const random = chance(seed);
  const liar = new Liar(random);
  hub = liar;
  const da = made(new DAService(URL_OF_LIAR, () => 'a.b.c', { WebSocket: Socket, times: TIMES }));
  const seen = [];
  da.on(EVENT, USER, ({ subscription, data }) => {
    assert.deepEqual([subscription.entityId.toLowerCase(), subscription.eventName.toLowerCase()], [USER, EVENT.toLowerCase()]);
    seen.push(data?.callId);
  });
  da.on('UserCallbackChanged', '*', () => {});
  // One that is refused begins again, as a page would by hand.
  const off = da.OnStateChanged.on(({ state }) => state === 'refused' && setImmediate(() => da.Connect()));
  da.Connect();
  const view = await da.calls(USER);
  view.on(() => {});
  const begin = performance.now();
  while (performance.now() - begin < 60) {
    liar.sockets.forEach((socket) => socket.readyState === 1 && random() < 0.05 && socket.say(liar.record('0')));
    await turns();
    if (random() < 0.1) da.Subscribe([{ EntityId: USER, EventName: 'UserStatus' }]).catch(() => {});
    if (random() < 0.1) da.GetActiveSubscriptions().catch(() => {});
  }
  const perMs = liar.heard / (performance.now() - begin);
  assert.ok(perMs < 20, `seed ${seed}: it asks ${perMs} times a millisecond`);
  const truth = new Honest();
  hub = truth;
  truth.publish('UserCallInArrived', 'true');
  for (const socket of liar.sockets) socket.cut();
  // It is live by what the true hub says.
  while (da.state !== 'live' || ![...truth.sockets].some(({ readyState }) => readyState === 1)) await turns();
  truth.publish(EVENT, 'later');
  await turns();
  assert.deepEqual([seen.at(-1), view.list.map(({ callId }) => callId)], ['later', ['true', 'later']], `seed ${seed}`);
  off();
  await da.Disconnect();
}

test('a hub that lets in and closes at once is asked ever less often', async () => {
  const closing = new Honest();
  hub = closing;
  let times = 0;
  closing.subscribe = (socket, items) => {
    setImmediate(() => socket.cut());
    times += 1;
    return Honest.prototype.subscribe.call(closing, socket, items);
  };
  const da = made(new DAService(URL_OF_LIAR, 'a.b.c', { WebSocket: Socket, times: { ...TIMES, tickMs: 1_000, delayMs: 1, delayMaxMs: 1_000 } }));
  da.on(EVENT, USER, () => {});
  const delays = [];
  da.OnStateChanged.on(({ retryInMs }) => retryInMs !== undefined && delays.push(retryInMs));
  da.Connect();
  while (!delays.some((delay) => delay > 16)) await turns();
  assert.ok(times < 40, `${times} times`);
  await da.Disconnect();
});

test('an endless snapshot costs the page no turn, and ends with the connection', async () => {
  const endless = new Honest();
  hub = endless;
  endless.subscribe = () => {
    const [socket] = endless.waiting;
    const flood = () => {
      if (socket.readyState !== 1) return;
      for (let at = 0; at < 100; at += 1) endless.publish('UserCallInArrived', String(at));
      setImmediate(flood);
    };
    flood();
    return [[]];
  };
  endless.take = function take(socket, record) {
    this.waiting = [socket];
    this.sockets.add(socket);
    if (record.target === 'Subscribe') this.subscribe();
    else Honest.prototype.take.call(this, socket, record);
  };
  const da = made(new DAService(URL_OF_LIAR, 'a.b.c', { WebSocket: Socket, times: TIMES }));
  const view = await da.calls(USER);
  // Where this process had no turn for 40 ms, a handshake comes too late, and is tried again.
  const lost = new Promise((resolve) => da.OnStateChanged.on(({ error }) => /no answer to Subscribe/.test(error?.message) && resolve()));
  da.Connect();
  await within(lost, 'a Subscribe to have no answer');
  hub = new Honest();
  endless.cut();
  await reaches(da, 'live');
  assert.deepEqual(view.list, []);
  await da.Disconnect();
});

test('an hour of calls, cuts and restarts leaves nothing behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  const honest = new Honest();
  hub = honest;
  const da = made(new DAService(URL_OF_LIAR, 'a.b.c', { WebSocket: Socket, times: { ...TIMES, answerMs: 5_000, silentMs: 60_000 } }));
  da.OnSubscriptionDataChanged.on(() => {});
  da.Connect();
  const view = await da.calls(USER);
  await reaches(da, 'live');
  let second = 0;
  async function minutes(count) {
    for (const end = second + count * 60; second < end; second += 1) {
      const at = new Date(Date.UTC(2026, 10, 26) + second * 1_000).toISOString();
      honest.publish('UserCallInArrived', `call ${second}`, at);
      if (second >= 20) honest.publish(ENDED, `call ${second - 20}`, at);
      const listening = da.on('UserAlert', USER, () => {});
      if (second % 60 === 59) {
        honest.epoch = `h${String(second).padStart(6, '0')}-`;
        honest.cut();
        await turns();
        await reaches(da, 'live');
      }
      listening.off();
    }
    await turns();
    da.gaps = [];
    collect();
    return process.memoryUsage().heapUsed;
  }
  const early = await minutes(20);
  const late = await minutes(40);
  assert.equal(view.list.length, 20);
  assert.ok(late - early < 300_000, `${late - early} bytes more`);
  view.close();
  await da.Disconnect();
});
