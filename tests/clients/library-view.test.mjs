// The view of calls and the listeners of the client library, whatever comes between a Subscribe, its answer and its block.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Inbox, USER, within } from './hub.mjs';
import { chance, ending, exported, load, news, pair, reaches } from './library.mjs';

const ARRIVED = 'UserCallInArrived';
const CONNECTED = 'UserCallInUserConnected';
const CANCELLED = 'UserCallInUserCancelled';
const LIST = 'e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11';
const OTHER_USER = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';

const library = await exported();
const { DAService, FakeHub, eventNames, events } = await load(library.package);
// Loaded now, so that no seed waits for it.
for (const module of ['calls', 'states']) await import(pathToFileURL(join(library.package, `client/${module}.mjs`)));
after(() => library.remove());
const made = ending(after);
const turns = () => new Promise(setImmediate);

/** A connection of which the test says each word: `asked` brings what is invoked, each with `answer(verdicts, ...messages)`. */
class Scripted {
  state = 'Disconnected';
  asked = new Inbox();
  #open = [];
  #onMessage;
  #onClose;

  on(_target, handler) {
    this.#onMessage = handler;
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  async start() {
    this.state = 'Connected';
  }

  async stop() {
    this.cut();
  }

  cut() {
    if (this.state !== 'Connected') return;
    this.state = 'Disconnected';
    for (const { reject } of this.#open.splice(0)) reject(new Error('cut'));
    this.#onClose(new Error('cut'));
  }

  invoke(method, items) {
    return new Promise((resolve, reject) => {
      this.#open.push({ reject });
      // The messages come in one piece with the answer, before anybody has read it.
      const answer = (result, ...messages) => {
        resolve(result);
        this.tell(...messages);
      };
      this.asked.push({ method, items, answer });
    });
  }

  tell(...messages) {
    for (const message of messages) this.#onMessage(message);
  }
}

const message = (eventName, callId, position) => ({
  subscription: { entityId: USER, eventName: eventName.toLowerCase() }, data: { callId, legId: '1' }, position, at: '2026-11-26T06:00:00.000Z',
});
/** A verdict for each item; what it says besides is by the event. */
const verdicts = (items, position, besides = () => ({})) => items.map(({ EntityId, EventName }) => ({
  subscribed: true, message: null, entityId: EntityId, eventName: EventName, position, ...besides(EventName),
}));

describe('the view of calls', () => {
  /** A service with a view over a scripted connection; `next` is what it asks next, `done` ends a round. */
  async function viewing() {
    const hub = new Scripted();
    const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
    const connected = da.Connect();
    const view = await da.calls(USER);
    const shown = () => view.list.map(({ callId, legs }) => [callId, ...legs[0].messages.map(({ subscription }) => subscription.eventName)]);
    const next = async (method) => {
      const asked = await hub.asked.next(method);
      assert.equal(asked.method, method);
      return asked;
    };
    const done = async () => {
      const { items, answer } = await next('Unsubscribe');
      assert.deepEqual(items, []);
      answer([]);
      await turns();
    };
    return { hub, da, view, connected, shown, next, done };
  }
  /** The same, live, with one call that is open. */
  async function live() {
    const all = await viewing();
    const first = await all.next('Subscribe');
    first.answer(verdicts(first.items, 'a1'), message(ARRIVED, 'old', 'a2'));
    await all.done();
    assert.equal(await within(all.connected, 'the connection'), true);
    assert.deepEqual(all.shown(), [['old', 'usercallinarrived']]);
    return all;
  }
  const gap = () => ({ recovered: false, snapshot: 0 });

  test('asks once more for all behind gaps, and for nothing else until its block is there', async () => {
    const { hub, da, shown, next, done } = await live();
    hub.cut();
    const returning = await next('Subscribe');
    assert.ok(returning.items.length > 10 && returning.items.every(({ Since }) => Since >= 'a1'));
    returning.answer(verdicts(returning.items, 'b1', gap));
    assert.ok(da.gaps.length === 0 && hub.asked.rest.length === 0);
    await done();
    assert.equal(da.gaps.length, returning.items.length);
    const anew = await next('Subscribe');
    assert.deepEqual(anew.items, returning.items.map((item) => ({ ...item, Since: null, Snapshot: true })));
    hub.tell(message(ARRIVED, 'before', 'b3'));
    anew.answer(verdicts(anew.items, 'b1'), message(CONNECTED, 'held', 'b2'), message(ARRIVED, 'behind', 'b4'));
    await turns();
    const held = [['held', 'usercallinuserconnected'], ['before', 'usercallinarrived'], ['behind', 'usercallinarrived']];
    // What was shown stays until all is there.
    assert.deepEqual([shown(), da.state], [[['old', 'usercallinarrived'], ...held], 'recovering']);
    await done();
    assert.deepEqual([shown(), da.state, hub.asked.rest], [held, 'live', []]);
  });

  test('is asked for anew where a cut has left its block unfinished', async () => {
    const { hub, da, shown, next, done } = await live();
    hub.cut();
    const returning = await next('Subscribe');
    returning.answer(verdicts(returning.items, 'b9', gap));
    await done();
    const anew = await next('Subscribe');
    anew.answer(verdicts(anew.items, 'b9'), message(ARRIVED, 'first', 'b2'));
    await next('Unsubscribe');
    // A second call of the block is lost, and nothing that comes after it tells of it.
    hub.cut();
    const third = await next('Subscribe');
    third.answer(verdicts(third.items, 'b9', () => ({ recovered: true, replayed: 0 })));
    await done();
    const last = await next('Subscribe');
    assert.ok(last.items.every(({ Since, Snapshot }) => Since === null && Snapshot));
    last.answer(verdicts(last.items, 'b9'), message(ARRIVED, 'first', 'b2'), message(ARRIVED, 'second', 'b3'));
    await done();
    assert.deepEqual([shown(), da.state], [[['first', 'usercallinarrived'], ['second', 'usercallinarrived']], 'live']);
  });

  test('has no ghost of what one item replays while the end is in the gap of another', async () => {
    const { hub, shown, next, done } = await live();
    hub.cut();
    const returning = await next('Subscribe');
    const isGap = (name) => name === CANCELLED.toLowerCase();
    returning.answer(verdicts(returning.items, 'a5', (name) => (isGap(name) ? gap() : { recovered: true, replayed: 0 })));
    await turns();
    // The rest of the block comes in a piece of its own.
    hub.tell(message(ARRIVED, 'ghost', 'a3'));
    await done();
    const anew = await next('Subscribe');
    anew.answer(verdicts(anew.items, 'a6'));
    await done();
    assert.deepEqual([shown(), hub.asked.rest], [[], []]);
  });

  test('waits until all of it is held where a listener has a part of it already', async () => {
    const hub = new Scripted();
    const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
    const seen = [];
    da.on(ARRIVED, USER, ({ position }) => seen.push(position));
    da.Connect();
    const answered = async (position, ...messages) => {
      const { items, answer } = await hub.asked.next('a Subscribe');
      answer(verdicts(items, position), ...messages);
      await turns();
      return items.length;
    };
    assert.equal(await answered('a1'), 1);
    await reaches(da, 'live');
    const view = await da.calls(USER);
    await turns();
    // It ends before the others are subscribed.
    hub.tell(message(ARRIVED, 'ghost', 'a2'));
    const count = await answered('a3');
    assert.equal(await answered(''), 0);
    assert.equal(await answered('a3'), count);
    assert.equal(await answered(''), 0);
    assert.deepEqual([view.list, hub.asked.rest, seen], [[], [], ['a2']]);
  });

  test('believes no answer before all that was on its way has come, where all of it is held', async () => {
    const hub = new Scripted();
    const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
    for (const name of eventNames.filter((name) => events[name].call)) da.on(name, USER, () => {});
    da.Connect();
    const first = await hub.asked.next();
    first.answer(verdicts(first.items, 'a1'));
    await reaches(da, 'live');
    const view = await da.calls(USER);
    const { items, answer } = await hub.asked.next();
    hub.tell(message(ARRIVED, 'ghost', 'a0'));
    answer(verdicts(items, 'a3'));
    (await hub.asked.next()).answer([]);
    const anew = await hub.asked.next();
    anew.answer(verdicts(anew.items, 'a3'));
    (await hub.asked.next()).answer([]);
    await turns();
    assert.deepEqual(view.list, []);
  });

  test('is asked for anew where a part of it is granted only after a while', async () => {
    const { hub, next, done, shown } = await viewing();
    const first = await next('Subscribe');
    const isDenied = (name) => name === CANCELLED.toLowerCase();
    first.answer(verdicts(first.items, 'a1', (name) => ({ subscribed: !isDenied(name) })), message(ARRIVED, 'ghost', 'a0'));
    await done();
    hub.cut();
    const returning = await next('Subscribe');
    returning.answer(verdicts(returning.items, 'a3', (name) => (isDenied(name) ? {} : { recovered: true, replayed: 0 })));
    await done();
    const anew = await next('Subscribe');
    anew.answer(verdicts(anew.items, 'a3'));
    await done();
    assert.deepEqual([shown(), hub.asked.rest], [[], []]);
  });

  test('shows a call as it is, in whatever order its events come', async () => {
    const { hub, shown } = await live();
    hub.tell(message(CONNECTED, 'new', 'a9'), message(ARRIVED, 'new', 'a8'), message(CONNECTED, 'new', 'a7'));
    assert.deepEqual(shown()[1], ['new', 'usercallinarrived', 'usercallinuserconnected']);
    hub.tell(message(CANCELLED, 'old', 'b2'), message(CONNECTED, 'old', 'b1'));
    assert.deepEqual(shown().map(([callId]) => callId), ['new']);
  });

  test('believes a hub at last that grants something else each time', async () => {
    const { hub, da, view, next } = await viewing();
    for (let round = 0; da.state !== 'live'; round += 1) {
      assert.ok(round < 20, 'it asks without end');
      const { items, answer } = await next('Subscribe');
      answer(verdicts(items, 'a1', (name) => ({ subscribed: (name.length + round) % 2 === 0 })));
      (await next('Unsubscribe')).answer([]);
      await turns();
    }
    assert.deepEqual([view.list, hub.asked.rest], [[], []]);
  });
});

test('a listener has what came before the answer over something that is held already', async () => {
  const hub = new Scripted();
  const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
  const seen = [];
  da.on(ARRIVED, USER, ({ position }) => seen.push(position));
  da.Connect();
  const first = await hub.asked.next();
  first.answer(verdicts(first.items, 'a1'));
  await reaches(da, 'live');
  const again = da.Subscribe([pair(USER, ARRIVED)]);
  const { items, answer } = await hub.asked.next();
  hub.tell(message(ARRIVED, 'x', 'a2'));
  answer(verdicts(items, 'a3'), message(ARRIVED, 'x', 'a4'));
  await again;
  assert.deepEqual(seen, ['a2', 'a4']);
});

test('a listener that comes late gets what holds of each key, as if it had been there', async () => {
  const hub = new Scripted();
  const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
  const [first, late, last] = [[], [], []];
  const into = (list) => ({ data }) => list.push(`${data.callBackId} ${data.number}`);
  const value = (callBackId, number, more = {}) => ({
    subscription: { entityId: USER, eventName: 'usercallbackchanged' }, data: { callBackId, number }, position: `a${number}`, at: '2026-11-26T06:00:00.000Z', ...more,
  });
  da.on('UserCallbackChanged', USER, into(first));
  da.Connect();
  const asked = await hub.asked.next();
  asked.answer(verdicts(asked.items, 'a0'), value('x', 1), value('y', 2), value('z', 3), value('x', 4), value('y', 5, { last: true }));
  await reaches(da, 'live');
  da.on('UserCallbackChanged', USER, into(late));
  assert.deepEqual([first, late], [['x 1', 'y 2', 'z 3', 'x 4', 'y 5'], ['z 3', 'x 4']]);
  // What has ended in a gap does not hold.
  hub.cut();
  const again = await hub.asked.next();
  again.answer(verdicts(again.items, 'b0', () => ({ recovered: false, snapshot: 1 })), value('z', 6, { position: 'b1' }));
  await reaches(da, 'live');
  const declined = [];
  da.on('UserCallbackChanged', USER, into(last));
  da.on('UserCallbackChanged', USER, into(declined), { snapshot: false });
  assert.deepEqual([last, declined], [['z 6'], []]);
});

test('what is wanted in one go is asked for at once', async () => {
  const hub = new Scripted();
  const da = made(new DAService(hub, undefined, { times: { delayMs: 0 } }));
  da.Connect();
  await reaches(da, 'live');
  da.on(ARRIVED, USER, () => {});
  da.on(CONNECTED, USER, () => {});
  assert.equal((await hub.asked.next()).items.length, 2);
});

/** A connection to a hub in memory, on which all that is said waits: `ask` and `bring` let some of it through. */
class Paced {
  state = 'Disconnected';
  topics = new Set();
  /** From where on all that is published has been granted. */
  heldFrom = null;
  #hub;
  #isTrimmed;
  #up = [];
  #down = [];
  #onMessage;
  #onClose;

  /** `isTrimmed` says whether the hub has nothing of an item's past. */
  constructor(hub, isTrimmed) {
    this.#hub = hub;
    this.#isTrimmed = isTrimmed;
  }

  on(_target, handler) {
    this.#onMessage = handler;
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  async start() {
    this.#hub.enter(this);
    this.topics.clear();
    this.state = 'Connected';
  }

  async stop() {
    this.end(new Error('stopped'));
  }

  end(error) {
    if (this.state !== 'Connected') return;
    this.state = 'Disconnected';
    this.#hub.leave(this);
    for (const { reject } of this.#up.splice(0)) reject(error);
    for (const { reject } of this.#down.splice(0)) reject?.(error);
    this.#onClose(error);
  }

  take(message) {
    const { entityId, eventName } = message.subscription;
    if ([entityId, '*'].some((entity) => this.topics.has(`${entity}/${eventName}`))) this.#down.push({ message });
  }

  invoke(method, items) {
    return new Promise((resolve, reject) => this.#up.push({ method, items, resolve, reject }));
  }

  /** The hub hears what was asked first. */
  ask() {
    const { method, items, resolve, reject } = this.#up.shift() ?? {};
    if (method === 'Subscribe') {
      const judged = items.map((item) => {
        const isHeld = this.topics.has(`${item.EntityId}/${item.EventName}`);
        const Since = item.Since !== null && !isHeld && this.#isTrimmed() ? 'trimmed' : item.Since;
        return this.#hub.judge(this, { ...item, Since });
      });
      const block = judged.flatMap(([, messages]) => messages).sort((a, b) => (a.position < b.position ? -1 : 1));
      const present = this.#hub.publish('UserStatus', USER, {});
      const answer = () => {
        if (items.length > 10) this.heldFrom ??= present;
        resolve(judged.map(([verdict]) => verdict));
      };
      this.#down.push({ answer, reject }, ...block.map((message) => ({ message })));
    } else if (method) {
      this.#down.push({ answer: () => resolve([]), reject });
    }
  }

  /** So many things come in one piece. */
  bring(count) {
    for (const { answer, message } of this.#down.splice(0, count)) {
      if (message) this.#onMessage(structuredClone(message));
      else answer();
    }
  }

  get isIdle() {
    return this.#up.length + this.#down.length === 0;
  }
}

for (const [what, trims] of [['and forgets nothing', 0], ['and forgets the past of an item now and then', 0.03]]) {
  test(`under a hub that is slow, cut off ${what}, a page shows what one that has just been opened shows`, async () => {
    const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 300 }, (_, seed) => seed);
    for (const seed of seeds) await within(shift(seed, trims), `seed ${seed}`);
  });
}

/** A few calls and cuts by chance, and then quiet. */
async function shift(seed, trims) {
  const random = chance(seed);
  const hub = new FakeHub();
  const connection = new Paced(hub, () => random() < trims);
  const da = made(new DAService(connection, undefined, { times: { delayMs: 0 } }));
  const published = [];
  const seen = [];
  let gaps = 0;
  da.OnGap.on(() => (gaps += 1));
  da.OnSubscriptionDataChanged.on(({ position, subscription }) => subscription.eventName.startsWith('usercallin') && seen.push(position));
  da.Connect();
  const heard = [USER, '*', null][Math.floor(random() * 3)];
  if (heard) da.on(ARRIVED, heard, () => {});
  const open = new Set();
  let number = 0;
  /** One of four callbacks goes to somebody, or to nobody. */
  function callback() {
    const callBackId = `${String(Math.floor(random() * 4)).repeat(8)}-0000-4000-8000-000000000000`;
    hub.publish('CallbackChanged', LIST, { callBackId, assignedUserId: [USER, USER, OTHER_USER, null][Math.floor(random() * 4)] });
  }
  function publish() {
    if (random() < 0.3) return callback();
    const key = [...open][Math.floor(random() * open.size)];
    if (!key || random() < 0.4) {
      number += 1;
      const callId = `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;
      open.add(`${callId} 1`);
      published.push(hub.publish(ARRIVED, USER, { callId, legId: '1' }));
      return;
    }
    const [callId, legId] = key.split(' ');
    const name = random() < 0.5 ? CONNECTED : CANCELLED;
    if (name === CANCELLED) open.delete(key);
    published.push(hub.publish(name, USER, { callId, legId }));
  }
  const stateAt = Math.floor(random() * 150);
  const viewAt = [Math.floor(random() * 100), Math.floor(random() * 150)];
  const [viewing, keyed] = [[], []];
  for (let at = 0; at < 200; at += 1) {
    if (viewAt.includes(at)) viewing.push(da.calls(USER));
    if (at === stateAt) keyed.push(da.states('UserCallbackChanged', USER), da.states('CallbackChanged', '*'));
    const dice = random();
    if (dice < 0.25) publish();
    else if (dice < 0.5) connection.ask();
    else if (dice < 0.97) connection.bring(1 + Math.floor(random() * 8));
    else await turns().then(() => connection.end(new Error('cut')));
    if (random() < 0.7) await turns();
  }
  const views = await Promise.all(viewing);
  await turns();
  while (!connection.isIdle || da.state !== 'live') {
    connection.ask();
    connection.bring(1);
    await turns();
  }
  const fresh = made(hub.service());
  await fresh.Connect();
  const other = await fresh.calls(USER);
  const freshly = await Promise.all([fresh.states('UserCallbackChanged', USER), fresh.states('CallbackChanged', '*')]);
  await turns();
  const holding = (views) => views.map(({ list }) => list.map(({ position }) => position));
  const told = ({ list }) => list.map(({ callId, legs }) => [callId, legs.map(({ messages }) => messages.map(({ position }) => position))]);
  assert.deepEqual(holding(await Promise.all(keyed)), holding(freshly), `seed ${seed}`);
  for (const view of views) assert.deepEqual(told(view), told(other), `seed ${seed}`);
  assert.equal(other.list.length, open.size);
  // Behind a gap what holds may come once more, and by a subscription beside that of all entities.
  if (!gaps && heard !== '*') {
    assert.equal(new Set(seen).size, seen.length, `seed ${seed}`);
    assert.deepEqual(seen.filter((position) => position > connection.heldFrom), published.filter((position) => position > connection.heldFrom), `seed ${seed}`);
  }
  await Promise.all([da.Disconnect(), fresh.Disconnect()]);
}
