// One attempt to connect, by whatever the network lets through: WebSocket at
// once, after a while posts with a stream or polls beside it. The first that the
// server answers on is used; from a lower rung it climbs back.

import { HttpSocket } from './http.js';
import { PROBE_FIRST_MS, PROBE_MS, RACE_MS, REMEMBER_MS, RUNG_MS, SUBPROTOCOL } from './limits.js';

/** @typedef {'ws' | 'sse' | 'poll'} Transport */

/**
 * @typedef {object} Socket a WebSocket, or what looks like one
 * @property {number} bufferedAmount
 * @property {(bytes: Uint8Array) => void} send
 * @property {(code?: number) => void} close
 * @property {any} onopen
 * @property {any} onmessage
 * @property {any} onclose
 * @property {Transport} [name] of an HttpSocket
 */

/**
 * @typedef {object} Feet what a Ladder stands on
 * @property {string} url of the WebSocket
 * @property {Transport[]} transports that may be used
 * @property {import('./client.js').Environment} env
 * @property {Storage | null} memory remembers the rung for the next page
 */

/**
 * @typedef {object} Climber who is told
 * @property {() => Uint8Array | null} hello makes the first message; null when there is none to make
 * @property {() => Uint8Array | null} goodbye what to say on a connection that the server may have given a seat to in vain
 * @property {(data: any) => void} message
 * @property {(code: number) => void} close the attempt failed, or the connection broke
 */

/** One connection, over all its rungs. */
export class Ladder {
  /** @param {Feet} feet @param {Climber} climber */
  constructor(feet, climber) {
    /** @private @type {Feet} */
    this.feet = feet;
    /** @private @type {Climber} */
    this.climber = climber;
    /** @private @type {Map<Socket, {ws: boolean, greeted: boolean, reached?: () => void}>} */
    this.tries = new Map();
    /** @private @type {Socket | null} that the server answered on */
    this.used = null;
    /** @private @type {Socket | null} that is left for a better one as soon as that is answered on */
    this.left = null;
    /** @private @type {Uint8Array | null} */
    this.greeting = null;
    /** @private */
    this.raced = -Infinity; // when it was last answered on one of several
    /** How long servers that refused ask to wait, in milliseconds, 0 for nothing. */
    this.retryMs = 0;
    /** @private */
    this.timer = /** @type {any} */ (null);
    /** @private */
    this.closed = false;
    /** @private */
    this.climbs = 0;
    this.begin();
  }

  /** @private */
  begin() {
    const http = this.mayUse('sse') || this.mayUse('poll');
    const last = http ? this.recall() : '';
    if (last || !this.mayUse('ws')) {
      this.tryHttp(last !== 'poll' || !this.mayUse('poll'));
      return;
    }
    this.tryWebSocket();
    if (http) this.timer = this.feet.env.after(() => this.tryHttp(), RUNG_MS);
  }

  /** What is used, 'ws' until that is known. @returns {Transport} */
  get transport() {
    return (this.used ?? this.left)?.name ?? 'ws';
  }

  get bufferedAmount() {
    return this.used?.bufferedAmount ?? 0;
  }

  /** @param {Uint8Array} bytes */
  send(bytes) {
    this.used?.send(bytes);
  }

  /** Sends by every way by which the server may have given a seat. @param {Uint8Array | null} bytes */
  sayAll(bytes) {
    if (!bytes) return;
    for (const s of [this.used, this.left]) s?.send(bytes);
    for (const [s, t] of this.tries) if (t.greeted) s.send(bytes);
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.feet.env.cancel(this.timer);
    for (const s of [...this.tries.keys(), this.used, this.left]) if (s) shut(s);
  }

  /** Whether an older connection of this attempt may just have taken the seat from this one. */
  mayBeReplaced() {
    return this.feet.env.now() - this.raced < RACE_MS;
  }

  /**
   * Tries a WebSocket to another address, and leaves what is used for it as soon as
   * that is answered on. Nothing happens if it does not get through.
   * @param {string} url
   * @param {() => void} reached
   */
  near(url, reached) {
    if (this.closed || !this.used || !this.mayUse('ws') || [...this.tries.values()].some((t) => t.reached)) return;
    try {
      this.tryWebSocket(url, reached);
    } catch {
      // Browsers refuse some addresses outright, as one without TLS to a page with it.
    }
  }

  /** @param {Transport} t @private */
  mayUse(t) {
    return this.feet.transports.includes(t) && (t === 'ws' || this.feet.env.fetch !== undefined);
  }

