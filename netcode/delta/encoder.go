package delta

import (
	"math/bits"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// Encoder writes bodies and events for the viewers of one room. It remembers
// which rows belong to whom in the entries it was last given, so entries must
// not change while they may be given again: they come from one Ring. It belongs
// to the room's goroutine and does not allocate when warm.
type Encoder struct {
	schema  *game.Schema
	tables  []rowPlan
	events  []rowPlan
	zero    []int32 // a row of zeros, as long as any
	empty   *game.Entry
	indexes [ownedIndexes]ownedIndex
	asked   uint64
	text    []byte

	// Of the running AppendBody:
	base, cur *game.Entry
	bv, cv    View

	// Of its running table:
	plan    *rowPlan
	removed []int32 // indexes
	rows    []byte  // encoded
	nRows   int
	elems   int // in rows
	last    int // index of the newest row in rows
}

// NewEncoder returns an encoder for entries of the schema.
func NewEncoder(s *game.Schema) *Encoder {
	e := &Encoder{schema: s, tables: planRows(s.Tables), events: planRows(s.Events), empty: s.NewEntry(0)}
	lanes := 0
	for i := range e.tables {
		lanes = max(lanes, e.tables[i].lanes)
	}
	e.zero = make([]int32, lanes)
	return e
}

// HasPrivate reports whether the seat of v owns a row in the entry. When it
// owns none in the base and none in the current entry its private part is empty.
func (e *Encoder) HasPrivate(entry *game.Entry, v View) bool {
	return v.Seat != 0 && len(e.owned(entry).of(v.Seat)) > 0
}

// AppendBody appends what turns base as seen by bv into cur as seen by cv
// (PROTOCOL.md, body) and returns the number of msgpack elements appended, 0
// when nothing changed. A nil base is nothing at all. Both views are of one
// seat, or both of none.
func (e *Encoder) AppendBody(dst []byte, base *game.Entry, bv View, cur *game.Entry, cv View) ([]byte, int) {
	var before, now []ownedRow
	if cv.Seat != 0 {
		if base != nil {
			before = e.owned(base).of(bv.Seat)
		}
		now = e.owned(cur).of(cv.Seat)
	}
	if base == nil {
		base, bv = e.empty, cv
	}
	e.base, e.cur, e.bv, e.cv = base, cur, bv, cv
	total := 0
	for t := range e.tables {
		e.plan = &e.tables[t]
		e.removed, e.rows, e.nRows, e.elems, e.last = e.removed[:0], e.rows[:0], 0, 0, -1
		if cv.Seat == 0 {
			for r := range max(len(base.Tables[t].Meta), len(cur.Tables[t].Meta)) {
				e.row(t, r)
			}
		} else {
			before, now = e.ownedRows(t, before, now)
		}
		if len(e.removed)+e.nRows > 0 {
			dst = e.appendTable(dst, t)
			total += 3 + len(e.removed) + e.elems
		}
	}
	e.base, e.cur = nil, nil
	return dst, total
}

// ownedRows visits the rows of table t that the seat owned or owns, in order.
func (e *Encoder) ownedRows(t int, before, now []ownedRow) (restBefore, restNow []ownedRow) {
	end := ownedRow{int32(t) + 1, 0}
	for {
		next := end
		if len(before) > 0 && before[0].before(next) {
			next = before[0]
		}
		if len(now) > 0 && now[0].before(next) {
			next = now[0]
		}
		if next == end {
			return before, now
		}
		if len(before) > 0 && before[0] == next {
			before = before[1:]
		}
		if len(now) > 0 && now[0] == next {
			now = now[1:]
		}
		e.row(t, int(next.row))
	}
}

func (e *Encoder) appendTable(dst []byte, t int) []byte {
	dst = wire.AppendUint(dst, uint64(t)+1)
	dst = wire.AppendUint(dst, uint64(len(e.removed)))
	last := int32(-1)
	for _, r := range e.removed {
		dst = wire.AppendUint(dst, uint64(r-last-1))
		last = r
	}
	dst = wire.AppendUint(dst, uint64(e.nRows))
	return append(dst, e.rows...)
}

// row compares one row of the two entries and notes what changed.
func (e *Encoder) row(t, r int) {
	bt, ct := &e.base.Tables[t], &e.cur.Tables[t]
	n := e.plan.lanes
	var ba, ca access
	bl, cl := e.zero[:n], e.zero[:n]
	if r < len(ct.Meta) {
		if ca = e.cv.access(&ct.Meta[r]); ca != 0 {
			cl = ct.Row(r, n)
		}
	}
	if r < len(bt.Meta) {
		if ba = e.bv.access(&bt.Meta[r]); ba != 0 {
			bl = bt.Row(r, n)
		}
	}
	if ca == 0 {
		if ba != 0 {
			e.removed = append(e.removed, int32(r))
		}
		return
	}
	if ba != 0 && bt.Meta[r].Gen != ct.Meta[r].Gen {
		ba, bl = 0, e.zero[:n]
	}
	mask := e.mask(bl, cl, ba, ca)
	if mask == 0 {
		return
	}
	e.rows = wire.AppendUint(e.rows, uint64(r-e.last-1))
	e.rows = wire.AppendUint(e.rows, mask)
	e.last = r
	e.nRows++
	e.elems += 2
	for m := mask >> 1; m != 0; m &= m - 1 {
		f := &e.plan.fields[bits.TrailingZeros64(m)]
		e.appendField(f, pick(bl, e.zero, ba&f.need), pick(cl, e.zero, ca&f.need))
	}
}

// mask is the row's change mask: the spawn bit and one for each field.
func (e *Encoder) mask(bl, cl []int32, ba, ca access) uint64 {
	still := ba == ca && equal(bl, cl) // nothing but what references resolve to can differ
	if still && !e.plan.refs {
		return 0
	}
	var mask uint64
	if ba == 0 {
		mask = 1
	}
	for i := range e.plan.fields {
		f := &e.plan.fields[i]
		if still && !f.refs {
			continue
		}
		if e.changed(f, pick(bl, e.zero, ba&f.need), pick(cl, e.zero, ca&f.need)) {
			mask |= 2 << i
		}
	}
	return mask
}

// pick is the row, or zeros for a field that the view may not read.
func pick(row, zero []int32, a access) []int32 {
	if a == 0 {
		return zero
	}
	return row
}

// changed reports whether the filtered values of a field differ.
func (e *Encoder) changed(f *fieldPlan, b, c []int32) bool {
	if f.hi-f.lo == 1 && !f.refs {
		return b[f.lo] != c[f.lo]
	}
	if !f.refs {
		return !equal(b[f.lo:f.hi], c[f.lo:f.hi])
	}
	for i := range f.leaves {
		if e.leafChanged(&f.leaves[i], b, c) {
			return true
		}
	}
	return false
}

func (e *Encoder) leafChanged(l *leafPlan, b, c []int32) bool {
	if l.kind == kindRef {
		return e.bv.ref(e.base, l.Table, uint32(b[l.lane])) != e.cv.ref(e.cur, l.Table, uint32(c[l.lane]))
	}
	return !l.equalLanes(b, c)
}

// appendField appends the value of a field known to have changed.
func (e *Encoder) appendField(f *fieldPlan, b, c []int32) {
	if len(f.leaves) == 1 {
		e.appendLeaf(&f.leaves[0], b, c)
		e.elems++
		return
	}
	n := 0
	for i := range f.leaves {
		if e.leafChanged(&f.leaves[i], b, c) {
			n++
		}
	}
	e.rows = wire.AppendUint(e.rows, uint64(n))
	e.elems += 1 + 2*n
	last := -1
	for i := range f.leaves {
		l := &f.leaves[i]
		if !e.leafChanged(l, b, c) {
			continue
		}
		e.rows = wire.AppendUint(e.rows, uint64(i-last-1))
		last = i
		e.appendLeaf(l, b, c)
	}
}

func (e *Encoder) appendLeaf(l *leafPlan, b, c []int32) {
	switch l.kind {
	case kindString:
		e.text = l.AppendString(e.text[:0], c)
		e.rows = wire.AppendStr(e.rows, e.text)
	case kindRef:
		d := e.cv.ref(e.cur, l.Table, uint32(c[l.lane])) - e.bv.ref(e.base, l.Table, uint32(b[l.lane]))
		e.rows = wire.AppendInt(e.rows, d)
	default:
		e.rows = wire.AppendInt(e.rows, l.diff(l.number(b), l.number(c)))
	}
}
