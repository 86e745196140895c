package delta

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// message is one event message.
func message(elements ...int64) []byte {
	return append(wire.AppendArrayHead(nil, len(elements)), ints(elements...)...)
}

func TestEventsInOrderOfTickForThoseWhoHearThem(t *testing.T) {
	s := tankSchema()
	ring, enc := NewRing(s, 8), NewEncoder(s)
	for tick := game.Tick(1); tick <= 4; tick++ {
		e := ring.Next()
		e.Tick = tick
		put(s, e, 0, 2, public)
		e.EventLanes = []int32{int32(refTo(2, 1)), int32(tick), 77}
		e.Events = []game.EventRecord{
			{Type: 0, Teams: game.Everyone, Lane: 0, Lanes: 2},
			{Type: 0, To: 1, Lane: 0, Lanes: 2},
			{Type: 0, Teams: game.Team(1), Lane: 0, Lanes: 2},
			{Type: 1, Fleeting: true, Teams: game.Everyone, Lane: 2, Lanes: 1},
		}
		ring.Commit(e)
	}
	cases := []struct {
		name     string
		from, to game.Tick
		view     View
		cut      game.Tick
		want     [][]byte
	}{
		{"one tick", 3, 4, seen, 0, [][]byte{message(6, 0, 0, 3, 4), message(6, 0, 1, 77)}},
		{"another team", 3, 4, View{Teams: game.Team(1)}, 9, [][]byte{message(6, 0, 0, 3, 4), message(6, 0, 0, 3, 4)}},
		{"a player", 2, 4, mine, 0, [][]byte{message(6, 1, 0, 3, 3), message(6, 0, 0, 3, 4)}},
		{"late", 1, 4, seen, 4, [][]byte{message(6, 2, 0, 3, 2), message(6, 1, 0, 3, 3), message(6, 0, 0, 3, 4), message(6, 0, 1, 77)}},
		{"no ticks", 4, 4, seen, 0, nil},
		{"a tick that never was", 1, 9, seen, 0, nil},
	}
	for _, c := range cases {
		got := enc.AppendEvents(nil, ring, c.from, c.to, c.view, c.cut)
		if want := bytes.Join(c.want, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
	}
}

func TestEventReferencesMustResolveAtBothTicks(t *testing.T) {
	s := tankSchema()
	ring, enc := NewRing(s, 8), NewEncoder(s)
	hidden := game.RowMeta{Gen: 1}
	then := []game.RowMeta{public, public, hidden, public}
	now := []game.RowMeta{public, {Gen: 2, Show: game.Everyone}, public, hidden}
	for tick, metas := range [][]game.RowMeta{then, now} {
		e := ring.Next()
		e.Tick = game.Tick(tick + 1)
		for r, m := range metas {
			put(s, e, 0, r, m)
			if tick == 0 {
				e.Events = append(e.Events, game.EventRecord{Teams: game.Everyone, Lane: int32(2 * r), Lanes: 2})
				e.EventLanes = append(e.EventLanes, int32(refTo(int64(r), 1)), 0)
			}
		}
		ring.Commit(e)
	}
	var want []byte
	for _, ref := range []int64{1, 0, 0, 0} {
		want = append(want, message(6, 1, 0, ref, 0)...)
	}
	if got := enc.AppendEvents(nil, ring, 0, 2, seen, 0); !bytes.Equal(got, want) {
		t.Fatalf("got %x, want %x", got, want)
	}
}

func TestEventsAreDecodedAsSent(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		s := randomSchema(rng)
		w, ring, enc := newWorld(s, rng), NewRing(s, 4), NewEncoder(s)
		for range 5 {
			w.step()
			e := ring.Next()
			w.copyTo(e)
			ring.Commit(e)
			if err := checkEvents(s, ring, enc, e); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

// checkEvents compares what a spectator decodes with the entry's own events.
func checkEvents(s *game.Schema, ring *Ring, enc *Encoder, e *game.Entry) error {
	v := View{Teams: game.Spectators}
	messages := wire.ReadMessages(enc.AppendEvents(nil, ring, e.Tick-1, e.Tick, v, 0))
	for i := range e.Events {
		ev := &e.Events[i]
		if ev.To != 0 || ev.Teams&v.Teams == 0 {
			continue
		}
		if !messages.Next() {
			return fmt.Errorf("event %d is missing: %v", i, messages.Err())
		}
		head, n, err := wire.ReadEvent(messages.Reader(), messages.Len())
		if err != nil || head.Type != ev.Type || head.Back != 0 {
			return fmt.Errorf("event %d: %+v, %v", i, head, err)
		}
		row := &s.Events[ev.Type]
		got, want := make([]int32, row.Lanes), make([]int32, row.Lanes)
		if err := DecodeEvent(row, messages.Reader(), n, got); err != nil {
			return err
		}
		for f := range row.Fields {
			for l := range row.Fields[f].Leaves {
				filterLeaf(&row.Fields[f].Leaves[l], e, v, e.EventLanes[ev.Lane:], want)
			}
		}
		if !equal(got, want) {
			return fmt.Errorf("event %d: %v, want %v", i, got, want)
		}
	}
	if messages.Next() {
		return errors.New("an event too many")
	}
	return nil
}

func TestDecodeEventRefusesWhatIsMalformed(t *testing.T) {
	row := tankSchema().Events[0]
	for _, values := range [][]int64{{}, {1}, {-1, 0}, {game.MaxRows + 1, 0}, {0, 1 << 31}} {
		r := wire.NewReader(ints(values...))
		if DecodeEvent(&row, &r, len(values), make([]int32, row.Lanes)) == nil {
			t.Errorf("%v accepted", values)
		}
	}
	r := wire.NewReader(ints(1, 2, 3))
	if err := DecodeEvent(&row, &r, 3, make([]int32, row.Lanes)); err != nil {
		t.Errorf("an element behind the values: %v", err)
	}
}
