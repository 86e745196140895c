// Two clocks, both functions of the times they are given, in milliseconds: one
// makes input ticks so that inputs arrive just before the server needs them,
// the other says which tick of the past to show. Both are slow loops with a dead
// band: what matters is how long things wait, not what time it is.

import { MAX_TICKS_PER_FRAME } from './limits.js';

const WINDOW_MS = 1000; // reports that steering looks at
const DEAD_BAND = 0.5; // ticks of error that are left alone
const GAIN = 0.1; // of the rate, for a tick of error
const MAX_SLEW = 0.05;
const JUMP = 10; // ticks of error from which the clock jumps
const LEAST_SLACK = 0.5; // ticks
const MOST_SLACK = 8;

/** Makes the ticks of a player's inputs. */
export class InputClock {
  /** @param {number} tickRate ticks per second */
  constructor(tickRate) {
    this.dt = 1000 / tickRate;
    this.rate = 1;
    this.target = LEAST_SLACK; // ticks that inputs shall wait at the server, at the least
    /** @private @type {{at: number, slack: number}[]} */
    this.reports = [];
    /** @private */
    this.last = NaN;
    /** @private */
    this.due = 0; // ticks, as a fraction
    /** @private */
    this.steeredAt = 0;
  }

  /**
   * The number of ticks to make now.
   * @param {number} now
   */
  advance(now) {
    if (Number.isNaN(this.last)) this.last = now;
    this.due += ((now - this.last) / this.dt) * this.rate;
    this.last = now;
    const n = Math.max(Math.floor(this.due), 0);
    this.due -= n;
    return Math.min(n, MAX_TICKS_PER_FRAME);
  }

  /** The part of a tick that has passed since the last one was made, 0 to 1. */
  get fraction() {
    return Math.min(Math.max(this.due, 0), 1);
  }

  /**
   * Takes in what a self message said of the newest applied input.
   * @param {number} now
   * @param {number} quarters slack in quarter ticks, -1 when the server had no input
   */
  report(now, quarters) {
    this.reports.push({ at: now, slack: quarters < 0 ? -0.5 : quarters / 4 });
    while (this.reports[0].at < now - WINDOW_MS) this.reports.shift();
    if (now - this.steeredAt >= WINDOW_MS / 4 && this.reports.length >= 3) {
      this.steeredAt = now;
      this.steer();
    }
  }

  /** @private */
  steer() {
    const slacks = this.reports.map((r) => r.slack).sort((a, b) => a - b);
    const starved = slacks.filter((s) => s < 0).length;
    const spread = slacks[Math.floor(slacks.length / 2)] - slacks[0];
    const want = Math.min(Math.max(LEAST_SLACK + spread, LEAST_SLACK), MOST_SLACK);
    // Up at once, down slowly: a starved tick is seen, a tick of waiting is not.
    this.target = starved > 1 ? Math.min(Math.max(this.target + 0.5, want), MOST_SLACK) : this.target + 0.05 * (want - this.target);
    const error = this.target - slacks[0];
    if (Math.abs(error) > JUMP) {
      this.due += error;
      this.reports = [];
      this.rate = 1;
    } else {
      this.rate = Math.abs(error) > DEAD_BAND ? 1 + Math.min(Math.max(GAIN * error, -MAX_SLEW), MAX_SLEW) : 1;
    }
  }
}

const LATENESS_MS = 4000; // of arrivals that the delay is made from
const MAX_ARRIVALS = 480; // of them: a tab that slept gets thousands in one moment
const MAX_JITTER_MS = 250;
const PLAY_SLEW = 0.1;
const SNAP = 10; // ticks

/** Says which tick to show, a little in the past, so that states on both sides of it are there. */
export class PlayClock {
  /** @param {number} tickRate */
  constructor(tickRate) {
    this.dt = 1000 / tickRate;
    this.delay = 1.25 * this.dt; // ms behind the fastest arrival
    this.starved = 0; // pictures without a newer state
    /** @private @type {{at: number, offset: number}[]} */
    this.arrivals = [];
    /** @private time of tick 0 by the fastest arrival of the window */
    this.origin = NaN;
    /** @private */
    this.shown = NaN;
    /** @private */
    this.last = NaN;
    this.newest = 0;
  }

  /**
   * @param {number} now
   * @param {number} tick of a state that arrived
   */
  arrived(now, tick) {
    this.newest = tick;
    this.arrivals.push({ at: now, offset: now - tick * this.dt });
    while (this.arrivals[0].at < now - LATENESS_MS || this.arrivals.length > MAX_ARRIVALS) this.arrivals.shift();
    const offsets = this.arrivals.map((a) => a.offset).sort((a, b) => a - b);
    this.origin = offsets[0];
    const late = offsets[Math.floor(0.95 * (offsets.length - 1))] - this.origin;
    const want = this.dt + Math.min(Math.max(1.25 * late, 0.25 * this.dt), MAX_JITTER_MS);
    this.delay = want > this.delay ? want : Math.max(want, this.delay - 0.01 * this.dt);
  }

  /** Whether any state has arrived. */
  get started() {
    return !Number.isNaN(this.origin);
  }

  /**
   * The server's tick at now, as a fraction, as far as arrivals tell.
   * @param {number} now
   */
  present(now) {
    return (now - this.origin) / this.dt;
  }

  /**
   * The tick to show at now, as a fraction. It never goes back by itself.
   * @param {number} now
   */
  show(now) {
    const want = (now - this.delay - this.origin) / this.dt;
    const passed = (now - this.last) / this.dt;
    const error = want - this.shown;
    if (Number.isNaN(this.shown) || Math.abs(error - passed) > SNAP) this.shown = want;
    else this.shown += passed * (1 + Math.min(Math.max((error - passed) * PLAY_SLEW, -PLAY_SLEW), PLAY_SLEW));
    this.last = now;
    if (this.shown > this.newest) this.starved++;
    return this.shown;
  }

  /** Forgets everything: another room, or a long sleep. */
  reset() {
    this.arrivals = [];
    this.origin = this.shown = this.last = NaN;
  }
}
