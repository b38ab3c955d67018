// Something that is wanted of the hub, those who listen to it, and how far it has come.

import { events } from "../events.mjs";

/** What the catalogue says of each event, by its name in lower case. */
const FACTS = new Map(Object.entries(events).map(([name, facts]) => [name.toLowerCase(), { name, ...facts }]));

/** Listeners of one kind of news. `on` answers with what ends it. */
export class Listeners {
  #entries = new Set();

  on(handler) {
    if (typeof handler !== "function") throw new TypeError("a handler is a function");
    const entry = { handler, isOn: true };
    this.#entries.add(entry);
    return () => {
      entry.isOn = false;
      this.#entries.delete(entry);
    };
  }

  get size() {
    return this.#entries.size;
  }

  [Symbol.iterator]() {
    return this.#entries.values();
  }
}

/** Something that is wanted, whether the hub grants it or not, and how far it has come. */
export class Item {
  /** The newest position: of a message of it, or of its verdict. */
  cursor = null;
  /** Whether the hub of this connection has been asked; `isAsked`: and has not answered yet. */
  isJoined = false;
  isAsked = false;
  /** What its newest verdict says, and whether that is of this connection. */
  isGranted = false;
  isHeld = false;
  /** How it stood in that: `refused`, `held` before, `new`, `back` with its past, or with a `gap` in it. */
  standing = "refused";
  /** Asked for by Subscribe, and not only by listeners. */
  isExplicit = false;
  listeners = new Listeners();
  /** What is built of its messages sees all of them at once, also those that listeners have had; see calls.mjs. */
  taps = new Set();
  waiting = [];
  verdict = null;
  /** Of a state event the newest message of each entity, or of each key of one; what came last is last. */
  newest = new Map();

  constructor(entityId, eventName) {
    this.entityId = entityId.toLowerCase();
    this.eventName = eventName.toLowerCase();
    this.since = null;
    this.snapshot = undefined;
    const { name, kind, key } = FACTS.get(this.eventName) ?? {};
    /** As it is documented. */
    this.name = name ?? eventName;
    this.isState = kind === "state";
    this.key = key;
  }

  /** The item as the hub is asked for it. */
  get asked() {
    const isRebuilding = [...this.taps].some((tap) => tap.isRebuilding);
    // What this connection has anyway misses nothing by it.
    const Since = isRebuilding && this.isHeld ? null : (this.cursor ?? this.since);
    // Whoever has something to come back to wants the rest in any case, unless it was declined.
    const Snapshot = isRebuilding || (this.snapshot ?? (this.cursor ? true : undefined));
    const item = { EntityId: this.entityId, EventName: this.eventName, Since };
    return Snapshot === undefined ? item : { ...item, Snapshot };
  }

  answer(verdict) {
    this.verdict = verdict;
    for (const { resolve } of this.waiting.splice(0)) resolve(verdict);
  }

  /** Whether it has not come before; then it counts as come. */
  accepts(message) {
    const { position } = message;
    if (typeof position === "string") {
      if (this.cursor !== null && position <= this.cursor) return false;
      this.cursor = position;
    }
    if (this.isState) {
      const { entityId } = message.subscription;
      const place = this.key ? `${entityId}/${message.data?.[this.key]}` : entityId;
      this.newest.delete(place);
      if (!message.last) this.newest.set(place, message);
    }
    return true;
  }
}

export const keyOf = (entityId, eventName) => `${entityId}/${eventName}`.toLowerCase();
export const refusal = (item, message) => ({ subscribed: false, message, entityId: item?.entityId ?? null, eventName: item?.eventName ?? null });
/** The four members of the reference. */
export const plain = ({ subscribed, message, entityId, eventName }) => ({ subscribed, message, entityId, eventName });

/** Reads an item of Subscribe or Unsubscribe as the hub does: keys in any case. Null where it is none. */
export function readItem(item) {
  const read = {};
  for (const [key, value] of Object.entries(item ?? {})) read[key.toLowerCase()] = value;
  return typeof read.entityid === "string" && typeof read.eventname === "string" ? read : null;
}
