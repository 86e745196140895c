package room

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// moveTo goes on from the checkpoint of a room on another stage.
func (s *stage) moveTo(to *stage, epoch uint64) {
	s.t.Helper()
	b := s.AppendCheckpoint(nil, s.now)
	cfg := to.cfg
	cfg.Epoch = epoch
	to.Stop(wire.ByeShutdown, "", 0)
	r, err := Restore(cfg, b, to.now)
	if err != nil {
		s.t.Fatal(err)
	}
	to.Room = r
}

// court of twenty ticks with two players, one of whom broke off.
func playedCourt(t *testing.T) (s *stage, ann, bob *peer) {
	s = newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 4}, nil)
	ann, bob = s.join("ann"), s.join("bob")
	s.tick(3)
	for i := range 10 {
		ann.mustInput(int8(i%5 - 2))
		bob.mustInput(2)
		s.tick(1)
	}
	bob.v.Detach()
	s.tick(2)
	for range 4 {
		ann.mustInput(3)
	}
	s.Mail("letter", []byte("body"))
	return s, ann, bob
}

func TestRestoredRoomGoesOnAlike(t *testing.T) {
	s, _, _ := playedCourt(t)
	to := newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 4}, nil)
	to.now += 123 * time.Millisecond
	s.moveTo(to, 7)
	all := delta.View{Teams: game.Everyone}
	for range 40 {
		if a, b := s.sim.game.Hash(), to.sim.game.Hash(); a != b || s.sim.tick != to.sim.tick {
			t.Fatalf("tick %d has hash %x, tick %d of the other %x", s.sim.tick, a, to.sim.tick, b)
		}
		if a, b := s.Entry(), to.Entry(); s.aud.hashOf(a, all) != to.aud.hashOf(b, all) || a.Tick != b.Tick {
			t.Fatalf("tick %d is shown differently", a.Tick)
		}
		s.tick(1)
		to.tick(1)
	}
	if n := len(to.h.ticks); n != 40 {
		t.Errorf("%d ticks were made", n)
	}
}

// A move keeps the history: whoever holds its newest state is sent what changed.
func TestRestoredRoomKnowsItsPlayers(t *testing.T) {
	s, ann, bob := playedCourt(t)
	for _, epoch := range []uint64{7, 8} {
		to := newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 4}, nil)
		s.moveTo(to, epoch)
		again := to.resume(ann)
		to.tick(2)
		_, keyframes := again.states()
		if kept := keyframes == 0; kept != (epoch == 7) || again.tick != to.Entry().Tick || again.welcome.Flags&wire.FlagResumed == 0 {
			t.Errorf("epoch %d: %d keyframes, tick %d, welcome %+v", epoch, keyframes, again.tick, again.welcome)
		}
		if again.welcome.LastSeq != s.sim.seats[ann.welcome.Seat].ack {
			t.Errorf("the newest input is %d", again.welcome.LastSeq)
		}
		late := to.join("eve")
		to.tick(1)
		if late.welcome.Seat != 3 {
			t.Errorf("a newcomer has seat %d", late.welcome.Seat)
		}
		// What was left of the grace of who had broken off goes on.
		left := s.sim.seats[bob.welcome.Seat].until - s.now
		to.advance(left - 200*time.Millisecond)
		if !to.sim.seats[bob.welcome.Seat].taken {
			t.Error("the seat was freed too early")
		}
		to.advance(300 * time.Millisecond)
		to.tick(1)
		if to.sim.seats[bob.welcome.Seat].taken {
			t.Error("the seat is still kept")
		}
	}
}

func TestMailIsInTheCheckpoint(t *testing.T) {
	s, _, _ := playedCourt(t)
	to := newStage(t, game.Options{Missing: game.Repeat, MaxPlayers: 4}, nil)
	var got string
	to.h.mail = func(_ *court, topic string, body []byte) { got += topic + "=" + string(body) }
	s.moveTo(to, 7)
	to.tick(1)
	if got != "letter=body" {
		t.Errorf("mail %q", got)
	}
}

func TestDamagedCheckpointsAreRefused(t *testing.T) {
	s, _, _ := playedCourt(t)
	good := s.AppendCheckpoint(nil, s.now)
	for n := range len(good) {
		if r, err := Restore(s.cfg, good[:n], s.now); err == nil {
			r.Stop(wire.ByeShutdown, "", 0)
			t.Fatalf("the first %d of %d bytes are a checkpoint", n, len(good))
		}
	}
	for i := range min(len(good), 400) {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x80
		if r, err := Restore(s.cfg, bad, s.now); err == nil { // a number may be another one
			r.Tick(s.now)
			r.Stop(wire.ByeShutdown, "", 0)
		}
	}
	if _, err := Restore(s.cfg, []byte("not a checkpoint"), s.now); !errors.Is(err, errCheckpoint) {
		t.Error(err)
	}
}

// FuzzRestore looks for bytes that bring a process down.
func FuzzRestore(f *testing.F) {
	s := openStage(&testing.T{}, game.Options{MaxPlayers: 4}, nil)
	defer s.Stop(wire.ByeShutdown, "", 0)
	s.join("ann")
	s.tick(5)
	saved := s.AppendCheckpoint(nil, s.now)
	f.Add(saved)
	f.Add(otherInputs(saved))
	f.Add([]byte(checkpointMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Restore(s.cfg, b, s.now)
		if err != nil {
			return
		}
		r.Tick(s.now)
		r.Stop(wire.ByeShutdown, "", 0)
	})
}

// otherInputs makes a checkpoint that of a kind whose inputs mean something else.
func otherInputs(saved []byte) []byte {
	saved = append([]byte(nil), saved...)
	saved[len(checkpointMagic)+6] ^= 1
	return saved
}

// brittle is a court that fails when it is to say what it keeps outside of tables.
type brittle struct {
	*court
	fail func()
}

func (g *brittle) AppendState(dst []byte) []byte {
	g.fail()
	return dst
}

func (g *brittle) LoadState([]byte) error { return nil }

func TestFailureAtACheckpointEndsTheRoomAlone(t *testing.T) {
	asks := map[string]func(*stage){
		"checkpoint": func(s *stage) {
			expect(t, "appended", string(s.AppendCheckpoint([]byte("before"), s.now)), "before")
			expect(t, "nil", s.AppendCheckpoint(nil, s.now) == nil, true)
		},
		"hash": func(s *stage) { expect(t, "hash", s.Hash(), 0) },
	}
	for name, ask := range asks {
		for _, fail := range []func(){func() { panic("boom") }, runtime.Goexit} {
			t.Run(name, func(t *testing.T) {
				closed := 0
				h := &hooks{close: func() error { closed++; return nil }}
				s := newStage(t, game.Options{}, func(c *Config) {
					c.Kind = game.Define("court", game.Options{TickRate: rate, Sleeps: true}, func(w *game.World) game.Game[move] {
						return &brittle{newCourt(w, h), fail}
					})
				})
				h.step = func(g *court, _ game.Tick) { g.w.Sleep(0) }
				ann := s.join("ann")
				s.tick(1)
				expect(t, "asleep", s.asleep, true)
				ask(s)
				ask(s)
				expect(t, "bye", ann.bye, wire.ByeGameFailed)
				expect(t, "woken", s.woken, 1)
				expect(t, "next", s.Advance(s.now), never)
				expect(t, "closed", closed, 1)
				expect(t, "panics", s.Stats().Panics, 1)
			})
		}
	}
}
