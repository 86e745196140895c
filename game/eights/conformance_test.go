package eights_test

import (
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/eights"
	"github.com/roomd/roomd/game/gametest"
)

// TestConformance clicks at random, but for a turn that there may be.
func TestConformance(t *testing.T) {
	gametest.Run(t, eights.Kind, gametest.Params(game.Params{"turn": "1"}),
		gametest.Inputs(func(rng *rand.Rand, s *game.Schema, lanes []int32) {
			for i, most := range []int{40, 3, eights.DeckSize, 4} {
				s.Input.Fields[i].Leaves[0].Put(lanes, int64(rng.IntN(most+1)))
			}
		}))
}
