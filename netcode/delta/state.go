package delta

import (
	"errors"
	"fmt"
	"iter"

	"github.com/roomd/roomd/game"
)

// State is what one viewer has decoded of one part, shared or own: rows as
// lanes, where a reference is the index + 1 of the row it refers to, and 0 none.
// Its memory is bounded by MaxStateWords whatever it is given.
type State struct {
	schema *game.Schema
	plans  []rowPlan
	tables []stateTable
	words  int    // of all tables, gaps included
	frame  uint32 // bodies applied
	clear  uint32 // of them, before Clear

	// Scratch of the running Apply:
	named, waiting, members []int32
	next                    []int32 // a predicted row
}

type stateTable struct {
	rows  []rowState
	lanes []int32    // the rows' values
	old   [2][]int32 // and those before the newest frame that changed the row, and before the frame before
	n     int        // live rows
	moved []int32    // rows that the newest frame changed
	prev  []int32    // and the frame before
}

// rowState says at which frames things happened to a row.
type rowState struct {
	born    uint32 // spawned; 0: there is no row
	shifted uint32 // changed last, so that old is of the two frames before
	told    uint32 // named by a body last
}

// NewState returns an empty state.
func NewState(s *game.Schema) *State {
	return &State{schema: s, plans: planRows(s.Tables), tables: make([]stateTable, len(s.Tables))}
}

// Schema is the schema that the state was made for.
func (s *State) Schema() *game.Schema { return s.schema }

// Clear forgets all rows and keeps the memory.
func (s *State) Clear() {
	for i := range s.tables {
		t := &s.tables[i]
		*t = stateTable{
			rows: t.rows[:0], lanes: t.lanes[:0], old: [2][]int32{t.old[0][:0], t.old[1][:0]},
			moved: t.moved[:0], prev: t.prev[:0],
		}
	}
	s.words, s.clear = 0, s.frame
}

// Copy makes to, a state of the same schema, hold the rows and lives that s holds
// now. What s held before is not copied: to takes no predicted bodies.
func (s *State) Copy(to *State) {
	to.words, to.frame, to.clear = s.words, s.frame, s.frame
	for i := range s.tables {
		from, t := &s.tables[i], &to.tables[i]
		t.rows, t.lanes, t.n = append(t.rows[:0], from.rows...), append(t.lanes[:0], from.lanes...), from.n
		t.moved, t.prev = t.moved[:0], t.prev[:0]
		for k := range t.old {
			t.old[k] = grow(t.old[k][:0], len(t.lanes))
		}
	}
}

// Len is the number of rows of a table.
func (s *State) Len(table int) int { return s.tables[table].n }

// End is one more than the highest index that a row of a table had since Clear.
func (s *State) End(table int) int { return len(s.tables[table].rows) }

// Row is the lanes of a row, read with Leaf.Get, and whether the viewer has it.
// It is valid until the next Apply or Clear and must not be changed.
func (s *State) Row(table, row int) (lanes []int32, ok bool) {
	t := &s.tables[table]
	if row < 0 || row >= len(t.rows) || t.rows[row].born == 0 {
		return nil, false
	}
	return s.at(table, row), true
}

// Life is a number that is another one when the index has come to hold another
// row, 0 when it holds none.
func (s *State) Life(table, row int) uint32 {
	if rows := s.tables[table].rows; row < len(rows) {
		return rows[row].born
	}
	return 0
}

func (s *State) at(table, row int) []int32 {
	n := s.plans[table].lanes
	return s.tables[table].lanes[row*n : (row+1)*n : (row+1)*n]
}

// Rows yields the rows of a table by rising index. The state must not be
// changed meanwhile.
func (s *State) Rows(table int) iter.Seq2[int, []int32] {
	return func(yield func(int, []int32) bool) {
		for r := range s.tables[table].rows {
			if lanes, ok := s.Row(table, r); ok && !yield(r, lanes) {
				return
			}
		}
	}
}

// spawn makes a row of zeros, in place of any that was there.
func (s *State) spawn(table, row int) error {
	t, n := &s.tables[table], s.plans[table].lanes
	if row > MaxStateRow {
		return fmt.Errorf("row %d of table %q is beyond the highest index %d", row, s.schema.Tables[table].Name, MaxStateRow)
	}
	if more := row + 1 - len(t.rows); more > 0 {
		const weight = 3 // of a rowState; and values are there thrice
		if s.words += more * (weight + 3*n); s.words > MaxStateWords {
			s.words -= more * (weight + 3*n)
			return errTooLarge
		}
		t.rows = grow(t.rows, row+1)
		t.lanes = grow(t.lanes, (row+1)*n)
		t.old[0] = grow(t.old[0], (row+1)*n)
		t.old[1] = grow(t.old[1], (row+1)*n)
	}
	if t.rows[row].born == 0 {
		t.n++
	}
	t.rows[row].born, t.rows[row].shifted = max(s.frame, 1), 0
	clear(s.at(table, row))
	return nil
}

