// A hundred thousand broken messages: the decoder neither hangs nor throws
// anything but its own error, and a keyframe brings it back.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Link } from '../sdk/link.js';
import { ProtocolError } from '../sdk/msgpack.js';
import { bytes, encode, random, vectors, welcome } from './lib.js';

const FRAMES = 100_000;
const SEED = 20;

const cases = vectors('bodies.json').cases;
const messages = vectors('vectors.json').messages.map((/** @type {any} */ m) => bytes(m.hex));
const sink = { send() {}, welcome() {}, state() {}, pong() {}, bye() {}, reset() {}, stalled() {}, moved() {} };

/**
 * A step of a case as a message of the server.
 * @param {any} step
 * @param {number} tick
 */
function frame(step, tick) {
  const head = step.keyframe ? [5, tick, 0, 1] : [3, step.predicted ? 0 : 1];
  const n = head.length + step.elements;
  const array = n < 16 ? [0x90 | n] : [0xdc, n >> 8, n & 255];
  return Uint8Array.from([...array, ...head.flatMap((v) => [...encode(v)]), ...bytes(step.body)]);
}

/** @param {any} c a case of bodies.json */
function follow(c) {
  const link = new Link(sink);
  link.hello({ kind: 'fuzz', room: '', name: '', auth: '', spectate: false, params: {} });
  link.receive(welcome({ schema: { ...c.schema, kind: 'fuzz' } }), 0);
  return link;
}

/**
 * @param {() => number} rnd
 * @param {Uint8Array} from
 * @param {Uint8Array} other
 */
function mutate(rnd, from, other) {
  let b = [...from];
  for (let i = 1 + Math.floor(rnd() * 3); i > 0; i--) {
    const at = Math.floor(rnd() * b.length);
    switch (Math.floor(rnd() * 7)) {
      case 0: b[at] = Math.floor(rnd() * 256); break;
      case 1: b[at] ^= 1 << Math.floor(rnd() * 8); break;
      case 2: b.splice(at, 1 + Math.floor(rnd() * 4)); break;
      case 3: b.splice(at, 0, ...Array.from({ length: 1 + Math.floor(rnd() * 4) }, () => Math.floor(rnd() * 256))); break;
      case 4: b.length = at; break;
      case 5: b = [...b.slice(0, at), ...other.slice(Math.floor(rnd() * other.length))]; break;
      default: b.splice(at, 0, ...b.slice(at, at + 1 + Math.floor(rnd() * 30)));
    }
  }
  return Uint8Array.from(b);
}

test(`${FRAMES} mutated frames`, () => {
  const rnd = random(SEED);
  let refused = 0;
  let restored = 0;
  let longest = 0;
  for (let i = 0; i < FRAMES; ) {
    const c = cases[Math.floor(rnd() * cases.length)];
    const frames = c.steps.map((/** @type {any} */ s, /** @type {number} */ k) => frame(s, k + 1));
    const link = follow(c);
    const { state } = link;
    link.receive(frames[0], 0);
    for (let k = 1; k < 40; k++, i++) {
      const pool = rnd() < 0.8 ? frames : messages;
      const bad = mutate(rnd, pool[Math.floor(rnd() * pool.length)], frames[k % frames.length]);
      const begin = performance.now();
      try {
        link.receive(bad, k * 2000);
      } catch (e) {
        if (!(e instanceof ProtocolError)) throw new Error(`seed ${SEED}, frame ${i}, ${Buffer.from(bad).toString('hex')}`, { cause: e });
        refused++;
      }
      longest = Math.max(longest, performance.now() - begin);
      if (link.state !== state) break; // told of another game
      if (!link.holds) link.receive(frames[0], k * 2000);
    }
    if (link.state === state) restored += restore(link, c, frames);
  }
  assert.ok(refused > FRAMES / 10, `only ${refused} were refused`);
  assert.ok(restored > FRAMES / 100, `only ${restored} links came back`);
  assert.ok(longest < 2000, `one took ${longest} ms`);
});

/**
 * What broke a link does not outlive a keyframe.
 * @param {Link} link
 * @param {any} c
 * @param {Uint8Array[]} frames
 */
function restore(link, c, frames) {
  link.receive(frames[0], 1e9);
  // A broken self that was kept spoils the keyframe behind it, and no other.
  if (!link.holds) link.receive(frames[0], 2e9);
  for (const f of frames.slice(1)) link.receive(f, 2e9);
  assert.equal(link.state?.shared.hash(), c.steps.at(-1).hash);
  return 1;
}

test('millions of messages in one do not stand in memory side by side', () => {
  const link = follow(cases[0]);
  const bytes = new Uint8Array(4 << 20).fill(0x91);
  for (let i = 1; i < bytes.length; i += 2) bytes[i] = 14; // stalled
  let told = 0;
  let most = 0;
  link.sink = { ...sink, stalled: () => void (++told % 100_000 || (most = Math.max(most, process.memoryUsage().heapUsed))) };
  const before = process.memoryUsage().heapUsed;
  link.receive(bytes, 0);
  assert.equal(told, bytes.length / 2);
  assert.ok(most - before < 200e6, `${Math.round((most - before) / 1e6)} MB`);
});
