// Shared by the tests: the vectors that the Go code made, and a server's side of
// the protocol by hand.

import { readFileSync } from 'node:fs';
import { ProtocolError, Reader, Writer } from '../sdk/msgpack.js';
import { readSchema } from '../sdk/schema.js';

/** @param {string} name of a file in netcode/wire/testdata */
export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../../netcode/wire/testdata/${name}`, import.meta.url), 'utf8'));
}

/** @param {string} s */
export const bytes = (s) => new Uint8Array(Buffer.from(s, 'hex'));
/** @param {Uint8Array} b */
export const hex = (b) => Buffer.from(b).toString('hex');

/**
 * Encodes a JSON value; maps get rising keys, {"$bin": hex} is bytes, {"$int": text} a wide integer.
 * @param {any} v
 * @param {Writer} [w]
 */
export function encode(v, w = new Writer()) {
  if (v === null) w.nil();
  else if (typeof v === 'boolean') w.bool(v);
  else if (typeof v === 'number') w.int(v);
  else if (typeof v === 'string') w.str(v);
  else if (Array.isArray(v)) {
    w.array(v.length);
    for (const e of v) encode(e, w);
  } else if ('$bin' in v) w.bin(bytes(v.$bin));
  else if ('$int' in v) w.int(BigInt(v.$int));
  else {
    const keys = Object.keys(v).sort();
    w.map(keys.length);
    for (const k of keys) encode(v[k], w.str(k));
  }
  return w.bytes();
}

/** Several messages, one behind the other. @param {...any} messages */
export const concat = (...messages) => Uint8Array.from(messages.flatMap((m) => [...encode(m)]));

/** @param {any} json a schema as in the vectors */
export function schemaOf(json) {
  return readSchema(new Reader(encode(json)));
}

/** Numbers that look random and are the same each time (mulberry32). @param {number} seed */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A small game for connections: x and hp of everyone, ammo of one's own. */
export const GAME = {
  kind: 'tanks', tickRate: 30, events: [{ name: 'hit', fields: [{ name: 'power', leaves: [['', 2, 32, 0, -1000, 1000, 0]] }] }],
  tables: [{
    name: 'tank',
    fields: [
      { name: 'x', leaves: [['', 4, 64, 256, -2147483648, 2147483647, 0]] },
      { name: 'hp', leaves: [['', 3, 8, 0, 0, 255, 0]] },
      { name: 'ammo', owner: true, leaves: [['', 3, 8, 0, 0, 255, 0]] },
    ],
  }],
  input: { name: 'input', fields: [{ name: 'dx', leaves: [['', 2, 8, 0, -127, 127, 0]] }, { name: 'fire', once: true, leaves: [['', 1, 1, 0, 0, 1, 0]] }] },
};

/**
 * A welcome as the server sends it.
 * @param {Partial<{room: string, epoch: number, seat: number, token: string, tick: number, lastSeq: number, resumed: boolean, schema: any}>} o
 */
export function welcome(o = {}) {
  const { room = 'r', epoch = 5, seat = 1, token = 'r.1.secret', tick = 100, lastSeq = 0, resumed = false, schema = GAME } = o;
  return encode([2, 1, room, epoch, seat, token, tick, 30, lastSeq, resumed ? 1 : 0, 20000, schema, { $bin: '0102030405060708' }]);
}

export { ProtocolError };
