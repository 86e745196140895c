package game_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

type hand struct {
	Seat  uint8            `net:"all"`
	Cards [3]uint8         `net:"owner"`
	Note  string           `net:"owner,max=8"`
	Luck  float32          `net:"owner,quant=1/8"`
	Vs    game.ID[hand]    `net:"owner"`
	Bank  int64            `net:"owner"`
	Dealt [2]game.ID[hand] // server only
}

func TestLeaveTakesSecretsAway(t *testing.T) {
	var hands *game.Table[hand]
	var rules *script[none]
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) {
		hands, rules = game.NewTable[hand](w, "hand"), s
	})
	r.seat(t, 1, 2)
	full := hand{Seat: 7, Cards: [3]uint8{1, 2, 3}, Note: "pair", Luck: 0.5, Vs: 1<<20 | 1, Bank: 1e12, Dealt: [2]game.ID[hand]{5}}
	mine, kept, other := hands.Add(full), hands.Add(full), hands.Add(full)
	hands.Own(mine, 1)
	hands.Own(kept, 1)
	hands.Own(other, 2)
	rules.leave = func(p game.PlayerID) {
		equal(t, "still owner", hands.Owner(mine), p)
		hands.Own(kept, 2) // the game may pass things on
	}
	r.Leave(1)
	equal(t, "owner", hands.Owner(mine), 0)
	equal(t, "secrets are gone", *hands.Get(mine), hand{Seat: 7, Dealt: full.Dealt})
	equal(t, "passed on", *hands.Get(kept), full)
	equal(t, "of another", *hands.Get(other), full)
	r.seat(t, 1)
	for range hands.Of(1) {
		t.Error("the next holder of the seat must own nothing")
	}
	e := r.tick()
	equal(t, "captured owner", e.Tables[0].Meta[0].Owner, 0)
	equal(t, "captured card", r.get(0, 0, 1), 0)
}

func TestSeats(t *testing.T) {
	var world *game.World
	var rules *script[none]
	var hands *game.Table[hand]
	r := play(t, game.Options{MaxPlayers: 3}, func(w *game.World, s *script[none]) {
		world, rules, hands = w, s, game.NewTable[hand](w, "hand")
	})
	players := func() []game.PlayerID { return slices.Collect(world.Players()) }
	r.seat(t, 3, 1)
	if got := players(); !slices.Equal(got, []game.PlayerID{1, 3}) {
		t.Errorf("players %v", got)
	}
	equal(t, "first team", world.TeamsOf(1), game.Team(0))
	world.SetTeam(1, game.Team(1)|game.Team(2))
	world.SetTeam(1, game.Nobody)
	world.SetTeam(2, game.Team(1))
	equal(t, "nobody is refused", world.TeamsOf(1), game.Team(1)|game.Team(2))
	equal(t, "empty seat", world.TeamsOf(2), game.Nobody)
	e := r.tick()
	equal(t, "captured", e.Seats[1], game.Seat{Taken: true, Teams: game.Team(1) | game.Team(2)})
	equal(t, "captured", e.Seats[2], game.Seat{})

	for p, want := range map[game.PlayerID]error{0: game.ErrNoSeat, 4: game.ErrNoSeat, 1: game.ErrSeatTaken} {
		if err := r.Join(p, game.JoinInfo{}); !errors.Is(err, want) {
			t.Errorf("join %d: %v", p, err)
		}
	}
	full := errors.New("the table is closed")
	rules.join = func(p game.PlayerID, info game.JoinInfo) error {
		world.SetTeam(p, game.Team(5))
		hands.Own(hands.Add(hand{Note: "x"}), p)
		return full
	}
	if err := r.Join(2, game.JoinInfo{}); !errors.Is(err, full) {
		t.Errorf("join: %v", err)
	}
	equal(t, "undone", world.TeamsOf(2), game.Nobody)
	for range hands.Of(2) {
		t.Error("a refused player must own nothing")
	}
	r.Leave(2) // nobody there: nothing happens
	r.Leave(1)
	rules.join = nil
	r.seat(t, 1)
	equal(t, "team of the seat's next holder", world.TeamsOf(1), game.Team(0))
}

// input fills the lanes of a Steer.
func input(s *game.Schema, throttle, fire, at, target int64) []int32 {
	lanes := make([]int32, s.Input.Lanes)
	for i, v := range []int64{throttle, 0, fire, at, target} {
		s.Input.Fields[i].Leaves[0].Put(lanes, v)
	}
	return lanes
}

