// A connection without WebSocket: messages go up in numbered posts and come down
// by a stream or by polls (PROTOCOL.md section 17). To a Room it looks like a
// WebSocket.

import {
  ACK_MS, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BRIEF_MS, CONNECT_MS, MAX_BATCH, MAX_FAILURES, MAX_POST, MAX_RETRY_AFTER_MS, MAX_SERVER_MESSAGE,
  MAX_STREAMS, POLL_S, POST_MS, RUNG_MS, SLOT_MS,
} from './limits.js';
import { ProtocolError, Reader } from './msgpack.js';

/**
 * @typedef {object} Web what an HttpSocket needs of the world
 * @property {typeof fetch} fetch
 * @property {LockManager} [locks] shared by the tabs of an origin; undefined where browsers have none
 * @property {(f: () => void, ms: number) => any} after setTimeout
 * @property {(id: any) => void} cancel clearTimeout
 * @property {() => number} now milliseconds
 * @property {() => number} random 0 to 1
 * @property {(f: () => void) => () => void} [unload] has f called when the page goes away; returns what ends that
 */

/** Answers after which the session, or the right to one, is gone for good. */
const FATAL = new Set([400, 403, 413]);

/** @typedef {{status: number, retryMs: number}} Answer retryMs is how long the server asks to wait, 0 for nothing */
/** @typedef {{seq: number, body: Uint8Array, answer: Promise<Answer | null>}} Post */

/** Whether the server says that it has what was posted. @param {{status: number} | null} r */
const taken = (r) => r !== null && r.status < 300;

/** One session over fetch. */
export class HttpSocket {
  /**
   * @param {string} url of the sessions
   * @param {Web} web
   * @param {{stream: boolean, poll: boolean}} reads by which ways messages may come down
   */
  constructor(url, web, reads) {
    this.url = url;
    this.web = web;
    this.reads = { ...reads };
    /** How messages come down now. @type {'sse' | 'poll'} */
    this.name = reads.stream ? 'sse' : 'poll';
    this.bufferedAmount = 0;
    this.onopen = () => {};
    this.onmessage = (/** @type {{data: ArrayBuffer}} */ _) => {};
    this.onclose = (/** @type {{code: number, retryMs: number}} */ _) => {};
    /** @private */
    this.session = '';
    /** @private newest message that was taken */
    this.got = 0;
    /** @private of the newest post */
    this.seq = 0;
    /** @private */
    this.under = /** @type {Post | null} */ (null); // the post that the server has not said to have
    /** @private when the server was last told what was taken */
    this.told = 0;
    /** @private @type {Uint8Array[]} */
    this.queue = [];
    /** @private */
    this.failures = 0; // in a row, of reads
    /** @private */
    this.cuts = 0; // streams that ended soon
    /** @private */
    this.began = false;
    /** @private */
    this.closed = false;
    /** @private */
    this.gone = new AbortController();
    /** @private @type {(() => void) | null} gives back the place for a request that stays open */
    this.release = null;
    /** @private A page that comes back finds no session, and connects anew. */
    this.stay = web.unload?.(() => this.delete());
    web.after(() => this.closed || this.onopen(), 0);
  }

  /** Sends messages, the hello first. @param {Uint8Array} bytes copied */
  send(bytes) {
    if (this.closed) return;
    if (!this.began) {
      this.began = true;
      this.begin(bytes.slice());
      return;
    }
    this.queue.push(bytes.slice());
    this.bufferedAmount += bytes.length;
    this.pump(false);
  }

  /** Ends, behind what was sent, without telling onclose. The server keeps the seat for a while. */
  close() {
    if (this.stop() && this.session) this.finish();
  }

  /**
   * Posts what waits, behind the post under way: the server refuses one that leaves
   * a gap, and it may be the one that gives up the seat.
   * @private
   */
  async finish() {
    const { under } = this;
    // A page that goes away cannot wait: it goes on as if the answer were there.
    let stay = () => {};
    const away = new Promise((/** @type {(r: {status: number}) => void} */ done) => (stay = this.web.unload?.(() => done({ status: 204 })) ?? stay));
    if (under) {
      const r = await Promise.race([under.answer, away]);
      if (this.queue.length > 0 && !taken(r)) await Promise.race([this.post(under.seq, under.body), away]);
    }
    stay();
    while (this.queue.length > 0) await this.post(++this.seq, this.takeQueue());
    this.delete();
  }

  /** @private */
  delete() {
    if (this.session) this.web.fetch(this.session, { method: 'DELETE', keepalive: true }).catch(() => {}); // it will notice by itself
  }

  /** @private @returns {boolean} whether it was open */
  stop() {
    if (this.closed) return false;
    this.closed = true;
    this.gone.abort();
    this.stay?.();
    this.release?.();
    this.release = null;
    return true;
  }

  /** @param {Answer | null} r that ended it, if one did @private */
  end(r) {
    if (this.stop()) this.onclose({ code: r && FATAL.has(r.status) ? 1008 : 1006, retryMs: r?.retryMs ?? 0 });
  }

