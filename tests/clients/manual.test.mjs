// The samples of the manual in JavaScript, each as a program of its own: it subscribes, and prints what is published.
// Those that make a connection only are given the rest.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Hub, Inbox, ORGANIZATION, QUEUE, ROOT, USER, within } from './hub.mjs';
import { exported } from './library.mjs';

const SHOWN_URL = 'http://127.0.0.1:8080/rte';

/** What the README's sample for a shell publishes. */
const CALL = JSON.parse(/<<'END'\n([\s\S]+?)\nEND\n/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))[1]);

function samples(page) {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/```js\n([\s\S]+?)```/g)].map(([, sample]) => (sample.includes('import ') ? sample : BEGIN + sample + END));
}
const BEGIN = 'import { HubConnectionBuilder } from "@microsoft/signalr";\n';
const END = `
connection.on("MessageReceived", ({ subscription, data }) => console.log(subscription.eventName, data));
await connection.start();
await connection.invoke("Subscribe", [{ EntityId: "${QUEUE}", EventName: "QueueCallInArrived" }]);
`;

describe('the samples of the manual', () => {
  const hub = new Hub();
  before(() => hub.start());
  after(() => hub.stop());

  /** Waits until the hub counts so many. */
  function subscriptions(wanted) {
    let isWaiting = true;
    const counted = (async () => {
      while (isWaiting && !wanted.test(await (await fetch(`${hub.base}/metrics`)).text()));
    })();
    return within(counted, `${wanted}`).finally(() => (isWaiting = false));
  }

  for (const page of ['README.md', 'src/guide/clients.md', 'src/guide/compatibility.md']) {
    samples(page).forEach((sample, at) => {
      test(`${page}, sample ${at + 1}, prints what is published`, async (t) => {
        assert.ok(sample.includes(SHOWN_URL));
        // Where it finds what it imports, and git nothing.
        const file = new URL(`node_modules/.manual-${page.replace(/\W/g, '-')}-${at}.mjs`, import.meta.url).pathname;
        writeFileSync(file, sample.replace(SHOWN_URL, hub.url));
        const RTE_TOKEN = hub.token({ sub: USER, org: ORGANIZATION, rte: [`queue/${QUEUE}`] });
        const child = spawn(process.execPath, [file], { env: { ...process.env, RTE_TOKEN }, stdio: ['ignore', 'pipe', 'pipe'] });
        t.after(() => {
          child.kill('SIGKILL');
          rmSync(file);
        });
        const printed = new Inbox();
        const lines = (stream) => createInterface({ input: stream }).on('line', (line) => printed.push(line));
        lines(child.stdout);
        lines(child.stderr);

        await subscriptions(/\nrte_subscriptions [1-9]/);
        assert.equal((await hub.publish(CALL)).status, 202);
        const seen = [];
        while (!seen.join('\n').includes(CALL.data.callId)) {
          seen.push(await printed.next(`what ${page} prints, behind\n${seen.join('\n')}`));
        }
        assert.match(seen.join('\n'), /queuecallinarrived/);
        child.kill('SIGKILL');
        await subscriptions(/\nrte_subscriptions 0\n/);
      });
    });
  }

  test('src/guide/library.md, the sample of a test, prints what the hub in memory publishes', async (t) => {
    const library = await exported();
    t.after(() => library.remove());
    const [sample] = samples('src/guide/library.md');
    const file = join(library.folder, 'sample.mjs');
    writeFileSync(file, sample.replace('rte-client/testing', pathToFileURL(join(library.package, 'client/testing.mjs')).href));
    const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL' });
    assert.deepEqual([stdout, stderr, status], ['3\n', '', 0], 'it prints, and ends by itself');
  });
});
