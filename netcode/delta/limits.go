package delta

import "github.com/roomd/roomd/game"

const (
	// MaxPins is the number of entries that a Ring holds beyond its capacity
	// for viewers who are being sent a keyframe.
	MaxPins = 8
	// MaxStateRow is the highest row index that a State accepts.
	MaxStateRow = game.MaxRows - 1
	// MaxStateWords bounds the memory of one State's rows and of what they were
	// before, in words of 4 bytes: 64 MiB.
	MaxStateWords = 1 << 24
	// predictRun is the number of states in a row that a prediction needs.
	predictRun = 3
	// maxGroups is the number of masks of a table that an Encoder considers to
	// group rows by; rows with others are strays.
	maxGroups = 32
	// minGroup is the smallest group worth looking at, in rows.
	minGroup = 3
	// ownedIndexes is the number of steps from entry to entry of which an Encoder
	// remembers whose rows changed: the newest, and three for viewers who lag.
	ownedIndexes = 4
	// openEntries is the number of newest entries that a Ring keeps as they are: what
	// a viewer needs who takes every frame. Older ones are packed.
	openEntries = predictRun + 1
	// spareEntries bounds the entries that a Ring keeps for reuse.
	spareEntries = 4
	// packLanes is the number of lanes of a packed entry that share a mask.
	packLanes = 16
	// leastArchive is the least buffer worth making smaller, in bytes.
	leastArchive = 4 << 10
)
