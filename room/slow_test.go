package room

import (
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func TestSlowViewerIsCoalesced(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(2)
	bob.closed = true
	ann.mustInput(1, 2, 3, 4)
	s.tick(6)
	expect(t, "bob's tick", bob.tick, 2)
	bob.closed = false
	s.tick(1)
	s.expectStates(bob, 2, 1)
	expect(t, "bob's delta", bob.backs[1], 7)
	expect(t, "refused", s.Stats().FramesRefused, 6)
	s.expectStates(ann, 8, 1)
}

func TestViewerBeyondTheRingIsKeyframed(t *testing.T) {
	s := newStage(t, game.Options{}, shortHistory)
	ann := s.join("ann")
	s.tick(2)
	ann.closed = true
	s.tick(30)
	ann.closed = false
	s.tick(2)
	s.expectStates(ann, 2, 2)
	expect(t, "bye", ann.bye, 0)
}

func TestViewerBeyondTheRingThatLostEventsIsSlow(t *testing.T) {
	for _, c := range []struct {
		what string
		emit func(*court)
		bye  wire.Code
	}{
		{"lasting, to all", func(g *court) { g.hit.All(hit{1}) }, wire.ByeSlow},
		{"lasting, to the viewer", func(g *court) { g.hit.To(1, hit{1}) }, wire.ByeSlow},
		{"fleeting", func(g *court) { g.spark.All(hit{1}) }, 0},
		{"to another player", func(g *court) { g.hit.To(2, hit{1}) }, 0},
		{"to another team", func(g *court) { g.hit.Teams(game.Team(9), hit{1}) }, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStage(t, game.Options{}, shortHistory)
			ann, bob := s.join("ann"), s.join("bob")
			s.tick(2)
			ann.closed = true
			s.h.step = func(g *court, now game.Tick) {
				if now == 5 {
					c.emit(g)
				}
			}
			s.tick(30)
			ann.closed = false
			s.tick(1)
			expect(t, "bye", ann.bye, c.bye)
			expect(t, "bob", bob.bye, 0)
			if c.bye != 0 {
				s.tick(1)
				expectList(t, "the seat is kept", s.h.presence, "1:false")
			}
		})
	}
}

func TestSlowLimit(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(1)
	ann.closed = true
	s.tick(10*rate - 1)
	expect(t, "before the limit", ann.bye, 0)
	s.tick(1)
	expect(t, "at the limit", ann.bye, wire.ByeSlow)
	expect(t, "counted", s.Stats().Slow, 1)
	expect(t, "bob", bob.bye, 0)
	s.tick(1)
	expect(t, "told once", ann.byes, 1)
}
