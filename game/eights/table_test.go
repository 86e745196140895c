package eights

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

// TestHandsAreHidden pins what leaves the server and for whom: the deck is not
// in the schema, and cards are their owner's.
func TestHandsAreHidden(t *testing.T) {
	s, err := Kind.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, table := range s.Tables {
		for _, f := range table.Fields {
			name := table.Name + "." + f.Name
			if f.Vis == game.VisOwner {
				name += " (owner)"
			}
			fields = append(fields, name)
		}
	}
	if want := []string{
		"hand.name", "hand.score", "hand.count", "hand.in", "hand.house", "hand.away", "hand.cards (owner)",
		"round.number", "round.phase", "round.turn", "round.on", "round.drawn", "round.top", "round.suit",
		"round.deck", "round.pile", "round.ends", "round.gain",
	}; !slices.Equal(fields, want) {
		t.Errorf("the schema has\n%q, want\n%q", fields, want)
	}
}

// TestHandsAreShownWhenOver follows who may see the hands through a round and
// into the next.
func TestHandsAreShownWhenOver(t *testing.T) {
	r := newTable(t, 1, nil)
	revealed := func(want game.Teams) {
		t.Helper()
		for i, m := range r.entry.Tables[0].Meta {
			if m.Reveal != want {
				t.Fatalf("tick %d, phase %d: hand %d is revealed to %x, want %x", r.now, r.round().Phase, i, m.Reveal, want)
			}
		}
	}
	revealed(game.Nobody)
	r.turn(1)
	r.top(of(7, Hearts))
	r.holds(1, of(1, Hearts))
	r.tick()
	revealed(game.Nobody)
	r.act(1, ActPlay, of(1, Hearts), 0)
	revealed(game.Everyone)
	r.rest(PauseTime - 1)
	revealed(game.Everyone)
	r.rest(1)
	r.expectEvents("dealt")
	revealed(game.Nobody)
}

func TestNewcomersWaitForTheNextDeal(t *testing.T) {
	r := newTable(t, 2, nil)
	round := r.round().Number
	r.join(3)
	r.tick()
	_, h := r.hand(3)
	expect(t, "in", h.In, false)
	expect(t, "cards", h.Count, 0)
	expect(t, "round", r.round().Number, round)
	r.act(3, ActDraw, 0, 0)
	r.expectEvents(refused(3, WhyNotYourTurn))
	r.turn(2)
	r.act(2, ActDraw, 0, 0)
	r.act(2, ActPass, 0, 0)
	first, _ := r.hand(1)
	expect(t, "the turn passes the newcomer by", r.round().On, first)

	r.round().Phase, r.round().Ends = Over, 0
	r.tick()
	expect(t, "in", h.In, true)
	expect(t, "cards", h.Count, Dealing)
	r.count()
}

func TestTheHousePlaysWithAPersonAlone(t *testing.T) {
	for param, want := range map[string]int{"": 2, "1": 1, "3": 3, "9": 3, "-1": 1} {
		r := newTable(t, 1, game.Params{"house": param})
		expect(t, "hands of the house with house="+param, len(r.house()), want)
	}
	r := newTable(t, 1, nil)
	round := r.round().Number
	r.join(2)
	r.tick()
	r.expectEvents("dealt")
	expect(t, "the round makes way for people", r.round().Number, round+1)
	expect(t, "house", len(r.house()), 0)
	r.count()

	r.leave(1)
	r.tick()
	r.expectEvents("dealt")
	expect(t, "alone again", len(r.house()), 2)
	r.count()
}

func TestLeaving(t *testing.T) {
	r := newTable(t, 3, nil)
	r.turn(2)
	round, deck := r.round().Number, r.round().Deck
	_, h := r.hand(2)
	cards := slices.Clone(h.held())
	r.leave(2)
	r.tick()
	r.expectEvents("")
	r.count()
	n := r.round()
	next, _ := r.hand(3)
	expect(t, "the others play on", n.Number, round)
	expect(t, "on turn", n.On, next)
	expect(t, "deck", n.Deck, deck+Dealing)
	if !slices.Equal(n.deck[:Dealing], cards) {
		t.Errorf("the bottom of the deck is %v, want the cards %v", n.deck[:Dealing], cards)
	}

	r.leave(1)
	r.leave(3)
	r.tick()
	expect(t, "phase", n.Phase, Idle)
	expect(t, "hands", r.g.hands.Len(), 0)
	r.expectSleep(0)
	turn := n.Turn
	r.join(1)
	r.tick()
	r.expectEvents("dealt")
	expect(t, "turns go on", n.Turn, turn+1)
	r.count()
}

func TestTurnsEnd(t *testing.T) {
	r := newTable(t, 2, game.Params{"turn": "20"})
	_, h := r.hand(1)
	r.rest(20*TickRate - 1)
	expect(t, "cards", h.Count, Dealing)
	r.rest(1)
	r.expectEvents("drew passed")
	expect(t, "cards", h.Count, Dealing+1)
	second, _ := r.hand(2)
	expect(t, "on turn", r.round().On, second)
	r.act(2, ActDraw, 0, 0)
	r.rest(20*TickRate - 2)
	expect(t, "drawing gives no more time", r.round().On, second)
	r.rest(1)
	r.expectEvents("passed")
	r.count()
}

