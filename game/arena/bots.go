package arena

import "github.com/roomd/roomd/game"

// mind is what a bot has in mind. It is part of the tank's row, so checkpoints
// and replays hold it, and of no field that is sent.
type mind struct {
	goalX, goalY float64       // where it roams to, or saw its target last
	pastX, pastY float64       // where it was at its last thought
	target       game.ID[Tank] // whom it fights
	sees         bool          // the target, at its last thought
	stuck        bool          // it wanted to move since its last thought and could not
	react        game.Tick     // not firing before: nobody shoots at first sight
	miss         int32         // error of its aim, an angle
	side         float64       // it circles its target to this side, 1 or -1
	moveX, moveY int8          // the stick, held from thought to thought as a hand does
	turns        game.Tick     // in a fight, not turning before unless a wall is near
}

const (
	thinkEvery = 6    // ticks between a bot's thoughts
	commit     = 15   // ticks that a fighting bot keeps its way, so that it does not tremble
	botSight   = 28.0 // units
	botNear    = 9.0  // it keeps its target between these
	botFar     = 15.0
	botTurn    = 1300 // of its turret a tick
	botAim     = 1400 // it fires when its aim is at most so far off
	botRest    = 8    // ticks that a bot waits beyond the cooldown: people need a chance
	botHurt    = 50   // HP below which it looks for repairs
)

// decide is a bot's input of this tick. It knows no more than a player sees.
func (g *Arena) decide(now game.Tick, l living) Input {
	t := l.t
	m := &t.mind
	thinks := (int(now)+l.id.Index())%thinkEvery == 0
	if thinks {
		g.think(now, l)
	}
	foe := g.tanks.Get(m.target)
	fights := m.sees && foe != nil && foe.Alive()
	if thinks && (!fights || now >= m.turns || !g.free(t, Angle(t.vx, t.vy))) {
		way := Angle(m.goalX-t.X, m.goalY-t.Y)
		if fights {
			way += m.circle(distance(t.X, t.Y, m.goalX, m.goalY))
			m.turns = now + commit
		}
		m.moveX, m.moveY = g.steer(t, way)
	}
	in := Input{MoveX: m.moveX, MoveY: m.moveY}
	if fights {
		g.shootAt(now, t, foe, &in)
	} else {
		// The turret looks about, mostly ahead.
		in.Aim = Turn(t.Aim, Angle(m.goalX-t.X, m.goalY-t.Y)+uint16(4*m.miss), botTurn/2)
	}
	return in
}

// think renews what a bot wants: whom to fight, where to go, how well to aim.
func (g *Arena) think(now game.Tick, l living) {
	t := l.t
	m := &t.mind
	m.stuck = distance(m.pastX, m.pastY, t.X, t.Y) < TankStep
	m.pastX, m.pastY = t.X, t.Y
	if m.side == 0 || m.stuck || g.w.Rand().IntN(10) == 0 {
		m.side = float64(g.w.Rand().IntN(2)*2 - 1)
	}
	// Better bots sit in some rows than in others, so a room has both.
	wide := int32(1200 + 500*(l.id.Index()%4))
	m.miss = g.w.Rand().Int32N(2*wide+1) - wide
	foe := g.seek(now, l)
	if foe != 0 && foe != m.target {
		m.react = now + 8 + game.Tick(g.w.Rand().IntN(10))
	}
	m.sees = foe != 0
	if m.sees {
		m.target = foe
		o := g.tanks.Get(foe)
		m.goalX, m.goalY = o.X, o.Y
		return
	}
	if m.stuck || distance(t.X, t.Y, m.goalX, m.goalY) < 2*TankRadius {
		m.target = 0
		g.chooseGoal(t)
	}
}

