package game

// Limits beside those of the schema (MaxFields and its neighbours), the rows
// (MaxRows) and the options (MaxTickRate, MaxMaxPlayers).
const (
	// MaxName bounds the names of kinds, tables and events, in bytes.
	MaxName = 32
	// MaxRowBytes bounds the memory of one row.
	MaxRowBytes = 1 << 20
	// MaxScale is the largest N of quant=1/N.
	MaxScale = 1 << 24
	// MaxTickEvents bounds the events emitted between two captures; more are
	// dropped and told to SimConfig.Warn.
	MaxTickEvents = 1 << 14
	// MaxTickEventLanes bounds the lanes of those events (4 bytes each).
	MaxTickEventLanes = 1 << 20
	// MaxReason bounds the text of World.Kick and World.End, in bytes.
	MaxReason = 256

	// maxStateOps bounds the pieces of one row in a checkpoint; arrays of
	// numbers are one piece however long.
	maxStateOps = 8192
	// maxRestored bounds the memory that LoadCheckpoint builds tables in.
	maxRestored = 512 << 20
	// maxStateBlob bounds what StateSaver may add to a checkpoint.
	maxStateBlob = 256 << 20
	// maxLayout bounds the layout in a checkpoint, in bytes.
	maxLayout = 256 << 10
	// maxNesting bounds how deep structs and arrays of a row lie in each other.
	maxNesting = 32
	// maxLayoutName bounds the names in it, in bytes.
	maxLayoutName = 255
	// maxMisfits bounds what an error tells of a layout that does not fit.
	maxMisfits = 8
	// maxRowState bounds the least bytes of a row in a checkpoint: an int is
	// twice as wide there as in the memory of small machines.
	maxRowState = 2 * MaxRowBytes
	// maxRandState bounds the encoded state of the random generator.
	maxRandState = 256

	// chunkBytes is the size at which a table's storage grows, and chunkRows
	// the most rows in one such piece.
	chunkBytes = 16 << 10
	chunkRows  = 16
)
