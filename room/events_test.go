package room

import (
	"testing"

	"github.com/roomd/roomd/game"
)

func TestEventsInOrder(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.step = func(g *court, now game.Tick) {
		g.hit.To(1, hit{int32(now) * 10})
		g.hit.All(hit{int32(now)})
		if now == 4 {
			g.note.To(2, note{"psst"})
			g.note.All(note{"hear"})
			g.hit.Teams(game.Team(5), hit{-1})
		}
	}
	ann, bob, w := s.join("ann"), s.join("bob"), s.spectate("w")
	s.tick(2)
	ann.closed, bob.closed = true, true
	s.tick(2)
	ann.closed, bob.closed = false, false
	s.tick(1)
	expectList(t, "ann hears", ann.events, "1:hit:1", "1:hit:10", "2:hit:2", "2:hit:20", "3:hit:3", "3:hit:30",
		"4:hit:4", "4:note:hear", "4:hit:40", "5:hit:5", "5:hit:50")
	expectList(t, "bob hears", bob.events, "1:hit:1", "2:hit:2", "3:hit:3", "4:hit:4", "4:note:hear", "4:note:psst", "5:hit:5")
	expectList(t, "the spectator hears", w.events, "1:hit:1", "2:hit:2", "3:hit:3", "4:hit:4", "4:note:hear", "5:hit:5")
}

func TestFleetingEventsAreCut(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.closed = true
	s.h.step = func(g *court, now game.Tick) {
		g.spark.All(hit{int32(now)})
		if now%4 == 0 {
			g.hit.All(hit{int32(now)})
			g.spark.To(1, hit{-int32(now)})
		}
	}
	s.tick(9)
	ann.closed = false
	s.tick(1) // tick 11; 250 ms are 5 ticks
	expectList(t, "events", ann.events, "4:hit:4", "6:spark:6", "7:spark:7", "8:spark:8", "8:hit:8", "8:spark:-8",
		"9:spark:9", "10:spark:10", "11:spark:11")
}

func TestEventsInsideTheRingSurviveAKeyframe(t *testing.T) {
	s := newStage(t, game.Options{}, shortHistory)
	ann := s.join("ann")
	s.tick(2)
	ann.closed = true
	s.h.step = func(g *court, now game.Tick) {
		if now == 25 {
			g.hit.All(hit{25})
			g.hit.To(1, hit{26})
		}
	}
	s.tick(28)
	ann.closed = false
	s.tick(1)
	s.expectStates(ann, 1, 2)
	expectList(t, "events", ann.events, "25:hit:25", "25:hit:26")
}

func TestResumeHearsWhatItMissed(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(2)
	ann.v.Detach()
	s.h.step = func(g *court, now game.Tick) {
		if now == 4 {
			g.hit.To(1, hit{1})
			g.hit.All(hit{2})
		}
	}
	s.tick(4)
	again := s.resume(ann)
	s.tick(1)
	expectList(t, "events", again.events, "4:hit:2", "4:hit:1")
}
