// The protocol of one seat: states, private parts, events, resync, and bytes
// that no server sends.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Link } from '../sdk/link.js';
import { CHECK, RESYNC, RESYNC_HASH, readMessages } from '../sdk/wire.js';
import { ProtocolError, concat, encode, random, vectors, welcome } from './lib.js';

/** A link and what it told. */
function rig() {
  /** @type {{sent: Uint8Array[], states: any[], byes: any[], welcomes: any[]}} */
  const told = { sent: [], states: [], byes: [], welcomes: [] };
  const link = new Link({
    send: (b) => told.sent.push(b),
    welcome: (w) => told.welcomes.push(w),
    state: (tick, changes, events, keyframe) => told.states.push({ tick, changes, events, keyframe }),
    pong: () => {},
    reset: () => {},
    stalled: () => {},
    moved: () => {},
    bye: (code, text, retryMs) => told.byes.push({ code, text, retryMs }),
  });
  link.hello({ kind: 'tanks', room: '', name: 'ann', auth: '', spectate: false, params: {} });
  return { link, told };
}

// tank 0 at x = 2 (512/256), hp 100; tank 2 at x = 1, hp 50.
const KEYFRAME = [5, 101, 0, 1, 2, 2, 0, -4, 512, 100, 1, -4, 256, 50];
const OWN = [4, 0, -1, 0, 2, 1, 0, -5, 8]; // tank 0 is ours, ammo 8

function joined() {
  const r = rig();
  r.link.receive(welcome(), 0);
  r.link.receive(encode(OWN), 0);
  r.link.receive(encode(KEYFRAME), 0);
  return r;
}

test('a state is composed of the shared and the own part', () => {
  const { link, told } = joined();
  const tank = link.state?.table('tank');
  assert.deepEqual({ ...tank?.get(0) }, { x: 2, hp: 100, ammo: 8 });
  assert.deepEqual({ ...tank?.get(2) }, { x: 1, hp: 50, ammo: 0 });
  assert.deepEqual(tank?.mine(), [0]);
  assert.deepEqual(told.states.map((s) => [s.tick, s.keyframe]), [[101, true]]);
  link.receive(encode([3, 2, 3, 1, 2, 1, 0, 1, -256]), 0); // two ticks later: tank 2 gone, tank 0 moved
  assert.equal(link.tick, 103);
  assert.deepEqual([...(tank ?? [])].map(([i, t]) => [i, t.x]), [[0, 1]]);
});

test('events come after their state, shared before private, in order of tick', () => {
  const { link, told } = joined();
  link.receive(concat([4, 0, -1, 0], [6, 1, 0, 10], [6, 0, 0, 11]), 0);
  link.receive(concat([3, 2], [6, 1, 0, 20], [6, 0, 0, 21]), 0);
  assert.deepEqual(told.states.at(-1).events.map((/** @type {any} */ e) => [e.tick, e.data.power]), [[102, 20], [102, 10], [103, 21], [103, 11]]);
});

test('inputs are numbered on, and acknowledged', () => {
  const { link, told } = joined();
  assert.deepEqual([link.input({ dx: 5 }, 101), link.input({ dx: 5, fire: true }, 102)], [1, 2]);
  const inputs = told.sent.slice(1);
  assert.deepEqual(inputs.map((b) => [...b]), [[...encode([7, 1, 1, 1, 5])], [...encode([7, 1, 1, 2, 1])]]);
  link.receive(encode([4, 2, 3, 0]), 0);
  link.receive(encode([3, 1]), 0);
  assert.deepEqual([link.ack, link.slack], [2, 3]);
});

test('a resumed seat sends what was not acknowledged again, 8 at most', () => {
  const { link, told } = joined();
  for (let i = 0; i < 12; i++) link.input({ dx: i }, 101);
  link.hello({ kind: 'tanks', room: '', name: 'ann', auth: '', spectate: false, params: {} });
  const hello = readMessages(told.sent.at(-1) ?? new Uint8Array())[0];
  hello.r.skip(4); // proto, kind, room, name
  assert.deepEqual([hello.r.str(256), hello.r.uint(), hello.r.uint()], ['r.1.secret', 5, 101]);
  told.sent.length = 0;
  link.receive(welcome({ resumed: true, tick: 130, lastSeq: 3, schema: null }), 0);
  assert.equal(told.sent.length, 8);
  assert.deepEqual([...told.sent[0]], [...encode([7, 2, -29, 1, 4])]); // sequence 5: the newest 8 of 4 to 12
  link.receive(encode([3, 20]), 0); // the state went on from the cursor
  assert.equal(link.tick, 121);
});

test('a broken state asks for a keyframe once a second, and then is right again', () => {
  const { link, told } = joined();
  told.sent.length = 0;
  link.receive(encode([3, 1, 2, 1, 7, 1, 5]), 1000); // changes a row that is not there
  link.receive(encode([3, 1]), 1500);
  link.receive(encode([3, 1]), 2100);
  assert.deepEqual(told.sent.map((b) => readMessages(b)[0].kind), [RESYNC, RESYNC]);
  link.receive(encode(OWN), 2200);
  link.receive(encode(KEYFRAME), 2200);
  assert.deepEqual({ ...link.state?.table('tank').get(0) }, { x: 2, hp: 100, ammo: 8 });
});

test('a message before the welcome ends the connection', () => {
  assert.throws(() => rig().link.receive(encode(KEYFRAME), 0), ProtocolError);
});

