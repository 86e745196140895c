package room

import (
	"fmt"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// court2 is a later build of the court: units know more, the purse is gone, there
// are walls. I is its input.
type court2[I any] struct {
	w     *game.World
	units *game.Table[unit2]
	seen  []string // "p:State:input" of each command
}

type unit2 struct {
	Name string  `net:"all,max=8"`
	X    int64   `net:"all"`
	Ammo uint16  `net:"owner"`
	Fast float64 `net:"all,quant=1/4"`
	Log  [32]game.PlayerID
}

// turn is the input of a build in which units are steered otherwise.
type turn struct {
	Angle uint16
	Dx    int8 `net:"range=-5..5"`
	Fire  bool `net:"once"`
}

func (g *court2[I]) Join(p game.PlayerID, _ game.JoinInfo) error {
	g.units.Own(g.units.Add(unit2{Name: "new"}), p)
	return nil
}

func (g *court2[I]) Leave(game.PlayerID) {}

func (g *court2[I]) Step(_ game.Tick, in game.Inputs[I]) {
	for c := range in.All() {
		if c.State != game.Missed {
			g.seen = append(g.seen, fmt.Sprintf("%d:%s:%v", c.Player, stateNames[c.State], c.Input))
		}
	}
}

func (g *court2[I]) Migrate(old game.Old) error {
	for id, u := range g.units.All() {
		u.Fast = float64(old.Row("unit", id.Index()).Int("Last")) / 4
	}
	return nil
}

// stageOf has a room of a later build of the court.
func stageOf[I any](t *testing.T) (*stage, **court2[I]) {
	made := new(*court2[I])
	o := game.Options{TickRate: rate, Missing: game.Repeat, MaxPlayers: 8}
	kind := game.Define("court", o, func(w *game.World) game.Game[I] {
		*made = &court2[I]{w: w, units: game.NewTable[unit2](w, "unit")}
		game.NewTable[note](w, "wall")
		return *made
	})
	return newStage(t, o, func(c *Config) { c.Kind = kind }), made
}

// check2 demands that seats and units are as they were.
func check2[I any](t *testing.T, s, to *stage, g *court2[I], players ...*peer) {
	t.Helper()
	for _, p := range players {
		was, is := &s.sim.seats[p.welcome.Seat], &to.sim.seats[p.welcome.Seat]
		expect(t, "since", is.since, was.since)
		expect(t, "secret", is.secret, was.secret)
		units := 0
		for id, u := range g.units.Of(p.welcome.Seat) {
			e := s.Entry()
			lanes := e.Tables[0].Row(id.Index(), s.schema.Tables[0].Lanes)
			get := func(field int) int64 { return s.schema.Tables[0].Fields[field].Leaves[0].Get(lanes) }
			want := unit2{X: get(0), Fast: float64(get(1)) / 4, Ammo: uint16(100 + p.welcome.Seat)}
			u.Log = [32]game.PlayerID{}
			if *u != want || e.Tables[0].Meta[id.Index()].Gen != id.Gen() {
				t.Errorf("%s has %+v, not %+v", p.name, *u, want)
			}
			units++
		}
		expect(t, "units", units, 1)
	}
	expect(t, "tick", to.sim.tick, s.sim.tick)
}

// A new build with the same inputs goes on with those that wait.
func TestAnotherBuildKeepsItsInputs(t *testing.T) {
	s, ann, bob := playedCourt(t)
	to, g := stageOf[move](t)
	s.moveTo(to, 8)
	check2(t, s, to, *g, ann, bob)
	seat := &to.sim.seats[ann.welcome.Seat]
	ack := s.sim.seats[ann.welcome.Seat].ack
	expect(t, "ack", seat.ack, ack)
	to.tick(6)
	expect(t, "ack after what waited", seat.ack, ack+4)
	expect(t, "drops", seat.drops, 0)
	if n := strings.Count(strings.Join((*g).seen, " "), "1:fresh:{3 false}"); n != 4 {
		t.Errorf("the commands of ann: %s", (*g).seen)
	}
}

// With other inputs, those that wait are dropped and none is applied twice.
func TestAnotherBuildWithOtherInputs(t *testing.T) {
	s, ann, bob := playedCourt(t)
	to, g := stageOf[turn](t)
	s.moveTo(to, 8)
	check2(t, s, to, *g, ann, bob)
	seat, was := &to.sim.seats[ann.welcome.Seat], &s.sim.seats[ann.welcome.Seat]
	expect(t, "ack", seat.ack, was.ack+4)
	expect(t, "drops", seat.drops, was.drops+4)
	expect(t, "waiting", to.sim.waiting+seat.inbox.n, 0)
	expect(t, "bob's ack", to.sim.seats[bob.welcome.Seat].ack, s.sim.seats[bob.welcome.Seat].ack)
	to.tick(2)
	if len((*g).seen) > 0 {
		t.Errorf("commands of the other build: %s", (*g).seen)
	}

	ann.shared, ann.own = newPeer(to, "ann").shared, newPeer(to, "ann").own
	again := to.resume(ann)
	to.tick(1)
	expect(t, "seat", again.welcome.Seat, ann.welcome.Seat)
	expect(t, "resumed", again.welcome.Flags&wire.FlagResumed != 0, true)
	expect(t, "newest input", again.welcome.LastSeq, was.ack+4)
	to.tick(1)
	expect(t, "state", again.tick, to.Entry().Tick)

	mask, values := delta.AppendInputValues(nil, &to.schema.Input, again.sentLanes, []int32{500, 2, 1})
	seen := int32(int64(again.tick) - again.sentSeen)
	if err := again.v.Input(to.now, wire.Input{DSeq: 1, DSeen: seen, Mask: mask, Values: values}); err != nil {
		t.Fatal(err)
	}
	to.tick(1)
	expect(t, "applied", strings.Join((*g).seen, " "), "1:fresh:{500 2 true}")
	expect(t, "ack", seat.ack, was.ack+5)
}

func TestCheckpointsThatDoNotFit(t *testing.T) {
	s, _, _ := playedCourt(t)
	saved := s.AppendCheckpoint(nil, s.now)
	fewer := newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 1}, nil)
	if _, err := Restore(fewer.cfg, saved, s.now); err == nil || !strings.Contains(err.Error(), "seat 2 after 1, of 1") {
		t.Error(err)
	}
	slower := newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 4, TickRate: rate / 2}, nil)
	if _, err := Restore(slower.cfg, saved, s.now); err == nil || !strings.Contains(err.Error(), "the tick rate was 20 and is 10") {
		t.Error(err)
	}
}
