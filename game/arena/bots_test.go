package arena

import (
	"testing"

	"github.com/roomd/roomd/game"
)

func TestBotsLeaveForPeople(t *testing.T) {
	r := newYard(t, 1, nil)
	check := func(people, bots int) {
		t.Helper()
		if p, b := r.census(); p != people || b != bots {
			t.Errorf("%d people and %d bots, want %d and %d", p, b, people, bots)
		}
	}
	check(0, DefaultPopulation)
	for p := game.PlayerID(1); p <= 10; p++ {
		r.join(p, "p")
		r.tick()
		check(int(p), max(0, DefaultPopulation-int(p)))
	}
	for p := game.PlayerID(10); p > 0; p-- {
		r.sim.Leave(p)
		r.tick()
		check(int(p)-1, max(0, DefaultPopulation-int(p)+1))
	}
}

func TestPopulationIsBounded(t *testing.T) {
	for param, want := range map[string]int{"0": 0, "-3": 0, "3": 3, "1000": MaxPlayers, "x": DefaultPopulation} {
		r := newYard(t, 1, game.Params{"bots": param})
		if _, bots := r.census(); bots != want {
			t.Errorf("bots=%s gives %d", param, bots)
		}
	}
}

func TestTheWeakestBotLeaves(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "3"})
	n := int32(0)
	for _, tank := range r.g.tanks.All() {
		tank.Score = (n + 1) % 3 // 1, 2, 0
		n++
	}
	r.join(1, "Ada")
	for _, tank := range r.g.tanks.All() {
		if tank.Bot && tank.Score == 0 {
			t.Error("the bot without a score stayed")
		}
	}
}

// TestBotsLookAlive watches three minutes of bots among themselves.
func TestBotsLookAlive(t *testing.T) {
	const minutes = 3
	for seed := byte(1); seed <= 3; seed++ {
		r := newYard(t, seed, nil)
		type track struct{ x, y, far, still, stillest float64 }
		tracks := map[game.ID[Tank]]*track{}
		shots, kills, hits := 0, 0, 0
		for range minutes * 60 * TickRate {
			r.tick()
			shots += r.events("shot")
			kills += r.events("kill")
			hits += r.events("hit")
			for id, tank := range r.g.tanks.All() {
				k := tracks[id]
				if k == nil {
					k = &track{x: tank.X, y: tank.Y}
					tracks[id] = k
				}
				step := distance(k.x, k.y, tank.X, tank.Y)
				k.x, k.y = tank.X, tank.Y
				k.still++
				if step > TankStep/2 || !tank.Alive() {
					k.still = 0
				}
				if step < 1 { // not a respawn
					k.far += step
				}
				k.stillest = max(k.stillest, k.still)
			}
		}
		t.Logf("seed %d: %d shots, %d hits, %d kills", seed, shots, hits, kills)
		for id, k := range tracks {
			if k.far < minutes*200 {
				t.Errorf("seed %d: bot %d moved only %.0f units", seed, id.Index(), k.far)
			}
			if k.stillest > 2*TickRate {
				t.Errorf("seed %d: bot %d stood still for %.0f ticks", seed, id.Index(), k.stillest)
			}
		}
		if kills < 10*minutes || kills > 80*minutes {
			t.Errorf("seed %d: %d kills in %d minutes", seed, kills, minutes)
		}
		if shots < 3*kills {
			t.Errorf("seed %d: %d shots for %d kills: bots aim too well", seed, shots, kills)
		}
	}
}

// TestBotsDoNotShootWalls: a bot fires only when it saw its target lately.
func TestBotsDoNotShootWalls(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "1"})
	for range 60 * TickRate {
		r.tick()
		if r.events("shot") > 0 {
			t.Fatal("a lonely bot fired")
		}
	}
}
