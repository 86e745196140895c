// What stands between a Room and its server, or is said by one that is broken,
// while ways to connect are used and changed.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BACKOFF_MAX_MS, CONNECT_MS, MAX_BATCH, POST_MS, PROBE_FIRST_MS, RUNG_MS } from '../sdk/limits.js';
import { HELLO, LEAVE, readMessages } from '../sdk/wire.js';
import { BEGIN, created, END, httpWorld, nothing, overStream, packed, POLL, POST, settle, STREAM, stream } from './http-world.js';
import { encode, welcome } from './lib.js';
import { KEYFRAME } from './world.js';

test('a stream of which a proxy lets nothing but the head through is followed by polls', async () => {
  const w = httpWorld();
  w.respond = (r) => (r.what === BEGIN ? created() : r.what === POST ? nothing() : undefined);
  w.connect({ transports: ['sse', 'poll'] });
  await w.pass(0);
  const held = w.take(STREAM);
  stream().answer(held);
  await w.pass(RUNG_MS);
  assert.deepEqual([held.signal.aborted, w.count(POLL)], [true, 1]);
});

test('a room that is closed leaves no request behind', async () => {
  const { w, room } = await overStream();
  const reading = w.asked.find((r) => r.what === STREAM);
  room.input({ dx: 1 });
  await settle();
  stream().answer(w.take(POST)); // an answer that does not end
  await settle();
  room.close();
  await w.pass(POST_MS);
  assert.deepEqual(w.asked.filter((r) => r.what !== END && !r.signal.aborted).map((r) => r.what), []);
  assert.equal(reading.signal.aborted, true);
  assert.deepEqual(w.timers, []);
});

test('an answer to a post that does not end is as good as none', async () => {
  const { w, room } = await overStream();
  room.input({ dx: 3 });
  await settle();
  const first = w.take(POST);
  stream().answer(first);
  await w.pass(POST_MS + 250);
  assert.deepEqual([first.signal.aborted, w.take(POST).query.seq], [true, first.query.seq]);
});

test('an answer longer than any server makes is not read to its end', async () => {
  const w = httpWorld();
  w.respond = (r) => (r.what === BEGIN ? created() : undefined);
  w.connect({ transports: ['poll'] });
  await w.pass(0);
  const piece = new Uint8Array(1 << 20);
  let read = 0;
  const poll = w.take(POLL);
  poll.ok(new Response(new ReadableStream({ pull: (c) => (read < 100 ? (read++, c.enqueue(piece)) : c.close()) })));
  for (let i = 0; i < 50; i++) await settle();
  assert.ok(read * piece.length <= MAX_BATCH + 4 * piece.length, `${read} MiB were read`);
});

test('a session that nobody grants is given up with the attempt', async () => {
  const w = httpWorld();
  const room = w.connect({ transports: ['poll'] });
  for (let i = 0; i < 5; i++) await w.pass(CONNECT_MS + BACKOFF_MAX_MS);
  const open = w.asked.filter((r) => r.what === BEGIN && !r.signal.aborted).length;
  assert.ok(w.count(BEGIN) > 3 && open <= 2, `${open} of ${w.count(BEGIN)} requests are open`);
  room.close();
  await w.pass(CONNECT_MS);
  assert.deepEqual([w.asked.filter((r) => !r.signal.aborted).length, w.timers.length], [0, 0]);
});

test('a message that a stream brings in many small pieces takes no longer for it', async () => {
  const { w, room, s } = await overStream();
  w.respond = (r) => (r.what === POST ? nothing() : undefined);
  const long = Buffer.from(encode([100, { $bin: '00'.repeat(6 << 20) }])).toString('base64');
  const begin = performance.now();
  s.write('id: 3\ndata: ');
  for (let i = 0; i < long.length; i += 1400) s.write(long.slice(i, i + 1400));
  s.write('\n\n');
  s.message(4, encode([3, 1]));
  for (let i = 0; i < 2000 && room.tick === 101; i++) await settle();
  const took = performance.now() - begin;
  assert.deepEqual([room.tick, took < 4000], [102, true], `${took} ms`);
});

test('a message that is left out on the way is asked for', async () => {
  const { w, room, s } = await overStream();
  s.message(4, encode([3, 1]));
  await w.pass(1000);
  const again = w.take(STREAM);
  assert.deepEqual([again.query.after, room.tick], ['2', 101]);
  const next = stream();
  next.answer(again);
  next.write('id: what?\ndata: kwMB\n\n');
  await w.pass(1000);
  const poll = w.take(STREAM);
  assert.deepEqual([poll.query.after, room.tick, room.status], ['2', 101, 'playing']);
});

