package game

// Tick counts fixed steps of a room since its creation. At 30 Hz a Tick lasts
// for more than four years of play.
type Tick uint32

// PlayerID is a seat of a room, 1 to Options.MaxPlayers, dense and reused after
// a player left. Zero is nobody.
type PlayerID uint16

// Teams is a set of teams. A row is shown to a set of teams, a player is in a
// set of at least one.
type Teams uint64

const (
	// Nobody is the empty set.
	Nobody Teams = 0
	// Everyone holds every team and the spectators.
	Everyone = ^Teams(0)
	// Spectators is the team of all who watch without a seat.
	Spectators Teams = 1 << 63
	// MaxTeam is the highest number that Team accepts.
	MaxTeam = 62
)

// Team is the set of team n alone, 0 <= n <= MaxTeam. Players start in Team(0).
// Any other n is Nobody.
func Team(n int) Teams {
	if n < 0 || n > MaxTeam {
		return Nobody
	}
	return 1 << n
}

const (
	idIndexBits = 20
	// MaxRows is the number of rows that one table can hold at a time.
	MaxRows = 1<<idIndexBits - 1
	maxGen  = 1<<(32-idIndexBits) - 1
)

// ID names one life of one row of a table of T: 20 bits of index and 12 of
// generation. Zero is none. An ID outlives its row safely: Get of a removed row
// is nil even when the index was given out again. A field of type ID[T] in a
// row is a reference; viewers who may not see the row read none.
type ID[T any] uint32

// Index is the row's place in its table, from 0; small and reused.
func (id ID[T]) Index() int { return int(id & (1<<idIndexBits - 1)) }

// Gen is the row's generation, 1 to 4095, or 0 for none.
func (id ID[T]) Gen() uint16 { return uint16(id >> idIndexBits) }

func makeID[T any](index int, gen uint16) ID[T] {
	return ID[T](uint32(gen)<<idIndexBits | uint32(index))
}

// RefIndex and RefGen split the bits of a reference as a lane holds it.
func RefIndex(ref uint32) int  { return int(ref & (1<<idIndexBits - 1)) }
func RefGen(ref uint32) uint16 { return uint16(ref >> idIndexBits) }
