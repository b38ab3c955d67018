// The open calls of a user with their legs, by the phases that the catalogue gives its events.

import { events } from "../events.mjs";

/** How long a leg that has ended stays ended, whatever comes late. */
const LINGER_MS = 60_000;

/** The view. `service` is the way to what it wants: `tap(name, tap)`, `rebuild(items)` and `report`. */
export class Calls {
  #legs = new Map();
  #ended = new Map();
  #handlers = new Set();
  #isTold = true;
  #taps;
  #service;

  constructor(family, service) {
    this.#service = service;
    const names = Object.keys(events).filter((name) => events[name].call && events[name].family === family);
    if (!names.length) throw new TypeError(`the catalogue gives no event of ${family} a phase of a call`);
    this.#taps = names.map((name) => {
      const { call } = events[name];
      const message = (message) => this.#fold(call, message);
      return service.tap(name, { message, gap: () => this.#rebuild(), rebuilt: () => this.#clear() });
    });
    this.#rebuild();
  }

  /** The open calls, the oldest first, each with its open legs, each with its events in their order. */
  get list() {
    const calls = new Map();
    for (const { callId, legId, messages } of this.#legs.values()) {
      const all = [...messages.values()];
      const leg = { legId, messages: all, last: all.at(-1), since: all[0].at };
      if (calls.has(callId)) calls.get(callId).legs.push(leg);
      else calls.set(callId, { callId, legs: [leg], since: leg.since });
    }
    return [...calls.values()];
  }

  [Symbol.iterator]() {
    return this.list.values();
  }

  /** Calls the handler with the list after each change, once for all that came at once. Answers with what ends it. */
  on(handler) {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** Ends the view. */
  close() {
    for (const tap of this.#taps) tap.off();
    this.#handlers.clear();
  }

  #rebuild() {
    this.#service.rebuild(this.#taps.map(({ item }) => item));
  }

  #clear() {
    this.#legs.clear();
    this.#ended.clear();
    this.#change();
  }

  #fold({ id, leg, phase }, message) {
    const { data, position } = message;
    const [callId, legId] = [data?.[id], data?.[leg] ?? ""];
    if (typeof callId !== "string") return;
    const key = `${callId}/${legId}`;
    const found = this.#legs.get(key);
    if (position <= found?.position) return;
    const now = Date.parse(message.at) || Date.now();
    for (const [ended, at] of this.#ended) if (now - at > LINGER_MS) this.#ended.delete(ended);
    if (phase === "end" || phase === "end-call") {
      this.#ended.set(phase === "end" ? key : callId, now);
      this.#legs.delete(key);
      if (phase === "end-call") for (const [other, { callId: its }] of this.#legs) if (its === callId) this.#legs.delete(other);
    } else if (!this.#ended.has(key) && !this.#ended.has(callId)) {
      const open = found ?? { callId, legId, messages: new Map() };
      open.position = position;
      // The newest of each event, as in a snapshot.
      open.messages.delete(message.subscription.eventName);
      open.messages.set(message.subscription.eventName, message);
      this.#legs.set(key, open);
    }
    this.#change();
  }

  #change() {
    if (!this.#isTold) return;
    this.#isTold = false;
    queueMicrotask(() => {
      this.#isTold = true;
      for (const handler of [...this.#handlers]) {
        try {
          handler(this.list);
        } catch (error) {
          this.#service.report(error);
        }
      }
    });
  }
}
