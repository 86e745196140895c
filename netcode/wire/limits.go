package wire

import "github.com/roomd/roomd/game"

// Limits of the protocol (section 14). Servers and clients may rely on them;
// changing one needs a new ProtocolVersion unless it is widened.
const (
	// MaxMessage bounds one WebSocket message from a client, in bytes: the
	// largest hello, or several inputs in one.
	MaxMessage = 16 << 10
	// MaxServerMessage bounds one WebSocket message from the server, in bytes.
	MaxServerMessage = 16 << 20
	// MaxInput bounds the values of one input, in bytes. The largest input
	// without strings, game.MaxLeaves numbers of 11 bytes, fits.
	MaxInput = 4 << 10
	// MaxDepth bounds how deep arrays and maps nest in one element of a message.
	MaxDepth = 8

	// MaxKind bounds the name of a kind, in bytes.
	MaxKind = game.MaxName
	// MaxRoom bounds a room's name, in bytes.
	MaxRoom = 64
	// MaxName bounds a player's name, in bytes of UTF-8.
	MaxName = 64
	// MaxToken bounds a resume token, in bytes.
	MaxToken = 256
	// MaxAuth bounds what a player proves to the game's backend with, in bytes.
	MaxAuth = 4 << 10
	// MaxParams bounds the pairs of a hello's params.
	MaxParams = 16
	// MaxParamKey and MaxParamValue bound one pair, in bytes.
	MaxParamKey   = 32
	MaxParamValue = 256
	// MaxText bounds the text of a bye, in bytes.
	MaxText = 256
	// hashLen is the length of a schema hash or a state hash, in bytes.
	hashLen = 8

	// MaxTickRate bounds a room's ticks per second.
	MaxTickRate = 120
	// MaxSchemaName bounds the name of a table, event, field or leaf, in bytes.
	MaxSchemaName = 255
	// MaxSafe is the largest integer of a message head: JavaScript's largest.
	MaxSafe = game.MaxSafeInt
)
