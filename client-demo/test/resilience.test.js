// What goes wrong between a client and its server, and how the client gets over it.

import assert from 'node:assert/strict';
import test from 'node:test';
import { InputEncoder } from '../sdk/input.js';
import { BACKOFF_MAX_MS, CONNECT_MS, MAX_HOPS, SILENCE_MS } from '../sdk/limits.js';
import { Link } from '../sdk/link.js';
import { INPUT, PING, readMessages } from '../sdk/wire.js';
import { GAME, ProtocolError, concat, encode, schemaOf, welcome } from './lib.js';
import { KEYFRAME, playing, world } from './world.js';

const OWN = [4, 0, -1, 0, 2, 1, 0, -5, 8];
const BROKEN = [3, 1, 2, 1, 7, 1, 5]; // changes a row that is not there

function joined() {
  /** @type {any[]} */
  const states = [];
  const ignore = () => {};
  const link = new Link({
    send: ignore, welcome: ignore, pong: ignore, bye: ignore, reset: ignore, stalled: ignore, moved: ignore,
    state: (tick, changes, events, keyframe) => states.push({ tick, changes, events: events.map((e) => [e.tick, e.data.power]), keyframe }),
  });
  link.hello({ kind: 'tanks', room: '', name: '', auth: '', spectate: false, params: {} });
  link.receive(welcome(), 0);
  link.receive(concat(OWN, KEYFRAME), 0);
  return { link, states };
}

test('events of frames that could not be applied are not told with a later frame', () => {
  const { link, states } = joined();
  link.receive(concat(BROKEN, [6, 0, 0, 50]), 1000);
  link.receive(concat([4, 0, -1, 0], [6, 0, 0, 51], [3, 1], [6, 0, 0, 52]), 1100);
  link.receive(concat(OWN, [6, 0, 0, 53], [5, 110, 0, 1, 2, 1, 0, -4, 512, 100], [6, 0, 0, 54]), 1200);
  assert.deepEqual(states.at(-1).events, [[110, 54], [110, 53]]);
});

test('the tick goes on while a keyframe is waited for', () => {
  const { link } = joined();
  link.receive(encode(BROKEN), 1000);
  link.receive(encode([3, 2]), 1100);
  assert.equal(link.tick, 104);
});

test('two state frames in one message are two states', () => {
  const { link, states } = joined();
  link.receive(concat([3, 1, 2, 1, 0, 1, 256], [6, 0, 0, 1], [3, 1, 2, 1, 0, 2, -1], [6, 0, 0, 2]), 1000);
  assert.deepEqual(states.slice(1).map((s) => [s.tick, s.events]), [[102, [[102, 1]]], [103, [[103, 2]]]]);
});

test('a schema whose parts do not fit together is refused', () => {
  const reference = ['a', 5, 32, 0, 0, 100, 0];
  const fields = [{ name: 'f', leaves: [reference, ['a.b', 2, 32, 0, -5, 5, 0]] }];
  const schema = { kind: 'k', tickRate: 20, events: [], tables: [{ name: 't', fields }], input: { name: 'i', fields: [] } };
  assert.throws(() => schemaOf(schema), ProtocolError);
});

test('text of an input is cut to what the server takes, at a whole character', () => {
  const fields = [{ name: 'say', leaves: [['', 6, 0, 0, 0, 5, 0]] }];
  const schema = schemaOf({ kind: 'k', tickRate: 20, events: [], tables: [], input: { name: 'i', fields } });
  const { values } = new InputEncoder(schema.input).encode({ say: '日本語' });
  assert.deepEqual([...values], [...encode('日')]);
});

test('the server\'s wait is kept in whole', () => {
  const { w } = playing();
  w.random = 0;
  w.receive(encode([11, 13, '', 4000]));
  w.socket.onclose({ code: 1001 });
  w.pass(3999);
  assert.equal(w.sockets.length, 1);
  w.pass(1);
  assert.equal(w.sockets.length, 2);
});

test('a final bye stays final when the close never comes', () => {
  const { w, room } = playing();
  w.receive(encode([11, 11, 'kicked', 0]));
  w.pass(10 * SILENCE_MS);
  assert.deepEqual([room.status, room.text, w.sockets.length], ['closed', 'kicked', 1]);
});

test('timers that slept are not the server\'s silence', () => {
  const { w, room } = playing();
  w.now += 60_000; // a hidden tab's timers run once a minute, messages come at once
  w.pass(0);
  assert.equal(room.status, 'playing');
  const [ping] = readMessages(w.socket.sent.at(-1));
  assert.equal(ping.kind, PING);
  w.pass(SILENCE_MS + 1000);
  assert.notEqual(room.status, 'playing');
});

test('what may not be said in a hello ends the attempt and tells why', () => {
  const w = world();
  const room = w.connect({ name: 'a\nb' });
  w.socket.onopen();
  w.pass(2 * (CONNECT_MS + BACKOFF_MAX_MS));
  assert.equal(room.status, 'closed');
  assert.match(room.text, /^name /);
  assert.equal(w.sockets.length, 1);
});

