// Prediction of what a player controls, and its correction. Simulation is never
// smoothed: a wrong state is replaced and the inputs after it are played again;
// only the picture glides from the old place to the new one.

import { MAX_UNACKED } from './limits.js';

const GLIDE_MS = 100; // in which an error shrinks to 1/e

/**
 * @template S, I
 * @typedef {object} Rules
 * @property {(state: S, input: I) => S} step one tick, as the server makes it; must not change state
 * @property {(a: S, b: S) => boolean} same whether two states need no correction
 * @property {(s: S) => {x: number, y: number}} place where the picture is
 * @property {number} cut distance from which a correction is a teleport and does not glide
 */

/**
 * @template S, I
 */
export class Predictor {
  /** @param {Rules<S, I>} rules */
  constructor(rules) {
    this.rules = rules;
    /** @type {S | null} the newest predicted state */
    this.state = null;
    /** @type {S | null} the one before it */
    this.before = null;
    this.corrections = 0;
    this.replayed = 0; // inputs played again
    /** @private @type {{seq: number, input: I, state: S}[]} */
    this.pending = [];
    /** @private */
    this.error = { x: 0, y: 0 };
    /** @private @type {S | null} */
    this.confirmed = null;
  }

  /**
   * Plays an input that was sent. Without a state from the server there is
   * nothing to predict.
   * @param {number} seq
   * @param {I} input
   */
  play(seq, input) {
    if (this.state === null || this.pending.length >= MAX_UNACKED) return;
    this.before = this.state;
    this.state = this.rules.step(this.state, input);
    this.pending.push({ seq, input, state: this.state });
  }

  /**
   * Takes in the server's state, which holds every input up to ack.
   * @param {S} state
   * @param {number} ack
   */
  confirm(state, ack) {
    /** @type {S | null} */
    let guess = this.confirmed;
    let done = 0;
    while (done < this.pending.length && this.pending[done].seq <= ack) guess = this.pending[done++].state;
    this.pending.splice(0, done);
    this.confirmed = state;
    if (this.state !== null && guess !== null && this.rules.same(guess, state)) return;
    this.correct(state);
  }

  /**
   * @param {S} state
   * @private
   */
  correct(state) {
    const old = this.state;
    this.before = this.state = state;
    for (const p of this.pending) {
      this.before = this.state;
      p.state = this.state = this.rules.step(this.state, p.input);
      this.replayed++;
    }
    if (old === null) return;
    this.corrections++;
    const was = this.rules.place(old);
    const is = this.rules.place(this.state);
    this.error = { x: this.error.x + was.x - is.x, y: this.error.y + was.y - is.y };
    if (Math.hypot(this.error.x, this.error.y) > this.rules.cut) this.error = { x: 0, y: 0 };
  }

  /**
   * Where to draw, between the last two predicted ticks.
   * @param {number} fraction of the tick that has passed, 0 to 1
   * @param {number} ms since the last picture
   * @returns {{x: number, y: number} | null}
   */
  picture(fraction, ms) {
    if (this.state === null || this.before === null) return null;
    const fade = Math.exp(-Math.max(ms, 0) / GLIDE_MS);
    this.error = { x: this.error.x * fade, y: this.error.y * fade };
    const a = this.rules.place(this.before);
    const b = this.rules.place(this.state);
    return { x: a.x + (b.x - a.x) * fraction + this.error.x, y: a.y + (b.y - a.y) * fraction + this.error.y };
  }

  /** Forgets everything: another life, or another seat. */
  reset() {
    this.state = this.before = this.confirmed = null;
    this.pending = [];
    this.error = { x: 0, y: 0 };
  }
}
