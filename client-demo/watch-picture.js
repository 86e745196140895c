// The arena from above, for those who watch: no camera, no prediction.

const UNIT = 20; // pixels
const TURN = Math.PI / 32768;

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Record<string, Record<string, any>>} tables rows by table and index
 * @returns {number} how many tanks live
 */
export function draw(ctx, tables) {
  const rows = (/** @type {string} */ t) => Object.values(tables[t] ?? {});
  ctx.setTransform(UNIT, 0, 0, UNIT, 0, 0); // the arena is 80 by 56 units
  ctx.fillStyle = '#11161b';
  ctx.fillRect(0, 0, 80, 56);
  ctx.fillStyle = '#2c3741';
  for (const w of rows('wall')) ctx.fillRect(w.x, w.y, w.w, w.h);
  ctx.font = '1.1px system-ui';
  ctx.textAlign = 'center';
  ctx.lineWidth = 0.5;
  const tanks = rows('tank').filter((t) => t.hp > 0);
  for (const t of tanks) {
    ctx.fillStyle = ctx.strokeStyle = `hsl(${(t.hue * 360) / 256} 70% 60%)`;
    ctx.beginPath();
    ctx.arc(t.x, t.y, 1, 0, 7);
    ctx.fill();
    ctx.beginPath();
    ctx.moveTo(t.x, t.y);
    ctx.lineTo(t.x + 1.7 * Math.cos(t.aim * TURN), t.y + 1.7 * Math.sin(t.aim * TURN));
    ctx.stroke();
    ctx.fillText(`${t.name} ${t.score}`, t.x, t.y - 1.4);
  }
  return tanks.length;
}
