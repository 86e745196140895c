// The page around the field: scores, own armour and shells, connection, messages.

import { FULL_HP, MAGAZINE } from './arena-rules.js';

const FEED = 5; // lines of the kill feed
const SCORES = 8; // lines of the table

/** @param {string} id */
function element(id) {
  const e = document.getElementById(id);
  if (!e) throw new Error(`the page has no #${id}`);
  return e;
}

/**
 * @param {string} tag
 * @param {string} text
 * @param {string} [className]
 */
function make(tag, text, className = '') {
  const e = document.createElement(tag);
  e.textContent = text; // never markup: names come from other people
  e.className = className;
  return e;
}

/** @param {number} hue 0 to 255 */
const colour = (hue) => `hsl(${(hue * 360) / 256} 55% 60%)`;

/** The elements of the page. Each part is touched only when it changed. */
export class Hud {
  constructor() {
    /** @private @type {Map<string, string>} */
    this.shown = new Map();
    /** @private */
    this.bannerTimer = 0;
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

  /** @param {{name: string, score: number, hue: number, mine: boolean, away: boolean}[]} tanks */
  scores(tanks) {
    const sorted = [...tanks].sort((a, b) => b.score - a.score || a.name.localeCompare(b.name));
    const rows = sorted.filter((t, i) => i < SCORES || t.mine).map((t) => ({ ...t, place: sorted.indexOf(t) + 1 }));
    this.when('scores', rows, () => {
      element('scores').replaceChildren(...rows.map((t) => {
        const li = make('li', '', [t.mine ? 'me' : '', t.away ? 'away' : ''].join(' '));
        const dot = make('i', '');
        dot.style.background = colour(t.hue);
        li.append(make('span', `${t.place}`), dot, make('b', t.name), make('span', `${t.score}`));
        return li;
      }));
    });
  }

  /** @param {number} seconds left in the round; negative for none */
  round(seconds) {
    const text = seconds < 0 ? '' : `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
    this.when('round', text, () => (element('round').textContent = text));
  }

  /** @param {{hp: number, ammo: number, reloading: boolean} | null} own */
  self(own) {
    this.when('self', own, () => {
      element('self').hidden = !own;
      if (!own) return;
      const bar = element('armour');
      bar.style.width = `${(100 * own.hp) / FULL_HP}%`;
      bar.classList.toggle('low', own.hp <= 35);
      const shells = Array.from({ length: Math.max(MAGAZINE, own.ammo) }, (_, i) => make('i', '', i < own.ammo ? '' : 'spent'));
      element('ammo').replaceChildren(...shells);
      if (own.reloading) element('ammo').append(make('span', 'reloading'));
    });
  }

  /** @param {{transport: string, ping: number, tick: number, rate: number, slack: number}} net ping in ms, rate in bytes a second, slack in ticks */
  net(net) {
    const shown = [
      ['transport', net.transport],
      ['ping', Number.isFinite(net.ping) ? `${Math.round(net.ping)} ms` : '–'],
      ['tick', `${net.tick}`],
      ['rate', net.rate < 1000 ? `${Math.round(net.rate)} B/s` : `${(net.rate / 1000).toFixed(1)} kB/s`],
      ['slack', `${net.slack.toFixed(1)}`],
    ];
    for (const [id, text] of shown) this.when(id, text, () => (element(id).textContent = text));
  }

  /**
   * @param {string} text
   * @param {boolean} mine
   */
  feed(text, mine) {
    const list = element('feed');
    list.prepend(make('li', text, mine ? 'mine' : ''));
    while (list.children.length > FEED) list.lastChild?.remove();
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
   * @param {number} seconds until the own tank is back; 0 while it lives
   * @param {string} by who destroyed it
   */
  respawn(seconds, by) {
    const n = Math.ceil(seconds);
    this.when('respawn', [n, by], () => {
      const e = element('respawn');
      e.hidden = n <= 0;
      e.replaceChildren(by ? `destroyed by ${by}` : 'destroyed', make('small', `back in ${n}`));
    });
  }

  /** @param {boolean} touch whether thumbs are used */
  played(touch) {
    element('hint').className = 'gone';
    element('sticks').hidden = !touch;
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
