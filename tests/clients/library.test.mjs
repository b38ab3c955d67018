// The client library against the built hub, over its own WebSocket and over Microsoft's connection: what it comes
// through, and what it says of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import * as signalR from '@microsoft/signalr';
import WebSocket from 'ws';
import { Hub, Inbox, ORGANIZATION, QUEUE, USER, callIn, within } from './hub.mjs';
import { Proxy, exported, load, news, reaches } from './library.mjs';

const OTHER_USER = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
const EVENT = 'UserCallInComing';
const pair = (EntityId, EventName) => ({ EntityId, EventName });
const leg = (userId, legId) => {
  const item = callIn(userId);
  return { ...item, data: { ...item.data, legId: String(legId) } };
};
/** Soon, for a suite has no time; a quiet hub is asked at once. */
const TIMES = { delayMs: 20, delayMaxMs: 100, tickMs: 50 };

const library = await exported();
const { DAService, FakeHub, HubError } = await load(library.package);
after(() => library.remove());

const open = new Set();
after(() => Promise.all([...open].map((da) => da.Disconnect())));
function made(da) {
  open.add(da);
  da.faults = [];
  da.gaps = [];
  da.OnError.on((error) => da.faults.push(error.message));
  da.OnGap.on((gap) => da.gaps.push(...gap));
  return da;
}

const own = (url, jwt, times = {}) => made(new DAService(url, jwt, { WebSocket, times: { ...TIMES, ...times } }));
function handed(url, jwt, times, isAutomatic = false) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: typeof jwt === 'function' ? jwt : () => jwt })
    .configureLogging(signalR.LogLevel.None);
  const connection = (isAutomatic ? builder.withAutomaticReconnect([20, 20]) : builder).build();
  connection.serverTimeoutInMilliseconds = times?.silentMs ?? 30_000;
  return made(new DAService(connection, undefined, { times: { ...TIMES, ...times } }));
}

