// The elements of a body: sets of rows, masks, and the values of fields. Source:
// netcode/wire/PROTOCOL.md sections 6.4 and 6.5.

import { MAX_ROWS } from './limits.js';
import { ProtocolError, Reader } from './msgpack.js';
import { STRING } from './schema.js';

/** @typedef {import('./schema.js').Leaf} Leaf */

/** Rows that one word of a bitmap stands for. */
const WORD_BITS = 7;

/** @param {string} message @returns {never} */
function fail(message) {
  throw new ProtocolError(`body: ${message}`);
}

/** A body of which left elements are to come. */
export class Body {
  /**
   * @param {Reader} r
   * @param {number} left
   */
  constructor(r, left) {
    this.r = r;
    this.left = left;
    /** @type {number[]} fields of the mask that was read last, rising */
    this.fields = [];
    /** @type {number[]} rows that members left */
    this.rest = [];
  }

  take() {
    if (this.left <= 0) fail('ends early');
    this.left--;
    return this.r;
  }

  /** @param {number} most */
  uint(most) {
    return this.take().uint(most);
  }

  /**
   * Reads a gap and returns the index it leads to.
   * @param {number} last
   */
  index(last) {
    const index = last + 1 + this.uint(MAX_ROWS);
    if (index >= MAX_ROWS) fail('row index out of range');
    return index;
  }

  /** Reads a set of rows: gaps or a bitmap. */
  set() {
    const n = this.take().int();
    if (n === 0 || Math.abs(n) > this.left) fail('set of that many rows');
    /** @type {number[]} */
    const rows = [];
    let last = -1;
    for (let i = 0; i < n; i++) rows.push((last = this.index(last)));
    if (n > 0) return rows;
    if (-n * WORD_BITS >= MAX_ROWS + WORD_BITS) fail('row index out of range');
    let word = 0;
    for (let i = 0; i < -n; i++) {
      word = this.uint(127);
      for (let b = 0; b < WORD_BITS; b++) if ((word >> b) & 1) rows.push(i * WORD_BITS + b);
    }
    if (word === 0) fail('bitmap ends with nothing');
    if (rows[rows.length - 1] >= MAX_ROWS) fail('row index out of range');
    return rows;
  }

  /**
   * Reads which of the rows left are members of a group; the others are in rest.
   * @param {number[]} left
   */
  members(left) {
    /** @type {number[]} */
    const members = [];
    /** @type {number[]} */
    const rest = [];
    for (let i = 0; i < left.length; i += WORD_BITS) {
      const n = Math.min(WORD_BITS, left.length - i);
      const word = this.uint(2 ** n - 1);
      for (let b = 0; b < n; b++) ((word >> b) & 1 ? members : rest).push(left[i + b]);
    }
    if (members.length === 0 || rest.length === 0) fail('group of all rows or of none');
    this.rest = rest;
    return members;
  }

  /**
   * Reads a mask into fields and returns whether the row spawns.
   * @param {number} n number of fields, up to 52: beyond what bit operators hold
   */
  mask(n) {
    const code = this.take().int();
    if (code === 0) fail('row without changes');
    let mask = code < 0 ? -1 - code : code;
    if (mask >= 2 ** n) fail('mask beyond the fields');
    this.fields.length = 0;
    for (let i = 0; mask > 0; i++, mask = Math.floor(mask / 2)) if (mask % 2 === 1) this.fields.push(i);
    return code < 0;
  }

  /**
   * Reads the value of one field into a row.
   * @param {Leaf[]} leaves
   * @param {any[]} row
   */
  field(leaves, row) {
    if (leaves.length === 1) {
      this.leaf(leaves[0], row);
      return;
    }
    const n = this.uint(leaves.length);
    if (n === 0) fail('field without changes');
    let last = -1;
    for (let i = 0; i < n; i++) {
      last += 1 + this.uint(leaves.length);
      if (last >= leaves.length) fail('leaf out of range');
      this.leaf(leaves[last], row);
    }
  }

  /**
   * @param {Leaf} leaf
   * @param {any[]} row
   * @private
   */
  leaf(leaf, row) {
    const r = this.take();
    const old = row[leaf.slot];
    if (leaf.type === STRING) {
      const text = r.str(leaf.max);
      if (text === old) fail('difference of nothing');
      row[leaf.slot] = text;
      return;
    }
    const d = leaf.bits === 64 && leaf.scale === 0 ? r.wide() : r.int();
    if (d === 0) fail('difference of nothing');
    row[leaf.slot] = add(leaf, old, d);
  }
}

/**
 * Undoes the difference d from the number old.
 * @param {Leaf} leaf
 * @param {number} old
 * @param {number | bigint} d
 * @returns {number}
 */
function add(leaf, old, d) {
  if (typeof d === 'bigint' || !Number.isSafeInteger(old + d)) {
    // Two 64-bit values are exact as numbers, their difference may not be.
    const sum = BigInt(old) + BigInt(d);
    if (sum < BigInt(leaf.low) || sum > BigInt(leaf.high)) fail('value out of range');
    return Number(sum);
  }
  if (leaf.wrap) {
    if (d < -leaf.wrap / 2 || d >= leaf.wrap / 2) fail('difference out of range');
    return (old + d + leaf.wrap) % leaf.wrap;
  }
  const v = old + d;
  if (v < leaf.low || v > leaf.high) fail('value out of range');
  return v;
}
