// Ajv, as strict as it is by default, reads every schema, and tells good data from bad.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { json, names, stop } from './documents.mjs';

after(stop);

/** An Ajv with its defaults, but for what it would only log: that is an error as well. */
function ajv() {
  const fail = (...told) => assert.fail(told.join(' '));
  const ajv = new Ajv2020({ logger: { log: fail, warn: fail, error: fail } });
  addFormats(ajv);
  return ajv;
}

test('there are 41 events', () => {
  assert.equal(names.length, 41);
});

for (const query of ['', '?closed=1']) {
  test(`every schema${query} compiles and admits its examples`, async () => {
    for (const name of names) {
      const schema = await json(`schemas/v1/${name}.json${query}`);
      const validate = ajv().compile(schema);
      assert.ok(schema.examples.length > 0, name);
      for (const example of schema.examples) {
        assert.ok(validate(example), `${name}: ${JSON.stringify(validate.errors)}`);
      }
    }
  });

  test(`every schema${query} refuses what its examples are not`, async () => {
    for (const name of names) {
      const schema = await json(`schemas/v1/${name}.json${query}`);
      const validate = ajv().compile(schema);
      const [example] = schema.examples;
      for (const property of schema.required) {
        const { [property]: _, ...without } = example;
        assert.ok(!validate(without), `${name} without ${property}`);
        assert.ok(!validate({ ...example, [property]: { no: 'object' } }), `${name} with an object for ${property}`);
      }
      assert.equal(validate({ ...example, neverHeardOf: 1 }), query === '', name);
    }
  });

  test(`the bundle${query} has every event once, and any of them at its root`, async () => {
    const bundle = await json(`schemas/bundle.json${query}`);
    const whole = ajv().addSchema(bundle);
    assert.deepEqual(bundle.anyOf, names.map((name) => ({ $ref: `#/$defs/${name}` })));
    assert.deepEqual(Object.keys(bundle.$defs).slice(0, names.length), names);
    assert.equal(JSON.stringify(bundle).match(/"\$id"/g).length, 1);
    const any = whole.getSchema(bundle.$id);
    for (const name of names) {
      const validate = whole.getSchema(`${bundle.$id}#/$defs/${name}`);
      for (const example of bundle.$defs[name].examples) {
        assert.ok(validate(example), `${name}: ${JSON.stringify(validate.errors)}`);
        assert.ok(any(example), name);
      }
    }
    assert.ok(!any({}) && !any([]));
  });
}
