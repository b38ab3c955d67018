// @ts-self-types="./client.d.mts"
// The client library of rte. Beside it belong the folder client, and events.mjs, which the hub makes from its catalogue.
//
//   const da = new DAService("/rte", () => fetchToken());
//   da.on("QueueStatus", queueId, ({ data }) => show(data));
//   await da.Connect();

import { Connection, HubError, claimsOf, deferred, within } from "./client/connection.mjs";
import { Item, Listeners, keyOf, plain, readItem, refusal } from "./client/item.mjs";
import { carried, events } from "./events.mjs";

export { HubError };

const TIMES = {
  /** How often the service looks at its clocks. */
  tickMs: 5_000,
  /** The hub pings after 15 s; whoever has heard nothing for so long asks whether it is still there. */
  silentMs: 25_000,
  /** How long it has for that answer. */
  probeMs: 5_000,
  /** How long it has to let somebody in, and for any other answer. */
  answerMs: 30_000,
  /** The first delay, before chance has cut it; it doubles. */
  delayMs: 500,
  delayMaxMs: 30_000,
};

/** Items of one Subscribe, but for those of an entity, which stay together: their events have one order. */
const PORTION = 200;

/** The reference's client library; see client.d.mts for what each member does. */
export class DAService {
  OnSubscriptionDataChanged = new Listeners();
  OnStateChanged = new Listeners();
  OnGap = new Listeners();
  OnError = new Listeners();

  #times;
  #jwt;
  #makeLink;
  #link = null;
  #state = "offline";
  #isOn = false;
  #wasLive = false;
  #connected = null;
  /** The link, once it is open; a new promise after each loss. */
  #open = deferred();
  #isOpen = false;
  #lose = () => {};
  #wake = () => {};
  #isProbing = false;
  #tickAt = 0;
  #hubAhead = null;
  #token = { fresh: null, expires: 0 };
  #renewal = 0;
  #wanted = new Map();
  #early = [];
  #joining = null;
  #queues = new Map();

