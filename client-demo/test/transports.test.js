// Ways to connect: a Room whose WebSockets, server and clock are the test's.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Room } from '../sdk/client.js';
import { BACKOFF_MAX_MS, CONNECT_MS, MAX_BATCH, MAX_STREAMS, POST_MS, PROBE_FIRST_MS, REMEMBER_MS, RUNG_MS } from '../sdk/limits.js';
import { HELLO, INPUT, LEAVE, readMessages } from '../sdk/wire.js';
import { encode, welcome } from './lib.js';

const KEYFRAME = [5, 101, 0, 1, 2, 1, 0, -4, 512, 100];

/** Lets everything happen that waits for nothing but its turn. */
async function settle() {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

/** Storage of the test's own. */
function storage() {
  const kept = new Map();
  return /** @type {any} */ ({
    kept,
    getItem: (/** @type {string} */ k) => kept.get(k) ?? null,
    setItem: (/** @type {string} */ k, /** @type {string} */ v) => kept.set(k, v),
    removeItem: (/** @type {string} */ k) => kept.delete(k),
  });
}

/**
 * A server of sessions over HTTP. Requests wait in open until the test answers
 * them, but for those that respond takes.
 */
function world() {
  const w = {
    now: 1000,
    /** @type {any[]} */ sockets: [],
    /** @type {{at: number, f: () => void}[]} */ timers: [],
    /** @type {any[]} */ open: [],
    /** @type {any[]} */ asked: [],
    memory: storage(),
    /** @type {(r: any) => any} */ respond: () => undefined,
    env: {
      socket: (/** @type {string} */ url) => {
        const s = { url, sent: /** @type {Uint8Array[]} */ ([]), bufferedAmount: 0, closed: false,
          send: (/** @type {Uint8Array} */ b) => s.sent.push(b.slice()), close: () => (s.closed = true),
          onopen: /** @type {any} */ (null), onclose: /** @type {any} */ (null), onmessage: /** @type {any} */ (null) };
        w.sockets.push(s);
        return s;
      },
      now: () => w.now,
      after: (/** @type {() => void} */ f, /** @type {number} */ ms) => {
        const t = { at: w.now + ms, f };
        w.timers.push(t);
        return t;
      },
      cancel: (/** @type {any} */ t) => (w.timers = w.timers.filter((x) => x !== t)),
      random: () => 0.5,
      fetch: /** @type {any} */ ((/** @type {string} */ url, /** @type {any} */ o) =>
        new Promise((ok, no) => {
          const { pathname, searchParams } = new URL(url);
          const r = { what: `${o.method} ${pathname}`, query: Object.fromEntries(searchParams), body: o.body, ok, no, signal: o.signal };
          o.signal?.addEventListener('abort', () => no(new Error('aborted')));
          w.asked.push(r);
          const answer = w.respond(r);
          if (answer === undefined) w.open.push(r);
          else ok(answer);
        })),
    },
    /** @param {number} ms */
    async pass(ms) {
      const end = w.now + ms;
      for (;;) {
        await settle();
        const t = w.timers.filter((x) => x.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!t) break;
        w.timers = w.timers.filter((x) => x !== t);
        w.now = Math.max(w.now, t.at);
        t.f();
      }
      w.now = end;
    },
    /** @param {Partial<import('../sdk/client.js').Options>} [o] */
    connect(o = {}) {
      return new Room({ url: 'ws://x/v1/ws', kind: 'tanks', name: 'ann', env: /** @type {any} */ (w.env), storage: storage(), memory: w.memory, ...o });
    },
    /** The oldest request of that kind that waits. @param {string} what */
    take(what) {
      const i = w.open.findIndex((r) => r.what === what);
      assert.ok(i >= 0, `no ${what} among ${w.open.map((r) => r.what)}`);
      return w.open.splice(i, 1)[0];
    },
    count: (/** @type {string} */ what) => w.asked.filter((r) => r.what === what).length,
  };
  return w;
}

const BEGIN = 'POST /v1/sessions';
const POST = 'POST /v1/sessions/s1';
const STREAM = 'GET /v1/sessions/s1/stream';
const POLL = 'GET /v1/sessions/s1/poll';
const END = 'DELETE /v1/sessions/s1';

const created = () => new Response('{"session":"s1"}', { status: 201 });
const nothing = () => new Response(null, { status: 204 });
/** @param {number} first @param {...Uint8Array} messages */
const packed = (first, ...messages) => new Response(/** @type {any} */ (encode([first, ...messages.map((m) => ({ $bin: Buffer.from(m).toString('hex') }))]).slice()));

/** A stream that the test writes to. */
function stream() {
  /** @type {any} */
  let to;
  const body = new ReadableStream({ start: (c) => void (to = c) });
  return {
    response: new Response(body),
    /** Answers a request, whose end is the stream's. @param {any} r */
    answer(r) {
      r.signal.addEventListener('abort', () => to.error(new Error('aborted')));
      r.ok(this.response);
    },
    write: (/** @type {string} */ s) => to.enqueue(new TextEncoder().encode(s)),
    message: (/** @type {number} */ n, /** @type {Uint8Array} */ m) => to.enqueue(new TextEncoder().encode(`id: ${n}\ndata: ${Buffer.from(m).toString('base64')}\n\n`)),
    end: () => to.close(),
  };
}

/** A Room that plays over a stream, since its WebSocket was refused. */
async function overStream() {
  const w = world();
  w.respond = (r) => (r.what === POST && r.body.length > 0 && readMessages(r.body)[0].kind !== INPUT ? nothing() : undefined);
  const room = w.connect();
  w.sockets[0].onclose({ code: 1006 });
  await w.pass(0);
  w.take(BEGIN).ok(created());
  await settle();
  const s = stream();
  s.answer(w.take(STREAM));
  s.write(':\n\n');
  s.message(1, welcome());
  s.message(2, encode(KEYFRAME));
  await settle();
  assert.deepEqual([room.status, room.transport, room.tick], ['playing', 'sse', 101]);
  return { w, room, s };
}

test('a WebSocket that answers needs nothing else', async () => {
  const w = world();
  const room = w.connect();
  w.sockets[0].onopen();
  w.sockets[0].onmessage({ data: welcome().slice().buffer });
  await w.pass(RUNG_MS * 2);
  assert.deepEqual([room.transport, w.asked.length, w.sockets.length, w.memory.kept.size], ['ws', 0, 1, 0]);
});

test('a WebSocket that fails is followed at once, one that is silent after a while', async () => {
  const failed = world();
  failed.connect();
  failed.sockets[0].onclose({ code: 1006 });
  await failed.pass(0);
  assert.equal(failed.count(BEGIN), 1);
  const silent = world();
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
  const w = world();
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
  const w = world();
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
    const w = world();
    const room = w.connect({ transports: ['poll'] });
    await w.pass(0);
    w.take(BEGIN).ok(new Response('{}', { status }));
    await settle();
    assert.equal(room.status, want, `after ${status}`);
  }
});

test('leaving is sent before the session is ended', async () => {
  const { w, room } = await overStream();
  room.input({ dx: 1 });
  await settle();
  const before = w.take(POST);
  room.leave();
  await settle();
  const last = w.asked.at(-1);
  assert.deepEqual([last.what, readMessages(last.body)[0].kind, last.query.seq], [POST, LEAVE, String(Number(before.query.seq) + 1)]);
  assert.equal(w.count(END), 0);
  before.ok(nothing());
  await settle();
  assert.equal(w.count(END), 1);
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
  const w = world();
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

test('a stream of which a proxy lets nothing but the head through is followed by polls', async () => {
  const w = world();
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
  const w = world();
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
  const w = world();
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
  const w = world();
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
