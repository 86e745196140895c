package room

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func TestInputsApplyInOrderOnePerTick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(1)
	ann.mustInput(1, 2, 3)
	bob.mustInput(5)
	s.tick(4)
	expectList(t, "commands", s.h.applied, "1:fresh:1:1", "2:fresh:5:1", "1:fresh:2:1", "1:fresh:3:1")
	expect(t, "ann's X", s.unitX(1), 6)
	expect(t, "ann's ack", ann.ack, 3)
	expect(t, "bob's ack", bob.ack, 1)
	expect(t, "applied", s.Stats().InputsApplied, 4)
}

func TestSequencesNeedNotBeDense(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	if err := errors.Join(ann.input(10, 1, false), ann.input(5, 2, false)); err != nil {
		t.Fatal(err)
	}
	s.tick(1)
	expect(t, "ack of the first", ann.ack, 10)
	s.tick(1)
	expect(t, "ack of the second", ann.ack, 15)
	expect(t, "entry's ack", s.Entry().Seats[1].Ack, 15)
}

func TestSequenceErrors(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	early := ann.v.Input(s.now, wire.Input{DSeq: 1})
	s.tick(1)
	watcher := s.spectate("w")
	s.tick(1)
	for name, err := range map[string]error{
		"before the welcome": early,
		"from a spectator":   watcher.v.Input(s.now, wire.Input{DSeq: 1}),
		"a repeated one":     ann.v.Input(s.now, wire.Input{DSeq: 0}),
		"unknown fields":     ann.v.Input(s.now, wire.Input{DSeq: 1, Mask: 1 << 40}),
		"missing values":     ann.v.Input(s.now, wire.Input{DSeq: 1, Mask: 1}),
	} {
		if err == nil {
			t.Errorf("input %s was accepted", name)
		}
	}
	if err := ann.v.Input(s.now, wire.Input{DSeq: math.MaxUint32}); err != nil {
		t.Fatal(err)
	}
	if ann.v.Input(s.now, wire.Input{DSeq: 1}) == nil {
		t.Error("a sequence beyond 2^32-1 was accepted")
	}
}

func TestInputValuesAreClamped(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(100, -100)
	s.tick(2)
	expectList(t, "commands", s.h.applied, "1:fresh:5:1", "1:fresh:-5:1")
}

func TestSeenIsNoLaterThanNow(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(2)
	for _, d := range []int32{1000, -3000, 2000} { // 1001, -1999, 1
		if err := ann.v.Input(s.now, wire.Input{DSeq: 1, DSeen: d}); err != nil {
			t.Fatal(err)
		}
	}
	s.tick(3)
	expectList(t, "commands", s.h.applied, "1:fresh:0:2", "1:fresh:0:0", "1:fresh:0:1")
}

func TestOverflowDropsTheOldest(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2)
	s.tick(1)
	expect(t, "ack", ann.ack, 4)
	expect(t, "drops told", ann.drops, 3)
	expect(t, "drops counted", s.Stats().InputsDropped, 3)
	s.tick(9)
	expect(t, "X", s.unitX(1), 16)
	expect(t, "drops are told once", ann.drops, 3)
	expect(t, "nothing waits", s.sim.waiting, 0)
}

func TestDropsAreToldAgainUntilTaken(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.closed = true
	ann.mustInput(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	s.tick(3)
	ann.mustInput(1, 1, 1, 1)
	s.tick(1)
	ann.closed = false
	s.tick(1)
	expect(t, "drops", ann.drops, 3)
	expect(t, "ack", ann.ack, 8)
	expect(t, "one self for the gap", ann.selfs, 2)
}

func TestSlackIsTheWaitInTheInbox(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(1, 1)
	s.tick(1)
	expect(t, "a whole tick", ann.slack, 4)
	s.tick(1)
	expect(t, "two ticks", ann.slack, 8)
	s.now += 30 * time.Millisecond // 20 ms before the next tick
	ann.mustInput(1)
	s.tick(1)
	expect(t, "part of a tick", ann.slack, 1)
	selfs := ann.selfs
	s.tick(1)
	expect(t, "nothing fresh", ann.slack, -1)
	s.tick(5)
	expect(t, "silence is told once", ann.selfs, selfs+1)
}

func TestAbsentIsMissedAtOnce(t *testing.T) {
	s := newStage(t, game.Options{Missing: game.Absent}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(2)
	s.tick(10)
	expectList(t, "commands", s.h.applied, "1:fresh:2:1")
	expect(t, "X", s.unitX(1), 2)
}

func TestRepeatLastsAQuarterSecond(t *testing.T) {
	s := newStage(t, game.Options{Missing: game.Repeat}, nil)
	ann := s.join("ann")
	s.tick(3)
	expect(t, "nothing to repeat", len(s.h.applied), 0)
	if err := ann.input(1, 2, true); err != nil {
		t.Fatal(err)
	}
	s.tick(10)
	expectList(t, "commands", s.h.applied, "1:fresh:2:3",
		"1:repeated:2:3", "1:repeated:2:3", "1:repeated:2:3", "1:repeated:2:3", "1:repeated:2:3")
	expect(t, "X", s.unitX(1), 12)
	table := &s.schema.Tables[0]
	expect(t, "fires once", table.Fields[3].Leaves[0].Get(s.Entry().Tables[0].Row(0, table.Lanes)), 1)
	expect(t, "repeated", s.Stats().InputsRepeated, 5)
	expect(t, "missed", s.Stats().InputsMissed, 3+4)
}

func TestRepeatDoesNotPassToTheNextPlayer(t *testing.T) {
	s := newStage(t, game.Options{Missing: game.Repeat}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(5, 5, 5)
	s.tick(1)
	ann.v.Leave()
	s.join("bob")
	s.tick(3)
	expectList(t, "commands", s.h.applied, "1:fresh:5:1")
	expect(t, "nothing waits", s.sim.waiting, 0)
}

func TestInputStateIsOfTheConnection(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(4)
	s.tick(1)
	again := s.resume(ann)
	s.tick(1)
	again.mustInput(4) // differs from zero, not from the old connection's input
	s.tick(1)
	expect(t, "X", s.unitX(1), 8)
}
