// A seat in a room: connects, resumes after a broken connection or a reload, and
// joins anew when the room is gone.

import { Seat, memoryOf } from './keep.js';
import { Ladder } from './ladder.js';
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BACKLOG_MS, CONNECT_MS, MAX_BUFFERED, MAX_HOPS, MAX_TIMER_MS, PING_MS, SILENCE_MS } from './limits.js';
import { Link } from './link.js';
import { ProtocolError } from './msgpack.js';
import { BYES, BYE_MOVED, BYE_REPLACED, RESYNC_BACKLOG, byeAction, closeAction } from './wire.js';

/** @typedef {import('./schema.js').Row} Row */
/** @typedef {'connecting' | 'playing' | 'reconnecting' | 'closed'} Status */

/**
 * @typedef {object} Options
 * @property {string} [url] ws:// or wss:// address; the page's own server by default
 * @property {string} [kind] which game; empty for the server's first
 * @property {string} [room] empty for any with a free seat
 * @property {string} [name] what to call the player
 * @property {string} [auth] for the game's own backend
 * @property {boolean} [spectate] watch without a seat
 * @property {{[key: string]: string}} [params]
 * @property {import('./ladder.js').Transport[]} [transports] ways to connect: all of ws, sse and poll by default
 * @property {boolean} [stay] keeps the way that got through, although the room is at another node
 * @property {Storage | null} [storage] keeps the seat over a reload; sessionStorage by default
 * @property {Storage | null} [memory] remembers which way got through; localStorage by default
 * @property {Environment} [env] for tests
 */

/**
 * @typedef {object} Environment what a Room needs of the world
 * @property {(url: string, protocol: string) => any} socket makes a WebSocket
 * @property {() => number} now milliseconds
 * @property {(f: () => void, ms: number) => any} after setTimeout
 * @property {(id: any) => void} cancel clearTimeout
 * @property {() => number} random 0 to 1
 * @property {typeof fetch} [fetch] for networks that let no WebSocket through
 * @property {LockManager} [locks] shared by the tabs of an origin
 * @property {(f: () => void) => () => void} [unload] has f called when the page goes away; returns what ends that
 */

/** @returns {Environment} */
function browser() {
  return {
    socket: (url, protocol) => new WebSocket(url, protocol),
    now: () => performance.now(),
    after: (f, ms) => setTimeout(f, ms),
    cancel: (id) => clearTimeout(id),
    random: Math.random,
    fetch: (url, o) => fetch(url, o),
    locks: globalThis.navigator?.locks,
    unload: (f) => {
      addEventListener('pagehide', f);
      return () => removeEventListener('pagehide', f);
    },
  };
}

/**
 * What a Room tells, by name of the event:
 * - status {status, text, anew}: anew says that the seat held before was lost
 * - welcome {seat, room, tickRate, resumed}
 * - state {tick, changes, keyframe}, after it
 * - event {tick, name, data} for each event of the game
 * - stalled {}: the room stands still until the next state, and nothing is lost
 * - reset {}: the room is back from an earlier state: what was predicted is of no use
 * - bye {code, name, text}
 * @typedef {'status' | 'welcome' | 'state' | 'event' | 'stalled' | 'reset' | 'bye'} Topic
 */

