// The card table: takes a seat at crazy eights, or watches it, and sends a click
// when there is one. Between clicks it sends nothing, so the room can sleep.

import { PlayClock, connect } from '/sdk/index.js';
import { ACT, PHASE, REFUSALS, SUIT_NAMES, SUIT_SIGNS, TICK_RATE, cardSign, fits, isEight, rank, rankName } from './eights-rules.js';
import { TableView } from './eights-view.js';

/** @typedef {import('./eights-view.js').Hand} Hand */
/** @typedef {import('./eights-view.js').View} View */

const NAME_KEY = 'roomd name';
const HURRY = 8; // seconds left of an own turn

const query = new URLSearchParams(location.search);
const watching = query.has('watch');
const stored = (() => {
  try {
    return localStorage;
  } catch {
    return null; // forbidden by the browser's settings
  }
})();
const wanted = query.get('name') ?? stored?.getItem(NAME_KEY) ?? `guest-${100 + Math.floor(Math.random() * 900)}`;
const name = wanted.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').slice(0, 16);

const room = connect({
  kind: 'eights', room: query.get('room') ?? '', name, spectate: watching,
  ...(watching ? { storage: null } : {}), // the seat of this tab, if it has one, stays
});
const clock = new PlayClock(TICK_RATE);
/** How long the turn lasts that is shown, in ticks. */
let span = { turn: -1, phase: -1, ticks: 1 };
/** @type {View | null} */
let view = null;

const table = new TableView({
  play: (card, suit) => act(ACT.PLAY, card, suit),
  draw: () => act(ACT.DRAW),
  pass: () => act(ACT.PASS),
});

/** Sends a click. The turn that it is for goes with it. @param {number} what @param {number} [card] @param {number} [suit] */
function act(what, card = 0, suit = 0) {
  const turn = round()?.turn ?? 0;
  if (!room.input({ turn, act: what, card, suit })) table.banner('not connected: that was not sent', 'warn', 2500);
}

/** @returns {any} */
function round() {
  return room.state?.table('round').get(0);
}

/** @returns {Hand[]} by place at the table, the own first */
function hands() {
  const rows = room.state?.table('hand');
  if (!rows) return [];
  const mine = rows.mine()[0] ?? -1;
  const on = round()?.on ?? null;
  /** @type {Hand[]} */
  const all = [...rows].map(([index, /** @type {any} */ h]) => ({
    index, name: h.name, score: h.score, count: h.count, in: h.in, house: h.house, away: h.away,
    mine: index === mine, onTurn: index === on, cards: h.cards.filter((/** @type {number} */ c) => c > 0),
  }));
  const first = all.findIndex((h) => h.mine);
  return first < 0 ? all : [...all.slice(first), ...all.slice(0, first)];
}

/** @returns {View | null} all that there is to show, before the first state nothing */
function look() {
  const r = round();
  if (!r || !room.tick) return null;
  const all = hands();
  const own = all.find((h) => h.mine) ?? null;
  const playing = r.phase === PHASE.PLAYING && room.status === 'playing';
  const turn = playing && own !== null && own.onTurn;
  const left = r.deck + r.pile > 0;
  /** @type {View} */
  const v = {
    number: r.number, phase: r.phase, top: r.top, suit: r.suit, deck: r.deck, gain: r.gain, hands: all, own,
    winner: r.phase === PHASE.OVER ? all.find((h) => h.onTurn) ?? null : null,
    legal: turn ? own.cards.filter((c) => fits(c, r)) : [],
    mayDraw: turn && !r.drawn && left, mayPass: turn && (r.drawn || !left), status: '',
  };
  v.status = status(v);
  return v;
}

