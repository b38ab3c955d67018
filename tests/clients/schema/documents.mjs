// The documents that a running hub serves.

import { Hub } from '../hub.mjs';

const hub = await new Hub().start();
const index = await text('schemas/index.json');

/** The names of all events. */
export const names = JSON.parse(index).events.map((event) => event.name);

/** The text of a document, by its path below the hub's root. */
export async function text(path) {
  const response = await fetch(`${hub.base}/${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.text();
}

/** A document that is JSON. */
export async function json(path) {
  return JSON.parse(await text(path));
}

/** To be called when all tests of a file are done. */
export function stop() {
  return hub.stop();
}
