// The messages between a client and a server. Source: netcode/wire/PROTOCOL.md,
// whose sections are cited.

import {
  HASH_LENGTH, MAX_AUTH, MAX_EVENTS, MAX_INPUT, MAX_KIND, MAX_NAME, MAX_PARAMS, MAX_PARAM_KEY,
  MAX_PARAM_VALUE, MAX_ROOM, MAX_SERVER_MESSAGE, MAX_TEXT, MAX_TICK_RATE, MAX_TOKEN, PROTOCOL_VERSION,
} from './limits.js';
import { NIL, ProtocolError, Reader, Writer } from './msgpack.js';
import { readSchema } from './schema.js';

/** Kinds of messages (section 3.3). */
export const HELLO = 1;
export const WELCOME = 2;
export const DELTA = 3;
export const SELF = 4;
export const KEYFRAME = 5;
export const EVENT = 6;
export const INPUT = 7;
export const RESYNC = 8;
export const PING = 9;
export const PONG = 10;
export const BYE = 11;
export const LEAVE = 12;
export const RESET = 13;
export const STALLED = 14;
export const MOVED = 15;
export const CHECK = 16;

/** Flags of a hello and of a welcome. */
export const FLAG_SPECTATE = 1;
export const FLAG_RESUMED = 1;

/** Reasons of a resync (section 9.1). */
export const RESYNC_OTHER = 0;
export const RESYNC_BASE = 1;
export const RESYNC_HASH = 2;
export const RESYNC_BACKLOG = 3;

const UINT32 = 2 ** 32 - 1;
const SAFE = Number.MAX_SAFE_INTEGER;

/**
 * What a client does after a bye (section 10.2): stop for good, retry the same
 * hello, or join anew without token and cursor.
 * @typedef {'stop' | 'retry' | 'anew'} Action
 */

/**
 * Reasons why a server ends a connection (section 10.1), by code.
 * @type {readonly {name: string, action: Action, text: string}[]}
 */
export const BYES = Object.freeze([
  { name: 'closed', action: 'stop', text: 'closed' },
  { name: 'slow', action: 'retry', text: 'the connection does not keep up' },
  { name: 'replaced', action: 'stop', text: 'another window took this seat' },
  { name: 'version', action: 'stop', text: 'the server speaks another version of the protocol' },
  { name: 'roomGone', action: 'anew', text: 'the room is gone' },
  { name: 'gameEnded', action: 'stop', text: 'the game is over' },
  { name: 'gameFailed', action: 'anew', text: 'the game failed' },
  { name: 'refused', action: 'stop', text: 'the join was refused' },
  { name: 'full', action: 'retry', text: 'no seat is free' },
  { name: 'protocol', action: 'stop', text: 'the server did not understand this client' },
  { name: 'tooFast', action: 'retry', text: 'too many messages' },
  { name: 'kicked', action: 'stop', text: 'removed from the game' },
  { name: 'idle', action: 'stop', text: 'idle for too long' },
  { name: 'shutdown', action: 'retry', text: 'the server shuts down' },
  { name: 'unknownKind', action: 'stop', text: 'the server does not have this game' },
  { name: 'tokenInvalid', action: 'anew', text: 'the seat was given up' },
  { name: 'timeout', action: 'retry', text: 'no hello in time' },
  { name: 'left', action: 'stop', text: 'left' },
  { name: 'moved', action: 'retry', text: 'the room is elsewhere' },
  { name: 'lost', action: 'anew', text: 'the room is lost with its node' },
]);

/** Where in BYES a newer connection for the same seat stands. */
export const BYE_REPLACED = 2;
/** Where in BYES it stands that the text is the address to go to. */
export const BYE_MOVED = 18;

/**
 * What to do about a bye; codes that are not listed are retried when the server
 * names a time for it.
 * @param {number} code
 * @param {number} retryMs
 * @returns {Action}
 */
export function byeAction(code, retryMs) {
  if (code > 0 && code < BYES.length) return BYES[code].action;
  return retryMs > 0 ? 'retry' : 'stop';
}

/**
 * What to do about a connection that closed without a bye.
 * @param {number} closeCode of the WebSocket (RFC 6455 section 7.4)
 * @returns {Action}
 */
export function closeAction(closeCode) {
  if ([1001, 1006, 1011, 1012, 1013].includes(closeCode)) return 'retry';
  return closeCode > 4000 && closeCode < 4000 + BYES.length ? BYES[closeCode - 4000].action : 'stop';
}