func TestCommands(t *testing.T) {
	var tab *game.Table[Tank]
	var got []game.Command[Steer]
	var absent, outside game.Command[Steer]
	r := play(t, game.Options{MaxPlayers: 4}, func(w *game.World, s *script[Steer]) {
		tab = game.NewTable[Tank](w, "tank")
		s.step = func(now game.Tick, in game.Inputs[Steer]) {
			got = slices.Collect(in.All())
			absent, outside = in.Of(4), in.Of(99)
		}
	})
	r.seat(t, 1, 3)
	s := r.Schema()
	r.Command(1, game.Fresh, 9, input(s, -5, 1, 32, 0))
	r.Command(4, game.Fresh, 9, input(s, -5, 1, 32, 0)) // an empty seat
	r.tick()
	equal(t, "seated", len(got), 2)
	first := game.Command[Steer]{Player: 1, State: game.Fresh, Seen: 9, Input: Steer{Throttle: -5, Fire: true, At: 0.5}}
	equal(t, "fresh", got[0], first)
	equal(t, "missed", got[1], game.Command[Steer]{Player: 3})
	equal(t, "empty seat", absent, game.Command[Steer]{Player: 4})
	equal(t, "no seat", outside, game.Command[Steer]{Player: 99})

	r.Command(1, game.Repeated, 9, input(s, -5, 1, 32, 0))
	r.Command(3, game.Missed, 9, nil)
	r.tick()
	first.State, first.Input.Fire = game.Repeated, false
	equal(t, "once is zeroed when repeated", got[0], first)
	equal(t, "nil is zero", got[1], game.Command[Steer]{Player: 3, Seen: 9})
	r.tick()
	equal(t, "nothing is kept", got[0], game.Command[Steer]{Player: 1})

	r.Command(1, game.Fresh, 0, input(s, 1000, 7, 1<<30, 0))
	r.tick()
	equal(t, "clamped", got[0].Input, Steer{Throttle: 127, Fire: true, At: 1})
	r.Command(1, game.Fresh, 0, input(s, -1000, -7, -1<<30, -3))
	r.tick()
	equal(t, "clamped", got[0].Input, Steer{Throttle: -128, At: -1})

	r.Command(1, game.Fresh, 0, input(s, 1, 1, 1, 0))
	r.Leave(1)
	r.seat(t, 1)
	r.tick()
	equal(t, "an input does not pass to the seat's next holder", got[0], game.Command[Steer]{Player: 1})
	equal(t, "rows", tab.Len(), 0)
}

func TestReferencesInInputs(t *testing.T) {
	var tab *game.Table[Tank]
	var got game.ID[Tank]
	r := play(t, game.Options{}, func(w *game.World, s *script[Steer]) {
		tab = game.NewTable[Tank](w, "tank")
		s.step = func(now game.Tick, in game.Inputs[Steer]) { got = in.Of(1).Input.Target }
	})
	r.seat(t, 1, 2)
	aim := func(at int64, seen game.Tick) game.ID[Tank] {
		r.Command(1, game.Fresh, seen, input(r.Schema(), 0, 0, 0, at))
		r.tick()
		return got
	}
	a, b := tab.Add(Tank{}), tab.Add(Tank{})
	r.tick()
	equal(t, "index+1 is the row", aim(2, 1), b)
	equal(t, "none", aim(0, 1), 0)
	equal(t, "no such row", aim(3, 1), 0)
	equal(t, "far", aim(1<<40, 1), 0)
	tab.Show(b, game.Team(1))
	equal(t, "a hidden row", aim(2, r.now), 0)
	tab.Own(b, 1)
	equal(t, "unless owned", aim(2, r.now), b)
	tab.Remove(a)
	r.tick()
	seen := r.now
	r.tick()
	a2 := tab.Add(Tank{})
	equal(t, "the place is taken again", a2.Index(), a.Index())
	r.tick()
	equal(t, "the player saw another row there", aim(1, seen-1), 0)
	equal(t, "and then this one", aim(1, r.now), a2)
}

