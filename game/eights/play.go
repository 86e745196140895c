package eights

import (
	"time"

	"github.com/roomd/roomd/game"
)

// deal begins a round with all who are there.
func (g *Eights) deal() {
	g.staff()
	r := g.round.Get()
	*r = Round{
		Number: r.Number + 1, Phase: Playing, Turn: r.Turn, On: r.On,
		Deck: DeckSize, deck: freshDeck(g.w.Rand()),
	}
	for id, h := range g.hands.All() {
		h.In, h.Count, h.Cards = true, 0, [DeckSize]Card{}
		g.hands.Reveal(id, game.Nobody)
		for range Dealing {
			h.add(r.draw())
		}
	}
	r.Top = r.draw() // an eight stands for its own suit
	r.Suit = r.Top.Suit()
	g.dealt.All(Dealt{r.Number})
	g.begin(g.after(r.On))
}

// begin gives a hand the turn.
func (g *Eights) begin(id game.ID[Hand]) {
	r := g.round.Get()
	r.On, r.Drawn = id, false
	r.Turn++
	r.since = g.w.Now()
	g.wind()
}

// wind sets the end of the turn by who has it.
func (g *Eights) wind() {
	r := g.round.Get()
	seconds := min(max(g.w.Params().Int("turn", DefaultTurn), 1), MaxTurn)
	limit := g.w.Ticks(time.Duration(seconds) * time.Second)
	switch h := g.hands.Get(r.On); {
	case h.House:
		limit = ThinkTime + game.Tick(g.w.Rand().IntN(ThinkTime))
	case h.Away:
		limit = min(limit, AwayTime)
	}
	r.Ends = r.since + limit
}

func (g *Eights) onTurn(id game.ID[Hand]) bool {
	r := g.round.Get()
	return r.Phase == Playing && r.On == id
}

// after is the hand in play that follows another around the table.
func (g *Eights) after(last game.ID[Hand]) game.ID[Hand] {
	var first game.ID[Hand]
	for id, h := range g.hands.All() {
		switch {
		case !h.In:
		case last != 0 && id.Index() > last.Index():
			return id
		case first == 0:
			first = id
		}
	}
	return first
}

// click does what a player asks for, or tells the player why not.
func (g *Eights) click(p game.PlayerID, id game.ID[Hand], h *Hand, in Input) {
	if in.Act == ActNone {
		return
	}
	r, why := g.round.Get(), WhyNone
	switch {
	case r.Phase != Playing || in.Turn != r.Turn:
		why = WhyLate
	case r.On != id:
		why = WhyNotYourTurn
	case in.Act == ActPlay:
		why = g.play(id, h, in.Card, in.Suit)
	case in.Act == ActDraw && r.Drawn:
		why = WhyDrawn
	case in.Act == ActDraw && !g.take(id, h):
		why = WhyEmpty
	case in.Act == ActPass && !r.Drawn && r.Deck+r.Pile > 0:
		why = WhyDrawFirst
	case in.Act == ActPass:
		g.pass(id, false)
	}
	if why != WhyNone {
		g.refused.To(p, Refused{why})
	}
}

// expire ends a turn whose time is up. For the house that is when it has thought.
func (g *Eights) expire() {
	r := g.round.Get()
	id, h := r.On, g.hands.Get(r.On)
	if h.House {
		g.decide(id, h)
		return
	}
	if !r.Drawn {
		g.take(id, h)
	}
	g.pass(id, true)
}

// play puts a card of the hand whose turn it is on the discards. It returns
// why it may not, or WhyNone.
func (g *Eights) play(id game.ID[Hand], h *Hand, c Card, suit Suit) (why uint8) {
	r := g.round.Get()
	switch {
	case c.Rank() == Eight && suit == 0:
		return WhyNameSuit
	case !c.Fits(r.Top, r.Suit):
		return WhyDoesNotFit
	case !h.remove(c):
		return WhyNotYourCard
	case c.Rank() != Eight:
		suit = c.Suit()
	}
	r.pile[r.Pile] = r.Top
	r.Pile++
	r.Top, r.Suit, r.blocked = c, suit, 0
	g.played.All(Played{id, c, suit})
	if h.Count == 0 {
		g.win(id)
	} else {
		g.begin(g.after(id))
	}
	return WhyNone
}

// take draws a card for the hand whose turn it is, and reports false if there
// is none. Discards become the deck when it is empty.
func (g *Eights) take(id game.ID[Hand], h *Hand) bool {
	r := g.round.Get()
	if r.Deck == 0 {
		r.recycle(g.w.Rand())
	}
	if r.Deck == 0 {
		return false
	}
	h.add(r.draw())
	r.Drawn = true
	g.drew.All(Drew{id})
	return true
}

// pass ends a turn without a card. The round is blocked when all pass in turn
// and there is nothing to draw.
func (g *Eights) pass(id game.ID[Hand], late bool) {
	g.passed.All(Passed{id, late})
	r := g.round.Get()
	r.blocked++
	if r.Deck+r.Pile > 0 {
		r.blocked = 0
	}
	if _, _, in := g.census(); int(r.blocked) >= in {
		g.win(g.lightest())
	} else {
		g.begin(g.after(id))
	}
}

// lightest is the hand with the fewest points, the first of several.
func (g *Eights) lightest() game.ID[Hand] {
	var lightest game.ID[Hand]
	fewest := 0
	for id, h := range g.hands.All() {
		if n := h.points(); h.In && (lightest == 0 || n < fewest) {
			lightest, fewest = id, n
		}
	}
	return lightest
}

// win ends the round: all hands are shown, and the winner scores the others'.
func (g *Eights) win(winner game.ID[Hand]) {
	r := g.round.Get()
	for id, h := range g.hands.All() {
		if h.In {
			g.hands.Reveal(id, game.Everyone)
		}
		if id != winner {
			r.Gain += uint16(h.points())
		}
	}
	g.hands.Get(winner).Score += uint32(r.Gain)
	r.On, r.Phase, r.Ends = winner, Over, g.w.Now()+PauseTime
	g.won.All(Won{winner, r.Gain})
}
