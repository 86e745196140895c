package gametest

import (
	"fmt"
	"math/rand/v2"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// engineAdvice ends what is no mistake of the game.
const engineAdvice = "The game did nothing wrong: this is a fault of roomd; please report it with the structs of the kind's tables"

// audience is the viewers of one play of a script, who get their state as on a
// server: deltas from what they have, skipped at random.
type audience struct {
	s       *suite
	rng     *rand.Rand
	ring    *delta.Ring
	enc     encoder
	viewers []*viewer
	lives   map[game.PlayerID]int
	// sent is called after a viewer has applied what it was sent.
	sent func(v *viewer, p *parcel) error
}

// watch plays each script to an audience. sent returns what is wrong with what
// a viewer got.
func (s *suite) watch(sent func(a *audience, v *viewer, p *parcel) error) error {
	late := s.hurry()
	for i, sc := range s.scripts {
		if i > 0 && late(-1) {
			return nil
		}
		a := &audience{
			s: s, rng: s.chance(1000 + uint64(i)), viewers: s.viewersOf(),
			ring: delta.NewRing(s.schema, history), enc: s.encoder(s.schema), lives: map[game.PlayerID]int{},
		}
		a.sent = func(v *viewer, p *parcel) error { return sent(a, v, p) }
		if err := a.watch(sc, late); err != nil {
			return err
		}
	}
	return nil
}

func (a *audience) watch(sc *script, late func(i int) bool) error {
	r, err := newRoom(a.s.kind, a.s.c, sc.seed)
	if err != nil {
		return err
	}
	defer r.close()
	for i := range sc.turns {
		if late(i) {
			return nil
		}
		t, e := &sc.turns[i], a.ring.Next()
		if err := r.play(t, e); err != nil {
			return err
		}
		a.ring.Commit(e)
		for j := range t.acts {
			if t.acts[j].kind == actJoin {
				a.lives[t.acts[j].player]++
			}
		}
		for _, v := range a.viewers {
			if err := a.serve(v, e); err != nil {
				return fmt.Errorf("tick %d, %s: %w", e.Tick, v.name, err)
			}
		}
	}
	return nil
}

// serve brings a viewer up to date, or leaves it behind for once.
func (a *audience) serve(v *viewer, e *game.Entry) error {
	if v.seat != 0 {
		if int(v.seat) >= len(e.Seats) || !e.Seats[v.seat].Taken {
			v.forget()
			return nil
		}
		if life := a.lives[v.seat]; life != v.life {
			v.life = life
			v.forget()
		}
	}
	if a.rng.IntN(2) == 0 {
		return nil
	}
	var base *game.Entry
	if !v.fresh && a.rng.IntN(40) != 0 {
		base = a.ring.At(v.base)
	}
	if base == nil {
		v.forget()
	}
	cut := e.Tick - min(e.Tick, game.Tick(a.rng.IntN(4)))
	p := v.pack(a.enc, a.ring, base, e, cut)
	if err := apply(v.shared, p.shared, p.nShared); err != nil {
		return fmt.Errorf("what is sent to all of the viewer's teams cannot be decoded: %w. %s", err, engineAdvice)
	}
	if err := apply(v.own, p.private, p.nPrivate); err != nil {
		return fmt.Errorf("what is sent to the player alone cannot be decoded: %w. %s", err, engineAdvice)
	}
	v.fresh, v.base = false, e.Tick
	return a.sent(v, p)
}

// apply decodes a body of n elements, as a client does.
func apply(s *delta.State, body []byte, n int) error {
	r := wire.NewReader(body)
	if err := s.Apply(&r, n); err != nil {
		return err
	}
	if rest := r.Len(); rest > 0 {
		return fmt.Errorf("%d bytes are left behind the body", rest)
	}
	return nil
}
