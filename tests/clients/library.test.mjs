// The client library against the built hub, over its own WebSocket and over Microsoft's connection: what it comes
// through, and what it says of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import * as signalR from '@microsoft/signalr';
import WebSocket from 'ws';
import { Hub, Inbox, ORGANIZATION, QUEUE, USER, callIn, within } from './hub.mjs';
import { Proxy, TIMES, ending, exported, leg, load, news, pair, reaches } from './library.mjs';

const OTHER_USER = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
const EVENT = 'UserCallInComing';
const library = await exported();
const { DAService } = await load(library.package);
after(() => library.remove());
const made = ending(after);

const own = (url, jwt, times = {}) => made(new DAService(url, jwt, { WebSocket, times: { ...TIMES, ...times } }));
function handed(url, jwt, times, isAutomatic = false, transport = signalR.HttpTransportType.WebSockets) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: typeof jwt === 'function' ? jwt : () => jwt, transport })
    .configureLogging(signalR.LogLevel.None);
  const connection = (isAutomatic ? builder.withAutomaticReconnect([20, 20]) : builder).build();
  connection.serverTimeoutInMilliseconds = times?.silentMs ?? 30_000;
  return made(new DAService(connection, undefined, { times: { ...TIMES, ...times } }));
}

for (const [way, service] of [
  ['its own WebSocket', own],
  ["Microsoft's HubConnection", handed],
  ['a HubConnection that comes back by itself', (url, jwt, times) => handed(url, jwt, times, true)],
  ['a HubConnection that polls', (url, jwt, times) => handed(url, jwt, times, true, signalR.HttpTransportType.LongPolling)],
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

    // Letter for letter, but for a semicolon in that of Connect: no engine takes its `else` without.
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
      assert.throws(() => da.on('QueueStatsu', QUEUE, () => {}), { name: 'TypeError', message: 'there is no event "QueueStatsu"; did you mean "QueueStatus"?' });
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
      await da.on(EVENT, USER, ({ data }) => inbox.push(data.legId)).verdict;
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

    // Microsoft's client gives a poll 100 s, and nothing makes that shorter.
    if (!way.includes('polls')) test('a hub that is frozen is noticed, and met again', async () => {
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

describe('the library by itself', () => {
  const hub = new Hub();
  before(() => hub.start());
  after(() => hub.stop());

  test('a token with a line end behind it, as files have, is that token', async () => {
    for (const jwt of [`${hub.client()}\n`, async () => `${hub.client()}\r\n`]) assert.equal(await own(hub.url, jwt).Connect(), true);
  });

  test('what can never connect is told at once', () => {
    assert.throws(() => new DAService(undefined, 'jwt', { WebSocket }), TypeError);
    assert.throws(() => new DAService('/rte', 'jwt', { WebSocket }), TypeError);
    const known = globalThis.WebSocket;
    delete globalThis.WebSocket;
    try {
      assert.throws(() => new DAService(hub.url, 'jwt', { Websocket: WebSocket }), /hand one over as options\.WebSocket/);
    } finally {
      if (known) globalThis.WebSocket = known;
    }
  });
});

describe('the package', () => {
  const gzipped = (...paths) => gzipSync(paths.map((path) => readFileSync(join(library.package, path), 'utf8')).join(''), { level: 9 }).length;

  test('has at most 10 kB gzipped, as much as a page loads that asks for nothing special', () => {
    const bytes = gzipped('client.mjs', 'client/connection.mjs', 'client/item.mjs');
    assert.ok(bytes <= 10_000, `${bytes} bytes`);
  });

  test('is what npm packs, and what Node imports by its name', async () => {
    const run = (command, args, cwd) => promisify(execFile)(command, args, { cwd });
    const { stdout } = await run('npm', ['pack', '--json', '--offline'], library.package);
    const [{ filename, files }] = JSON.parse(stdout);
    assert.deepEqual(files.map(({ path }) => path).sort(), [
      'README.md', 'client.d.mts', 'client.mjs', 'client/calls.mjs', 'client/checks.mjs', 'client/connection.mjs', 'client/handed.mjs', 'client/item.mjs',
      'client/rules.mjs', 'client/states.mjs', 'client/tabs.mjs', 'client/testing.d.mts', 'client/testing.mjs', 'client/view.mjs', 'events.d.mts',
      'events.mjs', 'package.json',
    ]);
    const user = join(library.folder, 'user');
    await run('npm', ['install', '--prefix', user, '--offline', '--no-audit', '--no-fund', join(library.package, filename)], library.folder);
    const script = 'import { DAService } from "rte-client"; import { FakeHub } from "rte-client/testing"; import { eventNames } from "rte-client/events"; console.log(typeof DAService, typeof FakeHub, eventNames.length)';
    const printed = await run(process.execPath, ['--input-type=module', '-e', script], user);
    assert.equal(printed.stdout, 'function function 41\n');
  });
});
