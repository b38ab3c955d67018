// The open calls of a user with their legs, by the phases that the catalogue gives its events.

import { events } from "../events.mjs";

/** How long a leg that has ended stays ended, whatever comes late. */
const LINGER_MS = 60_000;

/** Answers that a view waits for, before it believes one that does not fit together. */
const ROUNDS_MAX = 8;

const byPosition = (a, b) => (a.position < b.position ? -1 : Number(a.position > b.position));

/**
 * The view, whose content does not depend on the order in which messages come.
 *
 * It begins, and after a gap begins anew, with a snapshot of all its items at one moment. Behind a gap of one item the
 * others are of no use: the end of a leg may be in it. The first answer counts only if no item was subscribed before:
 *
 *     asking ─ all new, or all held since the answer before ─→ arriving ─ block is there ─→ live ─ gap ─→ asking
 *        └─ else once more, for all ─→ asking                     └─ cut ─→ asking
 *
 * `service` is the way to what it wants: `want(name)`, `forsake(item)`, `flush` and `report`.
 */
export class Calls {
  #legs = new Map();
  /** What is shown once the block is there; until then the view stays as it was, and goes on with what comes. */
  #coming = null;
  #ended = new Map();
  #handlers = new Set();
  #isTold = true;
  #service;
  #facts = new Map();
  #items;
  #state = "asking";
  #rounds = 0;
  #tap;

  constructor(family, service) {
    this.#service = service;
    const names = Object.keys(events).filter((name) => events[name].call && events[name].family === family);
    if (!names.length) throw new TypeError(`the catalogue gives no event of ${family} a phase of a call`);
    for (const name of names) this.#facts.set(name.toLowerCase(), events[name].call);
    const state = () => this.#state;
    this.#tap = {
      get isRebuilding() {
        return state() !== "live";
      },
      message: (message) => this.#fold(message),
      judged: (portion) => this.#judged(portion.filter((item) => item.taps.has(this.#tap))),
      arrived: () => this.#arrived(),
    };
    this.#items = names.map((name) => service.want(name));
    for (const item of this.#items) item.taps.add(this.#tap);
    this.#askAgain();
    service.flush();
  }

  /** The open calls, the oldest first, each with its open legs, each with its events in their order. */
  get list() {
    const legs = [...this.#legs.values()].map(({ callId, legId, messages }) => {
      const all = [...messages.values()].sort(byPosition);
      return { callId, leg: { legId, messages: all, last: all.at(-1), since: all[0].at } };
    });
    legs.sort((a, b) => byPosition(a.leg.messages[0], b.leg.messages[0]));
    const calls = new Map();
    for (const { callId, leg } of legs) {
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
    for (const item of this.#items) {
      item.taps.delete(this.#tap);
      this.#service.forsake(item);
    }
    this.#handlers.clear();
  }

  #askAgain() {
    for (const item of this.#items) item.isJoined = false;
  }

  /** The hub has answered for these. What they had before is on its way, or has come: `arrived` tells. */
  #judged(items) {
    // A cut has left the block unfinished, something was missed, or is granted only now.
    const tears = this.#state === "live" ? ["gap", "new"] : ["gap"];
    const isTorn = this.#state === "arriving" || items.some(({ standing }) => tears.includes(standing));
    if (isTorn) [this.#state, this.#rounds, this.#coming] = ["asking", 0, null];
    if (this.#state !== "asking") return;
    const granted = items.filter(({ isGranted }) => isGranted);
    const are = (standing) => granted.every((item) => item.standing === standing);
    // What is not joined any more was wanted anew while the hub was asked.
    const isAll = items.every(({ isJoined }) => isJoined);
    const isWhole = isAll && (are("new") || (are("held") && this.#rounds > 0));
    if (!isWhole && this.#rounds < ROUNDS_MAX) return this.#askAgain();
    this.#state = "arriving";
    this.#coming = new Map();
  }

  #arrived() {
    if (this.#state === "asking") {
      this.#rounds += 1;
      return;
    }
    this.#state = "live";
    this.#legs = this.#coming;
    this.#coming = null;
    this.#change();
    // All is known as far as anything is: nothing that the block has left out, for it has ended, is to be replayed.
    const held = this.#items.filter(({ isHeld }) => isHeld);
    const newest = held.map(({ cursor }) => cursor).sort().at(-1);
    for (const item of held) item.cursor = newest;
  }

  #fold(message) {
    const { data, subscription } = message;
    const { id, leg, phase } = this.#facts.get(subscription.eventName.toLowerCase());
    const [callId, legId] = [data?.[id], data?.[leg] ?? ""];
    if (typeof callId !== "string") return;
    const key = `${callId}/${legId}`;
    const now = Date.parse(message.at) || Date.now();
    for (const [ended, at] of this.#ended) if (now - at > LINGER_MS) this.#ended.delete(ended);
    if (phase === "end") this.#ended.set(key, now);
    if (phase === "end-call") this.#ended.set(callId, now);
    const isOver = ([key, { callId }]) => this.#ended.has(key) || this.#ended.has(callId);
    for (const legs of this.#coming ? [this.#legs, this.#coming] : [this.#legs]) {
      const open = legs.get(key) ?? { callId, legId, messages: new Map() };
      const known = open.messages.get(subscription.eventName);
      // The newest of each event, as in a snapshot.
      if (!(message.position <= known?.position)) open.messages.set(subscription.eventName, message);
      legs.set(key, open);
      for (const leg of legs) if (isOver(leg)) legs.delete(leg[0]);
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
