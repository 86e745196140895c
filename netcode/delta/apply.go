package delta

import (
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/roomd/roomd/netcode/wire"
)

var (
	errCanonical = errors.New("body is not as an encoder writes it")
	errNoRow     = errors.New("no such row")
	errNoHistory = errors.New("differences from a prediction without three states before")
)

// applier reads one body: n elements that r must still yield.
type applier struct {
	*State
	r    *wire.Reader
	left int
}

// Apply changes the state as a body says (PROTOCOL.md section 6.4), of which n
// elements are left in r. It accepts what an encoder of this schema may write for
// a receiver in this state, but does not ask whether rows could have been grouped
// better. After an error the state is of no use until Clear and a body from
// nothing.
func (s *State) Apply(r *wire.Reader, n int) error { return s.apply(r, n, false) }

// ApplyPredicted is Apply for a body of AppendPredicted. It needs three bodies
// applied since Clear.
func (s *State) ApplyPredicted(r *wire.Reader, n int) error {
	if s.frame-s.clear < predictRun {
		return errNoHistory
	}
	return s.apply(r, n, true)
}

func (s *State) apply(r *wire.Reader, n int, predicted bool) error {
	s.frame++
	for t := range s.tables {
		table := &s.tables[t]
		table.prev, table.moved = table.moved, table.prev[:0]
		if predicted {
			s.predict(t)
		}
	}
	a := applier{State: s, r: r, left: n}
	last := -1
	for a.left > 0 {
		head, err := a.uint(uint64(len(s.tables))<<sectionBits - 1)
		if err != nil {
			return fmt.Errorf("table: %w", err)
		}
		t, flags := int(head>>sectionBits), head&(1<<sectionBits-1)
		if t <= last || flags == 0 {
			return fmt.Errorf("table: %w", errCanonical)
		}
		last = t
		if err := a.section(t, flags); err != nil {
			return fmt.Errorf("table %q: %w", s.schema.Tables[t].Name, err)
		}
	}
	return nil
}

func (a *applier) section(t int, flags uint64) error {
	if flags&hasRemoved != 0 {
		if err := a.removed(t); err != nil {
			return err
		}
	}
	if flags&hasStrays != 0 {
		if err := a.strays(t); err != nil {
			return err
		}
	}
	if flags&hasGroups != 0 {
		return a.groups(t)
	}
	return nil
}

func (a *applier) removed(t int) error {
	if err := a.set(); err != nil {
		return err
	}
	for _, row := range a.named {
		if !a.remove(t, int(row)) {
			return fmt.Errorf("removed row %d: %w", row, errNoRow)
		}
		a.tables[t].rows[row].told = a.frame
	}
	return nil
}

func (a *applier) strays(t int) error {
	n, err := a.uint(uint64(a.left))
	if err != nil {
		return err
	}
	if n == 0 {
		return errCanonical
	}
	row := -1
	for range n {
		if row, err = a.index(row); err != nil {
			return err
		}
		mask, spawn, err := a.mask(t)
		if err == nil {
			err = a.open(t, row, spawn)
		}
		for m := mask; m != 0 && err == nil; m &= m - 1 {
			err = a.fieldOf(t, bits.TrailingZeros64(m), row)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
	}
	return nil
}

func (a *applier) groups(t int) error {
	n, err := a.uint(uint64(a.left))
	if err != nil {
		return err
	}
	if n == 0 {
		return errCanonical
	}
	if err := a.set(); err != nil {
		return err
	}
	a.waiting = append(a.waiting[:0], a.named...)
	for i := range n {
		mask, spawn, err := a.mask(t)
		if err != nil {
			return err
		}
		if err := a.pick(i == n-1); err != nil {
			return err
		}
		for _, row := range a.members {
			if err := a.open(t, int(row), spawn); err != nil {
				return fmt.Errorf("row %d: %w", row, err)
			}
		}
		for m := mask; m != 0; m &= m - 1 {
			for _, row := range a.members {
				if err := a.fieldOf(t, bits.TrailingZeros64(m), int(row)); err != nil {
					return fmt.Errorf("row %d: %w", row, err)
				}
			}
		}
	}
	return nil
}

// pick reads which of the rows left are members of a group, and takes them out.
// The last group has them all.
func (a *applier) pick(last bool) error {
	left := a.waiting
	if last {
		a.members = append(a.members[:0], left...)
		return nil
	}
	a.members = a.members[:0]
	rest := left[:0]
	for len(left) > 0 {
		n := min(len(left), wordBits)
		word, err := a.uint(1<<n - 1)
		if err != nil {
			return err
		}
		for i, row := range left[:n] {
			if word>>i&1 != 0 {
				a.members = append(a.members, row)
			} else {
				rest = append(rest, row)
			}
		}
		left = left[n:]
	}
	if len(a.members) == 0 || len(rest) == 0 {
		return errCanonical
	}
	a.waiting = rest
	return nil
}

// set reads a set of rows into rows: gaps or a bitmap.
func (a *applier) set() error {
	n, err := a.int()
	if err != nil {
		return err
	}
	if n > int64(a.left) || n < int64(-a.left) {
		return wire.ErrShort
	}
	if n == 0 {
		return errCanonical
	}
	a.named = a.named[:0]
	last := -1
	for range n {
		if last, err = a.index(last); err != nil {
			return err
		}
		a.named = append(a.named, int32(last))
	}
	if n > 0 {
		return nil
	}
	if -n > int64(words(MaxStateRow+1)) {
		return wire.ErrRange
	}
	var word uint64
	for i := range int(-n) {
		if word, err = a.uint(1<<wordBits - 1); err != nil {
			return err
		}
		for w := word; w != 0; w &= w - 1 {
			a.named = append(a.named, int32(i*wordBits+bits.TrailingZeros64(w)))
		}
	}
	if word == 0 {
		return errCanonical
	}
	return nil
}

// mask reads the mask of a row or group.
func (a *applier) mask(t int) (mask uint64, spawn bool, err error) {
	code, err := a.int()
	if err != nil {
		return 0, false, err
	}
	if code == 0 {
		return 0, false, errCanonical
	}
	if code < 0 {
		code, spawn = -1-code, true
	}
	if uint64(code)>>len(a.plans[t].fields) != 0 {
		return 0, false, wire.ErrRange
	}
	return uint64(code), spawn, nil
}

// open readies a row for its values. A body names it once.
func (a *applier) open(t, row int, spawn bool) error {
	if rows := a.tables[t].rows; row < len(rows) && rows[row].told == a.frame {
		return errCanonical
	}
	if spawn {
		if err := a.spawn(t, row); err != nil {
			return err
		}
	} else {
		if _, ok := a.Row(t, row); !ok {
			return errNoRow
		}
		a.touch(t, row)
	}
	a.tables[t].rows[row].told = a.frame
	return nil
}

func (a *applier) fieldOf(t, field, row int) error {
	if err := a.field(&a.plans[t].fields[field], a.at(t, row)); err != nil {
		return fmt.Errorf("field %s: %w", a.schema.Tables[t].Fields[field].Name, err)
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
	if !utf8.Valid(b) {
		return wire.ErrText
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

func (a *applier) int() (int64, error) {
	if err := a.take(); err != nil {
		return 0, err
	}
	return a.r.ReadInt()
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