/** One seat, or a spectator's place. */
export class Room {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    this.env = options.env ?? browser();
    /** @type {Status} */
    this.status = 'connecting';
    this.text = '';
    this.tickRate = 0;
    this.rtt = NaN; // milliseconds
    this.bytes = 0; // received
    this.anew = 0; // seats lost and joined anew
    /** @private */
    this.kept = new Seat(options);
    /** @private @type {Map<string, Set<(e: any) => void>>} */
    this.listeners = new Map();
    /** @private */
    this.link = new Link({
      send: (bytes) => (this.greeting ? this.greeting.push(bytes.slice()) : this.socket?.send(bytes)),
      welcome: (w) => this.onWelcome(w),
      state: (tick, changes, events, keyframe) => {
        this.emit('state', { tick, changes, keyframe });
        for (const e of events) this.emit('event', e);
      },
      pong: (t) => (this.rtt = this.rttOf(this.env.now() - t)),
      reset: () => this.emit('reset', {}),
      stalled: () => this.emit('stalled', {}),
      moved: (url) => this.onMoved(url),
      bye: (code, text, retryMs) => this.onBye(code, text, retryMs),
    });
    /** @private @type {Ladder | null} */
    this.socket = null;
    /** @private @type {Uint8Array[] | null} where the link writes what is not to be sent yet */
    this.greeting = null;
    /** @private */
    this.timers = { retry: null, watch: null };
    /** @private since the last connection that lasted */
    this.attempt = 0;
    /** @private when this connection was welcomed */
    this.since = Infinity;
    /** @private when the server was last heard, and watch last ran */
    this.heard = 0;
    /** @private */
    this.watched = 0;
    /** @private */
    this.pinged = 0;
    /** @private @type {{action: import('./wire.js').Action, retryMs: number, text: string, follow?: boolean} | null} */
    this.verdict = null;
    /** @private */
    this.lost = false; // the next welcome is of a new seat
    /** @private @type {{url: string, room: string, hops: number}} where the server sent this client */
    this.moved = { url: '', room: '', hops: 0 };
    this.link.token = this.kept.load();
    this.open();
  }

  /** The rows, by table name, and null before the first welcome. */
  get state() {
    return this.link.state;
  }
  get seat() {
    return this.link.seat;
  }
  get room() {
    return this.link.room;
  }
  get tick() {
    return this.link.tick;
  }
  /** The newest input that the state holds. */
  get ack() {
    return this.link.ack;
  }
  /** Quarter ticks that the newest input waited at the server, -1 when it had none. */
  get slack() {
    return this.link.slack;
  }

  /** Where the room is reached, or was last. */
  get address() {
    return this.url();
  }

  /** How the messages come: ws, sse or poll. */
  get transport() {
    return this.socket?.transport ?? 'ws';
  }

  /**
   * @param {Topic} topic
   * @param {(e: any) => void} f
   * @returns {() => void} ends it
   */
  on(topic, f) {
    const set = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, set.add(f));
    return () => set.delete(f);
  }

  /** @param {Topic} topic @param {any} e @private */
  emit(topic, e) {
    for (const f of this.listeners.get(topic) ?? []) {
      if (this.status === 'closed' && e.status !== 'closed') return; // by the listener before
      try {
        f(e);
      } catch (thrown) {
        // The game's own mistake, which the page is to hear of, but behind what the message goes on to say.
        this.env.after(() => {
          throw thrown;
        }, 0);
      }
    }
  }

  /**
   * Sends the input of one tick. It returns the input's sequence, 0 when it was
   * not sent since there is no connection or it does not keep up. Games that
   * steer call it in each tick (see InputClock), games of turns when the player
   * acts: pings do not wake a room that sleeps, inputs do.
   * @param {Row} input
   * @param {number} [seen] the tick that the player saw, the newest by default
   */
  input(input, seen = this.link.tick) {
    if (this.status !== 'playing' || !this.socket || this.socket.bufferedAmount > MAX_BUFFERED) return 0;
    return this.link.input(input, Math.round(seen));
  }

  /** Asks for the whole state: a tab that slept is far behind. */
  catchUp() {
    if (this.status === 'playing') this.link.resync(this.env.now(), RESYNC_BACKLOG);
  }

  /** Gives up the seat and ends. */
  leave() {
    this.socket?.sayAll(this.capture(() => this.link.leave()));
    this.forget();
    this.end('left');
  }

  /** Ends without giving up the seat, which the server keeps for a while. */
  close() {
    this.end('closed');
  }

  /** @param {string} text @private */
  end(text) {
    this.drop();
    this.env.cancel(this.timers.retry);
    this.turn('closed', text);
  }

  /** @param {Status} status @param {string} [text] @param {boolean} [anew] @private */
  turn(status, text = '', anew = false) {
    if (this.status === 'closed') return; // for good
    this.status = status;
    this.text = text;
    this.emit('status', { status, text, anew });
  }

  /** @private */
  open() {
    this.verdict = null;
    try {
      this.socket = new Ladder(
        { url: this.url(), transports: this.options.transports ?? ['ws', 'sse', 'poll'], env: this.env, memory: memoryOf(this.options) },
        {
          hello: () => this.hello(),
          goodbye: () => (this.link.token ? null : this.capture(() => this.link.leave())),
          message: (data) => this.onMessage(data),
          close: (code) => this.onClose(code),
        },
      );
    } catch (e) {
      if (!this.moved.url) throw e; // the page's own mistake
      return this.onClose(1006); // the server's: there is nobody at such an address
    }
    this.heard = this.watched = this.env.now();
    this.watch();
  }

  /** @private */
  url() {
    if (this.moved.url) return this.moved.url;
    if (this.options.url) return this.options.url;
    return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`;
  }

  /** What the link would send. @param {() => void} f @returns {Uint8Array | null} @private */
  capture(f) {
    this.greeting = [];
    try {
      f();
      return this.greeting[0] ?? null;
    } finally {
      this.greeting = null;
    }
  }

  /** @returns {Uint8Array | null} @private */
  hello() {
    const o = this.options;
    try {
      return this.capture(() => this.link.hello({
        kind: o.kind ?? '', room: this.moved.room || (o.room ?? ''), name: o.name ?? '', auth: o.auth ?? '',
        spectate: o.spectate ?? false, params: o.params ?? {},
      }));
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
      this.fail(e.message); // another attempt would say the same
      return null;
    }
  }

  /** @param {any} data @private */
  onMessage(data) {
    this.heard = this.env.now();
    if (!(data instanceof ArrayBuffer)) return this.fail('the server sent text');
    this.bytes += data.byteLength;
    try {
      this.link.receive(new Uint8Array(data), this.heard);
    } catch (e) {
      if (!(e instanceof ProtocolError)) throw e;
      this.fail(e.message);
    }
  }

  /** Ends for good: who does not keep to the protocol will not do so later. @param {string} text @private */
  fail(text) {
    if (this.status === 'closed') return; // by a listener: the seat is kept
    this.verdict = { action: 'stop', retryMs: 0, text };
    this.drop();
    this.settle();
  }

  /** @param {import('./wire.js').Welcome} w @private */
  onWelcome(w) {
    this.tickRate = w.tickRate;
    this.rest();
    this.since = this.env.now();
    const anew = this.lost;
    this.lost = false;
    if (anew) this.anew++;
    this.kept.save(w.token);
    this.emit('welcome', { seat: w.seat, room: w.room, tickRate: w.tickRate, resumed: w.resumed });
    const text = anew ? 'joined anew' : w.resumed && this.status !== 'playing' ? 'resumed' : '';
    this.turn('playing', text, anew); // who climbs to a better transport was playing all the time
    this.ping();
  }

  /** @param {number} code @param {string} text @param {number} retryMs @private */
  onBye(code, text, retryMs) {
    const known = BYES[code] ?? BYES[0];
    this.verdict = { action: byeAction(code, retryMs), retryMs, text: text || known.text };
    if (code === BYE_MOVED) this.verdict.follow = this.follow(text);
    if (code === BYE_REPLACED && this.socket?.mayBeReplaced()) this.verdict.action = 'retry';
    this.emit('bye', { code, name: known.name, text: this.verdict.text });
  }

  /** Forgets earlier attempts once a connection has lasted: a welcome alone may be the beginning of the next failure. @private */
  rest() {
    if (this.env.now() - this.since < BACKOFF_MAX_MS) return;
    this.attempt = this.moved.hops = 0;
    this.since = Infinity;
  }

  /** Goes to the address that a bye names, if it can. @param {string} text @private */
  follow(text) {
    this.rest();
    const to = address(text);
    if (!to || this.moved.hops >= MAX_HOPS) return false;
    this.moved = { ...to, hops: this.moved.hops + 1 };
    this.attempt = 0;
    return true;
  }

  /** Goes nearer to the room, if that is possible; else all stays as it is. @param {string} text @private */
  onMoved(text) {
    this.rest();
    const to = this.options.stay ? null : address(text);
    if (!to || this.moved.hops >= MAX_HOPS) return;
    this.socket?.near(to.url, () => (this.moved = { ...to, hops: this.moved.hops + 1 }));
  }

  /** @param {number} code @private */
  onClose(code) {
    this.verdict ??= { action: closeAction(code), retryMs: this.socket?.retryMs ?? 0, text: '' };
    this.drop();
    this.settle();
  }

  /** Lets go of the socket. @private */
  drop() {
    this.socket?.close();
    this.socket = null;
    this.link.welcomed = false;
    this.env.cancel(this.timers.watch);
  }

  /** Does what the end of a connection asks for. @private */
  settle() {
    const v = this.verdict ?? { action: 'retry', retryMs: 0, text: '' };
    if (v.action === 'stop') {
      this.forget();
      this.turn('closed', v.text);
      return;
    }
    if (v.action === 'anew') {
      this.lost ||= this.link.token !== '';
      this.forget();
    }
    this.rest();
    this.since = Infinity;
    // Full jitter: clients that lost the same server must not return at once.
    let most = Math.min(BACKOFF_FIRST_MS * 2 ** this.attempt++, BACKOFF_MAX_MS);
    if (v.retryMs > 0) most = Math.min(most, v.retryMs / 2); // the server knows better
    if (this.attempt > 1) this.moved.url = ''; // gone from there too
    if (v.action === 'anew' && this.attempt === 1) most = 0;
    const wait = v.follow ? 0 : Math.min(v.retryMs + most * this.env.random(), MAX_TIMER_MS);
    this.timers.retry = this.env.after(() => this.open(), wait); // a listener may close the room
    this.turn('reconnecting', v.text);
  }

  /** @private */
  watch() {
    const now = this.env.now();
    const limit = this.status === 'playing' ? SILENCE_MS : CONNECT_MS;
    // Timers of hidden tabs hardly run: what was not asked was not left unanswered.
    if (now - this.watched > 2 * PING_MS) this.heard = Math.max(this.heard, now - limit / 2);
    this.watched = now;
    if (now - this.heard > limit) {
      this.verdict ??= { action: 'retry', retryMs: this.socket?.retryMs ?? 0, text: '' };
      this.drop();
      this.settle();
      return;
    }
    if (this.link.welcomed && now - this.pinged >= PING_MS) this.ping();
    this.timers.watch = this.env.after(() => this.watch(), PING_MS / 4);
  }

  /** @private */
  ping() {
    this.pinged = this.env.now();
    this.link.ping(0, Math.round(this.pinged));
  }

  /** @param {number} sample @private */
  rttOf(sample) {
    return Number.isNaN(this.rtt) ? sample : this.rtt + (sample - this.rtt) / 4;
  }

  /** @private */
  forget() {
    this.link.forget();
    this.kept.forget();
  }
}

/** What a server says of a room elsewhere (section 9.7). @param {string} text */
function address(text) {
  try {
    const url = new URL(text);
    if (!/^wss?:$/.test(url.protocol)) return null;
    const room = url.searchParams.get('room') ?? '';
    url.search = '';
    return { url: url.href, room };
  } catch {
    return null;
  }
}

/**
 * Takes a seat. The Room keeps it until leave, close or a bye that is final.
 * @param {Options} [options]
 */
export function connect(options = {}) {
  return new Room(options);
}

export { BACKLOG_MS };
