package eights

import (
	"math/rand/v2"
	"slices"

	"github.com/roomd/roomd/game"
)

// Acts of an Input.
const (
	ActNone uint8 = iota
	ActPlay
	ActDraw
	ActPass
)

// Input is one click. It counts for one turn only, so one that comes late or
// twice does nothing.
type Input struct {
	Turn uint32 `net:"once"`             // Round.Turn that the player saw
	Act  uint8  `net:"once,range=0..3"`  // ActNone to ActPass
	Card Card   `net:"once,range=0..52"` // to play
	Suit Suit   `net:"once,range=0..4"`  // to ask for, with an eight
}

// Hand is a place at the table, of a person (its owner) or of the house (no
// owner). Cards are never rows: a row's name would follow a card from hand to
// hand through every shuffle.
type Hand struct {
	Name  string `net:"all,max=16"`
	Score uint32 `net:"all"`
	Count uint8  `net:"all"` // cards held
	In    bool   `net:"all"` // dealt in; else looks on until the next deal
	House bool   `net:"all"` // played by the house
	Away  bool   `net:"all"` // the player's connection is broken

	Cards [DeckSize]Card `net:"owner"` // the first Count, in the order they came
}

// held is the cards of the hand, valid until it changes.
func (h *Hand) held() []Card { return h.Cards[:h.Count] }

func (h *Hand) add(c Card) {
	h.Cards[h.Count] = c
	h.Count++
}

// remove takes the card out of the hand and reports whether it was there.
func (h *Hand) remove(c Card) bool {
	i := slices.Index(h.held(), c)
	if i < 0 {
		return false
	}
	copy(h.Cards[i:], h.Cards[i+1:h.Count])
	h.Count--
	h.Cards[h.Count] = 0
	return true
}

func (h *Hand) points() (sum int) {
	for _, c := range h.held() {
		sum += c.Points()
	}
	return sum
}

// Phases of a Round.
const (
	Idle    uint8 = iota // nobody sits at the table
	Playing              // someone is on turn
	Over                 // all hands are shown until the next deal
)

// Round is the table between the hands.
type Round struct {
	Number uint32        `net:"all"` // from 1
	Phase  uint8         `net:"all"`
	Turn   uint32        `net:"all"` // rises with each turn and never returns
	On     game.ID[Hand] `net:"all"` // whose turn it is, or who won
	Drawn  bool          `net:"all"` // who is on turn has drawn
	Top    Card          `net:"all"` // of the discards
	Suit   Suit          `net:"all"` // to follow: that of Top, or named with an eight
	Deck   uint8         `net:"all"` // cards face down
	Pile   uint8         `net:"all"` // discards under Top
	Ends   game.Tick     `net:"all"` // of the turn, or of the pause after the round
	Gain   uint16        `net:"all"` // points of the winner, when Over

	deck    [DeckSize]Card // the first Deck; the last of them is drawn next
	pile    [DeckSize]Card // the first Pile
	since   game.Tick      // when the turn began
	blocked uint8          // passes in a row with nothing to draw
}

// draw takes the next card of the deck, which must not be empty.
func (r *Round) draw() Card {
	r.Deck--
	c := r.deck[r.Deck]
	r.deck[r.Deck] = 0
	return c
}

// bury puts cards under the deck.
func (r *Round) bury(cards []Card) {
	copy(r.deck[len(cards):], r.deck[:r.Deck])
	copy(r.deck[:], cards)
	r.Deck += uint8(len(cards))
}

// recycle shuffles the discards under Top into a deck, which must be empty.
func (r *Round) recycle(rng *rand.Rand) {
	r.deck, r.Deck = r.pile, r.Pile
	r.pile, r.Pile = [DeckSize]Card{}, 0
	shuffle(r.deck[:r.Deck], rng)
}

// Dealt says that a round began.
type Dealt struct{ Number uint32 }

// Played says who played what.
type Played struct {
	Who  game.ID[Hand]
	Card Card
	Suit Suit // to follow
}

// Drew says who drew, not what.
type Drew struct{ Who game.ID[Hand] }

// Passed says whose turn ended without a card.
type Passed struct {
	Who  game.ID[Hand]
	Late bool // the time was up
}

// Won says who won a round, without cards or with the fewest points when it was
// blocked, and how many points that gains.
type Won struct {
	Who  game.ID[Hand]
	Gain uint16
}

// Reasons of a Refused.
const (
	WhyNone        uint8 = iota
	WhyLate              // the click was for another turn
	WhyNotYourTurn       // someone else is on turn
	WhyNotYourCard
	WhyDoesNotFit
	WhyNameSuit // an eight needs a suit
	WhyDrawn    // one card a turn
	WhyEmpty    // there is nothing to draw
	WhyDrawFirst
)

// Refused tells a player alone why a click did nothing.
type Refused struct{ Why uint8 }