  /**
   * Asks, has the answer read, and gives up after ms: the body of an answer may be
   * held back as well as its head. It answers null when not all of it came.
   * @template T
   * @param {string} method
   * @param {string} url
   * @param {{body?: Uint8Array, ms?: number, signal?: AbortSignal}} o
   * @param {(r: Response) => Promise<T>} read
   * @returns {Promise<Answer & {read: T} | null>}
   * @private
   */
  async ask(method, url, { body, ms = 0, signal }, read) {
    const limit = new AbortController();
    const abort = () => limit.abort();
    const timer = ms > 0 ? this.web.after(abort, ms) : null;
    signal?.addEventListener('abort', abort);
    try {
      const headers = body ? { 'Content-Type': 'application/msgpack' } : undefined;
      // A post outlives its page: it may be the last, with which a seat is given up.
      const keepalive = body !== undefined;
      const r = await this.web.fetch(url, { method, headers, body: /** @type {any} */ (body), keepalive, signal: limit.signal, cache: 'no-store' });
      return { status: r.status, retryMs: retryAfter(r), read: await read(r) };
    } catch {
      return null; // no network, too slow, or broken off
    } finally {
      this.web.cancel(timer);
      signal?.removeEventListener('abort', abort);
      abort(); // a body that nobody wanted would keep its connection
    }
  }

  /** @param {number} ms @private */
  pause(ms) {
    return new Promise((done) => this.web.after(() => done(null), ms));
  }

  /** A wait after the nth failure in a row, with full jitter. @param {number} n @private */
  backOff(n) {
    return this.pause(Math.min(BACKOFF_FIRST_MS * 2 ** n, BACKOFF_MAX_MS) * this.web.random());
  }

  /** @param {Uint8Array} hello @private */
  async begin(hello) {
    // Not cut short by close: the session that it makes would stay.
    const r = await this.ask('POST', this.url, { body: hello, ms: CONNECT_MS }, async (a) =>
      a.status === 201 ? JSON.parse(new TextDecoder().decode(await readAll(a, MAX_POST))) : null);
    if (!r?.read) return this.end(r);
    this.session = `${this.url}/${r.read.session}`;
    if (this.closed) {
      this.closed = false;
      this.close();
      return;
    }
    this.read();
    this.pump(false);
  }

  /**
   * Posts what waits, one post at a time; and, if it must, that nothing does.
   * @param {boolean} must
   * @private
   */
  async pump(must) {
    if (this.under || this.closed || !this.session || (this.queue.length === 0 && !must)) return;
    const body = this.takeQueue();
    const seq = ++this.seq;
    for (let n = 0; !this.closed; n++) {
      this.told = this.web.now();
      this.under = { seq, body, answer: this.post(seq, body) };
      const r = await this.under.answer;
      if (taken(r)) break;
      if (this.closed || n >= MAX_FAILURES || (r && r.status < 500)) return this.end(r);
      await this.backOff(n); // the same post again: the server counts it once
    }
    this.under = null;
    this.pump(false);
  }

  /** @param {number} seq @param {Uint8Array} body @private */
  post(seq, body) {
    return this.ask('POST', `${this.session}?seq=${seq}&after=${this.got}`, { body, ms: POST_MS }, (r) => this.takeBatch(r));
  }

  /** @private */
  takeQueue() {
    let n = 0;
    let size = 0;
    while (n < this.queue.length && (n === 0 || size + this.queue[n].length <= MAX_POST)) size += this.queue[n++].length;
    const body = new Uint8Array(size);
    let at = 0;
    for (const b of this.queue.splice(0, n)) {
      body.set(b, at);
      at += b.length;
    }
    this.bufferedAmount -= size;
    return body;
  }

  /** Gives messages to the Room, in order and each once. @param {number} number @param {Uint8Array} message @private */
  deliver(number, message) {
    if (this.closed || number <= this.got) return;
    if (number !== this.got + 1) throw new ProtocolError('a message was left out'); // it is asked for again
    this.got = number;
    this.failures = 0;
    this.onmessage({ data: /** @type {ArrayBuffer} */ (message.slice().buffer) });
  }

  /** Takes what an answer brings; what breaks off will come again. @param {Response} r with packed messages, or 204 @private */
  async takeBatch(r) {
    if (r.status !== 200) return;
    const reader = new Reader(await readAll(r, MAX_BATCH));
    const n = reader.array() - 1;
    const first = reader.uint();
    for (let i = 0; i < n; i++) this.deliver(first + i, reader.bin(MAX_SERVER_MESSAGE));
  }

  /** Keeps one request open that brings messages, until the end. @private */
  async read() {
    while (!this.closed) {
      this.release ??= await takePlace(this.web.locks);
      if (this.closed) return this.release?.();
      let ok;
      if (!this.release) ok = await this.brief();
      else if (this.reads.stream) ok = await this.stream();
      else ok = await this.poll(POLL_S);
      if (this.closed) return;
      if (!ok && ++this.failures > MAX_FAILURES) return this.end(null);
      if (!ok) await this.backOff(this.failures);
    }
  }

