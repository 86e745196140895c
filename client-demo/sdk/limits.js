// Every limit of the SDK, in one place. Those of the protocol are of
// netcode/wire/PROTOCOL.md section 14 and equal on both sides; the rest bounds
// what this client keeps, waits for or does in one go.

/** The version of the protocol that this SDK speaks. */
export const PROTOCOL_VERSION = 1;
/** What both sides name in the WebSocket handshake. */
export const SUBPROTOCOL = 'roomd.v1';

/** Bytes of one WebSocket message from the server. */
export const MAX_SERVER_MESSAGE = 16 << 20;
/** Depth to which arrays and maps nest in one element of a message. */
export const MAX_DEPTH = 8;
/** Bytes of the values of one input. */
export const MAX_INPUT = 4 << 10;
/** Bytes of names and texts in a hello, a welcome or a bye. */
export const MAX_KIND = 32;
export const MAX_ROOM = 64;
export const MAX_NAME = 64;
export const MAX_TOKEN = 256;
export const MAX_AUTH = 4 << 10;
export const MAX_TEXT = 256;
/** Pairs of params, and bytes of a key and of a value. */
export const MAX_PARAMS = 16;
export const MAX_PARAM_KEY = 32;
export const MAX_PARAM_VALUE = 256;
/** Bytes of a schema hash. */
export const HASH_LENGTH = 8;

/** Of a schema. */
export const MAX_TICK_RATE = 120;
export const MAX_SCHEMA_NAME = 255;
export const MAX_TABLES = 64;
export const MAX_EVENTS = 64;
export const MAX_FIELDS = 52;
export const MAX_LEAVES = 256;
export const MAX_SCALE = 1 << 24;
export const MAX_STRING = 255;
/** Rows of one table: an index is 20 bits. */
export const MAX_ROWS = (1 << 20) - 1;

/** States in a row that a prediction needs. */
export const PREDICT_RUN = 3;

/** Values of all rows that one store may hold, past ones included: a bound on memory. */
export const MAX_STORE_VALUES = 1 << 23;
/** Events held back for the state frame they belong to. */
export const MAX_HELD_EVENTS = 1 << 14;

/** Inputs that may wait for their acknowledgement; prediction pauses beyond. */
export const MAX_UNACKED = 60;
/** Inputs sent again after a resume: the server's inbox holds as many. */
export const MAX_RESENT = 8;
/** Ticks that one frame may catch up; the rest of a long pause is forgotten. */
export const MAX_TICKS_PER_FRAME = 8;
/** Bytes that may wait in the socket before inputs are held back. */
export const MAX_BUFFERED = 32 << 10;

/** Times that servers may send a client elsewhere before it has stayed somewhere for BACKOFF_MAX_MS. */
export const MAX_HOPS = 5;
/** Milliseconds without any message until a connection counts as dead. */
export const SILENCE_MS = 6000;
/** Milliseconds until an attempt to connect is given up. */
export const CONNECT_MS = 12_000;
/** Milliseconds between two pings. */
export const PING_MS = 1000;
/** Milliseconds behind from which a tab that wakes asks for a keyframe. */
export const BACKLOG_MS = 2000;
/** The least milliseconds between two requests for a keyframe. */
export const RESYNC_MS = 1000;
/** Back-off of reconnecting: first and longest wait, in milliseconds. Who was connected for the longest begins anew. */
export const BACKOFF_FIRST_MS = 250;
export const BACKOFF_MAX_MS = 5000;
/** Most milliseconds of a Retry-After that are waited for: a proxy may say any. */
export const MAX_RETRY_AFTER_MS = 60_000;
/** Milliseconds that a timer can wait: browsers run at once what is to wait for longer. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds until the next way to connect is tried beside the one before. */
export const RUNG_MS = 2500;
/** Milliseconds for which it is remembered that WebSocket did not get through. */
export const REMEMBER_MS = 24 * 3600 * 1000;
/** Milliseconds until a lower rung tries WebSocket again: first, and then. */
export const PROBE_FIRST_MS = 60_000;
export const PROBE_MS = 300_000;
/** Milliseconds for which a connection given up may still take the seat. */
export const RACE_MS = 10_000;
/** Seconds that a poll waits for messages. */
export const POLL_S = 25;
/** Milliseconds for which a post may go unanswered. */
export const POST_MS = 4000;
/** Bytes of one post: those of one message to the server. */
export const MAX_POST = 16 << 10;
/** Bytes of one answer with messages. */
export const MAX_BATCH = 32 << 20;
/** Failures in a row after which a session counts as broken. */
export const MAX_FAILURES = 4;
/** Milliseconds after which the server is told what has come, if there is nothing else to post. */
export const ACK_MS = 2000;
/** Requests that the tabs of one origin keep open: browsers have six connections for all. */
export const MAX_STREAMS = 4;
/** Milliseconds between two polls of a tab without such a place, and between two attempts to get one. */
export const BRIEF_MS = 100;
export const SLOT_MS = 5000;
