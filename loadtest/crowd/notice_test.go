package crowd

import (
	"fmt"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/gametest"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

func TestNoticeConformance(t *testing.T) { gametest.Run(t, Notice) }

// A viewer who holds the three states before is sent as many bytes as asked for.
func TestNoticeSize(t *testing.T) {
	for _, want := range []int{64, 128, 300, 512, 700} {
		sim, err := Notice.NewSim(game.SimConfig{Params: game.Params{"bytes": fmt.Sprint(want)}})
		if err != nil {
			t.Fatal(err)
		}
		sim.Start()
		var entries [4]*game.Entry
		for i := range entries {
			sim.Step(game.Tick(i + 1))
			entries[i] = sim.Schema().NewEntry(0)
			sim.Capture(entries[i])
		}
		enc := delta.NewEncoder(sim.Schema())
		msg, mark := wire.BeginDelta(nil, wire.Predicted)
		msg, n := enc.AppendPredicted(msg, [3]*game.Entry{entries[2], entries[1], entries[0]}, entries[3], delta.View{Teams: game.Spectators})
		msg = wire.EndDelta(msg, mark, n)
		if len(msg) != want {
			t.Errorf("%d bytes, want %d", len(msg), want)
		}
	}
}
