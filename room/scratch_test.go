package room

import (
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// TestRoomsShareAScratch ticks rooms of one kind in turn, whose viewers lag, resume
// and change teams, and of which one fails now and then in the way of its time and is
// made anew: what one leaves in coroutine and encoder is nothing to the next, and
// nothing of it is left when the Scratch is closed.
func TestRoomsShareAScratch(t *testing.T) {
	seeds := uint64(60)
	if raceEnabled {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { shareScratch(t, seed) }) // fails if a goroutine is left
	}
}

func shareScratch(t *testing.T, seed uint64) {
	rng := mathrand.New(mathrand.NewPCG(seed, 3))
	var scratch Scratch
	defer scratch.Close()
	h := &hooks{}
	kind := courtKind(game.Options{TickRate: rate, MaxPlayers: 4}, h)
	var frames wire.Pool
	open := func(i int) *stage {
		s := openStage(t, game.Options{}, func(c *Config) {
			c.ID, c.Kind, c.Scratch, c.Frames = fmt.Sprintf("seed-%d-%d", seed, i), kind, &scratch, &frames
			c.History = 300 * time.Millisecond
		})
		for range 3 {
			s.join("player").limit = rng.IntN(3)
		}
		s.spectate("watcher")
		return s
	}
	var fail func()
	h.step = func(g *court, _ game.Tick) {
		for p := range g.w.Players() {
			shuffleUnits(g, rng, p)
		}
		if fail != nil {
			fail()
		}
	}
	ways := []func(){func() { panic("boom") }, runtime.Goexit, func() { defer func() { panic("boom") }(); runtime.Goexit() }}
	rooms := []*stage{open(0), open(1), open(2)}
	for i := range 100 {
		s := rooms[i%len(rooms)]
		for _, p := range s.peers {
			if p.bye == 0 && !p.v.gone && p.welcome.Tick != 0 {
				act(s, p, rng)
			}
		}
		if fail = nil; rng.IntN(20) == 0 {
			fail = ways[rng.IntN(len(ways))]
		}
		s.tick(1)
		expect(t, "ended", s.Ended(), fail != nil)
		if s.Ended() {
			rooms[i%len(rooms)] = open(i)
		}
	}
	for _, s := range rooms {
		s.Stop(wire.ByeShutdown, "", 0)
	}
}
