package ws

import "time"

// Limits that Config can change; a zero field of Config means these.
const (
	// DefaultPath is the request path of the upgrade.
	DefaultPath = "/v1/ws"
	// DefaultSubprotocol is the one subprotocol that the server selects.
	DefaultSubprotocol = "roomd.v1"
	// DefaultMaxMessage bounds one message, in bytes of payload, fragmented or not.
	DefaultMaxMessage = 64 << 10
	// DefaultMaxFragments bounds the data frames of one message: fragments of
	// one byte would otherwise cost far more to handle than to send.
	DefaultMaxFragments = 64
	// DefaultDeflateFrom is the least message that is compressed, in bytes: a delta
	// below it gains less than it costs.
	DefaultDeflateFrom = 512
	// DefaultHeadLimit bounds the request head, in bytes with its last CRLFCRLF.
	DefaultHeadLimit = 8 << 10
	// DefaultHeadTimeout is how long a peer may take to send its request head.
	DefaultHeadTimeout = 5 * time.Second
	// DefaultFrameTimeout is how long a peer may hold a message half sent.
	DefaultFrameTimeout = 10 * time.Second
	// DefaultPingEvery is how long a peer may be silent before it is pinged.
	DefaultPingEvery = 15 * time.Second
	// DefaultPongWait is how long a peer may be silent before it counts as dead.
	DefaultPongWait = 30 * time.Second
	// DefaultCloseTimeout is how long the peer may take to answer a Close frame.
	DefaultCloseTimeout = 3 * time.Second
	// DefaultPingBurst is how many pings, and pongs unasked for, a peer may send at
	// once.
	DefaultPingBurst = 32
	// DefaultPingRefill is the time after which a peer may send one more.
	DefaultPingRefill = 250 * time.Millisecond
)

// Limits of this package that nobody needs to change.
const (
	// maxMessageCeiling is the highest MaxMessage a Config may ask for, in bytes.
	maxMessageCeiling = 1 << 30
	// minHeadLimit is the lowest HeadLimit: a browser's upgrade takes about 500 bytes.
	minHeadLimit = 256
	// turnedTimeout is HeadTimeout for connections that are one too many.
	turnedTimeout = time.Second
	// answerTimes is how many times HeadTimeout a peer has for the answer before its
	// request, beyond the one for the request.
	answerTimes = 6
	// queuedPoll is the time between two looks whether the answer before a request is
	// sent. The loop's timers are coarser.
	queuedPoll = time.Millisecond
	// maxHeaders bounds the header fields of one request head.
	maxHeaders = 128
	// maxHeadSize is the longest frame head a client can send (RFC 6455 5.2):
	// 2 bytes, 8 of length, 4 of mask.
	maxHeadSize = 14
	// maxControl is the longest payload of a control frame (RFC 6455 5.5).
	maxControl = 125
	// maxCloseReason is what a Close frame leaves for its reason, in bytes.
	maxCloseReason = maxControl - 2
	// lookSize is how much of an unfinished text frame is looked at in one step, in
	// bytes.
	lookSize = 1 << 10
	// deflateLevel is a good size for little time, as measured on rows of numbers;
	// below 3 they are not compressed at all.
	deflateLevel = 5
	// inflateStep is the least by which the room for a decompressed message grows,
	// keptInflated the most that is kept of it, in bytes.
	inflateStep  = 4 << 10
	keptInflated = 64 << 10
	// behindMove is what one read can bring behind the message that moves the
	// connection, in bytes: it waits for the next loop.
	behindMove = 64 << 10
	// httpBacklog is how many handed-over connections HTTPListener keeps for Accept.
	httpBacklog = 128
	// statShards spreads the counters so that loops do not share cache lines.
	statShards = 16
)