func TestStringsInInputs(t *testing.T) {
	type say struct {
		Text string `net:"max=5"`
	}
	var got string
	r := play(t, game.Options{}, func(w *game.World, s *script[say]) {
		s.step = func(now game.Tick, in game.Inputs[say]) { got = in.Of(1).Input.Text }
	})
	r.seat(t, 1)
	l := &r.Schema().Input.Fields[0].Leaves[0]
	lanes := make([]int32, r.Schema().Input.Lanes)
	for _, c := range []struct{ in, want string }{{"hello", "hello"}, {"", ""}, {"a\xff", "a\uFFFD"}, {"日", "日"}} {
		l.PutString(lanes, c.in)
		r.Command(1, game.Fresh, 0, lanes)
		r.tick()
		equal(t, "text", got, c.want)
	}
	lanes[0] = math.MaxInt32 // a length that no honest decoder gives
	r.Command(1, game.Fresh, 0, lanes)
	r.tick()
	equal(t, "length", len(got), 5)
}

func TestEvents(t *testing.T) {
	type shot struct {
		At  float32 `net:"quant=1/4"`
		Who string  `net:"max=4"`
	}
	var shots, sounds *game.Event[shot]
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) {
		shots, sounds = game.NewEvent[shot](w, "shot"), game.NewEvent[shot](w, "sound", game.Fleeting())
	})
	r.seat(t, 1, 2)
	v := shot{At: 1.1, Who: "anna!"}
	shots.All(v)
	v.At = 9
	sounds.Teams(game.Team(2), v)
	shots.To(2, v)
	shots.To(1, v)
	shots.To(5, v)              // nobody there
	shots.Teams(game.Nobody, v) // for nobody
	r.Leave(1)                  // what was for player 1 is gone
	e := r.tick()
	if len(e.Events) != 3 {
		t.Fatalf("events %v", e.Events)
	}
	n := int32(r.Schema().Events[0].Lanes)
	equal(t, "all", e.Events[0], game.EventRecord{Type: 0, Teams: game.Everyone, Lane: 0, Lanes: n})
	equal(t, "teams", e.Events[1], game.EventRecord{Type: 1, Fleeting: true, Teams: game.Team(2), Lane: n, Lanes: n})
	equal(t, "to", e.Events[2], game.EventRecord{Type: 0, To: 2, Lane: 2 * n, Lanes: n})
	at, who := &r.Schema().Events[0].Fields[0].Leaves[0], &r.Schema().Events[0].Fields[1].Leaves[0]
	equal(t, "as it was when emitted", at.Get(e.EventLanes), 4)
	equal(t, "bounded", string(who.AppendString(nil, e.EventLanes)), "anna")
	equal(t, "the next", at.Get(e.EventLanes[n:]), 36)
	equal(t, "told once", len(r.tick().Events), 0)
	shots.All(shot{At: float32(math.NaN())})
	equal(t, "NaN", at.Get(r.tick().EventLanes), 0)
	equal(t, "counted", r.NaNs(), 1)
}

func TestEventsAreBounded(t *testing.T) {
	var e *game.Event[item]
	warned := 0
	r := playWith(t, game.Options{}, game.SimConfig{Warn: func(string) { warned++ }}, func(w *game.World, s *script[none]) {
		e = game.NewEvent[item](w, "e")
	})
	for range game.MaxTickEvents + 5 {
		e.All(item{})
	}
	equal(t, "kept", len(r.tick().Events), game.MaxTickEvents)
	equal(t, "told once", warned, 1)
}

func TestAskingTheRoom(t *testing.T) {
	var world *game.World
	r := play(t, game.Options{Sleeps: true}, func(w *game.World, s *script[none]) { world = w })
	r.seat(t, 1)
	world.Kick(1, "idle")
	world.Kick(1, "again")
	world.Kick(2, "not here")
	world.Sleep(30)
	r.tick() // nobody read it before this Step: nothing is lost
	a := r.Asked()
	equal(t, "kicks", len(a.Kicks), 1)
	equal(t, "kick", a.Kicks[0], game.Kick{Player: 1, Reason: "idle"})
	equal(t, "sleep", a.SleepSet, true)
	equal(t, "until", a.SleepUntil, 30)
	r.tick()
	a = r.Asked()
	equal(t, "cleared", len(a.Kicks) == 0 && !a.SleepSet && !a.Ended, true)
	r.Asked()
	world.Sleep(40) // as in a Join, after Asked and before Step
	r.tick()
	equal(t, "asked before Step", r.Asked().SleepUntil, 40)
	r.tick()
	equal(t, "each Step anew", r.Asked().SleepSet, false)
	world.End("over")
	world.End("twice")
	a = r.Asked()
	equal(t, "ended", a.Ended, true)
	equal(t, "reason", a.EndReason, "over")
}

