package room

import (
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// schedules is how many are played; firstSeed makes them the same again.
var (
	schedules = flag.Int("schedules", 10_000, "random schedules to play; a tenth with the race detector")
	firstSeed = flag.Uint64("seed", 0, "seed of the first schedule; 0 for a random one")
)

// TestAnySchedule lets joins, leaves, broken and slow connections, resumes,
// resyncs, keyframes in parts, team changes, rows that take the index of others,
// inputs and skipped ticks happen at random. After every tick each viewer that is
// up to date holds exactly what it may see, field by field (stage.check); the
// hash that each frame tells is that of the state; no lasting event is heard
// twice, late, or not at all; and nobody who has a seat holds what an earlier
// player of that seat owned.
func TestAnySchedule(t *testing.T) {
	n, first := *schedules, *firstSeed
	if raceEnabled {
		n /= 10
	}
	if first == 0 {
		first = mathrand.Uint64() >> 1
	}
	t.Logf("%d schedules from seed %d", n, first)
	for seed := first; seed < first+uint64(n); seed++ {
		if runSchedule(t, seed, nil); t.Failed() {
			return // a failure within the game ends its room only
		}
	}
}

// runSchedule plays one schedule. What its viewers are sent goes onto the tape,
// if there is one.
func runSchedule(t *testing.T, seed uint64, tape *tape) {
	t.Helper()
	rng := mathrand.New(mathrand.NewPCG(seed, 1))
	o := game.Options{
		MaxPlayers: 6, Missing: game.Missing(rng.IntN(2)), Spectate: game.Team(rng.IntN(3)), Sleeps: rng.IntN(2) == 0,
	}
	s := openStage(t, o, func(c *Config) {
		c.History, c.Grace, c.CheckEvery = 300*time.Millisecond, 800*time.Millisecond, 1
		c.ID = fmt.Sprint("seed-", seed)
	})
	defer s.Stop(wire.ByeShutdown, "", 0)
	s.aud.partSize = keyframeHead + 1 + rng.IntN(2)*rng.IntN(200)
	s.tape = tape
	tape.begin(seed)
	s.watchSeats()
	loud := rng.IntN(3) > 0                 // else nobody who is slow loses anything
	told := map[game.PlayerID][]game.Tick{} // to one player alone
	s.h.step = func(g *court, now game.Tick) {
		s.expectCleared(g)
		if loud {
			g.hit.All(hit{int32(now)})
		}
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
				told[p] = append(told[p], now)
			}
			if rng.IntN(100) == 0 {
				g.w.Kick(p, "")
			}
		}
	}
	for range 100 {
		for _, p := range s.peers {
			if p.bye == 0 && !p.v.gone && p.welcome.Tick != 0 {
				act(s, p, rng)
			}
		}
		switch rng.IntN(12) {
		case 0:
			s.join("player").limit = rng.IntN(3)
		case 1:
			s.spectate("watcher").limit = rng.IntN(3)
		case 2, 3:
			if len(s.peers) == 0 {
				break
			}
			if p := s.peers[rng.IntN(len(s.peers))]; p.v.gone && !p.handed && p.welcome.Seat != 0 {
				s.resume(p) // after a while
			}
		}
		if rng.IntN(10) == 0 {
			s.advance(time.Duration(rng.IntN(400)) * time.Millisecond)
		} else {
			s.tick(1)
		}
	}
	var next map[game.Tick]game.Tick // tick after tick: sleep leaves gaps
	if loud {
		next = map[game.Tick]game.Tick{}
	}
	for i, tick := range s.h.ticks {
		if !loud {
			break
		}
		next[tick] = tick + 1
		if i+1 < len(s.h.ticks) {
			next[tick] = s.h.ticks[i+1]
		}
	}
	for _, p := range s.peers {
		checkEvents(s, p, next, told[p.welcome.Seat])
	}
}

