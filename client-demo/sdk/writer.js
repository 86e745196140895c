// Appending msgpack in canonical form: every integer, length and head in its
// smallest form. Source: the msgpack specification and
// netcode/wire/PROTOCOL.md section 2.

const encoder = new TextEncoder();

const TWO32 = 4294967296;

/** Appends elements to a buffer that grows. */
export class Writer {
  constructor() {
    this.buf = new Uint8Array(256);
    this.length = 0;
    /** @private */
    this.view = new DataView(this.buf.buffer);
  }

  /** Empties the writer; what bytes() returned before stays as it is. */
  clear() {
    this.length = 0;
    return this;
  }

  /** A copy of what was written. */
  bytes() {
    return this.buf.slice(0, this.length);
  }

  /**
   * Makes room for n more bytes and returns where they begin.
   * @param {number} n
   */
  grow(n) {
    const at = this.length;
    this.length += n;
    if (this.length > this.buf.length) {
      const more = new Uint8Array(Math.max(this.length, 2 * this.buf.length));
      more.set(this.buf);
      this.buf = more;
      this.view = new DataView(more.buffer);
    }
    return at;
  }

  /**
   * One byte. Growing may replace the buffer, so it comes before the write.
   * @param {number} v
   * @private
   */
  byte(v) {
    const at = this.grow(1);
    this.buf[at] = v;
  }

  /**
   * A first byte and a number of size bytes.
   * @param {number} first
   * @param {number} size 1, 2 or 4
   * @param {number} v
   * @private
   */
  head(first, size, v) {
    const at = this.grow(1 + size);
    this.buf[at] = first;
    if (size === 1) this.view.setUint8(at + 1, v);
    else if (size === 2) this.view.setUint16(at + 1, v);
    else this.view.setUint32(at + 1, v);
  }

  /**
   * An integer, of magnitude up to 2^53 as number, up to 64 bits as bigint.
   * @param {number | bigint} v
   */
  int(v) {
    if (typeof v === 'bigint') {
      if (v >= BigInt(Number.MIN_SAFE_INTEGER) && v <= BigInt(Number.MAX_SAFE_INTEGER)) {
        v = Number(v);
      } else {
        return this.wide(v);
      }
    }
    if (!Number.isSafeInteger(v)) throw new RangeError(`${v} is not an integer that msgpack can hold`);
    if (v >= 0) return this.positive(v);
    if (v >= -32) this.byte(v);
    else if (v >= -0x80) this.head(0xd0, 1, v);
    else if (v >= -0x8000) this.head(0xd1, 2, v);
    else if (v >= -0x80000000) this.head(0xd2, 4, v);
    else this.wide(BigInt(v));
    return this;
  }

  /**
   * @param {number} v
   * @private
   */
  positive(v) {
    if (v < 0x80) this.byte(v);
    else if (v < 0x100) this.head(0xcc, 1, v);
    else if (v < 0x10000) this.head(0xcd, 2, v);
    else if (v < TWO32) this.head(0xce, 4, v);
    else this.wide(BigInt(v));
    return this;
  }

  /**
   * An integer of 64 bits.
   * @param {bigint} v
   * @private
   */
  wide(v) {
    const at = this.grow(9);
    this.buf[at] = v < 0n ? 0xd3 : 0xcf;
    if (v < 0n) this.view.setBigInt64(at + 1, v);
    else this.view.setBigUint64(at + 1, v);
    return this;
  }

  /** @param {boolean} v */
  bool(v) {
    this.byte(v ? 0xc3 : 0xc2);
    return this;
  }

  nil() {
    this.byte(0xc0);
    return this;
  }

  /** @param {string} s */
  str(s) {
    const bytes = encoder.encode(s);
    const n = bytes.length;
    if (n < 32) this.byte(0xa0 | n);
    else if (n < 0x100) this.head(0xd9, 1, n);
    else if (n < 0x10000) this.head(0xda, 2, n);
    else this.head(0xdb, 4, n);
    return this.raw(bytes);
  }

  /** @param {Uint8Array} bytes */
  bin(bytes) {
    const n = bytes.length;
    if (n < 0x100) this.head(0xc4, 1, n);
    else if (n < 0x10000) this.head(0xc5, 2, n);
    else this.head(0xc6, 4, n);
    return this.raw(bytes);
  }

  /**
   * Elements that are encoded already.
   * @param {Uint8Array} bytes
   */
  raw(bytes) {
    const at = this.grow(bytes.length);
    this.buf.set(bytes, at);
    return this;
  }

  /**
   * The head of an array; the caller appends its n elements.
   * @param {number} n
   */
  array(n) {
    if (n < 16) this.byte(0x90 | n);
    else if (n < 0x10000) this.head(0xdc, 2, n);
    else this.head(0xdd, 4, n);
    return this;
  }

  /**
   * The head of a map; the caller appends its n keys and values in turn.
   * @param {number} n
   */
  map(n) {
    if (n < 16) this.byte(0x80 | n);
    else if (n < 0x10000) this.head(0xde, 2, n);
    else this.head(0xdf, 4, n);
    return this;
  }
}
