// The typings pass the strict compiler, narrow as they promise, and are true of the module beside them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { json, names, stop, text } from './documents.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rte-typescript-'));
  for (const name of ['events.d.ts', 'events.d.mts', 'events.mjs']) await writeFile(join(folder, name), await text(name));
  await copyFile(here('sample.mts'), join(folder, 'sample.mts'));
});

after(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

async function compile(...options) {
  const tsc = here('node_modules/typescript/bin/tsc');
  const run = promisify(execFile)(process.execPath, [tsc, '--strict', '--target', 'es2022', ...options], { cwd: folder });
  const { stdout } = await run.catch((error) => error);
  assert.equal(stdout, '');
}

test('the declarations stand alone', async () => {
  await compile('--noEmit', '--types', '', '--lib', 'es2022', 'events.d.ts');
  assert.equal(await text('events.d.mts'), await text('events.d.ts'));
});

test('the module finds its types under the name that its first lines say, and under no other', async () => {
  assert.match(await text('events.mjs'), /events\.d\.mts/);
  const alone = await mkdtemp(join(tmpdir(), 'rte-typescript-'));
  for (const name of ['events.d.ts', 'events.mjs']) await writeFile(join(alone, name), await text(name));
  await writeFile(join(alone, 'use.mts'), "import { eventNames } from './events.mjs';\nexport const names = eventNames;\n");
  const tsc = [here('node_modules/typescript/bin/tsc'), '--strict', '--noEmit', '--module', 'nodenext', '--types', '', 'use.mts'];
  const compiled = () => promisify(execFile)(process.execPath, tsc, { cwd: alone }).catch((error) => error);
  const { stdout } = await compiled();
  assert.match(stdout, /TS7016/);
  await writeFile(join(alone, 'events.d.mts'), await text('events.d.mts'));
  assert.equal((await compiled()).stdout, '');
  await rm(alone, { recursive: true });
});

test('a sample compiles, narrows and runs', async () => {
  await compile('--module', 'nodenext', '--types', '', '--lib', 'es2022', 'sample.mts');
  const sample = await import(pathToFileURL(join(folder, 'sample.mjs')));
  const { components } = await json('asyncapi.json');
  const messages = names.flatMap((name) => components.messages[name].examples.map((example) => example.payload));
  const of = (name) => messages.find((message) => message.subscription.eventName === name.toLowerCase());

  assert.deepEqual(sample.names, names);
  assert.equal(sample.describe(of('QueueStatus')), 'queuestatus: Support, 2 waiting, open');
  assert.equal(sample.describe(of('UserAvailability')), 'anna.virtanen@example.com is OffWork, no note');
  assert.equal(sample.describe(of('CallbackChanged')), 'callback of type 2, 0 attempts');
  assert.equal(sample.describe(of('UserAlert')), 'useralert');
  const collected = sample.collect([...messages, null, undefined, 1, {}, { subscription: null }]);
  assert.deepEqual(collected, components.messages.UserAssistedCallbackRequest.examples.map(({ payload }) => payload.data));
  const verdict = (subscribed, message) => ({ subscribed, message, entityId: null, eventName: 'queuestatus' });
  assert.deepEqual(sample.refused([], [verdict(true, null), verdict(false, 'Unauthorized')]), ['queuestatus: Unauthorized']);
  assert.throws(sample.slip, { name: 'TypeError', message: 'there is no event "QueueStatsu"; did you mean "QueueStatus"?' });
});