test('who is answered with nothing at once does not ask again at once', async () => {
  const w = httpWorld();
  w.respond = (r) => (r.what === BEGIN ? created() : r.what === POST ? nothing() : undefined);
  const room = w.connect({ transports: ['poll'] });
  await w.pass(0);
  w.take(POLL).ok(packed(1, welcome(), encode(KEYFRAME)));
  await settle();
  const before = w.count(POLL);
  w.respond = (r) => (r.what === BEGIN ? created() : w.asked.length < 500 ? nothing() : undefined);
  w.take(POLL).ok(nothing());
  await w.pass(1000);
  assert.ok(w.count(POLL) - before < 10, `${w.count(POLL) - before} polls in a second`);
  assert.equal(room.tick, 101);
});

test('who goes nearer over WebSocket does not climb back to where it was', async () => {
  const { w, room, s } = await overStream();
  s.message(3, encode([15, 'ws://far/v1/ws?room=r']));
  await settle();
  const near = w.sockets[1];
  near.onopen();
  near.onmessage({ data: welcome({ resumed: true, schema: null }).slice().buffer });
  for (let t = 0; t < PROBE_FIRST_MS + 1000; t += 1000) {
    near.onmessage({ data: encode([10, 0, w.now, 101]).slice().buffer });
    await w.pass(1000);
  }
  assert.deepEqual([room.status, room.transport, w.sockets.length], ['playing', 'ws', 2]);
  room.close();
  await w.pass(PROBE_FIRST_MS);
  assert.deepEqual([w.sockets.length, w.timers.length], [2, 0]);
});

test('a way that is still being tried when a nearer one is found is given up', async () => {
  const { w, s } = await overStream();
  for (let t = 0; t < PROBE_FIRST_MS; t += 1000) {
    s.message(3 + t / 1000, encode([10, 0, w.now, 101]));
    await w.pass(1000);
  }
  const up = w.sockets[1];
  s.message(3 + PROBE_FIRST_MS / 1000, encode([15, 'ws://far/v1/ws?room=r']));
  await settle();
  const near = w.sockets.at(-1);
  assert.equal(near.url, 'ws://far/v1/ws');
  near.onopen();
  near.onmessage({ data: welcome({ resumed: true, schema: null }).slice().buffer });
  assert.ok(up.closed);
});

test('a WebSocket that opens and then is silent is not left behind', async () => {
  const { w, room, s } = await overStream();
  for (let t = 0; t < PROBE_FIRST_MS; t += 1000) {
    s.message(3 + t / 1000, encode([10, 0, w.now, 101]));
    await w.pass(1000);
  }
  const up = w.sockets[1];
  up.onopen();
  await w.pass(RUNG_MS);
  assert.deepEqual([up.closed, room.status], [true, 'reconnecting']);
});

test('an address that the page may not open changes nothing', async () => {
  const { w, room, s } = await overStream();
  const { socket } = w.env;
  w.env.socket = (url) => {
    if (url.includes('far')) throw new Error('insecure');
    return socket(url);
  };
  s.message(3, encode([15, 'ws://far/v1/ws?room=r']));
  s.message(4, encode([3, 1]));
  await settle();
  assert.deepEqual([room.status, room.tick, w.sockets.length], ['playing', 102, 1]);
  w.memory.kept.clear();
  s.message(5, encode([11, 18, 'ws://far/v1/ws?room=r', 0]));
  s.end();
  await w.pass(1000);
  w.take(STREAM).ok(new Response('{}', { status: 410 }));
  await w.pass(BACKOFF_MAX_MS);
  assert.deepEqual(w.sockets.map((o) => o.url), ['ws://x/v1/ws', 'ws://x/v1/ws']);
});

test('a seat is given up whatever way it may be held by', async () => {
  const kinds = (/** @type {Uint8Array[]} */ sent) => sent.flatMap((b) => readMessages(b).map((m) => m.kind));
  const early = httpWorld();
  const joining = early.connect();
  early.sockets[0].onopen();
  joining.leave();
  assert.deepEqual([kinds(early.sockets[0].sent), early.sockets[0].closed], [[HELLO, LEAVE], true]);
  const { w, room, s } = await overStream();
  for (let t = 0; t < PROBE_FIRST_MS; t += 1000) {
    s.message(3 + t / 1000, encode([10, 0, w.now, 101]));
    await w.pass(1000);
  }
  w.sockets[1].onopen();
  room.leave();
  await settle();
  assert.deepEqual([kinds(w.sockets[1].sent), kinds([w.asked.filter((r) => r.what === POST).at(-1).body])], [[HELLO, LEAVE], [LEAVE]]);
  await w.pass(1000);
  assert.equal(w.count(END), 1);
});
