// The pages in Chromium, each live against a real hub.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { events, items } from './catalogue.mjs';
import { BINARY, Hub, Inbox, ORGANIZATION, QUEUE, ROOT, USER, launched, within } from './hub.mjs';
import { Proxy } from './library.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LIST = 'e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11';
const PAGES = ['', 'wall', 'desk', 'try', 'guide', 'guide/clients', 'guide/library'];

/** An item of an event, its first example with other values. */
function item(name, values = {}) {
  const { item } = items(events.find(({ event }) => event === name))[0];
  return { ...item, data: { ...item.data, organizationId: ORGANIZATION, ...values } };
}
const queue = (values) => item('QueueStatus', { queueId: QUEUE, queueName: 'Support', openStatus: 5, ...values });
const status = (values) => item('UserStatus', { userId: USER, available: true, canBeAllocatedTo: true, schedule: true, serving: true, talking: false, wrapUpEnd: null, ...values });
const availability = (values) => item('UserAvailability', { userId: USER, userName: 'anna.virtanen@example.com', availability: 'Available', endTime: '9999-12-31T23:59:59.9999999Z', ...values });
const call = (name, values) => item(name, { userId: USER, callId: '2f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e02', legId: 'leg-1', callerNumber: '+358401234567', ...values });
const callback = (values) => item('CallbackChanged', { callListId: LIST, assignedUserId: USER, ...values });

