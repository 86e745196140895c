// Ways to connect: a Room whose WebSockets, server and clock are the test's.

import assert from 'node:assert/strict';
import test from 'node:test';
import { MAX_RETRY_AFTER_MS, MAX_STREAMS, POST_MS, PROBE_FIRST_MS, REMEMBER_MS, RUNG_MS } from '../sdk/limits.js';
import { HELLO, INPUT, LEAVE, readMessages } from '../sdk/wire.js';
import { BEGIN, created, END, httpWorld, nothing, overStream, packed, POLL, POST, settle, STREAM, stream } from './http-world.js';
import { encode, welcome } from './lib.js';
import { KEYFRAME } from './world.js';

test('a WebSocket that answers needs nothing else', async () => {
  const w = httpWorld();
  const room = w.connect();
  w.sockets[0].onopen();
  w.sockets[0].onmessage({ data: welcome().slice().buffer });
  await w.pass(RUNG_MS * 2);
  assert.deepEqual([room.transport, w.asked.length, w.sockets.length, w.memory.kept.size], ['ws', 0, 1, 0]);
});

test('a WebSocket that fails is followed at once, one that is silent after a while', async () => {
  const failed = httpWorld();
  failed.connect();
  failed.sockets[0].onclose({ code: 1006 });
  await failed.pass(0);
  assert.equal(failed.count(BEGIN), 1);
  const silent = httpWorld();
  silent.connect();
  await silent.pass(RUNG_MS - 1);
  assert.equal(silent.count(BEGIN), 0);
  await silent.pass(1);
  assert.equal(silent.count(BEGIN), 1);
  assert.ok(!silent.sockets[0].closed);
});

test('plays over a stream and posts', async () => {
  const { w, room, s } = await overStream();
  assert.equal(room.input({ dx: 3 }), 1);
  assert.equal(room.input({ dx: 4 }), 2);
  await settle();
  const first = w.take(POST);
  assert.deepEqual([first.query.after, readMessages(first.body)[0].kind], ['2', INPUT]);
  assert.equal(w.open.length, 0, 'one post at a time');
  first.ok(packed(3, encode([4, 0, 1, 0, 0]), encode([3, 1, 0])));
  await settle();
  assert.equal(room.tick, 102);
  s.message(3, encode([3, 1, 0])); // came with the post already
  s.message(4, encode([3, 1, 0]));
  await settle();
  assert.equal(Number(w.take(POST).query.seq), Number(first.query.seq) + 1);
});

test('a post whose answer is lost is sent again, the same', async () => {
  const { w, room } = await overStream();
  room.input({ dx: 3 });
  await settle();
  const first = w.take(POST);
  room.input({ dx: 9 });
  await w.pass(POST_MS + 250);
  const again = w.take(POST);
  assert.deepEqual([again.query.seq, [...again.body]], [first.query.seq, [...first.body]]);
  again.ok(nothing());
  await settle();
  assert.notDeepEqual([...w.take(POST).body], [...first.body]);
});

test('a stream that is held back is followed by polls on the same session', async () => {
  const w = httpWorld();
  w.respond = (r) => (r.what === POST ? nothing() : undefined);
  const room = w.connect({ transports: ['sse', 'poll'] });
  await w.pass(0);
  assert.equal(w.sockets.length, 0);
  w.take(BEGIN).ok(created());
  await w.pass(RUNG_MS);
  const poll = w.take(POLL);
  assert.deepEqual(poll.query, { after: '0', wait: '25' });
  poll.ok(packed(1, welcome(), encode(KEYFRAME)));
  await settle();
  assert.deepEqual([room.status, room.transport, w.count(BEGIN)], ['playing', 'poll', 1]);
  w.take(POLL).no(new Error('no network'));
  await w.pass(1000);
  assert.equal(w.take(POLL).query.after, '2');
});

