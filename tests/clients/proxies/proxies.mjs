// The proxies that the guide shows, each as a child process with the guide's own configuration.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, within } from '../hub.mjs';
import { PAGE } from '../stock.mjs';

// One for each hub and each proxy.
process.setMaxListeners(50);

/** The ports of hubs in samples. */
const SHOWN = [8080, 8082, 8084];
/** The guide's page of several nodes. */
const NODES = join(ROOT, 'src/guide/nodes.md');

const isRoot = process.getuid() === 0;

/** The samples of a language in a page of the guide, in their order. */
function samples(language, page = PAGE) {
  return [...readFileSync(page, 'utf8').matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]+?)\`\`\``, 'g'))].map(([, text]) => text);
}

const nginx = (http, folder) => `
daemon off;
${isRoot ? 'user root;' : ''}
pid ${folder}/pid;
error_log stderr;
events { worker_connections 4096; }
http {
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  ${http}
}`;

// Loaded by name, as `a2enmod` does it.
const apache = (host, folder, port) => `
ServerRoot ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/log
Listen ${port}
${isRoot ? 'User www-data\nGroup www-data' : ''}
${['mpm_event', 'authz_core', 'ssl', 'proxy', 'proxy_http', 'proxy_wstunnel', 'headers']
  .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  .join('\n')}
${host}`;

// Tells in which version of HTTP what came.
const haproxy = (text) => {
  const logged = 'mode http\n    log global\n    log-format "%HM %HV %[var(txn.upgrade)] %HP"\n';
  const kept = '$&    http-request set-var(txn.upgrade) req.hdr(upgrade)\n';
  return `global\n    log stdout format raw daemon\n${text.replace('mode http\n', logged).replace(/^ +bind .*\n/m, kept)}`;
};

/** In front of several hubs: what the guide shows for them, and what it shows for one, as far as that holds. */
const severalNginx = () => {
  const [one, several] = samples('nginx');
  return several + one.replace('http://127.0.0.1:8080', 'http://hubs');
};
const severalHaproxy = () => {
  const [one, several] = samples('haproxy');
  return one.slice(0, one.indexOf('\nbackend hubs') + 1) + several;
};
/** What the guide shows in front of nodes, of which one ends now and then: they are on machines of their own there. */
const here = (text) => [11, 12, 13].reduce((text, machine, at) => text.replace(`10.0.0.${machine}:8080`, `127.0.0.1:${SHOWN[at]}`), text);
const nodesNginx = () => {
  const [upstream, next] = samples('nginx', NODES);
  return here(upstream) + samples('nginx')[0].replace('http://127.0.0.1:8080;', `http://hubs;\n${next}`);
};
const nodesHaproxy = () => {
  const [one] = samples('haproxy');
  return one.slice(0, one.indexOf('\nbackend hubs') + 1) + here(samples('haproxy', NODES)[0]);
};
/** Without stickiness, as the guide says. */
const byTurns = (text) => text.replace(/^ +(hash \$|balance |hash-type ).*\n/gm, '');

const NGINX = { command: 'nginx', version: '-v', args: (file, folder) => ['-p', folder, '-c', file, '-e', 'stderr'], wrapped: nginx };
const HAPROXY = { command: 'haproxy', version: '-v', args: (file) => ['-db', '-f', file], wrapped: haproxy };
const CADDY = { command: 'caddy', version: 'version', args: (file) => ['run', '--adapter', 'caddyfile', '--config', file], wrapped: (text) => `{\n\tadmin off\n}\n${text}` };
const APACHE = { command: 'apache2', version: '-v', args: (file) => ['-DFOREGROUND', '-f', file], wrapped: apache };

/** What is tried, with one hub behind it. */
export const PROXIES = [
  { name: 'nginx', program: NGINX, sample: () => samples('nginx')[0] },
  { name: 'nginx that eats the upgrade', program: NGINX, sample: () => samples('nginx')[0].replace(/^.*(\$http_upgrade|\$connection_upgrade);\n/gm, ''), eats: true },
  { name: 'HAProxy', program: HAPROXY, sample: () => samples('haproxy')[0] },
  { name: 'Caddy', program: CADDY, sample: () => samples('caddyfile')[0] },
  { name: 'Apache', program: APACHE, sample: () => samples('apache')[0] },
];

/** What is tried with two hubs behind it: by the `id` of a query for each transport, by turns for WebSockets. */
export const BALANCERS = [
  { name: 'nginx, two hubs, by `id`', program: NGINX, sample: severalNginx },
  { name: 'nginx, two hubs, by turns', program: NGINX, sample: () => byTurns(severalNginx()), turns: true },
  { name: 'HAProxy, two hubs, by `id`', program: HAPROXY, sample: severalHaproxy },
  { name: 'HAProxy, two hubs, by turns', program: HAPROXY, sample: () => byTurns(severalHaproxy()), turns: true },
];

/** What is tried with three nodes behind it, which are drained and come back. */
export const ROLLING = [
  { name: 'nginx', program: NGINX, sample: nodesNginx },
  { name: 'HAProxy', program: HAPROXY, sample: nodesHaproxy },
];

/** The version of what is installed, or null. */
export function versionOf({ command, version }) {
  const { stdout, stderr, error } = spawnSync(command, [version], { encoding: 'utf8' });
  return error ? null : /\d+\.\d+\.\d+/.exec(stdout + stderr)[0];
}

/** A proxy in front of hubs, with the certificate of the environment. */
export class Proxy {
  #child;
  #ended;
  #folder = mkdtempSync(join(tmpdir(), 'rte-proxy-'));
  log = '';

  async start({ program, sample }, hubs) {
    const port = await freePort();
    const { RTE_PEM: pem, RTE_KEY: key } = process.env;
    const text = SHOWN
      .reduce((text, shown, at) => text.replaceAll(`127.0.0.1:${shown}`, `127.0.0.1:${hubs[at]?.port}`), sample())
      .replaceAll('/etc/ssl/rte.pem', pem)
      .replaceAll('/etc/ssl/rte.key', key)
      // Its certificate is by an authority of the internet, as a rule.
      .replace(/^rte\.example\.com \{\n/, `https://127.0.0.1:${port} {\n\ttls ${pem} ${key}\n`)
      .replace(/\b443\b/, port);
    const file = join(this.#folder, 'configuration');
    writeFileSync(file, program.wrapped(text, this.#folder, port));
    const { command, args } = program;
    this.#child = spawn(command, args(file, this.#folder), { env: { ...process.env, HOME: this.#folder }, stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', () => this.#child.kill('SIGTERM'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on('data', (bytes) => (this.log += bytes));
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.url = `https://127.0.0.1:${port}/rte`;
    let isOver = false;
    const answers = async () => {
      while (!isOver && !(await fetch(this.url).then(() => true, () => false)));
    };
    const ended = this.#ended.then((code) => Promise.reject(new Error(`${command} ended with ${code}:\n${this.log}`)));
    await within(Promise.race([answers(), ended]), `${command} to answer`).finally(() => (isOver = true));
    return this;
  }

  async stop() {
    this.#child.kill('SIGTERM');
    await within(this.#ended, 'the proxy to end');
    rmSync(this.#folder, { recursive: true });
  }
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
