package crowd

import (
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/gametest"
)

func TestConformance(t *testing.T) { gametest.Run(t, Kind) }

func TestAtRateConformance(t *testing.T) { gametest.Run(t, AtRate(20)) }

// room makes a room with n bots that has begun.
func room(t testing.TB, bots string) (*game.Sim, *game.Entry) {
	t.Helper()
	sim, err := Kind.NewSim(game.SimConfig{Params: game.Params{"bots": bots}})
	if err != nil {
		t.Fatal(err)
	}
	sim.Start()
	return sim, sim.Schema().NewEntry(MaxPlayers)
}

// command gives player p's input for the coming step.
func command(sim *game.Sim, p game.PlayerID, dir, seq int64) {
	in := &sim.Schema().Input
	lanes := make([]int32, in.Lanes)
	in.Fields[0].Leaves[0].Put(lanes, dir)
	in.Fields[1].Leaves[0].Put(lanes, seq)
	sim.Command(p, game.Fresh, 0, lanes)
}

// values are the fields of a row of the entry: x, y, vx, vy, seq, hp.
func values(sim *game.Sim, e *game.Entry, row int) (v [6]int64) {
	s := &sim.Schema().Tables[0]
	for i := range s.Fields {
		v[i] = s.Fields[i].Leaves[0].Get(e.Tables[0].Row(row, s.Lanes))
	}
	return v
}

// TestWhatChanges pins the workload: which fields change how often, for bots
// and for players alike.
func TestWhatChanges(t *testing.T) {
	const seconds = 100
	sim, e := room(t, "10")
	for p := game.PlayerID(1); p <= 10; p++ {
		if err := sim.Join(p, game.JoinInfo{}); err != nil {
			t.Fatal(err)
		}
	}
	sim.Step(1)
	sim.Capture(e)
	before := make([][6]int64, 20)
	for row := range before {
		before[row] = values(sim, e, row)
	}
	var changes [20][6]int
	for tick := game.Tick(2); tick <= 1+seconds*TickRate; tick++ {
		for p := game.PlayerID(1); p <= 10; p++ {
			command(sim, p, int64(tick/TurnEvery), int64(tick))
		}
		sim.Step(tick)
		sim.Capture(e)
		for row := range before {
			now := values(sim, e, row)
			for i := range now {
				if now[i] != before[row][i] {
					changes[row][i]++
				}
			}
			before[row] = now
		}
	}
	for row, c := range changes {
		turns := seconds * TickRate / TurnEvery
		if c[0] != seconds*TickRate || c[1] != seconds*TickRate || c[4] != seconds*TickRate || c[5] != seconds ||
			c[2] < turns*3/4 || c[2] > turns {
			t.Errorf("row %d: changes of x, y, vx, vy, seq, hp in %d s: %v", row, seconds, c)
		}
	}
}

func TestMissedPlayersWalkOn(t *testing.T) {
	sim, e := room(t, "0")
	if err := sim.Join(4, game.JoinInfo{}); err != nil {
		t.Fatal(err)
	}
	command(sim, 4, 9, 77)
	sim.Step(1)
	sim.Capture(e)
	first := values(sim, e, 0)
	if first[2] != -20 || first[3] != -13 || first[4] != 77 {
		t.Fatalf("after an input: %v", first)
	}
	sim.Step(2)
	sim.Capture(e)
	if then := values(sim, e, 0); then[0] == first[0] || then[2] != -20 || then[4] != 77 {
		t.Errorf("after silence: %v", then)
	}
	sim.Leave(4)
	sim.Step(3)
	sim.Capture(e)
	if e.Tables[0].Live(0) {
		t.Error("the walker outlived its player")
	}
}

func TestBotsAreBounded(t *testing.T) {
	for bots, want := range map[string]int{"0": 0, "-1": 0, "50": 50, "5000": MaxPlayers} {
		sim, e := room(t, bots)
		sim.Step(1)
		sim.Capture(e)
		if got := len(e.Tables[0].Meta); got != want {
			t.Errorf("bots=%s gives %d rows", bots, got)
		}
	}
}

func TestSameSeedSameState(t *testing.T) {
	a, ea := room(t, "20")
	b, eb := room(t, "20")
	for tick := game.Tick(1); tick <= 500; tick++ {
		a.Step(tick)
		b.Step(tick)
		a.Capture(ea)
		b.Capture(eb)
		if a.Hash() != b.Hash() {
			t.Fatalf("tick %d differs", tick)
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	sim, e := room(t, "100")
	tick := game.Tick(0)
	step := func() {
		tick++
		sim.Step(tick)
		sim.Capture(e)
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(500, step); n > 0 {
		t.Errorf("%v allocations a tick", n)
	}
}

func BenchmarkStep(b *testing.B) {
	sim, e := room(b, "100")
	tick := game.Tick(0)
	b.ReportAllocs()
	for b.Loop() {
		tick++
		sim.Step(tick)
		sim.Capture(e)
	}
}
