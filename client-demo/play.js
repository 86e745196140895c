// The Play page: takes a seat in an arena, predicts the own tank, shows the
// others a little in the past, and draws.

import { BACKLOG_MS, InputClock, PlayClock, Predictor, Track, connect } from '/sdk/index.js';
import { RELOAD_TICKS, TICK_RATE, bulletAt, move } from './arena-rules.js';
import { Controls } from './controls.js';
import { Screen } from './draw.js';
import { Hud } from './hud.js';

/** @typedef {import('./arena-rules.js').Rect} Rect */
/** @typedef {{x: number, y: number, heading: number}} Body */
/** @typedef {{moveX: number, moveY: number, aim: number, fire: boolean}} Stick */
/** @typedef {{kind: 'flash'|'spark'|'blast', x: number, y: number, hue: number, tick: number, ticks: number}} Timed */

const NAME_KEY = 'roomd name';
const FLASH_TICKS = 4;
const SPARK_TICKS = 8;
const BLAST_TICKS = 20;
const TELEPORT = 4; // units between two states that no tank drives

const query = new URLSearchParams(location.search);
const stored = (() => {
  try {
    return localStorage;
  } catch {
    return null; // forbidden by the browser's settings
  }
})();
const wanted = query.get('name') ?? stored?.getItem(NAME_KEY) ?? `guest-${100 + Math.floor(Math.random() * 900)}`;
const name = wanted.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').slice(0, 16);

const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById('field'));
const screen = new Screen(canvas);
const controls = new Controls(canvas);
const hud = new Hud();
/** @type {any} ?transport=sse,poll: which ways to connect */
const transports = query.get('transport')?.split(',');
const room = connect({ kind: query.get('kind') ?? 'arena', room: query.get('room') ?? '', name, transports });

let inputs = new InputClock(TICK_RATE);
let view = new PlayClock(TICK_RATE);
/** @type {Map<number, Track>} */
const tracks = new Map();
/** @type {Map<number, {row: any, gone: number}>} bullets by index; those that left are shown until the view gets there */
const bullets = new Map();
/** @type {any[]} bullets whose index was given to another before the view got there */
let leftover = [];
/** @type {Rect[]} */
let walls = [];
/** @type {{tick: number, run: () => void}[]} what happens when the view gets to a tick */
let later = [];
/** @type {Timed[]} */
let effects = [];
let mine = -1; // index of the own tank
let lastKiller = '';
let firstStateMs = 0; // from the start of the page to the first state
let firstMoveMs = 0; // to the first state in which something had moved
let shake = 0;
/** @type {Map<number, number>} tick at which a tank last fired, by index */
const fired = new Map();

const predictor = new Predictor({
  step: (/** @type {Body} */ s, /** @type {Stick} */ i) => move(s, i, walls),
  same: (/** @type {Body} */ a, /** @type {Body} */ b) => a.x === b.x && a.y === b.y && a.heading === b.heading,
  place: (/** @type {Body} */ s) => s,
  cut: TELEPORT,
});

const table = (/** @type {string} */ t) => room.state?.table(t);
const tank = (/** @type {number | null} */ i) => table('tank')?.get(i);

room.on('welcome', ({ resumed }) => {
  inputs = new InputClock(TICK_RATE); // ticks without a connection are not made up for
  if (!resumed) predictor.reset();
});

let stalled = false;
let resets = 0; // histories that ended while this page played
room.on('stalled', () => {
  stalled = true;
  hud.banner('the game waits for its server…');
});

room.on('reset', () => {
  resets++;
  predictor.reset();
  hud.banner('the server was lost: the game goes on from a moment ago', 'good', 4000);
  stalled = false;
});

room.on('status', ({ status, text, anew }) => {
  if (status === 'reconnecting') hud.banner(text ? `${text} – reconnecting…` : 'connection lost – reconnecting…');
  else if (status === 'closed') hud.banner(`${text || 'closed'} – reload the page to play again`, 'bad');
  else if (anew) hud.banner('your seat was gone – joined anew', 'good', 4000);
  else if (text === 'resumed') hud.banner('back in your tank', 'good', 2000);
  else hud.banner('');
});

room.on('state', ({ tick, changes, keyframe }) => {
  const now = performance.now();
  if (stalled) hud.banner('');
  stalled = false;
  if (keyframe) clearView();
  view.arrived(now, tick);
  inputs.report(now, room.slack);
  firstStateMs ||= now;
  if (!firstMoveMs && !keyframe && changes.get('tank')?.changed.length) firstMoveMs = now;
  if (keyframe || changes.has('wall')) walls = [...(table('wall') ?? [])].map(([, w]) => /** @type {any} */ (w));
  noteTanks(tick, changes.get('tank'));
  noteBullets(tick, changes.get('bullet'));
  const own = tank(mine);
  if (own && own.hp > 0) predictor.confirm({ x: own.x, y: own.y, heading: own.heading }, room.ack);
  else predictor.reset();
});

