package eights

import (
	"testing"

	"github.com/roomd/roomd/game"
)

func TestChoose(t *testing.T) {
	top := of(7, Hearts)
	for _, c := range []struct {
		what string
		hand []Card
		card Card
		suit Suit
	}{
		{"nothing", nil, 0, 0},
		{"nothing that fits", []Card{of(2, Clubs), of(3, Spades)}, 0, 0},
		{"the costliest that fits", []Card{of(2, Hearts), of(12, Hearts), of(13, Clubs), of(7, Clubs)}, of(12, Hearts), Hearts},
		{"an eight last", []Card{of(8, Clubs), of(1, Hearts)}, of(1, Hearts), Hearts},
		{"an eight, for most cards", []Card{of(8, Clubs), of(2, Spades), of(3, Diamonds), of(4, Diamonds)}, of(8, Clubs), Diamonds},
		{"an eight alone, for its own", []Card{of(8, Clubs)}, of(8, Clubs), Clubs},
	} {
		if card, suit := choose(c.hand, top, Hearts); card != c.card || suit != c.suit {
			t.Errorf("%s: card %d, suit %d, want %d, %d", c.what, card, suit, c.card, c.suit)
		}
	}
}

// TestTheHouseTakesItsTime: it acts after a pause, and draws before it passes.
func TestTheHouseTakesItsTime(t *testing.T) {
	r := newTable(t, 1, nil)
	id := r.house()[0]
	r.g.begin(id)
	r.top(of(7, Hearts))
	h := r.g.hands.Get(id)
	for i, c := range []Card{of(1, Clubs), of(2, Clubs), of(3, Clubs), of(4, Clubs), of(5, Clubs), of(6, Clubs), of(9, Clubs)} {
		r.swap(h.Cards[i], c)
	}
	r.swap(r.round().deck[r.round().Deck-1], of(10, Clubs))
	for _, told := range []string{"drew", "passed"} {
		begun := r.now
		for r.tick(); r.events() == ""; r.tick() {
		}
		r.expectEvents(told)
		if took := r.now - begun; took < ThinkTime || took > 2*ThinkTime {
			t.Errorf("%s after %d ticks", told, took)
		}
	}
	expect(t, "cards", h.Count, Dealing+1)
}

// TestTheHouseFinishesRounds: two hands of the house and an absent player get
// to the end of rounds by themselves.
func TestTheHouseFinishesRounds(t *testing.T) {
	r := newTable(t, 1, game.Params{"turn": "1"})
	r.rest(3600 * TickRate)
	if n := r.round().Number; n < 10 {
		t.Errorf("%d rounds in an hour", n)
	}
	r.count()
}