  constructor(rteUrl, jwt, options = {}) {
    this.#times = { ...TIMES, ...options.times };
    this.#jwt = jwt;
    const own = () => new Connection(rteUrl, () => this.#nextToken(), this.#times, options.WebSocket);
    if (typeof rteUrl === "object" && !(rteUrl instanceof URL)) {
      this.#makeLink = () => import("./client/handed.mjs").then(({ Handed }) => new Handed(rteUrl));
      return;
    }
    // What can never connect is told at once.
    own();
    if (options.share === "tabs") this.#makeLink = async () => (await import("./client/tabs.mjs")).shared(rteUrl, own, await this.#nextToken(), this.#times);
    else this.#makeLink = own;
  }

  // The reference's methods.

  Connect() {
    if (!this.#isOn) {
      this.#isOn = true;
      this.#wasLive = false;
      this.#connected = deferred();
      this.#run();
    }
    return this.#connected.promise;
  }

  async Disconnect() {
    this.#isOn = false;
    this.#lose(new HubError("Disconnect was called"));
    this.#wake();
    await this.#running;
  }

  async Subscribe(items) {
    if (!Array.isArray(items)) throw new TypeError("Subscribe takes an array of items");
    const waiting = items.map((item) => {
      const read = readItem(item);
      if (!read) return refusal(null, "Invalid item");
      const wanted = this.#want(read.entityid, read.eventname);
      wanted.isExplicit = true;
      wanted.isJoined = false;
      wanted.snapshot = read.snapshot;
      wanted.since = read.since ?? null;
      const verdict = deferred();
      wanted.waiting.push(verdict);
      return verdict.promise;
    });
    this.#flush();
    return (await Promise.all(waiting)).map(plain);
  }

  async Unsubscribe(items) {
    if (!Array.isArray(items)) throw new TypeError("Unsubscribe takes an array of items");
    const verdicts = items.map((item) => {
      const read = readItem(item);
      if (!read) return refusal(null, "Invalid item");
      const verdict = refusal({ entityId: read.entityid.toLowerCase(), eventName: read.eventname.toLowerCase() }, null);
      const key = keyOf(read.entityid, read.eventname);
      this.#wanted.get(key)?.answer(verdict);
      this.#wanted.delete(key);
      return verdict;
    });
    // The hub of the next connection does not know it.
    if (!this.#isOpen) return verdicts;
    return this.#ask("Unsubscribe", items).catch((error) => (this.#isOpen ? Promise.reject(error) : verdicts));
  }

  async UnsubscribeAll() {
    for (const item of this.#wanted.values()) item.answer(refusal(item, null));
    this.#wanted.clear();
    if (this.#isOpen) await this.#ask("UnsubscribeAll").catch((error) => this.#isOpen && Promise.reject(error));
    return true;
  }

  async GetActiveSubscriptions() {
    const active = await this.#read("GetActiveSubscriptions");
    return active.filter(({ entityId, eventName }) => this.#wanted.has(keyOf(entityId, eventName))).map(plain);
  }

  GetAvailableSubscriptionEvents() {
    return this.#read("AvailableSubscriptions");
  }

  // And what it has not.

  Catalogue() {
    return this.#read("Catalogue");
  }

  on(name, entityId, handler, { snapshot = !events[name]?.call, since } = {}) {
    carried(name);
    if (typeof entityId !== "string") throw new TypeError(`${name} is of an entity, a GUID or "*"`);
    const item = this.#want(entityId, name, snapshot);
    item.since ??= since ?? null;
    const off = item.listeners.on(handler);
    const [entry] = [...item.listeners].slice(-1);
    // Whoever comes later has the present at once, too.
    if (snapshot) for (const message of item.newest.values()) this.#enqueue(message, [entry]);
    this.#flush();
    return {
      get verdict() {
        if (item.verdict) return Promise.resolve(plain(item.verdict));
        const verdict = deferred();
        item.waiting.push(verdict);
        return verdict.promise.then(plain);
      },
      off: () => {
        off();
        this.#forsake(item);
      },
    };
  }

  async calls(userId) {
    const { Calls } = await import("./client/calls.mjs");
    return new Calls("User", this.#viewing(userId));
  }

  async states(name, entityId) {
    carried(name);
    const { States } = await import("./client/states.mjs");
    return new States(name, this.#viewing(entityId));
  }

  #viewing(entityId) {
    return {
      want: (name) => this.#want(entityId, name, true),
      forsake: (item) => this.#forsake(item),
      flush: () => this.#flush(),
      report: (error) => this.#report(error),
    };
  }

  get state() {
    return this.#state;
  }

  get isLeader() {
    return this.#link?.isLeader ?? true;
  }

  now() {
    return this.#hubAhead === null ? Date.now() : performance.now() + this.#hubAhead;
  }

  age(name, entityId) {
    const id = entityId.toLowerCase();
    const found = [entityId, "*"].map((entity) => this.#wanted.get(keyOf(entity, name))?.newest.get(id)?.at);
    const at = Math.max(...found.map((at) => Date.parse(at) || 0));
    return at ? Math.max(0, this.now() - at) : null;
  }

  isStale(name, entityId, maxAgeMs = Infinity) {
    const isGranted = [entityId, "*"].some((entity) => this.#wanted.get(keyOf(entity, name))?.isGranted);
    const age = this.age(name, entityId);
    return this.#state !== "live" || !isGranted || age === null || age > maxAgeMs;
  }

  // The way there and back.

  #running = null;

  #run() {
    this.#running = this.#keepOn().finally(() => {
      this.#isOn = false;
      this.#connected.resolve(false);
    });
  }

  async #keepOn() {
    const until = new AbortController();
    const timer = this.#watch(until.signal);
    let tries = 0;
    let liveAt = Infinity;
    let error = null;
    let was401 = false;
    this.#setState("connecting");
    while (this.#isOn) {
      const lost = deferred();
      this.#lose = lost.reject;
      let isReached = false;
      try {
        this.#link ??= await this.#newLink();
        await Promise.race([this.#link.start(), lost.promise]);
        isReached = true;
        was401 = false;
        this.#opened();
        await Promise.race([this.#join(), lost.promise]);
        liveAt = performance.now();
        this.#wasLive = true;
        this.#setState("live");
        this.#connected.resolve(true);
        this.#renewBefore();
        await lost.promise;
      } catch (thrown) {
        error = thrown instanceof Error ? thrown : new HubError(String(thrown));
      }
      this.#closed();
      // Whoever lets in and closes at once is left in peace ever longer.
      if (performance.now() - liveAt > this.#times.tickMs) tries = 0;
      liveAt = Infinity;
      await Promise.resolve(this.#link?.stop()).catch(() => {});
      if (!this.#isOn) break;
      const is401 = error.status === 401;
      if (error.isFinal || error.status === 403 || (is401 && (was401 || typeof this.#jwt === "string"))) {
        this.#setState("refused", { error });
        this.#giveUp(error);
        break;
      }
      // Once more at once, with a token that the function has given since.
      const isSoon = error.isSoon || (is401 && !was401);
      was401 = is401;
      const retryInMs = isSoon ? 0 : this.#delay(tries++, error);
      this.#setState(isReached ? this.#returning : "offline", { error, retryInMs });
      await this.#pause(retryInMs, !error.retryAfterMs);
    }
    until.abort();
    clearInterval(timer);
    await Promise.resolve(this.#link?.dispose?.()).catch(() => {});
    if (this.#state !== "refused") {
      this.#setState("offline");
      this.#giveUp(new HubError("Disconnect was called"));
    }
  }

  get #returning() {
    return this.#wasLive ? "recovering" : "connecting";
  }

  async #newLink() {
    const link = await this.#makeLink();
    link.on("MessageReceived", (message) => this.#onMessage(message));
    link.onclose((error) => this.#lose(error));
    return link;
  }

  #opened() {
    this.#isOpen = true;
    this.#early = [];
    this.#joining = null;
    this.#hubAhead = this.#link.hubAhead ?? this.#hubAhead;
    for (const item of this.#wanted.values()) item.isJoined = item.isAsked = item.isHeld = false;
    this.#setState(this.#returning);
    this.#open.resolve(this.#link);
  }

  #closed() {
    clearTimeout(this.#renewal);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#open = deferred();
  }

  /** Those who wait are told; the next Connect begins anew. */
  #giveUp(error) {
    this.#open.reject(error);
    this.#open = deferred();
    for (const item of this.#wanted.values()) for (const { reject } of item.waiting.splice(0)) reject(error);
  }

  /** Full jitter: a thousand clients come back apart. */
  #delay(tries, { retryAfterMs = 0 }) {
    const { delayMs, delayMaxMs } = this.#times;
    return retryAfterMs + Math.random() * Math.min(delayMaxMs, delayMs * 2 ** tries);
  }

  async #pause(ms, mayWake) {
    if (ms === 0) return;
    let timer;
    await new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
      this.#wake = () => (mayWake || !this.#isOn) && resolve();
    });
    clearTimeout(timer);
    this.#wake = () => {};
  }

  #setState(state, about = {}) {
    const previous = this.#state;
    if (state === previous && !about.error) return;
    this.#state = state;
    this.#tell(this.OnStateChanged, { state, previous, ...about });
  }

  // Sleep, silence, tokens.

  /** Looks after the connection: whoever has slept asks whether it is still there. */
  #watch(signal) {
    this.#tickAt = Date.now();
    const look = () => this.#probe();
    globalThis.addEventListener?.("online", look, { signal });
    globalThis.document?.addEventListener("visibilitychange", () => globalThis.document.hidden || look(), { signal });
    return setInterval(() => {
      const sinceTick = Date.now() - this.#tickAt;
      this.#tickAt += sinceTick;
      const { heard } = this.#link ?? {};
      const silentMs = heard ? Math.max(Date.now() - heard.wall, performance.now() - heard.mono) : 0;
      // Timers of a hidden page are late without any sleep.
      const hasSlept = sinceTick > this.#times.tickMs + 10_000 && !globalThis.document?.hidden;
      if (hasSlept || silentMs > this.#times.silentMs) this.#probe();
    }, this.#times.tickMs);
  }

  async #probe() {
    if (!this.#isOpen) return this.#wake();
    if (this.#isProbing) return;
    this.#isProbing = true;
    const lose = this.#lose;
    try {
      // An invocation that changes nothing: pings have no answer.
      await within(this.#times.probeMs, this.#link.invoke("Unsubscribe", []), "a probe");
    } catch ({ message }) {
      lose(new HubError(message, { isSoon: true }));
    }
    this.#isProbing = false;
  }

  async #nextToken() {
    const token = this.#token.fresh ?? (await this.#askToken());
    this.#token = { fresh: null, expires: claimsOf(token).exp * 1_000 || Infinity };
    return token;
  }

  /** A token from a file has a line end behind it. */
  async #askToken() {
    const token = typeof this.#jwt === "function" ? await this.#jwt() : this.#jwt;
    if (typeof token !== "string") throw new HubError("the token is no text");
    return token.trim();
  }

  /** Goes on with a fresh token before this one expires, if the function has one. */
  #renewBefore() {
    const left = this.#token.expires - this.now();
    if (typeof this.#jwt !== "function" || !this.isLeader || !(left > 0) || left === Infinity) return;
    const lead = Math.min(60_000, left / 5);
    const lose = this.#lose;
    const renew = async () => {
      try {
        const fresh = await this.#askToken();
        const expires = claimsOf(fresh).exp * 1_000;
        if (expires > this.#token.expires && lose === this.#lose) {
          this.#token.fresh = fresh;
          const answer = await this.#ask("RefreshToken", fresh).catch(() => null);
          if (lose !== this.#lose) return;
          // A hub that has no such method or takes something away is joined anew.
          if (answer?.removed?.length !== 0) return lose(new HubError("the token is renewed", { isSoon: true }));
          this.#token = { fresh: null, expires };
          for (const item of this.#wanted.values()) item.isJoined &&= item.isGranted || item.isAsked;
          this.#flush();
        }
      } catch (error) {
        this.#report(error);
      }
      if (lose === this.#lose) this.#renewBefore();
    };
    // setTimeout counts to 2^31; what is nearly over gets a pause.
    this.#renewal = setTimeout(renew, Math.min(Math.max(left - lead, 1_000), 2 ** 31 - 1));
  }

  // What is wanted.

  #want(entityId, eventName, snapshot) {
    const key = keyOf(entityId, eventName);
    let item = this.#wanted.get(key);
    if (!item) {
      item = new Item(entityId, eventName);
      item.snapshot = snapshot;
      this.#wanted.set(key, item);
    }
    return item;
  }

  /** Ends what nobody listens to any more, and nobody asked for. */
  #forsake(item) {
    const isWanted = this.#wanted.get(keyOf(item.entityId, item.eventName)) === item;
    if (!isWanted || item.isExplicit || item.listeners.size || item.taps.size) return;
    this.Unsubscribe([{ EntityId: item.entityId, EventName: item.eventName }]).catch((error) => this.#report(error));
  }

  /** Subscribes what is not, where there is a connection; else the next one does. */
  #flush() {
    if (!this.#isOpen) return;
    const lose = this.#lose;
    this.#join().catch((error) => lose(error));
  }

  /** One Subscribe at a time; what is wanted meanwhile is in the next. */
  #join() {
    return (this.#joining ??= this.#joinAll());
  }

  async #joinAll() {
    const lose = this.#lose;
    // All that is wanted in one go is asked for in one.
    await null;
    for (let portion; (portion = this.#portion()).length; ) {
      for (const item of portion) item.isJoined = item.isAsked = true;
      const asked = portion.map((item) => item.asked);
      const verdicts = await this.#ask("Subscribe", asked);
      if (lose !== this.#lose) return;
      if (!Array.isArray(verdicts) || verdicts.length !== portion.length) throw new HubError("a verdict for each item is missing");
      const gaps = portion.map((item, at) => this.#judge(item, asked[at].Since, verdicts[at])).filter(Boolean);
      if (gaps.length) this.#tell(this.OnGap, gaps);
      const taps = new Set(portion.flatMap((item) => [...item.taps]));
      for (const tap of taps) tap.judged(portion);
      this.#release();
      const rebuilding = [...taps].filter((tap) => tap.isRebuilding);
      if (!rebuilding.length) continue;
      // Its answer comes behind all that follows a Subscribe.
      await this.#ask("Unsubscribe", []);
      if (lose !== this.#lose) return;
      for (const tap of rebuilding) tap.arrived();
    }
    this.#joining = null;
  }

  /** What has not been asked for, the items of an entity together. */
  #portion() {
    const missing = [...this.#wanted.values()].filter((item) => !item.isJoined);
    missing.sort((a, b) => (a.entityId < b.entityId ? -1 : a.entityId > b.entityId ? 1 : 0));
    let end = Math.min(PORTION, missing.length);
    while (end < missing.length && missing[end].entityId === missing[end - 1].entityId) end += 1;
    return missing.slice(0, end);
  }

  /** Takes in what the hub says of an item; answers with the gap, where there is one. */
  #judge(item, since, verdict) {
    const isGranted = verdict.subscribed === true;
    const { position = null, recovered } = verdict;
    const isGap = isGranted && since !== null && recovered === false;
    const isNew = since === null && this.#itemsOf(item).length === 1;
    item.standing = isGap ? "gap" : !isGranted ? "refused" : item.isHeld ? "held" : isNew ? "new" : "back";
    // What is held goes on from its messages. Behind a gap the order begins anew; else nothing comes twice.
    if (isGap || (isGranted && (item.cursor === null || (!item.isHeld && position > item.cursor)))) item.cursor = position;
    // Nothing is known any more but what is told again.
    if (isGap) item.newest.clear();
    Object.assign(item, { isAsked: false, isGranted, isHeld: isGranted });
    if (!item.isGranted && !item.waiting.length) this.#report(new HubError(`${item.eventName} of ${item.entityId}: ${verdict.message}`));
    item.answer(verdict);
    if (!isGap) return null;
    return { EntityId: item.entityId, EventName: item.name, Since: since, Snapshot: verdict.snapshot ?? 0 };
  }

  /** Asks the hub of this connection. */
  #ask(method, ...args) {
    return within(this.#times.answerMs, this.#link.invoke(method, ...args), method);
  }

  /** Asks what changes nothing, of the next connection where this one is lost meanwhile. */
  async #read(method) {
    for (;;) {
      await this.#open.promise;
      const { promise } = this.#open;
      try {
        return await this.#ask(method);
      } catch (error) {
        if (promise === this.#open.promise) throw error;
      }
    }
  }

  // What arrives.

  #itemsOf({ entityId, eventName }) {
    return [entityId, "*"].map((entity) => this.#wanted.get(keyOf(entity, eventName))).filter((item) => item && (item.isJoined || item.isAsked || item.cursor));
  }

  #onMessage(message) {
    const { subscription } = message ?? {};
    if (typeof subscription?.entityId !== "string" || typeof subscription.eventName !== "string") return;
    const ahead = Date.parse(message.at) - performance.now();
    // Nothing is of the future.
    if (this.#hubAhead !== null && ahead > this.#hubAhead) this.#hubAhead = ahead;
    // What has come with its verdict waits until that has been read.
    if (this.#early.length || this.#itemsOf(subscription).some((item) => item.isAsked)) this.#early.push(message);
    else this.#deliver(message);
  }

  #release() {
    while (this.#early.length && !this.#itemsOf(this.#early[0].subscription).some((item) => item.isAsked)) {
      this.#deliver(this.#early.shift());
    }
  }

  #deliver(message) {
    const items = this.#itemsOf(message.subscription);
    for (const tap of items.flatMap((item) => [...item.taps])) tap.message(message);
    const taking = items.filter((item) => item.accepts(message));
    if (!taking.length) return;
    this.#enqueue(message, [...taking.flatMap((item) => [...item.listeners]), ...this.OnSubscriptionDataChanged]);
  }

  /** Handlers of one entity run one after another, also those that take their time. */
  #enqueue(message, entries) {
    const { entityId } = message.subscription;
    const queue = this.#queues.get(entityId) ?? [];
    queue.push([message, entries]);
    if (this.#queues.has(entityId)) return;
    this.#queues.set(entityId, queue);
    this.#drain(entityId, queue);
  }

  /** Runs at once, as far as nobody takes his time. */
  async #drain(entityId, queue) {
    for (let next; (next = queue.shift()); ) {
      const [message, entries] = next;
      for (const entry of entries) {
        try {
          const done = entry.isOn && entry.handler(message);
          if (typeof done?.then === "function") await done;
        } catch (error) {
          this.#report(error);
        }
      }
    }
    this.#queues.delete(entityId);
  }

  #tell(listeners, news) {
    for (const { handler } of [...listeners]) {
      try {
        handler(news);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #report(error) {
    if (!this.OnError.size) return console.error(error);
    for (const { handler } of [...this.OnError]) {
      try {
        handler(error);
      } catch (second) {
        console.error(second);
      }
    }
  }
}
