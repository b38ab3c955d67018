// Microsoft's client in place of the library's own: long polling and MessagePack come with it.

import { HubError, deferred } from "./connection.mjs";

/** The status of a refusal, which Microsoft's client has in its words. */
const statusOf = ({ statusCode, message }) => statusCode || Number(/Status code '(\d+)'/.exec(message)?.[1] ?? 0);

/** Microsoft's `HubConnection`, with its automatic reconnect or without it, handed to the service. */
export class Handed {
  #connection;
  #onClose = () => {};
  #returning = null;

  constructor(connection) {
    this.#connection = connection;
    connection.onclose((error) => {
      this.#returning?.reject(error ?? new HubError("the connection was closed"));
      this.#onClose(error ?? new HubError("the connection was closed"));
    });
    connection.onreconnecting?.((error) => this.#onClose(error ?? new HubError("the connection was lost")));
    connection.onreconnected?.(() => this.#returning?.resolve());
  }

  on(target, handler) {
    this.#connection.on(target, handler);
  }

  onclose(handler) {
    this.#onClose = handler;
  }

  start() {
    const { state } = this.#connection;
    if (state === "Connected") return Promise.resolve();
    if (state === "Disconnected") return this.#started();
    this.#returning = deferred();
    return this.#returning.promise;
  }

  async #started() {
    try {
      await this.#connection.start();
    } catch (error) {
      throw Object.assign(error, { status: error.status || statusOf(error) });
    }
  }

  invoke(target, ...args) {
    return this.#connection.invoke(target, ...args);
  }

  stop() {
    // What comes back by itself is let.
    return this.#connection.state === "Reconnecting" ? Promise.resolve() : this.#connection.stop();
  }

  /** For the end of the service. */
  dispose() {
    return this.#connection.stop();
  }
}
