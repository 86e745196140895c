// What outlives a page: the token of a seat, and which way got through. Browsers
// may forbid either, or be full: then the next page begins from nothing.

/** @typedef {import('./client.js').Options} Options */

/** The seat that a page holds, for when it is loaded again. */
export class Seat {
  /** @param {Options} o */
  constructor(o) {
    this.key = `roomd ${o.url ?? ''} ${o.kind ?? ''} ${o.room ?? ''}`;
    /** @private */
    this.storage = o.storage !== undefined ? o.storage : allowed(() => globalThis.sessionStorage);
  }

  /** Its token, empty for none. */
  load() {
    return allowed(() => this.storage?.getItem(this.key)) ?? '';
  }

  /** @param {string} token */
  save(token) {
    if (token) allowed(() => this.storage?.setItem(this.key, token));
  }

  forget() {
    allowed(() => this.storage?.removeItem(this.key));
  }
}

/** Where it is remembered which way got through. @param {Options} o @returns {Storage | null} */
export function memoryOf(o) {
  return o.memory !== undefined ? o.memory : allowed(() => globalThis.localStorage);
}

/** What f returns, null where the browser does not let it. @template T @param {() => T} f */
function allowed(f) {
  try {
    return f() ?? null;
  } catch {
    return null;
  }
}