  /** @param {string} [url] @param {() => void} [reached] @private */
  tryWebSocket(url = this.feet.url, reached = undefined) {
    const socket = this.feet.env.socket(url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.watch(socket, true, reached);
  }

  /** @param {boolean} [streams] whether streams may get through @private */
  tryHttp(streams = true) {
    this.feet.env.cancel(this.timer);
    this.timer = null;
    const url = new URL('sessions', this.feet.url.replace(/^ws/, 'http')).href;
    const web = /** @type {import('./http.js').Web} */ (this.feet.env);
    this.watch(new HttpSocket(url, web, { stream: streams && this.mayUse('sse'), poll: this.mayUse('poll') }), false);
  }

  /** @param {Socket} socket @param {boolean} ws @param {() => void} [reached] @private */
  watch(socket, ws, reached) {
    this.tries.set(socket, { ws, greeted: false, reached });
    socket.onopen = () => !this.closed && this.onOpen(socket);
    socket.onmessage = (/** @type {any} */ e) => !this.closed && this.onMessage(socket, e.data);
    socket.onclose = (/** @type {any} */ e) => !this.closed && this.onClose(socket, e.code, e.retryMs);
  }

  /** @param {Socket} socket @private */
  onOpen(socket) {
    const t = this.tries.get(socket);
    if (!t) return;
    if (this.used) {
      // What comes from now on by the old way would be missing on the new one.
      this.left = this.used;
      this.used = null;
      this.greeting = null;
      this.feet.env.cancel(this.timer);
      this.timer = this.feet.env.after(() => this.fail(1006), RUNG_MS);
    }
    this.greeting ??= this.climber.hello();
    if (!this.greeting) return;
    t.greeted = true;
    socket.send(this.greeting);
  }

  /** @param {Socket} socket @param {any} data @private */
  onMessage(socket, data) {
    if (this.tries.has(socket)) this.use(socket);
    if (this.used === socket) this.climber.message(data);
  }

  /** Uses a socket: the server answered on it. @param {Socket} socket @private */
  use(socket) {
    const { ws, reached } = /** @type {{ws: boolean, reached?: () => void}} */ (this.tries.get(socket));
    reached?.();
    this.feet.env.cancel(this.timer);
    this.tries.delete(socket);
    this.used = socket;
    this.retryMs = 0;
    if (this.left) shut(this.left);
    this.left = null;
    for (const [other, t] of this.tries) {
      if (!t.greeted && (t.reached || !ws)) continue; // a WebSocket that is on its way yet is climbed to
      this.tries.delete(other);
      if (t.greeted) {
        this.raced = this.feet.env.now();
        const goodbye = this.climber.goodbye();
        if (goodbye) other.send(goodbye);
      }
      shut(other);
    }
    this.remember(socket);
    if (!ws && this.tries.size === 0) this.climbLater();
  }

  /** @private */
  climbLater() {
    if (!this.mayUse('ws')) return;
    this.timer = this.feet.env.after(() => this.tryWebSocket(), this.climbs++ === 0 ? PROBE_FIRST_MS : PROBE_MS);
  }

  /** @param {Socket} socket @param {number} code @param {number} [retryMs] of an HttpSocket @private */
  onClose(socket, code, retryMs = 0) {
    this.retryMs = Math.max(this.retryMs, retryMs);
    const t = this.tries.get(socket);
    this.tries.delete(socket);
    if (this.used && this.used !== socket) {
      if (t && !t.reached) this.climbLater(); // nothing better yet
      return;
    }
    if (socket === this.left && [...this.tries.values()].some((o) => o.greeted)) {
      this.left = null; // the seat is the new one's already
      return;
    }
    if (this.used || this.left) return this.fail(code);
    if (t?.ws && this.timer) return this.tryHttp();
    if (this.tries.size === 0) this.fail(code);
  }

  /** @param {number} code @private */
  fail(code) {
    this.close();
    this.climber.close(code);
  }

  /** @private */
  key() {
    return `roomd transport ${this.feet.url}`;
  }

  /** What got through lately where WebSocket did not: sse, poll or nothing. @private */
  recall() {
    try {
      const [at, by] = (this.feet.memory?.getItem(this.key()) ?? '').split(' ');
      return by && Date.now() - Number(at) < REMEMBER_MS ? by : '';
    } catch {
      return ''; // forbidden by the browser's settings
    }
  }

  /** @param {Socket} socket that was answered on @private */
  remember(socket) {
    try {
      if (socket instanceof HttpSocket) this.feet.memory?.setItem(this.key(), `${Date.now()} ${socket.reads.stream ? 'sse' : 'poll'}`);
      else this.feet.memory?.removeItem(this.key());
    } catch {
      // Full or forbidden: the next page waits for a WebSocket again.
    }
  }
}

/** @param {Socket} socket */
function shut(socket) {
  socket.onopen = socket.onmessage = socket.onclose = null;
  try {
    socket.close(1000);
  } catch {
    // A socket that never opened may refuse; it is let go all the same.
  }
}
