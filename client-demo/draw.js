// Draws the arena on a canvas. It knows no network: it is given a scene for each
// picture, all in units of the game, ticks as fractions.

import { BULLET_RADIUS, CRATE_REPAIR, FULL_HP, HEIGHT, TANK_RADIUS, WIDTH } from './arena-rules.js';

/**
 * @typedef {{x: number, y: number, w: number, h: number}} Wall
 * @typedef {{x: number, y: number, what: number}} Crate
 * @typedef {{x: number, y: number, heading: number, aim: number, hp: number, hue: number, name: string,
 *   mine: boolean, safe: boolean, away: boolean, recoil: number}} Tank heading and aim in 1/65536 turn
 * @typedef {{x: number, y: number, angle: number}} Bullet
 * @typedef {{kind: 'flash'|'spark'|'blast', x: number, y: number, age: number, hue: number}} Effect age 0 to 1
 * @typedef {{walls: Wall[], crates: Crate[], tanks: Tank[], bullets: Bullet[], effects: Effect[],
 *   centre: {x: number, y: number}, shake: number}} Scene
 */

const TURN = (2 * Math.PI) / 65536;
const VIEW = 34; // units across the shorter side of the window, at the least

/** A view of the arena in a canvas that fills its window. */
export class Screen {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const ctx = canvas.getContext('2d', { alpha: false });
    if (!ctx) throw new Error('this browser has no canvas');
    this.ctx = ctx;
    this.scale = 1; // pixels of the canvas in a unit
    this.x = WIDTH / 2; // the unit in the middle
    this.y = HEIGHT / 2;
    /** @private */
    this.ground = document.createElement('canvas');
    /** @private */
    this.groundKey = '';
  }

  /** Fits the canvas to its window and its pixels. */
  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const w = Math.round(this.canvas.clientWidth * ratio);
    const h = Math.round(this.canvas.clientHeight * ratio);
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.scale = Math.max(Math.min(w, h) / VIEW, Math.max(w / WIDTH, h / HEIGHT) * 0.8);
  }

  /**
   * The place in the arena under a point of the window.
   * @param {number} px CSS pixels
   * @param {number} py
   */
  unproject(px, py) {
    const ratio = this.canvas.width / Math.max(this.canvas.clientWidth, 1);
    return {
      x: this.x + (px * ratio - this.canvas.width / 2) / this.scale,
      y: this.y + (py * ratio - this.canvas.height / 2) / this.scale,
    };
  }

  /** @param {Scene} scene */
  draw(scene) {
    this.resize();
    const { ctx, canvas, scale } = this;
    this.look(scene.centre);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.fillStyle = '#0a0d10';
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    const sx = scene.shake ? (Math.random() - 0.5) * scene.shake : 0;
    const sy = scene.shake ? (Math.random() - 0.5) * scene.shake : 0;
    ctx.setTransform(scale, 0, 0, scale, canvas.width / 2 - (this.x + sx) * scale, canvas.height / 2 - (this.y + sy) * scale);
    this.drawGround(scene.walls);
    for (const c of scene.crates) drawCrate(ctx, c);
    for (const b of scene.bullets) drawBullet(ctx, b);
    for (const t of scene.tanks) if (t.hp > 0) drawTank(ctx, t);
    for (const e of scene.effects) drawEffect(ctx, e);
    for (const t of scene.tanks) if (t.hp > 0) drawLabel(ctx, t);
  }

  /**
   * Centres on a point, but keeps the window inside the arena where it fits.
   * @param {{x: number, y: number}} centre
   * @private
   */
  look(centre) {
    const halfW = this.canvas.width / 2 / this.scale;
    const halfH = this.canvas.height / 2 / this.scale;
    const margin = 2;
    this.x = within(centre.x, halfW - margin, WIDTH - halfW + margin, WIDTH / 2);
    this.y = within(centre.y, halfH - margin, HEIGHT - halfH + margin, HEIGHT / 2);
  }

  /**
   * Floor and walls do not change, so they are painted once for each scale.
   * @param {Wall[]} walls
   * @private
   */
  drawGround(walls) {
    const detail = Math.min(this.scale, 48);
    const key = `${detail} ${walls.length}`;
    if (this.groundKey !== key) {
      this.groundKey = key;
      this.ground.width = Math.ceil(WIDTH * detail);
      this.ground.height = Math.ceil(HEIGHT * detail);
      const g = this.ground.getContext('2d', { alpha: false });
      if (!g) return;
      g.setTransform(detail, 0, 0, detail, 0, 0);
      paintGround(g, walls);
    }
    this.ctx.drawImage(this.ground, 0, 0, WIDTH, HEIGHT);
  }
}

/**
 * @param {number} v
 * @param {number} low
 * @param {number} high
 * @param {number} middle where low and high have crossed
 */
