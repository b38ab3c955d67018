// The client library in Chromium: networks that go and come, pages that freeze, clocks that jump, tabs that share.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Hub, QUEUE, ROOT, USER, callIn, launched, within } from './hub.mjs';
import { Proxy, exported } from './library.mjs';

const EVENT = 'UserCallInComing';
const leg = (legId) => {
  const item = callIn(USER);
  return { ...item, data: { ...item.data, legId: String(legId) } };
};

/** A page that keeps what it has seen in `seen`, and the states in `states`. */
const PAGE = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module">
  import { DAService } from '/client.mjs';
  window.begin = (url, options = {}) => {
    const token = async () => (await fetch('/token')).text();
    // Whoever is asked whether it is there has time to say so, also on a machine that is busy elsewhere.
    const da = new DAService(url, token, { ...options, times: { delayMs: 20, delayMaxMs: 200, tickMs: 100, probeMs: 10_000, ...options.times } });
    Object.assign(window, { da, seen: [], states: [], gaps: [], faults: [], rings: 0 });
    da.OnStateChanged.on(({ state }) => states.push(state));
    da.OnGap.on((gap) => gaps.push(...gap));
    da.OnError.on((error) => faults.push(error.message));
    da.on('${EVENT}', '${USER}', ({ data }) => {
      seen.push(data.legId);
      if (da.isLeader) window.rings += 1;
      // The calls that earlier tests have left open are none of this page's.
    }, { snapshot: false });
    return da.Connect();
  };
  window.isReady = true;
