package room

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func TestFailureEndsTheRoomAlone(t *testing.T) {
	ways := map[string]func(){
		"panic":  func() { panic("boom") },
		"nil":    func() { var p *int; *p = 1 },
		"goexit": func() { runtime.Goexit() },
		"deferred goexit": func() {
			defer func() { recover(); runtime.Goexit() }()
			panic("boom")
		},
		"panic that overtakes goexit": func() {
			defer func() { panic("boom") }()
			runtime.Goexit()
		},
		"goexit in what tells of a panic": func() { panic(fatalError{}) },
	}
	places := map[string]func(h *hooks, fail func()){
		"step":    func(h *hooks, fail func()) { h.step = func(*court, game.Tick) { fail() } },
		"leave":   func(h *hooks, fail func()) { h.leave = func(*court, game.PlayerID) { fail() } },
		"mail":    func(h *hooks, fail func()) { h.mail = func(*court, string, []byte) { fail() } },
		"summary": func(h *hooks, fail func()) { h.summary = func(*court) game.Params { fail(); return nil } },
		"join": func(h *hooks, fail func()) {
			h.join = func(*court, game.PlayerID, game.JoinInfo) error { fail(); return nil }
		},
	}
	for place, arm := range places {
		for way, fail := range ways {
			t.Run(place+"/"+way, func(t *testing.T) {
				var log bytes.Buffer
				s := newStage(t, game.Options{}, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				ann, bob, w := s.join("ann"), s.join("bob"), s.spectate("w")
				s.tick(2)
				bob.v.Leave()
				late := s.join("late")
				s.Mail("m", nil)
				s.h.step = func(g *court, _ game.Tick) { g.w.Post("x", nil) }
				arm(s.h, fail)
				s.now = s.clock.deadline(s.clock.next) + time.Second
				next := s.Advance(s.now)

				expect(t, "ended", s.Ended(), true)
				expect(t, "next", next, never)
				for _, p := range []*peer{ann, w, late} {
					expect(t, p.name, p.bye, wire.ByeGameFailed)
				}
				expect(t, "panics", s.Stats().Panics, 1)
				expect(t, "info", s.Info().Ended, true)
				expect(t, "log records", strings.Count(log.String(), "level=ERROR"), 1)
				if !strings.Contains(log.String(), "court_test.go") {
					t.Error("the log has no stack of the game:", log.String())
				}
				after(t, s, ann)
			})
		}
	}
}

// fatalError exits where it should say what happened.
type fatalError struct{}

func (fatalError) Error() string {
	runtime.Goexit()
	return ""
}

// after does to an ended room what its driver may still do.
func after(t *testing.T, s *stage, p *peer) {
	t.Helper()
	s.Tick(s.now)
	s.Advance(s.now)
	p.v.Detach()
	p.v.Leave()
	p.v.Resync(wire.Resync{Tick: 1})
	if err := p.v.Input(s.now, wire.Input{DSeq: 1}); err != nil {
		t.Error(err)
	}
	expect(t, "mail", s.Mail("m", nil), false)
	expect(t, "late join", s.join("later").bye, wire.ByeRoomGone)
	byes := p.byes
	s.Stop(wire.ByeShutdown, "", 0)
	expect(t, "told once", p.byes, byes)
}

func TestNewThatFails(t *testing.T) {
	for _, way := range []func(){func() { panic("boom") }, runtime.Goexit} {
		armed := false
		kind := game.Define("bad", game.Options{}, func(w *game.World) game.Game[move] {
			if armed {
				way()
			}
			return &court{w: w, hooks: &hooks{}}
		})
		if err := kind.Check(); err != nil {
			t.Fatal(err)
		}
		armed = true
		if r, err := New(Config{ID: "x", Kind: kind}, 0); err == nil || r != nil {
			t.Fatal("New of a failing kind succeeded")
		}
	}
}

func TestEnd(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	closed := 0
	s.h.close = func() error { closed++; return errors.New("stuck") }
	ann, w := s.join("ann"), s.spectate("w")
	s.tick(2)
	s.h.step = func(g *court, _ game.Tick) {
		g.w.Post("score", []byte("3:1"))
		g.hit.All(hit{9})
		g.w.End("red wins")
	}
	s.tick(1)
	expect(t, "bye", ann.bye, wire.ByeGameEnded)
	expect(t, "text", ann.byeText, "red wins")
	expect(t, "the last state was sent", ann.tick, 3)
	expectList(t, "with its events", w.events, "3:hit:9")
	expectList(t, "posts are delivered", s.posted, "score=3:1")
	expect(t, "closed", closed, 1)
	after(t, s, ann)
	expect(t, "closed once", closed, 1)
}

func TestCloseThatFails(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.close = func() error { runtime.Goexit(); return nil }
	ann := s.join("ann")
	s.tick(1)
	s.Stop(wire.ByeShutdown, "bye", time.Second)
	expect(t, "bye", ann.bye, wire.ByeShutdown)
}

func TestStopBeforeTheFirstTick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.Stop(wire.ByeShutdown, "bye", time.Second)
	expect(t, "bye", ann.bye, wire.ByeShutdown)
	after(t, s, ann)
}