// seek is the nearest tank that the bot can see and harm; the one it fights
// already seems nearer than it is, so that bots finish what they began.
func (g *Arena) seek(now game.Tick, l living) game.ID[Tank] {
	var found game.ID[Tank]
	best := botSight
	for _, o := range g.living {
		if o.id == l.id || now < o.t.Safe {
			continue
		}
		d := distance(l.t.X, l.t.Y, o.t.X, o.t.Y)
		if o.id == l.t.mind.target {
			d -= botNear
		}
		if d < best && open(l.t.X, l.t.Y, o.t.X, o.t.Y, 0, g.walls) {
			found, best = o.id, d
		}
	}
	return found
}

// chooseGoal picks where to roam next: a crate it needs and sees, else the
// farthest of some sites to which the way is straight and free, rather ahead
// than behind.
func (g *Arena) chooseGoal(t *Tank) {
	const tries = 24
	if x, y, ok := g.wanted(t); ok {
		t.mind.goalX, t.mind.goalY = x, y
		return
	}
	best := 0.0
	for range tries {
		s := g.sites[g.w.Rand().IntN(len(g.sites))]
		worth := distance(t.X, t.Y, s.x, s.y)
		if off := int16(Angle(s.x-t.X, s.y-t.Y) - t.Heading); off > 1<<14 || off < -1<<14 {
			worth /= 4
		}
		if worth > best && open(t.X, t.Y, s.x, s.y, TankRadius, g.walls) {
			t.mind.goalX, t.mind.goalY, best = s.x, s.y, worth
		}
	}
}

// wanted is a crate in straight reach that the bot has use for.
func (g *Arena) wanted(t *Tank) (x, y float64, ok bool) {
	for _, c := range g.crates.All() {
		useful := c.What == CrateRepair && t.HP < botHurt || c.What == CrateShells && t.Ammo < Magazine/2
		if useful && c.Back == 0 && open(t.X, t.Y, c.X, c.Y, TankRadius, g.walls) {
			return c.X, c.Y, true
		}
	}
	return 0, 0, false
}

// circle is by how much a fighting bot turns off the straight way to a target
// at distance far: round it, nearer when it is far and away when it is near.
func (m *mind) circle(far float64) uint16 {
	off := uint16(1 << 14)
	switch {
	case far > botFar:
		off = 1 << 13
	case far < botNear:
		off = 3 << 13
	}
	if m.side < 0 {
		return -off
	}
	return off
}

// shootAt aims where the target will be when a bullet gets there, and fires.
func (g *Arena) shootAt(now game.Tick, t, foe *Tank, in *Input) {
	dx, dy := foe.X-t.X, foe.Y-t.Y
	flight := distance(0, 0, dx, dy) / BulletStep
	aim := Angle(dx+float64(foe.vx*flight), dy+float64(foe.vy*flight)) + uint16(t.mind.miss)
	in.Aim = Turn(t.Aim, aim, botTurn)
	off := int(int16(aim - in.Aim))
	in.Fire = now >= max(t.mind.react, t.ready+botRest) && max(off, -off) < botAim
}

// steer is a full stick in the direction nearest to way that is free.
func (g *Arena) steer(t *Tank, way uint16) (moveX, moveY int8) {
	// Eighths of a turn to try, on the bot's own side first.
	side := 1
	if t.mind.side < 0 {
		side = -1
	}
	for _, n := range [...]int{0, 1, -1, 2, -2, 3, -3, 4} {
		if a := way + uint16(side*n<<13); g.free(t, a) {
			return int8(floor(float64(Cos(a)*127) + 0.5)), int8(floor(float64(Sin(a)*127) + 0.5))
		}
	}
	return 0, 0
}

// free reports whether no wall is in that direction until the next thought. It
// asks for a little less room than a tank's: sliding along a wall is fine.
func (g *Arena) free(t *Tank, way uint16) bool {
	const ahead = thinkEvery*TankStep + 0.5
	return open(t.X, t.Y, t.X+float64(Cos(way)*ahead), t.Y+float64(Sin(way)*ahead), TankRadius-0.1, g.walls)
}
