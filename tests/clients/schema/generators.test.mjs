// The generators that integrators run over the bundle make one type of each event and helper, which take the examples.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { json, names, stop } from './documents.mjs';

const run = promisify(execFile);
const installed = (name) => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));
const HELPERS = ['CallbackAttempt', 'CallbackExtra', 'CallbackRelatedItem', 'QueueAttachedUser'];
let folder;
let bundle;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rte-generators-'));
  bundle = await json('schemas/bundle.json');
  await writeFile(join(folder, 'bundle.json'), JSON.stringify(bundle));
});

after(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

/** Compiles generated types with a constant of the right type for each example. */
async function takesExamples(file) {
  const types = await readFile(join(folder, file), 'utf8');
  for (const name of [...names, ...HELPERS]) {
    assert.equal(types.match(new RegExp(`export (interface|type) ${name}\\b`, 'g'))?.length, 1, name);
    assert.doesNotMatch(types, new RegExp(`\\b${name}1\\b`));
  }
  const examples = names.flatMap((name) => bundle.$defs[name].examples.map((example) => [name, example]));
  const constants = examples.map(([name, example], n) => `export const e${n}: types.${name} = ${JSON.stringify(example)};`);
  const source = `import type * as types from './${file.replace('.ts', '.js')}';\n${constants.join('\n')}\n`;
  await writeFile(join(folder, `examples-${file}`), source);
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
  const tsc = [installed('typescript/bin/tsc'), ...options, `examples-${file}`];
  const { stdout } = await run(process.execPath, tsc, { cwd: folder }).catch((error) => error);
  assert.equal(stdout, '');
}

test('json2ts', async () => {
  const cli = installed('json-schema-to-typescript/dist/src/cli.js');
  await run(process.execPath, [cli, '-i', 'bundle.json', '-o', 'json2ts.ts'], { cwd: folder });
  await takesExamples('json2ts.ts');
});

test('quicktype, which is told that the types are the definitions', async () => {
  const cli = installed('quicktype/dist/index.js');
  const options = ['-s', 'schema', 'bundle.json#/$defs/', '-l', 'ts', '--just-types', '--prefer-unions', '-o', 'quicktype.ts'];
  await run(process.execPath, [cli, ...options], { cwd: folder });
  // It takes every date-time for a Date, which JSON has not.
  const types = await readFile(join(folder, 'quicktype.ts'), 'utf8');
  await writeFile(join(folder, 'quicktype.ts'), types.replaceAll(/: +Date\b/g, ': string').replaceAll('Date |', 'string |'));
  await takesExamples('quicktype.ts');
});