func TestTimeAndChance(t *testing.T) {
	var world *game.World
	define := func(w *game.World, s *script[none]) { world = w }
	r := playWith(t, game.Options{TickRate: 30}, game.SimConfig{Seed: [32]byte{1}}, define)
	equal(t, "rate", world.Rate(), 30)
	equal(t, "second", world.Ticks(time.Second), 30)
	equal(t, "short", world.Ticks(time.Nanosecond), 1)
	equal(t, "none", world.Ticks(-time.Second), 0)
	equal(t, "for ever", world.Ticks(math.MaxInt64), math.MaxUint32)
	r.Begin(7)
	equal(t, "begin", world.Now(), 7)
	r.now = 7
	r.tick()
	equal(t, "now", world.Now(), 8)
	a := world.Rand().Uint64()
	playWith(t, game.Options{}, game.SimConfig{Seed: [32]byte{1}}, define)
	equal(t, "same seed", world.Rand().Uint64(), a)
	playWith(t, game.Options{}, game.SimConfig{Seed: [32]byte{2}}, define)
	if world.Rand().Uint64() == a {
		t.Error("another seed must give other numbers")
	}
}

// able is a game with every optional method.
type able struct {
	script[none]
	log []string
}

func (a *able) Start()                             { a.log = append(a.log, "start") }
func (a *able) Restored()                          { a.log = append(a.log, "restored") }
func (a *able) Present(p game.PlayerID, here bool) { a.log = append(a.log, "present") }
func (a *able) Mail(topic string, body []byte)     { a.log = append(a.log, topic+string(body)) }
func (a *able) AppendState(dst []byte) []byte      { return append(dst, "physics"...) }
func (a *able) LoadState(b []byte) error           { a.log = append(a.log, "load "+string(b)); return nil }
func (a *able) Summary() game.Params               { return game.Params{"map": "x"} }
func (a *able) Close() error                       { return errors.New("closed") }

func TestOptionalMethods(t *testing.T) {
	var g *able
	k := game.Define("able", game.Options{}, func(w *game.World) game.Game[none] { g = &able{}; return g })
	open := func() *game.Sim {
		s, err := k.NewSim(game.SimConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	s.Start()
	s.Present(1, true) // nobody there
	if err := s.Join(1, game.JoinInfo{}); err != nil {
		t.Fatal(err)
	}
	s.Present(1, false)
	s.Mail("pay", []byte("5"))
	equal(t, "summary", s.Summary()["map"], "x")
	equal(t, "close", s.Close().Error(), "closed")
	b := s.AppendCheckpoint(nil)
	if want := []string{"start", "present", "pay5"}; !slices.Equal(g.log, want) {
		t.Errorf("got %v, want %v", g.log, want)
	}
	if err := open().LoadCheckpoint(b); err != nil {
		t.Fatal(err)
	}
	if want := []string{"load physics", "restored"}; !slices.Equal(g.log, want) {
		t.Errorf("got %v, want %v", g.log, want)
	}
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) {})
	r.Present(1, true)
	r.Mail("", nil)
	equal(t, "no summary", len(r.Summary()), 0)
	equal(t, "close", r.Close(), nil)
}

func TestPostAndParams(t *testing.T) {
	var world *game.World
	var posted string
	cfg := game.SimConfig{
		Params: game.Params{"size": "12", "wind": "0.5", "night": "true", "nan": "NaN"},
		Post:   func(topic string, body []byte) { posted = topic + " " + string(body) },
	}
	playWith(t, game.Options{}, cfg, func(w *game.World, s *script[none]) { world = w })
	world.Post("score", []byte("3"))
	equal(t, "posted", posted, "score 3")
	p := world.Params()
	equal(t, "int", p.Int("size", 1), 12)
	equal(t, "int", p.Int("wind", 1), 1)
	equal(t, "float", p.Float("wind", 1), 0.5)
	equal(t, "float", p.Float("nan", 1), 1)
	equal(t, "bool", p.Bool("night", false), true)
	equal(t, "string", p.String("map", "plain"), "plain")
	play(t, game.Options{}, func(w *game.World, s *script[none]) { w.Post("dropped", nil) })
	equal(t, "teams", game.Team(63)|game.Team(-1), game.Nobody)
}
