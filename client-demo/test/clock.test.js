// Clocks, prediction and interpolation, in time that the test makes.

import assert from 'node:assert/strict';
import test from 'node:test';
import { InputClock, PlayClock } from '../sdk/clock.js';
import { MAX_TICKS_PER_FRAME, MAX_UNACKED } from '../sdk/limits.js';
import { Predictor } from '../sdk/predict.js';
import { Track, shortArc } from '../sdk/interpolate.js';
import { random } from './lib.js';

const DT = 1000 / 30;

/**
 * Plays against a server that applies one input a tick, for some seconds.
 * @param {number} seconds
 * @param {() => number} delay of an input on its way, in milliseconds
 * @param {InputClock} [clock]
 */
function against(seconds, delay, clock = new InputClock(30)) {
  /** @type {number[]} */
  let inbox = [];
  /** @type {number[]} */
  const waits = [];
  let starved = 0;
  let last = 0;
  for (let t = 0, tick = DT; t < seconds * 1000; t += 1000 / 60) {
    for (let n = clock.advance(t); n > 0; n--) inbox.push((last = Math.max(last, t + delay()))); // in order, as TCP is
    while (tick <= t) {
      const at = inbox[0] <= tick ? inbox.shift() : undefined;
      clock.report(t, at === undefined ? -1 : Math.round(((tick - at) / DT) * 4));
      if (t > (seconds * 1000) / 2) {
        if (at === undefined) starved++;
        else waits.push((tick - at) / DT);
      }
      tick += DT;
    }
  }
  return { starved, mean: waits.reduce((a, b) => a + b, 0) / waits.length, ticks: waits.length + starved };
}

test('inputs arrive in time and do not wait long', () => {
  const calm = against(40, () => 20);
  assert.ok(calm.starved <= calm.ticks * 0.01, `${calm.starved} of ${calm.ticks} ticks without input`);
  assert.ok(calm.mean < 2.5, `inputs wait ${calm.mean} ticks`);
});

test('the lead grows on a connection that jitters', () => {
  const next = random(1);
  const rough = against(40, () => 20 + 60 * next());
  assert.ok(rough.starved <= rough.ticks * 0.05, `${rough.starved} of ${rough.ticks} ticks without input`);
  assert.ok(rough.mean < 5, `inputs wait ${rough.mean} ticks`);
});

test('a long pause is not made up for tick by tick', () => {
  const clock = new InputClock(30);
  clock.advance(0);
  assert.equal(clock.advance(10_000), MAX_TICKS_PER_FRAME);
  assert.ok(clock.advance(10_001) <= 1);
});

test('the view stays behind the newest state, never goes back, and follows the jitter', () => {
  const view = new PlayClock(30);
  const next = random(3);
  let shown = -Infinity;
  let arrived = 0;
  /** @param {number} from @param {number} to @param {number} jitter */
  const play = (from, to, jitter) => {
    for (let t = from; t < to; t += 1000 / 60) {
      while (arrived * DT + 50 <= t) {
        view.arrived(t + jitter * next(), 100 + arrived);
        arrived++;
      }
      if (!view.started) continue;
      const at = view.show(t);
      assert.ok(at >= shown, `from tick ${shown} back to ${at}`);
      shown = at;
    }
  };
  play(0, 3000, 0);
  const calm = view.delay;
  assert.ok(calm < 2 * DT && shown < 100 + arrived, `delay ${calm} ms`);
  play(3000, 6000, 100);
  assert.ok(view.delay > calm + 50, `delay ${view.delay} ms with jitter`);
  const rough = view.delay;
  play(6000, 9000, 0);
  assert.ok(view.delay < rough && view.delay > calm, `delay ${view.delay} ms, which should shrink slowly from ${rough}`);
});

const rules = {
  step: (/** @type {{x: number, y: number}} */ s, /** @type {number} */ dx) => ({ x: s.x + dx, y: s.y }),
  same: (/** @type {{x: number}} */ a, /** @type {{x: number}} */ b) => a.x === b.x,
  place: (/** @type {{x: number, y: number}} */ s) => s,
  cut: 50,
};

test('a prediction that the server shares is not corrected', () => {
  const p = new Predictor(rules);
  p.confirm({ x: 0, y: 0 }, 0);
  for (let seq = 1; seq <= 10; seq++) p.play(seq, 2);
  p.confirm({ x: 6, y: 0 }, 3);
  assert.deepEqual([p.corrections, p.state?.x], [0, 20]);
});

test('a wrong prediction is played again from the server\'s state, and the picture glides', () => {
  const p = new Predictor(rules);
  p.confirm({ x: 0, y: 0 }, 0);
  for (let seq = 1; seq <= 10; seq++) p.play(seq, 2);
  p.confirm({ x: 0, y: 0 }, 3); // a wall stopped it
  assert.deepEqual([p.corrections, p.state?.x], [1, 14]);
  assert.equal(p.picture(1, 0)?.x, 20);
  const half = p.picture(1, 70)?.x ?? 0;
  assert.ok(half > 16 && half < 18, `${half}`);
  assert.ok(Math.abs((p.picture(1, 2000)?.x ?? 0) - 14) < 0.01);
  p.confirm({ x: 1000, y: 0 }, 10); // a teleport is a cut
  assert.equal(p.picture(1, 0)?.x, 1000);
});

test('prediction is bounded without acknowledgements', () => {
  const p = new Predictor(rules);
  p.play(1, 2);
  assert.equal(p.state, null);
  p.confirm({ x: 0, y: 0 }, 0);
  for (let seq = 1; seq <= 2 * MAX_UNACKED; seq++) p.play(seq, 1);
  assert.equal(p.state?.x, MAX_UNACKED);
});

test('a track is shown between its states, a little beyond, and no further', () => {
  const t = new Track(['aim']);
  assert.equal(t.at(1), null);
  t.push(10, { x: 0, aim: 65000 });
  assert.deepEqual(t.at(3), { x: 0, aim: 65000 });
  t.push(12, { x: 4, aim: 464 });
  assert.deepEqual(t.at(11), { x: 2, aim: 65500 }); // the short way, over 0
  assert.equal(t.at(13)?.x, 6);
  assert.equal(t.at(50)?.x, 7);
  assert.equal(shortArc(100, 65436), -200);
  t.cut();
  assert.equal(t.at(11), null);
});

test('what gathered while the tab slept is taken in at once', () => {
  const clock = new PlayClock(60);
  for (let i = 0; i < 20_000; i++) clock.arrived(1000 + i / 100, i); // five minutes in 200 ms
  assert.ok(/** @type {any} */ (clock).arrivals.length <= 480);
  assert.ok(Math.abs(clock.present(1200) - 20_000) < 1, `${clock.present(1200)}`);
});
