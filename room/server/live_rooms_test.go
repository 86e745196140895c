package server

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

func TestSpectatorWatchesWithoutASeat(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Kinds = []*game.Kind{crowdedKind}
		l := run(t, cfg)
		ann, bob := l.join(client.Config{Kind: "pair"}), l.join(client.Config{Kind: "pair"})
		for _, room := range []string{ann.core.Room(), ""} { // full either way: for players, not for those who watch
			fan := l.join(client.Config{Kind: "pair", Room: room, Spectate: true})
			if fan.core.Seat() != 0 || fan.core.Room() != ann.core.Room() {
				t.Errorf("asked for room %q: seat %d of room %s", room, fan.core.Seat(), fan.core.Room())
			}
			ann.input(2)
			fan.until("ann's step", func() bool { x, _ := fan.x(ann.core.Seat()); return x > 0 })
			if _, ok := fan.x(bob.core.Seat()); !ok {
				t.Error("bob is not seen")
			}
			fan.send(inputOf(1, 0, 0))
			fan.wantBye(wire.ByeProtocol)
		}
		if n := l.players(""); n != 2 {
			t.Errorf("%d players", n)
		}
		ann.wantNoGap()
	})
}

func TestGameSendsOffAndEnds(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Kinds = []*game.Kind{matches}
		l := run(t, cfg)
		ann, bob := l.join(client.Config{Kind: "matches", Room: "r"}), l.join(client.Config{Kind: "matches", Room: "r"})
		ann.input(9)
		if text := ann.wantBye(wire.ByeKicked); text != "offside" {
			t.Errorf("told %q", text)
		}
		eventually(t, "ann's seat is free", func() bool { return l.players("r") == 1 })
		bob.input(-9)
		if text := bob.wantBye(wire.ByeGameEnded); text != "full time" {
			t.Errorf("told %q", text)
		}
		eventually(t, "the room is gone", func() bool { return len(l.Rooms()) == 0 })
		if c := l.join(client.Config{Kind: "matches", Room: "r"}); c.core.Seat() != 1 {
			t.Errorf("seat %d in the new room of that name", c.core.Seat())
		}
	})
}

// A sleeping room makes no ticks, and everything wakes it: inputs, joins, mail,
// the end of a grace.
func TestSleepingRoomWakes(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Kinds = []*game.Kind{nappers, walkers}
		cfg.Grace, cfg.Empty = 50*time.Millisecond, 50*time.Millisecond
		l := run(t, cfg)
		other := l.join(client.Config{Kind: "walkers"})
		ann := l.join(client.Config{Kind: "nappers", Room: "r"})
		asleep := func() {
			t.Helper()
			h := l.dir.get("r")
			// Read on the loop, so behind the tick of which ann has seen the state.
			look := func() (asleep bool, ticks uint64) {
				done := make(chan struct{})
				h.loop.Post(func() { asleep, ticks = h.at().Info().Asleep, h.at().Stats().Ticks; close(done) })
				<-done
				return asleep, ticks
			}
			var before uint64
			eventually(t, "the room sleeps", func() (ok bool) { ok, before = look(); return ok })
			other.wantEveryTick(20)
			if _, now := look(); now != before {
				t.Errorf("a sleeping room made %d ticks", now-before)
			}
		}
		asleep()
		ann.input(3)
		ann.until("the input", func() bool { x, _ := ann.x(ann.core.Seat()); return x == 3 })
		asleep()
		bob := l.join(client.Config{Kind: "nappers", Room: "r"})
		ann.until("bob", func() bool { _, ok := ann.x(bob.core.Seat()); return ok })
		asleep()
		if err := l.Mail("r", "topic", []byte("wake up")); err != nil {
			t.Fatal(err)
		}
		ann.until("the letter", func() bool { return len(ann.events) > 0 })
		asleep()
		bob.nc.Close()
		eventually(t, "bob's seat is free", func() bool { return l.players("r") == 1 })
		ann.send(ann.core.AppendLeave(nil))
		ann.wantBye(wire.ByeLeft)
		eventually(t, "the empty room is gone", func() bool { return l.dir.get("r") == nil })
	})
}

func TestServerHoldsNoMoreRoomsThanItMay(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxRooms = 1
		l := run(t, cfg)
		l.join(client.Config{Kind: "walkers", Room: "r"})
		other := l.dial(client.Config{Kind: "walkers", Room: "s"})
		other.send(other.core.Hello())
		other.wantBye(wire.ByeFull)
		l.join(client.Config{Kind: "walkers", Room: "r"})
	})
}

// A kind whose New fails is named in the log; the client learns no more than
// that, and nothing stays behind.
func TestRoomThatCannotBeMade(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		var broken atomic.Bool
		cfg.Kinds = []*game.Kind{walkers, stillborn(&broken)}
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers"})
		broken.Store(true)
		for range 3 {
			s := l.dial(client.Config{Kind: "stillborn"})
			s.send(s.core.Hello())
			if text := s.wantBye(wire.ByeGameFailed); strings.Contains(text, "goroutine") || strings.Contains(text, "panic") {
				t.Errorf("told %q", text)
			}
		}
		if n := len(l.allLoops()); n != cfg.Loops {
			t.Errorf("%d loops run, want %d", n, cfg.Loops)
		}
		if log := l.logs.String(); !strings.Contains(log, "no map to play on") {
			t.Errorf("the log does not say why:\n%s", log)
		}
		broken.Store(false)
		l.join(client.Config{Kind: "stillborn"})
		healthy.wantNoGap()
	})
}

// People who are gone before they are in leave no claim on a seat, whichever
// step of joining they had come to.
func TestPeopleWhoLeaveWhileTheyJoin(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Grace = time.Millisecond
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers"}) // the first loop has a room: the next is on the other
		den := client.Config{Kind: "pair", Room: "den"}
		l.join(den)
		hello := client.NewCore(den).Hello()
		var all sync.WaitGroup
		for i := range 100 {
			s := l.dial(client.Config{})
			all.Add(1)
			go func() {
				defer all.Done()
				s.send(hello)
				if i%2 == 0 {
					s.raw(gobwas.OpClose, nil)
				}
				s.nc.Close()
			}()
		}
		all.Wait()
		h := l.dir.get("den")
		// In this order: who moves to another loop is on none, but has a claim; whose
		// claim is answered has a seat.
		eventually(t, "all are gone", func() bool { return l.conns() == 2 && h.claims.Load() == 0 && l.players("den") == 1 })
		l.join(den)
		healthy.wantNoGap()
	})
}

// Many messages in one of WebSocket's are as many.
func TestFloodInOneMessageIsTooFast(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers", Room: "r"})
		ping := array(wire.KindPing, wire.AppendUint(nil, 1), wire.AppendUint(nil, 1))
		few := l.join(client.Config{Kind: "walkers", Room: "r"})
		few.send(bytes.Repeat(ping, maxMessagesPerSecond/2))
		few.until("a later state", func() bool { return len(few.ticks) > 10 })
		many := l.join(client.Config{Kind: "walkers", Room: "r"})
		many.send(bytes.Repeat(ping, maxMessagesPerSecond+1))
		many.wantBye(wire.ByeTooFast)
		empty := l.join(client.Config{Kind: "walkers", Room: "r"})
		for range maxMessagesPerSecond + 1 {
			empty.send(nil)
		}
		empty.wantBye(wire.ByeTooFast)
		healthy.wantNoGap()
	})
}
