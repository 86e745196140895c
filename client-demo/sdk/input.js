// Encoding of inputs as differences from the input before. Source:
// netcode/wire/PROTOCOL.md section 8.

import { BOOLEAN, FIXED, REFERENCE, STRING } from './schema.js';
import { Writer } from './writer.js';

/** @typedef {import('./schema.js').Leaf} Leaf */
/** @typedef {import('./schema.js').RowSchema} RowSchema */
/** @typedef {import('./schema.js').Row} Row */

/** Encodes the inputs of one connection, each against the one before. */
export class InputEncoder {
  /** @param {RowSchema} schema of the input */
  constructor(schema) {
    this.schema = schema;
    /** @private @type {any[]} */
    this.sent = schema.fields.flatMap((f) => f.leaves.map((l) => (l.type === STRING ? '' : 0)));
    /** @private @type {[slot: number, raw: any][]} what the newest input changed */
    this.changed = [];
    /** @private */
    this.values = new Writer();
  }

  /**
   * The elements of an input. The bytes are valid until the next call. Once they
   * were sent, commit must be called: the next input differs from this one.
   * @param {Row} input fields that are missing are zero
   * @returns {{mask: number, count: number, values: Uint8Array}}
   */
  encode(input) {
    const w = this.values.clear();
    this.changed.length = 0;
    let mask = 0;
    let count = 0;
    this.schema.fields.forEach((field, i) => {
      const raw = field.leaves.map((l) => quantize(l, pick(input[field.name], l)));
      const changed = field.leaves.map((_, j) => j).filter((j) => raw[j] !== this.sent[field.leaves[j].slot]);
      if (changed.length === 0) return;
      mask += 2 ** i;
      const many = field.leaves.length > 1;
      if (many) count += this.count(changed.length);
      let last = -1;
      for (const j of changed) {
        if (many) count += this.count(j - last - 1);
        last = j;
        count += this.leaf(field.leaves[j], raw[j]);
      }
    });
    return { mask, count, values: w.buf.subarray(0, w.length) };
  }

  /** Takes the newest input for what the server has. */
  commit() {
    for (const [slot, raw] of this.changed) this.sent[slot] = raw;
  }

  /** @param {number} n @private */
  count(n) {
    this.values.int(n);
    return 1;
  }

  /**
   * @param {Leaf} leaf
   * @param {any} raw
   * @private
   */
  leaf(leaf, raw) {
    const old = this.sent[leaf.slot];
    this.changed.push([leaf.slot, raw]);
    if (leaf.type === STRING) {
      this.values.str(raw);
      return 1;
    }
    let d = raw - old;
    if (leaf.wrap) d = ((((d + leaf.wrap / 2) % leaf.wrap) + leaf.wrap) % leaf.wrap) - leaf.wrap / 2;
    this.values.int(Number.isSafeInteger(d) ? d : BigInt(raw) - BigInt(old));
    return 1;
  }
}

/**
 * A leaf's part of a field's value.
 * @param {any} value
 * @param {Leaf} leaf
 */
function pick(value, leaf) {
  for (const key of leaf.path) value = value?.[key];
  return value;
}

/**
 * A value as it travels, within the range of the leaf.
 * @param {Leaf} leaf
 * @param {any} value
 * @returns {any}
 */
export function quantize(leaf, value) {
  if (leaf.type === STRING) return cut(String(value ?? ''), leaf.max);
  if (leaf.type === BOOLEAN) return value ? 1 : 0;
  if (leaf.type === REFERENCE) return Number.isInteger(value) && value >= 0 ? value + 1 : 0;
  const n = Number(value ?? 0);
  if (!Number.isFinite(n)) return 0;
  const whole = Math.floor((leaf.type === FIXED ? n * leaf.scale : n) + 0.5);
  return Math.min(Math.max(whole, leaf.min), leaf.max);
}

const encoder = new TextEncoder();

/**
 * The longest beginning of text that has at most limit bytes and ends with a
 * whole character.
 * @param {string} text
 * @param {number} limit
 */
function cut(text, limit) {
  let out = '';
  let bytes = 0;
  for (const c of text) {
    bytes += encoder.encode(c).length;
    if (bytes > limit) break;
    out += c;
  }
  return out;
}
