// The built hub as a child process, tokens for it, and what every suite asks of it.

import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const BINARY = process.env.HUB_BINARY ?? join(ROOT, 'target', 'debug', 'rte');

/** The organization and the entities of the catalogue's examples. */
export const ORGANIZATION = '0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59';
export const USER = 'c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
export const QUEUE = 'cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3';

/** How long anything may take before a test is given up; nothing waits for this long where all is well. */
export const PATIENCE_MS = 20_000;

export class Hub {
  #child;
  #exited;
  #secret;
  #settings;
  #port = 0;
  #log = [];

  /** Of these settings, `limits.items_max=7`; two with one secret are two nodes of one hub. */
  constructor(settings = [], secret = randomBytes(32).toString('hex')) {
    this.#settings = settings.flatMap((setting) => ['--set', setting]);
    this.#secret = secret;
  }

  /** Has these settings, too, from its next start on. */
  set(settings) {
    this.#settings.push(...settings.flatMap((setting) => ['--set', setting]));
  }

  /** Starts the binary and waits until it says where it listens. A second start takes the same port again. */
  async start() {
    const child = spawn(BINARY, ['serve', '--set', `server.listen=127.0.0.1:${this.#port}`, ...this.#settings], {
      env: { RTE_AUTH_SECRET: this.#secret },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    this.#exited = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
    const ready = new Promise((resolve, reject) => {
      child.once('error', reject);
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#log.push(line);
        const place = /listening.*127\.0\.0\.1:(\d+)/.exec(line);
        if (place) resolve(Number(place[1]));
      });
      this.#exited.then((code) => reject(new Error(`the hub ended with ${code}:\n${this.#log.join('\n')}`)));
    });
    this.#port = await within(ready, 'the hub to listen');
    return this;
  }

  /** Sends SIGTERM, so that the hub drains, and answers with its exit code. */
  async drain() {
    this.#child.kill('SIGTERM');
    return within(this.#exited, 'the hub to drain');
  }

  /** Ends the hub, whatever it does. */
  async stop() {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Stops the process where it is: its sockets stay, and nobody answers. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  /** Sends SIGHUP, and waits until the hub says that it has read its files. */
  async reload() {
    const reloaded = new Promise((resolve, reject) => {
      createInterface({ input: this.#child.stderr }).on('line', (line) => {
        if (/ reloaded /.test(line)) resolve();
        if (/ reload_refused /.test(line)) reject(new Error(line));
      });
    });
    this.#child.kill('SIGHUP');
    await within(reloaded, 'the hub to reload');
  }

  get base() {
    const hasTls = this.#settings.some((setting) => setting.startsWith('server.tls_certificate='));
    return `${hasTls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  get pid() {
    return this.#child.pid;
  }

  get port() {
    return this.#port;
  }

  get url() {
    return `${this.base}/rte`;
  }

  /** Everything that the hub has logged. */
  get log() {
    return this.#log.join('\n');
  }

  /** A token of this hub: HS256, made here and not by the hub, so that both must mean the same by it. */
  token(claims) {
    return mint(this.#secret, { exp: Math.floor(Date.now() / 1000) + 3600, ...claims });
  }

  /** A token of a user of `org` who may subscribe to everything that clients may have. */
  client(claims = {}) {
    return this.token({ sub: USER, org: ORGANIZATION, rte: ['user/*', 'queue/*', 'calllist/*'], ...claims });
  }

  /** Publishes one item or an array of them for an organization; answers with the status and the body. */
  async publish(items, org = ORGANIZATION) {
    const response = await fetch(`${this.base}/publish`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token({ org, scope: 'publish' })}` },
      body: JSON.stringify(items),
    });
    return { status: response.status, body: await response.json() };
  }
}

/** A JSON Web Token, HS256 (RFC 7515). */
export function mint(secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** What a promise brings, or an error that names what did not come. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`gave up waiting for ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Chromium, or Google's. */
export function launched() {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
  // The sandbox has no use where the pages are the test's own, and does not work for root.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}

/** Things that arrive, to be taken in their order. */
export class Inbox {
  #arrived = [];
  #waiting = [];

  push(thing) {
    const taker = this.#waiting.shift();
    if (taker) taker(thing);
    else this.#arrived.push(thing);
  }

  /** The next thing, when it comes. */
  next(what = 'something to arrive') {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  /** All that has arrived and has not been taken. */
  get rest() {
    return [...this.#arrived];
  }
}

/** A call to a user, as the catalogue's example has it; `userId` is who is told. */
export function callIn(userId, organizationId = ORGANIZATION) {
  return {
    eventName: 'UserCallInComing',
    data: {
      callerNumber: '+358401234567',
      callId: '2f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e02',
      legId: 'leg-1',
      organizationId,
      targetNumber: '+358101234567',
      userId,
      username: 'päivi@example.com',
    },
  };
}