for (const [way, service] of [
  ['its own WebSocket', own],
  ["Microsoft's HubConnection", handed],
  ['a HubConnection that comes back by itself', (url, jwt, times) => handed(url, jwt, times, true)],
]) {
  describe(`the library over ${way}`, () => {
    const hub = new Hub(['limits.ping_every_ms=1000']);
    before(() => hub.start());
    after(() => hub.stop());
    const connected = async (times) => {
      const da = service(hub.url, () => hub.client(), times);
      assert.equal(await da.Connect(), true);
      return da;
    };

    test('the samples of the reference run', async () => {
      const printed = new Inbox();
      const faults = [];
      const DAClientLib = { DAService: class { constructor(url, jwt) { return service(url, jwt); } } };
      const page = vm.createContext({
        DAClientLib,
        rteUrl: hub.url,
        jwt: hub.client(),
        subscriptions: [pair(OTHER_USER, 'UserAvailability'), pair(USER, 'UserCallIncoming')],
        console: { log: (line) => printed.push(line), error: (line) => faults.push(line) },
      });
      const run = (name) => vm.runInContext(readFileSync(new URL(`samples/library/${name}.js`, import.meta.url), 'utf8'), page);
      const result = async (label) => {
        const line = await printed.next(label);
        assert.ok(line.startsWith(label), line);
        return JSON.parse(line.slice(label.length));
      };
      const verdict = (subscribed, entityId, eventName) => ({ subscribed, message: null, entityId, eventName });
      const both = (subscribed) => [verdict(subscribed, OTHER_USER, 'useravailability'), verdict(subscribed, USER, 'usercallincoming')];
      run('constructor');
      run('connect');
      assert.equal(await printed.next('the sample of Connect'), 'connected');
      run('subscribe');
      assert.deepEqual(await result('Subscription result: '), both(true));
      run('data-changed');
      await hub.publish(callIn(USER));
      const line = await printed.next('the sample of OnSubscriptionDataChanged');
      assert.match(line, /^Subscription result: \{\s+"entityId": "c9eeb030[\s\S]+\. Data: \{\s+"callerNumber"/);
      run('active');
      assert.deepEqual(new Set(await result('GetActiveSubscriptions result: ')), new Set(both(true)));
      run('available');
      assert.equal((await result('AvailableSubscriptionEvents result: ')).length, 41);
      run('unsubscribe');
      assert.deepEqual(await result('Unsubscription result: '), both(false));
      run('unsubscribe-all');
      assert.equal(await result('Unsubscription result: '), true);
      assert.deepEqual([faults, printed.rest], [[], []]);
    });

    test('an item is judged as the hub does, in order, also what is no item', async () => {
      const da = await connected();
      const verdicts = await da.Subscribe([{ entityid: USER.toUpperCase(), EVENTNAME: EVENT }, null, pair(USER, 'Nothing'), pair('x', EVENT), pair(USER, 'UserMissedCallNotification')]);
      assert.deepEqual(verdicts.map(({ subscribed, message }) => [subscribed, message]), [
        [true, null], [false, 'Invalid item'], [false, 'Unknown EventName'], [false, 'Invalid EntityId'], [false, 'Unauthorized'],
      ]);
    });

    test('a listener gets data, position and time, and nothing once it is off', async () => {
      const da = await connected();
      const inbox = new Inbox();
      const listening = da.on(EVENT, USER, (message) => inbox.push(message));
      assert.equal((await listening.verdict).subscribed, true);
      await hub.publish(leg(USER, 1));
      const { data, position, at } = await inbox.next();
      assert.deepEqual([data.legId, position.length, Math.abs(Date.parse(at) - Date.now()) < 60_000], ['1', 27, true]);
      listening.off();
      assert.deepEqual(await da.GetActiveSubscriptions(), []);
      await hub.publish(leg(USER, 2));
      await da.GetActiveSubscriptions();
      assert.deepEqual(inbox.rest, []);
      assert.throws(() => da.on('QueueStatsu', QUEUE, () => {}), { name: 'TypeError', message: 'there is no event "QueueStatsu"' });
    });

    test('of a state each listener has the newest value at once, the late one too', async () => {
      const example = JSON.parse(readFileSync(new URL('../../schema/queue/QueueStatus.toml', import.meta.url), 'utf8').match(/json = '''([\s\S]+?)'''/)[1]);
      await hub.publish({ eventName: 'QueueStatus', data: { ...example, queueId: QUEUE } });
      const da = await connected();
      const [first, second] = [new Inbox(), new Inbox()];
      da.on('QueueStatus', QUEUE, (message) => first.push(message));
      assert.equal((await first.next()).data.queueId, QUEUE);
      da.on('QueueStatus', QUEUE, (message) => second.push(message));
      assert.equal((await second.next()).data.queueId, QUEUE);
      assert.deepEqual(first.rest, []);
      assert.ok(da.age('QueueStatus', QUEUE) >= 0 && da.age('QueueStatus', QUEUE) < 60_000);
      assert.deepEqual([da.isStale('QueueStatus', QUEUE), da.isStale('QueueStatus', QUEUE, -1), da.isStale('UserStatus', USER)], [false, true, true]);
      await da.Disconnect();
      assert.equal(da.isStale('QueueStatus', QUEUE), true);
    });

    test('what was missed while the network was away comes, once and in order', async () => {
      const proxy = await new Proxy().start(hub.port);
      const da = service(proxy.url, () => hub.client());
      const seen = [];
      for (const user of [USER, OTHER_USER]) da.on(EVENT, user, ({ data }) => seen.push(data.legId));
      assert.equal(await da.Connect(), true);
      let number = 0;
      for (let round = 0; round < 5; round += 1) {
        await hub.publish([1, 2, 3].map(() => leg(number % 2 ? USER : OTHER_USER, number++)));
        const back = news(da.OnStateChanged, ({ state }) => state === 'live', 'live');
        proxy.cut();
        await hub.publish([1, 2].map(() => leg(number % 2 ? USER : OTHER_USER, number++)));
        await back;
      }
      await hub.publish(leg(USER, number));
      while (seen.at(-1) !== String(number)) await news(da.OnSubscriptionDataChanged);
      assert.deepEqual(seen, Array.from({ length: number + 1 }, (_, at) => String(at)));
      assert.deepEqual([da.gaps, da.faults], [[], []]);
      proxy.stop();
      await da.Disconnect();
    });

    test('it comes back after a drain and after a kill, and says what may be missing', async () => {
      const da = await connected();
      const inbox = new Inbox();
      da.on(EVENT, USER, ({ data }) => inbox.push(data.legId));
      for (const [at, end] of [() => hub.drain(), () => hub.stop()].entries()) {
        await hub.publish(leg(USER, at));
        assert.equal(await inbox.next(), String(at));
        const gone = news(da.OnStateChanged, ({ state }) => state !== 'live', 'the loss');
        const gap = news(da.OnGap, () => true, 'the gap');
        await end();
        await gone;
        await hub.start();
        const [{ EntityId, EventName, Since }] = await gap;
        assert.deepEqual([EntityId, EventName, Since.length], [USER, EVENT, 27]);
        await reaches(da, 'live');
      }
      await hub.publish(leg(USER, 'last'));
      assert.equal(await inbox.next(), 'last');
    });

    test('a hub that is frozen is noticed, and met again', async () => {
      const da = await connected({ silentMs: 2_500, probeMs: 200, answerMs: 1_000 });
      const inbox = new Inbox();
      da.on(EVENT, USER, ({ data }) => inbox.push(data.legId));
      await da.GetActiveSubscriptions();
      const gone = news(da.OnStateChanged, ({ state }) => state !== 'live', 'the silence to be noticed');
      hub.freeze();
      await gone;
      hub.thaw();
      await reaches(da, 'live');
      await hub.publish(leg(USER, 'after'));
      assert.equal(await inbox.next(), 'after');
    });

    test('a token function is asked once more after a 401, and then it is over', async () => {
      const tokens = [hub.client({ exp: 1_500_000_000 }), hub.client()];
      const da = service(hub.url, () => (tokens.length > 1 ? tokens.shift() : tokens[0]));
      assert.equal(await da.Connect(), true);
      let asked = 0;
      const never = service(hub.url, () => {
        asked += 1;
        return hub.client({ exp: 1_500_000_000 });
      });
      const refused = news(never.OnStateChanged, ({ state }) => state === 'refused', 'refused');
      const verdicts = never.Subscribe([pair(USER, EVENT)]);
      assert.equal(await never.Connect(), false);
      assert.match((await refused).error.message, /401/);
      await assert.rejects(verdicts, /401/);
      assert.equal(asked, 2);
    });

    test('what was not granted is wanted, and granted by a later token', async () => {
      const proxy = await new Proxy().start(hub.port);
      const grants = [['queue/*'], ['user/*']];
      const da = service(proxy.url, () => hub.client({ sub: OTHER_USER, rte: grants[0] }));
      await da.Connect();
      const [{ subscribed, message }] = await da.Subscribe([pair(USER, EVENT)]);
      assert.deepEqual([subscribed, message], [false, 'Unauthorized']);
      grants.shift();
      const back = news(da.OnStateChanged, ({ state }) => state === 'live', 'live');
      proxy.cut();
      await back;
      assert.equal((await da.GetActiveSubscriptions()).length, 1);
      proxy.stop();
      await da.Disconnect();
    });

    test('handlers of an entity run one after another, and one that throws harms none', async () => {
      const da = await connected();
      const finished = new Inbox();
      da.on(EVENT, USER, () => {
        throw new Error('of the page');
      });
      da.on(EVENT, USER, async ({ data }) => {
        // The first takes the most turns.
        for (let turns = 4 - Number(data.legId); turns > 0; turns -= 1) await new Promise(setImmediate);
        finished.push(data.legId);
      });
      await da.GetActiveSubscriptions();
      await hub.publish([0, 1, 2, 3].map((number) => leg(USER, number)));
      const order = [];
      while (order.length < 4) order.push(await finished.next());
      assert.deepEqual(order, ['0', '1', '2', '3']);
      assert.deepEqual(da.faults, Array(4).fill('of the page'));
    });

    test('many items are subscribed in portions, and again after a cut', async () => {
      const proxy = await new Proxy().start(hub.port);
      const da = service(proxy.url, () => hub.client());
      const id = (number) => `${String(number).padStart(8, '0')}-ff4b-ea11-ac9c-00155d4fdcf3`;
      const items = Array.from({ length: 450 }, (_, number) => pair(id(number), EVENT));
      const verdicts = da.Subscribe(items);
      await da.Connect();
      assert.ok((await verdicts).every(({ subscribed }) => subscribed));
      assert.deepEqual((await verdicts).map(({ entityId }) => entityId), items.map(({ EntityId }) => EntityId));
      const back = news(da.OnStateChanged, ({ state }) => state === 'live', 'live');
      proxy.cut();
      await back;
      assert.equal((await da.GetActiveSubscriptions()).length, 450);
      proxy.stop();
      await da.Disconnect();
    });

    test('what is asked for while there is no connection is answered when there is one', async () => {
      const da = service(hub.url, () => hub.client());
      const asked = [da.Subscribe([pair(USER, EVENT)]), da.GetAvailableSubscriptionEvents(), da.Catalogue()];
      await da.Connect();
      const [verdicts, names, catalogue] = await within(Promise.all(asked), 'the answers');
      assert.deepEqual([verdicts[0].subscribed, names.length, catalogue.length], [true, 41, 41]);
    });

    test('it ends when it is told to, and leaves nothing behind', async () => {
      const da = await connected();
      await da.Subscribe([pair(USER, EVENT)]);
      await da.Disconnect();
      assert.equal(da.state, 'offline');
      assert.equal(await da.Connect(), true);
      assert.equal((await da.GetActiveSubscriptions()).length, 1);
      await da.Disconnect();
    });
  });
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
    return { url: `http://127.0.0.1:${server.address().port}/rte`, stop };
  }
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
    assert.equal(await closed.Connect(), false);
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
    const heap = () => {
      setFlagsFromString('--expose-gc');
      vm.runInNewContext('gc')();
      return process.memoryUsage().heapUsed;
    };
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

  test('a token is renewed before it expires, and nothing is missed by it', async () => {
    const hub = await new Hub(['auth.close_on_expiry=true']).start();
    let tokens = 0;
    const da = own(hub.url, () => {
      tokens += 1;
      return hub.client({ exp: Math.floor(Date.now() / 1000) + (tokens === 1 ? 3 : 3600) });
    });
    const seen = [];
    da.on(EVENT, USER, ({ data }) => seen.push(data.legId));
    await da.Connect();
    const changes = [];
    da.OnStateChanged.on((change) => changes.push(change));
    await news(da.OnStateChanged, ({ state }) => state === 'live', 'the renewal');
    assert.match(changes[0].error.message, /renewed/);
    assert.deepEqual(changes.map(({ state }) => state), ['recovering', 'recovering', 'live'].slice(3 - changes.length));
    await hub.publish(leg(USER, 1));
    await da.GetActiveSubscriptions();
    assert.deepEqual([tokens, seen, da.gaps], [2, ['1'], []]);
    await da.Disconnect();
    await hub.stop();
  });
});