</script>`;

describe('the library in Chromium', () => {
  const hub = new Hub();
  let library, server, browser, base, sample;
  const complaints = [];
  /** Lets go the pages that hang. */
  const goOn = [];

  before(async () => {
    await hub.start();
    library = await exported();
    sample = /```html\n([\s\S]+?)```/.exec(readFileSync(join(ROOT, 'src/guide/library.md'), 'utf8'))[1];
    server = createServer((request, response) => {
      const path = new URL(request.url, 'http://page').pathname;
      const reply = (type, body) => response.writeHead(200, { 'Content-Type': type }).end(body);
      if (path === '/') reply('text/html', PAGE);
      else if (path === '/sample') reply('text/html', sample.replaceAll('http://127.0.0.1:8080', hub.base));
      else if (path === '/token') reply('text/plain', hub.client());
      else if (path === '/hang') goOn.push(() => response.end());
      else if (/^\/[\w./-]+\.mjs$/.test(path)) reply('text/javascript', readFileSync(join(library.package, path)));
      else response.writeHead(404).end();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${server.address().port}`;
    browser = await launched();
  });
  after(async () => {
    await browser?.close();
    server.closeAllConnections();
    server.close();
    await library.remove();
    await hub.stop();
  });

  /** A tab in which the service has begun. */
  async function tab(context, url = hub.url, options = {}) {
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(base);
    await page.waitForFunction(() => window.isReady);
    assert.equal(await within(page.evaluate(([url, options]) => window.begin(url, options), [url, options]), 'the page to connect'), true);
    return page;
  }
  const sees = (page, last) => within(page.waitForFunction((last) => window.seen.at(-1) === last, String(last), { polling: 20 }), `${last} to be seen`);
  const all = (count) => Array.from({ length: count }, (_, at) => String(at));
  const seenBy = (page) => page.evaluate(() => [window.seen, window.gaps, window.faults]);
  const devtools = (page) => page.context().newCDPSession(page);
  async function counts(name, wanted) {
    let isWaiting = true;
    const counted = (async () => {
      while (isWaiting && !(await (await fetch(`${hub.base}/metrics`)).text()).includes(`\n${name} ${wanted}\n`));
    })();
    await within(counted, `${name} to be ${wanted}`).finally(() => (isWaiting = false));
  }
  const connections = (wanted) => counts('rte_hub_connections', wanted);

  test('the sample of the manual shows what is published, with the modules that the hub serves', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const errors = [];
    page.on('console', (line) => line.type() === 'error' && !line.location().url.endsWith('favicon.ico') && errors.push(line.text()));
    await page.goto(`${base}/sample`);
    await page.waitForFunction(() => document.getElementById('state').textContent === 'live');
    const example = JSON.parse(readFileSync(join(ROOT, 'schema/queue/QueueStatus.toml'), 'utf8').match(/json = '''([\s\S]+?)'''/)[1]);
    await hub.publish({ eventName: 'QueueStatus', data: { ...example, queueId: QUEUE, nbrOfQueuingRequesters: 7 } });
    await page.waitForFunction(() => document.getElementById('waiting').textContent === '7 waiting');
    assert.deepEqual(errors, []);
  });

  test('a network that is cut, offline, and slow costs nothing', async (t) => {
    const context = await browser.newContext();
    const proxy = await new Proxy().start(hub.port);
    t.after(() => context.close().then(() => proxy.stop()));
    const page = await tab(context, proxy.url);
    await hub.publish([leg(0), leg(1)]);
    await sees(page, 1);
    await context.setOffline(true);
    proxy.cut();
    await hub.publish([leg(2), leg(3)]);
    await page.waitForFunction(() => window.da.state !== 'live', undefined, { polling: 20 });
    await context.setOffline(false);
    await sees(page, 3);
    await (await devtools(page)).send('Network.emulateNetworkConditions', { offline: false, latency: 300, downloadThroughput: 20_000, uploadThroughput: 20_000 });
    for (let number = 4; number < 20; number += 1) await hub.publish(leg(number));
    await sees(page, 19);
    assert.deepEqual(await seenBy(page), [all(20), [], []]);
  });

  test('a page that is frozen and thawed has missed nothing', async (t) => {
    const context = await browser.newContext();
    const proxy = await new Proxy().start(hub.port);
    t.after(() => context.close().then(() => proxy.stop()));
    const page = await tab(context, proxy.url);
    const session = await devtools(page);
    await hub.publish(leg(0));
    await sees(page, 0);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await hub.publish(leg(1));
    proxy.cut();
    await hub.publish(leg(2));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    await hub.publish(leg(3));
    await sees(page, 3);
    assert.deepEqual(await seenBy(page), [all(4), [], []]);
  });

  test('a clock that jumps makes it ask once, and cuts nothing', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await tab(context);
    const sent = await page.evaluate(async () => {
      const real = Date.now;
      const sent = [];
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (data) {
        sent.push(String(data));
        return send.call(this, data);
      };
      for (const hours of [1, -1, 24]) {
        Date.now = () => real() + hours * 3_600_000;
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      return sent.filter((record) => record.includes('"target":"Unsubscribe"')).length;
    });
    assert.ok(sent >= 1 && sent <= 3, `${sent} probes`);
    assert.deepEqual(await page.evaluate(() => window.states), ['connecting', 'live']);
    const ahead = await page.evaluate(() => window.da.now() - performance.timeOrigin - performance.now());
    assert.ok(Math.abs(ahead) < 60_000, `the hub's clock is ${ahead} ms ahead`);
  });

  const ringsOf = async (tabs) => (await Promise.all(tabs.map((page) => page.evaluate(() => window.rings)))).reduce((sum, one) => sum + one);
  const leads = (page) => page.evaluate(() => window.da.isLeader);
  /** The tab that leads. One that was closed may hand on messages for a moment longer, so nobody may lead yet; two never do. */
  async function leaderOf(tabs) {
    const found = async () => {
      for (;;) {
        const leaders = await Promise.all(tabs.map(leads));
        assert.ok(leaders.filter(Boolean).length <= 1, `${leaders.filter(Boolean).length} leaders`);
        if (leaders.includes(true)) return leaders.indexOf(true);
      }
    };
    return tabs[await within(found(), 'a tab to lead')];
  }

  for (const count of [2, 6, 10]) {
    test(`${count} tabs share one connection, ring once, and outlive their leader`, async (t) => {
      const context = await browser.newContext();
      t.after(() => context.close());
      await connections(0);
      const tabs = [];
      for (let at = 0; at < count; at += 1) tabs.push(await tab(context, hub.url, { share: 'tabs' }));
      await connections(1);
      await hub.publish([leg(0), leg(1)]);
      for (const page of tabs) await sees(page, 1);
      let leader = await leaderOf(tabs);
      assert.equal(await ringsOf(tabs), 2);
      let number = 2;
      while (tabs.length > 1) {
        tabs.splice(tabs.indexOf(leader), 1);
        await leader.close();
        await hub.publish([leg(number++), leg(number++)]);
        for (const page of tabs) await sees(page, number - 1);
        leader = await leaderOf(tabs);
        await connections(1);
      }
      assert.deepEqual(await seenBy(tabs[0]), [all(number), [], []]);
    });
  }

  // Sooner than its silence would be noticed: the tabs would take 25 s for that, and nothing here is waited for so long.
  test('a leader that crashes is followed within seconds, and nothing is missed or rung twice', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const tabs = [];
    for (let at = 0; at < 3; at += 1) tabs.push(await tab(context, hub.url, { share: 'tabs' }));
    await hub.publish(leg(0));
    for (const page of tabs) await sees(page, 0);
    let number = 1;
    while (tabs.length > 1) {
      const leader = await leaderOf(tabs);
      tabs.splice(tabs.indexOf(leader), 1);
      const rung = await ringsOf(tabs);
      const crashed = new Promise((resolve) => leader.once('crash', resolve));
      (await devtools(leader)).send('Page.crash').catch(() => {});
      await within(crashed, 'the crash');
      await hub.publish([leg(number), leg(number + 1)]);
      number += 2;
      for (const page of tabs) await sees(page, number - 1);
      await leaderOf(tabs);
      assert.equal(await ringsOf(tabs), rung + 2);
      await connections(1);
    }
    assert.deepEqual(await seenBy(tabs[0]), [all(number), [], []]);
  });

  test('a day of sleep and wake, two hours each, misses nothing and rings once', async (t) => {
    const context = await browser.newContext();
    const proxy = await new Proxy().start(hub.port);
    t.after(() => context.close().then(() => proxy.stop()));
    await context.clock.install();
    const tabs = [];
    for (let at = 0; at < 3; at += 1) tabs.push(await tab(context, proxy.url, { share: 'tabs' }));
    const sessions = await Promise.all(tabs.map(devtools));
    const lifecycle = (state) => Promise.all(sessions.map((session) => session.send('Page.setWebLifecycleState', { state })));
    let number = 0;
    for (let hour = 0; hour < 24; hour += 2) {
      await lifecycle('frozen');
      await hub.publish(leg(number++));
      // Some networks forget their connections meanwhile, and some do not.
      if (hour % 4) proxy.cut();
      await hub.publish(leg(number++));
      await context.clock.fastForward('02:00:00');
      await lifecycle('active');
      await hub.publish(leg(number++));
      for (const page of tabs) await sees(page, number - 1);
    }
    for (const page of tabs) assert.deepEqual(await seenBy(page), [all(number), [], []]);
    assert.equal(await ringsOf(tabs), number);
  });

  // Not by a frozen page: CDP freezes its timers only, and goes on to hand it what the other tabs say.
  test('a leader that hangs loses the lead, and follows when it is back', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const tabs = [];
    for (let at = 0; at < 2; at += 1) tabs.push(await tab(context, hub.url, { share: 'tabs', times: { silentMs: 500, probeMs: 1500 } }));
    assert.equal(await tabs[0].evaluate(() => window.da.isLeader), true);
    await hub.publish(leg(0));
    for (const page of tabs) await sees(page, 0);
    // It does nothing else until there is an answer, however long the other one takes.
    const hangs = tabs[0].evaluate(() => {
      const request = new XMLHttpRequest();
      request.open('GET', '/hang', false);
      request.send();
    });
    await within(tabs[1].waitForFunction(() => window.da.isLeader && window.da.state === 'live', undefined, { polling: 20 }), 'the other tab to lead');
    await hub.publish(leg(1));
    await sees(tabs[1], 1);
    goOn.forEach((answer) => answer());
    await hangs;
    await within(tabs[0].waitForFunction(() => !window.da.isLeader && window.da.state === 'live', undefined, { polling: 20 }), 'the first tab to follow');
    await hub.publish(leg(2));
    for (const page of tabs) {
      await sees(page, 2);
      assert.deepEqual((await seenBy(page))[0], all(3));
    }
  });

  test('a tab that is closed is unsubscribed, and the others keep what is theirs', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const [first, second] = [await tab(context, hub.url, { share: 'tabs' }), await tab(context, hub.url, { share: 'tabs' })];
    const subscribe = (page) => page.evaluate(([EntityId]) => window.da.Subscribe([{ EntityId, EventName: 'QueueStatus' }]), [QUEUE]);
    assert.deepEqual((await subscribe(second)).map(({ subscribed }) => subscribed), [true]);
    await counts('rte_subscriptions', 2);
    await second.close();
    await counts('rte_subscriptions', 1);
    assert.equal((await first.evaluate(() => window.da.GetActiveSubscriptions())).length, 1);
  });

  test('no page has thrown', () => assert.deepEqual(complaints, []));
});
