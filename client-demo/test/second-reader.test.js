// What the server sends is ordinary msgpack: a reader that knows nothing of this
// protocol walks every vector and finds what the file says.

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, vectors } from './lib.js';

/** @type {any} */
let msgpack = null;
try {
  msgpack = await import('@msgpack/msgpack');
} catch {
  assert.notEqual(process.env.CI, 'true', '@msgpack/msgpack is not installed');
}
const options = { skip: msgpack ? false : '@msgpack/msgpack is not installed' };

/** A value in the form of the vectors. @param {any} v @returns {any} */
function plain(v) {
  if (typeof v === 'bigint') return v > Number.MAX_SAFE_INTEGER || v < Number.MIN_SAFE_INTEGER ? { $int: String(v) } : Number(v);
  if (v instanceof Uint8Array) return { $bin: Buffer.from(v).toString('hex') };
  if (Array.isArray(v)) return v.map(plain);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
  return v;
}

/** @param {string} hex */
const walk = (hex) => [...msgpack.decodeMulti(bytes(hex), { useBigInt64: true })].map(plain);

test('another reader finds in each element and message what the vectors say', options, () => {
  const { elements, messages } = vectors('vectors.json');
  for (const v of elements) assert.deepEqual(walk(v.hex), [v.value], v.name);
  for (const v of messages) assert.deepEqual(walk(v.hex), v.value, v.name);
});

test('another reader finds integers and texts in each body, as many as it has', options, () => {
  for (const c of vectors('bodies.json').cases) {
    c.steps.forEach((/** @type {any} */ step, /** @type {number} */ i) => {
      const list = walk(step.body);
      assert.equal(list.length, step.elements, `${c.name}, step ${i}`);
      for (const v of list) assert.ok(typeof v === 'string' || Number.isInteger(v) || '$int' in v, `${c.name}, step ${i}: ${v}`);
    });
  }
});
