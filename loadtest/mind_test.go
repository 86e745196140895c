package main

import (
	"testing"
	"time"

	"github.com/roomd/roomd/game/arena"
)

// A game's own bots see what the others of their room see, come back to their seats,
// and play: somebody fires.
func TestLoadMinds(t *testing.T) {
	c := &playCmd{
		Rooms: 2, Players: 6, Duration: 3 * time.Second, Warmup: 200 * time.Millisecond, Rate: 30, Decode: 12, Kind: arena.Kind.Name(), Script: "bot",
		troubleFlags: troubleFlags{Drop: 20},
	}
	rep, r := playWith(t, c)
	if rep.WrongStates != 0 || rep.StatesChecked == 0 || rep.LatencySamples == 0 || rep.SeatsLost != 0 || rep.Away != 0 || rep.BotsLost != 0 {
		t.Errorf("%+v", rep)
	}
	fired := false
	for _, b := range r.swarm.bots {
		me, ok := own(b.brain.core, "tank")
		fired = fired || ok && me.Value("ammo") < arena.Magazine
	}
	if !fired {
		t.Error("nobody fires")
	}
}

func TestMindOfAKindWithout(t *testing.T) {
	if _, err := mindOf("crowd"); err == nil {
		t.Error("crowd has a bot")
	}
}
