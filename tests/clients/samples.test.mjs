// The samples of the reference, letter for letter (samples/*.js), as the scripts of a page that has a URL and a token.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import vm from 'node:vm';
import * as newest from '@microsoft/signalr';
import * as oldest from 'signalr-3';
import { events } from './catalogue.mjs';
import { Hub, Inbox, ORGANIZATION, callIn } from './hub.mjs';

const AGENT = 'a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3';
const CALLED = 'c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3';

for (const [name, signalR] of [
  ['@microsoft/signalr 10', newest],
  ['@microsoft/signalr 3.1.31', oldest],
]) {
  describe(`the samples of the reference with ${name}`, () => {
    const hub = new Hub();
    const printed = new Inbox();
    const faults = [];
    let page;

    const run = (sample) => vm.runInContext(readFileSync(new URL(`samples/${sample}.js`, import.meta.url), 'utf8'), page);

    async function printedAfter(label) {
      const line = await printed.next(label);
      assert.ok(line.startsWith(label), line);
      return JSON.parse(line.slice(label.length));
    }

    before(async () => {
      await hub.start();
      page = vm.createContext({
        signalR,
        rteUrl: hub.url,
        GetToken: () => hub.client(),
        console: { log: (line) => printed.push(line), error: (line) => faults.push(line) },
      });
      run('connect');
      await page.connection.start();
    });
    after(async () => {
      await page.connection.stop();
      await hub.stop();
    });

    test('Subscribe, its misspelt case included, and the handler', async () => {
      run('subscribe');
      assert.deepEqual(await printedAfter('Subscription result: '), [
        { subscribed: true, message: null, entityId: AGENT, eventName: 'useravailability' },
        { subscribed: true, message: null, entityId: CALLED, eventName: 'usercallincoming' },
      ]);
      await hub.publish(callIn(CALLED));
      // The sample adds an object to a string; that there is one is all it can tell.
      assert.equal(await printed.next('the handler'), 'Message details: [object Object]');
    });

    test('AvailableSubscriptions with its superfluous argument lists the catalogue in its order', async () => {
      run('available-subscriptions');
      const expected = events.map((event) => event.event);
      assert.equal(expected.length, 41);
      assert.deepEqual(await printedAfter('Available subscriptions '), expected);
    });

    test('Unsubscribe ends one subscription, UnsubscribeAll with its superfluous argument the rest', async () => {
      run('unsubscribe');
      assert.deepEqual(await printedAfter('Unsubscription result: '), [
        { subscribed: false, message: null, entityId: AGENT, eventName: 'useravailability' },
      ]);
      assert.deepEqual(await page.connection.invoke('GetActiveSubscriptions'), [
        { subscribed: true, message: null, entityId: CALLED, eventName: 'usercallincoming' },
      ]);
      run('unsubscribe-all');
      assert.equal(await printedAfter('UnsubscribeAll result: '), true);
      assert.deepEqual(await page.connection.invoke('GetActiveSubscriptions'), []);
      await hub.publish(callIn(CALLED, ORGANIZATION));
      // A round trip behind the publication: had it been delivered, it would stand before the answer.
      await page.connection.invoke('UnsubscribeAll');
      assert.deepEqual(printed.rest, []);
    });

    test('no sample reported an error', () => {
      assert.deepEqual(faults, []);
    });
  });
}