test('a session that is gone is resumed by another', async () => {
  const { w, room, s } = await overStream();
  s.end();
  await w.pass(1000);
  w.take(STREAM).ok(new Response('{}', { status: 404 }));
  await settle();
  assert.equal(room.status, 'reconnecting');
  await w.pass(1000);
  const hello = readMessages(w.take(BEGIN).body)[0];
  hello.r.skip(4);
  assert.deepEqual([hello.kind, hello.r.str(256), hello.r.uint(), hello.r.uint()], [HELLO, 'r.1.secret', 5, 101]);
});

test('what got through is remembered, for a day', async () => {
  const { w } = await overStream();
  const before = w.sockets.length;
  w.connect();
  await w.pass(0);
  assert.deepEqual([w.sockets.length, w.count(BEGIN)], [before, 2]);
  const [[key, value]] = [...w.memory.kept];
  const [at, by] = value.split(' ');
  assert.equal(by, 'sse');
  w.memory.kept.set(key, `${Number(at) - REMEMBER_MS} sse`);
  w.connect();
  assert.equal(w.sockets.length, before + 1);
});

test('climbs back to WebSocket with the same seat', async () => {
  const { w, room, s } = await overStream();
  const statuses = /** @type {string[]} */ ([]);
  room.on('status', (e) => statuses.push(`${e.status} ${e.text}`));
  for (let t = 0; t < PROBE_FIRST_MS; t += 1000) {
    s.message(3 + t / 1000, encode([10, 0, w.now, 101]));
    await w.pass(1000);
  }
  assert.equal(w.sockets.length, 2);
  const up = w.sockets[1];
  up.onopen();
  const hello = readMessages(up.sent[0])[0];
  hello.r.skip(4);
  assert.deepEqual([hello.r.str(256), hello.r.uint(), hello.r.uint()], ['r.1.secret', 5, 101]);
  s.message(1000, encode([11, 2, 'replaced', 0])); // the server ends the old way
  up.onmessage({ data: welcome({ resumed: true, schema: null }).slice().buffer });
  await w.pass(0);
  assert.deepEqual([room.status, room.transport, room.seat, statuses, w.memory.kept.size], ['playing', 'ws', 1, ['playing '], 0]);
  assert.equal(w.count(END), 1);
});

test('a race has one winner, and the other gives its seat up', async () => {
  const w = httpWorld();
  const room = w.connect();
  const slow = w.sockets[0];
  slow.onopen();
  await w.pass(RUNG_MS);
  w.take(BEGIN).ok(created());
  await settle();
  const s = stream();
  w.take(STREAM).ok(s.response);
  s.message(1, welcome());
  await settle();
  assert.deepEqual([room.status, room.transport, slow.closed, readMessages(slow.sent[1])[0].kind], ['playing', 'sse', true, LEAVE]);
  s.message(2, encode([11, 2, 'replaced', 0])); // by the one that was given up, as it came late
  s.end();
  await w.pass(1000);
  w.take(STREAM).ok(new Response('{}', { status: 410 }));
  await settle();
  assert.equal(room.status, 'reconnecting');
});

test('refusals are final, troubles are not', async () => {
  for (const [status, want] of /** @type {[number, string][]} */ ([[403, 'closed'], [400, 'closed'], [404, 'reconnecting'], [503, 'reconnecting']])) {
    const w = httpWorld();
    const room = w.connect({ transports: ['poll'] });
    await w.pass(0);
    w.take(BEGIN).ok(new Response('{}', { status }));
    await settle();
    assert.equal(room.status, want, `after ${status}`);
  }
});

test('a refusal that says how long to wait is waited for, within bounds', async () => {
  /** @type {[string, number][]} what is said, and the milliseconds that are waited */
  const cases = [['7', 7000], ['3600', MAX_RETRY_AFTER_MS], ['0', 0], ['soon', 0], ['-1', 0]];
  for (const status of [429, 503]) {
    for (const [says, wait] of cases) {
      const w = httpWorld();
      w.random = 0;
      const room = w.connect();
      w.sockets[0].onclose({ code: 1006 });
      await w.pass(0);
      w.take(BEGIN).ok(new Response('{}', { status, headers: { 'Retry-After': says } }));
      await settle();
      assert.equal(room.status, 'reconnecting');
      await w.pass(Math.max(wait - 1, 0));
      assert.equal(w.sockets.length, wait > 0 ? 1 : 2, says);
      await w.pass(1);
      assert.equal(w.sockets.length, 2, says);
    }
  }
});