test('a storage that is full, or none, does not stand in the way', () => {
  const full = /** @type {any} */ ({ getItem: () => null, removeItem() {}, setItem() { throw new Error('quota'); } });
  for (const storage of [full, null]) assert.equal(playing({ storage }).room.status, 'playing');
});

test('a room that is closed by a listener tells nothing more and stays closed', () => {
  /** @type {[string, (w: any) => void][]} when it is closed, and what the server does after that */
  const moments = [
    ['status reconnecting', (w) => w.socket.onclose({ code: 1006 })],
    ['welcome', (w) => (w.socket.onclose({ code: 1006 }), w.pass(BACKOFF_MAX_MS), w.socket.onopen(), w.receive(welcome({ resumed: true })))],
    ['status playing', (w) => (w.socket.onclose({ code: 1006 }), w.pass(BACKOFF_MAX_MS), w.socket.onopen(), w.receive(welcome({ resumed: true })))],
    ['state', (w) => w.receive(concat([3, 1], [6, 0, 0, 9], [3, 1], [14], [13, 6, 90, 3]))],
    ['event', (w) => w.receive(concat([3, 1], [6, 0, 0, 9], [6, 0, 0, 9], [3, 1], [12345678]))],
    ['bye', (w) => (w.receive(encode([11, 13, '', 0])), w.socket.onclose?.({ code: 1001 }))],
  ];
  for (const [moment, happens] of moments) {
    const { w, room } = playing();
    /** @type {string[]} */
    const told = [];
    let closed = false;
    for (const topic of /** @type {const} */ (['status', 'welcome', 'state', 'event', 'stalled', 'reset', 'bye'])) {
      room.on(topic, (e) => {
        const what = topic === 'status' ? `status ${e.status}` : topic;
        if (closed) told.push(what);
        if (what !== moment || closed) return;
        closed = true;
        room.close();
      });
    }
    happens(w);
    w.pass(60_000);
    assert.deepEqual([closed, told, room.status, room.text], [true, ['status closed'], 'closed', 'closed'], moment);
    assert.deepEqual([w.sockets.filter((s) => !s.closed).length, w.timers.length], [0, 0], moment);
    room.close();
    assert.deepEqual(told, ['status closed'], moment);
  }
});

test('a room that is closed by a listener keeps its seat for a reload', () => {
  const { w, room } = playing();
  room.on('state', () => room.close());
  w.receive(concat([3, 1], [3, 1], [6, 0, 63])); // and then breaks the protocol
  assert.deepEqual([room.status, w.storage.kept.size], ['closed', 1]);
});

test('what a listener throws harms neither the state nor the connection', () => {
  for (const topic of /** @type {const} */ (['status', 'welcome', 'state', 'event'])) {
    const w = world();
    const room = w.connect();
    let thrown = 0;
    room.on(topic, () => {
      thrown++;
      throw new Error('of the game');
    });
    let heard = 0;
    room.on(topic, () => heard++);
    w.socket.onopen();
    w.receive(welcome());
    w.receive(encode(KEYFRAME));
    w.receive(concat([3, 1, 2, 1, 0, 1, 256], [6, 0, 0, 9], [3, 1]));
    assert.deepEqual([room.tick, room.status, heard, w.sockets.length], [103, 'playing', thrown, 1], topic);
    let uncaught = 0;
    for (let i = 0; i < 2 * thrown; i++) {
      try {
        w.pass(0);
      } catch {
        uncaught++;
      }
    }
    assert.deepEqual([uncaught, thrown > 0], [thrown, true], topic);
    w.socket.onclose({ code: 1006 });
    try {
      w.pass(0);
    } catch {
      // that of the status
    }
    w.pass(BACKOFF_MAX_MS);
    assert.equal(w.sockets.length, 2, topic);
  }
});

test('a server that welcomes and breaks off is left alone for longer each time', () => {
  /** @type {[string, (w: any, n: number) => void][]} */
  const ends = [
    ['broken', (w) => w.socket.onclose({ code: 1006 })],
    ['failed', (w) => (w.receive(encode([11, 6, '', 0])), w.socket.onclose({ code: 4006 }))],
    ['moved', (w, n) => (w.receive(encode([11, 18, `ws://${n}.example/v1/ws?room=r`, 0])), w.socket.onclose({ code: 4018 }))],
    ['told to wait for 25 days', (w) => (w.receive(encode([11, 13, '', 2 ** 31])), w.socket.onclose({ code: 1001 }))],
  ];
  for (const [name, end] of ends) {
    const w = world();
    w.random = 1;
    const room = w.connect();
    const until = w.now + 60_000;
    for (let n = 0; w.now < until && n < 1000; n++) {
      w.socket.onopen();
      w.receive(welcome());
      end(w, n);
      const before = w.sockets.length;
      while (w.sockets.length === before && w.now < until) w.pass(50);
    }
    assert.ok(w.sockets.length < 30, `${name}: ${w.sockets.length} connections in a minute`);
    assert.equal(room.status, 'reconnecting', name);
  }
});

