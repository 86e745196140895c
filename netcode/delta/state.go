package delta

import (
	"errors"
	"fmt"
	"iter"

	"github.com/roomd/roomd/game"
)

// State is what one viewer has decoded of one part, shared or own: rows as
// lanes, where a reference is the index + 1 of the row it refers to, and 0 none.
// Its memory is bounded by MaxStateLanes whatever it is given.
type State struct {
	schema *game.Schema
	plans  []rowPlan
	tables []stateTable
	lanes  int // of all tables, gaps included
}

type stateTable struct {
	live  []bool
	lanes []int32
	n     int // live rows
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
		t.live, t.lanes, t.n = t.live[:0], t.lanes[:0], 0
	}
	s.lanes = 0
}

// Len is the number of rows of a table.
func (s *State) Len(table int) int { return s.tables[table].n }

// End is one more than the highest index that a row of a table had since Clear.
func (s *State) End(table int) int { return len(s.tables[table].live) }

// Row is the lanes of a row, read with Leaf.Get, and whether the viewer has it.
// It is valid until the next Apply or Clear and must not be changed.
func (s *State) Row(table, row int) (lanes []int32, ok bool) {
	t, n := &s.tables[table], s.plans[table].lanes
	if row < 0 || row >= len(t.live) || !t.live[row] {
		return nil, false
	}
	return t.lanes[row*n : (row+1)*n : (row+1)*n], true
}

// Rows yields the rows of a table by rising index. The state must not be
// changed meanwhile.
func (s *State) Rows(table int) iter.Seq2[int, []int32] {
	return func(yield func(int, []int32) bool) {
		for r := range s.tables[table].live {
			if lanes, ok := s.Row(table, r); ok && !yield(r, lanes) {
				return
			}
		}
	}
}

// spawn makes a row of zeros, in place of any that was there.
func (s *State) spawn(table, row int) ([]int32, error) {
	t, n := &s.tables[table], s.plans[table].lanes
	if row > MaxStateRow {
		return nil, fmt.Errorf("row %d of table %q is beyond the highest index %d", row, s.schema.Tables[table].Name, MaxStateRow)
	}
	if more := row + 1 - len(t.live); more > 0 {
		// A row without lanes still costs its flag.
		if s.lanes += more * max(n, 1); s.lanes > MaxStateLanes {
			s.lanes -= more * max(n, 1)
			return nil, errTooLarge
		}
		t.live = grow(t.live, row+1)
		t.lanes = grow(t.lanes, (row+1)*n)
	}
	if !t.live[row] {
		t.live[row] = true
		t.n++
	}
	lanes := t.lanes[row*n : (row+1)*n : (row+1)*n]
	clear(lanes)
	return lanes, nil
}

func (s *State) remove(table, row int) bool {
	t := &s.tables[table]
	if row >= len(t.live) || !t.live[row] {
		return false
	}
	t.live[row] = false
	t.n--
	return true
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
		for r := range max(len(s.tables[t].live), len(other.tables[t].live)) {
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
