package game

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// Loss is a replicated number that a capture did not keep as the game left it.
type Loss struct {
	Event   bool    // it is a value of an event, not of a row
	Type    int     // number of the table in Schema.Tables, or of the event in Schema.Events
	Row     int     // index of the row; 0 for events
	Lane    int     // of the captured row or event
	Path    string  // the struct and the field as declared: Tank.X, Tank.Gun.Heat
	Before  float64 // as the capture before left it; 0 for events
	After   float64 // as the game left it: not finite, or so near Before that it was rounded back
	Quantum float64 // the distance between two values that can be sent
}

// OnLoss has f told of every number that is not finite (of a row by Capture, of
// an event when it is emitted) and, by Capture, of every number that the game
// changed by so little that it is rounded back to what it was. Fields tagged
// show and rows in their first capture lose nothing by rounding. A nil f ends
// it. It is for tests, see package gametest: without it, a Capture does not pay.
func (s *Sim) OnLoss(f func(Loss)) { s.w.onLoss = f }

// tellLosses looks through all rows before they are captured.
func (w *World) tellLosses() {
	for t, r := range w.tables {
		if len(r.plan.ops) == 0 {
			continue
		}
		if more := len(r.meta) - len(r.audited); more > 0 {
			r.audited = append(r.audited, make([]uint64, more)...)
		}
		n := r.plan.row.Lanes
		for i := range r.meta[:r.top] {
			if r.meta[i].Gen == 0 {
				continue
			}
			first := r.audited[i] != r.slots[i].birth
			r.audited[i] = r.slots[i].birth
			r.plan.losses(r.at(i), r.held[i*n:(i+1)*n], first, Loss{Type: t, Row: i}, w.onLoss)
		}
	}
}

// losses tells what a capture of the struct at base will lose; lanes hold what
// was captured before, unless this is the first capture.
func (p *plan) losses(base unsafe.Pointer, lanes []int32, first bool, l Loss, tell func(Loss)) {
	for i := range p.ops {
		o := &p.ops[i]
		l.Lane, l.Path, l.Quantum, l.Before = int(o.lane), p.paths[i], o.inv, 0
		if !first {
			l.Before = float64(lanes[o.lane]) * o.inv
		}
		switch o.code {
		case opF32:
			l.After = float64(*(*float32)(unsafe.Add(base, o.off)))
			l.Before = float64(float32(l.Before))
		case opF64:
			l.After = *(*float64)(unsafe.Add(base, o.off))
		default:
			continue
		}
		finite := !math.IsNaN(l.After) && !math.IsInf(l.After, 0)
		if !finite || !first && o.roundsBack(l.Before, l.After, lanes) {
			tell(l)
		}
	}
}

// roundsBack reports whether a capture undoes what the game did. What the range
// cuts off is no loss by rounding.
func (o *leafOp) roundsBack(before, after float64, lanes []int32) bool {
	if v := after * o.scale; o.show || after == before || v < o.fmin || v > o.fmax {
		return false
	}
	return o.quantize(after) == float64(lanes[o.lane])
}

// Diff says where the states of two rooms of one kind differ first, in words
// for a test's report: table, row and field with both values, or what else; ""
// when they are equal. Like Hash it belongs after Capture, of both rooms.
func (s *Sim) Diff(other *Sim) string {
	a, b := s.w, other.w
	for i := range a.tables {
		if d := a.tables[i].diff(b.tables[i]); d != "" {
			return fmt.Sprintf("%s: %s", a.tables[i].plan.what, d)
		}
	}
	switch ra, rb := a.appendRand(nil), b.appendRand(nil); {
	case a.now != b.now:
		return fmt.Sprintf("World.Now is %d, other %d", a.now, b.now)
	case !bytes.Equal(a.appendSeats(nil), b.appendSeats(nil)):
		return "the players who are seated, or their teams"
	case !bytes.Equal(ra, rb):
		return "World.Rand: one of them drew more numbers than the other"
	case a.asked.SleepSet != b.asked.SleepSet || a.asked.SleepUntil != b.asked.SleepUntil:
		return "World.Sleep"
	case s.Hash() != other.Hash():
		return "what the game's AppendState appends"
	}
	return ""
}

func (r *rows) diff(o *rows) string {
	for i := range min(len(r.meta), len(o.meta)) {
		a, b := &r.meta[i], &o.meta[i]
		switch live, otherLive := a.Gen != 0, b.Gen != 0; {
		case live != otherLive:
			return fmt.Sprintf("row %d is there in one and not in the other", i)
		case r.slots[i].gen != o.slots[i].gen:
			return fmt.Sprintf("row %d was added %d times, other %d", i, r.slots[i].gen, o.slots[i].gen)
		case !live:
			continue
		case a.Owner != b.Owner:
			return fmt.Sprintf("row %d: its owner is player %d, other %d", i, a.Owner, b.Owner)
		case a.Show != b.Show || a.Reveal != b.Reveal:
			return fmt.Sprintf("row %d: who it is shown or revealed to", i)
		case r.slots[i].born != o.slots[i].born:
			return fmt.Sprintf("row %d was added at tick %d, other %d", i, r.slots[i].born, o.slots[i].born)
		}
		if d := r.plan.diff(r.at(i), o.at(i)); d != "" {
			return fmt.Sprintf("row %d: %s", i, d)
		}
	}
	if len(r.meta) != len(o.meta) {
		return fmt.Sprintf("it had at most %d rows, other %d", len(r.meta), len(o.meta))
	}
	return ""
}

// diff compares all fields of two rows, sent or not.
func (p *plan) diff(a, b unsafe.Pointer) string {
	for _, n := range p.names {
		for j := range n.op.count {
			at := n.op.off + uintptr(j)*n.op.code.size()
			va, vb := n.op.code.text(unsafe.Add(a, at)), n.op.code.text(unsafe.Add(b, at))
			if va == vb {
				continue
			}
			path := n.path
			if n.op.count > 1 {
				path += "." + strconv.Itoa(j)
			}
			return fmt.Sprintf("%s is %s, other %s", path, va, vb)
		}
	}
	return ""
}

// text is a scalar in words; different scalars have different texts.
func (c opCode) text(at unsafe.Pointer) string {
	switch c {
	case opString:
		return strconv.Quote(*(*string)(at))
	case opBool:
		return strconv.FormatBool(*(*bool)(at))
	case opF32:
		return floatText(float64(*(*float32)(at)), 32)
	case opF64:
		return floatText(*(*float64)(at), 64)
	case opU64:
		return strconv.FormatUint(*(*uint64)(at), 10)
	case opUint:
		return strconv.FormatUint(uint64(*(*uint)(at)), 10)
	}
	return strconv.FormatInt(c.load(at), 10)
}

func floatText(v float64, bits int) string {
	if math.IsNaN(v) {
		return fmt.Sprintf("NaN (%#x)", math.Float64bits(v))
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}
