// What one connection knows: hello to bye, without sockets or timers. Bytes go
// in, events and bytes come out. Source: netcode/wire/PROTOCOL.md.

import { InputEncoder } from './input.js';
import { MAX_HELD_EVENTS, MAX_RESENT, MAX_UNACKED, RESYNC_MS } from './limits.js';
import { ProtocolError, Writer } from './msgpack.js';
import { State } from './state.js';
import * as wire from './wire.js';

/** @typedef {import('./schema.js').Row} Row */
/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./state.js').Changes} Changes */
/** @typedef {{tick: number, name: string, data: Row}} GameEvent */

/**
 * @typedef {object} Sink what a link tells
 * @property {(bytes: Uint8Array) => void} send
 * @property {(w: import('./wire.js').Welcome) => void} welcome
 * @property {(tick: number, changes: Changes, events: GameEvent[], keyframe: boolean) => void} state
 * @property {(t: number, tick: number) => void} pong
 * @property {() => void} reset the history goes on from an earlier state
 * @property {() => void} stalled the room stands still
 * @property {(url: string) => void} moved where the room is
 * @property {(code: number, text: string, retryMs: number) => void} bye
 */

/** The protocol of one seat, over all its connections. */
export class Link {
  /** @param {Sink} sink */
  constructor(sink) {
    this.sink = sink;
    /** @type {State | null} */
    this.state = null;
    /** @type {Uint8Array | null} */
    this.schemaHash = null;
    this.room = '';
    this.token = '';
    this.epoch = 0;
    this.seat = 0;
    this.tick = 0;
    this.holds = false; // state is that of tick
    this.welcomed = false;
    this.seq = 0;
    this.ack = 0;
    this.slack = 0;
    this.drops = 0;
    this.resyncs = 0;
    this.wrongHashes = 0; // checks that the state held did not pass
    /** @private part of a keyframe that must come next, and its tick */
    this.part = { next: 0, tick: 0 };
    /** @private */
    this.w = new Writer();
    /** @private @type {InputEncoder | null} */
    this.encoder = null;
    /** @private sequence and seen as the server knows them */
    this.sent = { seq: 0, seen: 0 };
    /** @private @type {{seq: number, seen: number, input: Row}[]} */
    this.unacked = [];
    /** @private @type {{body: {r: import('./msgpack.js').Reader, left: number}} | null} */
    this.self = null;
    /** @private @type {{back: number, name: string, data: Row}[]} */
    this.held = [];
    /** @private */
    this.asked = -Infinity;
  }

  /** Forgets seat and cursor: the next hello joins anew. */
  forget() {
    this.token = '';
    this.drop();
    this.seq = this.ack = 0;
    this.unacked = [];
  }

  /** Forgets the state held, so that the next one must be a keyframe. */
  drop() {
    this.holds = false;
    this.self = null;
    this.held = [];
  }

  /**
   * Begins a connection.
   * @param {{kind: string, room: string, name: string, auth: string, spectate: boolean, params: {[key: string]: string}}} o
   */
  hello(o) {
    this.welcomed = false;
    this.self = null;
    this.held = [];
    this.asked = -Infinity;
    wire.appendHello(this.w.clear(), {
      kind: o.kind, room: o.room, name: o.name, token: this.token, auth: o.auth, params: o.params,
      epoch: this.holds ? this.epoch : 0, tick: this.holds ? this.tick : 0,
      schemaHash: this.schemaHash, flags: o.spectate ? wire.FLAG_SPECTATE : 0,
    });
    this.flush();
  }

  /** @private */
  flush() {
    this.sink.send(this.w.bytes());
  }

  /**
   * Sends the input of one tick and returns its sequence, 0 when it could not be
   * sent: no welcome yet, or too many wait for their acknowledgement.
   * @param {Row} input
   * @param {number} seen the tick that the player saw
   */
  input(input, seen) {
    if (!this.welcomed || this.seat === 0 || this.unacked.length >= MAX_UNACKED) return 0;
    const entry = { seq: this.seq + 1, seen, input };
    this.sendInput(entry); // throws when it is too long: then there was no such input
    this.seq = entry.seq;
    this.unacked.push(entry);
    return entry.seq;
  }

