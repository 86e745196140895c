package delta

import "github.com/roomd/roomd/game"

// The plan of a schema: what the loops over rows need, and nothing else.

type kind uint8

const (
	kindInt    kind = iota // one lane, signed: bools, integers and quanta
	kindUint               // one lane, unsigned
	kindWrap8              // modulo 1<<8
	kindWrap16             // modulo 1<<16
	kindWide               // two lanes
	kindRef                // one lane, bits of an ID
	kindString
)

type leafPlan struct {
	*game.Leaf
	kind     kind
	lane     int
	min, max int64 // what a decoder accepts
}

type fieldPlan struct {
	need   access // what a view must have to read the field
	lo, hi int    // lanes of all its leaves
	refs   bool
	// predicts: some of its leaves are numbers that may be predicted.
	predicts bool
	// number: it is one leaf, and that is such a number.
	number bool
	leaves []leafPlan
}

type rowPlan struct {
	fields []fieldPlan
	lanes  int
	refs   bool
}

func planRows(rows []game.RowSchema) []rowPlan {
	plans := make([]rowPlan, len(rows))
	for i := range rows {
		plans[i] = planRow(&rows[i])
	}
	return plans
}

func planRow(r *game.RowSchema) rowPlan {
	p := rowPlan{fields: make([]fieldPlan, len(r.Fields)), lanes: r.Lanes}
	for i := range r.Fields {
		f := &p.fields[i]
		f.need = accessAll
		if r.Fields[i].Vis == game.VisOwner {
			f.need = accessOwner
		}
		f.lo = r.Lanes
		for j := range r.Fields[i].Leaves {
			l := planLeaf(&r.Fields[i].Leaves[j])
			f.leaves = append(f.leaves, l)
			f.lo = min(f.lo, l.Lane)
			f.hi = max(f.hi, l.Lane+l.Lanes)
			f.refs = f.refs || l.kind == kindRef
			f.predicts = f.predicts || l.predicts()
		}
		f.number = f.predicts && len(f.leaves) == 1
		p.refs = p.refs || f.refs
	}
	return p
}

func planLeaf(l *game.Leaf) leafPlan {
	p := leafPlan{Leaf: l, lane: l.Lane, min: -1 << 31, max: 1<<31 - 1}
	switch l.Type {
	case game.LeafBool:
		p.min, p.max = 0, 1
	case game.LeafInt:
		if l.Bits < 32 {
			p.min, p.max = -1<<(l.Bits-1), 1<<(l.Bits-1)-1
		} else if l.Bits == 64 {
			p.kind, p.min, p.max = kindWide, -game.MaxSafeInt, game.MaxSafeInt
		}
	case game.LeafUint:
		switch l.Bits {
		case 8:
			p.kind, p.min, p.max = kindWrap8, 0, 1<<8-1
		case 16:
			p.kind, p.min, p.max = kindWrap16, 0, 1<<16-1
		case 64:
			p.kind, p.min, p.max = kindWide, 0, game.MaxSafeInt
		default:
			p.kind, p.min, p.max = kindUint, 0, 1<<32-1
		}
	case game.LeafRef:
		p.kind, p.min, p.max = kindRef, 0, game.MaxRows
	case game.LeafString:
		p.kind = kindString
	}
	return p
}

// number is the plain value of a leaf that is no string: for kindRef the lane
// as it is.
func (l *leafPlan) number(row []int32) int64 {
	switch l.kind {
	case kindInt:
		return int64(row[l.lane])
	case kindWide:
		return int64(uint64(uint32(row[l.lane])) | uint64(uint32(row[l.lane+1]))<<32)
	}
	return int64(uint32(row[l.lane]))
}

// plain is number for a leaf of one lane.
func (l *leafPlan) plain(lane int32) int64 {
	if l.kind == kindInt {
		return int64(lane)
	}
	return int64(uint32(lane))
}

// diff is what is sent to make b of a.
func (l *leafPlan) diff(a, b int64) int64 {
	switch l.kind {
	case kindWrap8:
		return int64(int8(b - a))
	case kindWrap16:
		return int64(int16(b - a))
	}
	return b - a
}

// add undoes diff. It reports false for a difference that diff never makes or
// that leads out of the leaf's range.
func (l *leafPlan) add(a, d int64) (int64, bool) {
	switch l.kind {
	case kindWrap8:
		return int64(uint8(a + d)), d == int64(int8(d))
	case kindWrap16:
		return int64(uint16(a + d)), d == int64(int16(d))
	}
	const most = 2 * game.MaxSafeInt
	if d < -most || d > most {
		return 0, false
	}
	b := a + d
	return b, b >= l.min && b <= l.max
}

// equalLanes reports whether the lanes of the leaf are equal in both rows.
func (l *leafPlan) equalLanes(a, b []int32) bool {
	return equal(a[l.lane:l.lane+l.Lanes], b[l.lane:l.lane+l.Lanes])
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for len(a) >= 16 {
		if *(*[16]int32)(a) != *(*[16]int32)(b) {
			return false
		}
		a, b = a[16:], b[16:]
	}
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return true
}

// predicts reports whether the leaf is told as a difference from a prediction,
// where there is one: numbers of one lane.
func (l *leafPlan) predicts() bool {
	return l.kind == kindInt || l.kind == kindUint || l.kind == kindWrap8 || l.kind == kindWrap16
}
