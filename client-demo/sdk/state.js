// The state that a viewer holds: two stores, and the rows that games see, which
// are composed of both. Source: netcode/wire/PROTOCOL.md section 6.

import { ProtocolError, Reader } from './msgpack.js';
import { STRING, expose, put, zeroRow } from './schema.js';
import { Store, keyIndex, keyTable, rowKey } from './store.js';

/** @typedef {import('./schema.js').Schema} Schema */
/** @typedef {import('./schema.js').RowSchema} RowSchema */
/** @typedef {import('./schema.js').Row} Row */

/** Bits of a change: the store in which the row was spawned. */
const IN_SHARED = 1;
const IN_OWN = 2;

/**
 * The rows of one table, as games see them. A row is a plain object that changes
 * in place for as long as the row lives; an index that got another row, or any
 * row after a keyframe, is another object. Games must not change rows.
 */
export class Table {
  /**
   * @param {RowSchema} schema
   * @param {() => Iterable<number>} owned
   */
  constructor(schema, owned) {
    this.name = schema.name;
    this.schema = schema;
    /** @type {Map<number, Row>} */
    this.byIndex = new Map();
    /** @private */
    this.owned = owned;
    /** @type {number[] | null} @private */
    this.sorted = null;
  }

  /** The number of rows. */
  get size() {
    return this.byIndex.size;
  }

  /**
   * The row at an index, such as a reference holds; undefined for null or a row
   * that is not there.
   * @param {number | null} index
   * @returns {Row | undefined}
   */
  get(index) {
    return index === null ? undefined : this.byIndex.get(index);
  }

  /**
   * All rows by rising index.
   * @returns {Generator<[number, Row]>}
   */
  *[Symbol.iterator]() {
    this.sorted ??= [...this.byIndex.keys()].sort((a, b) => a - b);
    for (const index of this.sorted) {
      const row = this.byIndex.get(index);
      if (row) yield [index, row];
    }
  }

  /** The indexes of the rows that this player owns, rising. */
  mine() {
    return [...this.owned()].sort((a, b) => a - b);
  }

  /**
   * @param {number} index
   * @param {Row | null} row null for none
   */
  set(index, row) {
    if (row) this.byIndex.set(index, row);
    else this.byIndex.delete(index);
    this.sorted = null;
  }
}

/**
 * What one state frame changed, by table name: the indexes of rows that came
 * (or were replaced by another row), of those that changed, and of those that
 * left.
 * @typedef {Map<string, {added: number[], changed: number[], removed: number[]}>} Changes
 */

/** Both stores and the tables composed of them. */
export class State {
  /** @param {Schema} schema */
  constructor(schema) {
    this.schema = schema;
    this.shared = new Store(schema, IN_SHARED);
    this.own = new Store(schema, IN_OWN);
    /** @type {Table[]} */
    this.tables = schema.tables.map((t, i) => new Table(t, () => this.own.tables[i].keys()));
    this.byName = new Map(this.tables.map((t) => [t.name, t]));
    /** @private @type {Map<number, number>} changes of a keyframe that is not complete */
    this.keyframe = new Map();
  }

  /**
   * The table of that name; a name that the game does not have is an error.
   * @param {string} name
   */
  table(name) {
    const table = this.byName.get(name);
    if (!table) throw new RangeError(`the game has no table ${name}`);
    return table;
  }

  /**
   * Applies a delta (section 6.7). After a ProtocolError the tables are as before,
   * and only a keyframe may be applied.
   * @param {{r: Reader, left: number}} shared body of the frame
   * @param {{r: Reader, left: number} | null} own body of the self that preceded it
   * @param {boolean} predicted
   * @returns {Changes}
   */
  applyDelta(shared, own, predicted) {
    /** @type {Map<number, number>} */
    const changes = new Map();
    this.shared.apply(shared.r, shared.left, changes, predicted);
    if (own) this.own.apply(own.r, own.left, changes);
    return this.composeAll(changes);
  }

  /**
   * Applies a part of a keyframe. The tables are as before until the last part.
   * @param {boolean} first
   * @param {boolean} last
   * @param {{r: Reader, left: number}} shared body of the part
   * @param {{r: Reader, left: number} | null} own body of the self that preceded it
   * @returns {Changes | null} null before the last part
   */
  applyPart(first, last, shared, own) {
    if (first) {
      this.keyframe = new Map();
      this.clearStores(this.keyframe);
    }
    this.shared.apply(shared.r, shared.left, this.keyframe);
    if (!last) return null;
    if (own) this.own.apply(own.r, own.left, this.keyframe);
    return this.composeAll(this.keyframe);
  }

  /**
   * @param {Map<number, number>} changes
   * @private
   */
  composeAll(changes) {
    /** @type {Changes} */
    const told = new Map();
    for (const [key, spawned] of changes) this.compose(keyTable(key), keyIndex(key), spawned, told);
    return told;
  }

  /**
   * @param {Map<number, number>} changes
   * @private
   */
  clearStores(changes) {
    this.tables.forEach((table, t) => {
      for (const index of table.byIndex.keys()) changes.set(rowKey(t, index), 0);
    });
    this.shared.clear();
    this.own.clear();
  }

  /**
   * Brings a row up to date in its table (section 6.6).
   * @param {number} t
   * @param {number} index
   * @param {number} spawned stores that spawned it in this frame
   * @param {Changes} told
   * @private
   */
  compose(t, index, spawned, told) {
    const table = this.tables[t];
    const shared = this.shared.row(t, index);
    const own = this.own.row(t, index);
    let row = table.byIndex.get(index);
    const base = shared ?? own;
    if (!base) {
      if (row) note(told, table.name).removed.push(index);
      table.set(index, null);
      return;
    }
    // A store that holds the row and did not spawn it held it before.
    const kept = (shared && !(spawned & IN_SHARED)) || (own && !(spawned & IN_OWN));
    if (row && kept) {
      note(told, table.name).changed.push(index);
    } else {
      row = zeroRow(table.schema);
      table.set(index, row);
      note(told, table.name).added.push(index);
    }
    for (const field of table.schema.fields) {
      const source = field.owner && own ? own : base;
      for (const leaf of field.leaves) put(row, field, leaf, expose(leaf, source[leaf.slot]));
    }
  }

  /**
   * Reads the values of an event (section 7).
   * @param {number} type
   * @param {{r: Reader, left: number}} values
   * @returns {{name: string, data: Row}}
   */
  readEvent(type, { r, left }) {
    const schema = this.schema.events[type];
    if (!schema) throw new ProtocolError(`event of unknown type ${type}`);
    if (left < schema.slots) throw new ProtocolError(`event ${schema.name} with too few values`);
    /** @type {Row} */
    const data = {};
    for (const field of schema.fields) {
      for (const leaf of field.leaves) {
        const raw = leaf.type === STRING ? r.str(leaf.max) : r.int(leaf.low, leaf.high);
        put(data, field, leaf, expose(leaf, raw));
      }
    }
    return { name: schema.name, data };
  }
}

/**
 * @param {Changes} told
 * @param {string} name
 */
function note(told, name) {
  let lists = told.get(name);
  if (!lists) told.set(name, (lists = { added: [], changed: [], removed: [] }));
  return lists;
}