func TestAwayTurnsAreShort(t *testing.T) {
	r := newTable(t, 2, nil)
	second, h := r.hand(2)
	r.present(2, false)
	r.tick()
	expect(t, "away", h.Away, true)
	r.turn(2)
	begun := r.now
	r.tick()
	r.expectSleep(begun + AwayTime)
	r.present(2, true)
	r.tick()
	r.expectSleep(begun + DefaultTurn*TickRate)

	r.rest(10 * TickRate)
	r.present(2, false)
	r.tick()
	r.expectEvents("drew passed")
	if r.round().On == second {
		t.Error("the turn did not end, though more than its short time had passed")
	}
}

// TestSleep: a room steps when somebody clicks or something is due, and not
// while people think.
func TestSleep(t *testing.T) {
	r := newTable(t, 2, nil)
	begun := r.now
	r.expectSleep(begun + DefaultTurn*TickRate)
	r.steps = 0
	r.rest(DefaultTurn*TickRate - 1)
	expect(t, "steps while a person thinks", r.steps, 0)
	r.rest(1)
	expect(t, "steps when the time is up", r.steps, 1)
	r.act(2, ActDraw, 0, 0)
	r.expectSleep(begun + 2*DefaultTurn*TickRate) // a click moves no deadline

	// Against the house: one step to end each turn of the person, two at most
	// for each of the house.
	r = newTable(t, 1, nil)
	r.steps = 0
	turns := r.round().Turn
	r.rest(180 * TickRate)
	if n := int(r.round().Turn - turns); n < 10 || r.steps < n || r.steps > 2*n {
		t.Errorf("%d steps for %d turns in three minutes", r.steps, n)
	}
}

// frenzy has four players click, come, go and break off at random: mostly what
// the rules allow.
func (r *rig) frenzy(rng *rand.Rand) {
	for p := game.PlayerID(1); p <= MaxPlayers; p++ {
		_, h := r.hand(p)
		switch {
		case h == nil:
			if rng.IntN(200) == 0 {
				r.join(p)
			}
			continue
		case rng.IntN(500) == 0:
			r.leave(p)
			continue
		case rng.IntN(100) == 0:
			r.present(p, rng.IntN(2) == 0)
		}
		in := Input{Turn: r.round().Turn, Act: uint8(rng.IntN(4)), Suit: Suit(rng.IntN(5))}
		if h.Count > 0 {
			in.Card = h.Cards[rng.IntN(int(h.Count))]
		}
		if c, suit := choose(h.held(), r.round().Top, r.round().Suit); rng.IntN(2) == 0 {
			in.Card, in.Suit = c, suit
		}
		r.click(p, in)
	}
}

func TestRandomPlay(t *testing.T) {
	r := newTable(t, 4, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	recycled, empty := 0, 0
	for range 30_000 {
		before := r.round().Pile
		r.frenzy(rng)
		r.tick()
		if r.round().Phase == Idle {
			continue
		}
		r.count()
		if r.round().Phase == Playing && r.round().Pile < before && r.round().Deck > 0 {
			recycled++
		}
		if r.round().Deck+r.round().Pile == 0 {
			empty++
		}
		if n := r.g.hands.Len(); n > MaxPlayers {
			t.Fatalf("tick %d: %d hands", r.now, n)
		}
	}
	if n := r.round().Number; n < 100 || recycled == 0 {
		t.Errorf("%d rounds, %d new decks of discards: the play says little", n, recycled)
	}
	t.Logf("%d rounds, %d turns, %d ticks with nothing to draw", r.round().Number, r.round().Turn, empty)
}

// TestSameClicksSameState plays a room twice, and the second half again in
// another room, from a checkpoint: no state may hide outside tables.
func TestSameClicksSameState(t *testing.T) {
	const total, half = 3000, 1500
	var hashes [total]uint64
	var saved []byte
	var savedChance rand.PCG
	r, chance := newTable(t, 4, nil), rand.NewPCG(3, 4)
	begun := r.now
	for i := range total {
		if i == half {
			expect(t, "phase at the checkpoint", r.round().Phase, Playing)
			saved, savedChance = r.sim.AppendCheckpoint(nil), *chance
		}
		r.frenzy(rand.New(chance))
		r.tick()
		hashes[i] = r.sim.Hash()
	}
	follow := func(r *rig, chance *rand.PCG, from int) {
		t.Helper()
		for i := from; i < total; i++ {
			r.frenzy(rand.New(chance))
			r.tick()
			expect(t, "hash", r.sim.Hash(), hashes[i])
		}
	}
	follow(newTable(t, 4, nil), rand.NewPCG(3, 4), 0)
	restored := newRig(t, 9, nil)
	if err := restored.sim.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	restored.now = begun + half
	follow(restored, &savedChance, half)
}
