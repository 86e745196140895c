// A server of sessions over HTTP, sockets and a clock that are the tests'.

import assert from 'node:assert/strict';
import { Room } from '../sdk/client.js';
import { INPUT, readMessages } from '../sdk/wire.js';
import { encode, welcome } from './lib.js';

export const KEYFRAME = [5, 101, 0, 1, 2, 1, 0, -4, 512, 100];

/** Lets everything happen that waits for nothing but its turn. */
export async function settle() {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

/** Storage of the test's own. */
export function storage() {
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
export function world() {
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

export const BEGIN = 'POST /v1/sessions';
export const POST = 'POST /v1/sessions/s1';
export const STREAM = 'GET /v1/sessions/s1/stream';
export const POLL = 'GET /v1/sessions/s1/poll';
export const END = 'DELETE /v1/sessions/s1';

export const created = () => new Response('{"session":"s1"}', { status: 201 });
export const nothing = () => new Response(null, { status: 204 });
/** @param {number} first @param {...Uint8Array} messages */
export const packed = (first, ...messages) => new Response(/** @type {any} */ (encode([first, ...messages.map((m) => ({ $bin: Buffer.from(m).toString('hex') }))]).slice()));

/** A stream that the test writes to. */
export function stream() {
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
export async function overStream() {
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
