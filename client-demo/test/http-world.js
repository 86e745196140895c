// A world whose server of sessions over HTTP is the test's too.

import assert from 'node:assert/strict';
import { INPUT, readMessages } from '../sdk/wire.js';
import { encode, welcome } from './lib.js';
import { KEYFRAME, world } from './world.js';

/** Lets everything happen that waits for nothing but its turn. */
export async function settle() {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

/**
 * A world with a server of sessions over HTTP. Requests wait in open until the
 * test answers them, but for those that respond takes.
 */
export function httpWorld() {
  const base = world();
  const w = Object.assign(base, {
    /** @type {any[]} */ open: [],
    /** @type {any[]} */ asked: [],
    /** @type {(r: any) => any} */ respond: () => undefined,
    env: {
      ...base.env,
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
      do await settle();
      while (w.runOne(end));
      w.now = end;
    },
    /** The oldest request of that kind that waits. @param {string} what */
    take(what) {
      const i = w.open.findIndex((r) => r.what === what);
      assert.ok(i >= 0, `no ${what} among ${w.open.map((r) => r.what)}`);
      return w.open.splice(i, 1)[0];
    },
    count: (/** @type {string} */ what) => w.asked.filter((r) => r.what === what).length,
  });
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
  const w = httpWorld();
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
