// What the player presses: keyboard and mouse, or two thumbs.

import { angle } from './arena-rules.js';

/** @typedef {{moveX: number, moveY: number, aim: number, fire: boolean}} Stick as the game's input */

/** @type {Record<string, [number, number]>} by KeyboardEvent.code, so that every layout has the same keys */
const KEYS = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
const FULL = 127; // of a stick
const REACH = 58; // CSS pixels from a thumb stick's centre to its edge
const FIRE_AT = 0.55; // of REACH: pushed further, the right stick fires

/** Keeps what is held down. */
export class Controls {
  /** @param {HTMLElement} field what is pointed at */
  constructor(field) {
    /** @private @type {Set<string>} */
    this.held = new Set();
    /** @private where the mouse is, in CSS pixels */
    this.pointer = { x: innerWidth * 0.75, y: innerHeight / 2 };
    /** @private */
    this.trigger = false;
    /** @private @type {Map<number, {left: boolean, x: number, y: number, dx: number, dy: number}>} */
    this.thumbs = new Map();
    /** @private */
    this.lastAim = 0;
    this.touched = false; // thumbs were used
    this.used = false; // anything was pressed
    this.listen(field);
  }

  /**
   * The input of this moment.
   * @param {(px: number, py: number) => {x: number, y: number}} unproject
   * @param {{x: number, y: number} | null} from where the own tank is
   * @returns {Stick}
   */
  read(unproject, from) {
    let [dx, dy] = this.keys();
    let fire = this.trigger || this.held.has('Space');
    let aiming = false;
    for (const t of this.thumbs.values()) {
      const x = t.dx / REACH;
      const y = t.dy / REACH;
      if (t.left) [dx, dy] = [dx + x, dy + y];
      else {
        aiming = true;
        if (Math.hypot(x, y) > 0.15) this.lastAim = angle(t.dx, t.dy);
        fire ||= Math.hypot(x, y) > FIRE_AT;
      }
    }
    const n = Math.hypot(dx, dy);
    if (n > 1) [dx, dy] = [dx / n, dy / n];
    if (from && !aiming && !this.touched) {
      const at = unproject(this.pointer.x, this.pointer.y);
      this.lastAim = angle(at.x - from.x, at.y - from.y);
    }
    return { moveX: Math.round(dx * FULL), moveY: Math.round(dy * FULL), aim: this.lastAim, fire };
  }

  /** @private @returns {[number, number]} */
  keys() {
    let x = 0;
    let y = 0;
    for (const code of this.held) {
      const k = KEYS[code];
      if (k) [x, y] = [x + k[0], y + k[1]];
    }
    return [Math.sign(x), Math.sign(y)];
  }

  /** Nothing is held any more: the window lost the focus. */
  release() {
    this.held.clear();
    this.thumbs.clear();
    this.trigger = false;
  }

  /**
   * @param {HTMLElement} field
   * @private
   */
  listen(field) {
    addEventListener('keydown', (e) => {
      if (e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey || e.altKey) return;
      if (KEYS[e.code] || e.code === 'Space') {
        e.preventDefault();
        this.used = true;
        this.held.add(e.code);
      }
    });
    addEventListener('keyup', (e) => this.held.delete(e.code));
    addEventListener('blur', () => this.release());
    field.addEventListener('contextmenu', (e) => e.preventDefault());
    field.addEventListener('pointermove', (e) => this.moved(e));
    field.addEventListener('pointerdown', (e) => this.pressed(e, field));
    for (const end of ['pointerup', 'pointercancel']) {
      field.addEventListener(end, (e) => this.lifted(/** @type {PointerEvent} */ (e)));
    }
  }

  /**
   * @param {PointerEvent} e
   * @param {HTMLElement} field
   * @private
   */
  pressed(e, field) {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    this.used = true;
    if (e.pointerType === 'touch') {
      this.touched = true;
      field.setPointerCapture(e.pointerId);
      this.thumbs.set(e.pointerId, { left: e.clientX < innerWidth / 2, x: e.clientX, y: e.clientY, dx: 0, dy: 0 });
      return;
    }
    this.touched = false;
    this.pointer = { x: e.clientX, y: e.clientY };
    if (e.button === 0) this.trigger = true;
  }

  /**
   * @param {PointerEvent} e
   * @private
   */
  moved(e) {
    const t = this.thumbs.get(e.pointerId);
    if (!t) {
      this.pointer = { x: e.clientX, y: e.clientY };
      return;
    }
    const dx = e.clientX - t.x;
    const dy = e.clientY - t.y;
    const cut = Math.max(Math.hypot(dx, dy) / REACH, 1);
    [t.dx, t.dy] = [dx / cut, dy / cut];
  }

  /**
   * @param {PointerEvent} e
   * @private
   */
  lifted(e) {
    if (!this.thumbs.delete(e.pointerId)) this.trigger = false;
  }
}