  /** @param {number} wait seconds @returns {Promise<boolean>} @private */
  async poll(wait) {
    this.name = 'poll';
    const { got } = this;
    const began = this.web.now();
    const url = `${this.session}/poll?after=${this.got}&wait=${wait}`;
    const r = await this.ask('GET', url, { ms: wait * 1000 + POST_MS, signal: this.gone.signal }, (a) => this.takeBatch(a));
    if (r && r.status >= 300 && r.status < 500) this.end(r);
    // Who waits and is answered with nothing at once, by whoever, would ask for ever.
    const early = wait > 0 && this.got === got && this.web.now() - began < BRIEF_MS;
    return r !== null && r.status < 300 && !early;
  }

  /**
   * Polls that do not wait, for a while: browsers open six connections to an
   * origin over HTTP/1.1, and other tabs have those that may stay open.
   * @returns {Promise<boolean>}
   * @private
   */
  async brief() {
    const until = this.web.now() + SLOT_MS;
    while (!this.closed && this.web.now() < until) {
      if (!(await this.poll(0))) return false;
      await this.pause(BRIEF_MS);
    }
    return true;
  }

  /** Reads a stream to its end. Where none gets through, polls follow. @returns {Promise<boolean>} @private */
  async stream() {
    this.name = 'sse';
    const cut = new AbortController();
    const abort = () => cut.abort();
    this.gone.signal.addEventListener('abort', abort);
    const timer = this.web.after(abort, RUNG_MS); // a proxy may hold everything back
    const began = this.web.now();
    let flows = false;
    const r = await this.ask('GET', `${this.session}/stream?after=${this.got}`, { signal: cut.signal }, async ({ ok, body }) => {
      if (!ok || !body) return;
      const events = new EventParser((id, data) => this.deliver(id, data));
      const reader = body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (!flows) this.web.cancel(timer);
        flows = true;
        events.push(value);
        if (this.web.now() - this.told > ACK_MS) this.pump(true);
      }
    });
    this.web.cancel(timer);
    this.gone.signal.removeEventListener('abort', abort);
    if (r?.status === 404 || r?.status === 410) {
      this.end(r);
      return false;
    }
    if (this.closed || (flows && this.web.now() - began >= BACKOFF_MAX_MS)) return true;
    if (flows && ++this.cuts <= MAX_FAILURES) return false;
    this.lowerToPolls();
    return true;
  }

  /** @private */
  lowerToPolls() {
    if (!this.reads.poll) return this.end(null);
    this.reads.stream = false;
    this.failures = 0;
  }
}

/** What an answer says to wait for (RFC 9110 section 10.2.3), in seconds: dates would need the server's clock. @param {Response} r */
function retryAfter(r) {
  const seconds = r.headers.get('Retry-After') ?? '';
  return /^\d+$/.test(seconds) ? Math.min(1000 * Number(seconds), MAX_RETRY_AFTER_MS) : 0;
}

/**
 * Takes one of the places that the tabs of an origin have for requests that stay
 * open. It answers what gives the place back, null when there is none.
 * @param {LockManager | undefined} locks
 * @returns {Promise<(() => void) | null>}
 */
async function takePlace(locks) {
  if (!locks) return () => {};
  for (let i = 0; i < MAX_STREAMS; i++) {
    /** @type {(() => void) | null} */
    const release = await new Promise((found) => {
      locks
        .request(`roomd stream ${i}`, { ifAvailable: true }, (lock) => (lock ? new Promise((done) => found(() => done(null))) : found(null)))
        .catch(() => found(null));
    });
    if (release) return release;
  }
  return null;
}

/**
 * Reads a body, and no more than most bytes of it.
 * @param {Response} r
 * @param {number} most
 */
async function readAll(r, most) {
  /** @type {Uint8Array[]} */
  const parts = [];
  let size = 0;
  for (const reader = r.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > most) throw new ProtocolError('an answer too long');
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** Splits a stream into events (WHATWG HTML section 9.2.6) whose data is base64. */
class EventParser {
  /** @param {(id: number, data: Uint8Array) => void} tell */
  constructor(tell) {
    this.tell = tell;
    this.decoder = new TextDecoder();
    this.rest = '';
    this.id = 0;
    this.data = '';
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    // What is left of earlier pieces has no end of a line, and is not searched again.
    const lines = this.decoder.decode(bytes, { stream: true }).split('\n');
    lines[0] = this.rest + lines[0];
    this.rest = lines.pop() ?? '';
    if (this.rest.length > 2 * MAX_SERVER_MESSAGE) throw new ProtocolError('a line too long');
    for (const line of lines) {
      if (line === '') this.dispatch();
      else if (line.startsWith('id: ')) this.id = Number(line.slice(4));
      else if (line.startsWith('data: ')) this.data = line.slice(6);
    }
  }

  dispatch() {
    const data = this.data;
    this.data = '';
    if (data) this.tell(this.id, Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
  }
}