test('a connection that lasted is the end of an earlier wait', () => {
  const { w, room } = playing();
  w.random = 1;
  for (let i = 0; i < 4; i++) {
    w.socket.onclose({ code: 1006 });
    w.pass(BACKOFF_MAX_MS);
  }
  w.socket.onopen();
  w.receive(welcome({ resumed: true }));
  for (let t = 0; t < BACKOFF_MAX_MS; t += 500) {
    w.pass(500);
    w.receive(encode([10, 0, w.now, 101]));
  }
  const n = w.sockets.length;
  w.socket.onclose({ code: 1006 });
  w.pass(249);
  assert.equal(w.sockets.length, n);
  w.pass(1);
  assert.deepEqual([w.sockets.length, room.status], [n + 1, 'reconnecting']);
});

test('servers that send each other the room do not send a client around for ever', () => {
  const { w, room } = playing();
  const around = () => {
    for (let i = 0; i < 50; i++) {
      const n = w.sockets.length;
      w.receive(encode([15, `ws://${i}.example/v1/ws?room=r`]));
      if (w.sockets.length === n) continue;
      w.socket.onopen();
      w.receive(welcome({ resumed: true }));
    }
    return w.sockets.length;
  };
  assert.equal(around(), 1 + MAX_HOPS);
  for (let t = 0; t < BACKOFF_MAX_MS; t += 500) {
    w.pass(500);
    w.receive(encode([10, 0, w.now, 101]));
  }
  assert.deepEqual([around(), room.status], [1 + 2 * MAX_HOPS, 'playing']);
});

test('who joins anew keeps the wait that the server asks for', () => {
  const { w } = playing();
  w.receive(encode([11, 4, '', 3000]));
  w.socket.onclose({ code: 4004 });
  w.pass(2999);
  assert.equal(w.sockets.length, 1);
  w.pass(1);
  assert.equal(w.sockets.length, 2);
});

test('an input that is too long is refused, and those after it are what they would have been', () => {
  const fields = [{ name: 'turn', leaves: [['', 2, 32, 0, -100, 100, 0]] }, ...Array.from({ length: 20 }, (_, i) => ({ name: `t${i}`, leaves: [['', 6, 0, 0, 0, 255, 0]] }))];
  const schema = { kind: 'k', tickRate: 20, events: [], tables: [], input: { name: 'i', fields } };
  const long = Object.fromEntries(fields.slice(1).map((f) => [f.name, 'x'.repeat(255)]));
  const ignore = () => {};
  /** @param {boolean} tries */
  const after = (tries) => {
    /** @type {string[]} */
    const sent = [];
    const link = new Link({ send: (b) => sent.push(Buffer.from(b).toString('hex')), welcome: ignore, pong: ignore, bye: ignore, reset: ignore, stalled: ignore, moved: ignore, state: ignore });
    const hello = { kind: 'k', room: '', name: '', auth: '', spectate: false, params: {} };
    link.hello(hello);
    link.receive(welcome({ schema }), 0);
    assert.equal(link.input({ turn: 5 }, 101), 1);
    if (tries) assert.throws(() => link.input({ turn: 50, ...long }, 101), RangeError);
    assert.equal(link.input({ turn: 7, t0: 'a' }, 101), 2);
    link.hello(hello);
    link.receive(welcome({ schema: null, resumed: true }), 0);
    return sent;
  };
  assert.deepEqual(after(true), after(false));
});

test('an input that is too long only against an empty one is lost with its connection, and nothing else is', () => {
  const fields = [{ name: 'turn', leaves: [['', 2, 32, 0, -100, 100, 0]] }, ...Array.from({ length: 20 }, (_, i) => ({ name: `t${i}`, leaves: [['', 6, 0, 0, 0, 255, 0]] }))];
  const some = Object.fromEntries(fields.slice(1, 11).map((f) => [f.name, 'x'.repeat(255)]));
  const all = Object.fromEntries(fields.slice(1).map((f) => [f.name, 'x'.repeat(255)]));
  const w = world();
  const room = w.connect();
  w.socket.onopen();
  w.receive(welcome({ schema: { ...GAME, input: { name: 'i', fields } } }));
  w.receive(encode(KEYFRAME));
  assert.deepEqual([room.input(some), room.input(all), room.input({ turn: 9 })], [1, 2, 3]);
  w.socket.onclose({ code: 1006 });
  w.pass(BACKOFF_MAX_MS);
  w.socket.onopen();
  w.receive(Uint8Array.from([...welcome({ lastSeq: 1, resumed: true, schema: null }), ...encode([3, 1])]));
  const sent = w.socket.sent.flatMap((/** @type {Uint8Array} */ b) => readMessages(b).map((m) => m.kind));
  assert.deepEqual([room.tick, sent.filter((/** @type {number} */ k) => k === INPUT).length, room.input({})], [102, 1, 4]);
});