  /** @param {{seq: number, seen: number, input: Row}} i @private */
  sendInput({ seq, seen, input }) {
    if (!this.encoder) return;
    const { mask, count, values } = this.encoder.encode(input);
    wire.appendInput(this.w.clear(), seq - this.sent.seq, seen - this.sent.seen, mask, count, values);
    this.encoder.commit();
    this.sent = { seq, seen };
    this.flush();
  }

  /** @param {number} id @param {number} t */
  ping(id, t) {
    wire.appendPing(this.w.clear(), id, t);
    this.flush();
  }

  leave() {
    wire.appendLeave(this.w.clear());
    this.flush();
  }

  /**
   * Takes in one WebSocket message. Broken state asks for a keyframe; anything
   * else that is malformed is a ProtocolError, and the connection must end.
   * @param {Uint8Array} bytes
   * @param {number} now
   */
  receive(bytes, now) {
    /** @type {{changes: Changes, keyframe: boolean} | null} */
    let frame = null;
    /** @type {{back: number, name: string, data: Row}[] | null} where events go: null for a frame that was not applied */
    let events = this.held;
    const tell = () => {
      if (frame && events) this.tell(frame, events);
      frame = null;
    };
    for (const m of wire.eachMessage(bytes)) {
      if (!this.welcomed && m.kind !== wire.WELCOME && m.kind !== wire.BYE) throw new ProtocolError('a message before the welcome');
      if (m.kind === wire.WELCOME) this.onWelcome(wire.readWelcome(m));
      else if (m.kind === wire.SELF) {
        tell();
        this.onSelf(wire.readSelf(m), m.r);
        events = this.held;
      } else if (m.kind === wire.DELTA || m.kind === wire.KEYFRAME) {
        tell();
        frame = this.onFrame(m, now);
        events = frame && [];
      } else if (m.kind === wire.EVENT) {
        if (events) this.onEvent(m, events);
      } else if (m.kind === wire.CHECK) {
        this.onCheck(wire.readCheck(m), now);
      } else if (m.kind === wire.RESET) {
        tell();
        this.onReset(wire.readReset(m));
        events = this.held;
      } else if (m.kind === wire.STALLED) {
        this.sink.stalled();
      } else if (m.kind === wire.MOVED) {
        this.sink.moved(wire.readMoved(m));
      } else if (m.kind === wire.PONG) {
        const p = wire.readPong(m);
        this.sink.pong(p.t, p.tick);
      } else if (m.kind === wire.BYE) {
        const b = wire.readBye(m);
        this.sink.bye(b.code, b.text, b.retryMs);
      }
    }
    tell();
  }

  /** @param {import('./wire.js').Welcome} w @private */
  onWelcome(w) {
    if (w.schema) {
      this.state = new State(w.schema);
      this.schemaHash = w.schemaHash;
      this.drop();
    }
    if (!this.state) throw new ProtocolError('a welcome without a schema');
    if (w.epoch !== this.epoch || w.room !== this.room) this.drop();
    const resumed = w.resumed && w.seat === this.seat;
    this.room = w.room;
    this.epoch = w.epoch;
    this.seat = w.seat;
    this.token = w.token;
    this.ack = w.lastSeq;
    this.unacked = resumed ? this.unacked.filter((i) => i.seq > w.lastSeq).slice(-MAX_RESENT) : [];
    this.seq = Math.max(w.lastSeq, this.unacked.at(-1)?.seq ?? 0);
    this.sent = { seq: w.lastSeq, seen: w.tick };
    this.encoder = new InputEncoder(this.state.schema.input);
    if (!this.holds) this.tick = w.tick;
    this.welcomed = true;
    this.sink.welcome(w);
    this.unacked = this.unacked.filter((i) => this.sendAgain(i));
  }

  /** Whether it is sent: against an empty input one may be too long that was not. @param {{seq: number, seen: number, input: Row}} i @private */
  sendAgain(i) {
    try {
      this.sendInput(i);
      return true;
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
      return false;
    }
  }

  /** Drops all but the seat (section 9.5). @param {{epoch: number, tick: number, lastSeq: number}} q @private */
  onReset(q) {
    this.drop();
    this.part.next = 0;
    this.epoch = q.epoch;
    this.tick = q.tick;
    this.ack = q.lastSeq;
    this.sink.reset();
  }

