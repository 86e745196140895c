package room

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func TestKeyframeUnderWayIsPinned(t *testing.T) {
	s := newStage(t, game.Options{}, shortHistory)
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

func TestKeyframeInParts(t *testing.T) {
	s := newStage(t, game.Options{}, shortHistory)
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
	s := newStage(t, game.Options{}, shortHistory)
	s.tick(1)
	bob := s.join("bob")
	s.tick(1)
	bob.closed = true
	s.advance(PinFor / 2)
	expect(t, "pinned", bob.v.pinned != nil, true)
	s.advance(PinFor)
	expect(t, "pinned for too long", bob.v.pinned == nil, true)
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
	s := newStage(t, game.Options{}, shortHistory)
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