function within(v, low, high, middle) {
  return low > high ? middle : Math.min(Math.max(v, low), high);
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {Wall[]} walls
 */
function paintGround(g, walls) {
  g.fillStyle = '#12171c';
  g.fillRect(0, 0, WIDTH, HEIGHT);
  g.strokeStyle = '#181f26';
  g.lineWidth = 0.06;
  g.beginPath();
  for (let x = 0; x <= WIDTH; x += 4) g.rect(x, 0, 0, HEIGHT);
  for (let y = 0; y <= HEIGHT; y += 4) g.rect(0, y, WIDTH, 0);
  g.stroke();
  g.fillStyle = '#05070988';
  for (const w of walls) g.fillRect(w.x + 0.25, w.y + 0.35, w.w, w.h);
  for (const w of walls) {
    g.fillStyle = '#2b3742';
    g.fillRect(w.x, w.y, w.w, w.h);
    g.fillStyle = '#35434f';
    g.fillRect(w.x, w.y, w.w, Math.min(0.18, w.h));
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Crate} c
 */
function drawCrate(ctx, c) {
  const repair = c.what === CRATE_REPAIR;
  ctx.save();
  ctx.translate(c.x, c.y);
  ctx.fillStyle = repair ? '#173a2e' : '#3c2f18';
  ctx.strokeStyle = repair ? '#5fd3a5' : '#f2b35e';
  ctx.lineWidth = 0.12;
  ctx.beginPath();
  ctx.roundRect(-0.6, -0.6, 1.2, 1.2, 0.2);
  ctx.fill();
  ctx.stroke();
  ctx.fillStyle = ctx.strokeStyle;
  if (repair) {
    ctx.fillRect(-0.34, -0.1, 0.68, 0.2);
    ctx.fillRect(-0.1, -0.34, 0.2, 0.68);
  } else {
    for (const x of [-0.3, -0.07, 0.16]) ctx.fillRect(x, -0.28, 0.14, 0.56);
  }
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Bullet} b
 */
function drawBullet(ctx, b) {
  const dx = Math.cos(b.angle * TURN);
  const dy = Math.sin(b.angle * TURN);
  ctx.strokeStyle = '#ffd88a55';
  ctx.lineCap = 'round';
  ctx.lineWidth = BULLET_RADIUS * 1.6;
  ctx.beginPath();
  ctx.moveTo(b.x - dx * 1.3, b.y - dy * 1.3);
  ctx.lineTo(b.x, b.y);
  ctx.stroke();
  ctx.fillStyle = '#fff1cf';
  ctx.beginPath();
  ctx.arc(b.x, b.y, BULLET_RADIUS, 0, 7);
  ctx.fill();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Tank} t
 */
function drawTank(ctx, t) {
  const hue = (t.hue * 360) / 256;
  ctx.save();
  ctx.globalAlpha = t.away ? 0.4 : 1;
  ctx.translate(t.x, t.y);
  if (t.safe) {
    ctx.strokeStyle = `hsl(${hue} 80% 75% / .5)`;
    ctx.lineWidth = 0.1;
    ctx.beginPath();
    ctx.arc(0, 0, TANK_RADIUS + 0.35, 0, 7);
    ctx.stroke();
  }
  ctx.save();
  ctx.rotate(t.heading * TURN);
  ctx.fillStyle = '#0a0e12';
  ctx.beginPath();
  ctx.roundRect(-0.95, -0.92, 1.9, 0.42, 0.14);
  ctx.roundRect(-0.95, 0.5, 1.9, 0.42, 0.14);
  ctx.fill();
  ctx.fillStyle = `hsl(${hue} 45% 42%)`;
  ctx.strokeStyle = t.mine ? '#ffffff' : `hsl(${hue} 50% 24%)`;
  ctx.lineWidth = t.mine ? 0.09 : 0.12;
  ctx.beginPath();
  ctx.roundRect(-0.85, -0.62, 1.7, 1.24, 0.3);
  ctx.fill();
  ctx.stroke();
  ctx.restore();
  ctx.rotate(t.aim * TURN);
  ctx.fillStyle = `hsl(${hue} 55% 68%)`;
  ctx.fillRect(0.2 - t.recoil * 0.35, -0.16, 1.25, 0.32);
  ctx.beginPath();
  ctx.arc(0, 0, 0.5, 0, 7);
  ctx.fill();
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Tank} t
 */
function drawLabel(ctx, t) {
  ctx.globalAlpha = t.away ? 0.4 : 1;
  ctx.font = `${t.mine ? 600 : 400} 0.85px ui-sans-serif, system-ui, sans-serif`;
  ctx.textAlign = 'center';
  ctx.fillStyle = t.mine ? '#ffffff' : '#b7c3cb';
  ctx.fillText(t.name, t.x, t.y - 1.85);
  ctx.fillStyle = '#000000aa';
  ctx.fillRect(t.x - 1, t.y - 1.6, 2, 0.2);
  const share = Math.min(Math.max(t.hp / FULL_HP, 0), 1);
  ctx.fillStyle = share > 0.35 ? '#5fd3a5' : '#f0655d';
  ctx.fillRect(t.x - 1, t.y - 1.6, 2 * share, 0.2);
  ctx.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Effect} e
 */
function drawEffect(ctx, e) {
  const left = 1 - e.age;
  ctx.lineWidth = 0.16 * left;
  if (e.kind === 'blast') {
    const hue = (e.hue * 360) / 256;
    ctx.fillStyle = `hsl(${hue} 80% 65% / ${0.4 * left})`;
    circle(ctx, e.x, e.y, 0.8 + 2.6 * Math.sqrt(e.age)).fill();
    ctx.strokeStyle = `rgb(255 236 200 / ${left})`;
    circle(ctx, e.x, e.y, 1 + 4 * Math.sqrt(e.age)).stroke();
  } else if (e.kind === 'spark') {
    ctx.strokeStyle = `rgb(255 224 160 / ${left})`;
    circle(ctx, e.x, e.y, 0.25 + 0.8 * e.age).stroke();
  } else {
    ctx.fillStyle = `rgb(255 241 207 / ${left * 0.9})`;
    circle(ctx, e.x, e.y, 0.5 * left).fill();
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
function circle(ctx, x, y, r) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 7);
  return ctx;
}
