package room

import (
	"fmt"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// TestAnyRelay lets players come, go, stall and come back at any node while the room
// moves and is rescued and the network loses and delays: after each message whoever
// holds a tick holds what the room itself showed of it.
func TestAnyRelay(t *testing.T) {
	n, first := *schedules/20, *firstSeed
	if raceEnabled {
		n /= 5
	}
	if first == 0 {
		first = mathrand.Uint64() >> 1
	}
	t.Logf("%d schedules from seed %d", n, first)
	for seed := first; seed < first+uint64(n); seed++ {
		if runRelay(t, seed); t.Failed() {
			return
		}
	}
}

func runRelay(t *testing.T, seed uint64) {
	t.Helper()
	g := newGrid(t, game.Options{MaxPlayers: 6, Spectate: game.Team(0)}, seed, func(c *Config) {
		c.History, c.Grace, c.CheckEvery = 500*time.Millisecond, time.Second, 1
	})
	rng := g.rng
	g.loss = []float64{0, 0, 0.01, 0.1}[rng.IntN(4)]
	g.delay = time.Duration(rng.IntN(3)*10) * time.Millisecond
	g.h.step = func(c *court, now game.Tick) {
		c.hit.All(hit{int32(now)})
		for p := range c.w.Players() {
			shuffleUnits(c, rng, p)
			if rng.IntN(4) == 0 {
				c.hit.To(p, hit{int32(now) + 1000000})
			}
		}
	}
	g.bringTo("a", "first", JoinRequest{Name: "first"})
	g.tick(1)
	g.kept = g.AppendCheckpoint(nil, g.now)
	for i := range 100 {
		for _, p := range g.peers {
			if p.bye == 0 && !p.v.gone && p.welcome.Tick != 0 {
				g.act(p)
			}
		}
		switch rng.IntN(30) {
		case 0, 1, 2:
			g.bringTo(nodes[rng.IntN(3)], fmt.Sprint("player ", i), JoinRequest{Name: "p"}).limit = rng.IntN(3)
		case 3:
			g.bringTo(nodes[rng.IntN(3)], fmt.Sprint("watcher ", i), JoinRequest{Spectate: true}).limit = rng.IntN(3)
		case 4, 5:
			if to := nodes[rng.IntN(3)]; to != g.at {
				g.move(to)
			}
		case 6:
			if to := nodes[rng.IntN(3)]; to != g.at && rng.IntN(3) == 0 {
				g.rescue(to)
			}
		case 7, 8:
			g.kept = g.AppendCheckpoint(nil, g.now)
		}
		g.tick(1)
	}
	g.loss = 0
	for _, p := range g.peers {
		p.closed, p.limit = false, 0
	}
	g.tick(60)
	for _, p := range g.peers {
		if p.bye == 0 && !p.v.gone && (p.tick+2 < g.Entry().Tick || p.epoch != g.Epoch()) {
			g.fatalf("%s at %s is left behind at %d of epoch %d; the room is at %s, at %d of %d",
				p.name, p.node, p.tick, p.epoch, g.at, g.Entry().Tick, g.Epoch())
		}
	}
}

func (g *grid) act(p *peer) {
	switch n := g.rng.IntN(100); {
	case n < 6:
		p.closed = !p.closed
	case n < 9:
		p.v.Detach()
	case n < 11 && p.welcome.Seat != 0:
		p.v.Detach()
		g.resumeTo(nodes[g.rng.IntN(3)], p)
	case n < 12:
		p.v.Leave()
	case n < 14:
		p.v.Resync(wire.Resync{Tick: p.tick})
	case n < 60 && p.welcome.Seat != 0:
		p.mustInput(int8(g.rng.IntN(11) - 5))
	}
}
