// What holds of a state: its newest value, of each entity, and of each key where it has one.

import { events } from "../events.mjs";
import { View, byPosition } from "./view.mjs";

/** A view that keeps the newest message of each entity and key, unless that was the last of its key. */
export class States extends View {
  #key;

  constructor(name, service) {
    const { kind, key } = events[name];
    if (kind !== "state") throw new TypeError(`${name} is no state: of an occurrence every one matters`);
    super([name], service);
    this.#key = key;
  }

  /** The messages that hold; what was told last is last. */
  get list() {
    return [...this.shown.values()].sort(byPosition);
  }

  /** The message that holds of an entity, and of this key of it. */
  get(entityId, key) {
    return this.shown.get(placeOf(entityId, key));
  }

  fold(kept, message) {
    const place = placeOf(message.subscription.entityId, message.data?.[this.#key]);
    if (message.position <= kept.get(place)?.position) return;
    if (message.last) kept.delete(place);
    else kept.set(place, message);
  }
}

const placeOf = (entityId, key) => `${entityId.toLowerCase()}/${key ?? ""}`;
