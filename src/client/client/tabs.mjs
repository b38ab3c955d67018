// One connection for the tabs of a browser: one tab leads and has it, and is a small hub for the others.
//
// Who holds the lock leads (Web Locks: a tab that is gone gives it up). All that the tabs say to each other goes
// through a BroadcastChannel, which keeps the order of each sender. Each tab has a lock of its own besides, by which
// the leader notices that it is gone. A leader that does not answer, because it is frozen, loses the lock.

import { HubError, claimsOf, deferred } from "./connection.mjs";

/** Messages that the leader keeps for a tab that joins late. */
const RECENT_MAX = 500;

const keyOf = ({ EntityId, EventName }) => `${EntityId}/${EventName}`.toLowerCase();
const topicsOf = ({ entityId, eventName }) => [`${entityId}/${eventName}`, `*/${eventName}`];
const told = ({ message, status = 0, isFinal = false, isSoon = false }) => ({ message, status, isFinal, isSoon });

/** The link of this tab to the hub at a URL, for the user of the token; `own` makes a connection. */
export function shared(url, own, token, times) {
  // Where there are none, as on a page that is not secure, each tab has its own.
  if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return own();
  const { sub, org } = claimsOf(token);
  // The tabs of another user are others.
  return new TabsLink(`rte ${new URL(url, globalThis.location?.href)} ${org} ${sub}`, own, times);
}

/** A link, as the service needs one. */
class TabsLink {
  isLeader = false;
  heard = { wall: 0, mono: 0 };
  #name;
  #makeConnection;
  #probeMs;
  #id = crypto.randomUUID();
  #channel;
  #present = deferred();
  #queueing = null;
  #release = [];
  #connection = null;
  #isOpen = false;
  #starting = null;
  #calls = new Map();
  #lastId = 0;
  #onMessage = () => {};
  #onClose = () => {};
  /** The leader's: which tabs hold a pair; from where on it is known; what came last, and what came before that. */
  #held = new Map();
  #since = new Map();
  #recent = [];
  #forgotten = "";
  #known = new Set();
  #subscribing = Promise.resolve();
  #answered = null;

  constructor(name, makeConnection, { probeMs }) {
    this.#name = name;
    this.#makeConnection = makeConnection;
    this.#probeMs = probeMs;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#hold(`${name} ${this.#id}`, {}, () => this.#present.resolve());
    this.#stand();
  }

  get hubAhead() {
    return this.#connection?.hubAhead ?? null;
  }

  on(_target, handler) {
    this.#onMessage = handler;
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  async start() {
    await this.#present.promise;
    const starting = deferred();
    this.#starting = starting;
    if (this.isLeader) this.#lead();
    else this.#greet(starting);
    return starting.promise.finally(() => {
      if (this.#starting === starting) this.#starting = null;
    });
  }

  invoke(method, ...args) {
    if (this.isLeader) return this.#serve(this.#id, method, args);
    const call = deferred();
    const id = this.#lastId++;
    this.#calls.set(id, call);
    this.#post({ type: "invoke", from: this.#id, id, method, args });
    return call.promise;
  }

  async stop() {
    this.#isOpen = false;
    for (const call of this.#calls.values()) call.reject(new HubError("the connection was closed here"));
    this.#calls.clear();
    await this.#connection?.stop();
  }

  async dispose() {
    await this.stop();
    this.#queueing?.abort();
    for (const release of this.#release) release();
    this.#channel.close();
  }

  // Who leads.

  /** Holds a lock until the link is disposed of, or it is stolen; says so once it is held. */
  async #hold(name, options, onHeld) {
    await navigator.locks.request(name, options, () => {
      onHeld();
      return new Promise((resolve) => this.#release.push(resolve));
    });
  }

  /** Queues for the lead. */
  #stand(options = { signal: (this.#queueing = new AbortController()).signal }) {
    this.#hold(this.#name, options, () => this.#promote()).catch(() => {
      // Aborted while it queued, or stolen while it led.
      if (this.isLeader) this.#abdicate();
    });
  }

  #promote() {
    this.isLeader = true;
    this.#post({ type: "closed", error: told(new HubError("another tab leads", { isSoon: true })) });
    if (this.#starting) this.#lead();
    else if (this.#isOpen) this.#lost(new HubError("this tab leads now", { isSoon: true }));
  }

  #abdicate() {
    this.isLeader = false;
    const connection = this.#connection;
    this.#connection = null;
    connection.onclose(() => {});
    connection.stop();
    this.#lost(new HubError("another tab leads", { isSoon: true }));
    this.#stand();
  }

  #lost(error) {
    this.#isOpen = false;
    this.#onClose(error);
  }

