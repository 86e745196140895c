package delta

import (
	"fmt"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// AppendEvents appends the events that the view gets of the ticks after from up
// to and including to, as whole messages in order of tick (PROTOCOL.md, event).
// They belong behind the state frame of tick to, or behind the self that
// precedes it when v has a Seat. Fleeting events before tick fleetCut are left
// out. Events of ticks that the ring no longer holds are lost: see Ring.Oldest.
//
// A reference in an event is sent only if the viewer may see the row both at the
// event's tick and at to, where the receiver looks it up.
func (e *Encoder) AppendEvents(dst []byte, ring *Ring, from, to game.Tick, v View, fleetCut game.Tick) []byte {
	last := ring.At(to)
	if last == nil || from >= to {
		return dst
	}
	for i := ring.since(from + 1); i < ring.Len() && ring.tick(i) <= to; i++ {
		if !ring.hasEvents(i) {
			continue
		}
		entry := ring.entry(i)
		for j := range entry.Events {
			ev := &entry.Events[j]
			if v.hears(ev) && !(ev.Fleeting && entry.Tick < fleetCut) && int(ev.Type) < len(e.events) {
				dst = e.appendEvent(dst, entry, last, ev, v)
			}
		}
	}
	return dst
}

func (v View) hears(ev *game.EventRecord) bool {
	if v.Seat != 0 {
		return ev.To == v.Seat
	}
	return ev.To == 0 && ev.Teams&v.Teams != 0
}

func (e *Encoder) appendEvent(dst []byte, entry, last *game.Entry, ev *game.EventRecord, v View) []byte {
	p := &e.events[ev.Type]
	row := entry.EventLanes[ev.Lane : ev.Lane+ev.Lanes]
	n := 0
	for i := range p.fields {
		n += len(p.fields[i].leaves)
	}
	dst = wire.AppendEventHead(dst, wire.Event{Back: last.Tick - entry.Tick, Type: ev.Type}, n)
	for i := range p.fields {
		for j := range p.fields[i].leaves {
			l := &p.fields[i].leaves[j]
			switch l.kind {
			case kindString:
				e.text = l.AppendString(e.text[:0], row)
				dst = wire.AppendStr(dst, e.text)
			case kindRef:
				bits := uint32(row[l.lane])
				ref := v.ref(last, l.Table, bits)
				if ref != v.ref(entry, l.Table, bits) {
					ref = 0
				}
				dst = wire.AppendInt(dst, ref)
			default:
				dst = wire.AppendInt(dst, l.number(row))
			}
		}
	}
	return dst
}

// DecodeEvent reads the values of an event of schema row, for which n elements
// are left in r, into out, lanes of row. References are index + 1. Elements
// behind the values are ignored.
func DecodeEvent(row *game.RowSchema, r *wire.Reader, n int, out []int32) error {
	for i := range row.Fields {
		for j := range row.Fields[i].Leaves {
			if n--; n < 0 {
				return wire.ErrShort
			}
			l := planLeaf(&row.Fields[i].Leaves[j])
			if err := readEventLeaf(r, &l, out); err != nil {
				return fmt.Errorf("event %s: %s: %w", row.Name, row.Fields[i].Name, err)
			}
		}
	}
	return nil
}

func readEventLeaf(r *wire.Reader, l *leafPlan, out []int32) error {
	if l.kind == kindString {
		b, err := r.ReadStr(l.MaxLen)
		if err == nil {
			putText(l, out, b)
		}
		return err
	}
	v, err := r.ReadInt()
	if err == nil && (v < l.min || v > l.max) {
		err = wire.ErrRange
	}
	if err == nil {
		l.Put(out, v)
	}
	return err
}
