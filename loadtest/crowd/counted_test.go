package crowd

import (
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/gametest"
)

func TestCountedConformance(t *testing.T) { gametest.Run(t, Counted) }

// Numbers that are left out or come again are counted, except between two lives.
func TestCounts(t *testing.T) {
	sim, err := Counted.NewSim(game.SimConfig{})
	if err != nil {
		t.Fatal(err)
	}
	sim.Start()
	if err := sim.Join(1, game.JoinInfo{}); err != nil {
		t.Fatal(err)
	}
	for i, in := range []struct{ life, seq int64 }{{1, 5}, {1, 6}, {1, 9}, {1, 9}, {1, 8}, {1, 10}, {2, 20}, {2, 21}, {2, 23}} {
		command(sim, 1, int64(CountedDir(3, uint8(in.life))), in.seq)
		sim.Step(game.Tick(i + 1))
	}
	e := sim.Schema().NewEntry(MaxPlayers)
	sim.Capture(e)
	s := &sim.Schema().Tables[1]
	want := map[string]int64{"first": 5, "last": 23, "gaps": 3, "twice": 2}
	for i := range s.Fields {
		f := &s.Fields[i]
		if got := f.Leaves[0].Get(e.Tables[1].Row(0, s.Lanes)); got != want[f.Name] {
			t.Errorf("%s is %d, want %d", f.Name, got, want[f.Name])
		}
	}
}