  async #lead() {
    if (!this.#connection) {
      this.#connection = this.#makeConnection();
      this.#connection.on("MessageReceived", (message) => this.#take(message));
      this.#connection.onclose((error) => {
        this.#post({ type: "closed", error: told(error) });
        this.#lost(error);
      });
    }
    const starting = this.#starting;
    this.#held.clear();
    this.#since.clear();
    this.#recent = [];
    this.#forgotten = "";
    try {
      await this.#connection.start();
      this.#isOpen = true;
      starting.resolve();
      this.#post({ type: "open" });
    } catch (error) {
      if (error.isFinal || error.status === 401) this.#post({ type: "closed", error: told(error) });
      starting.reject(error);
    }
  }

  /** Looks for the leader until it has a connection; one that does not answer is none. */
  async #greet(starting) {
    while (this.#starting === starting && !this.isLeader) {
      const answered = (this.#answered = deferred());
      this.#post({ type: "hello" });
      const isThere = await Promise.race([answered.promise, new Promise((resolve) => setTimeout(resolve, this.#probeMs))]);
      if (this.#starting !== starting || this.isLeader) return;
      if (!isThere) {
        this.#queueing.abort();
        return this.#stand({ steal: true });
      }
      await new Promise((resolve) => setTimeout(resolve, this.#probeMs));
    }
  }

  // What the tabs say to each other.

  #post(said) {
    this.#channel.postMessage(said);
  }

  #receive(said) {
    if (this.isLeader) {
      if (said.type === "hello") this.#post({ type: "here", isOpen: this.#isOpen });
      if (said.type === "invoke") this.#answer(said);
      return;
    }
    if (said.to !== undefined && said.to !== this.#id) return;
    this.heard = { wall: Date.now(), mono: performance.now() };
    if (said.type === "message") this.#onMessage(said.message);
    else if (said.type === "result") this.#settle(said);
    else if (said.type === "here" || said.type === "open") {
      this.#answered?.resolve(true);
      if (said.isOpen === false || !this.#starting) return;
      this.#isOpen = true;
      this.#starting.resolve();
    } else if (said.type === "closed") {
      const error = new HubError(said.error.message, said.error);
      if (this.#isOpen) this.#lost(error);
      else if (!error.isSoon) this.#starting?.reject(error);
    }
  }

  #settle({ id, result, error }) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new HubError(error.message, error));
    else call?.resolve(result);
  }

  // The leader as the hub of the others.

  async #answer({ from, id, method, args }) {
    this.#watch(from);
    try {
      this.#post({ type: "result", to: from, id, result: await this.#serve(from, method, args) });
    } catch (error) {
      this.#post({ type: "result", to: from, id, error: told(error) });
    }
  }

  /** Forgets a tab when it is gone. */
  #watch(tab) {
    if (this.#known.has(tab)) return;
    this.#known.add(tab);
    navigator.locks.request(`${this.#name} ${tab}`, () => {
      this.#known.delete(tab);
      if (this.isLeader && this.#isOpen) this.#serve(tab, "UnsubscribeAll", []).catch(() => {});
    });
  }

  async #serve(tab, method, args) {
    if (method === "Subscribe") {
      // One after another: what the next tab has missed depends on what the one before has made known.
      const verdicts = this.#subscribing.then(() => this.#subscribe(tab, args[0]));
      this.#subscribing = verdicts.catch(() => {});
      return verdicts;
    }
    if (method !== "Unsubscribe" && method !== "UnsubscribeAll") return this.#connection.invoke(method, ...args);
    const items = args[0] ?? [...this.#held.keys()].map((key) => ({ EntityId: key.split("/")[0], EventName: key.split("/")[1] }));
    const free = items.filter((item) => this.#leave(tab, keyOf(item)));
    // Of nothing, it is a probe, or waits for all that is on its way.
    if (free.length || !items.length) await this.#connection.invoke("Unsubscribe", free);
    if (method === "UnsubscribeAll") return true;
    return items.map(({ EntityId, EventName }) => ({
      subscribed: false, message: null, entityId: EntityId.toLowerCase(), eventName: EventName.toLowerCase(),
    }));
  }

  /** Whether nobody holds it any more. */
  #leave(tab, key) {
    const tabs = this.#held.get(key);
    if (!tabs?.delete(tab) || tabs.size) return false;
    this.#held.delete(key);
    this.#since.delete(key);
    return true;
  }

  async #subscribe(tab, items) {
    // What the tabs have anyway is not missed by the hub: what a late one has missed is kept here.
    const replays = items.map((item) => this.#replay(item));
    const asked = items.map((item, at) => (!replays[at] && item.Since && this.#held.has(keyOf(item)) ? { ...item, Since: null } : item));
    const verdicts = await this.#connection.invoke("Subscribe", asked.filter((_, at) => !replays[at]));
    const all = items.map((item, at) => {
      const key = keyOf(item);
      const isHeld = this.#held.has(key);
      const verdict = replays[at]?.verdict ?? verdicts.shift();
      if (asked[at] !== item) verdict.recovered = false;
      if (!verdict?.subscribed) return verdict;
      this.#held.set(key, (this.#held.get(key) ?? new Set()).add(tab));
      if (!isHeld) this.#since.set(key, verdict.recovered ? item.Since : verdict.position);
      return verdict;
    });
    const missed = [...new Set(replays.flatMap((replay) => replay?.missed ?? []))].sort((a, b) => (a.position < b.position ? -1 : 1));
    // They overtake the verdicts, and the service has them wait for those.
    this.#send(tab, missed);
    return all;
  }

  /** What a pair has brought since then, where that is known. */
  #replay(item) {
    const key = keyOf(item);
    const { Since } = item;
    if (!Since || !(this.#since.get(key) <= Since) || !(this.#forgotten <= Since)) return null;
    const missed = this.#recent.filter(({ position, subscription }) => position > Since && topicsOf(subscription).includes(key));
    const [entityId, eventName] = key.split("/");
    const verdict = { subscribed: true, message: null, entityId, eventName, position: Since, recovered: true, replayed: missed.length };
    return { verdict, missed };
  }

  #send(tab, messages) {
    for (const message of messages) {
      if (tab === this.#id) this.#onMessage(message);
      else this.#post({ type: "message", to: tab, message });
    }
  }

  #take(message) {
    this.heard = { wall: Date.now(), mono: performance.now() };
    if (message?.position) this.#recent.push(message);
    if (this.#recent.length > RECENT_MAX) this.#forgotten = this.#recent.shift().position;
    this.#post({ type: "message", message });
    this.#onMessage(message);
  }
}
