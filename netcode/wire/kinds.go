package wire

import "strconv"

const (
	// ProtocolVersion is the version this package speaks (section 3.2).
	ProtocolVersion = 1
	// Subprotocol is what both sides name in the WebSocket handshake
	// (section 1; RFC 6455 section 1.9).
	Subprotocol = "roomd.v1"
)

// Kind is the first element of a message.
type Kind uint8

// The messages (sections 4 to 10). c>s are sent by clients only, s>c by servers
// only; a kind from the wrong side is to be skipped. Names in brackets are
// elements in order.
const (
	// KindHello c>s [1, proto, kind, room, name, token, epoch, tick,
	// schemaHash|nil, flags, auth, params]: the first message of a connection.
	KindHello Kind = 1
	// KindWelcome s>c [2, proto, room, epoch, seat, token, tick, tickRate,
	// lastSeq, flags, graceMs, schema|nil, schemaHash]: the answer to hello.
	KindWelcome Kind = 2
	// KindDelta s>c [3, back, body...]: the state back ticks after the state
	// that the receiver holds.
	KindDelta Kind = 3
	// KindSelf s>c [4, dack, slack, drops, body...]: what is for this player
	// only, for the state frame that follows.
	KindSelf Kind = 4
	// KindKeyframe s>c [5, tick, part, last, body...]: the state from nothing.
	KindKeyframe Kind = 5
	// KindEvent s>c [6, back, type, fields...]: something that happened once,
	// back ticks before the state frame it belongs to.
	KindEvent Kind = 6
	// KindInput c>s [7, dseq, dseen, mask, values...]: one input.
	KindInput Kind = 7
	// KindResync c>s [8, tick, reason, hash|nil]: asks for a keyframe.
	KindResync Kind = 8
	// KindPing c>s [9, id, t]: asks for a pong.
	KindPing Kind = 9
	// KindPong s>c [10, id, t, tick]: the answer, at once.
	KindPong Kind = 10
	// KindBye s>c [11, code, text, retryMs]: the last message of a connection.
	KindBye Kind = 11
	// KindLeave c>s [12]: gives up the seat now.
	KindLeave Kind = 12

	// KindReset s>c [13, epoch, tick, lastSeq]: another history begins.
	KindReset Kind = 13
	// KindStalled s>c [14]: the room stands still until the next state frame.
	KindStalled Kind = 14
	// KindMoved s>c [15, url]: where the room is, for who wants to be nearer.
	KindMoved Kind = 15

	// KindCheck s>c [16, hash]: what the receiver's shared store must be.
	KindCheck Kind = 16

	// numKinds is one more than the highest kind.
	numKinds = 17
)

// known reports whether Messages yields messages of the kind.
func (k Kind) known() bool {
	return k >= KindHello && k < numKinds
}

// kindNames holds the names by number; the empty name is no kind.
var kindNames = [...]string{
	KindHello: "hello", KindWelcome: "welcome", KindDelta: "delta", KindSelf: "self",
	KindKeyframe: "keyframe", KindEvent: "event", KindInput: "input", KindResync: "resync",
	KindPing: "ping", KindPong: "pong", KindBye: "bye", KindLeave: "leave",
	KindReset: "reset", KindStalled: "stalled", KindMoved: "moved", KindCheck: "check",
}

// String is the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Code says why the server ends a connection (section 10).
type Code uint8

// The codes of a bye. What a client does about each is in byeTable.
const (
	ByeSlow         Code = 1
	ByeReplaced     Code = 2
	ByeVersion      Code = 3
	ByeRoomGone     Code = 4
	ByeGameEnded    Code = 5
	ByeGameFailed   Code = 6
	ByeRefused      Code = 7
	ByeFull         Code = 8
	ByeProtocol     Code = 9
	ByeTooFast      Code = 10
	ByeKicked       Code = 11
	ByeIdle         Code = 12
	ByeShutdown     Code = 13
	ByeUnknownKind  Code = 14
	ByeTokenInvalid Code = 15
	ByeTimeout      Code = 16
	ByeLeft         Code = 17
	ByeMoved        Code = 18
	ByeLost         Code = 19

	// NumCodes is one more than the highest code.
	NumCodes = 20
)

// Action is what a client does after a bye (section 10.2).
type Action uint8

const (
	// Stop: connecting again by itself would not help or not be wanted.
	Stop Action = iota
	// Retry: the same hello, with token and cursor, may succeed after a while.
	Retry
	// Anew: token and cursor are worthless; a hello without them may succeed.
	Anew
)

// closeBase plus the code is the WebSocket close code, in the range that RFC
// 6455 section 7.4.2 leaves to applications.
const closeBase = 4000

// closeGoingAway is what a server that shuts down says (RFC 6455 section 7.4.1).
const closeGoingAway = 1001

var byeTable = [NumCodes]struct {
	text   string
	action Action
}{
	0:               {"closed", Stop},
	ByeSlow:         {"the connection does not keep up", Retry},
	ByeReplaced:     {"another connection took this seat", Stop},
	ByeVersion:      {"protocol version not spoken here", Stop},
	ByeRoomGone:     {"no such room", Anew},
	ByeGameEnded:    {"the game is over", Stop},
	ByeGameFailed:   {"the game failed", Anew},
	ByeRefused:      {"join refused", Stop},
	ByeFull:         {"no seat is free", Retry},
	ByeProtocol:     {"malformed message", Stop},
	ByeTooFast:      {"too many messages", Retry},
	ByeKicked:       {"removed by the game", Stop},
	ByeIdle:         {"idle for too long", Stop},
	ByeShutdown:     {"the server shuts down", Retry},
	ByeUnknownKind:  {"no such kind of game here", Stop},
	ByeTokenInvalid: {"token not valid", Anew},
	ByeTimeout:      {"no hello in time", Retry},
	ByeLeft:         {"left", Stop},
	ByeMoved:        {"the room is elsewhere", Retry},
	ByeLost:         {"the room is lost with its node", Anew},
}

func (c Code) index() int {
	if c < NumCodes {
		return int(c)
	}
	return 0
}

// String is the code's text in English, for logs and as the text of a bye that
// has none of its own.
func (c Code) String() string { return byeTable[c.index()].text }

// Action is what a client does after this bye. Of codes it does not know it
// tells Stop.
func (c Code) Action() Action { return byeTable[c.index()].action }

// Retryable reports whether the same hello may succeed after a while.
func (c Code) Retryable() bool { return c.Action() == Retry }

// CloseCode is the WebSocket close code that follows the bye.
func (c Code) CloseCode() uint16 {
	if c == ByeShutdown {
		return closeGoingAway
	}
	return closeBase + uint16(c)
}
