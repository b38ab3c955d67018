// The types of the client library, as they are served, pass the strict compiler and catch what they promise.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stop, text } from './documents.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

after(stop);

/** What the strict compiler says of a file beside what the hub serves. */
async function compiled(t, name, write) {
  const folder = await mkdtemp(join(tmpdir(), 'rte-typescript-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'client'));
  for (const name of ['client.mjs', 'client.d.mts', 'events.mjs', 'events.d.mts', 'client/testing.mjs', 'client/testing.d.mts']) {
    await writeFile(join(folder, name), await text(name));
  }
  await write(join(folder, name));
  const tsc = [here('node_modules/typescript/bin/tsc'), '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', '', '--lib', 'es2022,dom', name];
  const { stdout } = await promisify(execFile)(process.execPath, tsc, { cwd: folder }).catch((error) => error);
  return stdout;
}

test('a page and its tests compile against what the hub serves', async (t) => {
  assert.equal(await compiled(t, 'library.mts', (path) => copyFile(here('library.mts'), path)), '');
});

test('the samples of the reference compile as they stand', async (t) => {
  const names = ['constructor', 'connect', 'subscribe', 'data-changed', 'active', 'unsubscribe', 'unsubscribe-all', 'available'];
  const samples = await Promise.all(names.map((name) => readFile(here(`../samples/library/${name}.js`), 'utf8')));
  const given = `import * as DAClientLib from './client.mjs';
declare const rteUrl: string, jwt: string;
const subscriptions = [{ EntityId: "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", EventName: "UserAvailability" as const }];
`;
  assert.equal(await compiled(t, 'samples.mts', (path) => writeFile(path, given + samples.join(''))), '');
  assert.match(await compiled(t, 'wrong.mts', (path) => writeFile(path, given + samples.join('').replace('GetActive', 'GetActiv'))), /TS2551/);
});

test('the samples of the guide in TypeScript and JavaScript compile', async (t) => {
  const guide = await readFile(here('../../../src/guide/library.md'), 'utf8');
  const [, script] = /<script type="module">\n([\s\S]+?)<\/script>/.exec(guide);
  const [, js] = /```js\n([\s\S]+?)```/.exec(guide);
  const page = script.replace(/http:[^"]*client.mjs/, './client.mjs').replace('(id, text)', '(id: string, text: string)').replace('getElementById(id)', 'getElementById(id)!');
  assert.equal(await compiled(t, 'page.mts', (path) => writeFile(path, page)), '');
  const [, views] = /```ts\n([\s\S]+?)```/.exec(guide);
  const given = 'import { DAService } from "./client.mjs";\ndeclare const da: DAService;\n';
  assert.equal(await compiled(t, 'views.mts', (path) => writeFile(path, given + views)), '');
  assert.equal(await compiled(t, 'tested.mts', (path) => writeFile(path, js.replace('rte-client/testing', './client/testing.mjs'))), '');
});