test('100,000 mutated frames do no harm', { timeout: 60_000 }, () => {
  const next = random(7);
  const pool = [OWN, KEYFRAME, [3, 1, 2, 1, 0, 1, -5], [6, 0, 0, 200], [4, 1, 2, 0, 2, 1, 0, 4, 1], [10, 1, 2, 3]].map((m) => encode(m));
  for (const m of vectors('vectors.json').messages) pool.push(Uint8Array.from(Buffer.from(m.hex, 'hex')));
  const { link } = joined();
  let refused = 0;
  for (let i = 0; i < 100_000; i++) {
    const frame = mutate(pool[Math.floor(next() * pool.length)], next);
    try {
      link.receive(frame, i);
    } catch (e) {
      assert.ok(e instanceof ProtocolError, `frame ${Buffer.from(frame).toString('hex')}: ${/** @type {Error} */ (e).stack}`);
      refused++;
    }
    if (i % 100 !== 99) continue;
    // Whatever it was, a keyframe makes the state right again.
    link.receive(welcomeAgain(link), i);
    link.receive(encode(OWN), i);
    link.receive(encode(KEYFRAME), i);
    assert.deepEqual({ ...link.state?.table('tank').get(0) }, { x: 2, hp: 100, ammo: 8 });
  }
  assert.ok(refused > 10_000, `only ${refused} were refused`);
});

/** Mutations may have brought another schema; the next welcome brings ours back. @param {Link} link */
function welcomeAgain(link) {
  link.welcomed = false;
  return welcome();
}

/**
 * @param {Uint8Array} from
 * @param {() => number} next
 */
function mutate(from, next) {
  let b = [...from];
  for (let n = 1 + Math.floor(next() * 3); n > 0; n--) {
    const at = Math.floor(next() * b.length);
    const what = next();
    if (what < 0.5) b[at] = Math.floor(next() * 256);
    else if (what < 0.7) b = b.slice(0, at);
    else if (what < 0.85) b.splice(at, 0, Math.floor(next() * 256));
    else b.splice(at, 1);
  }
  return Uint8Array.from(b);
}

test('a keyframe comes in parts, and nothing is told before the last', () => {
  const { link, told } = joined();
  const tank = link.state?.table('tank');
  link.receive(encode([5, 110, 0, 0, 2, 1, 0, -2, 256]), 1000);
  link.receive(encode([5, 110, 1, 0, 2, 1, 3, -2, 512]), 1000);
  assert.equal(link.holds, false);
  assert.equal(told.states.length, 1);
  assert.deepEqual([...(tank ?? [])].map(([i]) => i), [0, 2], 'the tables are as before');
  link.receive(concat([4, 0, -1, 0, 2, 1, 0, -5, 9], [5, 110, 2, 1, 2, 1, 4, -1], [6, 0, 0, 7]), 1000);
  assert.deepEqual([...(tank ?? [])].map(([i, t]) => [i, t.x, t.ammo]), [[0, 1, 9], [3, 2, 0], [4, 0, 0]]);
  assert.deepEqual([link.tick, link.holds, told.states.length, told.states[1].events.length], [110, true, 2, 1]);
});

test('parts out of order, and deltas between them, ask for another keyframe', () => {
  for (const broken of [[[5, 110, 0, 0], [5, 110, 2, 1]], [[5, 110, 0, 0], [5, 111, 1, 1]], [[5, 110, 1, 1]], [[5, 110, 0, 0], [3, 1]]]) {
    const { link } = joined();
    for (const m of broken) link.receive(encode(m), 1000);
    assert.deepEqual([link.resyncs, link.holds], [1, false], JSON.stringify(broken));
    link.receive(encode([5, 120, 0, 1, 2, 1, 0, -4, 512, 100]), 1100);
    assert.deepEqual([link.tick, link.holds], [120, true]);
  }
});

test('deltas with back 0 are differences from a prediction', () => {
  const { link, told } = joined();
  const tank = link.state?.table('tank');
  link.receive(encode([3, 0]), 1000);
  assert.equal(link.resyncs, 1, 'a prediction from one state');
  link.receive(encode(KEYFRAME), 1000);
  link.receive(encode([3, 1, 2, 1, 0, 1, 256]), 1000); // tank 0 moves by 1
  link.receive(encode([3, 1, 2, 1, 0, 1, 256]), 1000); // and again
  const before = told.states.length;
  link.receive(encode([3, 0]), 1000); // and goes on
  assert.deepEqual([tank?.get(0)?.x, tank?.get(2)?.x, link.tick], [5, 1, 104]);
  assert.deepEqual(told.states[before].changes.get('tank').changed, [0], 'what the prediction moved is told');
  link.receive(encode([3, 0, 2, 1, 0, 1, -256]), 1000); // it stops
  link.receive(encode([3, 0]), 1000); // and rests
  assert.deepEqual([tank?.get(0)?.x, link.tick, link.resyncs], [5, 106, 1]);
});

test('a check that fails asks for a keyframe with the own hash', () => {
  const { link, told } = joined();
  const hash = link.state?.shared.hash() ?? 0;
  link.receive(concat([3, 1], [CHECK, hash]), 1000);
  assert.deepEqual([link.resyncs, link.wrongHashes], [0, 0]);
  link.receive(concat([3, 1], [6, 0, 0, 3], [CHECK, (hash ^ 1) >>> 0]), 1000);
  assert.deepEqual([link.resyncs, link.wrongHashes, link.holds], [1, 1, false]);
  assert.deepEqual([...(told.sent.at(-1) ?? [])], [...encode([RESYNC, 103, RESYNC_HASH, hash])]);
  link.receive(concat([3, 1], [CHECK, 5]), 1000);
  assert.equal(link.wrongHashes, 1, 'of a state that is not held');
});