room.on('event', ({ tick, name: what, data }) => {
  later.push({ tick, run: () => happen(what, data, tick) });
});

function clearView() {
  tracks.clear();
  bullets.clear();
  leftover = [];
  later = [];
  view.reset();
}

/**
 * @param {number} tick
 * @param {{added: number[], removed: number[]} | undefined} change
 */
function noteTanks(tick, change) {
  mine = table('tank')?.mine()[0] ?? -1;
  for (const i of change?.removed ?? []) tracks.delete(i);
  for (const i of change?.added ?? []) tracks.delete(i);
  for (const [i, t] of table('tank') ?? []) {
    let track = tracks.get(i);
    if (!track) tracks.set(i, (track = new Track(['heading', 'aim'])));
    const last = track.at(tick);
    if (last && Math.hypot(last.x - t.x, last.y - t.y) > TELEPORT) track.cut();
    track.push(tick, { x: t.x, y: t.y, heading: t.heading, aim: t.aim });
  }
}

/**
 * @param {number} tick
 * @param {{added: number[], removed: number[]} | undefined} change
 */
function noteBullets(tick, change) {
  for (const i of change?.removed ?? []) {
    const b = bullets.get(i);
    if (b) b.gone = tick;
  }
  for (const i of change?.added ?? []) {
    const old = bullets.get(i);
    if (old) leftover.push({ row: old.row, gone: Math.min(old.gone, tick) });
    const row = table('bullet')?.get(i);
    if (row) bullets.set(i, { row: { ...row }, gone: Infinity });
  }
}

/**
 * Shows an event of the game.
 * @param {string} what
 * @param {any} e
 * @param {number} tick
 */
function happen(what, e, tick) {
  if (what === 'shot') {
    fired.set(e.by, tick);
    const at = e.by === mine ? predictor.state : tracks.get(e.by)?.at(tick);
    const t = tank(e.by);
    if (at && t) {
      const muzzle = { x: at.x + 1.6 * Math.cos((t.aim * Math.PI) / 32768), y: at.y + 1.6 * Math.sin((t.aim * Math.PI) / 32768) };
      effects.push({ kind: 'flash', ...muzzle, hue: t.hue, tick, ticks: FLASH_TICKS });
    }
  } else if (what === 'hit') {
    effects.push({ kind: 'spark', x: e.x, y: e.y, hue: 0, tick, ticks: SPARK_TICKS });
    if (e.tank !== null && e.tank === mine) shake = 0.5;
  } else if (what === 'kill') {
    killed(tank(e.victim), tank(e.by), e, tick);
  } else if (what === 'over') {
    const w = tank(e.winner);
    if (w) hud.banner(`${w.name} wins the round with ${e.score}`, 'good', 6000);
  }
}

/**
 * @param {any} victim
 * @param {any} by
 * @param {{victim: number, by: number}} e
 * @param {number} tick
 */
function killed(victim, by, e, tick) {
  if (!victim) return;
  effects.push({ kind: 'blast', x: victim.x, y: victim.y, hue: victim.hue, tick, ticks: BLAST_TICKS });
  hud.feed(`${by?.name ?? 'someone'} ▸ ${victim.name}`, e.victim === mine || e.by === mine);
  if (e.victim === mine) {
    lastKiller = by?.name ?? '';
    shake = 1.2;
  }
}

/** Makes and sends the inputs that are due. @param {number} now */
function act(now) {
  const from = predictor.state ?? /** @type {any} */ (tank(mine)) ?? null;
  for (let n = inputs.advance(now); n > 0; n--) {
    const input = controls.read((x, y) => screen.unproject(x, y), from);
    const seq = room.input(/** @type {any} */ (input), Math.max(view.started ? view.show(now) : 0, 0));
    if (seq) predictor.play(seq, input);
  }
}

/** @param {number} shown the tick in view @param {number} ms since the last picture */
function tanks(shown, ms) {
  const list = [];
  for (const [i, t] of table('tank') ?? []) {
    const at = tracks.get(i)?.at(shown) ?? t;
    const own = i === mine;
    const place = own ? predictor.picture(inputs.fraction, ms) : null;
    list.push({
      x: place?.x ?? at.x, y: place?.y ?? at.y, heading: own ? predictor.state?.heading ?? at.heading : at.heading,
      aim: own && place ? controls.read((x, y) => screen.unproject(x, y), place).aim : at.aim,
      hp: t.hp, hue: t.hue, name: t.name, score: t.score, mine: own, away: t.away, safe: t.safe > room.tick,
      recoil: Math.min(Math.max(1 - (shown - (fired.get(i) ?? -Infinity)) / 5, 0), 1),
    });
  }
  return list;
}

