package gametest

import (
	"fmt"
	"slices"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// checkReplication lets viewers decode what they are sent and compares it with
// what the game holds and they may see.
func (s *suite) checkReplication() error {
	if err := s.record(); err != nil {
		return err
	}
	sent, bytes := 0, 0
	err := s.watch(func(a *audience, v *viewer, p *parcel) error {
		sent++
		bytes += len(p.shared) + len(p.private) + len(p.events) + len(p.ownEvents)
		return a.compare(v, p)
	})
	if err == nil {
		s.note("%d updates of %d viewers, %d bytes each on average", sent, len(s.viewersOf()), bytes/max(sent, 1))
	}
	return err
}

// compare judges one update of a viewer.
func (a *audience) compare(v *viewer, p *parcel) error {
	if err := v.shared.Equal(delta.Filter(a.s.schema, p.cur, p.sharedView)); err != nil {
		return fmt.Errorf("what the viewer decoded (first) is not what the game holds (other): %w. %s", err, engineAdvice)
	}
	if err := a.compareEvents(p.events, p, eye{teams: p.sharedView.Teams}, false); err != nil {
		return fmt.Errorf("%w. %s", err, engineAdvice)
	}
	if v.seat == 0 {
		return nil
	}
	if err := v.own.Equal(delta.Filter(a.s.schema, p.cur, p.ownView)); err != nil {
		return fmt.Errorf("what the player alone decoded (first) is not what the game holds (other): %w. %s", err, engineAdvice)
	}
	if err := a.compareEvents(p.ownEvents, p, v.eye(p.cur), true); err != nil {
		return fmt.Errorf("%w. %s", err, engineAdvice)
	}
	return nil
}

// compareEvents decodes event messages and compares them with the events of the
// entries: those for the eye's seat alone, or those for its teams.
func (a *audience) compareEvents(messages []byte, p *parcel, who eye, alone bool) error {
	got := wire.ReadMessages(messages)
	for tick := p.from + 1; tick <= p.cur.Tick; tick++ {
		e := a.ring.At(tick)
		if e == nil {
			continue // the room slept
		}
		for i := range e.Events {
			ev := &e.Events[i]
			row := &a.s.schema.Events[ev.Type]
			if !who.hears(ev) || (ev.To != 0) != alone || ev.Fleeting && tick < p.cut {
				continue
			}
			if !got.Next() {
				return fmt.Errorf("event %q of tick %d is missing (%v)", row.Name, tick, got.Err())
			}
			if err := sameEvent(row, got.Reader(), got.Len(), wire.Event{Back: p.cur.Tick - tick, Type: ev.Type},
				heard(row, who, e, p.cur, ev)); err != nil {
				return fmt.Errorf("event %q of tick %d: %w", row.Name, tick, err)
			}
		}
	}
	if got.Next() {
		return fmt.Errorf("there is an event that is not for the viewer")
	}
	return got.Err()
}

// heard is the values of an event as the eye gets them: references resolve if
// the eye sees the row both then and now.
func heard(s *game.RowSchema, who eye, then, now *game.Entry, ev *game.EventRecord) []int32 {
	row := slices.Clone(then.EventLanes[ev.Lane : ev.Lane+ev.Lanes])
	for i := range s.Fields {
		for j := range s.Fields[i].Leaves {
			if l := &s.Fields[i].Leaves[j]; l.Type == game.LeafRef {
				ref := uint32(l.Get(row))
				index := who.resolve(then, l.Table, ref)
				if who.resolve(now, l.Table, ref) == 0 {
					index = 0
				}
				l.Put(row, index)
			}
		}
	}
	return row
}

func sameEvent(s *game.RowSchema, r *wire.Reader, n int, head wire.Event, want []int32) error {
	is, n, err := wire.ReadEvent(r, n)
	if err != nil {
		return err
	}
	if is != head {
		return fmt.Errorf("decoded as event %d of %d ticks ago", is.Type, is.Back)
	}
	got := make([]int32, s.Lanes)
	if err := delta.DecodeEvent(s, r, n, got); err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("decoded %s", differingLanes(s, got, want))
	}
	return nil
}
