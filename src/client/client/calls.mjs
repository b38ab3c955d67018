// The open calls of a user with their legs, by the phases that the catalogue gives its events.

import { events } from "../events.mjs";
import { View, byPosition } from "./view.mjs";

/** How long a leg that has ended stays ended, whatever comes late. */
const LINGER_MS = 60_000;

/** A view that keeps open legs: each with the newest message of each of its events. */
export class Calls extends View {
  #ended = new Map();
  #facts;

  constructor(family, service) {
    const names = Object.keys(events).filter((name) => events[name].call && events[name].family === family);
    if (!names.length) throw new TypeError(`the catalogue gives no event of ${family} a phase of a call`);
    super(names, service);
    this.#facts = new Map(names.map((name) => [name.toLowerCase(), events[name].call]));
  }

  /** The open calls, the oldest first, each with its open legs, each with its events in their order. */
  get list() {
    const legs = [...this.shown.values()].map(({ callId, legId, messages }) => {
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

  fold(kept, message) {
    const { data, subscription } = message;
    const { id, leg, phase } = this.#facts.get(subscription.eventName.toLowerCase());
    const [callId, legId] = [data?.[id], data?.[leg] ?? ""];
    if (typeof callId !== "string") return;
    const key = `${callId}/${legId}`;
    const now = Date.parse(message.at) || Date.now();
    for (const [ended, at] of this.#ended) if (now - at > LINGER_MS) this.#ended.delete(ended);
    if (phase === "end") this.#ended.set(key, now);
    if (phase === "end-call") this.#ended.set(callId, now);
    const open = kept.get(key) ?? { callId, legId, messages: new Map() };
    const known = open.messages.get(subscription.eventName);
    // The newest of each event, as in a snapshot.
    if (!(message.position <= known?.position)) open.messages.set(subscription.eventName, message);
    kept.set(key, open);
    for (const [key, { callId }] of kept) if (this.#ended.has(key) || this.#ended.has(callId)) kept.delete(key);
  }
}
