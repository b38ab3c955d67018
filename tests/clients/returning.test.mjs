// The recipe of the manual for a page that misses nothing, with the stock clients: cut at random bytes, stopped, and with a hub
// that is killed. What each of them has shown is held against what was published.
//
// RTE_STOP_S=60 stops a client for so long. RTE_SEED=7 plays the cuts of a failure again.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { BINARY, Hub, QUEUE, ROOT, launched, within } from './hub.mjs';
import { Proxy } from './library.mjs';

// Each start of a hub listens for the end of this process.
process.setMaxListeners(100);
const STOP_MS = Number(process.env.RTE_STOP_S ?? 0.5) * 1000;
const SEED = Number(process.env.RTE_SEED ?? Date.now() % 100_000);
/** Half of `limits.replay_items_max`. */
const AHEAD_MAX = 500;

/** What the recipe prints where it cannot be sure. */
const GAP = 'something may be missing';

const RECIPE = [...readFileSync(join(ROOT, 'src/guide/clients.md'), 'utf8').matchAll(/```js\n([\s\S]+?)```/g)]
  .map(([, sample]) => sample)
  .find((sample) => sample.includes(GAP));

/** The recipe with another client, hub and patience; all that it tells is a line `["shown"|"told", …]`. */
function recipe(module, url, tell, token) {
  const replaced = (text, [from, to]) => {
    assert.ok(text.includes(from), `the recipe has ${from}`);
    return text.replaceAll(from, to);
  };
  return [
    ['import { HubConnectionBuilder } from "@microsoft/signalr";', module],
    ['http://127.0.0.1:8080/rte', url],
    ['1_000 + 9_000 * Math.random()', '20 + 80 * Math.random()'],
    ['process.env.RTE_TOKEN', token],
    ['console.log(', `${tell}("shown", `],
    ['console.error(', `${tell}("told", `],
  ].reduce(replaced, RECIPE);
}

const example = (event) => JSON.parse(readFileSync(join(ROOT, `schema/queue/${event}.toml`), 'utf8').match(/json = '''([\s\S]+?)'''/)[1]);
const CALL = example('QueueCallInArrived');
const STATUS = example('QueueStatus');

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

/** What a client has shown, in the order in which it did. */
class Shown {
  words = [];
  /** The newest call. */
  newest = 0;
  #waiting = [];

  hear(kind, ...words) {
    this.words.push([kind, ...words]);
    if (kind === 'shown' && words[0] === 'queuecallinarrived') this.newest = Number(words[1].queueName);
    this.#waiting = this.#waiting.filter((wait) => !wait());
  }

  get calls() {
    return this.words.filter(([kind, event]) => kind === 'shown' && event === 'queuecallinarrived').map(([, , data]) => Number(data.queueName));
  }

  get status() {
    return this.words.filter(([kind, event]) => kind === 'shown' && event === 'queuestatus').at(-1)?.[2].nbrOfQueuingRequesters;
  }

  get gaps() {
    return this.words.filter(([kind, word]) => kind === 'told' && word.includes(GAP));
  }

  /** Shows the call of that number, now or later. */
  reaches(number) {
    const isThere = () => this.calls.at(-1) >= number && this.status >= number;
    if (isThere()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(() => isThere() && (resolve(), true)));
  }

  /**
   * Nothing twice but what was `doubled`, and that once more at most: published again, for its hub was killed before it
   * answered, and it keeps no ids. All in order, and for whatever is left out a word that something may be missing: in front
   * of it, or behind what came with the result of the Subscribe, since a client may hand over messages before that.
   */
  check(last, name, doubled) {
    let before = null;
    let isTold = false;
    let gap = null;
    const left = new Set(doubled);
    for (const [kind, event, data] of this.words) {
      if (kind === 'told' && event.includes(GAP) && event.includes('queuecallinarrived')) [isTold, gap] = [gap === null, null];
      if (kind !== 'shown' || event !== 'queuecallinarrived') continue;
      const number = Number(data.queueName);
      const isDouble = number === before && left.delete(number);
      assert.ok(before === null || number > before || isDouble, `${name}: ${number} behind ${before}, seed ${SEED}`);
      if (before !== null && number > before + 1 && !isTold) {
        assert.equal(gap, null, `${name}: something is missing, and nobody said so, seed ${SEED}`);
        gap = number;
      }
      [before, isTold] = [number, false];
    }
    assert.deepEqual([before, this.status, gap], [last, last, null], `${name}, seed ${SEED}`);
  }
}

