package arena

import "github.com/roomd/roomd/game"

// fire shoots if the gun is ready. A bullet starts under the turret, at the
// tank's centre, so a gun pushed into a wall shoots the wall, not through it.
func (g *Arena) fire(now game.Tick, l living) {
	t := l.t
	if now < t.ready || t.Ammo == 0 {
		return
	}
	t.Ammo--
	t.ready = now + Cooldown
	t.Safe = 0
	t.Reload = 0 // a shot interrupts reloading
	if t.Ammo == 0 {
		t.Reload = now + ReloadTime
	}
	g.bullets.Add(Bullet{X: t.X, Y: t.Y, Angle: t.Aim, Born: now, By: l.id})
	g.shot.All(Shot{By: l.id})
}

// flyBullets moves every bullet one tick on and ends those that met something.
func (g *Arena) flyBullets(now game.Tick) {
	for id, b := range g.bullets.All() {
		if now <= b.Born {
			continue // fired in this very tick
		}
		x, y := b.At(now - 1)
		x1, y1 := b.At(now)
		at, victim := g.meets(now, b, x, y, x1-x, y1-y)
		if at <= 1 {
			hit := Hit{X: x + float64(at*(x1-x)), Y: y + float64(at*(y1-y)), By: b.By}
			if victim.t != nil {
				hit.Tank = victim.id
				g.damage(now, victim, b.By)
			}
			g.hit.All(hit)
		}
		if at <= 1 || now-b.Born >= BulletLife {
			g.bullets.Remove(id)
		}
	}
}

// meets finds what a bullet meets first on its way of this tick: the part of
// the way until then (never: nothing), and the tank unless it is a wall.
func (g *Arena) meets(now game.Tick, b *Bullet, x, y, dx, dy float64) (float64, living) {
	const reach = TankRadius + BulletRadius
	first, victim := never, living{}
	for i := range g.walls {
		first = min(first, crossRect(x, y, dx, dy, &g.walls[i], 0))
	}
	for _, l := range g.living {
		if l.id == b.By || !l.t.Alive() {
			continue
		}
		if at := crossCircle(x, y, dx, dy, l.t.X, l.t.Y, reach); at < first {
			first, victim = at, l
		}
	}
	return first, victim
}

// damage takes a hit's HP from a tank and gives the shooter, if still here, the
// credit.
func (g *Arena) damage(now game.Tick, victim living, by game.ID[Tank]) {
	t := victim.t
	if now < t.Safe {
		return
	}
	t.HP -= min(t.HP, Damage)
	shooter := g.tanks.Get(by)
	if shooter != nil {
		shooter.Score += HitScore
	}
	if t.Alive() {
		return
	}
	t.Deaths++
	t.Respawn = now + RespawnTime
	t.vx, t.vy = 0, 0
	if shooter != nil {
		shooter.Score += KillScore
		shooter.Kills++
	}
	g.kill.All(Kill{Victim: victim.id, By: by})
}

// openCrates gives each crate to a tank that touches it, and puts taken ones
// back in time.
func (g *Arena) openCrates(now game.Tick) {
	for _, c := range g.crates.All() {
		if c.Back != 0 {
			if now < c.Back {
				continue
			}
			c.Back = 0
		}
		for _, l := range g.living {
			if distance(c.X, c.Y, l.t.X, l.t.Y) < TankRadius+CrateRadius && take(l.t, c.What) {
				c.Back = now + CrateTime
				break
			}
		}
	}
}

// take gives a tank what a crate holds; false when it has no use for it.
func take(t *Tank, what uint8) bool {
	switch {
	case !t.Alive():
		return false
	case what == CrateRepair && t.HP < FullHP:
		t.HP = min(FullHP, t.HP+RepairHP)
		return true
	case what == CrateShells && t.Ammo < MaxAmmo:
		t.Ammo = min(MaxAmmo, t.Ammo+ShellCount)
		t.Reload = 0
		return true
	}
	return false
}
