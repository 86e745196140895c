package arena

import (
	"testing"

	"github.com/roomd/roomd/game"
)

const (
	toRight = uint16(0)
	toLeft  = uint16(1 << 15)
)

// duelists are Ada at (x, y) and Ben to her right by the given distance.
func duelists(t *testing.T, apart float64) (r *rig, ada, ben *Tank) {
	r = newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	r.join(2, "Ben")
	return r, r.place(1, 25, 5), r.place(2, 25+apart, 5)
}

func TestBulletHits(t *testing.T) {
	r, ada, ben := duelists(t, 10)
	r.press(1, Input{Aim: toRight, Fire: true})
	r.tick()
	if r.events("shot") != 1 || r.g.bullets.Len() != 1 || ada.Ammo != Magazine-1 {
		t.Fatalf("after firing: %d shots, %d bullets, %d rounds left", r.events("shot"), r.g.bullets.Len(), ada.Ammo)
	}
	// Ten units less the two radii, at 1.25 a tick: the eighth tick.
	r.ticks(7)
	if ben.HP != FullHP {
		t.Fatal("hit before the bullet could be there")
	}
	r.tick()
	if ben.HP != FullHP-Damage || r.events("hit") != 1 || r.g.bullets.Len() != 0 {
		t.Errorf("HP %d, %d hits, %d bullets", ben.HP, r.events("hit"), r.g.bullets.Len())
	}
	if ada.HP != FullHP || ada.Score != HitScore {
		t.Errorf("shooter: HP %d, score %d", ada.HP, ada.Score)
	}
}

func TestWallsStopBullets(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	r.join(2, "Ben")
	r.place(1, 33, 28)
	ben := r.place(2, 47, 28) // the middle block lies between
	hits := 0
	for range 3 * TickRate {
		r.press(1, Input{Aim: toRight, Fire: true})
		r.tick()
		hits += r.events("hit")
	}
	if ben.HP != FullHP {
		t.Errorf("hit through a wall: HP %d", ben.HP)
	}
	if hits == 0 {
		t.Error("the wall was not hit")
	}
}

func TestGunInWallDoesNotShootThroughIt(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	r.join(2, "Ben")
	r.place(1, 27, 13) // touches the wall from 28 to 30
	ben := r.place(2, 31, 13)
	for range TickRate {
		r.press(1, Input{MoveX: 127, Aim: toRight, Fire: true})
		r.tick()
	}
	if ben.HP != FullHP {
		t.Errorf("HP %d", ben.HP)
	}
}

func TestBulletsEndInTime(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	r.place(1, 5, 5)
	r.press(1, Input{Aim: toRight, Fire: true})
	r.ticks(1 + BulletLife - 1)
	if r.g.bullets.Len() != 1 {
		t.Fatal("gone early")
	}
	r.tick()
	if r.g.bullets.Len() != 0 {
		t.Error("still flying")
	}
}

func TestKilledTankRespawns(t *testing.T) {
	r, ada, ben := duelists(t, 6)
	killed := 0
	for ben.Alive() && r.now < 10*TickRate {
		r.press(1, Input{Aim: toRight, Fire: true})
		r.tick()
		killed += r.events("kill")
	}
	if ben.Alive() || killed != 1 {
		t.Fatalf("alive %t after %d kills told", ben.Alive(), killed)
	}
	if ada.Kills != 1 || ben.Deaths != 1 || ada.Score != FullHP/Damage*HitScore+KillScore {
		t.Errorf("kills %d, deaths %d, score %d", ada.Kills, ben.Deaths, ada.Score)
	}
	died := r.now
	if ben.Respawn != died+RespawnTime {
		t.Errorf("respawn at %d, died at %d", ben.Respawn, died)
	}
	x := ben.X
	for range RespawnTime - 1 {
		r.press(2, Input{MoveX: 127, Fire: true})
		r.tick()
	}
	if ben.Alive() || ben.X != x || ben.Ammo != Magazine {
		t.Fatal("a dead tank acts")
	}
	r.tick()
	if ben.HP != FullHP || ben.Respawn != 0 || ben.Safe != r.now+SafeTime || ben.Deaths != 1 {
		t.Errorf("after its time: %+v", *ben)
	}
	if d := distance(ada.X, ada.Y, ben.X, ben.Y); d < 15 {
		t.Errorf("respawned %v from the enemy", d)
	}
}

