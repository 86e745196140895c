// A Room over a WebSocket: it joins, plays, loses its connection and comes back.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BACKOFF_MAX_MS, CONNECT_MS, SILENCE_MS } from '../sdk/limits.js';
import { INPUT, PING, readMessages } from '../sdk/wire.js';
import { encode, welcome } from './lib.js';
import { playing } from './world.js';

test('joins, plays and keeps the seat in the storage', () => {
  const { w, room } = playing();
  assert.deepEqual([w.socket.url, w.socket.protocol], ['ws://x/v1/ws', 'roomd.v1']);
  assert.deepEqual(w.hello(), ['', 0, 0]);
  assert.deepEqual([room.status, room.seat, room.tick, room.room], ['playing', 1, 101, 'r']);
  assert.equal(room.input({ dx: 3 }), 1);
  assert.equal(readMessages(w.socket.sent.at(-1))[0].kind, INPUT);
  assert.deepEqual([...w.storage.kept.values()], ['r.1.secret']);
});

test('who does nothing sends nothing but pings, and an act is one input', () => {
  const { w, room } = playing();
  w.socket.sent.length = 0;
  const think = () => {
    for (let s = 0; s < 60; s++) {
      w.pass(1000);
      w.receive(encode([10, 0, w.now, 101]));
    }
  };
  const sent = () => w.socket.sent.splice(0).map((/** @type {Uint8Array} */ b) => readMessages(b)[0].kind);
  think();
  assert.deepEqual([room.status, new Set(sent())], ['playing', new Set([PING])]);
  room.input({ fire: true });
  think();
  assert.deepEqual(sent().filter((/** @type {number} */ k) => k !== PING), [INPUT]);
});

test('a broken connection is resumed with token and cursor', () => {
  const { w, room } = playing();
  w.socket.onclose({ code: 1006 });
  assert.equal(room.status, 'reconnecting');
  assert.equal(room.input({ dx: 1 }), 0);
  w.pass(BACKOFF_MAX_MS);
  w.socket.onopen();
  assert.deepEqual(w.hello(), ['r.1.secret', 5, 101]);
  w.receive(welcome({ resumed: true, tick: 130, schema: null }));
  assert.deepEqual(w.statuses.at(-1), ['playing', 'resumed', false]);
});

test('waits longer after each failure, within bounds, and chosen at random', () => {
  const { w } = playing();
  const waits = [];
  for (let i = 0; i < 8; i++) {
    const before = w.now;
    w.socket.onclose({ code: 1006 });
    const n = w.sockets.length;
    while (w.sockets.length === n) w.pass(1);
    waits.push(w.now - before);
  }
  assert.deepEqual(waits, [125, 250, 500, 1000, 2000, 2500, 2500, 2500]);
});

test('a reload takes the seat back', () => {
  const { w } = playing();
  w.connect();
  w.socket.onopen();
  assert.deepEqual(w.hello(), ['r.1.secret', 0, 0]);
});

test('a server that started anew has no seat: joins anew and says so', () => {
  const { w, room } = playing();
  w.socket.onclose({ code: 1006 });
  w.pass(BACKOFF_MAX_MS);
  w.socket.onopen();
  w.receive(encode([11, 4, 'no such room', 2000]));
  w.socket.onclose({ code: 4004 });
  w.pass(BACKOFF_MAX_MS);
  w.socket.onopen();
  assert.deepEqual(w.hello(), ['', 0, 0]);
  w.receive(welcome({ epoch: 9, room: 'other', token: 'other.1.new' }));
  assert.deepEqual(w.statuses.at(-1), ['playing', 'joined anew', true]);
  assert.equal(room.anew, 1);
  assert.deepEqual([...w.storage.kept.values()], ['other.1.new']);
});

test('a final bye ends it', () => {
  for (const code of [2, 5, 7, 11]) {
    const { w, room } = playing();
    w.receive(encode([11, code, 'because', 0]));
    w.socket.onclose({ code: 4000 + code });
    w.pass(60_000);
    assert.deepEqual([room.status, room.text, w.sockets.length, w.storage.kept.size], ['closed', 'because', 1, 0]);
  }
});

test('a bye with a hint is waited for', () => {
  const { w } = playing();
  w.receive(encode([11, 13, 'shutting down', 4000]));
  w.socket.onclose({ code: 1001 });
  w.pass(2900);
  assert.equal(w.sockets.length, 1);
  w.pass(1300);
  assert.equal(w.sockets.length, 2);
});

