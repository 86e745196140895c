package game_test

import (
	"testing"

	"github.com/roomd/roomd/game"
)

// script is a Game made of functions, for tests that play one rule.
type script[I any] struct {
	join  func(p game.PlayerID, info game.JoinInfo) error
	leave func(p game.PlayerID)
	step  func(now game.Tick, in game.Inputs[I])
}

func (s *script[I]) Join(p game.PlayerID, info game.JoinInfo) error {
	if s.join != nil {
		return s.join(p, info)
	}
	return nil
}

func (s *script[I]) Leave(p game.PlayerID) {
	if s.leave != nil {
		s.leave(p)
	}
}

func (s *script[I]) Step(now game.Tick, in game.Inputs[I]) {
	if s.step != nil {
		s.step(now, in)
	}
}

// room is a Sim with an entry that its captures go to.
type room struct {
	*game.Sim
	e   *game.Entry
	now game.Tick
}

// play makes a room whose tables are defined, and whose rules are filled in,
// by define.
func play[I any](t testing.TB, o game.Options, define func(w *game.World, s *script[I])) *room {
	t.Helper()
	return playWith(t, o, game.SimConfig{}, define)
}

func playWith[I any](t testing.TB, o game.Options, cfg game.SimConfig, define func(w *game.World, s *script[I])) *room {
	t.Helper()
	k := game.Define("test", o, func(w *game.World) game.Game[I] {
		s := &script[I]{}
		define(w, s)
		return s
	})
	sim, err := k.NewSim(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sim.Start()
	return &room{Sim: sim, e: sim.Schema().NewEntry(sim.Options().MaxPlayers)}
}

// tick makes one whole tick and returns what was captured.
func (r *room) tick() *game.Entry {
	r.now++
	r.Step(r.now)
	r.Capture(r.e)
	return r.e
}

// seat joins players.
func (r *room) seat(t testing.TB, players ...game.PlayerID) {
	t.Helper()
	for _, p := range players {
		if err := r.Join(p, game.JoinInfo{}); err != nil {
			t.Fatal(err)
		}
	}
}

// get is leaf 0 of a field of a row as captured last.
func (r *room) get(table, row, field int) int64 {
	s := &r.Schema().Tables[table]
	return s.Fields[field].Leaves[0].Get(r.e.Tables[table].Row(row, s.Lanes))
}

// str is a string field of a row as captured last.
func (r *room) str(table, row, field int) string {
	s := &r.Schema().Tables[table]
	return string(s.Fields[field].Leaves[0].AppendString(nil, r.e.Tables[table].Row(row, s.Lanes)))
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

type none struct{}
