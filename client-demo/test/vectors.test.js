// The vectors that the Go code wrote, read and written by the SDK.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Reader, Writer } from '../sdk/msgpack.js';
import * as wire from '../sdk/wire.js';
import { ProtocolError, bytes, encode, hex, vectors } from './lib.js';

const all = vectors('vectors.json');

/** @param {string} name */
const message = (name) => {
  const m = all.messages.find((/** @type {any} */ v) => v.name === name);
  assert.ok(m, `no vector ${name}`);
  return { ...m, list: wire.readMessages(bytes(m.hex)) };
};

test('elements are written as the vectors have them', () => {
  for (const e of all.elements) {
    assert.equal(hex(encode(e.value)), e.hex, e.name);
  }
});

test('elements in other forms are refused', () => {
  for (const e of all.refused) {
    const r = new Reader(bytes(e.hex));
    assert.throws(() => { r.skip(1); if (r.left > 0) throw new ProtocolError('bytes are left'); }, ProtocolError, e.name);
  }
});

test('every message is read, kinds and elements', () => {
  for (const m of all.messages) {
    const kinds = m.value.map((/** @type {any[]} */ v) => v[0]).filter((/** @type {number} */ k) => k > 0 && k <= wire.CHECK);
    const list = wire.readMessages(bytes(m.hex));
    assert.deepEqual(list.map((x) => x.kind), kinds, m.name);
  }
});

test('malformed messages are refused', () => {
  const readers = { 2: wire.readWelcome, 3: wire.readDelta, 4: wire.readSelf, 5: wire.readKeyframe, 6: wire.readEvent, 10: wire.readPong, 11: wire.readBye, 13: wire.readReset, 15: wire.readMoved, 16: wire.readCheck };
  let read = 0;
  for (const v of all.refusedMessages) {
    /** @type {wire.Message[]} */
    let list;
    try {
      list = wire.readMessages(bytes(v.hex));
    } catch (e) {
      assert.ok(e instanceof ProtocolError, `${v.name}: ${e}`);
      read++;
      continue;
    }
    for (const m of list) {
      const reader = readers[/** @type {keyof readers} */ (m.kind)];
      if (!reader) continue; // only servers read it
      assert.throws(() => reader(m), ProtocolError, v.name);
      read++;
    }
  }
  assert.ok(read >= 5, `only ${read} of the refused messages concern a client`);
});

test('hello', () => {
  const w = new Writer();
  for (const m of all.messages.filter((/** @type {any} */ v) => v.value.length === 1 && v.value[0][0] === wire.HELLO)) {
    const [, , kind, room, name, token, epoch, tick, hash, flags, auth, params] = m.value[0];
    if (m.value[0].length > 12) continue; // with elements of a later version
    wire.appendHello(w.clear(), { kind, room, name, token, epoch, tick, schemaHash: hash && bytes(hash.$bin), flags, auth, params });
    assert.equal(hex(w.bytes()), m.hex, m.name);
  }
});

test('welcome', () => {
  const m = message('welcome');
  const [, proto, room, epoch, seat, token, tick, tickRate, lastSeq, flags, graceMs, schema, hash] = m.value[0];
  const got = wire.readWelcome(m.list[0]);
  assert.deepEqual(
    { proto: got.proto, room: got.room, epoch: got.epoch, seat: got.seat, token: got.token, tick: got.tick, tickRate: got.tickRate, lastSeq: got.lastSeq, resumed: got.resumed, graceMs: got.graceMs, hash: hex(got.schemaHash) },
    { proto, room, epoch, seat, token, tick, tickRate, lastSeq, resumed: flags % 2 === 1, graceMs, hash: hash.$bin },
  );
  assert.deepEqual(got.schema?.tables.map((t) => t.name), schema.tables.map((/** @type {any} */ t) => t.name));
  const again = message('welcome-resumed');
  assert.equal(wire.readWelcome(again.list[0]).resumed, true);
  assert.equal(wire.readWelcome(message('welcome-resumed').list[0]).schema, null);
});

test('small messages', () => {
  const w = new Writer();
  const pong = message('pong');
  const [, id, t, tick] = pong.value[0];
  assert.deepEqual(wire.readPong(pong.list[0]), { id, t, tick });
  const bye = message('bye');
  const [, code, text, retryMs] = bye.value[0];
  assert.deepEqual(wire.readBye(bye.list[0]), { code, text, retryMs });
  const ping = message('ping');
  wire.appendPing(w.clear(), ping.value[0][1], ping.value[0][2]);
  assert.equal(hex(w.bytes()), ping.hex);
  wire.appendLeave(w.clear());
  assert.equal(hex(w.bytes()), message('leave').hex);
  const resync = message('resync');
  wire.appendResync(w.clear(), resync.value[0][1], resync.value[0][2]);
  assert.equal(hex(w.bytes()), resync.hex);
});
