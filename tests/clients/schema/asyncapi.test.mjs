// AsyncAPI's own parser takes the document, and its examples are what its schemas say.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { names, stop, text } from './documents.mjs';

after(stop);

const ERROR = 0;

test('the parser finds no error', async () => {
  const { document, diagnostics } = await new Parser().parse(await text('asyncapi.json'));
  assert.deepEqual(diagnostics.filter(({ severity }) => severity === ERROR), []);
  assert.equal(document.version(), '3.0.0');
  assert.deepEqual(document.channels().all().map((channel) => [channel.id(), channel.address()]), [
    ['User', 'MessageReceived'],
    ['Queue', 'MessageReceived'],
    ['CallList', 'MessageReceived'],
  ]);
  const messages = document.channels().all().flatMap((channel) => channel.messages().all());
  assert.deepEqual(messages.map((message) => message.name()), names);
});

test('every example is a message of its event', async () => {
  // The strictest Ajv would call the document's own words unknown: only its schemas are given to it.
  const { messages, schemas } = JSON.parse((await text('asyncapi.json')).replaceAll('#/components/schemas/', '#/definitions/')).components;
  let examples = 0;
  for (const name of names) {
    const ajv = new Ajv();
    addFormats(ajv);
    const message = messages[name];
    const validate = ajv.compile({ ...message.payload, definitions: schemas });
    for (const { payload } of message.examples) {
      assert.ok(validate(payload), `${name}: ${JSON.stringify(validate.errors)}`);
      assert.ok(!validate({ ...payload, data: {} }), name);
      assert.ok(!validate({ ...payload, subscription: { ...payload.subscription, eventName: name } }), name);
      examples += 1;
    }
  }
  assert.ok(examples >= names.length);
});