describe('a shift', () => {
  /** Numbers that look like chance and are the same each time (mulberry32). */
  function chance(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }
  const BEGIN = 'UserCallInUserAllocated';
  const STEPS = [BEGIN, 'UserCallInUserConnected', 'UserCallInTransferStarted', 'UserCallInDisconnected'];
  const texts = Object.fromEntries(STEPS.map((name) => {
    const file = readFileSync(new URL(`../../schema/user/${name}.toml`, import.meta.url), 'utf8');
    return [name, JSON.parse(/json = '''([\s\S]+?)'''/.exec(file)[1])];
  }));
  test('of calls, cuts and restarts leaves no ghost call, and misses no event', async () => {
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
      if (step === 3) legs.delete(key);
      else legs.set(key, step);
      if (step === 3) heard.delete(key);
      else heard.add(key);
    }
    async function settle() {
      const last = published.at(-1);
      await within((async () => {
        while (seen.at(-1) !== last) await new Promise(setImmediate);
      })(), last);
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
        await publish(key, random() < 0.4 ? 3 : Math.min(legs.get(key) + 1, 2));
      }
    }

    for (let round = 0; round < 24; round += 1) {
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
    for (const key of [...legs.keys()]) await publish(key, 3);
    await settle();
    assert.deepEqual(view.list, []);
    assert.deepEqual(seen, published);
    assert.deepEqual(da.faults, []);
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
    assert.throws(() => hub.publish('QueueStatsu', QUEUE, {}), TypeError);
  });

  test('has the open calls of a user, whatever happens to the connection', async () => {
    const hub = new FakeHub();
    const call = (name, callId, legId) => hub.publish(name, USER, { callId, legId });
    call('UserCallInArrived', 'a', '1');
    call('UserCallInUserConnected', 'a', '1');
    call('UserCallInArrived', 'b', '2');
    call('UserCallInDisconnected', 'b', '2');
    const da = made(hub.service());
    await da.Connect();
    const calls = await da.calls(USER);
    const shown = () => calls.list.map(({ callId, legs }) => [callId, legs.map(({ legId, last }) => `${legId} ${last.subscription.eventName}`)]);
    await hub.settled();
    assert.deepEqual([shown(), da.faults], [[['a', ['1 usercallinuserconnected']]], []]);
    const changes = [];
    calls.on((list) => changes.push(list.length));
    call('UserCallInArrived', 'c', '3');
    call('UserCallInArrived', 'c', '4');
    await hub.settled();
    assert.deepEqual([changes, shown()[1]], [[2], ['c', ['3 usercallinarrived', '4 usercallinarrived']]]);
    hub.down();
    call('UserCallInDisconnected', 'c', '4');
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
    assert.deepEqual([shown(), [...second].length], [[['d', ['5 usercalloutgoing']]], 1]);
    calls.close();
    second.close();
    await hub.settled();
    assert.deepEqual(await da.GetActiveSubscriptions(), []);
  });
});

