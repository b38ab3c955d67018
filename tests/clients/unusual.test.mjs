// Options of the stock client that few use, and connections that are given up while they begin.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Hub, within } from './hub.mjs';
import { Browser, TRANSPORTS, VERSIONS } from './stock.mjs';

const { signalR } = VERSIONS.at(-1);
const { WebSockets } = signalR.HttpTransportType;

/** A connection of the newest client; `timed` may set its times. */
function build(url, options, timed = (builder) => builder) {
  const builder = new signalR.HubConnectionBuilder().withUrl(url, options).configureLogging(signalR.LogLevel.None);
  return timed(builder).build();
}

async function works(connection) {
  await connection.start();
  assert.equal(await connection.invoke('UnsubscribeAll'), true);
  await connection.stop();
}

describe('the stock client with unusual options', () => {
  const hub = new Hub(['limits.ping_every_ms=200', 'limits.client_timeout_ms=2000', 'limits.since_wait_ms=100']);
  const strict = new Hub(['auth.jwt_in_query=refuse', 'auth.tickets=true']);
  const browser = new Browser();
  before(() => Promise.all([hub.start(), strict.start(), browser.start()]));
  after(() => Promise.all([hub.stop(), strict.stop(), browser.stop()]));
  const token = () => hub.client();

  for (const transport of TRANSPORTS) {
    test(`its token in a header of its own, ${transport}`, async () => {
      const headers = { Authorization: `Bearer ${token()}`, 'X-Of-The-App': '1' };
      await works(build(hub.url, { headers, transport: signalR.HttpTransportType[transport] }));
    });
  }

  test('its token in the URL, beside what is of the app', () => works(build(`${hub.url}?access_token=${token()}&of=app`, {})));

  test('one that pings all the time stays, who pings once and no more is given up, and who wants to hear more gives up', async () => {
    const [busy, silent] = [1, 1e8].map((every) => build(hub.url, { accessTokenFactory: token }, (builder) => builder.withKeepAliveInterval(every)));
    const closed = new Promise((resolve) => silent.onclose(resolve));
    await busy.start();
    await silent.start();
    // It has pinged once, as it always does, and then no more.
    assert.match((await within(closed, 'the hub to give it up')).message, /client_timeout: a client that used to ping was silent/);
    assert.equal(await busy.invoke('UnsubscribeAll'), true);
    await busy.stop();
    const impatient = build(hub.url, { accessTokenFactory: token }, (builder) => builder.withServerTimeout(20));
    const gone = new Promise((resolve) => impatient.onclose(resolve));
    // Where the machine is slow, it gives up while it still shakes hands.
    const given = impatient.start().then(() => gone, (error) => error);
    assert.match((await within(given, 'the client to give up')).message, /Server timeout elapsed/);
  });

  test('a page of another origin, with credentials and without, by each transport', async () => {
    const inPage = (options) =>
      browser.page.evaluate(
        async ([url, token, options]) => {
          const { HubConnectionBuilder, LogLevel } = window.signalR;
          const connection = new HubConnectionBuilder().withUrl(url, { accessTokenFactory: () => token, ...options }).configureLogging(LogLevel.None).build();
          await connection.start();
          const answer = await connection.invoke('UnsubscribeAll');
          await connection.stop();
          return answer;
        },
        [options.url ?? hub.url, (options.url ? strict : hub).client(), options],
      );
    for (const transport of TRANSPORTS.map((name) => signalR.HttpTransportType[name])) {
      for (const withCredentials of [true, false]) assert.equal(await inPage({ transport, withCredentials, headers: { 'X-Of-The-App': '1' } }), true);
    }
    // Without a negotiation there is no ticket, and a page has no header for a WebSocket.
    assert.equal(await inPage({ url: strict.url }), true);
    assert.equal(await inPage({ skipNegotiation: true, transport: WebSockets }), true);
    await assert.rejects(inPage({ url: strict.url, skipNegotiation: true, transport: WebSockets }), /WebSocket failed to connect/);
    assert.doesNotMatch(strict.log, /eyJ/);
  });

  test('connections that are given up while they begin leave nothing', async () => {
    const transports = TRANSPORTS.map((name) => signalR.HttpTransportType[name]);
    for (let turns = 0; turns < 40; turns += 1) {
      const connection = build(hub.url, { accessTokenFactory: token, transport: transports[turns % 3] });
      const started = connection.start().catch(() => {});
      // As many turns of the event loop as it takes from the first request to the last answer, and some.
      for (let left = turns; left > 0; left -= 1) await new Promise(setImmediate);
      await connection.stop();
      await started;
    }
    const empty = async () => {
      while (!/^rte_hub_connections 0$/m.test(await (await fetch(`${hub.base}/metrics`)).text()));
    };
    await within(empty(), 'the last connection to end');
    assert.doesNotMatch(hub.log, /error /);
  });
});
