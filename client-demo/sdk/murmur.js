// MurmurHash3_x86_32 with seed 0 over words of 32 bits. Source:
// netcode/wire/PROTOCOL.md section 9.4; the algorithm is Austin Appleby's, in the
// public domain.

const encoder = new TextEncoder();

export class Murmur {
  constructor() {
    /** @private */
    this.h = 0;
    /** @private */
    this.words = 0;
  }

  /** @param {number} w an integer, of which the low 32 bits count */
  word(w) {
    let k = Math.imul(w, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    this.h ^= Math.imul(k, 0x1b873593);
    this.h = (this.h << 13) | (this.h >>> 19);
    this.h = (Math.imul(this.h, 5) + 0xe6546b64) | 0;
    this.words++;
  }

  /** A 64-bit integer, the low word first. @param {number} v */
  wide(v) {
    const high = Math.floor(v / 4294967296);
    this.word(v - high * 4294967296);
    this.word(high);
  }

  /** A text as its length in bytes and its bytes, padded with zeros. @param {string} s */
  text(s) {
    const b = encoder.encode(s);
    this.word(b.length);
    for (let i = 0; i < b.length; i += 4) {
      this.word(b[i] | ((b[i + 1] ?? 0) << 8) | ((b[i + 2] ?? 0) << 16) | ((b[i + 3] ?? 0) << 24));
    }
  }

  /** @returns {number} the hash, 0 to 2^32 - 1 */
  sum() {
    let h = this.h ^ Math.imul(4, this.words);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }
}
