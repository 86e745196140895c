package arena

import (
	"time"

	"github.com/roomd/roomd/game"
)

// addTank puts a new tank into the yard. Its hue follows from its row, so the
// tanks in a room never share one.
func (g *Arena) addTank(t Tank) game.ID[Tank] {
	id := g.tanks.Add(t)
	row := g.tanks.Get(id)
	row.Hue = uint8(id.Index() * 159) // odd, near the golden section of 256: neighbours differ
	g.spawn(g.w.Now(), row)
	return id
}

// spawn brings a tank to life where the nearest other tank is far.
func (g *Arena) spawn(now game.Tick, t *Tank) {
	const tries = 8
	var best site
	far := -1.0
	for range tries {
		s := g.sites[g.w.Rand().IntN(len(g.sites))]
		if d := g.nearest(s, t); d > far {
			best, far = s, d
		}
	}
	t.X, t.Y = best.x, best.y
	t.vx, t.vy = 0, 0
	t.Heading = Angle(Width/2-t.X, Height/2-t.Y)
	t.Aim = t.Heading
	t.HP, t.Respawn = FullHP, 0
	t.Ammo, t.Reload = Magazine, 0
	t.Safe = now + SafeTime
	t.ready = now
	t.mind = mind{goalX: t.X, goalY: t.Y}
}

// nearest is the distance from a site to the nearest living tank beside t.
func (g *Arena) nearest(s site, t *Tank) float64 {
	d := float64(Width + Height)
	for _, o := range g.tanks.All() {
		if o != t && o.Alive() {
			d = min(d, distance(s.x, s.y, o.X, o.Y))
		}
	}
	return d
}

// revive brings the dead back whose time has come.
func (g *Arena) revive(now game.Tick) {
	for _, t := range g.tanks.All() {
		if !t.Alive() && now >= t.Respawn {
			g.spawn(now, t)
		}
	}
}

// botNames are given by row, so two bots of a room share one only beyond 16.
var botNames = [...]string{
	"Rivet", "Bolt", "Gasket", "Piston", "Cog", "Sprocket", "Dynamo", "Flint",
	"Anvil", "Torque", "Ratchet", "Magnet", "Cobalt", "Tungsten", "Gauge", "Relay",
}

// balance lets bots in or out until the room has its population, people first.
func (g *Arena) balance() {
	people, bots := 0, 0
	for _, t := range g.tanks.All() {
		if t.Bot {
			bots++
		} else {
			people++
		}
	}
	population := g.w.Params().Int("bots", DefaultPopulation)
	want := max(0, min(population, MaxPlayers)-people)
	for ; bots < want; bots++ {
		id := g.addTank(Tank{Bot: true})
		g.tanks.Get(id).Name = botNames[id.Index()%len(botNames)]
	}
	for ; bots > want; bots-- {
		g.tanks.Remove(g.weakestBot())
	}
}

// weakestBot is the bot with the lowest score, whom the room misses least.
func (g *Arena) weakestBot() game.ID[Tank] {
	var weakest game.ID[Tank]
	var score int32
	for id, t := range g.tanks.All() {
		if t.Bot && (weakest == 0 || t.Score <= score) {
			weakest, score = id, t.Score
		}
	}
	return weakest
}

// leader is the tank with the highest score, nil in an empty yard.
func (g *Arena) leader() (game.ID[Tank], *Tank) {
	var leads game.ID[Tank]
	var best *Tank
	for id, t := range g.tanks.All() {
		if best == nil || t.Score > best.Score {
			leads, best = id, t
		}
	}
	return leads, best
}

// roundEnd is when a round that starts now ends, 0 for never.
func (g *Arena) roundEnd() game.Tick {
	seconds := g.w.Params().Int("round", DefaultRound)
	if seconds <= 0 {
		return 0
	}
	return g.w.Now() + g.w.Ticks(time.Duration(min(seconds, 24*3600))*time.Second)
}

// endRound crowns the leader when time is up and starts all tanks afresh.
func (g *Arena) endRound(now game.Tick) {
	r := g.round.Get()
	if r.Ends == 0 || now < r.Ends {
		return
	}
	id, best := g.leader()
	r.Number++
	r.Ends = g.roundEnd()
	r.Champion, r.Best = "", 0
	if best != nil {
		r.Champion, r.Best = best.Name, best.Score
		g.over.All(Over{Winner: id, Score: best.Score})
	}
	for id := range g.bullets.All() {
		g.bullets.Remove(id)
	}
	for _, c := range g.crates.All() {
		c.Back = 0
	}
	for _, t := range g.tanks.All() {
		t.Score, t.Kills, t.Deaths = 0, 0, 0
		g.spawn(now, t)
	}
}
