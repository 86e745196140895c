// What a viewer decoded of one part of the state, shared or own: rows as raw
// values. Source: netcode/wire/PROTOCOL.md sections 6.4 and 6.5.

import { MAX_ROWS, MAX_STORE_VALUES } from './limits.js';
import { ProtocolError, Reader } from './msgpack.js';
import { STRING } from './schema.js';

/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./schema.js').Leaf} Leaf */
/** @typedef {any[]} Raw a row: a number or a string for each leaf, quanta for FIXED, index + 1 for REFERENCE */

/** @param {string} message @returns {never} */
function fail(message) {
  throw new ProtocolError(`body: ${message}`);
}

/**
 * One number for a table and a row of it.
 * @param {number} table
 * @param {number} index
 */
export const rowKey = (table, index) => table * (MAX_ROWS + 1) + index;
/** @param {number} key */
export const keyTable = (key) => Math.floor(key / (MAX_ROWS + 1));
/** @param {number} key */
export const keyIndex = (key) => key % (MAX_ROWS + 1);

/** One store. Its memory is bounded whatever it is given. */
export class Store {
  /**
   * @param {Schema} schema
   * @param {number} mark the bit that says in changes that this store spawned a row
   */
  constructor(schema, mark) {
    this.schema = schema;
    this.mark = mark;
    /** @type {Map<number, Raw>[]} rows by index, for each table */
    this.tables = schema.tables.map(() => new Map());
    /** @private */
    this.zeros = schema.tables.map((t) => t.fields.flatMap((f) => f.leaves.map((l) => (l.type === STRING ? '' : 0))));
    /** @private values of all rows */
    this.values = 0;
  }

  clear() {
    for (const rows of this.tables) rows.clear();
    this.values = 0;
  }

  /**
   * Changes the store as a body of left elements says. After an error the store
   * is of no use until it is cleared and given a body from nothing.
   * @param {Reader} r
   * @param {number} left
   * @param {Map<number, number>} changes gets the key of each row that changed,
   *   with this store's mark where the row was spawned
   */
  apply(r, left, changes) {
    const body = new Body(r, left);
    let last = -1;
    while (body.left > 0) {
      const table = body.uint(this.tables.length) - 1;
      if (table <= last) fail('tables do not rise');
      last = table;
      this.applyTable(body, table, changes);
    }
  }

  /**
   * @param {Body} body
   * @param {number} table
   * @param {Map<number, number>} changes
   * @private
   */
  applyTable(body, table, changes) {
    const rows = this.tables[table];
    const removed = body.uint(body.left);
    let index = -1;
    for (let i = 0; i < removed; i++) {
      index = body.index(index);
      if (!rows.delete(index)) fail('removes a row that is not there');
      this.values -= this.weight(table);
      const key = rowKey(table, index);
      changes.set(key, changes.get(key) ?? 0);
    }
    const changed = body.uint(body.left);
    if (removed + changed === 0) fail('table without changes');
    index = -1;
    for (let i = 0; i < changed; i++) {
      index = body.index(index);
      this.applyRow(body, table, index, changes);
    }
  }

  /**
   * @param {Body} body
   * @param {number} table
   * @param {number} index
   * @param {Map<number, number>} changes
   * @private
   */
  applyRow(body, table, index, changes) {
    const fields = this.schema.tables[table].fields;
    let mask = body.uint(2 ** (fields.length + 1) - 1);
    if (mask === 0) fail('row without changes');
    const key = rowKey(table, index);
    let row = this.tables[table].get(index);
    if (mask % 2 === 1) {
      row = this.spawn(table, index);
      changes.set(key, (changes.get(key) ?? 0) | this.mark);
    } else {
      if (!row) fail('changes a row that is not there');
      changes.set(key, changes.get(key) ?? 0);
    }
    mask = Math.floor(mask / 2); // up to 52 bits: beyond what bit operators hold
    for (let i = 0; mask > 0; i++, mask = Math.floor(mask / 2)) {
      if (mask % 2 === 1) applyField(body, fields[i].leaves, row);
    }
  }

  /**
   * @param {number} table
   * @param {number} index
   * @private
   */
  spawn(table, index) {
    const rows = this.tables[table];
    if (!rows.has(index)) {
      this.values += this.weight(table);
      if (this.values > MAX_STORE_VALUES) fail('more rows than this client keeps');
    }
    const row = this.zeros[table].slice();
    rows.set(index, row);
    return row;
  }

  /**
   * A row without leaves still costs its place.
   * @param {number} table
   * @private
   */
  weight(table) {
    return this.zeros[table].length + 1;
  }
}

/** The elements of a body, of which left are to come. */
class Body {
  /**
   * @param {Reader} r
   * @param {number} left
   */
  constructor(r, left) {
    this.r = r;
    this.left = left;
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
}

/**
 * Reads the value of one field into a row (section 6.5).
 * @param {Body} body
 * @param {Leaf[]} leaves
 * @param {Raw} row
 */
function applyField(body, leaves, row) {
  if (leaves.length === 1) return applyLeaf(body, leaves[0], row);
  const n = body.uint(leaves.length);
  if (n === 0) fail('field without changes');
  let last = -1;
  for (let i = 0; i < n; i++) {
    last += 1 + body.uint(leaves.length);
    if (last >= leaves.length) fail('leaf out of range');
    applyLeaf(body, leaves[last], row);
  }
}

/**
 * @param {Body} body
 * @param {Leaf} leaf
 * @param {Raw} row
 */
function applyLeaf(body, leaf, row) {
  const r = body.take();
  const old = row[leaf.slot];
  if (leaf.type === STRING) {
    row[leaf.slot] = r.text(leaf.max);
    return;
  }
  const d = leaf.bits === 64 && leaf.scale === 0 ? r.wide() : r.int();
  if (d === 0) fail('difference of nothing');
  row[leaf.slot] = add(leaf, old, d);
}

/**
 * Undoes the difference d from the number old.
 * @param {Leaf} leaf
 * @param {number} old
 * @param {number | bigint} d
 * @returns {number}
 */
function add(leaf, old, d) {
  let v;
  if (typeof d === 'bigint' || !Number.isSafeInteger(old + d)) {
    // Two 64-bit values are exact as numbers, their difference may not be.
    const sum = BigInt(old) + BigInt(d);
    if (sum < BigInt(leaf.low) || sum > BigInt(leaf.high)) fail('value out of range');
    return Number(sum);
  }
  if (leaf.wrap) {
    if (d < -leaf.wrap / 2 || d >= leaf.wrap / 2) fail('difference out of range');
    v = (old + d + leaf.wrap) % leaf.wrap;
  } else {
    v = old + d;
    if (v < leaf.low || v > leaf.high) fail('value out of range');
  }
  return v;
}
