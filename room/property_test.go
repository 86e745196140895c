package room

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

// TestAnySchedule lets joins, leaves, broken and slow connections, resumes,
// resyncs, team changes, inputs and skipped ticks happen at random. After every
// tick each viewer that is up to date holds exactly what it may see (stage.check)
// and no lasting event is heard twice, late, or not at all.
func TestAnySchedule(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runSchedule(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func runSchedule(t *testing.T, rng *rand.Rand) {
	o := game.Options{
		MaxPlayers: 6, Missing: game.Missing(rng.IntN(2)), Spectate: game.Team(rng.IntN(3)), Sleeps: rng.IntN(2) == 0,
	}
	s := newStage(t, o, func(c *Config) {
		c.History, c.Grace = 600*time.Millisecond, 800*time.Millisecond
	})
	s.h.step = func(g *court, now game.Tick) {
		g.hit.All(hit{int32(now)})
		switch rng.IntN(4) {
		case 0:
			g.w.Sleep(0)
		case 1:
			g.w.Sleep(now + game.Tick(rng.IntN(20)))
		}
		for p := range g.w.Players() {
			shuffleUnits(g, rng, p)
			if rng.IntN(4) == 0 {
				g.hit.To(p, hit{int32(now) + 1000000})
			}
		}
	}
	for range 300 {
		for _, p := range s.peers {
			if p.bye == 0 && !p.v.gone && p.welcome.Tick != 0 {
				act(s, p, rng)
			}
		}
		switch rng.IntN(12) {
		case 0:
			s.join("player")
		case 1:
			s.spectate("watcher")
		}
		if rng.IntN(10) == 0 {
			s.advance(time.Duration(rng.IntN(400)) * time.Millisecond)
		} else {
			s.tick(1)
		}
	}
	next := map[game.Tick]game.Tick{} // tick after tick: sleep leaves gaps
	for i, tick := range s.h.ticks {
		next[tick] = tick + 1
		if i+1 < len(s.h.ticks) {
			next[tick] = s.h.ticks[i+1]
		}
	}
	for _, p := range s.peers {
		checkEvents(t, p, next)
	}
}

// shuffleUnits changes who sees and owns what.
func shuffleUnits(g *court, rng *rand.Rand, p game.PlayerID) {
	switch rng.IntN(12) {
	case 0:
		g.w.SetTeam(p, game.Team(rng.IntN(3)))
	case 1:
		if id := g.units.Add(unit{X: rng.Int32N(100), Ammo: 9}); rng.IntN(2) == 0 {
			g.units.Own(id, p)
		}
	}
	var ids []game.ID[unit]
	for id := range g.units.All() {
		ids = append(ids, id)
	}
	for _, id := range ids {
		switch rng.IntN(30) {
		case 0:
			g.units.Show(id, game.Teams(rng.IntN(8)))
		case 1:
			g.units.Reveal(id, game.Teams(rng.IntN(8)))
		case 2:
			g.units.Own(id, game.PlayerID(rng.IntN(4)))
		case 3:
			g.units.Get(id).Aim = ids[rng.IntN(len(ids))]
		case 4:
			if len(ids) > 5 {
				g.units.Remove(id)
				return
			}
		}
	}
}

// act does one thing as a connected client.
func act(s *stage, p *peer, rng *rand.Rand) {
	switch n := rng.IntN(100); {
	case n < 10:
		p.closed = !p.closed
	case n < 12:
		p.v.Detach()
	case n < 14:
		if p.welcome.Seat != 0 {
			p.v.Detach()
			s.resume(p)
		}
	case n < 16 && p.welcome.Seat != 0:
		s.resume(p)
	case n < 17:
		p.v.Leave()
	case n < 19:
		p.v.Resync(p.tick)
	case n < 60 && p.welcome.Seat != 0:
		p.mustInput(int8(rng.IntN(11) - 5))
	}
}

// checkEvents demands the event that every tick tells to all, once and in order,
// from the first that the connection heard to its last tick.
func checkEvents(t *testing.T, p *peer, next map[game.Tick]game.Tick) {
	t.Helper()
	want := game.Tick(0)
	for _, text := range p.events {
		var tick, n game.Tick
		if _, err := fmt.Sscanf(text, "%d:hit:%d", &tick, &n); err != nil {
			t.Fatal(err)
		}
		if n > 1000000 {
			n -= 1000000
		} else if want != 0 && tick != want {
			t.Fatalf("%s hears of tick %d, want %d: %v", p.name, tick, want, p.events)
		} else {
			want = next[tick]
		}
		if n != tick {
			t.Fatalf("%s hears at %d what was told at %d", p.name, tick, n)
		}
	}
	if want != 0 && p.tick != 0 && want != next[p.tick] {
		t.Fatalf("%s has tick %d but waits to hear of %d", p.name, p.tick, want)
	}
}
