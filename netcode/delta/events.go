package delta

import (
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
	for i := ring.since(from + 1); i < ring.n; i++ {
		entry := ring.at(i)
		if entry.Tick > to {
			break
		}
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
	n := 3
	for i := range p.fields {
		n += len(p.fields[i].leaves)
	}
	dst = wire.AppendArrayHead(dst, n)
	dst = wire.AppendUint(dst, uint64(wire.KindEvent))
	dst = wire.AppendUint(dst, uint64(last.Tick-entry.Tick))
	dst = wire.AppendUint(dst, uint64(ev.Type))
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
