// A Redis of the tests' own, on a port and in a folder of its own, and what is done to it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from '../hub.mjs';
import { freePort } from '../proxies/proxies.mjs';

export class Redis {
  #child;
  #ended;
  #isKept;
  #folder = mkdtempSync(join(tmpdir(), 'rte-redis-'));

  /** One that keeps what it has taken (`appendonly`), or not. */
  constructor(isKept = true) {
    this.#isKept = isKept;
  }

  async start() {
    this.port ??= await freePort();
    const words = ['--port', this.port, '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder, '--appendonly', this.#isKept ? 'yes' : 'no'];
    const child = spawn('redis-server', words.map(String), { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    const ready = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.stdout.on('data', (bytes) => /eady to accept connections/.test(bytes) && resolve());
    });
    await within(ready, 'Redis to listen');
    return this;
  }

  /** kill -9. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  /** What it answers to a command of words without blanks. */
  async ask(command) {
    const socket = connect(this.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes));
    socket.end(`${command}\r\nQUIT\r\n`);
    await within(new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject)), `the answer to ${command}`);
    if (answer.startsWith('-')) throw new Error(`${command}: ${answer}`);
    return answer;
  }

  /** The log that has entries of publications: all of the tests are of one organization. */
  async log() {
    const keys = (await this.ask('KEYS *:s')).match(/\{\S+:s/g) ?? [];
    const lengths = await Promise.all(keys.map(async (key) => [Number((await this.ask(`XLEN ${key}`)).match(/^:(\d+)/)[1]), key]));
    return lengths.sort(([one], [other]) => other - one)[0][1];
  }

  async stop() {
    this.thaw();
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