/**
 * @typedef {object} Hello (section 4.1)
 * @property {string} kind which game
 * @property {string} room empty for any
 * @property {string} name
 * @property {string} token empty for a new seat
 * @property {number} epoch with tick the cursor; 0 for none
 * @property {number} tick
 * @property {Uint8Array | null} schemaHash of the schema that the client holds
 * @property {number} flags
 * @property {string} auth
 * @property {{[key: string]: string}} params
 */

/**
 * Appends a hello. It throws a RangeError that names what the caller must
 * correct, since the server would only say that the message is malformed.
 * @param {Writer} w
 * @param {Hello} h
 */
export function appendHello(w, h) {
  check('kind', h.kind, MAX_KIND, /^[a-z][a-z0-9_-]*$/);
  check('room', h.room, MAX_ROOM, /^[A-Za-z0-9_-]*$/);
  check('name', h.name, MAX_NAME, /^[^\u0000-\u001f\u007f-\u009f]*$/);
  check('token', h.token, MAX_TOKEN, /^[!-~]*$/);
  check('auth', h.auth, MAX_AUTH, /^/);
  w.array(12).int(HELLO).int(PROTOCOL_VERSION).str(h.kind).str(h.room).str(h.name).str(h.token);
  w.int(h.epoch).int(h.tick);
  if (h.schemaHash) w.bin(h.schemaHash);
  else w.nil();
  w.int(h.flags).str(h.auth);
  const keys = Object.keys(h.params).sort(); // all ASCII, so in the order of their bytes
  if (keys.length > MAX_PARAMS) throw new RangeError(`more than ${MAX_PARAMS} params`);
  w.map(keys.length);
  for (const key of keys) {
    check('params key', key, MAX_PARAM_KEY, /^[A-Za-z0-9_.-]+$/);
    check(`params.${key}`, h.params[key], MAX_PARAM_VALUE, /^/);
    w.str(key).str(h.params[key]);
  }
}

const encoder = new TextEncoder();

/**
 * @param {string} what
 * @param {string} s
 * @param {number} limit in bytes
 * @param {RegExp} allowed
 */
function check(what, s, limit, allowed) {
  if (typeof s !== 'string') throw new RangeError(`${what} must be a string`);
  if (encoder.encode(s).length > limit) throw new RangeError(`${what} is longer than ${limit} bytes`);
  if (!allowed.test(s)) throw new RangeError(`${what} ${JSON.stringify(s)} holds characters that are not allowed`);
}

/**
 * Appends an input (section 8.1).
 * @param {Writer} w
 * @param {number} dseq at least 1
 * @param {number} dseen
 * @param {number} mask
 * @param {number} count of the elements in values
 * @param {Uint8Array} values
 */
export function appendInput(w, dseq, dseen, mask, count, values) {
  if (values.length > MAX_INPUT) throw new RangeError(`an input of more than ${MAX_INPUT} bytes`);
  w.array(4 + count).int(INPUT).int(dseq).int(dseen).int(mask).raw(values);
}

/**
 * Appends a request for a keyframe (section 9.1).
 * @param {Writer} w
 * @param {number} tick of the state held, 0 for none
 * @param {number} reason
 * @param {number | null} [hash] of the shared store held, for RESYNC_HASH
 */
export function appendResync(w, tick, reason, hash = null) {
  w.array(4).int(RESYNC).int(tick).int(reason);
  if (hash === null) w.nil();
  else w.int(hash);
}

/**
 * @param {Writer} w
 * @param {number} id
 * @param {number} t a whole number that the pong brings back
 */
export function appendPing(w, id, t) {
  w.array(3).int(PING).int(id).int(t);
}

/** @param {Writer} w */
export function appendLeave(w) {
  w.array(1).int(LEAVE);
}

/**
 * One message: its kind and a reader of the n elements behind it and of nothing
 * beyond.
 * @typedef {{kind: number, n: number, r: Reader}} Message
 */

/**
 * Cuts a WebSocket message into its messages (section 3.1), those of unknown
 * kinds left out. Either all of the bytes are well-formed or nothing is told.
 * The bytes are passed twice: millions of messages, which have room in one, would
 * take gigabytes as a list.
 * @param {Uint8Array} bytes
 * @returns {Generator<Message>}
 */
export function* eachMessage(bytes) {
  if (bytes.length > MAX_SERVER_MESSAGE) throw new ProtocolError('message too long');
  for (const r = new Reader(bytes); r.left > 0; ) next(r);
  for (const r = new Reader(bytes); r.left > 0; ) {
    const { kind, n, start } = next(r);
    if (kind > 0 && kind <= CHECK) yield { kind, n, r: new Reader(bytes, start, r.off) };
  }
}

/** Moves past a message. @param {Reader} r */
function next(r) {
  const n = r.array();
  if (n === 0) throw new ProtocolError('message without a kind');
  const kind = r.uint();
  const start = r.off;
  r.skip(n - 1);
  return { kind, n: n - 1, start };
}

