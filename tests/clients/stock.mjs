// The stock clients: the versions that are tried, how one is built, in Node and in Chromium, and the guide's table of them.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Inbox, ROOT, launched } from './hub.mjs';

export const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'];

/** The hub protocols that a transport can carry: an event stream is text. */
export const protocolsOf = (transport) => (transport === 'ServerSentEvents' ? ['json'] : ['json', 'messagepack']);

const NEWEST = ['@microsoft/signalr', '@microsoft/signalr-protocol-msgpack'];
const OLDER = ['3', '6', '8', '9'].map((major) => [`signalr-${major}`, `signalr-protocol-msgpack-${major}`]);

const folder = (name) => new URL(`node_modules/${name}/`, import.meta.url);

/** Each as `{name, signalR, MessagePack}`, the newest last. */
export const VERSIONS = await Promise.all(
  [...OLDER, NEWEST].map(async ([signalR, protocol]) => ({
    name: `@microsoft/signalr ${JSON.parse(readFileSync(new URL('package.json', folder(signalR)), 'utf8')).version}`,
    signalR: await import(signalR),
    MessagePack: (await import(protocol)).MessagePackHubProtocol,
  })),
);

/**
 * A connection that comes back often and soon: the suites have no half minute for a hub that is back after 50 ms. It is given
 * what it uses, so that a page can have it too; `heard` gets what arrives, with the name of the inbox for it.
 */
function build({ signalR, MessagePack }, { url, token, transport, protocol, isStateful }, heard) {
  const options = { accessTokenFactory: () => token };
  if (transport) options.transport = signalR.HttpTransportType[transport];
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, options)
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect(Array(200).fill(50));
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePack());
  if (isStateful) builder.withStatefulReconnect();
  const connection = builder.build();
  connection.on('MessageReceived', (message) => heard('messages', message));
  connection.onreconnecting((error) => heard('noticed', `reconnecting: ${error}`));
  connection.onreconnected((id) => heard('reconnected', id));
  connection.onclose((error) => heard('noticed', `close: ${error}`));
  return connection;
}

/** A connection of this process. */
class InNode {
  messages = new Inbox();
  reconnected = new Inbox();
  noticed = new Inbox();
  #connection;

  constructor(version, options) {
    this.#connection = build(version, options, (what, value) => this[what].push(value));
  }

  start() {
    return this.#connection.start();
  }

  invoke(...args) {
    return this.#connection.invoke(...args);
  }

  async id() {
    return this.#connection.connectionId;
  }

  stop() {
    return this.#connection.stop();
  }
}

/** A connection of a page, which keeps it under a number. */
class InPage {
  messages = new Inbox();
  reconnected = new Inbox();
  noticed = new Inbox();
  #page;
  #made;

  constructor(browser, options) {
    this.#page = browser.page;
    this.#made = browser.make(this, options);
  }

  async #ask(method, ...args) {
    const number = await this.#made;
    return this.#page.evaluate(([number, method, args]) => window.connections[number][method](...args), [number, method, args]);
  }

  start() {
    return this.#ask('start');
  }

  invoke(...args) {
    return this.#ask('invoke', ...args);
  }

  async id() {
    const number = await this.#made;
    return this.#page.evaluate((number) => window.connections[number].connectionId, number);
  }

  stop() {
    return this.#ask('stop');
  }
}

/** Connections of a version, in Node. */
export const inNode = (version) => (options) => new InNode(version, options);

/** A page in Chromium with the newest client; its origin is not the hub's. */
export class Browser {
  #browser;
  #server;
  #clients = [];

  async start() {
    this.#server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>'));
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#browser = await launched();
    const context = await this.#browser.newContext({ ignoreHTTPSErrors: true });
    this.page = await context.newPage();
    await this.page.exposeFunction('heard', (number, what, value) => this.#clients[number][what].push(value));
    await this.page.goto(`http://127.0.0.1:${this.#server.address().port}`);
    const scripts = ['dist/browser/signalr.min.js', 'dist/browser/signalr-protocol-msgpack.min.js'];
    for (const [at, script] of scripts.entries()) {
      await this.page.addScriptTag({ content: readFileSync(new URL(script, folder(NEWEST[at])), 'utf8') });
    }
    await this.page.addScriptTag({ content: `${build}; window.connections = [];` });
    return this;
  }

  /** Connections of the page. */
  get client() {
    return (options) => new InPage(this, options);
  }

  make(client, options) {
    const number = this.#clients.push(client) - 1;
    return this.page.evaluate(
      ([number, options]) => {
        const version = { signalR: window.signalR, MessagePack: window.signalR.protocols.msgpack.MessagePackHubProtocol };
        window.connections[number] = window.build(version, options, (what, value) => window.heard(number, what, value));
        return number;
      },
      [number, options],
    );
  }

  async stop() {
    await this.#browser?.close();
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

/** The guide's page of clients and proxies. */
export const PAGE = join(ROOT, 'src/guide/compatibility.md');

/** The page, split around the table of that name. */
function parted(name) {
  const text = readFileSync(PAGE, 'utf8');
  return new RegExp(`^([^]*<!-- tried ${name} -->\n)([^]*?)(<!-- end ${name} -->[^]*)$`).exec(text).slice(1);
}

/** The first column of a table of the page. */
export function namesOf(name) {
  const [, shown] = parted(name);
  return [...shown.matchAll(/^\| (.+?) \|/gm)].map(([, cell]) => cell).slice(1);
}

/** Holds what `part` takes of a table of the page to these rows, the first of which is its head; with RTE_BLESS=1, writes it. */
export function holdOrBless(name, [head, ...rows], part = (text) => text) {
  const [before, shown, after] = parted(name);
  const line = (cells) => `| ${cells.join(' | ')} |\n`;
  const wanted = [line(head), `${'|---'.repeat(head.length)}|\n`, ...rows.map(line)].join('');
  if (process.env.RTE_BLESS === '1') writeFileSync(PAGE, before + wanted + after);
  else assert.equal(part(shown), part(wanted));
}
