package eights

import (
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

func TestCards(t *testing.T) {
	for _, c := range []struct {
		card   Card
		rank   int
		suit   Suit
		points int
	}{
		{0, 0, 0, 0},
		{1, 1, Spades, 1},
		{8, 8, Spades, 50},
		{13, 13, Spades, 10},
		{14, 1, Hearts, 1},
		{36, 10, Diamonds, 10},
		{37, 11, Diamonds, 10},
		{52, 13, Clubs, 10},
	} {
		if c.card.Rank() != c.rank || c.card.Suit() != c.suit || c.card.Points() != c.points {
			t.Errorf("card %d: rank %d, suit %d, %d points, want %d, %d, %d",
				c.card, c.card.Rank(), c.card.Suit(), c.card.Points(), c.rank, c.suit, c.points)
		}
	}
}

func TestDeal(t *testing.T) {
	r := newTable(t, 4, nil)
	r.expectEvents("dealt")
	r.count()
	for p := game.PlayerID(1); p <= 4; p++ {
		_, h := r.hand(p)
		expect(t, "cards", h.Count, Dealing)
		expect(t, "in", h.In, true)
	}
	n := r.round()
	expect(t, "deck", n.Deck, DeckSize-4*Dealing-1)
	expect(t, "suit to follow", n.Suit, n.Top.Suit())
	first, _ := r.hand(1)
	expect(t, "first on turn", n.On, first)
	expect(t, "house", len(r.house()), 0)
}

// TestClicks is the rules of a turn: what a click of player 1 or 2 does when 1
// is on turn and hearts are to follow on the seven of hearts.
func TestClicks(t *testing.T) {
	const (
		none  = ""
		drawn = "drawn" // player 1 has drawn
		empty = "empty" // there is nothing to draw
	)
	for _, c := range []struct {
		what   string
		given  string
		player game.PlayerID
		click  Input // Turn is how far it is off
		told   string
		turn   game.PlayerID // who is on turn then
		suit   Suit          // to follow then
	}{
		{"nothing", none, 1, Input{}, "", 1, Hearts},
		{"same suit", none, 1, Input{Act: ActPlay, Card: of(2, Hearts)}, "played", 2, Hearts},
		{"same rank", none, 1, Input{Act: ActPlay, Card: of(7, Clubs)}, "played", 2, Clubs},
		{"same rank, a suit named for nothing", none, 1, Input{Act: ActPlay, Card: of(7, Clubs), Suit: Spades}, "played", 2, Clubs},
		{"an eight", none, 1, Input{Act: ActPlay, Card: of(8, Spades), Suit: Diamonds}, "played", 2, Diamonds},
		{"an eight without a suit", none, 1, Input{Act: ActPlay, Card: of(8, Spades)}, refused(1, WhyNameSuit), 1, Hearts},
		{"neither suit nor rank", none, 1, Input{Act: ActPlay, Card: of(3, Clubs)}, refused(1, WhyDoesNotFit), 1, Hearts},
		{"another's card", none, 1, Input{Act: ActPlay, Card: of(4, Hearts)}, refused(1, WhyNotYourCard), 1, Hearts},
		{"no card", none, 1, Input{Act: ActPlay}, refused(1, WhyDoesNotFit), 1, Hearts},
		{"out of turn", none, 2, Input{Act: ActPlay, Card: of(4, Hearts)}, refused(2, WhyNotYourTurn), 1, Hearts},
		{"of the turn before", none, 1, Input{Turn: ^uint32(0), Act: ActPlay, Card: of(2, Hearts)}, refused(1, WhyLate), 1, Hearts},
		{"of the next turn", none, 2, Input{Turn: 1, Act: ActPlay, Card: of(4, Hearts)}, refused(2, WhyLate), 1, Hearts},
		{"draw", none, 1, Input{Act: ActDraw}, "drew", 1, Hearts},
		{"draw again", drawn, 1, Input{Act: ActDraw}, refused(1, WhyDrawn), 1, Hearts},
		{"play after drawing", drawn, 1, Input{Act: ActPlay, Card: of(2, Hearts)}, "played", 2, Hearts},
		{"pass", drawn, 1, Input{Act: ActPass}, "passed", 2, Hearts},
		{"pass before drawing", none, 1, Input{Act: ActPass}, refused(1, WhyDrawFirst), 1, Hearts},
		{"draw from nothing", empty, 1, Input{Act: ActDraw}, refused(1, WhyEmpty), 1, Hearts},
		{"pass, with nothing to draw", empty, 1, Input{Act: ActPass}, "passed", 2, Hearts},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := newTable(t, 2, nil)
			r.turn(1)
			r.top(of(7, Hearts))
			r.holds(1, of(2, Hearts), of(7, Clubs), of(8, Spades), of(3, Clubs))
			r.holds(2, of(4, Hearts), of(5, Hearts))
			switch c.given {
			case drawn:
				r.act(1, ActDraw, 0, 0)
			case empty:
				_, other := r.hand(2)
				for r.round().Deck > 0 {
					other.add(r.round().draw())
				}
			}
			c.click.Turn += r.round().Turn
			r.click(c.player, c.click)
			r.tick()
			r.expectEvents(c.told)
			on, _ := r.hand(c.turn)
			expect(t, "on turn", r.round().On, on)
			expect(t, "suit to follow", r.round().Suit, c.suit)
			r.count()
		})
	}
}

