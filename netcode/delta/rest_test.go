package delta

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// follower is an edge's copy of a room's entries, and of what a view was told.
type follower struct {
	rest   *Rest
	state  *State
	view   View
	newest *game.Entry
}

// TestEntriesTravel: whatever happens in a room, an edge that is given the public
// body and the rest of each tick holds the room's own entries.
func TestEntriesTravel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 6))
		s := randomSchema(rng)
		w, enc, out := newWorld(s, rng), NewEncoder(s), NewRest(s)
		f := &follower{rest: NewRest(s), state: NewState(s), view: View{Teams: oneOf(rng, game.Spectators, game.Team(0), game.Everyone)}}
		ring := NewRing(s, 4)
		for tick := range game.Tick(40) {
			base := ring.Newest()
			w.step()
			cur := ring.Next()
			w.copyTo(cur)
			ring.Commit(cur)
			told := base != nil && w.chance(0.8)
			if err := f.take(enc, out, base, cur, told); err != nil {
				t.Fatalf("seed %d, tick %d: %v", seed, tick+1, err)
			}
		}
	}
}

func (f *follower) take(enc *Encoder, out *Rest, base, cur *game.Entry, told bool) error {
	body, n := enc.AppendBody(nil, base, f.view, cur, f.view)
	if err := applyBody(f.state, body, n); err != nil {
		return err
	}
	b := out.Append(nil, base, cur, f.view, told)
	var public *State
	if told {
		public = f.state
	}
	next := &game.Entry{Tick: cur.Tick, Tables: make([]game.TableRows, len(cur.Tables))}
	if err := f.rest.Read(b, f.newest, public, f.view, next); err != nil {
		return err
	}
	f.newest = next
	return sameEntry(next, cur)
}

// sameEntry compares all that anybody may read of two entries.
func sameEntry(a, b *game.Entry) error {
	for t := range b.Tables {
		x, y := a.Tables[t], b.Tables[t]
		if len(x.Meta) != len(y.Meta) {
			return fmt.Errorf("table %d has %d rows, not %d", t, len(x.Meta), len(y.Meta))
		}
		for r := range y.Meta {
			if x.Meta[r] != y.Meta[r] {
				return fmt.Errorf("table %d row %d is %+v, not %+v", t, r, x.Meta[r], y.Meta[r])
			}
			if n := len(y.Lanes) / len(y.Meta); y.Meta[r].Gen != 0 && !equal(x.Row(r, n), y.Row(r, n)) {
				return fmt.Errorf("table %d row %d is %v, not %v", t, r, x.Row(r, n), y.Row(r, n))
			}
		}
	}
	if !reflect.DeepEqual(a.Seats, b.Seats) {
		return fmt.Errorf("seats are %+v, not %+v", a.Seats, b.Seats)
	}
	if len(a.Events) != len(b.Events) || len(a.Events) > 0 && !reflect.DeepEqual(a.Events, b.Events) {
		return fmt.Errorf("events are %+v, not %+v", a.Events, b.Events)
	}
	if len(a.EventLanes) > 0 && !reflect.DeepEqual(a.EventLanes, b.EventLanes) {
		return fmt.Errorf("events hold %v, not %v", a.EventLanes, b.EventLanes)
	}
	return nil
}

// FuzzRest: what another node sends makes an entry or an error, in bounded memory.
func FuzzRest(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 7))
	s := randomSchema(rng)
	w := newWorld(s, rng)
	w.step()
	first, second := s.NewEntry(worldSeats), s.NewEntry(worldSeats)
	w.copyTo(first)
	w.step()
	w.copyTo(second)
	out := NewRest(s)
	f.Add(out.Append(nil, nil, first, View{}, false))
	f.Add(out.Append(nil, first, second, View{}, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		into := &game.Entry{Tables: make([]game.TableRows, len(s.Tables))}
		if err := out.Read(b, first, nil, View{}, into); err != nil {
			return
		}
		again := &game.Entry{Tables: make([]game.TableRows, len(s.Tables))}
		if err := out.Read(out.Append(nil, first, into, View{}, false), first, nil, View{}, again); err != nil {
			t.Fatal(err)
		}
		if err := sameEntry(again, into); err != nil {
			t.Fatal(err)
		}
	})
}

// Seats are told as the one behind the last or by a gap: neither leads beyond them.
func TestSeatsEndWhereTheyAre(t *testing.T) {
	for _, c := range []struct {
		b   []byte
		bad bool
	}{
		{[]byte{2, seatNext, seatNext, 0, 0}, false},
		{[]byte{2, seatNext, seatNext, seatNext, 0, 0}, true},
		{[]byte{2, seatNext, 0, 2, 0, 0}, true},
		{[]byte{0, seatNext}, true},
		{[]byte{2, seatNext}, true},
	} {
		in := &varints{wire.Varints{B: c.b}}
		readSeats(in, nil, &game.Entry{})
		if in.Bad != c.bad || !c.bad && len(in.B) > 0 {
			t.Errorf("%x: bad %t, %d bytes left", c.b, in.Bad, len(in.B))
		}
	}
}