/** All of eachMessage. @param {Uint8Array} bytes */
export function readMessages(bytes) {
  return [...eachMessage(bytes)];
}

/**
 * @param {number} n elements that a message has
 * @param {number} want elements that it needs
 */
function need(n, want) {
  if (n < want) throw new ProtocolError('message with too few elements');
}

/**
 * @typedef {object} Welcome (section 4.3)
 * @property {number} proto
 * @property {string} room
 * @property {number} epoch
 * @property {number} seat 0 for a spectator
 * @property {string} token
 * @property {number} tick
 * @property {number} tickRate
 * @property {number} lastSeq
 * @property {boolean} resumed
 * @property {number} graceMs
 * @property {import('./schema.js').Schema | null} schema null when the client's own has the hash
 * @property {Uint8Array} schemaHash
 */

/**
 * Reads a welcome; one of another version is a ProtocolError.
 * @param {Message} m
 * @returns {Welcome}
 */
export function readWelcome({ n, r }) {
  need(n, 1);
  const proto = r.uint(UINT32);
  if (proto !== PROTOCOL_VERSION) throw new ProtocolError(`the server speaks version ${proto} of the protocol`);
  need(n, 12);
  const room = r.str(MAX_ROOM);
  const epoch = r.uint();
  const seat = r.uint(0xffff);
  const token = r.str(MAX_TOKEN);
  const tick = r.uint(UINT32);
  const tickRate = r.uint(MAX_TICK_RATE);
  const lastSeq = r.uint(UINT32);
  const flags = r.uint(UINT32);
  const graceMs = r.uint(UINT32);
  let schema = null;
  if (r.peek() === NIL) r.nil();
  else schema = readSchema(r);
  const schemaHash = r.bin(HASH_LENGTH).slice();
  if (tickRate === 0 || room === '' || schemaHash.length !== HASH_LENGTH) throw new ProtocolError('welcome out of range');
  const resumed = flags % 2 === FLAG_RESUMED;
  return { proto, room, epoch, seat, token, tick, tickRate, lastSeq, resumed, graceMs, schema, schemaHash };
}

/**
 * Reads the head of a delta (section 6.1); the reader is then at its body. A back
 * of 0 is one tick, told as differences from a prediction.
 * @param {Message} m
 */
export function readDelta({ n, r }) {
  need(n, 1);
  const back = r.uint(UINT32);
  return { back, left: n - 1 };
}

/**
 * Reads the head of a part of a keyframe (section 6.2); the reader is then at its
 * body.
 * @param {Message} m
 */
export function readKeyframe({ n, r }) {
  need(n, 3);
  const tick = r.uint(UINT32);
  const part = r.uint(65535);
  const last = r.uint(1) === 1;
  return { tick, part, last, left: n - 3 };
}

/**
 * Reads the hash that the shared store must have (section 9.4).
 * @param {Message} m
 */
export function readCheck({ n, r }) {
  need(n, 1);
  return r.uint(UINT32);
}

/**
 * Reads the head of a self (section 6.3); the reader is then at its body.
 * @param {Message} m
 */
export function readSelf({ n, r }) {
  need(n, 3);
  const dack = r.uint(UINT32);
  const slack = r.int(-1, 32767);
  const drops = r.uint(UINT32);
  return { dack, slack, drops, left: n - 3 };
}

/**
 * Reads the head of an event (section 7); the reader is then at its values.
 * @param {Message} m
 */
export function readEvent({ n, r }) {
  need(n, 2);
  const back = r.uint(UINT32);
  const type = r.uint(MAX_EVENTS - 1);
  return { back, type, left: n - 2 };
}

/**
 * Reads a pong (section 9.2).
 * @param {Message} m
 */
export function readPong({ n, r }) {
  need(n, 3);
  return { id: r.uint(UINT32), t: r.uint(SAFE), tick: r.uint(UINT32) };
}

/**
 * Reads a reset (section 9.5).
 * @param {Message} m
 */
export function readReset({ n, r }) {
  need(n, 3);
  return { epoch: r.uint(SAFE), tick: r.uint(UINT32), lastSeq: r.uint(UINT32) };
}

/**
 * Reads the URL of a moved (section 9.7).
 * @param {Message} m
 */
export function readMoved({ n, r }) {
  need(n, 1);
  return r.str(MAX_TEXT);
}

/**
 * Reads a bye (section 10).
 * @param {Message} m
 */
export function readBye({ n, r }) {
  need(n, 3);
  return { code: r.uint(0xff), text: r.str(MAX_TEXT), retryMs: r.uint(UINT32) };
}
