// An upgrade on a socket that the supervisor keeps: the next hub takes over while the present one drains, and each stock
// client is back. `CLIENTS=500 node --test tests/clients/upgrade.test.mjs` shows it with more of them.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import test from 'node:test';
import * as signalR from '@microsoft/signalr';
import { BINARY, Inbox, ORGANIZATION, QUEUE, USER, mint, within } from './hub.mjs';

const CLIENTS = Number(process.env.CLIENTS ?? 40);
const SECRET = randomBytes(32).toString('hex');

/** Keeps a listening socket, as a supervisor does, and starts hubs that take it over as descriptor 3. */
class Supervisor {
  #child;
  #told = new Inbox();
  #log = [];

  async start() {
    const socket = createServer();
    await new Promise((resolve) => socket.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${socket.address().port}`;
    const script = 'while read -r _; do LISTEN_FDS=1 "$0" serve & echo $!; done';
    this.#child = spawn('sh', ['-c', script, BINARY], {
      env: { PATH: process.env.PATH, RTE_AUTH_SECRET: SECRET },
      stdio: ['pipe', 'pipe', 'pipe', socket._handle.fd],
    });
    // From here on it is the shell's: this process would accept its connections, too.
    socket.close();
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#told.push(line));
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#log.push(line);
      if (/listening|drained/.test(line)) this.#told.push(line);
    });
    return this;
  }

  /** Starts a hub, and answers with its process id once it takes connections. */
  async launch() {
    this.#child.stdin.write('\n');
    const lines = [await this.#told.next('a process'), await this.#told.next('the hub to listen')];
    const pid = Number(lines.find((line) => /^\d+$/.test(line)));
    process.once('exit', () => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    });
    return pid;
  }

  /** Waits for the end of a hub. */
  async ended() {
    assert.match(await this.#told.next('a hub to end'), /drained left=0/, this.#log.join('\n'));
  }

  stop() {
    this.#child.stdin.end();
  }
}

/** The status of an answer on a connection of its own, or why there is none. */
function ask(url) {
  return new Promise((resolve) => {
    const request = get(url, { agent: false }, (response) => response.resume().on('end', () => resolve(response.statusCode)));
    request.on('error', (error) => resolve(error.message));
  });
}

test(`${CLIENTS} stock clients are back after an upgrade, and nobody is refused`, async (t) => {
  const supervisor = await new Supervisor().start();
  const { base } = supervisor;
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const token = mint(SECRET, { exp, sub: USER, org: ORGANIZATION, rte: ['queue/*'] });
  const old = await supervisor.launch();

  const faults = [];
  const clients = Array.from({ length: CLIENTS }, () => {
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(`${base}/rte`, { accessTokenFactory: () => token })
      .withAutomaticReconnect()
      .configureLogging(signalR.LogLevel.None)
      .build();
    const back = new Promise((resolve) => connection.onreconnected(() => resolve(performance.now())));
    connection.onreconnecting((error) => error && faults.push(`cut: ${error.message}`));
    connection.onclose((error) => error && faults.push(`given up: ${error?.message}`));
    return { connection, back };
  });
  // A browser page is not opened five hundred times at once either.
  for (let first = 0; first < CLIENTS; first += 50) {
    await Promise.all(clients.slice(first, first + 50).map(({ connection }) => connection.start()));
  }

  const next = await supervisor.launch();
  const began = performance.now();
  process.kill(old, 'SIGTERM');
  let asked = 0;
  let slowest = 0;
  let isOver = false;
  const others = (async () => {
    while (!isOver) {
      const at = performance.now();
      const status = await ask(`${base}/healthz`);
      if (status !== 200) faults.push(`refused: ${status}`);
      slowest = Math.max(slowest, performance.now() - at);
      asked += 1;
    }
  })();
  const backAt = await within(Promise.all(clients.map(({ back }) => back)), 'the clients to be back');
  await supervisor.ended();
  const took = performance.now() - began;
  isOver = true;
  await others;

  const item = [{ EntityId: QUEUE, EventName: 'QueueStatus' }];
  const verdicts = await Promise.all(clients.map(({ connection }) => connection.invoke('Subscribe', item)));
  assert.ok(verdicts.every(([verdict]) => verdict.subscribed));
  assert.deepEqual(faults, []);
  const last = Math.max(...backAt) - began;
  t.diagnostic(`all back after ${last.toFixed()} ms, the old hub gone after ${took.toFixed()} ms`);
  t.diagnostic(`${asked} further connections meanwhile, the slowest answered in ${slowest.toFixed()} ms`);
  await Promise.all(clients.map(({ connection }) => connection.stop()));
  process.kill(next, 'SIGTERM');
  await supervisor.ended();
  supervisor.stop();
});
