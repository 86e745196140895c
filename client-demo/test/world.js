// A Room whose sockets, clock and storage are the test's.

import assert from 'node:assert/strict';
import { Room } from '../sdk/client.js';
import { HELLO, readMessages } from '../sdk/wire.js';
import { encode, welcome } from './lib.js';

export const KEYFRAME = [5, 101, 0, 1, 2, 1, 0, -4, 512, 100];

/** Storage of the test's own. */
function storage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return /** @type {any} */ ({
    kept,
    getItem: (/** @type {string} */ k) => kept.get(k) ?? null,
    setItem: (/** @type {string} */ k, /** @type {string} */ v) => kept.set(k, v),
    removeItem: (/** @type {string} */ k) => kept.delete(k),
  });
}

/** A WebSocket whose server is the test. @param {string} url @param {string} protocol */
function fakeSocket(url, protocol) {
  /** @type {Uint8Array[]} */
  const sent = [];
  const s = {
    url, protocol, sent, bufferedAmount: 0, closed: false,
    send: (/** @type {Uint8Array} */ b) => void sent.push(b.slice()),
    close: () => void (s.closed = true),
    /** @type {any} */ onopen: null,
    /** @type {any} */ onclose: null,
    /** @type {any} */ onmessage: null,
  };
  return s;
}

/** A world in which time passes when the test says so. */
export function world() {
  const w = {
    now: 1000,
    random: 0.5,
    /** @type {any[]} */ sockets: [],
    /** @type {{at: number, f: () => void}[]} */ timers: [],
    /** @type {any[]} */ statuses: [],
    storage: storage(),
    memory: storage(),
    env: {
      socket: (/** @type {string} */ url, /** @type {string} */ protocol) => {
        const s = fakeSocket(url, protocol);
        w.sockets.push(s);
        return s;
      },
      now: () => w.now,
      after: (/** @type {() => void} */ f, /** @type {number} */ ms) => {
        const t = { at: w.now + (ms > 2 ** 31 - 1 ? 1 : ms), f }; // browsers count in 32 bits, and run at once what is beyond
        w.timers.push(t);
        return t;
      },
      cancel: (/** @type {any} */ t) => (w.timers = w.timers.filter((x) => x !== t)),
      random: () => w.random,
    },
    /** Runs the first timer that is due by then, if there is one. @param {number} end */
    runOne(end) {
      const t = w.timers.filter((x) => x.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!t) return false;
      w.timers = w.timers.filter((x) => x !== t);
      w.now = Math.max(w.now, t.at);
      t.f();
      return true;
    },
    /** @param {number} ms */
    pass(ms) {
      const end = w.now + ms;
      while (w.runOne(end));
      w.now = end;
    },
    get socket() {
      return w.sockets.at(-1);
    },
    /** @param {Uint8Array} b */
    receive: (b) => w.socket.onmessage({ data: b.slice().buffer }),
    /** @param {Partial<import('../sdk/client.js').Options>} [o] */
    connect(o = {}) {
      const room = new Room({ url: 'ws://x/v1/ws', kind: 'tanks', name: 'ann', env: /** @type {any} */ (w.env), storage: w.storage, memory: w.memory, ...o });
      room.on('status', (s) => w.statuses.push([s.status, s.text, s.anew]));
      return room;
    },
    /** The token and cursor of the newest hello. */
    hello() {
      const m = readMessages(w.socket.sent[0])[0];
      assert.equal(m.kind, HELLO);
      m.r.skip(4);
      return [m.r.str(256), m.r.uint(), m.r.uint()];
    },
  };
  return w;
}

/** A Room that plays over a WebSocket. @param {Partial<import('../sdk/client.js').Options>} [o] */
export function playing(o) {
  const w = world();
  const room = w.connect(o);
  w.socket.onopen();
  w.receive(welcome());
  w.receive(encode(KEYFRAME));
  return { w, room };
}