test('a refusal counts although another way fails after it, and not once there was a connection', async () => {
  const w = httpWorld();
  w.random = 0;
  w.connect();
  await w.pass(RUNG_MS);
  w.take(BEGIN).ok(new Response('{}', { status: 503, headers: { 'Retry-After': '9' } }));
  await settle();
  w.sockets[0].onclose({ code: 1006 });
  await w.pass(8999);
  assert.equal(w.sockets.length, 1);
  await w.pass(1);
  assert.equal(w.sockets.length, 2);

  await w.pass(RUNG_MS);
  w.take(BEGIN).ok(new Response('{}', { status: 503, headers: { 'Retry-After': '9' } }));
  await settle();
  w.socket.onopen();
  w.receive(welcome());
  w.socket.onclose({ code: 1006 });
  await w.pass(0);
  assert.equal(w.sockets.length, 3);
});

/** A Room that has left while a post was under way: that one, and what was asked since. */
async function leaving() {
  const { w, room } = await overStream();
  /** @type {Set<() => void>} */
  const hiding = new Set();
  Object.assign(w.env, { unload: (/** @type {() => void} */ f) => (hiding.add(f), () => hiding.delete(f)) });
  room.input({ dx: 1 });
  await settle();
  const before = w.take(POST);
  const n = w.asked.length;
  room.leave();
  await settle();
  const next = String(Number(before.query.seq) + 1);
  const isLast = (/** @type {any} */ r) => r.what === POST && r.query.seq === next && readMessages(r.body)[0].kind === LEAVE;
  return { w, before, hiding, since: () => w.asked.slice(n).map((r) => (isLast(r) ? 'leave' : r.what)) };
}

test('leaving is sent behind the post under way, and before the session is ended', async () => {
  const { w, before, hiding, since } = await leaving();
  assert.deepEqual(since(), []);
  before.ok(nothing());
  await settle();
  assert.deepEqual(since(), ['leave', END]);
  await w.pass(POST_MS);
  assert.deepEqual([w.timers, hiding.size], [[], 0]);
});

test('leaving waits for a post whose answer is lost until that is sent again, once', async () => {
  const { w, before, since } = await leaving();
  await w.pass(POST_MS);
  const again = w.take(POST);
  assert.deepEqual([again.query.seq, [...again.body], since()], [before.query.seq, [...before.body], [POST]]);
  await w.pass(POST_MS);
  assert.deepEqual(since(), [POST, 'leave', END]);
});

test('leaving does not wait when the page goes away', async () => {
  const { hiding, since } = await leaving();
  for (const f of hiding) f();
  await settle();
  assert.deepEqual(since(), ['leave', END]);
});

test('tabs share the requests that stay open', async () => {
  const held = new Set();
  const locks = {
    request: async (/** @type {string} */ name, /** @type {any} */ o, /** @type {(l: any) => any} */ f) => {
      assert.ok(o.ifAvailable);
      if (held.has(name)) return f(null);
      held.add(name);
      await f({ name });
      held.delete(name);
    },
  };
  const w = httpWorld();
  w.env = /** @type {any} */ ({ ...w.env, locks });
  w.respond = (r) => (r.what === BEGIN ? created() : r.what === POST ? nothing() : undefined);
  const rooms = Array.from({ length: MAX_STREAMS + 1 }, () => w.connect({ transports: ['sse', 'poll'] }));
  await w.pass(0);
  assert.deepEqual([w.count(STREAM), w.count(POLL)], [MAX_STREAMS, 1]);
  assert.equal(w.take(POLL).query.wait, '0');
  rooms[0].close();
  await settle();
  assert.equal(held.size, MAX_STREAMS - 1);
});