func TestAClickCountsOnce(t *testing.T) {
	r := newTable(t, 2, nil)
	r.turn(1)
	r.top(of(7, Hearts))
	r.holds(1, of(2, Hearts), of(3, Hearts), of(4, Hearts))
	click := Input{Turn: r.round().Turn, Act: ActPlay, Card: of(2, Hearts)}
	r.click(1, click)
	r.tick()
	click.Card = of(3, Hearts)
	r.click(1, click)
	r.tick()
	r.expectEvents(refused(1, WhyLate))
	_, h := r.hand(1)
	expect(t, "cards", h.Count, 2)
}

func TestDiscardsBecomeTheDeck(t *testing.T) {
	r := newTable(t, 2, nil)
	r.turn(1)
	n := r.round()
	for n.Deck > 0 {
		n.pile[n.Pile] = n.draw()
		n.Pile++
	}
	before, top := n.pile, n.Top
	r.act(1, ActDraw, 0, 0)
	r.expectEvents("drew")
	expect(t, "top", n.Top, top)
	expect(t, "deck", n.Deck, DeckSize-2*Dealing-2)
	expect(t, "under the top", n.Pile, 0)
	if slices.Equal(before[:n.Deck], n.deck[:n.Deck]) {
		t.Error("the discards were not shuffled")
	}
	r.count()
}

func TestRound(t *testing.T) {
	r := newTable(t, 3, nil)
	r.turn(2)
	r.top(of(7, Hearts))
	r.holds(1, of(8, Hearts), of(13, Clubs))
	r.holds(2, of(1, Hearts))
	r.holds(3, of(1, Spades), of(10, Spades), of(9, Spades))
	r.act(2, ActPlay, of(1, Hearts), 0)
	r.expectEvents("played won")
	id, h := r.hand(2)
	n := r.round()
	expect(t, "phase", n.Phase, Over)
	expect(t, "winner", n.On, id)
	expect(t, "gain", n.Gain, 50+10+1+10+9)
	expect(t, "score", h.Score, 80)
	r.act(3, ActPlay, of(1, Spades), 0)
	r.expectEvents(refused(3, WhyLate))

	r.rest(PauseTime - 2)
	expect(t, "phase in the pause", n.Phase, Over)
	r.rest(1)
	r.expectEvents("dealt")
	next, _ := r.hand(3)
	expect(t, "round", n.Number, 2)
	expect(t, "the one after the winner begins", n.On, next)
	expect(t, "the score stays", h.Score, 80)
	r.count()
}

func TestBlockedRound(t *testing.T) {
	r := newTable(t, 2, nil)
	r.turn(1)
	r.top(of(7, Hearts))
	r.holds(1, of(2, Clubs), of(13, Clubs))
	_, rich := r.hand(2)
	for r.round().Deck > 0 {
		rich.add(r.round().draw())
	}
	r.act(1, ActPass, 0, 0)
	r.expectEvents("passed")
	r.act(2, ActPass, 0, 0)
	r.expectEvents("passed won")
	id, h := r.hand(1)
	all := 4*(1+2+3+4+5+6+7+50+9+4*10) - 7
	expect(t, "winner", r.round().On, id)
	expect(t, "score", int(h.Score), all-2-10)
	r.count()
}
