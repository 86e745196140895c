package delta

import "github.com/roomd/roomd/game"

const (
	// MaxPins is the number of entries that a Ring holds beyond its capacity
	// for viewers who are being sent a keyframe.
	MaxPins = 8
	// MaxStateRow is the highest row index that a State accepts.
	MaxStateRow = game.MaxRows - 1
	// MaxStateLanes bounds the rows of one State, in int32 words: 64 MiB.
	MaxStateLanes = 1 << 24
	// ownedIndexes is the number of entries whose rows by owner an Encoder
	// remembers: the newest, the one before, and two for viewers who lag.
	ownedIndexes = 4
)
