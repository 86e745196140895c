// msgpack in canonical form: every integer, length and head in its smallest
// form, both written (writer.js) and read. Source: the msgpack specification and
// netcode/wire/PROTOCOL.md section 2.

import { MAX_DEPTH } from './limits.js';

export { Writer } from './writer.js';

/**
 * The bytes received are not what the protocol allows. It is the only error that
 * reading throws, whatever the bytes; the message it was found in is to be
 * dropped whole.
 */
export class ProtocolError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  throw new ProtocolError(message);
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const TWO32 = 4294967296;

/** Types of elements. */
export const NIL = 1;
export const BOOL = 2;
export const UINT = 3;
export const NEG = 4;
export const FLOAT = 5;
export const STR = 6;
export const BIN = 7;
export const ARRAY = 8;
export const MAP = 9;
export const EXT = 10;

/**
 * How an element that begins with 0xc0 to 0xdf goes on: its type, the bytes of
 * the number that follows, and the number below which a smaller form exists (for
 * negative integers: above which).
 * @type {readonly (readonly [number, number, number])[]}
 */
const FORMS = [
  [NIL, 0, 0], [0, 0, 0], [BOOL, 0, 0], [BOOL, 0, 0],
  [BIN, 1, 0], [BIN, 2, 0x100], [BIN, 4, 0x10000],
  [EXT, 1, 0], [EXT, 2, 0x100], [EXT, 4, 0x10000],
  [FLOAT, 4, 0], [FLOAT, 8, 0],
  [UINT, 1, 0x80], [UINT, 2, 0x100], [UINT, 4, 0x10000], [UINT, 8, TWO32],
  [NEG, 1, -33], [NEG, 2, -0x81], [NEG, 4, -0x8001], [NEG, 8, -0x80000001],
  [EXT, 0, 0], [EXT, 0, 0], [EXT, 0, 0], [EXT, 0, 0], [EXT, 0, 0],
  [STR, 1, 0x20], [STR, 2, 0x100], [STR, 4, 0x10000],
  [ARRAY, 2, 0x10], [ARRAY, 4, 0x10000],
  [MAP, 2, 0x10], [MAP, 4, 0x10000],
];

/**
 * Reads elements in canonical form from bytes that may be anything. What it
 * returns as bytes is part of what it was given.
 */
export class Reader {
  /**
   * @param {Uint8Array} bytes must not change while they are read
   * @param {number} [from]
   * @param {number} [to]
   */
  constructor(bytes, from = 0, to = bytes.length) {
    this.bytes = bytes;
    /** @private */
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.off = from;
    this.end = to;
    /**
     * Of the element that head() read: the value of an integer below 2^53, of a
     * bool, a length, or the number of elements or pairs.
     * @private
     */
    this.value = 0;
    /**
     * The value of an integer of 64 bits, which head() leaves out of value.
     * @type {bigint | null}
     * @private
     */
    this.big = null;
  }

  /** The number of bytes not yet read. */
  get left() {
    return this.end - this.off;
  }

  /**
   * Moves past n bytes and returns where they begin. All that is read was taken.
   * @param {number} n
   * @private
   */
  take(n) {
    if (n > this.end - this.off) fail('message ends early');
    const at = this.off;
    this.off += n;
    return at;
  }

  /**
   * Reads an element up to its bytes or elements, and returns its type.
   * @returns {number}
   * @private
   */
  head() {
    const c = this.bytes[this.take(1)];
    if (c < 0x80) {
      this.value = c;
      return UINT;
    }
    if (c >= 0xe0) {
      this.value = c - 0x100;
      return NEG;
    }
    let type;
    if (c >= 0xc0) {
      type = this.number(c);
    } else if (c >= 0xa0) {
      type = STR;
      this.value = c & 0x1f;
    } else {
      type = c >= 0x90 ? ARRAY : MAP;
      this.value = c & 0x0f;
    }
    if (type === ARRAY && this.value > this.left) fail('message ends early');
    if (type === MAP && this.value > this.left / 2) fail('message ends early');
    return type;
  }

  /**
   * Reads the number behind a first byte of 0xc0 to 0xdf.
   * @param {number} c
   * @private
   */
  number(c) {
    const [type, size, least] = FORMS[c - 0xc0];
    if (type === 0) fail('element of no type');
    const at = this.take(size);
    if (size === 0) {
      this.value = type === EXT ? 1 << (c - 0xd4) : c & 1;
      return type;
    }
    if (size === 8) return this.long(type, at);
    if (type === NEG) {
      if (size === 1) this.value = this.view.getInt8(at);
      else if (size === 2) this.value = this.view.getInt16(at);
      else this.value = this.view.getInt32(at);
      if (this.value > least) fail('element not in canonical form');
      return type;
    }
    if (size === 1) this.value = this.view.getUint8(at);
    else if (size === 2) this.value = this.view.getUint16(at);
    else this.value = this.view.getUint32(at);
    if (type !== FLOAT && this.value < least) fail('element not in canonical form');
    return type;
  }

