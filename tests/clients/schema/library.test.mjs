// The types of the client library, as they are served, pass the strict compiler and catch what they promise.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stop, text } from './documents.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

after(stop);

test('a page and its tests compile against what the hub serves', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rte-typescript-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'client'));
  for (const name of ['client.mjs', 'client.d.mts', 'events.mjs', 'events.d.mts', 'client/testing.mjs', 'client/testing.d.mts']) {
    await writeFile(join(folder, name), await text(name));
  }
  await copyFile(here('library.mts'), join(folder, 'library.mts'));
  const tsc = [here('node_modules/typescript/bin/tsc'), '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', '', '--lib', 'es2022', 'library.mts'];
  const { stdout } = await promisify(execFile)(process.execPath, tsc, { cwd: folder }).catch((error) => error);
  assert.equal(stdout, '');
});
