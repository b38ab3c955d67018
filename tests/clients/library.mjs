// The client library as `rte schema export` packs it, and what its suites share.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { BINARY, callIn, within } from './hub.mjs';

/** Exports the documents of the catalogue; `package` is the folder of the package, `remove` deletes it all. */
export async function exported() {
  const folder = await mkdtemp(join(tmpdir(), 'rte-library-'));
  const { stderr } = await promisify(execFile)(BINARY, ['schema', 'export', folder]);
  return { folder, package: join(folder, 'npm'), stderr, remove: () => rm(folder, { recursive: true }) };
}

/** The modules of the package, loaded. */
export async function load(folder) {
  const at = (path) => import(pathToFileURL(join(folder, path)));
  return { ...(await at('client.mjs')), ...(await at('client/testing.mjs')), ...(await at('events.mjs')) };
}

/** A proxy in front of a port, whose sockets a test cuts or stalls. */
export class Proxy {
  #server;
  #sockets = new Set();
  #isStalled = false;
  /** How many have come. */
  arrivals = 0;
  /** How many bytes the next connection gets, either way, before it is cut. */
  budget = () => Infinity;

  async start(port) {
    this.#server = net.createServer((client) => {
      this.arrivals += 1;
      const hub = net.connect(port, '127.0.0.1');
      for (const [from, to] of [[client, hub], [hub, client]]) {
        this.#sockets.add(from);
        let left = this.budget();
        from.on('data', (bytes) => {
          if (this.#isStalled || left <= 0) return;
          const isLast = bytes.length >= left;
          to.write(isLast ? bytes.subarray(0, left) : bytes, () => isLast && cut(to));
          left -= bytes.length;
        });
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on('error', () => {});
      }
    });
    this.#server.listen(0, '127.0.0.1');
    await within(new Promise((resolve) => this.#server.once('listening', resolve)), 'the proxy to listen');
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/rte`;
  }

  /** Resets every connection. */
  cut() {
    this.#sockets.forEach(cut);
  }

  /** Swallows all bytes from now on, or no more. */
  stall(isStalled = true) {
    this.#isStalled = isStalled;
  }

  stop() {
    this.cut();
    this.#server.close();
  }
}

function cut(socket) {
  socket.resetAndDestroy?.() ?? socket.destroy();
}

/** The next news of a kind for which the test holds. */
export function news(listeners, test = () => true, what = 'news') {
  let off;
  const found = new Promise((resolve) => (off = listeners.on((one) => test(one) && resolve(one))));
  return within(found, what).finally(off);
}

/** The state, when it is there. */
export const reaches = (da, state) => (da.state === state ? Promise.resolve() : news(da.OnStateChanged, (change) => change.state === state, state));

export const pair = (EntityId, EventName) => ({ EntityId, EventName });

/** A call to a user, told apart by its leg. */
export function leg(userId, legId) {
  const item = callIn(userId);
  return { ...item, data: { ...item.data, legId: String(legId) } };
}

/** Soon, for a suite has no time. */
export const TIMES = { delayMs: 20, delayMaxMs: 100, tickMs: 50 };

/** Keeps what services say went wrong, and ends them when all is done. */
export function ending(after) {
  const open = new Set();
  after(() => Promise.all([...open].map((da) => da.Disconnect())));
  return (da) => {
    open.add(da);
    da.faults = [];
    da.gaps = [];
    da.OnError.on((error) => da.faults.push(error.message));
    da.OnGap.on((gap) => da.gaps.push(...gap));
    return da;
  };
}

/** Numbers that look like chance and are the same each time (mulberry32). */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