describe('the package', () => {
  const gzipped = (...paths) => gzipSync(paths.map((path) => readFileSync(join(library.package, path), 'utf8')).join(''), { level: 9 }).length;

  test('has at most 10 kB gzipped, as much as a page loads that asks for nothing special', () => {
    const bytes = gzipped('client.mjs', 'client/connection.mjs');
    assert.ok(bytes <= 10_000, `${bytes} bytes`);
  });

  test('is what npm packs, and what Node imports by its name', async () => {
    const run = (command, args, cwd) => promisify(execFile)(command, args, { cwd });
    const { stdout } = await run('npm', ['pack', '--json', '--offline'], library.package);
    const [{ filename, files }] = JSON.parse(stdout);
    assert.deepEqual(files.map(({ path }) => path).sort(), [
      'README.md', 'client.d.mts', 'client.mjs', 'client/calls.mjs', 'client/connection.mjs', 'client/handed.mjs', 'client/tabs.mjs',
      'client/testing.d.mts', 'client/testing.mjs', 'events.d.mts', 'events.mjs', 'package.json',
    ]);
    const user = join(library.folder, 'user');
    await run('npm', ['install', '--prefix', user, '--offline', '--no-audit', '--no-fund', join(library.package, filename)], library.folder);
    const script = 'import { DAService } from "rte-client"; import { FakeHub } from "rte-client/testing"; import { eventNames } from "rte-client/events"; console.log(typeof DAService, typeof FakeHub, eventNames.length)';
    const printed = await run(process.execPath, ['--input-type=module', '-e', script], user);
    assert.equal(printed.stdout, 'function function 41\n');
  });
});
