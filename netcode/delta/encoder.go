package delta

import (
	"slices"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// Encoder writes bodies and events for the viewers of one room. It remembers
// which rows belong to whom in the entries it was last given, so entries must
// not change while they may be given again: they come from one Ring. It belongs
// to the room's goroutine and does not allocate when warm.
type Encoder struct {
	tables  []rowPlan
	events  []rowPlan
	zero    []int32 // a row of zeros, as long as any
	empty   *game.Entry
	indexes [ownedIndexes]ownedIndex
	asked   uint64
	text    []byte

	// Of the running body:
	base, cur *game.Entry
	bv, cv    View
	past      [2]*game.Entry // the entries before base, newest first; nil: nothing is predicted
	n         int            // elements

	// Of its running table:
	section
	was, is source
	before  [2]source // of past
	history history   // of its running row
}

// NewEncoder returns an encoder for entries of the schema.
func NewEncoder(s *game.Schema) *Encoder {
	e := &Encoder{tables: planRows(s.Tables), events: planRows(s.Events), empty: s.NewEntry(0)}
	lanes := 0
	for i := range e.tables {
		lanes = max(lanes, e.tables[i].lanes)
	}
	e.zero = make([]int32, lanes)
	return e
}

// AppendBody appends what turns base as seen by bv into cur as seen by cv
// (PROTOCOL.md section 6.4) and returns the number of msgpack elements appended,
// 0 when nothing changed. A nil base is nothing at all. Both views are of one
// seat, or both of none. A seat's body costs the rows of its own that changed.
func (e *Encoder) AppendBody(dst []byte, base *game.Entry, bv View, cur *game.Entry, cv View) ([]byte, int) {
	e.begin(base, bv, cur, cv)
	if cv.Seat == 0 {
		for t := range e.tables {
			e.table(t)
			e.compare(max(len(e.was.meta), len(e.is.meta)))
			dst = e.appendTable(dst)
		}
		return dst, e.end()
	}
	owned := e.owned(base, cur, bv.Teams != cv.Teams).of(cv.Seat)
	for len(owned) > 0 {
		t := owned[0].table
		e.table(int(t))
		for len(owned) > 0 && owned[0].table == t {
			e.row(int(owned[0].row))
			owned = owned[1:]
		}
		dst = e.appendTable(dst)
	}
	return dst, e.end()
}

// AppendPredicted is AppendBody for viewers of the shared part who hold past[0]
// and held past[1] and past[2] before, as seen by the same view: numbers are
// told as what they differ from a prediction (PROTOCOL.md section 6.8). The
// entries are those of the three ticks before cur's.
func (e *Encoder) AppendPredicted(dst []byte, past [3]*game.Entry, cur *game.Entry, v View) ([]byte, int) {
	e.begin(past[0], v, cur, v)
	e.past = [2]*game.Entry{past[1], past[2]}
	for t := range e.tables {
		e.table(t)
		e.compare(max(len(e.was.meta), len(e.is.meta)))
		dst = e.appendTable(dst)
	}
	return dst, e.end()
}

// Place is where a part of a keyframe begins: the zero Place at the beginning.
type Place struct{ table, row int }

// AppendPart appends the part of a keyframe of the view that begins at from, and
// returns the number of its elements and where the next part begins. last is
// true when there is none. A part of more than one row has at most limit bytes.
func (e *Encoder) AppendPart(dst []byte, cur *game.Entry, v View, from Place, limit int) (out []byte, n int, next Place, last bool) {
	e.begin(nil, v, cur, v)
	start := len(dst)
	for t := from.table; t < len(e.tables); t++ {
		e.table(t)
		first := 0
		if t == from.table {
			first = from.row
		}
		rest := len(cur.Tables[t].Meta)
		stop := e.fill(first, rest, limit-(len(dst)-start), len(dst) == start)
		dst = e.appendTable(dst)
		if stop < rest {
			return dst, e.end(), Place{t, stop}, false
		}
	}
	return dst, e.end(), Place{}, true
}

// fill visits rows from first to rest while their section fits into limit, and
// returns the row that it stopped at. If must, it takes one row in any case.
func (e *Encoder) fill(first, rest, limit int, must bool) int {
	const sectionHead = 16 // and no group costs more than its rows alone
	size := sectionHead
	for r := first; r < rest; r++ {
		mark := e.mark()
		e.row(r)
		if len(e.changes) == mark.changes {
			continue
		}
		size += len(e.values) - mark.values + e.headSize()
		if size > limit && !(must && mark.changes == 0) {
			e.undo(mark)
			return r
		}
	}
	return rest
}

func (e *Encoder) begin(base *game.Entry, bv View, cur *game.Entry, cv View) {
	if base == nil {
		base, bv = e.empty, cv
	}
	e.base, e.cur, e.bv, e.cv, e.n = base, cur, bv, cv, 0
	e.past = [2]*game.Entry{}
}

func (e *Encoder) end() int {
	e.base, e.cur, e.past = nil, nil, [2]*game.Entry{}
	return e.n
}

// table begins the section of table t.
func (e *Encoder) table(t int) {
	e.reset(t, &e.tables[t])
	e.was, e.is = e.source(e.base, e.bv), e.source(e.cur, e.cv)
	for i, entry := range e.past {
		if entry != nil {
			e.before[i] = e.source(entry, e.bv)
		}
	}
}

// appendTable appends the section of the table, if it has anything to say.
func (e *Encoder) appendTable(dst []byte) []byte {
	dst, n := e.appendTo(dst)
	e.n += n
	return dst
}

// compare visits the rows before end.
func (e *Encoder) compare(end int) {
	for r := range end {
		e.row(r)
	}
}

// source is the running table in an entry, as a view may read it.
type source struct {
	view  View
	meta  []game.RowMeta
	lanes []int32
	n     int // lanes of a row
}

func (e *Encoder) source(entry *game.Entry, v View) source {
	rows := &entry.Tables[e.num]
	return source{v, rows.Meta, rows.Lanes, e.plan.lanes}
}

func (s *source) row(r int) []int32 { return s.lanes[r*s.n : (r+1)*s.n : (r+1)*s.n] }

// sight is one row as a view may read it.
type sight struct {
	access access // 0: there is no such row
	gen    uint16
	lanes  []int32
}

func (s *source) look(r int, at *sight) {
	at.access = 0
	at.gen = 0
	if r >= len(s.meta) {
		return
	}
	m := &s.meta[r]
	if at.access = s.view.access(m); at.access != 0 {
		at.gen, at.lanes = m.Gen, s.row(r)
	}
}

// rests reports whether nothing about the row changed, and nothing is predicted
// to, but for what its references resolve to.
func (e *Encoder) rests(r int) bool {
	if r >= len(e.was.meta) || r >= len(e.is.meta) || e.was.meta[r] != e.is.meta[r] || e.bv != e.cv {
		return false
	}
	is := e.is.row(r)
	if !equal(e.was.row(r), is) {
		return false
	}
	if e.past[0] == nil {
		return true
	}
	b := &e.before[0]
	return r < len(b.meta) && b.meta[r] == e.is.meta[r] && equal(b.row(r), is)
}

// row compares one row of the two entries and notes what changed.
func (e *Encoder) row(r int) {
	rests := e.rests(r)
	if rests && !e.plan.refs {
		return
	}
	h := &e.history
	e.was.look(r, &h.was)
	e.is.look(r, &h.is)
	if h.is.access == 0 {
		if h.was.access != 0 {
			e.removed = append(e.removed, int32(r))
		}
		return
	}
	h.spawn, h.predict = h.was.gen != h.is.gen, false // the gen of no row is 0
	if h.spawn {
		h.was.access, h.was.lanes = 0, e.zero[:e.plan.lanes]
	} else if e.past[0] != nil {
		e.before[0].look(r, &h.was1)
		e.before[1].look(r, &h.was2)
		h.predict = h.was1.gen == h.is.gen && h.was2.gen == h.is.gen
	}
	// Most numbers of a row that changed rest, and most rows are seen as before.
	is, was, before := h.is.lanes, h.was.lanes, h.was.lanes
	if h.predict {
		before = h.was1.lanes
	}
	same := h.was.access == h.is.access && (!h.predict || h.was1.access == h.is.access)
	c := change{row: int32(r), at: int32(len(e.values)), field: int32(len(e.lens)), spawn: h.spawn}
	for i := range e.plan.fields {
		f := &e.plan.fields[i]
		if rests && !f.refs || same && f.number && is[f.lo] == was[f.lo] && was[f.lo] == before[f.lo] {
			continue
		}
		start := len(e.values)
		if f.number {
			e.number(f, h)
		} else {
			e.field(f, h)
		}
		if n := len(e.values) - start; n > 0 {
			c.mask |= 1 << i
			e.lens = append(e.lens, int32(n))
		}
	}
	if c.mask != 0 || h.spawn {
		e.changes = append(e.changes, c)
	}
}

// history is a row in the current entry, in the base, and in those before.
type history struct {
	is, was, was1, was2 sight
	spawn               bool // nothing of it was there
	predict             bool // it was there in all three
}

// pick is the row, or zeros for a field that the view may not read.
func pick(row, zero []int32, a access) []int32 {
	if a == 0 {
		return zero
	}
	return row
}

// number appends the value of a field that is one number, if it changed. Most
// fields of most games are, so that this and what it calls is most of the time.
func (e *Encoder) number(f *fieldPlan, h *history) {
	at, l := f.lo, &f.leaves[0]
	var was, was1, was2, is int32 // hidden fields read zero
	if h.is.access&f.need != 0 {
		is = h.is.lanes[at]
	}
	if h.was.access&f.need != 0 {
		was = h.was.lanes[at]
	}
	was1, was2 = was, was
	if h.predict {
		was1, was2 = 0, 0
		if h.was1.access&f.need != 0 {
			was1 = h.was1.lanes[at]
		}
		if h.was2.access&f.need != 0 {
			was2 = h.was2.lanes[at]
		}
	}
	if is == was && was == was1 {
		return
	}
	var d int64
	if l.kind == kindInt {
		d = int64(is) - l.expect(int64(was), int64(was1), int64(was2))
	} else {
		old := l.plain(was)
		if was != was1 {
			old = l.predict(old, l.plain(was1), l.plain(was2))
		}
		d = l.diff(old, l.plain(is))
	}
	if d == 0 {
		return
	}
	e.elems++
	if d >= -32 && d < 128 {
		e.values = append(e.values, byte(d))
		return
	}
	e.values = wire.AppendInt(e.values, d)
}

// values is a field's row in the base and, if it is to be predicted, in the
// entries before.
type values struct{ lanes, lanes1, lanes2 []int32 }

// field appends the value of a field if it changed.
func (e *Encoder) field(f *fieldPlan, h *history) {
	c := pick(h.is.lanes, e.zero, h.is.access&f.need)
	b := &values{lanes: pick(h.was.lanes, e.zero, h.was.access&f.need)}
	if h.predict && f.predicts {
		b.lanes1 = pick(h.was1.lanes, e.zero, h.was1.access&f.need)
		b.lanes2 = pick(h.was2.lanes, e.zero, h.was2.access&f.need)
	}
	if len(f.leaves) == 1 {
		e.elems += e.leaf(&f.leaves[0], b, c)
		return
	}
	if b.lanes1 == nil && !f.refs && equal(b.lanes[f.lo:f.hi], c[f.lo:f.hi]) {
		return
	}
	start, n, last := len(e.values), 0, -1
	e.values = append(e.values, 0) // for n
	for i := range f.leaves {
		gap := len(e.values)
		e.values = wire.AppendUint(e.values, uint64(i-last-1))
		if e.leaf(&f.leaves[i], b, c) == 0 {
			e.values = e.values[:gap]
			continue
		}
		n, last = n+1, i
	}
	if n == 0 {
		e.values = e.values[:start]
		return
	}
	e.text = wire.AppendUint(e.text[:0], uint64(n))
	e.values = slices.Replace(e.values, start, start+1, e.text...)
	e.elems += 1 + 2*n
}

// leaf appends the value of a leaf if it changed, and returns the number of
// elements appended.
func (e *Encoder) leaf(l *leafPlan, b *values, c []int32) int {
	var d int64
	switch l.kind {
	case kindString:
		if l.equalLanes(b.lanes, c) {
			return 0
		}
		e.text = l.AppendString(e.text[:0], c)
		e.values = wire.AppendStr(e.values, e.text)
		return 1
	case kindRef:
		d = e.cv.ref(e.cur, l.Table, uint32(c[l.lane])) - e.bv.ref(e.base, l.Table, uint32(b.lanes[l.lane]))
	default:
		old := l.number(b.lanes)
		if b.lanes1 != nil && l.predicts() {
			old = l.predict(old, l.number(b.lanes1), l.number(b.lanes2))
		}
		d = l.diff(old, l.number(c))
	}
	if d == 0 {
		return 0
	}
	e.values = wire.AppendInt(e.values, d)
	return 1
}