/** @param {View} v */
function status(v) {
  if (v.phase === PHASE.IDLE) return 'nobody sits at this table';
  if (v.phase === PHASE.OVER) return 'the next round is dealt soon';
  if (v.own && !v.own.in) return 'you are in from the next deal';
  const on = v.hands.find((h) => h.onTurn);
  if (!on) return '';
  if (!on.mine) return `${on.name} is ${on.away ? 'away' : on.house ? 'thinking' : 'on turn'}`;
  if (v.legal.length === 0) return `Your turn: nothing fits – ${v.mayPass ? 'pass' : 'draw a card'}`;
  const match = isEight(v.top) ? '' : `, ${rank(v.top) === 1 ? 'an' : 'a'} ${rankName(v.top)}`;
  return `Your turn: play ${SUIT_NAMES[v.suit]}${match} or an eight, or ${v.mayPass ? 'pass' : 'draw'}`;
}

/** Shows what there is. */
function show() {
  view = look();
  if (view) table.show(view);
  tellTime();
}

/** Shows how long the turn, or the pause, still lasts. */
function tellTime() {
  const r = round();
  if (!r || r.phase === PHASE.IDLE || !clock.started || room.status !== 'playing') return table.time(-1, 0, false);
  const left = Math.max(r.ends - clock.present(performance.now()), 0);
  if (r.turn !== span.turn || r.phase !== span.phase || left > span.ticks) span = { turn: r.turn, phase: r.phase, ticks: Math.max(left, 1) };
  const own = r.phase === PHASE.PLAYING && view?.own?.onTurn === true;
  table.time(left / TICK_RATE, left / span.ticks, own && left < HURRY * TICK_RATE);
}

room.on('welcome', () => {
  const at = new URL(location.pathname, location.origin);
  at.searchParams.set('room', room.room);
  const invite = at.href;
  at.searchParams.set('watch', '1');
  table.links(invite, at.href, watching);
});

room.on('status', ({ status: now, text, anew }) => {
  if (now === 'reconnecting') table.banner(text ? `${text} – reconnecting…` : 'connection lost – reconnecting…');
  else if (now === 'closed') table.banner(`${text || 'closed'} – reload the page to play again`, 'bad');
  else if (anew) table.banner('your seat was gone – joined anew', 'good', 4000);
  else if (text === 'resumed') table.banner('back at the table', 'good', 2000);
  else table.banner('');
  show();
});

room.on('state', ({ tick, keyframe }) => {
  if (keyframe) clock.reset();
  clock.arrived(performance.now(), tick);
  show();
});

room.on('event', ({ name: what, data: e }) => {
  const h = hands().find((x) => x.index === e.who);
  const who = h ? h.name : 'someone';
  const tone = h?.mine ? 'mine' : '';
  if (what === 'dealt') table.log(`round ${e.number} is dealt`, 'round');
  else if (what === 'played') table.log(`${who} plays ${cardSign(e.card)}${isEight(e.card) ? ` and asks for ${SUIT_SIGNS[e.suit]}` : ''}`, tone);
  else if (what === 'drew') table.log(`${who} draws a card`, tone);
  else if (what === 'passed') table.log(e.late ? `${who} is out of time and passes` : `${who} passes`, tone);
  else if (what === 'won') table.log(`${who} wins ${e.gain} points`, 'round');
  else if (what === 'refused') table.banner(REFUSALS[e.why] ?? 'refused', 'warn', 2500);
});

table.nameField(name, (text) => {
  stored?.setItem(NAME_KEY, text);
  room.leave(); // a name is given when a seat is taken
  location.reload();
});
if (!watching) stored?.setItem(NAME_KEY, name);
setInterval(tellTime, 200);

/** For those who look into the page: the browser's console, and tests. */
Object.assign(window, {
  roomd: {
    room,
    get state() {
      const r = round();
      return {
        status: room.status, text: room.text, seat: room.seat, room: room.room, tick: room.tick, anew: room.anew,
        watching, number: r?.number ?? 0, phase: r?.phase ?? 0, turn: r?.turn ?? 0, top: r?.top ?? 0, suit: r?.suit ?? 0,
        hands: hands(), legal: view?.legal ?? [], mayDraw: view?.mayDraw ?? false, mayPass: view?.mayPass ?? false,
      };
    },
  },
});