  /**
   * @param {{dack: number, slack: number, drops: number, left: number}} s
   * @param {import('./msgpack.js').Reader} r
   * @private
   */
  onSelf(s, r) {
    this.ack += s.dack;
    this.slack = s.slack;
    this.drops += s.drops;
    this.self = { body: { r, left: s.left } };
    this.unacked = this.unacked.filter((i) => i.seq > this.ack);
  }

  /**
   * @param {import('./wire.js').Message} m
   * @param {number} now
   * @returns {{changes: Changes, keyframe: boolean} | null} null when the state is
   *   not whole: more parts or another keyframe must come
   * @private
   */
  onFrame(m, now) {
    if (!this.state) return null;
    try {
      return m.kind === wire.KEYFRAME ? this.onPart(m, this.state) : this.onDelta(m, this.state);
    } catch (e) {
      if (!(e instanceof ProtocolError)) throw e;
      this.resync(now, wire.RESYNC_BASE);
      return null;
    }
  }

  /**
   * @param {import('./wire.js').Message} m
   * @param {State} state
   * @private
   */
  onDelta(m, state) {
    const own = this.takeSelf();
    const d = wire.readDelta(m);
    this.tick += Math.max(d.back, 1); // also while a keyframe is waited for
    if (!this.holds) throw new ProtocolError('a delta without its base');
    const changes = state.applyDelta({ r: m.r, left: d.left }, own, d.back === 0);
    return { changes, keyframe: false };
  }

  /**
   * @param {import('./wire.js').Message} m
   * @param {State} state
   * @private
   */
  onPart(m, state) {
    const k = wire.readKeyframe(m);
    const first = k.part === 0;
    if (!first && (k.part !== this.part.next || k.tick !== this.part.tick)) {
      throw new ProtocolError('a part of a keyframe out of order');
    }
    this.part = { next: k.part + 1, tick: k.tick };
    this.holds = false;
    const own = k.last ? this.takeSelf() : null;
    const changes = state.applyPart(first, k.last, { r: m.r, left: k.left }, own);
    if (!changes) return null;
    this.part.next = 0;
    this.tick = k.tick;
    this.holds = true;
    return { changes, keyframe: true };
  }

  /** The body of the self that was kept for this frame. @private */
  takeSelf() {
    const own = this.self?.body ?? null;
    this.self = null;
    return own;
  }

  /**
   * Compares the shared store with what the server says it is (section 9.4).
   * @param {number} hash
   * @param {number} now
   * @private
   */
  onCheck(hash, now) {
    if (!this.state || !this.holds) return;
    const held = this.state.shared.hash();
    if (held === hash) return;
    this.wrongHashes++;
    this.resync(now, wire.RESYNC_HASH, held);
  }

  /**
   * Asks for a keyframe, at most once a second; until it comes deltas are of no
   * use.
   * @param {number} now
   * @param {number} reason
   * @param {number | null} [hash] of the shared store, for RESYNC_HASH
   */
  resync(now, reason, hash = null) {
    const tick = this.holds ? this.tick : 0;
    this.drop();
    this.part.next = 0;
    if (now - this.asked < RESYNC_MS) return;
    this.asked = now;
    this.resyncs++;
    wire.appendResync(this.w.clear(), tick, reason, hash);
    this.flush();
  }

  /**
   * @param {import('./wire.js').Message} m
   * @param {{back: number, name: string, data: Row}[]} list
   * @private
   */
  onEvent(m, list) {
    if (!this.state || list.length >= MAX_HELD_EVENTS) return;
    const e = wire.readEvent(m);
    list.push({ back: e.back, ...this.state.readEvent(e.type, { r: m.r, left: e.left }) });
  }

  /**
   * @param {{changes: Changes, keyframe: boolean}} frame
   * @param {{back: number, name: string, data: Row}[]} shared
   * @private
   */
  tell(frame, shared) {
    const all = [...shared, ...this.held].sort((a, b) => b.back - a.back); // stable: shared before private
    this.held = [];
    const events = all.map(({ back, name, data }) => ({ tick: this.tick - back, name, data }));
    this.sink.state(this.tick, frame.changes, events, frame.keyframe);
  }
}
