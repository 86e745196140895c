package arena

import (
	"testing"

	"github.com/roomd/roomd/game"
)

// rig drives one room of the game the way a server does.
type rig struct {
	t     testing.TB
	sim   *game.Sim
	g     *Arena
	now   game.Tick
	entry *game.Entry
	lanes []int32
}

// newRig makes a room that has not begun; start or load comes next.
func newRig(t testing.TB, seed byte, params game.Params) *rig {
	t.Helper()
	r := &rig{t: t}
	kind := game.Define("arena", Kind.Options(), func(w *game.World) game.Game[Input] {
		r.g = New(w).(*Arena)
		return r.g
	})
	sim, err := kind.NewSim(game.SimConfig{Seed: [32]byte{seed}, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	r.sim = sim
	r.entry = sim.Schema().NewEntry(MaxPlayers)
	r.lanes = make([]int32, sim.Schema().Input.Lanes)
	return r
}

// newYard makes a room that has begun.
func newYard(t testing.TB, seed byte, params game.Params) *rig {
	t.Helper()
	r := newRig(t, seed, params)
	r.sim.Start()
	return r
}

func (r *rig) join(p game.PlayerID, name string) *Tank {
	r.t.Helper()
	if err := r.sim.Join(p, game.JoinInfo{Name: name}); err != nil {
		r.t.Fatal(err)
	}
	return r.tank(p)
}

// tank is the player's tank, nil for none.
func (r *rig) tank(p game.PlayerID) *Tank {
	for _, t := range r.g.tanks.Of(p) {
		return t
	}
	return nil
}

// place puts a player's tank somewhere, ready to fight.
func (r *rig) place(p game.PlayerID, x, y float64) *Tank {
	t := r.tank(p)
	t.X, t.Y, t.Safe = x, y, 0
	return t
}

// press gives a player's input for the coming tick.
func (r *rig) press(p game.PlayerID, in Input) { r.command(p, game.Fresh, in) }

func (r *rig) command(p game.PlayerID, st game.State, in Input) {
	fire := int64(0)
	if in.Fire {
		fire = 1
	}
	values := [...]int64{int64(in.MoveX), int64(in.MoveY), int64(in.Aim), fire}
	for i, f := range r.sim.Schema().Input.Fields {
		f.Leaves[0].Put(r.lanes, values[i])
	}
	r.sim.Command(p, st, r.now, r.lanes)
}

// tick makes one tick of what was pressed.
func (r *rig) tick() {
	r.now++
	r.sim.Step(r.now)
	r.sim.Capture(r.entry)
}

func (r *rig) ticks(n int) {
	for range n {
		r.tick()
	}
}

// events counts the events of a type in the last tick.
func (r *rig) events(name string) int {
	n := 0
	for _, e := range r.entry.Events {
		if r.sim.Schema().Events[e.Type].Name == name {
			n++
		}
	}
	return n
}

// census counts the tanks of people and of bots.
func (r *rig) census() (people, bots int) {
	for _, t := range r.g.tanks.All() {
		if t.Bot {
			bots++
		} else {
			people++
		}
	}
	return people, bots
}