/** @param {number} shown */
function flying(shown) {
  for (const [i, b] of bullets) if (b.gone <= shown) bullets.delete(i);
  leftover = leftover.filter((b) => b.gone > shown);
  return [...bullets.values(), ...leftover]
    .filter((b) => b.row.born <= shown)
    .map((b) => ({ ...bulletAt(b.row, shown), angle: b.row.angle }));
}

/** @param {number} shown */
function burning(shown) {
  effects = effects.filter((e) => shown < e.tick + e.ticks);
  return effects.map((e) => ({ kind: e.kind, x: e.x, y: e.y, hue: e.hue, age: Math.min(Math.max((shown - e.tick) / e.ticks, 0), 1) }));
}

let lastFrame = performance.now();
const centre = { x: 40, y: 28 };
const debug = { status: '', seat: 0, mine: -1, tanks: 0, x: NaN, y: NaN, frames: 0, others: /** @type {any[]} */ ([]) };

/** One picture. @param {number} now */
function frame(now) {
  requestAnimationFrame(frame);
  const ms = now - lastFrame;
  lastFrame = now;
  if (room.status === 'playing') act(now);
  const shown = view.started ? view.show(now) : 0;
  for (const l of later.filter((e) => e.tick <= shown)) l.run();
  later = later.filter((e) => e.tick > shown);
  const all = tanks(shown, ms);
  const own = all.find((t) => t.mine);
  if (own) follow(own, ms);
  shake *= Math.exp(-ms / 120);
  screen.draw({
    walls, crates: [...(table('crate') ?? [])].map(([, c]) => /** @type {any} */ (c)).filter((c) => c.back === 0),
    tanks: all, bullets: flying(shown), effects: burning(shown), centre, shake: shake > 0.02 ? shake : 0,
  });
  show(all, own);
  Object.assign(debug, {
    status: room.status, seat: room.seat, mine, tanks: all.length, x: own?.x ?? NaN, y: own?.y ?? NaN,
    frames: debug.frames + 1, others: all.filter((t) => !t.mine).map(({ x, y, name }) => ({ x, y, name })),
  });
}

/** The camera glides, so that a respawn is not a cut. @param {{x: number, y: number}} own @param {number} ms */
function follow(own, ms) {
  const far = Math.hypot(own.x - centre.x, own.y - centre.y) > 12;
  const part = 1 - Math.exp(-ms / (far ? 180 : 60));
  centre.x += (own.x - centre.x) * part;
  centre.y += (own.y - centre.y) * part;
}

/** @param {any[]} all @param {any} own */
function show(all, own) {
  const t = tank(mine);
  hud.scores(all.map(({ name: n, score, hue, mine: m, away }) => ({ name: n, score, hue, mine: m, away })));
  hud.self(t && own ? { hp: t.hp, ammo: t.ammo, reloading: t.reload > room.tick && t.reload - room.tick <= RELOAD_TICKS } : null);
  hud.respawn(t && t.hp === 0 ? Math.max((t.respawn - room.tick) / TICK_RATE, 0.01) : 0, lastKiller);
  const ends = table('round')?.get(0)?.ends ?? 0;
  hud.round(ends ? Math.max((ends - room.tick) / TICK_RATE, 0) : -1);
  if (controls.used) hud.played(controls.touched);
}

let counted = { bytes: 0, at: performance.now() };
setInterval(() => {
  const now = performance.now();
  const rate = ((room.bytes - counted.bytes) * 1000) / (now - counted.at);
  counted = { bytes: room.bytes, at: now };
  hud.net({ transport: room.status === 'playing' ? room.transport : '–', ping: room.rtt, tick: room.tick, rate, slack: Math.max(room.slack, 0) / 4 });
}, 1000);

let hiddenAt = 0;
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    hiddenAt = performance.now();
    controls.release();
    return;
  }
  inputs = new InputClock(TICK_RATE);
  if (performance.now() - hiddenAt > BACKLOG_MS) room.catchUp();
});

hud.nameField(name, (text) => {
  stored?.setItem(NAME_KEY, text);
  room.leave(); // a name is given when a seat is taken
  location.reload();
});
stored?.setItem(NAME_KEY, name);
requestAnimationFrame(frame);

/** For those who look into the page: the browser's console, and tests. */
Object.assign(window, {
  roomd: {
    room, view, predictor,
    get state() {
      return {
        ...debug, tick: room.tick, rtt: room.rtt, anew: room.anew, text: room.text, transport: room.transport, firstStateMs, firstMoveMs, address: room.address, resets,
        corrections: predictor.corrections, starved: view.starved,
      };
    },
  },
});
