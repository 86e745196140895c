// The schema of a kind of game: its tables, events and input, as a welcome
// brings it. Source: netcode/wire/PROTOCOL.md section 5.

import {
  MAX_EVENTS, MAX_FIELDS, MAX_KIND, MAX_LEAVES, MAX_ROWS, MAX_SCALE, MAX_SCHEMA_NAME, MAX_STRING,
  MAX_TABLES, MAX_TICK_RATE,
} from './limits.js';
import { ProtocolError, Reader } from './msgpack.js';

/** Types of leaves. */
export const BOOLEAN = 1;
export const INTEGER = 2;
export const UNSIGNED = 3;
export const FIXED = 4;
export const REFERENCE = 5;
export const STRING = 6;

/**
 * One scalar of a row.
 * @typedef {object} Leaf
 * @property {string} name path inside the field: '' for a scalar, '3', 'x', '3.x'
 * @property {number} type BOOLEAN to STRING
 * @property {number} bits width in the game's code: 8, 16, 32 or 64, 1 for bools, 0 for strings
 * @property {number} scale of FIXED: quanta per unit, a power of two; else 0
 * @property {number} min least value, in quanta for FIXED
 * @property {number} max greatest value; of STRING the greatest length in bytes
 * @property {number} table of REFERENCE: the number of the table referred to
 * @property {number} wrap 256 or 65536 for a number that is sent modulo that, else 0
 * @property {number} low least value that a row may hold
 * @property {number} high greatest value that a row may hold
 * @property {number} slot its place among all leaves of the row
 * @property {string[]} path name, split
 */

/**
 * One bit of a row's mask: a scalar, or a whole array or nested struct.
 * @typedef {object} Field
 * @property {string} name
 * @property {boolean} owner only the row's owner and those it is revealed to read it
 * @property {boolean} pos
 * @property {boolean} once of an input: zero when the server repeats it
 * @property {Leaf[]} leaves
 */

/**
 * @typedef {object} RowSchema
 * @property {string} name
 * @property {boolean} single one row that is always there
 * @property {boolean} fleeting an event that is dropped when it is late
 * @property {Field[]} fields
 * @property {number} slots leaves of all fields
 */

/**
 * @typedef {object} Schema
 * @property {string} kind
 * @property {number} tickRate
 * @property {RowSchema[]} tables
 * @property {RowSchema[]} events
 * @property {RowSchema} input
 */

/** @typedef {boolean | number | string | null} Scalar */
/** @typedef {Scalar | {[name: string]: any} | any[]} Value a field as games see it */
/** @typedef {{[field: string]: any}} Row a row, an event or an input as games see it */

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  throw new ProtocolError(`schema: ${message}`);
}

/**
 * Reads a schema.
 * @param {Reader} r
 * @returns {Schema}
 */
export function readSchema(r) {
  /** @type {Partial<Schema>} */
  const s = {};
  readMap(r, (key) => {
    if (key === 'events') s.events = readRows(r, MAX_EVENTS);
    else if (key === 'input') s.input = readRow(r);
    else if (key === 'kind') s.kind = r.str(MAX_KIND);
    else if (key === 'tables') s.tables = readRows(r, MAX_TABLES);
    else if (key === 'tickRate') s.tickRate = r.uint(MAX_TICK_RATE);
    else r.skip();
  });
  const { kind, tickRate, tables, events, input } = s;
  if (!kind || !tickRate || !tables || !events || !input) fail('incomplete');
  for (const row of [...tables, ...events, input]) checkReferences(row, tables.length);
  return { kind, tickRate, tables, events, input };
}

/**
 * @param {RowSchema} row
 * @param {number} tables
 */
function checkReferences(row, tables) {
  for (const field of row.fields) {
    for (const leaf of field.leaves) {
      if (leaf.type === REFERENCE && leaf.table >= tables) fail(`${row.name}.${field.name} refers to no table`);
    }
  }
}

/**
 * Reads a map with rising keys and calls value for each, which must read it.
 * @param {Reader} r
 * @param {(key: string) => void} value
 */
function readMap(r, value) {
  const n = r.map();
  let last = '';
  for (let i = 0; i < n; i++) {
    const key = r.str(MAX_SCHEMA_NAME);
    if (i > 0 && key <= last) fail(`key ${key} out of order`);
    last = key;
    value(key);
  }
}

/**
 * Reads the value of a key that is left out when false.
 * @param {Reader} r
 */
function readTruth(r) {
  if (!r.bool()) fail('a false that is to be left out');
  return true;
}

/**
 * @param {Reader} r
 * @param {number} limit
 */
function readRows(r, limit) {
  const n = r.array();
  if (n > limit) fail('too many rows');
  /** @type {RowSchema[]} */
  const rows = [];
  for (let i = 0; i < n; i++) rows.push(readRow(r));
  return rows;
}

/**
 * @param {Reader} r
 * @returns {RowSchema}
 */
function readRow(r) {
  /** @type {RowSchema} */
  const row = { name: '', single: false, fleeting: false, fields: [], slots: 0 };
  let has = 0;
  readMap(r, (key) => {
    if (key === 'fields') {
      has++;
      readFields(r, row);
    } else if (key === 'name') {
      has++;
      row.name = r.str(MAX_SCHEMA_NAME);
    } else if (key === 'fleeting') row.fleeting = readTruth(r);
    else if (key === 'single') row.single = readTruth(r);
    else r.skip();
  });
  if (has !== 2) fail('incomplete row');
  zeroRow(row); // that all leaves have a place in it
  return row;
}

/**
 * @param {Reader} r
 * @param {RowSchema} row
 */
