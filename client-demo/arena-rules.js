// The rules of game "arena" that a browser needs to predict its own tank and to
// draw bullets: the mirror of game/arena/{rules,trig,move,rows}.go, bit for bit.
// JavaScript numbers are IEEE doubles and no engine fuses a*b+c, so the same
// operations in the same order give the same bits; testdata/move.json, written
// by the Go tests, is replayed by test/arena-rules.test.js.
//
// Zero dependencies; runs in browsers and Node.

/** @typedef {{x: number, y: number, w: number, h: number}} Rect a wall: smallest corner and size */
/** @typedef {{moveX: number, moveY: number}} Stick whole numbers from -127 to 127 */
/** @typedef {{x: number, y: number, heading: number}} Body a tank as far as movement goes */
/** @typedef {{x: number, y: number, angle: number, born: number}} Bullet a row of table "bullet" */

export const TICK_RATE = 30;
export const WIDTH = 80;
export const HEIGHT = 56;
export const TANK_RADIUS = 1;
export const TANK_STEP = 0.375; // units a tick
export const TURN_STEP = 2400; // of 65536 a turn, a tick
export const FULL_HP = 100;
export const DAMAGE = 20;
export const RESPAWN_TICKS = 90;
export const SAFE_TICKS = 60;
export const BULLET_STEP = 1.25; // units a tick
export const BULLET_RADIUS = 0.2;
export const BULLET_LIFE = 48; // ticks
export const COOLDOWN_TICKS = 8;
export const MAGAZINE = 8;
export const MAX_AMMO = 24;
export const RELOAD_TICKS = 45;
export const CRATE_RADIUS = 0.75;
export const CRATE_REPAIR = 1;
export const CRATE_SHELLS = 2;

const SIN_SIZE = 1024;
const SIN_UNIT = 32767;
const QUARTER = SIN_SIZE / 4;
const PER_ENTRY = 65536 / SIN_SIZE;
const HALF_PI = 1.5707963267948966;
const QUANTA = 256;

/**
 * Makes the table of sines: entry i is sin(2*pi*i/1024) * 32767, rounded. See
 * SinTable in game/arena/trig.go for the algorithm.
 * @returns {Int16Array}
 */
export function makeSinTable() {
  const table = new Int16Array(SIN_SIZE);
  for (let i = 0; i <= QUARTER; i++) {
    const x = (i / QUARTER) * HALF_PI;
    const xx = x * x;
    let s = 1;
    for (let n = 21; n >= 3; n -= 2) s = 1 - (xx / (n * (n - 1))) * s;
    const v = Math.floor(x * s * SIN_UNIT + 0.5);
    table[i] = v;
    table[SIN_SIZE / 2 - i] = v;
    table[SIN_SIZE / 2 + i] = -v;
    table[(SIN_SIZE - i) % SIN_SIZE] = -v;
  }
  return table;
}

/** @type {Int16Array} */
export const sinTable = makeSinTable();

/**
 * Sine of an angle; angles are 0 to 65535, a whole turn being 65536.
 * @param {number} a
 * @returns {number}
 */
export function sin(a) {
  a &= 65535;
  const i = a >> 6;
  const part = a & 63;
  const v = sinTable[i] * (PER_ENTRY - part) + sinTable[(i + 1) % SIN_SIZE] * part;
  return v / (SIN_UNIT * PER_ENTRY);
}

/**
 * Cosine of an angle.
 * @param {number} a
 * @returns {number}
 */
export function cos(a) {
  return sin(a + 16384);
}

/**
 * Direction of (dx, dy): 0 is right, 16384 down; 0 for a zero vector.
 * @param {number} dx
 * @param {number} dy
 * @returns {number} 0 to 65535
 */
