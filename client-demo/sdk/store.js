// What a viewer decoded of one part of the state, shared or own: rows as raw
// values, and what they were, for predictions. Source: netcode/wire/PROTOCOL.md
// sections 6.4, 6.5 and 6.8.

import { Body } from './body.js';
import { MAX_ROWS, MAX_STORE_VALUES, PREDICT_RUN } from './limits.js';
import { Murmur } from './murmur.js';
import { ProtocolError, Reader } from './msgpack.js';
import { FIXED, INTEGER, STRING, UNSIGNED } from './schema.js';

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

/** One row that is held. The numbers of frames say when things happened to it. */
class Held {
  /**
   * @param {number} index
   * @param {Raw} values
   * @param {number} frame
   */
  constructor(index, values, frame) {
    this.index = index;
    this.values = values;
    /** @type {Raw} before the newest frame that changed the row */
    this.was = [];
    /** @type {Raw} before the frame before that */
    this.before = [];
    this.born = frame; // 0: gone
    this.shifted = 0; // changed last
    this.told = frame; // named by a body last
  }
}

/** One store. Its memory is bounded whatever it is given. */
export class Store {
  /**
   * @param {Schema} schema
   * @param {number} mark the bit that says in changes that this store spawned a row
   */
  constructor(schema, mark) {
    this.schema = schema;
    this.mark = mark;
    /** @type {Map<number, Held>[]} rows by index, for each table */
    this.tables = schema.tables.map(() => new Map());
    /** @private @type {Held[][]} rows that the newest frame changed, for each table */
    this.moved = schema.tables.map(() => []);
    /** @private @type {Held[][]} and the frame before */
    this.prev = schema.tables.map(() => []);
    /** @private leaves that are predicted, for each table */
    this.predicts = schema.tables.map((t) => t.fields.flatMap((f) => f.leaves.filter(predicts)));
    /** @private */
    this.zeros = schema.tables.map((t) => t.fields.flatMap((f) => f.leaves.map((l) => (l.type === STRING ? '' : 0))));
    /** @private values of all rows */
    this.values = 0;
    /** @private bodies applied */
    this.frame = 0;
    /** @private of them, before clear */
    this.cleared = 0;
    /** @private @type {number[]} a predicted row */
    this.next = [];
    /** @private @type {Set<number>} rows that the running body removed */
    this.gone = new Set();
  }

  clear() {
    for (const rows of this.tables) rows.clear();
    for (const list of this.moved) list.length = 0;
    this.values = 0;
    this.cleared = this.frame;
  }

  /**
   * The values of a row, or undefined.
   * @param {number} table
   * @param {number} index
   * @returns {Raw | undefined}
   */
  row(table, index) {
    return this.tables[table].get(index)?.values;
  }

  /**
   * Changes the store as a body of left elements says. After an error the store
   * is of no use until it is cleared and given a body from nothing.
   * @param {Reader} r
   * @param {number} left
   * @param {Map<number, number>} changes gets the key of each row that changed,
   *   with this store's mark where the row was spawned
   * @param {boolean} [predicted] the body tells differences from a prediction
   */
  apply(r, left, changes, predicted = false) {
    if (predicted && this.frame - this.cleared < PREDICT_RUN) fail('a prediction without three states before');
    this.frame++;
    for (let t = 0; t < this.tables.length; t++) {
      const list = this.prev[t];
      this.prev[t] = this.moved[t];
      list.length = 0;
      this.moved[t] = list;
      if (predicted) this.predict(t, changes);
    }
    this.gone.clear();
    const body = new Body(r, left);
    let last = -1;
    while (body.left > 0) {
      const head = body.uint(this.tables.length * 8 - 1);
      const table = head >> 3;
      if (table <= last || head % 8 === 0) fail('sections do not rise, or are empty');
      last = table;
      if (head & 1) this.applyRemoved(body, table, changes);
      if (head & 2) this.applyStrays(body, table, changes);
      if (head & 4) this.applyGroups(body, table, changes);
    }
  }

  /**
   * @param {Body} body
   * @param {number} table
   * @param {Map<number, number>} changes
   * @private
   */
  applyRemoved(body, table, changes) {
    const rows = this.tables[table];
    for (const index of body.set()) {
      const row = rows.get(index);
      if (!row || row.told === this.frame) fail('removes a row that is not there');
      row.born = 0;
      rows.delete(index);
      this.gone.add(rowKey(table, index));
      this.values -= this.weight(table);
      note(changes, table, index);
    }
  }

  /**
   * @param {Body} body
   * @param {number} table
   * @param {Map<number, number>} changes
   * @private
   */
  applyStrays(body, table, changes) {
    const n = body.uint(body.left);
    if (n === 0) fail('no strays');
    const fields = this.schema.tables[table].fields;
    let index = -1;
    for (let i = 0; i < n; i++) {
      index = body.index(index);
      const spawn = body.mask(fields.length);
      const values = this.open(table, index, spawn, changes).values;
      for (const f of body.fields) body.field(fields[f].leaves, values);
    }
  }