func TestNewTanksAreSafeUntilTheyFire(t *testing.T) {
	r, _, ben := duelists(t, 4)
	ben.Safe = 1000
	shoot := func(ticks int) {
		for range ticks {
			r.press(1, Input{Aim: toRight, Fire: true})
			r.tick()
		}
	}
	shoot(20)
	if ben.HP != FullHP {
		t.Fatal("harmed while safe")
	}
	r.press(2, Input{Aim: toLeft + 1<<14, Fire: true})
	shoot(20)
	if ben.HP == FullHP {
		t.Error("safe though it fired")
	}
}

func TestHeldFireKeepsTheCooldown(t *testing.T) {
	r, ada, _ := duelists(t, 40)
	for range 3*Cooldown + 1 {
		r.press(1, Input{Fire: true, Aim: toLeft})
		r.tick()
	}
	if shots := Magazine - ada.Ammo; shots != 4 {
		t.Errorf("%d shots in %d ticks, want 4", shots, 3*Cooldown+1)
	}
}

// TestRepeatedFire: a player whose input is repeated for the full 250 ms fires
// once more at most.
func TestRepeatedFire(t *testing.T) {
	for late := range Cooldown + 1 {
		r, ada, _ := duelists(t, 40)
		held := Input{Fire: true, Aim: toLeft}
		for range late + 1 {
			r.press(1, held)
			r.tick()
		}
		before := ada.Ammo
		for range int(game.RepeatFor.Seconds() * TickRate) {
			r.command(1, game.Repeated, held)
			r.tick()
		}
		if shots := before - ada.Ammo; shots > 1 {
			t.Errorf("%d ticks after the first press: %d shots by repetition", late, shots)
		}
	}
}

func TestReload(t *testing.T) {
	r, ada, _ := duelists(t, 40)
	for ada.Ammo > 0 {
		r.press(1, Input{Fire: true, Aim: toLeft})
		r.tick()
	}
	if ada.Reload != r.now+ReloadTime {
		t.Fatalf("reload at %d, emptied at %d", ada.Reload, r.now)
	}
	for range ReloadTime - 1 {
		r.press(1, Input{Fire: true, Aim: toLeft})
		r.tick()
		if ada.Ammo != 0 {
			t.Fatal("reloaded early")
		}
	}
	r.tick()
	if ada.Ammo != Magazine || ada.Reload != 0 {
		t.Errorf("%d rounds, reload %d", ada.Ammo, ada.Reload)
	}
	// A part-used magazine refills after a pause.
	r.press(1, Input{Fire: true, Aim: toLeft})
	r.ticks(1 + Cooldown + IdleReload + ReloadTime)
	if ada.Ammo != Magazine {
		t.Errorf("%d rounds after a pause", ada.Ammo)
	}
}

func TestCrates(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	ada := r.place(1, 40, 6)
	r.tick()
	repair := func() *Crate {
		for _, c := range r.g.crates.All() {
			return c
		}
		return nil
	}()
	if repair.Back != 0 {
		t.Fatal("a whole tank took repairs")
	}
	ada.HP = 30
	r.tick()
	if ada.HP != 30+RepairHP || repair.Back != r.now+CrateTime {
		t.Errorf("HP %d, crate back at %d", ada.HP, repair.Back)
	}
	ada.HP = 30
	r.ticks(CrateTime - 1)
	if ada.HP != 30 {
		t.Error("took a crate that was not there")
	}
	r.tick()
	if ada.HP != 30+RepairHP {
		t.Error("the crate is not back")
	}
	r.place(1, 15, 15)
	r.tick()
	if ada.Ammo != Magazine+ShellCount {
		t.Errorf("%d rounds after a crate of shells", ada.Ammo)
	}
}

func TestShooterMayLeave(t *testing.T) {
	r, _, ben := duelists(t, 10)
	ben.HP = 1
	r.press(1, Input{Aim: toRight, Fire: true})
	r.tick()
	r.sim.Leave(1)
	kills := 0
	for range 10 {
		r.tick()
		kills += r.events("kill")
	}
	if ben.Alive() || kills != 1 {
		t.Errorf("alive %t, %d kills told", ben.Alive(), kills)
	}
}