  /**
   * Reads a number of eight bytes at a place that was taken.
   * @param {number} type
   * @param {number} at
   * @private
   */
  long(type, at) {
    if (type === FLOAT) return type;
    this.big = type === NEG ? this.view.getBigInt64(at) : this.view.getBigUint64(at);
    if (type === NEG ? this.big > -0x80000001n : this.big < 0x100000000n) {
      fail('element not in canonical form');
    }
    this.value = Number(this.big);
    return type;
  }

  /**
   * The type of the next element without moving, 0 at the end.
   * @returns {number}
   */
  peek() {
    if (this.off >= this.end) return 0;
    const c = this.bytes[this.off];
    if (c < 0x80) return UINT;
    if (c >= 0xe0) return NEG;
    if (c >= 0xc0) return FORMS[c - 0xc0][0];
    if (c >= 0xa0) return STR;
    return c >= 0x90 ? ARRAY : MAP;
  }

  /**
   * An integer from 0 to most, which is at most 2^53 - 1.
   * @param {number} [most]
   */
  uint(most = Number.MAX_SAFE_INTEGER) {
    if (this.head() !== UINT) fail('element of another type');
    if (this.value > most) fail('value out of range');
    return this.value;
  }

  /**
   * An integer whose magnitude is below 2^53.
   * @param {number} [low]
   * @param {number} [high]
   */
  int(low = Number.MIN_SAFE_INTEGER, high = Number.MAX_SAFE_INTEGER) {
    const type = this.head();
    if (type !== UINT && type !== NEG) fail('element of another type');
    if (this.value < low || this.value > high) fail('value out of range');
    return this.value;
  }

  /**
   * An integer of up to 64 bits: exact, hence a bigint where a number is not.
   * @returns {number | bigint}
   */
  wide() {
    this.big = null;
    const type = this.head();
    if (type !== UINT && type !== NEG) fail('element of another type');
    if (this.big !== null && !Number.isSafeInteger(this.value)) return this.big;
    return this.value;
  }

  bool() {
    if (this.head() !== BOOL) fail('element of another type');
    return this.value === 1;
  }

  nil() {
    if (this.head() !== NIL) fail('element of another type');
  }

  /**
   * A string of at most limit bytes of UTF-8.
   * @param {number} limit
   */
  str(limit) {
    const bytes = this.part(STR, limit);
    try {
      return strictDecoder.decode(bytes);
    } catch {
      return fail('text is not UTF-8');
    }
  }

  /**
   * A string of at most limit bytes; what is not UTF-8 in it is replaced.
   * @param {number} limit
   */
  text(limit) {
    return decoder.decode(this.part(STR, limit));
  }

  /**
   * Binary bytes, at most limit, as part of the reader's own.
   * @param {number} limit
   */
  bin(limit) {
    return this.part(BIN, limit);
  }

  /**
   * @param {number} type
   * @param {number} limit
   * @private
   */
  part(type, limit) {
    if (this.head() !== type) fail('element of another type');
    if (this.value > limit) fail('value out of range');
    const at = this.take(this.value);
    return this.bytes.subarray(at, this.off);
  }

  /** The head of an array: the number of its elements, never above left. */
  array() {
    if (this.head() !== ARRAY) fail('element of another type');
    return this.value;
  }

  /** The head of a map: the number of its pairs, never above left / 2. */
  map() {
    if (this.head() !== MAP) fail('element of another type');
    return this.value;
  }

  /**
   * Moves past n elements of any type, arrays and maps in them nested up to
   * MAX_DEPTH deep. It takes time in proportion to the bytes it passes.
   * @param {number} [n]
   */
  skip(n = 1) {
    /** @type {number[]} elements to come in each open array or map */
    const open = [];
    let left = n;
    while (left > 0 || open.length > 0) {
      if (left === 0) {
        left = open.pop() ?? 0;
        continue;
      }
      left--;
      const type = this.head();
      if (type === STR || type === BIN) {
        this.take(this.value);
      } else if (type === EXT) {
        this.take(this.value + 1);
      } else if (type === ARRAY || type === MAP) {
        if (open.length === MAX_DEPTH) fail('nested too deep');
        open.push(left);
        left = type === MAP ? 2 * this.value : this.value;
      }
    }
  }
}
