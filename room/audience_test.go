package room

import (
	"fmt"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func TestStragglersShareGroups(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	var watchers []*peer
	for i := range 1000 {
		watchers = append(watchers, s.spectate(fmt.Sprint("w", i)))
	}
	s.tick(1)
	expect(t, "one keyframe for all", s.Stats().Encodes, 1)
	for range 5 {
		before := s.Stats().Encodes
		s.tick(1)
		expect(t, "one delta for all", s.Stats().Encodes-before, 1)
	}
	for i, p := range watchers {
		p.closed = i%10 == 0
	}
	s.tick(3)
	for _, p := range watchers {
		p.closed = false
	}
	before := s.Stats()
	s.tick(1)
	expect(t, "two bases, two deltas", s.Stats().Encodes-before.Encodes, 2)
	expect(t, "taken", s.Stats().FramesTaken-before.FramesTaken, 1000)
	before = s.Stats()
	s.tick(2)
	expect(t, "who missed a frame is told without prediction", s.Stats().Encodes-before.Encodes, 4)
	before = s.Stats()
	s.tick(1)
	expect(t, "one group again", s.Stats().Encodes-before.Encodes, 1)
}

func TestPredictionNeedsARun(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.spectate("ann")
	s.tick(3)
	expect(t, "after a keyframe and two deltas", ann.predicted, 0)
	s.tick(3)
	expect(t, "then", ann.predicted, 3)
	ann.closed = true
	s.tick(1)
	ann.closed = false
	s.tick(3)
	expect(t, "after a skipped tick", ann.predicted, 3)
	s.tick(1)
	expect(t, "three states later", ann.predicted, 4)
	ann.v.Resync(wire.Resync{})
	s.tick(3)
	expect(t, "after a keyframe", ann.predicted, 4)
	s.tick(1)
	expect(t, "three states later", ann.predicted, 5)
}

func TestTeamChangeEndsARun(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(5)
	expect(t, "predicted", ann.predicted, 2)
	s.h.step = func(g *court, now game.Tick) { g.w.SetTeam(1, game.Team(1)); s.h.step = nil }
	s.tick(3)
	expect(t, "predicted after the change", ann.predicted, 2)
	s.tick(1)
	expect(t, "three states later", ann.predicted, 3)
}

func TestTeamChange(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.join = func(g *court, p game.PlayerID, _ game.JoinInfo) error {
		g.w.SetTeam(p, game.Team(int(p)))
		return nil
	}
	s.h.start = func(g *court) {
		for n := range 4 {
			g.units.Show(g.units.Add(unit{X: int32(n)}), game.Team(n))
		}
	}
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(2)
	see := func(p *peer, rows ...int) {
		t.Helper()
		for r := range 4 {
			_, ok := p.shared.Row(0, r)
			want := false
			for _, w := range rows {
				want = want || w == r
			}
			expect(t, fmt.Sprint(p.name, " sees row ", r), ok, want)
		}
	}
	see(ann, 1)
	see(bob, 2)
	bob.closed = true
	s.h.step = func(g *court, now game.Tick) {
		switch now {
		case 3:
			g.w.SetTeam(1, game.Team(2)|game.Team(3))
		case 4:
			g.w.SetTeam(2, game.Team(0))
		}
	}
	s.tick(1)
	see(ann, 2, 3)
	s.tick(3)
	bob.closed = false
	s.tick(1)
	see(bob, 0)
	s.expectStates(bob, 2, 1)
	again := s.resume(ann)
	s.tick(1)
	see(again, 2, 3)
	s.expectStates(again, 1, 0)
}

func TestSpectators(t *testing.T) {
	s := newStage(t, game.Options{Spectate: game.Team(3)}, nil)
	s.h.start = func(g *court) {
		g.units.Show(g.units.Add(unit{}), game.Spectators)
		g.units.Show(g.units.Add(unit{}), game.Team(3))
		g.units.Show(g.units.Add(unit{}), game.Team(4))
	}
	w := s.spectate("w")
	ann := s.join("ann")
	s.tick(2)
	expect(t, "seat", w.welcome.Seat, 0)
	expect(t, "token", w.welcome.Token, "")
	expect(t, "selfs", w.selfs, 0)
	for r, want := range []bool{true, true, false} {
		_, ok := w.shared.Row(0, r)
		expect(t, fmt.Sprint("the spectator sees row ", r), ok, want)
		_, ok = ann.shared.Row(0, r)
		expect(t, fmt.Sprint("ann sees row ", r), ok, false)
	}
	expect(t, "spectators", s.Info().Spectators, 1)
	w.v.Leave()
	s.tick(1)
	expect(t, "spectators", s.Info().Spectators, 0)
	expect(t, "players", s.Info().Players, 1)
}

func TestSelfOnlyWhenThereIsSomethingToTell(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(10)
	expect(t, "selfs of a silent player", ann.selfs, 1) // the keyframe's private part
	ann.mustInput(1)
	s.tick(1)
	expect(t, "selfs after an input", ann.selfs, 2)
}

func TestPing(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	ann.v.Ping(s.now, 1, 2) // too early: no answer before the welcome
	s.tick(3)
	ann.v.Ping(s.now, 5, 77)
	expect(t, "pongs", len(ann.pongs), 1)
	expect(t, "pong", ann.pongs[0], wire.Pong{ID: 5, T: 77, Tick: 3})
}

func TestPeersMayActInsideTheirCalls(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob, cid := s.join("ann"), s.join("bob"), s.join("cid")
	s.tick(1)
	ann.closed = true
	ann.onOffer = func() { ann.v.Detach() }
	var dan *peer
	bob.onOffer = func() {
		if dan == nil {
			dan = s.join("dan")
			cid.v.Leave()
		}
	}
	s.tick(2)
	expect(t, "dan's seat", dan.welcome.Seat, 3)
	expect(t, "players", s.Info().Players, 3)
	bob.onOffer = func() { s.Stop(wire.ByeShutdown, "now", 0) }
	s.tick(1)
	expect(t, "ended", s.Ended(), true)
	expect(t, "dan's bye", dan.bye, wire.ByeShutdown)
}