func (s *State) remove(table, row int) bool {
	t := &s.tables[table]
	if row >= len(t.rows) || t.rows[row].born == 0 {
		return false
	}
	t.rows[row].born = 0
	t.n--
	return true
}

// touch keeps the values of a row before the running frame changes it.
func (s *State) touch(table, row int) {
	t, n := &s.tables[table], s.plans[table].lanes
	r := &t.rows[row]
	if r.shifted == s.frame {
		return
	}
	now, was, before := s.at(table, row), t.old[0][row*n:(row+1)*n], t.old[1][row*n:(row+1)*n]
	if r.shifted == s.frame-1 {
		copy(before, was)
	} else {
		copy(before, now)
	}
	copy(was, now)
	r.shifted = s.frame
	t.moved = append(t.moved, int32(row))
}

// predict brings each row that moved in the frame before to where it is expected
// (PROTOCOL.md section 6.8). All others are expected to rest.
func (s *State) predict(table int) {
	t, p := &s.tables[table], &s.plans[table]
	for _, row := range t.prev {
		r := t.rows[row]
		if r.born == 0 || r.born+2 >= s.frame || r.shifted != s.frame-1 {
			continue
		}
		now := s.at(table, int(row))
		s.next = append(s.next[:0], now...)
		was, before := t.old[0][int(row)*p.lanes:], t.old[1][int(row)*p.lanes:]
		moves := false
		for i := range p.fields {
			for j := range p.fields[i].leaves {
				l := &p.fields[i].leaves[j]
				if !l.predicts() || now[l.lane] == was[l.lane] {
					continue
				}
				v := l.predict(l.number(now), l.number(was), l.number(before))
				l.Put(s.next, v)
				moves = moves || s.next[l.lane] != now[l.lane]
			}
		}
		if moves {
			s.touch(table, int(row))
			copy(now, s.next)
		}
	}
}

var errTooLarge = errors.New("the state exceeds its limit")

// grow lengthens s to n with zeros.
func grow[T any](s []T, n int) []T {
	old := len(s)
	if n <= cap(s) {
		s = s[:n]
		clear(s[old:])
		return s
	}
	more := make([]T, n, max(n, 2*cap(s)))
	copy(more, s)
	return more
}

// Compose writes what a player sees of one row into out, at least as long as
// the table's rows: owner fields from its own part if that has the row, all
// other fields from the shared part if that has it, else from its own part. It
// reports whether the player sees the row at all.
func Compose(shared, own *State, table, row int, out []int32) bool {
	a, inShared := shared.Row(table, row)
	b, inOwn := own.Row(table, row)
	switch {
	case inShared:
		copy(out, a)
	case inOwn:
		copy(out, b)
	}
	if inShared && inOwn {
		for i := range own.plans[table].fields {
			if f := &own.plans[table].fields[i]; f.need == accessOwner {
				copy(out[f.lo:f.hi], b[f.lo:f.hi])
			}
		}
	}
	return inShared || inOwn
}

// Equal is nil when both states hold the same rows, else an error that names
// the first difference. Both must be of the same schema.
func (s *State) Equal(other *State) error {
	for t := range s.tables {
		name := s.schema.Tables[t].Name
		for r := range max(len(s.tables[t].rows), len(other.tables[t].rows)) {
			a, inA := s.Row(t, r)
			b, inB := other.Row(t, r)
			if inA != inB {
				return fmt.Errorf("table %q row %d: there %t, other %t", name, r, inA, inB)
			}
			if !inA || equal(a, b) {
				continue
			}
			return fmt.Errorf("table %q row %d: %s", name, r, difference(&s.schema.Tables[t], a, b))
		}
	}
	return nil
}

func difference(r *game.RowSchema, a, b []int32) string {
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			l := &r.Fields[i].Leaves[j]
			if equal(a[l.Lane:l.Lane+l.Lanes], b[l.Lane:l.Lane+l.Lanes]) {
				continue
			}
			name := r.Fields[i].Name
			if l.Name != "" {
				name += "." + l.Name
			}
			if l.Type == game.LeafString {
				return fmt.Sprintf("field %s is %q, other %q", name, l.AppendString(nil, a), l.AppendString(nil, b))
			}
			return fmt.Sprintf("field %s is %d, other %d", name, l.Get(a), l.Get(b))
		}
	}
	return "lanes differ that belong to no field"
}
