// Several nodes on one Redis under faults; `tests/backplane` starts it.

import { parseArgs } from 'node:util';
import { ROWS } from './rows.mjs';

// Each start of a process listens for the end of this one.
process.setMaxListeners(0);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean' }, short: { type: 'boolean' }, seconds: { type: 'string' }, seed: { type: 'string' } },
});
const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`backplane: no such row: ${unknown.join(', ')}; tests/backplane --list has them`);
  process.exit(2);
}
if (values.list) {
  for (const { name, says, isShort, isLong } of ROWS) console.log(`${name.padEnd(16)} ${says}${isShort ? ' (short)' : isLong ? ' (only by name)' : ''}`);
  process.exit(0);
}

const isWanted = ({ name, isShort, isLong }) => (positionals.length > 0 ? positionals.includes(name) : values.short ? isShort : !isLong);
const seconds = (row) => Number(values.seconds ?? (row.isLong ? 60 : values.short ? 1 : 4));
const seed = Number(values.seed ?? Date.now() % 100_000);

const told = (figures) =>
  Object.entries(figures)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');

let isBad = false;
for (const row of ROWS.filter(isWanted)) {
  const began = performance.now();
  const { figures, broken } = await row.run(seconds(row), seed).catch((error) => ({ figures: {}, broken: [error.stack] }));
  isBad ||= broken.length > 0;
  const took = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${broken.length > 0 ? 'BAD' : 'ok '} ${row.name.padEnd(15)} ${took} s: ${told(figures)}`);
  for (const text of broken) console.log(`    ${text}${row.isLong ? `, seed ${seed}` : ''}`);
}
process.exit(isBad ? 1 : 0);
