// The elements of the card table. Each part is touched only when it changed.

import { PHASE, SUIT_NAMES, SUIT_SIGNS, cardName, cardSign, isEight, isRed, points, rankSign, sorted, suit } from './eights-rules.js';

/**
 * @typedef {object} Hand
 * @property {number} index of its row
 * @property {string} name
 * @property {number} score
 * @property {number} count
 * @property {boolean} in
 * @property {boolean} house
 * @property {boolean} away
 * @property {boolean} mine
 * @property {boolean} onTurn
 * @property {number[]} cards those that this page may see
 */
/**
 * @typedef {object} View all that is shown
 * @property {number} number of the round
 * @property {number} phase
 * @property {number} top
 * @property {number} suit to follow
 * @property {number} deck
 * @property {number} gain of the winner
 * @property {Hand[]} hands around the table
 * @property {Hand | null} own
 * @property {Hand | null} winner
 * @property {number[]} legal cards that can be played now
 * @property {boolean} mayDraw
 * @property {boolean} mayPass
 * @property {string} status
 */

const LOG = 80; // lines
const FAN = 10; // card backs of another's hand, at most

/** @param {string} id */
function element(id) {
  const e = document.getElementById(id);
  if (!e) throw new Error(`the page has no #${id}`);
  return e;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {...(Node | string)} content text is never markup: names come from other people
 */
function make(tag, className, ...content) {
  const e = document.createElement(tag);
  e.className = className;
  e.append(...content);
  return e;
}

/** A card face up. @param {number} card @param {string} [tag] @param {string} [className] */
function face(card, tag = 'div', className = '') {
  const corner = make('b', '', rankSign(card), make('span', '', SUIT_SIGNS[suit(card)]));
  const e = make(tag, `card face ${isRed(card) ? 'red' : ''} ${className}`, corner, make('i', '', SUIT_SIGNS[suit(card)]));
  e.setAttribute('aria-label', cardName(card));
  e.dataset.card = `${card}`;
  if (tag === 'div') e.setAttribute('role', 'img');
  return e;
}

/** The table. What is clicked is told to the listener. */
export class TableView {
  /** @param {{play: (card: number, suit: number) => void, draw: () => void, pass: () => void}} clicks */
  constructor(clicks) {
    this.clicks = clicks;
    /** @private @type {Map<string, string>} */
    this.shown = new Map();
    /** @private */
    this.bannerTimer = 0;
    /** @private the eight whose suit is being chosen */
    this.eight = 0;
    element('draw').addEventListener('click', clicks.draw);
    element('deck').addEventListener('click', clicks.draw);
    element('pass').addEventListener('click', clicks.pass);
    this.suits = /** @type {HTMLDialogElement} */ (element('suits'));
    this.suits.addEventListener('close', () => {
      const chosen = Number(this.suits.returnValue);
      if (chosen) clicks.play(this.eight, chosen);
    });
    // A click beside the suits keeps the eight, as Esc does.
    this.suits.addEventListener('click', (e) => e.target === this.suits && this.suits.close(''));
  }

  /**
   * Runs show when what it would show differs from the last time.
   * @param {string} part
   * @param {unknown} what
   * @param {() => void} show
   * @private
   */
  when(part, what, show) {
    const key = JSON.stringify(what);
    if (this.shown.get(part) !== key) {
      this.shown.set(part, key);
      show();
    }
  }

  /** @param {View} v */
  show(v) {
    this.when('round', v.number, () => (element('round').textContent = v.number ? `round ${v.number}` : ''));
    this.when('others', [v.phase, v.hands], () => element('others').replaceChildren(...v.hands.filter((h) => !h.mine).map(other)));
    this.when('middle', [v.phase, v.top, v.suit, v.deck, v.mayDraw], () => this.middle(v));
    this.when('result', [v.phase, v.winner, v.gain, v.hands], () => result(v));
    this.when('own', [v.phase, v.own, v.legal], () => this.own(v));
    this.when('acts', [v.mayDraw, v.mayPass], () => {
      /** @type {HTMLButtonElement} */ (element('draw')).disabled = !v.mayDraw;
      /** @type {HTMLButtonElement} */ (element('pass')).disabled = !v.mayPass;
    });
    this.when('status', v.status, () => (element('status').textContent = v.status));
    if (this.suits.open && !v.legal.includes(this.eight)) this.suits.close('');
  }

  /** @param {View} v @private */
  middle(v) {
    element('middle').hidden = v.phase !== PHASE.PLAYING;
    if (v.phase !== PHASE.PLAYING) return;
    const deck = /** @type {HTMLButtonElement} */ (element('deck'));
    deck.disabled = !v.mayDraw;
    deck.setAttribute('aria-label', `Draw from the deck: ${v.deck} left`);
    deck.classList.toggle('none', v.deck === 0);
    element('left').textContent = `${v.deck} left`;
    element('top').replaceChildren(face(v.top));
    const named = v.suit !== suit(v.top);
    element('follow').replaceChildren(...(named ? ['now ', sign(v.suit), ` ${SUIT_NAMES[v.suit]}`] : [cardName(v.top)]));
    element('follow').className = named ? 'named' : '';
  }

  /** @param {View} v @private */
  own(v) {
    element('own').hidden = !v.own;
    if (!v.own) return;
    const h = v.own;
    element('own').classList.toggle('turn', h.onTurn && v.phase === PHASE.PLAYING);
    element('acts').hidden = v.phase !== PHASE.PLAYING || !h.in;
    element('me').replaceChildren(make('b', '', h.name), ` · ${h.score} points`, h.in && v.phase === PHASE.PLAYING ? ` · ${h.count} ${h.count === 1 ? 'card' : 'cards'}` : '');
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.card : '';
    const cards = v.phase === PHASE.PLAYING ? sorted(h.cards) : [];
    element('hand').replaceChildren(...cards.map((c) => this.handCard(c, v.legal.includes(c), h.onTurn)));
    element('hand').classList.toggle('many', cards.length > 9);
    if (focused) this.focus(focused);
  }

  /** @param {number} card @param {boolean} legal @param {boolean} onTurn @private */
  handCard(card, legal, onTurn) {
    const b = /** @type {HTMLButtonElement} */ (face(card, 'button', legal ? 'legal' : onTurn ? 'dim' : ''));
    b.type = 'button';
    b.disabled = !legal;
    b.addEventListener('click', () => {
      if (!isEight(card)) return this.clicks.play(card, 0);
      this.eight = card;
      this.suits.returnValue = '';
      this.suits.showModal();
    });
    return make('span', 'slot', b);
  }

  /** Keeps the keyboard in the hand when cards are drawn anew. @param {string} card @private */
  focus(card) {
    const hand = element('hand');
    const same = hand.querySelector(`[data-card="${card}"]:enabled`) ?? hand.querySelector('button:enabled');
    if (same instanceof HTMLElement) same.focus();
  }

  /**
   * How long a turn or a pause lasts.
   * @param {number} seconds left; negative for no end
   * @param {number} part left, 0 to 1
   * @param {boolean} hurry
   */
  time(seconds, part, hurry) {
    this.when('time', [part.toFixed(3), seconds < 0, hurry], () => {
      element('clock').className = seconds < 0 ? 'none' : hurry ? 'hurry' : '';
      element('bar').style.width = `${100 * part}%`;
      element('seconds').textContent = `${Math.ceil(seconds)} s`;
    });
  }

  /** @param {string} text @param {string} [className] */
  log(text, className = '') {
    const list = element('log');
    list.prepend(make('li', className, text));
    while (list.children.length > LOG) list.lastChild?.remove();
  }

  /**
   * @param {string} text empty for none
   * @param {'warn'|'good'|'bad'} [tone]
   * @param {number} [ms] how long it stays; for ever without
   */
  banner(text, tone = 'warn', ms = 0) {
    clearTimeout(this.bannerTimer);
    const e = element('banner');
    e.textContent = text;
    e.className = tone;
    e.hidden = text === '';
    if (ms) this.bannerTimer = window.setTimeout(() => (e.hidden = true), ms);
  }

  /**
   * The links of a room.
   * @param {string} invite
   * @param {string} watch
   * @param {boolean} watching
   */
  links(invite, watch, watching) {
    const play = /** @type {HTMLAnchorElement} */ (element('play'));
    const look = /** @type {HTMLAnchorElement} */ (element('watch'));
    play.href = invite;
    look.href = watch;
    play.hidden = !watching;
    look.hidden = watching;
    element('name-form').hidden = watching;
    element('share').onclick = async () => {
      try {
        await navigator.clipboard.writeText(invite);
        this.banner('the link is copied: whoever opens it joins this table', 'good', 3000);
      } catch {
        prompt('Whoever opens this link joins this table:', invite); // pages without a secure origin may not copy
      }
    };
  }

  /**
   * Lets the player change the name.
   * @param {string} name
   * @param {(name: string) => void} changed
   */
  nameField(name, changed) {
    const input = /** @type {HTMLInputElement} */ (element('name'));
    input.value = name;
    const done = () => {
      const text = input.value.trim();
      if (text && text !== name) changed((name = text));
      input.value = name;
    };
    input.addEventListener('blur', done);
    element('name-form').addEventListener('submit', (e) => {
      e.preventDefault();
      input.blur();
    });
  }
}

/** @param {number} s */
function sign(s) {
  return make('span', s === 2 || s === 3 ? 'red' : '', SUIT_SIGNS[s]);
}

/** Another's place: card backs. @param {Hand} h */
function other(h) {
  const backs = Array.from({ length: Math.min(h.count, FAN) }, () => make('i', 'card back'));
  const fan = make('div', 'fan', ...backs);
  fan.setAttribute('aria-hidden', 'true');
  const state = h.in ? `${h.count} ${h.count === 1 ? 'card' : 'cards'}` : 'next deal';
  const tag = h.house ? 'house' : h.away ? 'away' : '';
  const place = make('div', `place ${h.onTurn ? 'turn' : ''} ${h.away ? 'away' : ''}`,
    make('div', 'who', make('b', '', h.name), make('em', '', tag)), fan,
    make('div', 'count', make('span', '', state), make('span', '', `${h.score} points`)));
  place.dataset.index = `${h.index}`;
  return place;
}

/** The end of a round: all hands. @param {View} v */
function result(v) {
  const e = element('result');
  e.hidden = v.phase !== PHASE.OVER;
  if (e.hidden) return;
  const rows = v.hands.filter((h) => h.in).map((h) => {
    const cards = sorted(h.cards);
    const minis = cards.map((c) => {
      const mini = make('span', `mini ${isRed(c) ? 'red' : ''}`, cardSign(c));
      mini.title = cardName(c);
      return mini;
    });
    const sum = cards.reduce((n, c) => n + points(c), 0);
    const won = h === v.winner;
    return make('li', won ? 'won' : '', make('b', '', h.name), make('div', 'minis', ...minis, ...(minis.length ? [] : ['no cards left'])),
      make('span', 'sum', won ? `+${v.gain}` : `${sum}`));
  });
  const title = v.winner ? `${v.winner.mine ? 'You win' : `${v.winner.name} wins`} ${v.gain} points` : 'The round is over';
  e.replaceChildren(make('h2', '', title), make('ul', '', ...rows));
}
