// Replays the vectors that the Go tests of game/arena wrote: every bit must agree.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as rules from '../arena-rules.js';

const vectors = JSON.parse(
  readFileSync(new URL('../../game/arena/testdata/move.json', import.meta.url), 'utf8'),
);
const walls = vectors.walls.map(([x, y, w, h]) => ({ x, y, w, h }));

test('constants are those of the server', () => {
  for (const [name, value] of Object.entries(vectors.constants)) {
    assert.equal(rules[name], value, name);
  }
});

test('sine table is that of the server', () => {
  let sum = 0x811c9dc5; // FNV-1a, 32 bit, over the entries as little endian
  for (const v of rules.sinTable) {
    for (const byte of [v & 255, (v >> 8) & 255]) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  }
  assert.equal(sum, vectors.sinSum);
});

test('tanks move as on the server', () => {
  for (const run of vectors.runs) {
    let state = { x: run.start[0], y: run.start[1], heading: run.start[2] };
    run.ticks.forEach(([moveX, moveY, x, y, heading], tick) => {
      state = rules.move(state, { moveX, moveY }, walls);
      const got = [state.x * 256, state.y * 256, state.heading];
      assert.deepEqual(got, [x, y, heading], `${run.name}, tick ${tick}`);
    });
  }
});

test('angles are found as on the server', () => {
  for (const [dx, dy, want] of vectors.angles) {
    assert.equal(rules.angle(dx, dy), want, `angle(${dx}, ${dy})`);
  }
});

test('bullets fly as on the server', () => {
  for (const [x, y, angle, age, wantX, wantY] of vectors.bullets) {
    const got = rules.bulletAt({ x, y, angle, born: 1000 }, 1000 + age);
    assert.deepEqual([got.x, got.y], [wantX, wantY], `angle ${angle}, age ${age}`);
  }
});

test('a move does not change the state it is given', () => {
  const state = Object.freeze({ x: 40, y: 20, heading: 7 });
  assert.notDeepEqual(rules.move(state, { moveX: 127, moveY: 0 }, walls), state);
});