function readFields(r, row) {
  const n = r.array();
  if (n > MAX_FIELDS) fail('too many fields');
  for (let i = 0; i < n; i++) {
    /** @type {Field} */
    const field = { name: '', owner: false, pos: false, once: false, leaves: [] };
    let has = 0;
    readMap(r, (key) => {
      if (key === 'leaves') {
        has++;
        readLeaves(r, row, field);
      } else if (key === 'name') {
        has++;
        field.name = r.str(MAX_SCHEMA_NAME);
      } else if (key === 'once') field.once = readTruth(r);
      else if (key === 'owner') field.owner = readTruth(r);
      else if (key === 'pos') field.pos = readTruth(r);
      else r.skip();
    });
    if (has !== 2) fail('incomplete field');
    row.fields.push(field);
  }
}

/**
 * @param {Reader} r
 * @param {RowSchema} row
 * @param {Field} field
 */
function readLeaves(r, row, field) {
  const n = r.array();
  if (n === 0 || row.slots + n > MAX_LEAVES) fail('number of leaves');
  for (let i = 0; i < n; i++) field.leaves.push(readLeaf(r, row.slots++));
}

/**
 * @param {Reader} r
 * @param {number} slot
 * @returns {Leaf}
 */
function readLeaf(r, slot) {
  const n = r.array();
  if (n < 7) fail('incomplete leaf');
  const name = r.str(MAX_SCHEMA_NAME);
  const type = r.uint(STRING);
  const bits = r.uint(64);
  const scale = r.uint(MAX_SCALE);
  const min = r.int();
  const max = r.int();
  const table = r.uint(MAX_TABLES - 1);
  r.skip(n - 7);
  return makeLeaf([name, type, bits, scale, min, max, table], slot);
}

/**
 * Makes a leaf of what stands in a schema, refusing what no game declares.
 * @param {[string, number, number, number, number, number, number]} parts
 * @param {number} slot
 * @returns {Leaf}
 */
export function makeLeaf([name, type, bits, scale, min, max, table], slot) {
  const held = range(type, bits, scale);
  if (!held) fail(`leaf of type ${type}`);
  const [low, high] = held;
  // The min and max of a reference speak of what the game's code holds.
  if (type !== REFERENCE && (min < low || max > high)) fail('range of a leaf');
  if (min > max || (type === STRING && (min !== 0 || max === 0))) fail('range of a leaf');
  if ((scale !== 0 && type !== FIXED) || (table !== 0 && type !== REFERENCE)) fail('leaf');
  const wrap = type === UNSIGNED && bits <= 16 ? 2 ** bits : 0;
  const path = name === '' ? [] : name.split('.');
  return { name, type, bits, scale, min, max, table, wrap, low, high, slot, path };
}

/**
 * What a row may hold in a leaf, in quanta for FIXED, or null if there is no
 * such leaf.
 * @param {number} type
 * @param {number} bits
 * @param {number} scale
 * @returns {[number, number] | null}
 */
function range(type, bits, scale) {
  const whole = bits === 8 || bits === 16 || bits === 32 || bits === 64;
  const safe = Number.MAX_SAFE_INTEGER;
  switch (type) {
    case BOOLEAN:
      return bits === 1 ? [0, 1] : null;
    case INTEGER:
      if (bits === 64) return [-safe, safe];
      return whole ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : null;
    case UNSIGNED:
      if (bits === 64) return [0, safe];
      return whole ? [0, 2 ** bits - 1] : null;
    case FIXED:
      if (bits !== 32 && bits !== 64) return null;
      return scale > 0 && Number.isInteger(Math.log2(scale)) ? [-(2 ** 31), 2 ** 31 - 1] : null;
    case REFERENCE:
      return bits === 32 ? [0, MAX_ROWS] : null;
    case STRING:
      return bits === 0 ? [0, MAX_STRING] : null;
  }
  return null;
}

/**
 * A leaf's value as games see it: a reference is the index of a row or null.
 * @param {Leaf} leaf
 * @param {any} raw
 * @returns {Scalar}
 */
export function expose(leaf, raw) {
  if (leaf.type === FIXED) return raw / leaf.scale;
  if (leaf.type === BOOLEAN) return raw !== 0;
  if (leaf.type === REFERENCE) return raw === 0 ? null : raw - 1;
  return raw;
}

/**
 * What a row, event or input of the schema looks like, all zero.
 * @param {RowSchema} schema
 * @returns {Row}
 */
export function zeroRow(schema) {
  /** @type {Row} */
  const row = {};
  for (const field of schema.fields) {
    for (const leaf of field.leaves) put(row, field, leaf, leaf.type === STRING ? '' : expose(leaf, 0));
  }
  return row;
}

/**
 * Puts a leaf's value into a row as games see it. Parts named by numbers make
 * arrays, others objects.
 * @param {Row} row
 * @param {Field} field
 * @param {Leaf} leaf
 * @param {Scalar} value
 */
export function put(row, field, leaf, value) {
  /** @type {any} */
  let at = row;
  let key = field.name;
  for (const part of leaf.path) {
    const index = INDEX.test(part);
    if (!Object.hasOwn(at, key)) define(at, key, index ? [] : {});
    at = at[key];
    key = part;
    if (typeof at !== 'object' || at === null || (Array.isArray(at) && !index)) fail(`no place for ${field.name}.${leaf.name}`);
  }
  if (Object.hasOwn(at, key)) at[key] = value;
  else define(at, key, value);
}

/** Names of the elements of arrays, which have fewer than MAX_LEAVES. */
const INDEX = /^(0|[1-9]\d{0,2})$/;

/**
 * Adds a property whatever its name: "__proto__" must not reach a prototype.
 * @param {any} object
 * @param {string} key
 * @param {any} value
 */
function define(object, key, value) {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
