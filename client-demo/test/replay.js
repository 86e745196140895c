// Decodes what a server sent to whole rooms of viewers, as a Go test hands it
// over, and compares the states. Records on standard input, little endian: length
// of what follows (u32), type (u8), payload:
//
//   1  viewer (u16)                                     a new client connects
//   2  viewer, bytes                                    a WebSocket message from the server
//   3  viewer, tick (u32), hash of shared (u32), of own what it must hold now
//   5  seed (u64)                                       a new schedule begins
//   6  viewer                                           it connects again, with what it holds

import { Link } from '../sdk/link.js';

const sink = { send() {}, welcome() {}, state() {}, pong() {}, bye() {}, reset() {}, stalled() {}, moved() {} };
const hello = { kind: 'court', room: '', name: '', auth: '', spectate: false, params: {} };

/** @type {Map<number, {link: Link, resyncs: number}>} */
const viewers = new Map();
let seed = 0n;
let checked = 0;
let now = 0;

/** @param {string} text @returns {never} */
function fail(text) {
  console.log(`seed ${seed}: ${text}`);
  process.exit(1);
}

/** @param {number} type @param {Buffer} b */
function record(type, b) {
  now += 2000; // a resync is never held back
  if (type === 5) {
    viewers.clear();
    seed = b.readBigUInt64LE(0);
    return;
  }
  const number = b.readUInt16LE(0);
  const v = viewers.get(number) ?? { link: new Link(sink), resyncs: 0 };
  viewers.set(number, v);
  switch (type) {
    case 1:
    case 6:
      v.link.hello(hello);
      return;
    case 2:
      v.link.receive(Uint8Array.from(b.subarray(2)), now);
      if (v.link.resyncs > v.resyncs) fail(`viewer ${number} at tick ${v.link.tick} wants another keyframe`);
      return;
    case 3: {
      const want = [b.readUInt32LE(2), b.readUInt32LE(6), b.readUInt32LE(10)];
      const got = [v.link.tick, v.link.state?.shared.hash(), v.link.state?.own.hash()];
      if (got.some((x, i) => x !== want[i])) fail(`viewer ${number} holds tick, shared and own ${got}, want ${want}`);
      checked++;
      return;
    }
    default:
      fail(`record of type ${type}`);
  }
}

let rest = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
  let at = 0;
  while (rest.length - at >= 4) {
    const n = rest.readUInt32LE(at);
    if (rest.length - at < 4 + n) break;
    try {
      record(rest[at + 4], rest.subarray(at + 5, at + 4 + n));
    } catch (e) {
      fail(e instanceof Error ? `${e.stack}` : String(e));
    }
    at += 4 + n;
  }
  rest = rest.subarray(at);
}
console.log(`ok ${checked}`);