/** The recipe as a process. */
class Client extends Shown {
  #child;
  #file;

  constructor(module, url, token, number) {
    super();
    this.name = `client ${number} with ${module}`;
    // Where it finds what it imports, and git nothing.
    this.#file = new URL(`node_modules/.returning-${process.pid}-${number}.mjs`, import.meta.url).pathname;
    const imported = `import * as signalR from "${module}"; const HubConnectionBuilder = class extends signalR.HubConnectionBuilder { build() { this.configureLogging(signalR.LogLevel.None); return super.build(); } };`;
    writeFileSync(this.#file, `const tell = (...words) => process.stdout.write(JSON.stringify(words) + "\\n");\n${recipe(imported, url, 'tell', 'process.env.RTE_TOKEN')}`);
    this.#child = spawn(process.execPath, [this.#file], { env: { ...process.env, RTE_TOKEN: token }, stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.hear(...JSON.parse(line)));
  }

  stop() {
    this.#child.kill('SIGSTOP');
  }

  goOn() {
    this.#child.kill('SIGCONT');
  }

  end() {
    this.#child.kill('SIGKILL');
    rmSync(this.#file, { force: true });
  }
}

/**
 * Publishes numbers, one after the other, as calls and as a state; again where there was no answer, with the same id. It runs no
 * further ahead of any client than the hub replays, however long that takes to come back.
 */
class Publisher {
  last = 0;
  /** Published again, where there was no answer. */
  again = new Set();
  #isOver = false;
  #pauseMs = 0;
  #done;

  constructor(hub, clients) {
    this.#done = this.#run(hub, clients);
  }

  async #run(hub, clients) {
    while (!this.#isOver) {
      if (clients.some(({ newest }) => this.last - newest > AHEAD_MAX)) {
        await pass(1);
        continue;
      }
      const number = this.last + 1;
      const legId = number.toString(16).padStart(16, '0');
      const items = [
        { id: `call ${number}`, eventName: 'QueueCallInArrived', data: { ...CALL, queueId: QUEUE, legId, queueName: String(number) } },
        { id: `status ${number}`, eventName: 'QueueStatus', data: { ...STATUS, queueId: QUEUE, nbrOfQueuingRequesters: number } },
      ];
      const answer = await hub.publish(items).catch(() => null);
      if (answer === null) {
        this.again.add(number);
        await pass(10);
        continue;
      }
      assert.deepEqual([answer.status, answer.body.accepted], [202, 2]);
      this.last = number;
      if (this.#pauseMs > 0) await pass(this.#pauseMs);
    }
  }

  /** Until so many more are published. */
  async more(count) {
    const wanted = this.last + count;
    await within((async () => {
      while (this.last < wanted) await pass(1);
    })(), `${wanted} publications`);
  }

  /** Publishes a little in so long: no more than the hub keeps. */
  async rest(ms) {
    this.#pauseMs = ms / 20;
    await pass(ms);
    this.#pauseMs = 0;
  }

  async end() {
    this.#isOver = true;
    await this.#done;
  }
}

/** What became of the items that said since when, by result. */
async function recoveries(hub) {
  const text = await (await fetch(`${hub.base}/metrics`)).text();
  return Object.fromEntries([...text.matchAll(/rte_since_total\{result="(\w+)"\} (\d+)/g)].map(([, reason, count]) => [reason, Number(count)]));
}

const knowsFile = spawnSync(BINARY, ['check', '--set', 'journal.engine=file', '--set', 'journal.dir=/tmp'], { env: { RTE_AUTH_SECRET: 'x'.repeat(40) } }).status === 0;
const ENGINES = ['memory', ...(knowsFile ? ['file'] : [])];

for (const engine of ENGINES) {
  for (const shards of [1, 2, 3, 4]) {
    describe(`the recipe of the manual, on ${shards} shards and with the engine ${engine}`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'rte-returning-'));
      const journal = engine === 'file' ? [`journal.engine=file`, `journal.dir=${folder}`] : [];
      const hub = new Hub([`server.threads=${shards}`, 'limits.user_connects_per_minute=0', ...journal]);
      const proxy = new Proxy();
      const next = random(SEED + shards);
      const clients = [];
      let publisher;

      before(async () => {
        await hub.start();
        await proxy.start(hub.port);
        const token = hub.client();
        for (const module of ['@microsoft/signalr', 'signalr-3', '@microsoft/signalr', 'signalr-3']) {
          clients.push(new Client(module, proxy.url, token, `${engine}-${shards}-${clients.length}`));
        }
        publisher = new Publisher(hub, clients);
        await all(1);
      });
      after(async () => {
        await publisher?.end();
        clients.forEach((client) => client.end());
        proxy.stop();
        await hub.stop();
        rmSync(folder, { recursive: true });
      });

      const all = (number) => within(Promise.all(clients.map((client) => client.reaches(number))), `all clients to show ${number}, seed ${SEED}`);
      const gaps = () => clients.map((client) => client.gaps.length).reduce((sum, count) => sum + count);

      test('shows everything once when it is cut at random bytes', async () => {
        proxy.budget = () => (next() < 0.2 ? 200_000 : Math.floor(next() * 4_000));
        proxy.cut();
        await publisher.more(100);
        // They are cut often enough, however long it takes them to come back.
        await within((async () => {
          while (proxy.arrivals <= 3 * clients.length) await pass(1);
        })(), 'clients to come back');
        proxy.budget = () => Infinity;
        proxy.cut();
        await all(publisher.last);
        assert.equal(gaps(), 0);
      });

      test('shows everything once when it was stopped, and its connections cut meanwhile', async () => {
        clients.slice(0, 2).forEach((client) => client.stop());
        await publisher.more(50);
        proxy.cut();
        await publisher.rest(STOP_MS);
        clients.forEach((client) => client.goOn());
        await all(publisher.last);
        assert.equal(gaps(), 0);
      });

      test('shows everything once when the hub is killed, or says that something may be missing', async () => {
        const sum = { epoch: 0, recovered: 0 };
        for (let kill = 0; kill < 3; kill += 1) {
          await hub.stop();
          await hub.start();
          await publisher.more(10 + Math.floor(next() * 20));
          await all(publisher.last);
          const counted = await recoveries(hub);
          for (const result of Object.keys(sum)) sum[result] += counted[result];
        }
        if (engine === 'memory') assert.ok(gaps() > 0 && gaps() <= sum.epoch, `${gaps()} gaps, ${sum.epoch} of another epoch`);
        else assert.deepEqual([gaps(), sum.epoch, sum.recovered > 0], [0, 0, true]);
      });

      test('has shown what was published', async () => {
        await publisher.end();
        await all(publisher.last);
        clients.forEach((client) => client.check(publisher.last, client.name, engine === 'memory' ? publisher.again : new Set()));
        const counted = await recoveries(hub);
        for (const reason of ['unreadable', 'partition', 'ahead', 'trimmed', 'too_much']) assert.equal(counted[reason], 0, reason);
      });
    });
  }
}

