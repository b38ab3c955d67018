// The events as their TOML files declare them, read without any help from the hub.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { QUEUE, ROOT, USER } from './hub.mjs';

const FAMILIES = ['User', 'Queue', 'CallList'];

const files = readdirSync(join(ROOT, 'schema'), { recursive: true })
  .filter((name) => name.endsWith('.toml') && name.includes('/'))
  .map((name) => parse(readFileSync(join(ROOT, 'schema', name), 'utf8')));

const types = new Map(files.filter((file) => file.type).map((file) => [file.type, file]));

/** All events: by family as the reference has them, then by name without case. */
export const events = files
  .filter((file) => file.event)
  .sort(
    (a, b) =>
      FAMILIES.indexOf(a.family) - FAMILIES.indexOf(b.family) ||
      (a.event.toLowerCase() < b.event.toLowerCase() ? -1 : 1),
  );

/** The examples of an event as publishable items, each with the entity that it is about. */
export function items(event) {
  return event.examples.map(({ json }) => {
    const data = JSON.parse(json);
    const property = event.entity.property ?? (typeof event.entity === 'string' ? event.entity : null);
    const named = property && data[wireName(property)];
    // Where the event does not name its entity, the publisher does.
    const entityId = named ?? (event.family === 'Queue' ? QUEUE : USER);
    return { entityId, item: { eventName: event.event, data, ...(named ? {} : { entityId }) } };
  });
}

/** `data` with the documented spelling of every name. */
export function documented(event, data) {
  const spelt = Object.entries(event.properties).map(([name, { type }]) => {
    const value = data[wireName(name)];
    const helper = types.get(type.replace(/^List<|[>?]/g, ''));
    if (!helper || value === null) return [name, value];
    return [name, Array.isArray(value) ? value.map((item) => documented(helper, item)) : documented(helper, value)];
  });
  return Object.fromEntries(spelt);
}

/** The name on the wire: .NET's camel case lowers the first word, `CBRId` to `cbrId`, `SMSTo` to `smsTo`. */
export function wireName(name) {
  return name.replace(/^([A-Z]+)(?=[A-Z][a-z]|$)|^[A-Z]/, (first) => first.toLowerCase());
}
