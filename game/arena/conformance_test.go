package arena_test

import (
	"testing"

	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/game/gametest"
)

func TestConformance(t *testing.T) { gametest.Run(t, arena.Kind) }