// watchSeats notes what players own when they leave.
func (s *stage) watchSeats() {
	s.h.leave = func(g *court, p game.PlayerID) {
		for id := range g.units.Of(p) {
			s.left = append(s.left, id)
		}
	}
	s.h.join = func(g *court, p game.PlayerID, _ game.JoinInfo) error {
		for id := range g.units.Of(p) {
			s.fatalf("who takes seat %d owns row %d of who had it", p, id.Index())
		}
		return nil
	}
}

// expectCleared demands that nothing of players who left is a secret any more.
func (s *stage) expectCleared(g *court) {
	for _, id := range s.left {
		if u := g.units.Get(id); u != nil && (u.Ammo != 0 || g.units.Owner(id) != 0) {
			s.fatalf("row %d of a player who left has owner %d and ammo %d", id.Index(), g.units.Owner(id), u.Ammo)
		}
	}
	s.left = s.left[:0]
}

// shuffleUnits changes who sees and owns what.
func shuffleUnits(g *court, rng *mathrand.Rand, p game.PlayerID) {
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
func act(s *stage, p *peer, rng *mathrand.Rand) {
	switch n := rng.IntN(100); {
	case n < 8:
		p.closed = !p.closed
	case n < 10:
		p.limit = rng.IntN(3)
	case n < 12:
		p.v.Detach()
	case n < 14:
		if p.welcome.Seat != 0 {
			p.v.Detach()
			s.resume(p)
		}
	case n < 16 && p.welcome.Seat != 0:
		if old := earlierHolder(s, p); old != nil {
			s.resumeWith(p, old)
		} else {
			s.resume(p)
		}
	case n < 17:
		p.v.Leave()
	case n < 19:
		p.v.Resync(wire.Resync{Tick: p.tick})
	case n < 60 && p.welcome.Seat != 0:
		p.mustInput(int8(rng.IntN(11) - 5))
	}
}

// earlierHolder is a client who is gone and holds a state from before p had its
// seat, the newest there is: the ring may still have it.
func earlierHolder(s *stage, p *peer) *peer {
	var found *peer
	for _, old := range s.peers {
		if old.bye != 0 && old.welcome.Seat != 0 && old.tick != 0 && old.tick < s.sim.seats[p.welcome.Seat].since &&
			(found == nil || old.tick > found.tick) {
			found = old
		}
	}
	return found
}

// checkEvents demands the event that every tick tells to all, once and in order,
// from the first that the connection heard to its last tick, and those that were
// told to the player alone meanwhile. Who resumes with a delta hears all that came
// after what it held. next is the tick after each, nil if the ticks told all nothing.
func checkEvents(s *stage, p *peer, next map[game.Tick]game.Tick, told []game.Tick) {
	s.t.Helper()
	want, first := game.Tick(0), game.Tick(0)
	if p.from != 0 && p.whole {
		want, first = next[p.from], p.from+1
	}
	var alone []game.Tick
	for _, text := range p.events {
		var tick, n game.Tick
		if _, err := fmt.Sscanf(text, "%d:hit:%d", &tick, &n); err != nil {
			s.t.Fatal(err)
		}
		if first == 0 {
			first = tick
		}
		if n > 1000000 {
			n -= 1000000
			alone = append(alone, tick)
		} else if want != 0 && tick != want {
			s.fatalf("%s hears of tick %d, want %d: %v", p.name, tick, want, p.events)
		} else {
			want = next[tick]
		}
		if n != tick {
			s.fatalf("%s hears at %d what was told at %d", p.name, tick, n)
		}
	}
	if first == 0 || p.tick == 0 || p.parts > 0 {
		return
	}
	if want != next[p.tick] && next != nil {
		s.fatalf("%s has tick %d but waits to hear of %d", p.name, p.tick, want)
	}
	told = slices.DeleteFunc(slices.Clone(told), func(tick game.Tick) bool { return tick < first || tick > p.tick })
	if !slices.Equal(alone, told) {
		s.fatalf("%s alone was told something at %v, but heard of %v", p.name, told, alone)
	}
}
