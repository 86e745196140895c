package delta

import "github.com/roomd/roomd/game"

// View says what a viewer may read of an entry. With Seat 0 it is the shared
// part for a set of teams, the same for all who have them: rows shown to Teams,
// their owner fields only if revealed to Teams. With a Seat it is the private
// part of that seat, whose teams are Teams: the rows it owns, with their owner
// fields and, where the shared part lacks the row, the others as well.
type View struct {
	Teams game.Teams
	Seat  game.PlayerID
}

// access is what a view may read of one row.
type access uint8

const (
	accessRow   access = 1 << iota // the row is there
	accessAll                      // fields tagged all
	accessOwner                    // fields tagged owner
)

func (v View) access(m *game.RowMeta) access {
	switch {
	case m.Gen == 0:
		return 0
	case v.Seat != 0:
		if m.Owner != v.Seat {
			return 0
		}
		if m.Show&v.Teams == 0 {
			return accessRow | accessOwner | accessAll
		}
		return accessRow | accessOwner
	case m.Show&v.Teams == 0:
		return 0
	case m.Reveal&v.Teams == 0:
		return accessRow | accessAll
	}
	return accessRow | accessAll | accessOwner
}

// ref is what the view reads for a reference to a row of table t: its index + 1,
// or 0 when it is none, gone, or out of the viewer's sight.
func (v View) ref(e *game.Entry, t int, bits uint32) int64 {
	if bits == 0 || t >= len(e.Tables) {
		return 0
	}
	index, metas := game.RefIndex(bits), e.Tables[t].Meta
	if index >= len(metas) {
		return 0
	}
	m := &metas[index]
	if m.Gen == 0 || m.Gen != game.RefGen(bits) {
		return 0
	}
	if m.Show&v.Teams != 0 || v.Seat != 0 && m.Owner == v.Seat {
		return int64(index) + 1
	}
	return 0
}
