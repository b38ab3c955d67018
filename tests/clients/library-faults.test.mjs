// The client library under hubs that refuse, lie and fall silent, through a shift of calls, and on a hub in memory.
//
// RTE_ROUNDS=4000 makes the shift as long: a round is a dozen events.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import WebSocket from 'ws';
import { Hub, Inbox, ORGANIZATION, QUEUE, USER, within } from './hub.mjs';
import { Proxy, TIMES, chance, ending, exported, leg, load, news, pair, reaches } from './library.mjs';

const OTHER_USER = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
const LIST = 'e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11';
const EVENT = 'UserCallInComing';
const ROUNDS = Number(process.env.RTE_ROUNDS ?? 24);

const library = await exported();
const { DAService, FakeHub } = await load(library.package);
after(() => library.remove());
const made = ending(after);

const own = (url, jwt, times = {}) => made(new DAService(url, jwt, { WebSocket, times: { ...TIMES, ...times } }));

function heap() {
  setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

describe('the library, told how it is to come back', () => {
  /** What looks like a hub: negotiation, and a WebSocket that does what the test says. */
  async function liar(negotiate, talk = () => {}) {
    const server = createServer((request, response) => negotiate(response, request));
    const sockets = new WebSocket.Server({ server });
    sockets.on('connection', (socket) => {
      let isGreeted = false;
      const say = (...records) => socket.send(records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\u001e`).join(''));
      socket.on('error', () => {});
      socket.on('message', (data) => {
        for (const text of String(data).split('\u001e').slice(0, -1)) {
          if (isGreeted) talk(say, JSON.parse(text), socket);
          else {
            isGreeted = true;
            say({});
          }
        }
      });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stop = () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.closeAllConnections?.();
      server.close();
    };
    stops.push(stop);
    return { url: `http://127.0.0.1:${server.address().port}/rte`, stop };
  }
  const stops = [];
  after(() => stops.forEach((stop) => stop()));
  const lets = (response) => response.end(JSON.stringify({ connectionToken: 'x' }));
  /** Grants what is asked, with a position. */
  const grants = (say, { invocationId, target, arguments: [items] = [] }) => {
    const result = target === 'Subscribe'
      ? items.map(({ EntityId, EventName, Since }) => ({ subscribed: true, message: null, entityId: EntityId, eventName: EventName, position: 'b', recovered: Since ? true : undefined }))
      : [];
    if (invocationId) say({ type: 3, invocationId, result });
  };
  const message = (position, data = {}) => ({
    type: 1, target: 'MessageReceived', arguments: [{ subscription: { entityId: USER, eventName: EVENT.toLowerCase() }, data, position, at: '2026-11-26T06:00:00.000Z' }],
  });

  test('a 403 is final, and so is a Close that does not allow to reconnect', async () => {
    let asked = 0;
    const forbidden = await liar((response) => {
      asked += 1;
      response.writeHead(403).end('the Origin of this page is not allowed');
    });
    const da = own(forbidden.url, () => 'a.b.c');
    const refused = news(da.OnStateChanged, ({ state }) => state === 'refused', 'refused');
    assert.equal(await da.Connect(), false);
    assert.match((await refused).error.message, /403: the Origin/);
    assert.equal(asked, 1);
    forbidden.stop();

    const closing = await liar(lets, (say) => say({ type: 7, error: 'go away' }));
    const closed = own(closing.url, 'a.b.c');
    closed.on(EVENT, USER, () => {});
    assert.equal(await within(closed.Connect(), 'the end'), false);
    assert.equal(closed.state, 'refused');
    closing.stop();
  });

  test('Retry-After is honoured, and nothing wakes it before', async () => {
    const times = [];
    const full = await liar((response) => {
      times.push(performance.now());
      if (times.length === 1) response.writeHead(503, { 'Retry-After': '1' }).end('the hub is draining: try again');
      else lets(response);
    }, grants);
    const da = own(full.url, 'a.b.c');
    const offline = news(da.OnStateChanged, ({ state }) => state === 'offline', 'offline');
    const connected = da.Connect();
    assert.ok((await offline).retryInMs >= 1_000);
    assert.equal(await connected, true);
    assert.ok(times[1] - times[0] >= 1_000);
    await da.Disconnect();
    full.stop();
  });

  test('delays grow, and chance cuts each of them', async () => {
    let asked = 0;
    const broken = await liar((response) => {
      asked += 1;
      response.writeHead(500).end();
    });
    const da = own(broken.url, 'a.b.c', { delayMs: 1, delayMaxMs: 64 });
    const delays = [];
    const enough = news(da.OnStateChanged, ({ retryInMs }) => retryInMs !== undefined && delays.push(retryInMs) === 60, 'sixty delays');
    da.Connect();
    await enough;
    const late = delays.slice(20);
    assert.ok(Math.max(...delays) <= 64 && Math.min(...late) < 24 && Math.max(...late) > 40, String(late));
    await da.Disconnect();
    broken.stop();
    assert.ok(asked >= 59);
  });

  test('what comes twice is told once, and garbage ends the connection and not the page', async () => {
    let connections = 0;
    const lying = await liar(lets, (say, record, socket) => {
      if (record.target !== 'Subscribe') return;
      connections += 1;
      grants(say, record);
      say(message('c', { n: 1 }), message('c', { n: 1 }), message('d', { n: 2 }), message('c', { n: 1 }));
      say({ type: 1, target: 'MessageReceived', arguments: [] }, { type: 1, target: 'MessageReceived', arguments: [null] }, { type: 99 }, { type: 3, invocationId: 'none' });
      if (connections === 1) socket.send('{"type":1\u001e');
    });
    const da = own(lying.url, 'a.b.c');
    const seen = [];
    da.on(EVENT, USER, ({ data }) => seen.push(data.n));
    assert.equal(await da.Connect(), true);
    await da.Subscribe([pair(OTHER_USER, EVENT)]);
    assert.deepEqual([connections >= 2, seen], [true, [1, 2]]);
    await da.Disconnect();
    lying.stop();
  });

  test('nothing is kept of what has passed', async () => {
    let say;
    const hub = await liar(lets, (speak, record) => {
      say = speak;
      grants(speak, record);
    });
    const da = own(hub.url, 'a.b.c');
    await da.Connect();
    let number = 0;
    const arrived = new Inbox();
    async function day() {
      for (let round = 0; round < 50; round += 1) {
        const listening = da.on(EVENT, USER, async ({ data }) => data.isLast && arrived.push(true));
        await listening.verdict;
        const many = Array.from({ length: 100 }, (_, at) => message(`b${String(number++).padStart(9, '0')}`, { isLast: at === 99, text: 'x'.repeat(500) }));
        say(...many);
        await arrived.next('the last message');
        listening.off();
        await da.UnsubscribeAll();
      }
    }
    await day();
    const before = heap();
    await day();
    await day();
    // 10,000 messages of half a kilobyte are 5 MB.
    const more = heap() - before;
    assert.ok(more < 1_000_000, `${more} bytes more`);
    await da.Disconnect();
    hub.stop();
  });

  test('a verdict that is missing, and one that never comes, are a reason to come back', async () => {
    for (const answer of [(say, { invocationId }) => say({ type: 3, invocationId, result: [] }), () => {}]) {
      let isMended = false;
      const lying = await liar(lets, (say, record) => (isMended ? grants(say, record) : answer(say, record)));
      const da = own(lying.url, 'a.b.c', { answerMs: 100 });
      da.on(EVENT, USER, () => {});
      const lost = news(da.OnStateChanged, ({ error }) => error, 'the fault');
      const connected = da.Connect();
      await lost;
      isMended = true;
      assert.equal(await connected, true);
      await da.Disconnect();
      lying.stop();
    }
  });

  /** A hub whose connections end with their tokens, and a service: the first token lives for 3 s, the others grant what is last. */
  async function brief(...granted) {
    const hub = await new Hub(['auth.close_on_expiry=true']).start();
    const da = own(hub.url, () => {
      const seconds = granted.length > 1 ? 3 : 3600;
      const rte = granted.length > 1 ? granted.shift() : granted[0];
      return hub.client({ rte, exp: Math.floor(Date.now() / 1000) + seconds });
    });
    const changes = [];
    da.on(EVENT, OTHER_USER, ({ data }) => changes.push(data.legId));
    await da.Connect();
    da.OnStateChanged.on((change) => changes.push(change));
    const end = () => da.Disconnect().then(() => hub.stop());
    return { hub, da, changes, end };
  }

  test('a connection goes on with a fresh token, and has what that grants besides', async () => {
    const { hub, da, changes, end } = await brief(['queue/*'], ['queue/*', 'user/*']);
    for (let active = []; !active.length; ) active = await within(da.GetActiveSubscriptions(), 'the answer');
    await hub.publish(leg(OTHER_USER, 1));
    await da.GetActiveSubscriptions();
    assert.deepEqual(changes, ['1']);
    await end();
  });

  test('what a fresh token takes away is a reason to come back with it', async () => {
    const { da, changes, end } = await brief(['user/*'], ['queue/*']);
    await news(da.OnStateChanged, ({ state }) => state === 'live', 'the renewal');
    assert.match(changes[0].error.message, /renewed/);
    assert.deepEqual(await da.GetActiveSubscriptions(), []);
    await end();
  });

  test('where a hub has no way to take a fresh token, coming back with it misses nothing', async () => {
    const upgrades = [];
    const hub = await liar((response, { headers }) => {
      upgrades.push(headers.authorization);
      lets(response);
    }, (say, record) => {
      if (record.target === 'RefreshToken') say({ type: 3, invocationId: record.invocationId, error: 'Method does not exist.' });
      else grants(say, record);
    });
    let tokens = 0;
    const da = own(hub.url, () => {
      tokens += 1;
      return `a.${btoa(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + (tokens === 1 ? 3 : 3600) }))}.${tokens}`;
    });
    da.on(EVENT, USER, () => {});
    await da.Connect();
    const lost = await news(da.OnStateChanged, ({ error }) => error, 'the renewal');
    await news(da.OnStateChanged, ({ state }) => state === 'live', 'its return');
    assert.match(lost.error.message, /renewed/);
    assert.deepEqual([tokens, upgrades.map((token) => token.at(-1)), da.gaps], [2, ['1', '2'], []]);
    await da.Disconnect();
    hub.stop();
  });
});

describe('a shift', () => {
  const BEGIN = 'UserCallInUserAllocated';
  const STEPS = [BEGIN, 'UserCallInUserConnected', 'UserCallInTransferStarted', 'UserCallInUserCancelled', 'UserCallInDisconnected'];
  const texts = Object.fromEntries(STEPS.map((name) => {
    const file = readFileSync(new URL(`../../schema/user/${name}.toml`, import.meta.url), 'utf8');
    return [name, JSON.parse(/json = '''([\s\S]+?)'''/.exec(file)[1])];
  }));
  test('of calls, cuts and restarts leaves no ghost call, and misses no event', async (t) => {
    const hub = await new Hub().start();
    const proxy = await new Proxy().start(hub.port);
    const da = own(proxy.url, () => hub.client());
    const seen = [];
    da.OnSubscriptionDataChanged.on(({ data, subscription }) => seen.push(`${data.callId} ${data.legId} ${subscription.eventName}`));
    await da.Connect();
    const view = await da.calls(USER);
    await da.GetActiveSubscriptions();
    const random = chance(7);
    const published = [];
    /** The legs that are open, each at a step; and of which the hub that runs now has heard. */
    const legs = new Map();
    const heard = new Set();
    let number = 0;

    async function publish(key, step) {
      const [callId, legId] = key.split(' ');
      const { status, body } = await hub.publish({ eventName: STEPS[step], data: { ...texts[STEPS[step]], callId, legId, userId: USER, organizationId: ORGANIZATION } });
      assert.equal(status, 202, JSON.stringify(body));
      published.push(`${key} ${STEPS[step].toLowerCase()}`);
      if (step < 3) {
        legs.set(key, step);
        heard.add(key);
        return;
      }
      // A leg that was cancelled ends, a call that was disconnected with all of its legs.
      const ended = step === 3 ? [key] : [...legs.keys()].filter((other) => other.startsWith(callId));
      for (const other of ended) {
        legs.delete(other);
        heard.delete(other);
      }
    }
    async function settle() {
      await within((async () => {
        // By their number: a step may come twice.
        while (seen.length < published.length) await new Promise(setImmediate);
      })(), 'all that was published');
      const shown = view.list.flatMap(({ callId, legs }) => legs.map(({ legId }) => `${callId} ${legId}`));
      assert.deepEqual(shown.sort(), [...heard].sort());
    }
    async function step() {
      const open = [...legs.keys()];
      if (open.length < 4 || random() < 0.3) {
        const call = `${String(number++).padStart(8, '0')}-0000-4000-8000-000000000000`;
        await publish(`${call} leg-${number}`, 0);
        if (random() < 0.3) await publish(`${call} leg-${number}b`, 0);
      } else {
        const key = open[Math.floor(random() * open.length)];
        await publish(key, random() < 0.4 ? (random() < 0.5 ? 3 : 4) : Math.min(legs.get(key) + 1, 2));
      }
    }

    let early = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round === ROUNDS / 4) early = heap();
      for (let at = 0; at < 12; at += 1) {
        if (random() < 0.1) proxy.cut();
        await step();
      }
      await settle();
      if (round % 8 !== 7) continue;
      const gap = news(da.OnGap, () => true, 'the gap');
      await hub.stop();
      await hub.start();
      heard.clear();
      await gap;
      await reaches(da, 'live');
    }
    while (legs.size) await publish([...legs.keys()][0], 4);
    await settle();
    assert.deepEqual(view.list, []);
    assert.deepEqual(seen, published);
    assert.deepEqual(da.faults, []);
    // The lists of this test are not the library's.
    seen.length = published.length = 0;
    const more = heap() - early;
    t.diagnostic(`${ROUNDS} rounds, ${more} bytes more`);
    assert.ok(more < 1_000_000, `${more} bytes more`);
    await da.Disconnect();
    proxy.stop();
    await hub.stop();
  });
});

describe('a hub in memory', () => {
  test('tells a page what a real one would', async () => {
    const hub = new FakeHub();
    const da = made(hub.service());
    const seen = [];
    da.on('QueueStatus', QUEUE, ({ data }) => seen.push(data.maxWaitTime));
    hub.deny([pair(USER, 'UserStatus')]);
    hub.publish('QueueStatus', QUEUE, { maxWaitTime: 1 });
    assert.equal(await da.Connect(), true);
    assert.equal((await da.Subscribe([pair(USER, 'UserStatus')]))[0].message, 'Unauthorized');
    hub.publish('QueueStatus', QUEUE, { maxWaitTime: 2 });
    hub.down();
    hub.publish('QueueStatus', QUEUE, { maxWaitTime: 3 });
    await hub.settled();
    assert.equal(da.state, 'offline');
    hub.up();
    await reaches(da, 'live');
    assert.deepEqual([seen, da.gaps], [[1, 2, 3], []]);
    hub.restart();
    await news(da.OnGap);
    hub.refuse();
    await reaches(da, 'refused');
  });

  test('takes nothing that a real one would not, and says what is wrong and what was probably meant', () => {
    const hub = new FakeHub();
    const refused = (name, entity, changes, options) => {
      try {
        hub.publish(name, entity, changes, options);
      } catch (error) {
        assert.ok(error instanceof TypeError);
        return error.message.split('\n').slice(-1)[0];
      }
      return 'taken';
    };
    for (const [expected, ...given] of [
      ['there is no event "QueueStauts"; did you mean "QueueStatus"?', 'QueueStauts', QUEUE],
      ['there is no event "Nonsense"', 'Nonsense', QUEUE],
      ['/queueNmae: unknown property "queueNmae"; did you mean "queueName"?', 'QueueStatus', QUEUE, { queueNmae: 'x' }],
      ['/colour: unknown property "colour"', 'QueueStatus', QUEUE, { colour: 'x' }],
      ['/maxWaitTime: found "1", expected a whole number (long)', 'QueueStatus', QUEUE, { maxWaitTime: '1' }],
      ['/openStatus: 9 is none of 0, 1, 2, 3, 4, 5, 6', 'QueueStatus', QUEUE, { openStatus: 9 }],
      ['/nbrOfAllocated: property "nbrOfAllocated" is missing; expected a whole number (int)', 'QueueStatus', QUEUE, { nbrOfAllocated: undefined }],
      ['/queueName: null is not allowed here; expected a string', 'QueueStatus', QUEUE, { queueName: null }],
      [`/queueId: the event is about "${QUEUE}"`, 'QueueStatus', QUEUE, { queueId: USER }],
      ['/entityId: "queue 1" is no GUID of an entity', 'UserAlert', 'queue 1', { userId: USER }],
      ['/callbackAttempts/0: found 1, expected an object (CallbackAttempt)', 'CallbackChanged', LIST, { callbackAttempts: [1] }],
      ['/last: QueueStatus has no key that could end', 'QueueStatus', QUEUE, {}, { last: true }],
      ['taken', 'CallbackChanged', LIST, { dueDate: new Date(), note: null, assignedUserId: USER.toUpperCase() }],
    ]) {
      assert.equal(refused(...given), expected);
    }
  });

  test('derives what the hub derives, and tells whoever has had it', async () => {
    const published = [[USER], [OTHER_USER], [OTHER_USER], [null], [USER], [USER, { last: true }], [OTHER_USER]];
    const data = JSON.parse(/json = '''([\s\S]+?)'''/.exec(readFileSync(new URL('../../schema/calllist/CallbackChanged.toml', import.meta.url), 'utf8'))[1]);
    const told = async (da, publish, settle) => {
      const seen = [];
      da.on('UserCallbackChanged', '*', ({ subscription, data, last }) => seen.push([subscription.entityId, data.targetUser, data.assignedUserId, last ?? false, data.contactNumber]));
      da.on('CallbackChanged', '*', ({ data, last }) => seen.push([data.assignedUserId, last ?? false]));
      await da.Connect();
      for (const [assignedUserId, more] of published) await publish({ assignedUserId }, more);
      await settle(seen);
      return seen;
    };
    const hub = await new Hub().start();
    const real = await told(
      own(hub.url, hub.client()),
      (changes, more) => hub.publish({ eventName: 'CallbackChanged', data: { ...data, ...changes }, ...more }),
      (seen) => within((async () => {
        while (seen.filter((row) => row.length === 2).length < published.length) await new Promise(setImmediate);
      })(), 'all that was published'),
    );
    await hub.stop();
    const memory = new FakeHub();
    const fake = await told(made(memory.service()), (changes, more) => memory.publish('CallbackChanged', LIST, changes, more), () => memory.settled());
    assert.deepEqual(fake, real);
    assert.ok(fake.length > published.length + 5);
  });

  test('is silent while it is down, and says once that it is not reached', async () => {
    const hub = new FakeHub();
    const da = made(hub.service());
    const states = [];
    await da.Connect();
    da.OnStateChanged.on(({ state }) => states.push(state));
    hub.down();
    for (let turn = 0; turn < 5; turn += 1) await hub.settled();
    assert.deepEqual(states, ['recovering', 'offline', 'offline'].slice(0, states.length));
    hub.up();
    await reaches(da, 'live');
    assert.ok(states.length <= 5, states.join());
  });

  test('has what holds of each entity and key, whatever happens to the connection', async () => {
    const hub = new FakeHub();
    const [x, y, z] = ['1', '2', '3'].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`);
    const change = (callBackId, assignedUserId, note) => hub.publish('CallbackChanged', LIST, { callBackId, assignedUserId, note });
    change(x, USER, 'x1');
    change(y, USER, 'y1');
    const da = made(hub.service());
    await da.Connect();
    const view = await da.states('UserCallbackChanged', USER);
    const shown = () => view.list.map(({ data }) => data.note);
    await hub.settled();
    assert.deepEqual(shown(), ['x1', 'y1']);
    const told = [];
    view.on((list) => told.push(list.length));
    change(x, USER, 'x2');
    change(y, OTHER_USER, 'y2');
    change(z, USER, 'z1');
    await hub.settled();
    assert.deepEqual([shown(), told.at(-1)], [['x2', 'z1'], 2]);
    assert.deepEqual([view.get(USER.toUpperCase(), z).data.note, view.get(USER, y), [...view].length], ['z1', undefined, 2]);
    hub.down();
    change(x, null, 'x3');
    change(z, USER, 'z2');
    hub.up();
    await reaches(da, 'live');
    await hub.settled();
    assert.deepEqual([shown(), da.gaps.length], [['z2'], 0]);
    hub.restart();
    change(y, USER, 'y3');
    await reaches(da, 'live');
    await hub.settled();
    assert.deepEqual(shown(), ['y3']);
    const all = await da.states('QueueStatus', '*');
    hub.publish('QueueStatus', QUEUE, { maxWaitTime: 7 });
    await hub.settled();
    assert.equal(all.get(QUEUE).data.maxWaitTime, 7);
    await assert.rejects(da.states('UserAlert', USER), /UserAlert is no state/);
    await assert.rejects(da.states('UserStauts', USER), /did you mean "UserStatus"/);
    view.close();
    all.close();
    await hub.settled();
    assert.deepEqual([await da.GetActiveSubscriptions(), da.faults], [[], []]);
  });

  test('listens to all entities of an event, and to one of them besides', async () => {
    const hub = new FakeHub();
    hub.publish('UserStatus', USER, { parkedCalls: 1 });
    const da = made(hub.service());
    const [all, late, one] = [[], [], []];
    const told = (into) => ({ subscription, data }) => into.push(`${subscription.entityId.slice(0, 2)} ${data.parkedCalls}`);
    da.on('UserStatus', '*', told(all));
    await da.Connect();
    hub.publish('UserStatus', OTHER_USER, { parkedCalls: 2 });
    da.on('UserStatus', '*', told(late));
    da.on('UserStatus', USER, told(one));
    await hub.settled();
    hub.publish('UserStatus', USER, { parkedCalls: 3 });
    hub.drop();
    await hub.settled();
    await reaches(da, 'live');
    hub.publish('UserStatus', OTHER_USER, { parkedCalls: 4 });
    assert.deepEqual([all, late, one], [['c9 1', 'a1 2', 'c9 3', 'a1 4'], ['c9 1', 'a1 2', 'c9 3', 'a1 4'], ['c9 1', 'c9 3']]);
    assert.equal(da.isStale('UserStatus', OTHER_USER), false);
  });

  test('calls a state stale behind a gap until it is told again', async () => {
    const hub = new FakeHub();
    hub.publish('UserStatus', USER, { parkedCalls: 1 });
    const da = made(hub.service());
    const stale = () => [da.isStale('UserStatus', USER), da.age('UserStatus', USER) === null];
    await da.Connect();
    da.on('UserStatus', USER, () => {});
    await hub.settled();
    assert.deepEqual(stale(), [false, false]);
    const gap = news(da.OnGap);
    hub.restart();
    await gap;
    await reaches(da, 'live');
    await hub.settled();
    assert.deepEqual(stale(), [true, true]);
    hub.publish('UserStatus', USER, { parkedCalls: 2 });
    await hub.settled();
    assert.deepEqual([stale(), da.faults], [[false, false], []]);
  });

  test('has the open calls of a user, whatever happens to the connection', async () => {
    const hub = new FakeHub();
    const call = (name, letter, legId) => hub.publish(name, USER, { callId: `${letter.repeat(8)}-0000-4000-8000-000000000000`, legId });
    call('UserCallInArrived', 'a', '1');
    call('UserCallInUserConnected', 'a', '1');
    call('UserCallInArrived', 'b', '2');
    call('UserCallInDisconnected', 'b', '2');
    const da = made(hub.service());
    await da.Connect();
    const calls = await da.calls(USER);
    const shown = () => calls.list.map(({ callId, legs }) => [callId[0], legs.map(({ legId, last }) => `${legId} ${last.subscription.eventName}`)]);
    await hub.settled();
    assert.deepEqual([shown(), da.faults], [[['a', ['1 usercallinuserconnected']]], []]);
    const changes = [];
    calls.on((list) => changes.push(list.length));
    call('UserCallInArrived', 'c', '3');
    call('UserCallInArrived', 'c', '4');
    await hub.settled();
    assert.deepEqual([changes, shown()[1]], [[2], ['c', ['3 usercallinarrived', '4 usercallinarrived']]]);
    hub.down();
    call('UserCallInUserCancelled', 'c', '4');
    // It comes late, and opens nothing.
    call('UserCallInUserConnected', 'c', '4');
    await hub.settled();
    hub.up();
    await reaches(da, 'live');
    assert.deepEqual(shown()[1], ['c', ['3 usercallinarrived']]);
    const gap = news(da.OnGap);
    hub.restart();
    assert.equal((await gap).length > 10, true);
    await reaches(da, 'live');
    assert.deepEqual(shown(), []);
    const second = await da.calls(USER);
    call('UserCallOutGoing', 'd', '5');
    await hub.settled();
    assert.deepEqual([shown(), [...second].length], [[['d', ['5 usercalloutgoing']]], 1]);
    calls.close();
    second.close();
    await hub.settled();
    assert.deepEqual(await da.GetActiveSubscriptions(), []);
  });
});