func TestStopInPost(t *testing.T) {
	var s *stage
	s = newStage(t, game.Options{}, func(c *Config) {
		c.Post = func(string, []byte) { s.Stop(wire.ByeShutdown, "", 0) }
	})
	s.h.step = func(g *court, _ game.Tick) { g.w.Post("a", nil); g.w.Post("b", nil) }
	s.tick(1)
	expect(t, "ended", s.Ended(), true)
}

func TestEmptyRoomEnds(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.Empty = time.Second })
	s.tick(rate - 1)
	expect(t, "ended", s.Ended(), false)
	w := s.spectate("w")
	s.tick(3 * rate)
	expect(t, "with a spectator", s.Ended(), false)
	w.v.Detach()
	s.tick(rate)
	expect(t, "within Empty", s.Ended(), false)
	s.tick(1)
	expect(t, "ended", s.Ended(), true)
}

func TestEmptyRoomEndsInItsSleep(t *testing.T) {
	s := sleeper(t, 0, func(c *Config) { c.Empty = time.Minute })
	next := s.advance(0)
	expect(t, "alarm", next, s.now+time.Minute)
	s.advance(time.Minute)
	expect(t, "ended", s.Ended(), true)
}

func TestEmptyRoomThatStays(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.Empty = -1 })
	s.tick(60 * rate)
	expect(t, "ended", s.Ended(), false)
}

func TestPostsAreDeliveredAfterTheTick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.step = func(g *court, now game.Tick) {
		expect(t, "posted inside the tick", len(s.posted), 0)
		for range MaxPosts + 5 {
			g.w.Post("t", []byte{'a'})
		}
	}
	s.tick(1)
	expect(t, "posts", len(s.posted), MaxPosts)
	expect(t, "dropped", s.Stats().PostsDropped, 5)
}

func TestMail(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	var got []string
	s.h.mail = func(_ *court, topic string, body []byte) { got = append(got, topic+"="+string(body)) }
	for range MaxMail {
		s.Mail("a", []byte("1"))
	}
	expect(t, "beyond the limit", s.Mail("b", nil), false)
	expect(t, "before the tick", len(got), 0)
	s.tick(1)
	expect(t, "mail", len(got), MaxMail)
	s.tick(1)
	expect(t, "once", len(got), MaxMail)
}

func TestArrivalsAreBounded(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	for range MaxArrivals {
		s.spectate("w")
	}
	expect(t, "bye", s.spectate("one too many").bye, wire.ByeFull)
}

func TestInfo(t *testing.T) {
	s := newStage(t, game.Options{MaxPlayers: 4}, nil)
	calls := 0
	live := game.Params{"map": "dust"}
	s.h.summary = func(*court) game.Params { calls++; return live }
	expect(t, "players", s.Info().Players, 0)
	s.join("ann")
	s.tick(1)
	i := s.Info()
	live["map"] = "changed"
	expect(t, "info", i.ID+i.Kind+i.Summary["map"], "court-1courtdust")
	expect(t, "numbers", [5]int{int(i.Epoch), int(i.Tick), i.TickRate, i.Players, i.MaxPlayers}, [5]int{7, 1, rate, 1, 4})
	s.tick(rate - 1)
	expect(t, "asked once a second", calls, 1)
	s.tick(1)
	expect(t, "asked again", calls, 2)
	expect(t, "tick", s.Info().Tick, rate+1)
}

func TestSlowStepsAreMeasuredAndNamed(t *testing.T) {
	var log bytes.Buffer
	var clock time.Duration
	s := newStage(t, game.Options{}, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Clock = func() time.Duration { return clock }
		c.Empty = -1
	})
	s.h.step = func(_ *court, now game.Tick) {
		clock += 100 * time.Microsecond
		if now%2 == 0 {
			clock += 2 * time.Millisecond
		}
	}
	s.tick(10)
	st := s.Stats()
	expect(t, "slow steps", st.StepsSlow, 5)
	expect(t, "sum", st.StepTime, 11*time.Millisecond)
	expect(t, "longest", st.StepMax, 2100*time.Microsecond)
	expect(t, "named once a minute", strings.Count(log.String(), "step takes long"), 1)
	s.tick(70 * rate)
	expect(t, "and again", strings.Count(log.String(), "step takes long"), 2)
}
