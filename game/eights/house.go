package eights

import "github.com/roomd/roomd/game"

var houseNames = [...]string{"Mabel", "Otto", "Hattie", "Gus"}

// census counts the people at the table, those of them who are dealt in, and
// all hands that are.
func (g *Eights) census() (people, peopleIn, handsIn int) {
	for _, h := range g.hands.All() {
		switch {
		case h.House:
			handsIn++
		case h.In:
			handsIn++
			peopleIn++
			people++
		default:
			people++
		}
	}
	return people, peopleIn, handsIn
}

// broken reports whether the round is not worth going on with: nobody is left
// to play against, or it is a person against the house and another one waits.
func (g *Eights) broken() bool {
	people, peopleIn, handsIn := g.census()
	return handsIn < MinPlayers || peopleIn < min(people, MinPlayers)
}

// staff has the house take part where a person would be alone, and leave where
// not.
func (g *Eights) staff() {
	people, _, _ := g.census()
	want := 0
	if people < MinPlayers {
		want = min(max(g.w.Params().Int("house", DefaultHouse), MinPlayers-people), MaxPlayers-people)
	}
	for id, h := range g.hands.All() {
		switch {
		case !h.House:
		case want == 0:
			g.hands.Remove(id)
		default:
			want--
		}
	}
	for ; want > 0; want-- {
		id := g.hands.Add(Hand{House: true})
		g.hands.Get(id).Name = houseNames[id.Index()%len(houseNames)] // by row, so that two differ
	}
}

// decide makes one move for the house. It knows what the player of the hand
// would know.
func (g *Eights) decide(id game.ID[Hand], h *Hand) {
	r := g.round.Get()
	c, suit := choose(h.held(), r.Top, r.Suit)
	switch {
	case c != 0:
		g.play(id, h, c, suit)
	case !r.Drawn && g.take(id, h):
		r.since = g.w.Now()
		g.wind()
	default:
		g.pass(id, false)
	}
}

// choose picks the costliest card that fits, 0 for none, and an eight only if
// no other does: then it asks for the suit that the hand has most of.
func choose(hand []Card, top Card, suit Suit) (Card, Suit) {
	var best, eight Card
	var counts [5]int // by suit
	for _, c := range hand {
		switch {
		case c.Rank() == Eight:
			eight = c
			continue
		case c.Fits(top, suit) && c.Points() > best.Points():
			best = c
		}
		counts[c.Suit()]++
	}
	if best != 0 || eight == 0 {
		return best, best.Suit()
	}
	most := eight.Suit()
	for s, n := range counts {
		if n > counts[most] {
			most = Suit(s)
		}
	}
	return eight, most
}
