// The way to the hub: SignalR over a WebSocket, and what its users share.

/** Why there is no connection, or why an invocation failed. */
export class HubError extends Error {
  /** `isFinal`: coming back would change nothing. `isSoon`: nothing stands against coming back at once. */
  constructor(message, { status = 0, retryAfterMs = 0, isFinal = false, isSoon = false } = {}) {
    super(message);
    Object.assign(this, { name: "HubError", status, retryAfterMs, isFinal, isSoon });
  }
}

/** A promise with its two ends in hand. */
export function deferred() {
  const ends = {};
  ends.promise = new Promise((resolve, reject) => Object.assign(ends, { resolve, reject }));
  // That nobody waits for it is no fault.
  ends.promise.catch(() => {});
  return ends;
}

/** What the promise brings, if it comes in time. */
export function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new HubError(`no answer to ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The claims of a JWT, unverified; none where it is none. */
export function claimsOf(token) {
  try {
    const bytes = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

/** The most that a Retry-After is believed. */
const RETRY_AFTER_MAX_MS = 600_000;

const RS = "\u001e";

/** SignalR over a WebSocket, with the methods of Microsoft's `HubConnection` that the service needs. */
export class Connection {
  #url;
  #token;
  #times;
  #WebSocket;
  #socket = null;
  #calls = new Map();
  #lastId = 0;
  #pinged = 0;
  #onMessage = () => {};
  #onClose = () => {};
  /** When anything came last, by both clocks: the one jumps, the other stands still in some sleeps. */
  heard = { wall: 0, mono: 0 };
  /** Milliseconds that the hub's clock is ahead of `performance.now()`; none before the first answer. */
  hubAhead = null;

  constructor(url, token, times, WebSocket) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#token = token;
    this.#times = times;
    this.#WebSocket = WebSocket ?? globalThis.WebSocket;
    if (!this.#WebSocket) throw new TypeError("there is no WebSocket here: hand one over as options.WebSocket");
  }

  on(_target, handler) {
    this.#onMessage = handler;
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  /** Negotiates first: a page cannot read why an upgrade was refused. */
  async start() {
    const token = await this.#token();
    const { connectionToken, accessToken = token } = await this.#negotiate(token);
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("id", connectionToken);
    url.searchParams.set("access_token", accessToken);
    const opened = deferred();
    const socket = new this.#WebSocket(url.href);
    this.#socket = socket;
    this.#started = opened;
    socket.onopen = () => socket.send(`{"protocol":"json","version":1}${RS}`);
    socket.onmessage = ({ data }) => this.#take(socket, String(data));
    socket.onerror = () => {};
    socket.onclose = ({ code }) => this.#end(socket, new HubError(`the connection was lost (${code})`));
    await within(this.#times.answerMs, opened.promise, "the handshake").catch((error) => {
      this.#end(socket, error);
      throw error;
    });
  }

  #started = null;

  async #negotiate(token) {
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/negotiate`;
    url.searchParams.set("negotiateVersion", "1");
    const response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "X-Requested-With": "XMLHttpRequest" },
      cache: "no-store",
      signal: AbortSignal.timeout(this.#times.answerMs),
    });
    const date = Date.parse(response.headers.get("date"));
    // Half a second more, for the header has whole ones.
    if (date) this.hubAhead = date + 500 - performance.now();
    const text = await response.text();
    if (!response.ok) {
      const retryAfterMs = Math.min(Number(response.headers.get("retry-after")) * 1_000 || 0, RETRY_AFTER_MAX_MS);
      const { status } = response;
      throw new HubError(`${status}: ${text.slice(0, 300)}`, { status, retryAfterMs, isFinal: status === 403 });
    }
    const answer = JSON.parse(text);
    if (typeof answer.connectionToken !== "string") throw new HubError(String(answer.error ?? "no answer of a SignalR hub"));
    return answer;
  }

  #take(socket, text) {
    if (socket !== this.#socket) return;
    this.heard = { wall: Date.now(), mono: performance.now() };
    try {
      for (const record of text.split(RS).slice(0, -1)) this.#handle(socket, JSON.parse(record));
    } catch (error) {
      return this.#end(socket, new HubError(`what came is not SignalR: ${error.message}`));
    }
    // Timers of a hidden page sleep; the hub's ping wakes it.
    if (this.heard.mono - this.#pinged > 10_000) this.#send({ type: 6 });
  }

  #handle(socket, record) {
    if (socket !== this.#socket) return;
    if (this.#started) {
      if (record.error) throw new Error(record.error);
      this.#started.resolve();
      this.#started = null;
    } else if (record.type === 1) {
      if (/^messagereceived$/i.test(record.target)) this.#onMessage(record.arguments[0]);
    } else if (record.type === 3) {
      const call = this.#calls.get(record.invocationId);
      this.#calls.delete(record.invocationId);
      if (record.error === undefined) call?.resolve(record.result);
      else call?.reject(new HubError(record.error));
    } else if (record.type === 7) {
      const isFinal = !record.allowReconnect;
      this.#end(socket, new HubError(record.error ?? "the hub closed the connection", { isFinal }));
    }
  }

  #send(record) {
    this.#pinged = performance.now();
    this.#socket.send(JSON.stringify(record) + RS);
  }

  invoke(target, ...args) {
    if (this.#socket?.readyState !== 1 || this.#started) return Promise.reject(new HubError("there is no connection"));
    const call = deferred();
    const invocationId = String(this.#lastId++);
    this.#calls.set(invocationId, call);
    this.#send({ type: 1, invocationId, target, arguments: args });
    return call.promise;
  }

  async stop() {
    this.#end(this.#socket, new HubError("the connection was closed here"));
  }

  #end(socket, error) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    const waiting = [this.#started, ...this.#calls.values()];
    const wasStarted = !this.#started;
    this.#started = null;
    this.#calls.clear();
    for (const call of waiting) call?.reject(error);
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
    if (wasStarted) this.#onClose(error);
  }
}
