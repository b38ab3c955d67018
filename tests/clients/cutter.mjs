// A proxy that cuts sockets: those of WebSockets at any byte, as its seed says, or all of them at once.

import { connect, createServer } from 'node:net';

const HEAD_END = '\r\n\r\n';

/** A small generator, so that a failure can be had again. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Passes bytes on; of a WebSocket, while it cuts, so many in each direction. */
export class Cutter {
  #server;
  #random;
  #links = new Set();
  #cuts = false;
  count = 0;
  upgrades = 0;

  /** In front of a URL. */
  async start(url, seed = 0) {
    const { protocol, port, pathname } = new URL(url);
    this.#random = random(seed);
    this.#server = createServer((near) => this.#pass(near, connect(port, '127.0.0.1')));
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `${protocol}//127.0.0.1:${this.#server.address().port}${pathname}`;
    return this;
  }

  #pass(near, far) {
    const link = { near, far, left: [Infinity, Infinity], isUpgraded: false };
    this.#links.add(link);
    for (const [way, [from, to]] of [[near, far], [far, near]].entries()) {
      from.on('data', (bytes) => this.#take(link, way, bytes, to));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#links.delete(link);
      });
    }
  }

  #take(link, way, bytes, to) {
    if (!link.isUpgraded) {
      const text = bytes.toString('latin1');
      this.upgrades += Number(way === 0 && /^Upgrade: websocket/im.test(text));
      if (way === 0 || !text.startsWith('HTTP/1.1 101 ')) return void to.write(bytes);
      const head = text.indexOf(HEAD_END) + HEAD_END.length;
      link.isUpgraded = true;
      to.write(bytes.subarray(0, head));
      if (this.#cuts) this.#limit(link);
      if (head === bytes.length) return;
      bytes = bytes.subarray(head);
    }
    to.write(bytes.subarray(0, Math.min(bytes.length, link.left[way])));
    link.left[way] -= bytes.length;
    if (link.left[way] <= 0) this.#cut(link);
  }

  /** The more there were, the longer they last: what is not acknowledged, for a second, comes again on each. */
  #limit(link) {
    link.left = [500, 3_000].map((bytes) => 1 + this.#random(bytes * (1 + this.count)));
  }

  #cut(link) {
    this.count += 1;
    // What was passed on still arrives.
    for (const socket of [link.near, link.far]) this.#random(2) ? socket.end() : setImmediate(() => socket.destroy());
    this.#links.delete(link);
  }

  set cuts(cuts) {
    this.#cuts = cuts;
    for (const link of this.#links) {
      if (link.isUpgraded) cuts ? this.#limit(link) : (link.left = [Infinity, Infinity]);
    }
  }

  /** Ends all sockets, whatever they carry. */
  cutAll() {
    for (const { near, far } of this.#links) [near, far].forEach((socket) => socket.destroy());
  }

  /** Ends all sockets, and takes no other. */
  stop() {
    this.#server.close();
    this.cutAll();
  }
}
