// Watches a room with nothing but EventSource: no SDK. See README, "Watch".
import { draw } from './watch-picture.js';

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const debug = { status: '', room: '', tick: 0, key: 0, delta: 0, event: 0, reset: 0, ids: /** @type {string[]} */ ([]), tanks: 0 };
/** @type {any} */ (window).roomd = { state: debug }; // for tests and the curious
/** @type {Record<string, Record<string, any>>} */
let tables = {}; // rows by table and index
/** @type {EventSource | undefined} */
let source;
const say = (/** @type {string} */ text) => ($('status').textContent = debug.status = text);

/** Takes in a state, or what changed of it. @param {MessageEvent} e */
function apply(e) {
  const { tick, tables: changed } = JSON.parse(e.data);
  if (e.type === 'key') tables = {};
  for (const [name, rows] of Object.entries(changed)) {
    const held = (tables[name] ??= {});
    for (const [index, row] of Object.entries(/** @type {Record<string, any>} */ (rows))) {
      if (row === null) delete held[index];
      else held[index] = row.$new ? row : { ...held[index], ...row };
    }
  }
  debug.tick = tick;
  debug.tanks = draw($('field').getContext('2d'), tables);
}

function watch(/** @type {string} */ room) {
  source?.close();
  debug.room = room;
  source = new EventSource(`/v1/rooms/${room}/spectate?delay=${$('delay').value}`);
  for (const type of /** @type {const} */ (['key', 'delta', 'event', 'reset'])) {
    source.addEventListener(type, (e) => {
      debug[type]++;
      if (e.lastEventId && e.lastEventId !== debug.ids.at(-1)) debug.ids.push(e.lastEventId);
      if (type === 'key' || type === 'delta') apply(e);
    });
  }
  source.addEventListener('hello', (e) => {
    const { delay, startsInMs } = JSON.parse(e.data);
    say(startsInMs ? `begins in ${Math.ceil(startsInMs / 1000)} s` : delay ? `${delay} s behind` : 'live');
  });
  source.addEventListener('end', (e) => { source?.close(); say(`over: ${JSON.parse(e.data).reason}`); });
  source.onerror = () => say('connecting again …');
}

/** Finds a room to watch, and how many do. */
async function look() {
  const wanted = new URLSearchParams(location.search).get('room') ?? debug.room;
  const { rooms } = await (await fetch('/v1/rooms?kind=arena')).json();
  const room = rooms.find((/** @type {any} */ r) => !wanted || r.id === wanted);
  if (room && !debug.room) watch(room.id);
  if (room) $('room').textContent = `${room.id}: ${room.players} playing, ${room.spectators} watching`;
  else if (!debug.room) say('nobody plays now');
}

$('delay').onchange = () => debug.room && watch(debug.room);
look();
setInterval(look, 3000);
