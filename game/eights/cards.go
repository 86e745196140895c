package eights

import "math/rand/v2"

// Card is a playing card, 1 to 52: suit by suit, each from the ace to the king.
// Zero is none.
type Card uint8

// Suit is one of the four suits. Zero is none.
type Suit uint8

const (
	Spades Suit = iota + 1
	Hearts
	Diamonds
	Clubs
)

const (
	DeckSize = 52
	Ranks    = 13 // in a suit
	// Eight is the rank of the cards that fit everywhere.
	Eight = 8
)

// Rank is 1 (ace) to 13 (king), 0 for none.
func (c Card) Rank() int {
	if c == 0 {
		return 0
	}
	return int(c-1)%Ranks + 1
}

// Suit is the suit printed on the card.
func (c Card) Suit() Suit {
	if c == 0 {
		return 0
	}
	return Suit(int(c-1)/Ranks + 1)
}

// Points is what the card costs whoever holds it at the end of a round.
func (c Card) Points() int {
	switch r := c.Rank(); {
	case r == Eight:
		return 50
	case r > 10:
		return 10
	default:
		return r
	}
}

// Fits reports whether the card may be played on top when suit is asked for.
func (c Card) Fits(top Card, suit Suit) bool {
	return c.Rank() == Eight || c.Suit() == suit || c.Rank() == top.Rank()
}

// freshDeck is all cards in random order.
func freshDeck(rng *rand.Rand) (deck [DeckSize]Card) {
	for i := range deck {
		deck[i] = Card(i + 1)
	}
	shuffle(deck[:], rng)
	return deck
}

func shuffle(cards []Card, rng *rand.Rand) {
	rng.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
}
