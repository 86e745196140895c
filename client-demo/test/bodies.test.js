// Bodies that the Go encoder made, decoded by the SDK.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Reader } from '../sdk/msgpack.js';
import { BOOLEAN, FIXED } from '../sdk/schema.js';
import { Store } from '../sdk/store.js';
import { bytes, schemaOf, vectors } from './lib.js';

/**
 * The rows of a store in the form of the vectors.
 * @param {Store} store
 */
function rows(store) {
  /** @type {any} */
  const out = {};
  store.schema.tables.forEach((table, t) => {
    for (const [index, { values: raw }] of store.tables[t]) {
      /** @type {any} */
      const row = {};
      for (const f of table.fields) {
        const values = f.leaves.map((l) => (l.type === FIXED ? raw[l.slot] / l.scale : l.type === BOOLEAN ? raw[l.slot] !== 0 : raw[l.slot]));
        row[f.name] = values.length === 1 ? values[0] : values;
      }
      (out[table.name] ??= {})[index] = row;
    }
  });
  return out;
}

/** Tables without rows may be left out. @param {any} want */
const present = (want) => Object.fromEntries(Object.entries(want).filter(([, r]) => Object.keys(r).length > 0));

for (const c of vectors('bodies.json').cases) {
  test(c.name, () => {
    const store = new Store(schemaOf(c.schema), 1);
    c.steps.forEach((/** @type {any} */ step, /** @type {number} */ i) => {
      if (step.keyframe) store.clear();
      const r = new Reader(bytes(step.body));
      store.apply(r, step.elements, new Map(), step.predicted);
      assert.equal(r.left, 0, `step ${i}: bytes are left`);
      assert.deepEqual(rows(store), present(step.rows), `step ${i}`);
      assert.equal(store.hash(), step.hash, `step ${i}: hash`);
    });
  });
}
