package delta

import "github.com/roomd/roomd/game"

// ownedRow is one row that somebody owns.
type ownedRow struct{ table, row int32 }

func (a ownedRow) before(b ownedRow) bool {
	return a.table < b.table || a.table == b.table && a.row < b.row
}

// ownedIndex lists an entry's rows by owner, in order of table and row, so that
// a private part costs its seat's rows and not all rows.
type ownedIndex struct {
	entry *game.Entry
	tick  game.Tick
	used  uint64 // when it was last asked for
	ends  []int32
	rows  []ownedRow
}

// of is the rows of seat p, valid until the index is built anew.
func (x *ownedIndex) of(p game.PlayerID) []ownedRow {
	if p == 0 || int(p) >= len(x.ends) {
		return nil
	}
	return x.rows[x.ends[p-1]:x.ends[p]]
}

// build sorts the rows of e by counting.
func (x *ownedIndex) build(e *game.Entry) {
	x.entry, x.tick = e, e.Tick
	x.ends = growClear(x.ends, len(e.Seats)+1)
	total := 0
	for t := range e.Tables {
		metas := e.Tables[t].Meta
		for r := range metas {
			if m := &metas[r]; m.Gen != 0 && m.Owner != 0 && int(m.Owner) < len(e.Seats) {
				x.ends[m.Owner+1]++
				total++
			}
		}
	}
	// ends[p+1] becomes where the rows of p begin, then, filled, where they end.
	for p := 1; p < len(x.ends); p++ {
		x.ends[p] += x.ends[p-1]
	}
	if cap(x.rows) < total {
		x.rows = make([]ownedRow, total, total+total/2)
	}
	x.rows = x.rows[:total]
	for t := range e.Tables {
		metas := e.Tables[t].Meta
		for r := range metas {
			if m := &metas[r]; m.Gen != 0 && m.Owner != 0 && int(m.Owner) < len(e.Seats) {
				x.rows[x.ends[m.Owner]] = ownedRow{int32(t), int32(r)}
				x.ends[m.Owner]++
			}
		}
	}
}

func growClear(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// owned is the index of e, built if it is not among the last ones asked for.
func (e *Encoder) owned(entry *game.Entry) *ownedIndex {
	e.asked++
	oldest := &e.indexes[0]
	for i := range e.indexes {
		x := &e.indexes[i]
		if x.entry == entry && x.tick == entry.Tick {
			x.used = e.asked
			return x
		}
		if x.used < oldest.used {
			oldest = x
		}
	}
	oldest.build(entry)
	oldest.used = e.asked
	return oldest
}
