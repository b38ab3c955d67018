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
  const events = document.channels().all().filter((channel) => channel.address() === 'MessageReceived');
  assert.deepEqual(events.map((channel) => channel.id()), ['User', 'Queue', 'CallList']);
  const messages = events.flatMap((channel) => channel.messages().all());
  assert.deepEqual(messages.map((message) => message.name()), names);
  const [server] = document.servers().all();
  assert.equal(server.protocol(), 'ws');
  assert.equal(server.security().length, 2);
});

test('each hub method is an operation with a reply', async () => {
  const { document } = await new Parser().parse(await text('asyncapi.json'));
  const received = document.operations().all().filter((operation) => operation.action() === 'receive');
  const methods = ['Subscribe', 'Unsubscribe', 'UnsubscribeAll', 'AvailableSubscriptions', 'GetActiveSubscriptions', 'Catalogue', 'RefreshToken'];
  assert.deepEqual(received.map((operation) => operation.channels().all()[0].address()), methods);
  for (const operation of received) {
    const [answer] = operation.reply().messages().all();
    assert.equal(answer.name(), `${operation.channels().all()[0].address()}Result`);
  }
});

test('whatever a generator makes a type of has a name of its own', async () => {
  const { components } = JSON.parse(await text('asyncapi.json'));
  const titles = [];
  const walk = (schema, path) => {
    if (schema.properties || schema.enum || schema.oneOf) {
      assert.ok(schema.title, `${path} has no title`);
      titles.push(schema.title);
    }
    for (const [name, property] of Object.entries(schema.properties ?? {})) walk(property, `${path}/${name}`);
    if (schema.items) walk(schema.items, `${path}/items`);
  };
  for (const [name, { title, payload }] of Object.entries(components.messages)) {
    assert.equal(title, name);
    assert.ok(payload.title, name);
    walk(payload, name);
  }
  for (const [name, schema] of Object.entries(components.schemas)) walk(schema, name);
  assert.equal(new Set(titles).size, titles.length, 'two types of one name');
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
