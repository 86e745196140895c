package delta

import "github.com/roomd/roomd/game"

// ownedRow is one row that somebody owns.
type ownedRow struct{ table, row int32 }

// ownedIndex lists by owner, in order of table and row, the rows that a private
// part has to look at to get from base to cur: those that changed, or with all
// those that are owned in either. So a private part costs its own rows, and
// those at rest nothing.
type ownedIndex struct {
	base, cur         *game.Entry // base nil: from nothing
	baseTick, curTick game.Tick   // entries are recycled
	all               bool
	used              uint64 // when it was last asked for
	ends              []int32
	rows              []ownedRow
}

// of is the rows of seat p, valid until the index is built anew.
func (x *ownedIndex) of(p game.PlayerID) []ownedRow {
	if p == 0 || int(p) >= len(x.ends)-1 {
		return nil
	}
	return x.rows[x.ends[p-1]:x.ends[p]]
}

// build sorts the rows by counting.
func (x *ownedIndex) build(tables []rowPlan, seats int) {
	x.ends = growClear(x.ends, seats+1)
	total := 0
	x.visit(tables, func(owner game.PlayerID, _ ownedRow) {
		if int(owner) < seats {
			x.ends[owner+1]++
			total++
		}
	})
	// ends[p+1] becomes where the rows of p begin, then, filled, where they end.
	for p := 1; p < len(x.ends); p++ {
		x.ends[p] += x.ends[p-1]
	}
	if cap(x.rows) < total {
		x.rows = make([]ownedRow, total, total+total/2)
	}
	x.rows = x.rows[:total]
	x.visit(tables, func(owner game.PlayerID, r ownedRow) {
		if int(owner) < seats {
			x.rows[x.ends[owner]] = r
			x.ends[owner]++
		}
	})
}

// visit yields each row of the index with its owner, and with the one before if
// that was another.
func (x *ownedIndex) visit(tables []rowPlan, yield func(game.PlayerID, ownedRow)) {
	for t := range tables {
		cur := &x.cur.Tables[t]
		var base game.TableRows
		if x.base != nil {
			base = x.base.Tables[t]
		}
		for r := range max(len(cur.Meta), len(base.Meta)) {
			was, is := ownerOf(&base, r), ownerOf(cur, r)
			if was == 0 && is == 0 || was == is && x.rests(&tables[t], &base, cur, r) {
				continue
			}
			row := ownedRow{int32(t), int32(r)}
			if is != 0 {
				yield(is, row)
			}
			if was != 0 && was != is {
				yield(was, row)
			}
		}
	}
}

func ownerOf(t *game.TableRows, r int) game.PlayerID {
	if r >= len(t.Meta) || t.Meta[r].Gen == 0 {
		return 0
	}
	return t.Meta[r].Owner
}

// rests reports whether a row that is in both entries did not change. What its
// references resolve to can change all the same.
func (x *ownedIndex) rests(p *rowPlan, base, cur *game.TableRows, r int) bool {
	return !x.all && !p.refs && base.Meta[r] == cur.Meta[r] && equal(base.Row(r, p.lanes), cur.Row(r, p.lanes))
}

func growClear(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// owned is the index from base, which may be nil, to cur, built if it is not
// among the last ones asked for.
func (e *Encoder) owned(base, cur *game.Entry, all bool) *ownedIndex {
	var baseTick game.Tick
	seats := len(cur.Seats)
	if base != nil {
		baseTick, seats = base.Tick, max(seats, len(base.Seats))
	}
	e.asked++
	oldest := &e.indexes[0]
	for i := range e.indexes {
		x := &e.indexes[i]
		if x.base == base && x.cur == cur && x.baseTick == baseTick && x.curTick == cur.Tick && x.all == all {
			x.used = e.asked
			return x
		}
		if x.used < oldest.used {
			oldest = x
		}
	}
	oldest.base, oldest.cur, oldest.baseTick, oldest.curTick, oldest.all = base, cur, baseTick, cur.Tick, all
	oldest.build(e.tables, seats)
	oldest.used = e.asked
	return oldest
}
