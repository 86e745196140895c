package delta

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/roomd/roomd/netcode/wire"
)

var (
	errCanonical = errors.New("body is not as an encoder writes it")
	errNoRow     = errors.New("no such row")
)

// applier reads one body: n elements that r must still yield.
type applier struct {
	*State
	r    *wire.Reader
	left int
}

// Apply changes the state as a body says (PROTOCOL.md, body), of which n
// elements are left in r. It accepts just what an encoder of this schema may
// write for a receiver in this state. After an error the state is of no use
// until Clear and a body from nothing.
func (s *State) Apply(r *wire.Reader, n int) error {
	a := applier{State: s, r: r, left: n}
	last := -1
	for a.left > 0 {
		t, err := a.next(last, len(s.tables)-1)
		if err != nil {
			return fmt.Errorf("table: %w", err)
		}
		last = t
		if err := a.table(t); err != nil {
			return fmt.Errorf("table %q: %w", s.schema.Tables[t].Name, err)
		}
	}
	return nil
}

// next reads a table's number + 1, which must rise.
func (a *applier) next(last, most int) (int, error) {
	v, err := a.uint(uint64(most) + 1)
	if err != nil {
		return 0, err
	}
	if int(v) <= last+1 {
		return 0, errCanonical
	}
	return int(v) - 1, nil
}

func (a *applier) table(t int) error {
	nRemoved, err := a.uint(uint64(a.left))
	if err != nil {
		return err
	}
	row := -1
	for range nRemoved {
		if row, err = a.index(row); err != nil {
			return err
		}
		if !a.remove(t, row) {
			return fmt.Errorf("removed row %d: %w", row, errNoRow)
		}
	}
	nRows, err := a.uint(uint64(a.left))
	if err != nil {
		return err
	}
	if nRemoved+nRows == 0 {
		return errCanonical
	}
	row = -1
	for range nRows {
		if row, err = a.index(row); err != nil {
			return err
		}
		if err := a.row(t, row); err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
	}
	return nil
}

func (a *applier) row(t, row int) error {
	fields := a.plans[t].fields
	mask, err := a.uint(1<<(len(fields)+1) - 1)
	if err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	if mask == 0 {
		return errCanonical
	}
	var lanes []int32
	if mask&1 != 0 {
		if lanes, err = a.spawn(t, row); err != nil {
			return err
		}
	} else {
		var ok bool
		if lanes, ok = a.Row(t, row); !ok {
			return errNoRow
		}
	}
	for m := mask >> 1; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		if err := a.field(&fields[i], lanes); err != nil {
			return fmt.Errorf("field %s: %w", a.schema.Tables[t].Fields[i].Name, err)
		}
	}
	return nil
}

func (a *applier) field(f *fieldPlan, lanes []int32) error {
	if len(f.leaves) == 1 {
		return a.leaf(&f.leaves[0], lanes)
	}
	n, err := a.uint(uint64(len(f.leaves)))
	if err != nil {
		return err
	}
	if n == 0 {
		return errCanonical
	}
	last := -1
	for range n {
		gap, err := a.uint(uint64(len(f.leaves)))
		if err != nil {
			return err
		}
		if last += 1 + int(gap); last >= len(f.leaves) {
			return wire.ErrRange
		}
		if err := a.leaf(&f.leaves[last], lanes); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) leaf(l *leafPlan, lanes []int32) error {
	if err := a.take(); err != nil {
		return err
	}
	if l.kind == kindString {
		return a.text(l, lanes)
	}
	d, err := a.r.ReadInt()
	if err != nil {
		return err
	}
	if d == 0 {
		return errCanonical
	}
	v, ok := l.add(l.number(lanes), d)
	if !ok {
		return wire.ErrRange
	}
	l.Put(lanes, v)
	return nil
}

func (a *applier) text(l *leafPlan, lanes []int32) error {
	b, err := a.r.ReadStr(l.MaxLen)
	if err != nil {
		return err
	}
	if putText(l, lanes, b) {
		return nil
	}
	return errCanonical
}

// putText stores b, which is not longer than MaxLen, and reports whether that
// changed the row.
func putText(l *leafPlan, lanes []int32, b []byte) bool {
	changed := lanes[l.lane] != int32(len(b))
	lanes[l.lane] = int32(len(b))
	for i := 1; i < l.Lanes; i++ {
		var w uint32
		for j := 4 * (i - 1); j < min(4*i, len(b)); j++ {
			w |= uint32(b[j]) << (8 * (j % 4))
		}
		changed = changed || lanes[l.lane+i] != int32(w)
		lanes[l.lane+i] = int32(w)
	}
	return changed
}

// index reads a gap and returns the index it leads to.
func (a *applier) index(last int) (int, error) {
	gap, err := a.uint(MaxStateRow)
	if err != nil {
		return 0, err
	}
	if last += 1 + int(gap); last > MaxStateRow {
		return 0, wire.ErrRange
	}
	return last, nil
}

// uint reads one element, at most most.
func (a *applier) uint(most uint64) (uint64, error) {
	if err := a.take(); err != nil {
		return 0, err
	}
	return a.r.ReadUintMax(most)
}

func (a *applier) take() error {
	if a.left == 0 {
		return wire.ErrShort
	}
	a.left--
	return nil
}