export function angle(dx, dy) {
  const ax = Math.abs(dx);
  const ay = Math.abs(dy);
  if (ax === 0 && ay === 0) return 0;
  let low = 0;
  let high = QUARTER;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (beyond(mid, ax, ay) >= 0) low = mid;
    else high = mid;
  }
  const c0 = beyond(low, ax, ay);
  const c1 = -beyond(high, ax, ay);
  let a = low * PER_ENTRY + Math.floor((PER_ENTRY * c0) / (c0 + c1) + 0.5);
  if (dx < 0) a = 32768 - a;
  if (dy < 0) a = -a;
  return a & 65535;
}

/**
 * Positive when (x, y) lies past entry i of the first quarter.
 * @param {number} i
 * @param {number} x
 * @param {number} y
 */
function beyond(i, x, y) {
  return sinTable[QUARTER - i] * y - sinTable[i] * x;
}

/**
 * Brings heading nearer to want by at most step.
 * @param {number} heading
 * @param {number} want
 * @param {number} step
 * @returns {number}
 */
export function turn(heading, want, step) {
  const d = ((want - heading) << 16) >> 16;
  return (heading + Math.min(Math.max(d, -step), step)) & 65535;
}

/**
 * One tick of a living tank. Returns a new state; a dead tank is not moved by
 * calling this.
 * @param {Body} state
 * @param {Stick} input
 * @param {readonly Rect[]} walls in the order of their rows
 * @returns {Body}
 */
export function move(state, input, walls) {
  if (input.moveX === 0 && input.moveY === 0) {
    return { x: state.x, y: state.y, heading: state.heading };
  }
  let mx = input.moveX / 127;
  let my = input.moveY / 127;
  let n = mx * mx + my * my;
  if (n > 1) {
    n = Math.sqrt(n);
    mx /= n;
    my /= n;
  }
  const p = { x: state.x + mx * TANK_STEP, y: state.y + my * TANK_STEP };
  for (let pass = 0; pass < 2; pass++) {
    for (let i = 0; i < walls.length; i++) pushOut(p, walls[i]);
  }
  return {
    x: quantize(p.x),
    y: quantize(p.y),
    heading: turn(state.heading, angle(input.moveX, input.moveY), TURN_STEP),
  };
}

/**
 * Moves a tank's circle that overlaps the wall to where it only touches.
 * @param {{x: number, y: number}} p
 * @param {Rect} w
 */
function pushOut(p, w) {
  const nx = Math.min(Math.max(p.x, w.x), w.x + w.w);
  const ny = Math.min(Math.max(p.y, w.y), w.y + w.h);
  const dx = p.x - nx;
  const dy = p.y - ny;
  let d = dx * dx + dy * dy;
  if (d >= TANK_RADIUS * TANK_RADIUS) return;
  if (d > 0) {
    d = Math.sqrt(d);
    p.x = nx + (dx * TANK_RADIUS) / d;
    p.y = ny + (dy * TANK_RADIUS) / d;
    return;
  }
  expel(p, w);
}

/**
 * Moves a centre that is inside the wall out through the nearest side.
 * @param {{x: number, y: number}} p
 * @param {Rect} w
 */
function expel(p, w) {
  const right = w.x + w.w;
  const bottom = w.y + w.h;
  const left = p.x - w.x;
  const up = p.y - w.y;
  const least = Math.min(left, right - p.x, up, bottom - p.y);
  if (least === left) p.x = w.x - TANK_RADIUS;
  else if (least === right - p.x) p.x = right + TANK_RADIUS;
  else if (least === up) p.y = w.y - TANK_RADIUS;
  else p.y = bottom + TANK_RADIUS;
}

/**
 * Where a bullet is at a tick, which may be a fraction, not before it was fired.
 * The server ends it at the first wall or tank that it meets.
 * @param {Bullet} b
 * @param {number} tick
 * @returns {{x: number, y: number}}
 */
export function bulletAt(b, tick) {
  const far = BULLET_STEP * (tick - b.born);
  return { x: b.x + cos(b.angle) * far, y: b.y + sin(b.angle) * far };
}

/**
 * Rounds to the nearest 1/256, halves upward.
 * @param {number} v
 */
function quantize(v) {
  return Math.floor(v * QUANTA + 0.5) / QUANTA;
}