describe('the recipe of the manual in Chromium', () => {
  const hub = new Hub(['limits.user_connects_per_minute=0']);
  const proxy = new Proxy();
  const shown = new Shown();
  const next = random(SEED);
  let server, browser, page, publisher;

  before(async () => {
    await hub.start();
    await proxy.start(hub.port);
    const script = recipe('const { HubConnectionBuilder } = window.signalR;', proxy.url, 'window.tell', JSON.stringify(hub.client()));
    const html = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script src="/signalr.js"></script><script type="module">${script}</script>`;
    const library = readFileSync(new URL('node_modules/@microsoft/signalr/dist/browser/signalr.js', import.meta.url));
    server = createServer(({ url }, response) => {
      if (url === '/') response.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
      else response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(library);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await launched();
    page = await browser.newPage();
    await page.exposeFunction('tell', (...words) => shown.hear(...words));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    publisher = new Publisher(hub, [shown]);
    await all(1);
  });
  after(async () => {
    await publisher?.end();
    await browser?.close();
    server.closeAllConnections();
    server.close();
    proxy.stop();
    await hub.stop();
  });

  const all = (number) => within(shown.reaches(number), `the page to show ${number}, seed ${SEED}`);

  test('shows everything once when it is cut, frozen, and its hub killed', async () => {
    proxy.budget = () => (next() < 0.2 ? 200_000 : Math.floor(next() * 4_000));
    proxy.cut();
    await publisher.more(100);
    proxy.budget = () => Infinity;
    proxy.cut();
    await all(publisher.last);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
    await publisher.more(50);
    proxy.cut();
    await publisher.rest(STOP_MS);
    await devtools.send('Page.setWebLifecycleState', { state: 'active' });
    await all(publisher.last);
    assert.equal(shown.gaps.length, 0);
    await hub.stop();
    await hub.start();
    await publisher.more(20);
    await publisher.end();
    await all(publisher.last);
    shown.check(publisher.last, 'the page', publisher.again);
    assert.ok(shown.gaps.length > 0);
  });
});