describe('the pages in Chromium', () => {
  const hub = new Hub(['pages.enabled=true']);
  let browser;
  const complaints = [];

  before(async () => {
    await hub.start();
    browser = await launched();
  });
  after(async () => {
    await browser?.close();
    await hub.stop();
  });

  /** A page that has its token, and is live. */
  async function open(t, path, { token = hub.client(), base = hub.base, isLive = true, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    t.after(() => context.close());
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    // A hub that is gone, or refuses something, is told to the console by the browser itself.
    const isOwn = (text) => !/ERR_|WebSocket|status of 4(01|22)/.test(text);
    page.on('console', (line) => line.type() === 'error' && isOwn(line.text()) && complaints.push(line.text()));
    await page.goto(`${base}/${path}#token=${token}`);
    if (isLive) await live(page);
    return page;
  }
  const live = (page) => within(page.waitForSelector('html[data-state="live"]'), 'the page to be live');
  const sees = (page, selector, text) =>
    within(page.waitForFunction(([selector, text]) => document.querySelector(selector)?.innerText.includes(text), [selector, text], { polling: 20 }), `"${text}" in ${selector}`);
  const publish = async (...all) => assert.equal((await hub.publish(all)).status, 202);

  test('a token in the address leaves it at once, and is nowhere to be seen', async (t) => {
    const token = hub.client();
    for (const path of ['wall', 'desk', 'try']) {
      const page = await open(t, path, { token });
      assert.equal(page.url(), `${hub.base}/${path}`);
      const signature = token.split('.')[2];
      const seen = await page.evaluate(() => document.documentElement.outerHTML + Array.from(document.querySelectorAll('input, textarea'), ({ value }) => value).join() + JSON.stringify(localStorage) + document.cookie);
      assert.ok(!seen.includes(signature), path);
      await page.reload();
      await live(page);
      await page.click('#forget');
      await within(page.waitForSelector('#entry'), 'the field for a token');
      assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    }
  });

  test('a token that the hub refuses is asked for again, with the reason', async (t) => {
    const page = await open(t, 'wall', { token: hub.client({ exp: 1 }), isLive: false });
    await sees(page, '#entry', 'The hub does not take this token');
    await page.fill('#token', hub.client());
    await page.click('#entry button');
    await live(page);
  });

  test('the wallboard shows queues, agents and callbacks as they change', async (t) => {
    await publish(queue({ nbrOfQueuingRequesters: 3, maxWaitTime: 100, nbrOfAgentsImmediatelyFree: 1 }), status(), availability());
    const page = await open(t, 'wall');
    await sees(page, '#queues', '3');
    await sees(page, '#queues', 'Support');
    await sees(page, '#agents .column:nth-child(1)', 'Anna Virtanen');
    await publish(queue({ nbrOfQueuingRequesters: 5, maxWaitTime: 130 }), status({ talking: true, canBeAllocatedTo: false }), item('CallbackListStatus', { callListId: LIST, totalOpenRequests: 17 }));
    await sees(page, '#queues', '5');
    await sees(page, '#queues', 'a caller waits over 2:00');
    await sees(page, '#agents .column:nth-child(2)', 'Anna Virtanen');
    await sees(page, '#lists', '17');
    await publish(status({ canBeAllocatedTo: false }), availability({ availability: 'DoNotDisturb' }));
    await sees(page, '#agents .column:nth-child(4)', 'Do not disturb');
  });

  /** Lets the next words of the hub be of another time, also by clocks that are read late. */
  const wait = (page, from) => within(page.waitForFunction((from) => Date.now() >= from, Date.now() + from), 'time to go by');
  const sinceOf = (page, name) => page.evaluate((name) => [...document.querySelectorAll('#agents li')].find((row) => row.innerText.includes(name))?.querySelector('.since').innerText, name);
  const seconds = (text) => text.split(':').reduce((sum, part) => 60 * sum + Number(part), 0);

  test('a wall that is opened late takes no older word for the beginning of a state, and a reload forgets nothing', async (t) => {
    const userId = randomUUID();
    const own = { userId, userName: 'late.comer@example.com' };
    await publish(availability({ ...own, startTime: '2024-01-01T00:00:00Z' }));
    const early = await open(t, 'wall');
    await sees(early, '#agents', 'Late Comer');
    await publish(status({ userId, talking: true, canBeAllocatedTo: false }));
    await wait(early, 4100);
    await publish(status({ userId }));
    await sees(early, '#agents .column:nth-child(1)', 'Late Comer');
    const late = await open(t, 'wall');
    await sees(late, '#agents .column:nth-child(1)', 'Late Comer');
    let shown;
    const agree = async () => {
      do {
        // A page that was answered late is behind the hub's clock until it hears something new, and draws once a second.
        await publish(queue({}));
        shown = (await Promise.all([early, late].map((page) => sinceOf(page, 'Late Comer')))).map(seconds);
      } while (Math.abs(shown[0] - shown[1]) > 1);
    };
    await within(agree(), 'both to tell the same time').catch((error) => assert.fail(`${error.message}: ${shown} s`));
    // Told again without a change, which a page that was there knows, also after a reload.
    await wait(early, 4100);
    await publish(status({ userId, activeQueues: 7 }));
    await early.reload();
    await live(early);
    await sees(early, '#agents .column:nth-child(1)', 'Late Comer');
    assert.ok(seconds(await sinceOf(early, 'Late Comer')) >= 2, 'since it was free');
  });

  test('a queue in which nobody waits has no longest wait, and the lines have seen what is true now', async (t) => {
    const queueId = randomUUID();
    const own = { queueId, queueName: 'Quiet', nbrOfAllocated: 0, nbrOfQueuingRequesters: 0, maxWaitTime: 23 };
    await publish(queue(own));
    const page = await open(t, 'wall', { token: hub.client({ rte: [`queue/${queueId}/QueueStatus`] }) });
    await sees(page, '.numbers', '–');
    await publish(queue({ ...own, nbrOfAllocated: 1 }));
    await sees(page, '.numbers', '0:2');
    await publish(queue({ ...own, nbrOfQueuingRequesters: 4 }));
    await sees(page, '.foot', 'most 4');
    await publish(queue(own));
    await sees(page, '.numbers', '–');
    await sees(page, '.foot', 'most 4');
  });

  test('a wall of ten queues, sixty agents and four lists needs no scrolling, and the worst comes first', async (t) => {
    const own = await new Hub(['pages.enabled=true']).start();
    t.after(() => own.stop());
    const id = (n, kind) => `${kind}${String(n).padStart(7, '0')}-0000-4000-8000-000000000000`;
    const kinds = [{}, { talking: true }, { canBeAllocatedTo: false }, { schedule: false }, { canBeAllocatedTo: false, serving: false }, {}];
    const users = Array.from({ length: 60 }, (_, n) => [status({ userId: id(n, 'b'), ...kinds[n % 6] }), availability({ userId: id(n, 'b'), userName: `agent.number${n}@example.com` })]);
    const queues = Array.from({ length: 10 }, (_, n) => queue({ queueId: id(n, 'a'), queueName: `Queue ${n}`, nbrOfAllocated: 0, nbrOfQueuingRequesters: 0, openStatus: n === 7 ? 3 : 5 }));
    const lists = Array.from({ length: 4 }, (_, n) => item('CallbackListStatus', { callListId: id(n, 'c'), totalOverDueDate: n === 3 ? 2 : 0 }));
    assert.equal((await own.publish([...users.flat(), ...queues, ...lists])).status, 202);
    for (const [width, height] of [[1920, 1080], [3840, 2160]]) {
      const page = await open(t, `wall?name.${id(3, 'c').slice(0, 8)}=Returns`, { base: own.base, token: own.client(), viewport: { width, height } });
      await sees(page, '#agents-title', '60');
      await sees(page, '#lists li:first-child', 'Returns');
      await within(page.waitForFunction(() => document.querySelectorAll('#agents li').length === 60), 'all agents');
      const cut = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.scroll, #queues, #lists, .queue, .list')].filter((part) => part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1).map((part) => part.id || part.className));
      assert.deepEqual(cut, [], `at ${width}x${height}`);
      const change = (n, values) => own.publish([queue({ queueId: id(n, 'a'), queueName: `Queue ${n}`, nbrOfAllocated: 0, ...values })]);
      await change(4, { nbrOfQueuingRequesters: 1, maxWaitTime: 200 });
      await sees(page, '#queues li:first-child', 'Queue 4');
      await change(7, { nbrOfQueuingRequesters: 1, maxWaitTime: 300, openStatus: 3 });
      await sees(page, '#queues li:first-child', 'Queue 7');
      for (const n of [4, 7]) await change(n, { nbrOfQueuingRequesters: 0 });
      await sees(page, '#queues li:first-child', 'Queue 0');
    }
  });

  test('what was not told again behind an interruption is dashed, on the wall and on the desk', async (t) => {
    const own = await new Hub(['pages.enabled=true']).start();
    t.after(() => own.stop());
    const told = async (...all) => assert.equal((await own.publish(all)).status, 202);
    await told(availability({ availability: 'OffWork' }), status({ schedule: false }));
    const wall = await open(t, 'wall', { base: own.base, token: own.client() });
    const desk = await open(t, 'desk', { base: own.base, token: own.client() });
    await sees(wall, '#agents .column:nth-child(5)', 'Anna Virtanen');
    await sees(desk, '#agent-word', 'Off work');
    await own.stop();
    await own.start();
    for (const page of [wall, desk]) await sees(page, '#notice', 'may not all be here');
    await told(call('UserCallInArrived'));
    await sees(desk, '#calls', 'Ringing');
    await sees(desk, '#agent.stale #agent-since', 'before an interruption');
    await sees(wall, '#agents .column:nth-child(5) li.stale', 'Anna Virtanen');
    // An availability of before says nothing beside a status of now.
    await told(status({}));
    await sees(wall, '#agents .column:nth-child(1) li:not(.stale)', 'Anna Virtanen');
    await sees(desk, '#agent:not(.stale) #agent-word', 'Free');
    await sees(desk, '#agent-facts', 'Off work, before an interruption');
  });

  test('a token whose user has no desk lets one be chosen', async (t) => {
    await publish(availability());
    const page = await open(t, 'desk', { token: hub.client({ sub: '5e0f2d3c-4b1a-4c8d-9e7f-6a5b4c3d2e1f' }) });
    await sees(page, '#agent-name', 'Choose a desk');
    await page.selectOption('#users', USER);
    await sees(page, '#agent-name', 'Anna Virtanen');
  });

  test('a token for one queue shows that, and says what it may not', async (t) => {
    const other = '11111111-2222-4333-8444-555555555555';
    await publish(queue({}), queue({ queueId: other, queueName: 'Sales' }));
    const page = await open(t, 'wall', { token: hub.client({ rte: [`queue/${QUEUE}/QueueStatus`] }) });
    await sees(page, '#queues', 'Support');
    await sees(page, '#no-lists', 'This token may not have CallbackListStatus');
    assert.ok(!(await page.innerText('#queues')).includes('Sales'));
  });

  test('a wall names who fell silent, and shows nothing as certain that is not', async (t) => {
    await publish(queue({ queueName: 'Support' }));
    const proxy = await new Proxy().start(hub.port);
    t.after(() => proxy.stop());
    const page = await open(t, 'wall?silent=1', { base: new URL(proxy.url).origin });
    await sees(page, '#silent', 'Support');
    await sees(page, '.queue.stale .age', 'no news for');
    await publish(queue({ queueName: 'Support', nbrOfQueuingRequesters: 9 }));
    await sees(page, '#queues', '9');
    proxy.stall();
    proxy.cut();
    await within(page.waitForSelector('html[data-state="offline"], html[data-state="recovering"]'), 'the page to be offline');
    const border = await page.evaluate(() => getComputedStyle(document.querySelector('.queue')).borderLeftStyle);
    assert.equal(border, 'dashed');
    proxy.stall(false);
    await live(page);
  });

  test('the desk shows calls with their legs, and a reload in the midst of one shows the same', async (t) => {
    await publish(status({ talking: true, canBeAllocatedTo: false }), availability());
    const page = await open(t, 'desk');
    await publish(call('UserCallInArrived'), call('UserCallInUserAllocated', { legId: 'leg-2' }), call('UserCallInUserConnected', { legId: 'leg-2' }));
    await sees(page, '#calls', 'From +358401234567');
    await sees(page, '#calls .title', 'Talking');
    await publish(call('UserCallInTransferStarted', { legId: 'leg-2', transferTarget: '+358501' }), callback({ contactNumber: '+358777' }));
    await sees(page, '#calls .title', 'In transfer');
    await sees(page, '#callbacks', '+358777');
    await sees(page, '#agent-word', 'Talking');
    const timeless = (page) => page.evaluate(() => [...document.querySelectorAll('#calls, #callbacks, #agent-word, #agent-facts')].map((part) => part.innerText.replace(/\b\d+:\d\d$/gm, '')).join('\n'));
    const before = await timeless(page);
    assert.match(before, /Transfer begins to \+358501/);
    await page.reload();
    await live(page);
    await sees(page, '#calls .title', 'In transfer');
    await sees(page, '#callbacks', '+358777');
    await sees(page, '#agent-word', 'Talking');
    assert.equal(await timeless(page), before);
    await publish(callback({ contactNumber: '+358777', assignedUserId: null }), call('UserCallInDisconnected'));
    await within(page.waitForSelector('#no-calls:not([hidden])'), 'no call to be left');
    await within(page.waitForSelector('#no-callbacks:not([hidden])'), 'no callback to be left');
  });

  test('a desk that slept through the end of a call shows none when it wakes', async (t) => {
    const proxy = await new Proxy().start(hub.port);
    t.after(() => proxy.stop());
    const page = await open(t, 'desk', { base: new URL(proxy.url).origin });
    const session = await page.context().newCDPSession(page);
    await publish(call('UserCallInArrived', { callId: '3f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e03' }));
    await sees(page, '#calls', 'Ringing');
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    proxy.cut();
    await publish(call('UserCallInDisconnected', { callId: '3f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e03' }), call('UserCallInArrived', { callId: '4f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e04', callerNumber: '+4420' }));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    await sees(page, '#calls', 'From +4420');
    assert.equal(await page.locator('.call').count(), 1);
    await publish(call('UserCallInDisconnected', { callId: '4f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e04' }));
  });

  test('a desk says so when the hub has forgotten everything, and goes on', async (t) => {
    const own = await new Hub(['pages.enabled=true']).start();
    t.after(() => own.stop());
    const page = await open(t, 'desk', { base: own.base, token: own.client() });
    assert.equal((await own.publish([call('UserCallInArrived'), callback()])).status, 202);
    await sees(page, '#calls', 'Ringing');
    await own.stop();
    await own.start();
    await sees(page, '#notice', 'may not all be here');
    await within(page.waitForSelector('#no-calls:not([hidden])'), 'the calls to be gone');
    assert.equal((await own.publish(call('UserCallInArrived', { callerNumber: '+4421' }))).status, 202);
    await sees(page, '#calls', 'From +4421');
  });

  test('the playground shows what a token may and why, and what comes', async (t) => {
    const page = await open(t, 'try', { token: hub.client({ rte: ['queue/*'] }) });
    const row = (name) => page.locator(`#events tr[data-name="${name.toLowerCase()}"]`).innerText();
    await sees(page, '#counted', 'of 41 events');
    assert.match(await row('QueueStatus'), /yes/);
    assert.match(await row('CallbackChanged'), /no/);
    await page.selectOption('#event', 'QueueStatus');
    await page.click('#listen button');
    await sees(page, '#subscriptions', 'subscribed');
    await publish(queue({ nbrOfQueuingRequesters: 11 }));
    await sees(page, '#log', 'QueueStatus');
    await page.selectOption('#event', 'CallbackChanged');
    await page.click('#listen button');
    await sees(page, '#subscriptions li:nth-child(2)', 'refused: Unauthorized');
  });

  test('the playground judges an example where it is wrong, publishes it where it is right, and writes it as code', async (t) => {
    const page = await open(t, 'try', { token: hub.client({ scope: 'publish' }) });
    await sees(page, '#counted', 'of 41 events');
    await page.selectOption('#event', 'QueueStatus');
    await within(page.waitForFunction(() => document.querySelector('#item').value.includes('"QueueStatus"')), 'the example');
    await page.click('#dry');
    await sees(page, '#verdict', '202: 1 would be taken');
    const good = await page.inputValue('#item');
    await page.fill('#item', good.replace(/("maxWaitTime": )\d+/, '$1"long"').replace(/.*"nbrOfAllocated".*\n/, ''));
    await page.click('#dry');
    await sees(page, '#faults', '/data/maxWaitTime');
    await sees(page, '#faults', '/data/nbrOfAllocated');
    const line = (await page.inputValue('#item')).split('\n').findIndex((line) => line.includes('maxWaitTime')) + 1;
    await sees(page, '#faults', `Line ${line}`);
    await page.click(`#faults button:text-is("Line ${line}")`);
    assert.match(await page.evaluate(() => getSelection().toString() || document.querySelector('#item').value.slice(document.querySelector('#item').selectionStart, document.querySelector('#item').selectionEnd)), /maxWaitTime": "long"/);
    await page.fill('#item', '{ "eventName": ');
    await page.click('#dry');
    await sees(page, '#verdict', 'This is no JSON');
    await page.fill('#item', good);
    await page.click('#listen button');
    await sees(page, '#subscriptions', 'subscribed');
    await page.click('#publish');
    await sees(page, '#verdict', '202: 1 taken');
    await sees(page, '#log', 'QueueStatus');
    const code = await page.evaluate(() => document.querySelector('#code').textContent);
    for (const part of ['new DAService(', 'HubConnectionBuilder()', 'connection.Reconnected +=', 'curl -sS', 'rte listen --url', '$TOKEN']) assert.ok(code.includes(part), part);
  });

  test('the JavaScript of the playground runs on a page as it is copied', async (t) => {
    const page = await open(t, 'try');
    await sees(page, '#counted', 'of 41 events');
    await page.selectOption('#event', 'QueueStatus');
    await sees(page, '#code', '"QueueStatus", "*"');
    const code = await page.evaluate(() => document.querySelector('#code code').textContent);
    const server = http.createServer(({ url }, response) => {
      const isCode = url === '/copied.mjs';
      response.setHeader('Content-Type', isCode ? 'text/javascript' : 'text/html');
      response.end(isCode ? code : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/copied.mjs"></script>');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const own = await page.context().newPage();
    const said = [];
    own.on('console', (line) => said.push(line.text()));
    own.on('pageerror', (error) => said.push(error.message));
    own.on('dialog', (dialog) => dialog.accept(hub.client()));
    await own.goto(`http://127.0.0.1:${server.address().port}/`);
    await publish(queue({ nbrOfQueuingRequesters: 3 }));
    await within((async () => {
      while (!said.some((line) => line.startsWith('live'))) await own.waitForEvent('console');
    })(), `it to be live: ${said}`);
  });

  test('curl and rte listen of the playground run in a shell as they are copied, and its C# is that of the guide', async (t) => {
    const token = hub.client({ scope: 'publish' });
    const page = await open(t, 'try', { token });
    await sees(page, '#counted', 'of 41 events');
    await page.selectOption('#event', 'QueueStatus');
    await page.fill('#entity', QUEUE);
    await within(page.waitForFunction(() => document.querySelector('#item').value.includes('"QueueStatus"')), 'the example');
    await page.fill('#item', JSON.stringify(queue({ queueName: 'Copied', nbrOfQueuingRequesters: 19 }), null, 2));
    const [, csharp, curl, listen] = await page.evaluate(() => Array.from(document.querySelectorAll('#code code'), ({ textContent }) => textContent));
    const env = { ...process.env, TOKEN: token, PATH: [dirname(BINARY), process.env.PATH].join(delimiter) };
    const child = spawn('bash', ['-c', listen], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    t.after(() => process.kill(-child.pid, 'SIGKILL'));
    const said = new Inbox();
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => said.push(line));
    const { stdout } = await promisify(execFile)('bash', ['-c', curl], { env });
    assert.equal(JSON.parse(stdout).accepted, 1, stdout);
    const lines = [];
    while (!lines.join('\n').includes('Copied')) lines.push(await said.next(`what comes, behind\n${lines.join('\n')}`));
    const guide = /```csharp\n([\s\S]+?)```/.exec(readFileSync(join(ROOT, 'src/guide/clients.md'), 'utf8'))[1];
    const replaced = [
      ['const string queue = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";\n', ''],
      ['{ new Item(queue, "QueueStatus", true), new Item(queue, "QueueCallInArrived") }', `{ new Item("${QUEUE}", "QueueStatus", true) }`],
      ['http://127.0.0.1:8080/rte', `${hub.base}/rte`],
      ['RTE_TOKEN', 'TOKEN'],
    ].reduce((text, [from, to]) => {
      assert.ok(text.includes(from), from);
      return text.replace(from, to);
    }, guide);
    assert.equal(csharp.replace(/^\/\/ dotnet .*\n/, ''), replaced.trimEnd());
  });

  test('the playground tells what came before, where that is asked for', async (t) => {
    await publish(item('QueueCallInArrived', { queueId: QUEUE, queueName: 'Before' }));
    const page = await open(t, 'try');
    await sees(page, '#counted', 'of 41 events');
    await page.selectOption('#event', 'QueueCallInArrived');
    await page.selectOption('#since', '-5m');
    await page.click('#listen button');
    await sees(page, '#log', 'Before');
  });

  test('the playground leads back to its example, and tells of a message what is in it', async (t) => {
    const page = await open(t, 'try', { token: hub.client({ scope: 'publish' }) });
    await sees(page, '#counted', 'of 41 events');
    await page.selectOption('#event', 'QueueStatus');
    await within(page.waitForFunction(() => document.querySelector('#item').value.includes('"QueueStatus"')), 'the example');
    const example = await page.inputValue('#item');
    await page.fill('#item', '{}');
    await page.click('#example');
    assert.equal(await page.inputValue('#item'), example);
    await page.click('#listen button');
    await sees(page, '#subscriptions', 'subscribed');
    await publish(queue({ queueName: 'Billing', nbrOfQueuingRequesters: 23 }));
    await sees(page, '#log', 'nbrOfQueuingRequesters 23');
    await sees(page, '#log', 'Billing');
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing on any page, ${colorScheme}`, async (t) => {
      await publish(queue({ nbrOfQueuingRequesters: 2, maxWaitTime: 300 }), status({ talking: true }), availability(), call('UserCallInArrived', { callId: randomUUID() }), callback(), item('CallbackListStatus', { callListId: LIST }));
      for (const path of PAGES) {
        for (const width of [360, 1440]) {
          const page = await open(t, path, { colorScheme, viewport: { width, height: 900 }, isLive: /^[a-z]{3,4}$/.test(path), token: hub.client({ scope: 'publish' }) });
          if (path.startsWith('guide/')) await sees(page, '#text h2', path.endsWith('s') ? 'Writing a client' : 'The client library');
          if (path === 'try') await sees(page, '#counted', 'of 41 events');
          if (path === 'wall') await sees(page, '#queues', 'Support');
          if (path === 'desk') await sees(page, '#calls', 'Ringing');
          // By the protocol of the developer tools, for which the policy of the page does not hold.
          await page.evaluate(AXE);
          const { violations } = await page.evaluate(() => window.axe.run());
          assert.deepEqual(violations.map(({ id, nodes }) => `/${path} at ${width}: ${id}: ${nodes[0].html}`), []);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.equal(overflow, 0, `/${path} is wider than ${width} px`);
          await page.context().close();
        }
      }
    });
  }

  test('the overview tells what the hub does at present', async (t) => {
    const page = await open(t, '', { isLive: false });
    await sees(page, '#numbers', 'publications a second');
    await sees(page, '#numbers', '0.');
    const wall = await open(t, 'wall');
    const shown = (what) => page.evaluate((what) => [...document.querySelectorAll('#numbers div')].find((part) => part.innerText.includes(what)).querySelector('b').innerText, what);
    await within((async () => {
      while ((await shown('connections')) === '0' || (await shown('subscriptions')) === '0') await page.waitForTimeout(50);
    })(), 'the connection of the wall');
    await wall.context().close();
  });

  test('every page of the guide is shown as a whole, and each link in it leads somewhere', async (t) => {
    const names = readdirSync(join(ROOT, 'src/guide')).filter((name) => name.endsWith('.md')).map((name) => name.slice(0, -3));
    const page = await open(t, 'guide', { isLive: false });
    const listed = await page.evaluate(() => Array.from(document.querySelectorAll('#contents a'), (link) => link.getAttribute('href')));
    assert.deepEqual(listed.sort(), names.map((name) => `/guide/${name}`).sort());
    const [places, links] = [new Set(listed), []];
    for (const name of names) {
      await page.goto(`${hub.base}/guide/${name}`);
      await within(page.waitForSelector('#text h2'), name);
      const seen = await page.evaluate(() => {
        const texts = document.createTreeWalker(document.querySelector('#text'), NodeFilter.SHOW_TEXT);
        const marks = [];
        while (texts.nextNode()) if (!texts.currentNode.parentElement.closest('code') && /`|\]\[|\*\*|\]\(|^\||\[[\w ]+\]/.test(texts.currentNode.data)) marks.push(texts.currentNode.data);
        const all = (selector, attribute) => Array.from(document.querySelectorAll(`#text ${selector}`), (part) => part.getAttribute(attribute));
        return { marks, ids: all('[id]', 'id'), links: all('a', 'href') };
      });
      assert.deepEqual(seen.marks, [], name);
      for (const id of seen.ids) places.add(`/guide/${name}#${id}`);
      links.push(...seen.links);
    }
    assert.ok(links.length > 90);
    assert.deepEqual(links.filter((link) => !places.has(link)), []);
    await page.goto(`${hub.base}/guide/nothing`);
    await sees(page, '#text', 'There is no page “nothing”');
  });

  test('every page can be used by keyboard', async (t) => {
    const page = await open(t, 'try', { token: hub.client({ scope: 'publish' }) });
    await sees(page, '#counted', 'of 41 events');
    const reached = new Set();
    for (let n = 0; n < 400 && !reached.has('forget again'); n += 1) {
      await page.keyboard.press('Tab');
      const id = await page.evaluate(() => document.activeElement.id);
      reached.add(reached.has('dry') && id === 'forget' ? 'forget again' : id);
      if (reached.has('dry') && reached.has('publish') && reached.has('event')) break;
    }
    for (const id of ['forget', 'filter', 'event', 'entity', 'snapshot', 'item', 'dry', 'publish']) assert.ok(reached.has(id), id);
  });

  test('five thousand agents and fifty changes a second take less than 30 % of a core', async (t) => {
    const own = await new Hub(['pages.enabled=true', 'limits.body_bytes_max=8388608', 'limits.items_max=10000']).start();
    t.after(() => own.stop());
    const ids = Array.from({ length: 5000 }, (_, n) => `${String(n).padStart(8, '0')}-0000-4000-8000-000000000000`);
    const kinds = [{}, { talking: true }, { canBeAllocatedTo: false }, { schedule: false, canBeAllocatedTo: false }];
    for (let from = 0; from < ids.length; from += 500) {
      const part = ids.slice(from, from + 500);
      const all = part.flatMap((userId, n) => [status({ userId, ...kinds[n % 4] }), availability({ userId, userName: `agent.number${from + n}@example.com` })]);
      assert.equal((await own.publish(all)).status, 202);
    }
    const page = await open(t, 'wall', { base: own.base, token: own.client() });
    await sees(page, '#agents-title', '5000');
    assert.ok((await page.locator('#agents li').count()) < 400, 'only the rows that can be seen are there');
    const session = await page.context().newCDPSession(page);
    // What the page has computed, and not how long others had the machine meanwhile.
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busy = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
    const first = await busy();
    for (let tick = 0; tick < 40; tick += 1) {
      const next = new Promise((resolve) => setTimeout(resolve, 200));
      const changed = Array.from({ length: 10 }, (_, n) => ids[(tick * 997 + n * 131) % ids.length]);
      assert.equal((await own.publish(changed.map((userId, n) => status({ userId, ...kinds[(tick + n) % 4] })))).status, 202);
      await next;
    }
    const last = await busy();
    const share = (last.TaskDuration - first.TaskDuration) / (last.Timestamp - first.Timestamp);
    t.diagnostic(`${(100 * share).toFixed(1)} % of a core`);
    assert.ok(share < 0.3, `${(100 * share).toFixed(1)} %`);
  });

  test('no page has complained', () => assert.deepEqual(complaints, []));
});
