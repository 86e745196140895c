// What others do, shown between two states that the server sent.

const KEEP = 32; // states of one thing
const MAX_AHEAD = 1.5; // ticks beyond the newest state that movement goes on

/** The recent states of one thing: numbers by name. Names in angles turn the short way, 65536 a turn. */
export class Track {
  /** @param {readonly string[]} [angles] */
  constructor(angles = []) {
    this.angles = new Set(angles);
    /** @private @type {{tick: number, values: {[name: string]: number}}[]} */
    this.states = [];
  }

  /**
   * @param {number} tick rising
   * @param {{[name: string]: number}} values kept, not copied
   */
  push(tick, values) {
    const n = this.states.length;
    if (n > 0 && this.states[n - 1].tick >= tick) return;
    this.states.push({ tick, values });
    if (n >= KEEP) this.states.shift();
  }

  /** Starts again at the next push: a jump is not movement. */
  cut() {
    this.states = [];
  }

  /**
   * The values at a tick, null before the first push.
   * @param {number} tick as a fraction
   * @returns {{[name: string]: number} | null}
   */
  at(tick) {
    const s = this.states;
    if (s.length === 0) return null;
    let i = s.length - 1;
    while (i > 0 && s[i].tick > tick) i--;
    if (s[i].tick >= tick || s.length === 1) return s[i].values;
    // Between i and the next, or ahead of the last two.
    const last = i === s.length - 1;
    const a = last ? s[i - 1] : s[i];
    const b = last ? s[i] : s[i + 1];
    const most = last ? 1 + MAX_AHEAD / (b.tick - a.tick) : 1;
    return this.mix(a.values, b.values, Math.min((tick - a.tick) / (b.tick - a.tick), most));
  }

  /**
   * @param {{[name: string]: number}} a
   * @param {{[name: string]: number}} b
   * @param {number} part
   * @private
   */
  mix(a, b, part) {
    /** @type {{[name: string]: number}} */
    const out = {};
    for (const name in b) {
      const d = this.angles.has(name) ? shortArc(a[name], b[name]) : b[name] - a[name];
      out[name] = a[name] + d * part;
    }
    return out;
  }
}

/**
 * The turn from a to b by the shorter way, -32768 to 32767.
 * @param {number} a
 * @param {number} b
 */
export function shortArc(a, b) {
  return ((((b - a + 32768) % 65536) + 65536) % 65536) - 32768;
}