test('silence ends a connection, and so does an attempt that never opens', () => {
  const { w, room } = playing();
  w.pass(SILENCE_MS + 1000);
  assert.ok(w.sockets[0].closed);
  assert.notEqual(room.status, 'playing');
  const n = w.sockets.length;
  w.pass(CONNECT_MS + BACKOFF_MAX_MS + 1000);
  assert.ok(w.sockets.length > n);
});

test('a server that breaks the protocol is not asked again', () => {
  const { w, room } = playing();
  w.receive(Uint8Array.of(0xc1));
  w.pass(60_000);
  assert.deepEqual([room.status, w.sockets.length], ['closed', 1]);
});

test('what a forgotten socket says is not heard', () => {
  const { w, room } = playing();
  const { onclose } = w.socket;
  onclose({ code: 1006 });
  w.pass(BACKOFF_MAX_MS);
  onclose({ code: 4005 });
  assert.notEqual(room.status, 'closed');
});

test('a room that moved is followed at once, with token and cursor, and not for ever', () => {
  const { w, room } = playing();
  const send = (/** @type {string} */ to) => {
    w.receive(encode([11, 18, to, 100]));
    w.socket.onclose({ code: 4018 });
    w.pass(0);
  };
  send('wss://two.example/v1/ws?room=duel');
  assert.equal(w.socket.url, 'wss://two.example/v1/ws');
  w.socket.onopen();
  assert.deepEqual(w.hello(), ['r.1.secret', 5, 101]);
  w.receive(welcome({ resumed: true, tick: 130, schema: null }));
  assert.deepEqual([room.status, room.anew], ['playing', 0]);
  send('javascript:alert(1)');
  w.pass(BACKOFF_MAX_MS);
  assert.match(w.socket.url, /^wss?:/);
  w.socket.onclose({ code: 1006 }); // nobody is there
  w.pass(BACKOFF_MAX_MS);
  assert.equal(w.socket.url, 'ws://x/v1/ws');
  let hops = 0;
  for (; w.socket.onmessage && hops < 20; hops++) {
    w.socket.onopen();
    send(`ws://${hops}.example/v1/ws?room=duel`);
  }
  assert.ok(hops >= 5 && hops < 20, `${hops} hops without a wait`);
});

test('goes to where its room is, and leaves the old way only when it is answered there', () => {
  const { w, room } = playing();
  const old = w.socket;
  w.receive(encode([15, 'ws://far/v1/ws?room=r']));
  const near = w.socket;
  assert.deepEqual([near.url, old.closed], ['ws://far/v1/ws', false]);
  near.onopen();
  assert.deepEqual(w.hello(), ['r.1.secret', 5, 101]);
  old.onmessage({ data: encode([11, 2, 'replaced', 0]).slice().buffer }); // the room's node ends the old way
  old.onclose({ code: 4002 });
  near.onmessage({ data: welcome({ resumed: true, schema: null }).slice().buffer });
  near.onmessage({ data: encode([3, 1]).slice().buffer });
  assert.deepEqual([room.status, room.tick, w.statuses.map((s) => s[0])], ['playing', 102, ['playing', 'playing']]);
});

test('stays where it is when the room cannot be reached', () => {
  const { w, room } = playing();
  const old = w.socket;
  w.receive(encode([15, 'ws://far/v1/ws?room=r']));
  w.socket.onclose({ code: 1006 });
  old.onmessage({ data: encode([3, 1]).slice().buffer });
  assert.deepEqual([room.status, room.tick, old.closed, w.sockets.length], ['playing', 102, false, 2]);
});

test('a room that is back from an earlier state goes on with the same seat', () => {
  const { w, room } = playing();
  const told = /** @type {string[]} */ ([]);
  for (const topic of /** @type {const} */ (['stalled', 'reset'])) room.on(topic, () => told.push(topic));
  w.receive(encode([14]));
  w.receive(encode([13, 6, 90, 3]));
  w.receive(encode([5, 90, 0, 1, 2, 1, 0, -4, 256, 100]));
  assert.deepEqual([told, room.status, room.tick, room.ack, room.seat], [['stalled', 'reset'], 'playing', 90, 3, 1]);
});
