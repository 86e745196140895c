package gametest

import (
	"math/rand/v2"

	"github.com/roomd/roomd/game"
)

// texts are what strings are made of.
var texts = [...]string{"", "a", "gg", "Ada", "-1", "é", "日本語", "\x00", "<b>", "0123456789", "a b c d e f g h"}

// randomize gives each leaf of the row a new value with probability p. ref is
// what a reference to table t becomes.
func randomize(rng *rand.Rand, s *game.RowSchema, row []int32, p float64, ref func(t int) int64) {
	for i := range s.Fields {
		for j := range s.Fields[i].Leaves {
			if l := &s.Fields[i].Leaves[j]; rng.Float64() < p {
				randomLeaf(rng, l, row, ref)
			}
		}
	}
}

// randomLeaf prefers the values that games act upon: small ones, the ends of
// the range and zero.
func randomLeaf(rng *rand.Rand, l *game.Leaf, row []int32, ref func(t int) int64) {
	switch l.Type {
	case game.LeafString:
		l.PutString(row, cutText(texts[rng.IntN(len(texts))], l.MaxLen))
	case game.LeafRef:
		l.Put(row, ref(l.Table))
	case game.LeafBool:
		l.Put(row, int64(rng.IntN(2)))
	default:
		l.Put(row, randomNumber(rng, l))
	}
}

func randomNumber(rng *rand.Rand, l *game.Leaf) int64 {
	switch rng.IntN(8) {
	case 0:
		return l.Min
	case 1:
		return l.Max
	case 2:
		return l.Clamp(0)
	case 3, 4, 5:
		return l.Clamp(int64(rng.IntN(17)) - 8)
	}
	return l.Min + int64(rng.Uint64N(uint64(l.Max-l.Min)+1))
}

// cutText is s, at most n bytes of it, cut between characters.
func cutText(s string, n int) string {
	end := 0
	for i, r := range s {
		if end = i + len(string(r)); end > n {
			return s[:i]
		}
	}
	return s
}