  /**
   * @param {Body} body
   * @param {number} table
   * @param {Map<number, number>} changes
   * @private
   */
  applyGroups(body, table, changes) {
    const n = body.uint(body.left);
    if (n === 0) fail('no groups');
    const fields = this.schema.tables[table].fields;
    let left = body.set();
    /** @type {Raw[]} */
    const members = [];
    for (let g = 0; g < n; g++) {
      const spawn = body.mask(fields.length);
      const picked = g === n - 1 ? left : body.members(left);
      members.length = 0;
      for (const index of picked) members.push(this.open(table, index, spawn, changes).values);
      for (const f of body.fields) {
        const leaves = fields[f].leaves;
        for (let i = 0; i < members.length; i++) body.field(leaves, members[i]);
      }
      left = body.rest;
    }
  }

  /**
   * Readies a row for its values. A body names it once.
   * @param {number} table
   * @param {number} index
   * @param {boolean} spawn
   * @param {Map<number, number>} changes
   * @returns {Held}
   * @private
   */
  open(table, index, spawn, changes) {
    const rows = this.tables[table];
    let row = rows.get(index);
    if (row && row.told === this.frame) fail('names a row twice');
    if (!spawn) {
      if (!row) fail('changes a row that is not there');
      this.touch(table, row);
      row.told = this.frame;
      note(changes, table, index);
      return row;
    }
    const key = rowKey(table, index);
    if (this.gone.has(key)) fail('names a row twice');
    if (row) {
      row.born = 0;
    } else {
      this.values += this.weight(table);
      if (this.values > MAX_STORE_VALUES) fail('more rows than this client keeps');
    }
    row = new Held(index, this.zeros[table].slice(), this.frame);
    rows.set(index, row);
    changes.set(key, (changes.get(key) ?? 0) | this.mark);
    return row;
  }

  /**
   * Keeps the values of a row before the running frame changes it.
   * @param {number} table
   * @param {Held} row
   * @private
   */
  touch(table, row) {
    if (row.shifted === this.frame) return;
    if (row.shifted === this.frame - 1) {
      const spare = row.before;
      row.before = row.was;
      row.was = spare;
    } else {
      copy(row.before, row.values);
    }
    copy(row.was, row.values);
    row.shifted = this.frame;
    this.moved[table].push(row);
  }

  /**
   * Brings each row that moved in the frame before to where it is expected
   * (section 6.8). All others are expected to rest.
   * @param {number} table
   * @param {Map<number, number>} changes
   * @private
   */
  predict(table, changes) {
    const leaves = this.predicts[table];
    const next = this.next;
    for (const row of this.prev[table]) {
      if (row.born === 0 || row.born + 3 > this.frame || row.shifted !== this.frame - 1) continue;
      const { values, was, before } = row;
      next.length = 0;
      let moves = false;
      for (const l of leaves) {
        const now = values[l.slot];
        const v = expected(l, now, was[l.slot], before[l.slot]);
        next.push(v);
        moves ||= v !== now;
      }
      if (!moves) continue;
      this.touch(table, row);
      for (let i = 0; i < leaves.length; i++) values[leaves[i].slot] = next[i];
      note(changes, table, row.index);
    }
  }

  /** What identifies the rows held, as a check tells it (section 9.4). */
  hash() {
    const m = new Murmur();
    this.tables.forEach((rows, t) => {
      const fields = this.schema.tables[t].fields;
      for (const index of [...rows.keys()].sort((a, b) => a - b)) {
        const values = /** @type {Held} */ (rows.get(index)).values;
        m.word(t);
        m.word(index);
        for (const f of fields) {
          for (const l of f.leaves) {
            if (l.type === STRING) m.text(values[l.slot]);
            else if (l.bits === 64 && l.type !== FIXED) m.wide(values[l.slot]);
            else m.word(values[l.slot]);
          }
        }
      }
    });
    return m.sum();
  }

  /**
   * A row without leaves still costs its place. Values are there thrice.
   * @param {number} table
   * @private
   */
  weight(table) {
    return 3 * this.zeros[table].length + 1;
  }
}

/**
 * @param {Map<number, number>} changes
 * @param {number} table
 * @param {number} index
 */
function note(changes, table, index) {
  const key = rowKey(table, index);
  if (!changes.has(key)) changes.set(key, 0);
}

/** @param {any[]} to @param {any[]} from */
function copy(to, from) {
  for (let i = 0; i < from.length; i++) to[i] = from[i];
}

/** Whether a leaf is told as a difference from a prediction. @param {Leaf} l */
function predicts(l) {
  return l.type === FIXED || ((l.type === INTEGER || l.type === UNSIGNED) && l.bits <= 32);
}

/**
 * As far again as a number moved last, unless the same guess a step earlier would
 * have been no better than none (section 6.8).
 * @param {Leaf} l
 * @param {number} b0 the value
 * @param {number} b1 and before
 * @param {number} b2 and before that
 */
function expected(l, b0, b1, b2) {
  const step = apart(l.wrap, b0 - b1);
  if (step === 0) return b0;
  const miss = step - apart(l.wrap, b1 - b2);
  if (Math.abs(miss) >= Math.abs(step)) return b0;
  const v = b0 + step;
  if (l.wrap) return (v + l.wrap) % l.wrap;
  return v < l.low || v > l.high ? b0 : v;
}

/** A difference, modulo wrap if that is not 0. @param {number} wrap @param {number} d */
function apart(wrap, d) {
  if (wrap === 0) return d;
  if (d >= wrap / 2) return d - wrap;
  return d < -wrap / 2 ? d + wrap : d;
}
