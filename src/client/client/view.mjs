// What is built of the messages of several items, whatever comes between a Subscribe, its answer and its block.

/** Answers that a view waits for, before it believes one that does not fit together. */
const ROUNDS_MAX = 8;

/** The order of the hub. */
export const byPosition = (a, b) => (a.position < b.position ? -1 : Number(a.position > b.position));

/**
 * A view, whose content does not depend on the order in which messages come. What is built is a Map of its own; who
 * extends it says how: `fold(kept, message)` takes a message into one, `list` makes of `shown` what is told.
 *
 * It begins, and after a gap begins anew, with a snapshot of all its items at one moment. Behind a gap of one item the
 * others are of no use: what ends something may be in it. The first answer counts only if no item was subscribed before:
 *
 *     asking ─ all new, or all held since the answer before ─→ arriving ─ block is there ─→ live ─ gap ─→ asking
 *        └─ else once more, for all ─→ asking                     └─ cut ─→ asking
 *
 * `service` is the way to what it wants: `want(name)`, `forsake(item)`, `flush` and `report`.
 */
export class View {
  #shown = new Map();
  /** What is shown once the block is there; until then the view stays as it was, and goes on with what comes. */
  #coming = null;
  #handlers = new Set();
  #isTold = true;
  #service;
  #items;
  #state = "asking";
  #rounds = 0;
  #tap;

  constructor(names, service) {
    this.#service = service;
    const state = () => this.#state;
    this.#tap = {
      get isRebuilding() {
        return state() !== "live";
      },
      message: (message) => this.#take(message),
      judged: (portion) => this.#judged(portion.filter((item) => item.taps.has(this.#tap))),
      arrived: () => this.#arrived(),
    };
    this.#items = names.map((name) => service.want(name));
    for (const item of this.#items) item.taps.add(this.#tap);
    this.#askAgain();
    service.flush();
  }

  /** What is built by now. */
  get shown() {
    return this.#shown;
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
    this.#shown = this.#coming;
    this.#coming = null;
    this.#change();
    // All is known as far as anything is: nothing that the block has left out, for it has ended, is to be replayed.
    const held = this.#items.filter(({ isHeld }) => isHeld);
    const newest = held.map(({ cursor }) => cursor).sort().at(-1);
    for (const item of held) item.cursor = newest;
  }

  #take(message) {
    this.fold(this.#shown, message);
    if (this.#coming) this.fold(this.#coming, message);
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
