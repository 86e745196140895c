package room

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

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
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
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
			s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
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

func TestEventsInsideTheRingSurviveAKeyframe(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
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

func TestKeyframeUnderWayIsPinned(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
	s.join("ann")
	s.tick(2)
	bob := s.join("bob")
	s.tick(1)
	s.expectStates(bob, 0, 1)
	bob.closed = true // its keyframe is still under way
	s.tick(60)
	bob.closed = false
	s.tick(1)
	s.expectStates(bob, 1, 1)
	expect(t, "a delta from the keyframe", bob.backs[0], 61)
	expect(t, "unpinned", bob.v.pinned == nil, true)
}

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

func TestKeyframeInParts(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
	s.aud.partSize = keyframeHead + 40
	s.h.step = func(g *court, now game.Tick) {
		for i := range 30 {
			g.units.Add(unit{X: int32(i) * 1000})
		}
		s.h.step = nil
	}
	ann := s.join("ann")
	s.tick(2)
	_, parts := ann.states()
	if parts < 3 {
		t.Fatalf("%d parts", parts)
	}
	bob, eve := s.join("bob"), s.join("eve")
	bob.limit = 1 // a part each tick, for longer than the ring remembers
	before := s.Stats()
	s.tick(parts)
	expect(t, "keyframes made for both", s.Stats().Keyframes-before.Keyframes, 2)
	if d, k := eve.states(); d != parts-1 || k != parts {
		t.Fatalf("eve took %d deltas and %d parts", d, k)
	}
	if d, k := bob.states(); d != 0 || k != parts {
		t.Fatalf("bob took %d deltas and %d parts", d, k)
	}
	s.tick(1)
	expect(t, "a delta from the keyframe", bob.backs[0], game.Tick(parts))
	expect(t, "unpinned", bob.v.pinned == nil, true)
}

func TestKeyframeStopsWithItsViewer(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.aud.partSize = 1
	s.join("ann")
	s.tick(1)
	bob := s.join("bob")
	bob.limit = 1
	s.tick(1)
	expect(t, "under way", bob.v.transfer != nil && bob.v.pinned != nil, true)
	v := bob.v
	bob.v.Detach()
	expect(t, "let go", v.transfer == nil && v.pinned == nil, true)
	s.tick(2)
	again := s.resume(bob)
	s.tick(2)
	expect(t, "whole again", again.parts, 0)
}

func TestPinsEnd(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
	s.tick(1)
	bob := s.join("bob")
	s.tick(1)
	bob.closed = true
	s.advance(PinFor / 2)
	expect(t, "pinned", bob.v.pinned != nil, true)
	s.advance(PinFor)
	expect(t, "pinned for too long", bob.v.pinned == nil, true)
}

// A client that finds its state wrong is sent another one, and it is counted and
// logged.
func TestWrongHash(t *testing.T) {
	var log bytes.Buffer
	s := newStage(t, game.Options{}, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ann := s.join("ann")
	s.tick(int(s.clock.rate) + 1)
	if ann.checks < 1 {
		t.Fatal("no hash in a second")
	}
	ann.v.Resync(wire.Resync{Tick: ann.tick, Reason: wire.ResyncHash, Hash: 0xabc, Hashed: true})
	ann.v.Resync(wire.Resync{Tick: ann.tick, Reason: wire.ResyncHash, Hash: 0xabc, Hashed: true})
	s.tick(1)
	expect(t, "counted", s.Stats().WrongHashes, 1)
	_, keyframes := ann.states()
	expect(t, "keyframes", keyframes, 2)
	want := fmt.Sprintf("seat=1 tick=%d hash=00000abc want=", ann.tick-1)
	if !strings.Contains(log.String(), want) {
		t.Fatalf("logged %q, want %q", log.String(), want)
	}
}

func TestKeyframesOfOneTickAreMadeOnce(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	a, b := s.spectate("a"), s.spectate("b")
	s.tick(3)
	b.closed = true
	s.tick(2)
	b.closed = false
	a.v.Resync(wire.Resync{Tick: 5})
	b.v.Resync(wire.Resync{Tick: 3})
	s.spectate("c")
	before := s.Stats().Encodes
	s.tick(1)
	expect(t, "encodes", s.Stats().Encodes-before, 1)
	s.expectStates(a, 4, 2)
	s.expectStates(b, 2, 2)
}

func TestResync(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(2)
	ann.shared.Clear() // lost what it held
	ann.own.Clear()
	ann.v.Resync(wire.Resync{Tick: 1})
	s.tick(1)
	s.expectStates(ann, 1, 2)
	ann.v.Resync(wire.Resync{Tick: 1})
	s.tick(rate - 1)
	s.expectStates(ann, rate, 2) // at most one a second
	s.tick(1)
	s.expectStates(ann, rate, 3)
	expect(t, "resyncs", s.Stats().Resyncs, 2)
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

// In one tick bob takes the delta for which the base of his keyframe was pinned, dan's
// base is asked for as the first that is packed, and ann is served from bob's.
func TestLastPinGoesWhileOthersAreServed(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.step = func(g *court, _ game.Tick) {
		for _, u := range g.units.All() {
			u.Ammo++
		}
	}
	ann := s.join("ann")
	s.tick(2)
	bob := s.join("bob")
	s.tick(1)
	ann.v.Detach()
	bob.closed = true
	dan := s.join("dan")
	s.tick(6)
	dan.closed = true
	s.tick(3)
	bob.closed, dan.closed = false, false
	again := s.resume(ann)
	s.tick(1)
	expect(t, "bases", [3]game.Tick{bob.backs[0], dan.backs[len(dan.backs)-1], again.backs[0]}, [3]game.Tick{10, 4, 10})
}

// An entry that is there for somebody else's keyframe alone is no base for who
// returns: what happened after it is gone.
func TestResumeFromAPinnedEntryResets(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.History = 500 * time.Millisecond })
	s.h.step = func(g *court, now game.Tick) { g.hit.To(1, hit{int32(now)}) }
	ann := s.join("ann")
	s.tick(2)
	slow := s.spectate("slow")
	s.tick(1)
	slow.closed = true
	ann.v.Detach()
	s.tick(30)
	if s.aud.ring.At(ann.tick) == nil {
		t.Fatal("the entry is not pinned")
	}
	ann2 := s.resume(ann)
	s.tick(1)
	s.expectStates(ann2, 0, 1)
	expect(t, "bye", slow.bye, 0)
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
