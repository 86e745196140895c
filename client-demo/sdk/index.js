// The roomd SDK: plain ES modules, no dependencies. A page needs connect, and a
// game that predicts needs InputClock, PlayClock, Predictor and Track.

export { BACKLOG_MS, Room, connect } from './client.js';
export { InputClock, PlayClock } from './clock.js';
export { Track, shortArc } from './interpolate.js';
export { Link } from './link.js';
export { ProtocolError, Reader, Writer } from './msgpack.js';
export { Predictor } from './predict.js';
export { readSchema } from './schema.js';
export { State, Table } from './state.js';
export { BYES } from './wire.js';
