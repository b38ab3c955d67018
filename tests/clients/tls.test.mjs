// The hub's own TLS: a stock client over wss, and a certificate that is renewed while it is connected.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import * as signalR from '@microsoft/signalr';
import { Hub, Inbox, USER, callIn, within } from './hub.mjs';

const EVENT = 'UserCallInComing';
const HERE = fileURLToPath(import.meta.url);
/** Of the authority; given to the process that trusts it. */
const [, , FOLDER] = process.argv;

/** An authority and certificates of this machine by it, in a folder; made by openssl. */
class Authority {
  constructor(folder) {
    this.folder = folder;
    this.ca = join(folder, 'ca.pem');
    this.certificate = join(folder, 'rte.pem');
    this.key = join(folder, 'rte.key');
  }

  create() {
    const names = ['-subj', '/CN=An authority of tests', '-addext', 'basicConstraints=critical,CA:TRUE'];
    this.#openssl('req', '-x509', '-new', ...this.#fresh('ca.key'), ...names, '-days', '2', '-out', this.ca);
    return this;
  }

  /** The certificate and its key, both anew. */
  renew() {
    const request = join(this.folder, 'rte.csr');
    const extensions = join(this.folder, 'extensions');
    writeFileSync(extensions, 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n');
    this.#openssl('req', '-new', ...this.#fresh('next.key'), '-subj', '/CN=localhost', '-out', request);
    const by = ['-CA', this.ca, '-CAkey', join(this.folder, 'ca.key'), '-CAcreateserial', '-extfile', extensions];
    this.#openssl('x509', '-req', '-in', request, ...by, '-days', '1', '-out', this.certificate);
    renameSync(join(this.folder, 'next.key'), this.key);
    return this;
  }

  #fresh(key) {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(this.folder, key)];
  }

  #openssl(...args) {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** The number of the certificate that a new connection gets. */
function serial(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.end();
    });
    socket.once('error', reject);
  });
}

async function client(hub, inbox, faults) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(hub.url, { accessTokenFactory: () => hub.client() })
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect()
    .build();
  connection.on('MessageReceived', (message) => inbox.push(message.data.callId));
  connection.onreconnecting((error) => faults.push(`cut: ${error?.message}`));
  connection.onclose((error) => error && faults.push(`closed: ${error.message}`));
  await connection.start();
  const [verdict] = await connection.invoke('Subscribe', [{ EntityId: USER, EventName: EVENT }]);
  assert.ok(verdict.subscribed);
  return connection;
}

// Node reads further authorities at its start only, and browsers have theirs: the stock client gets no option for it.
if (FOLDER === undefined) {
  test('a process that trusts the authority of these tests', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rte-tls-'));
    after(() => rmSync(folder, { recursive: true }));
    const authority = new Authority(folder).create().renew();
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority.ca, NODE_TEST_CONTEXT: undefined };
    const child = spawn(process.execPath, ['--test-reporter=spec', HERE, folder], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (text) => (said += text));
    const code = await within(new Promise((resolve) => child.once('close', resolve)), 'the tests with TLS');
    assert.equal(code, 0, said);
    assert.match(said, /pass 1\b/);
  });
} else {
  test('a stock client over wss stays where it is while the certificate is renewed', async () => {
    const authority = new Authority(FOLDER);
    const { certificate, key } = authority;
    const hub = await new Hub([`server.tls_certificate=${certificate}`, `server.tls_key=${key}`]).start();
    assert.match(hub.url, /^https:/);
    const [inbox, faults] = [new Inbox(), []];
    const { callId } = callIn(USER).data;
    const before = await client(hub, inbox, faults);
    assert.equal((await hub.publish(callIn(USER))).status, 202);
    assert.equal(await inbox.next('an event over wss'), callId);

    const first = await serial(hub.port);
    authority.renew();
    await hub.reload();
    assert.notEqual(await serial(hub.port), first);
    const later = new Inbox();
    const next = await client(hub, later, faults);
    assert.equal((await hub.publish(callIn(USER))).status, 202);
    assert.equal(await inbox.next('an event on the connection from before'), callId);
    assert.equal(await later.next('an event on a connection by the next certificate'), callId);

    await Promise.all([before.stop(), next.stop()]);
    assert.deepEqual(faults, []);
    await hub.stop();
  });
}
