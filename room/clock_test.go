package room

import (
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

const ms = time.Millisecond

func TestClockGrid(t *testing.T) {
	for _, c := range []struct {
		rate       int
		phase, now time.Duration
		first      time.Duration
	}{
		{20, 0, 0, 0},
		{20, 0, 1, 50 * ms},
		{20, 0, 100 * ms, 100 * ms},
		{20, 7 * ms, 100 * ms, 107 * ms},
		{20, 57 * ms, 108 * ms, 157 * ms},
		{20, -3 * ms, 100 * ms, 147 * ms},
		{30, 0, time.Second, time.Second},
		{30, 0, time.Second + 1, time.Second + 33333333},
		{120, 0, 400 * 24 * time.Hour, 400 * 24 * time.Hour},
	} {
		k := newClock(c.rate, c.phase, c.now)
		if got := k.deadline(1); got < c.first-1 || got > c.first+1 {
			t.Errorf("%d Hz, phase %v, made at %v: first tick at %v, want %v", c.rate, c.phase, c.now, got, c.first)
		}
	}
}

func TestClockDoesNotDrift(t *testing.T) {
	k := newClock(30, 0, 0)
	day := game.Tick(30 * 60 * 60 * 24)
	expect(t, "a day of ticks", k.deadline(day+1)-k.deadline(1), 24*time.Hour)
	for n := uint64(1); n < 1<<32-1; n += 12345677 {
		tick := game.Tick(n)
		at := k.deadline(tick)
		expect(t, "at its deadline", k.at(at), tick)
		expect(t, "right before it", k.at(at-1), tick-1)
	}
}

func TestTicksKeepTheGrid(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.Phase = 7 * ms })
	next := s.advance(0)
	expect(t, "first deadline", next, time.Second+7*ms)
	expect(t, "too early", len(s.h.ticks), 0)
	next = s.advance(7*ms + 13*ms) // late by 13 ms
	expect(t, "ticks", len(s.h.ticks), 1)
	expect(t, "the next deadline is not moved", next, time.Second+57*ms)
	st := s.Stats()
	bucket := slices.Index(LateBounds[:], 15*ms) // the first that is not below
	expect(t, "lateness bucket", st.Late[bucket], 1)
	expect(t, "lateness", st.LateTime, 13*ms)
}

func TestCatchUpThenSkip(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.advance(0)
	expect(t, "first tick", len(s.h.ticks), 1)
	next := s.advance(3 * 50 * ms)
	expect(t, "late ticks are made up for", len(s.h.ticks), 4)
	expect(t, "on the grid", next, time.Second+200*ms)
	expect(t, "skipped", s.Stats().TicksSkipped, 0)

	next = s.advance(10*50*ms + 20*ms)
	expect(t, "at most three beside the one due", len(s.h.ticks), 8)
	expect(t, "skipped", s.Stats().TicksSkipped, 6)
	expect(t, "still on the grid", next, time.Second+700*ms)
	expect(t, "tick numbers have no gap", s.h.ticks[7], 8)
	s.advance(30 * ms)
	expect(t, "then as usual", s.h.ticks[8], 9)
	expect(t, "skipped", s.Stats().TicksSkipped, 6)
}

func TestNoCatchUp(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.CatchUp = -1 })
	s.advance(500 * ms)
	expect(t, "ticks", len(s.h.ticks), 1)
	expect(t, "skipped", s.Stats().TicksSkipped, 10)
}

// sleeper is a room that rests after every step until the given tick.
func sleeper(t *testing.T, until game.Tick, edit func(*Config)) *stage {
	s := newStage(t, game.Options{Sleeps: true}, edit)
	s.h.step = func(g *court, _ game.Tick) { g.w.Sleep(until) }
	return s
}

func TestSleepingRoomIsSilent(t *testing.T) {
	s := sleeper(t, 0, nil)
	ann, w := s.join("ann"), s.spectate("w")
	s.advance(0)
	ann.mustInput(1, 2)
	s.advance(50 * ms)
	expect(t, "awake while an input waits", s.asleep, false)
	next := s.advance(50 * ms)
	expect(t, "asleep", s.asleep, true)
	expect(t, "no deadline", next, never)
	kinds, ticks := len(ann.kinds), len(s.h.ticks)
	for range 100 {
		s.advance(time.Second)
	}
	expect(t, "nothing is sent", len(ann.kinds), kinds)
	expect(t, "Step is not called", len(s.h.ticks), ticks)
	expect(t, "info", s.Info().Asleep, true)
	expect(t, "viewers are kept", w.bye, 0)
}

func TestSleepingRoomWakesAtOnce(t *testing.T) {
	for what, poke := range map[string]func(s *stage, ann *peer){
		"input":  func(s *stage, ann *peer) { ann.mustInput(4) },
		"join":   func(s *stage, ann *peer) { s.join("bob") },
		"watch":  func(s *stage, ann *peer) { s.spectate("w") },
		"leave":  func(s *stage, ann *peer) { ann.v.Leave() },
		"detach": func(s *stage, ann *peer) { ann.v.Detach() },
		"mail":   func(s *stage, ann *peer) { s.Mail("topic", nil) },
		"resync": func(s *stage, ann *peer) { ann.v.Resync(wire.Resync{Tick: 1}) },
	} {
		t.Run(what, func(t *testing.T) {
			s := sleeper(t, 0, nil)
			ann := s.join("ann")
			s.advance(0)
			expect(t, "asleep", s.asleep, true)
			s.advance(60*time.Second + 20*ms)
			poke(s, ann)
			expect(t, "OnWake", s.woken, 1)
			s.advance(0)
			want := game.Tick(1 + 60*rate) // the clock's: 20 ms are less than a tick
			expect(t, "the tick follows the clock", s.h.ticks[len(s.h.ticks)-1], want)
			expect(t, "entry", s.Entry().Tick, want)
			if what == "input" {
				expect(t, "the delta's base", ann.backs[0], 60*rate)
				expect(t, "X", s.unitX(1), 4)
			}
			expect(t, "asleep again", s.asleep, true)
			st := s.Stats()
			expect(t, "wakes", st.Wakes, 1)
			expect(t, "late ticks", st.Late[0], st.Ticks-1)
			expect(t, "skipped", st.TicksSkipped, 0)
		})
	}
}

func TestWokenTwiceInOneTick(t *testing.T) {
	s := sleeper(t, 0, nil)
	ann := s.join("ann")
	s.advance(0)
	s.advance(10 * time.Second)
	ann.mustInput(1)
	s.advance(0)
	ann.mustInput(2)
	expect(t, "OnWake", s.woken, 2)
	next := s.advance(10 * ms)
	expect(t, "the tick has been made", len(s.h.ticks), 2)
	expect(t, "awake until the next", next, 11*time.Second+50*ms)
	s.advance(40 * ms)
	expect(t, "X", s.unitX(1), 3)
}

func TestSleepUntil(t *testing.T) {
	s := sleeper(t, 41, nil)
	s.join("ann")
	next := s.advance(0)
	expect(t, "alarm", next, 3*time.Second)
	s.advance(1999 * ms)
	expect(t, "still asleep", len(s.h.ticks), 1)
	s.advance(1 * ms)
	expect(t, "woken", s.h.ticks[1], 41)
	expect(t, "then awake: the tick has passed", s.asleep, false)
}

func TestSleepIsForKindsThatSleep(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.step = func(g *court, _ game.Tick) { g.w.Sleep(0) }
	s.tick(3)
	expect(t, "ticks", len(s.h.ticks), 3)
}

func TestNoSleepWhileAViewerLags(t *testing.T) {
	s := sleeper(t, 0, nil)
	ann, bob := s.join("ann"), s.join("bob")
	ann.closed = true
	s.tick(5)
	expect(t, "asleep", s.asleep, false)
	ann.closed = false
	s.tick(1)
	expect(t, "asleep", s.asleep, true)
	expect(t, "ann is up to date", ann.tick, s.Entry().Tick)
	// After a long sleep a full connection has its time anew.
	bob.closed = true
	s.now += time.Hour
	ann.mustInput(1)
	s.Advance(s.now)
	expect(t, "bob", bob.bye, 0)
}

func TestNoSleepWhileAKeyframeIsOwed(t *testing.T) {
	s := sleeper(t, 0, nil)
	ann := s.join("ann")
	s.tick(1)
	for range 2 {
		ann.v.Resync(wire.Resync{Tick: ann.tick})
		s.tick(1)
	}
	expect(t, "asleep", s.asleep, false)
	s.tick(rate)
	expect(t, "asleep", s.asleep, true)
	_, keyframes := ann.states()
	expect(t, "keyframes", keyframes, 3)
}

func TestSleepingRoomKeepsTheGrace(t *testing.T) {
	s := sleeper(t, 0, func(c *Config) { c.Grace = 5 * time.Second })
	ann := s.join("ann")
	s.join("bob")
	s.advance(0)
	ann.v.Detach()
	s.advance(70 * ms) // the tick of 50 ms, 20 ms late
	next := s.advance(0)
	expect(t, "alarm", next, s.now+5*time.Second)
	s.advance(5 * time.Second)
	expect(t, "players", s.Info().Players, 1)
	expect(t, "asleep", s.asleep, true)
}

func TestPongOfASleepingRoomFollowsTheClock(t *testing.T) {
	s := sleeper(t, 0, nil)
	ann := s.join("ann")
	s.advance(0)
	s.advance(10 * time.Second)
	ann.v.Ping(s.now, 1, 1)
	expect(t, "tick", ann.pongs[0].Tick, 1+10*rate)
	expect(t, "a ping does not wake", s.woken, 0)
}
