// Package arena is the flagship game of roomd: tanks in a walled yard, seen
// from above, every one against all, with rounds of five minutes and bots that
// fill the seats people leave empty.
//
// It shows what a fast game needs: a pure movement function that the browser
// repeats bit for bit ([Move]), a field that only its owner sees (Tank.Ammo),
// bullets that are sent once ([Bullet]), bots whose thoughts are part of the
// state, and no state outside tables.
//
// A kind has two parameters: "bots", the number of tanks up to which bots fill
// the room (default 7), and "round", the seconds of a round (default 300, 0 for
// endless).
package arena

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
)

// Kind is the game as the server runs it.
var Kind = game.Define("arena", game.Options{
	TickRate:   TickRate,
	MaxPlayers: MaxPlayers,
	Missing:    game.Repeat,
	Spectate:   game.Everyone,
}, New)

// Arena is one room's game. Everything that matters is in tables; the plain
// fields are made anew from them.
type Arena struct {
	w       *game.World
	tanks   *game.Table[Tank]
	bullets *game.Table[Bullet]
	wallRow *game.Table[Wall]
	crates  *game.Table[Crate]
	round   *game.Value[Round]
	shot    *game.Event[Shot]
	hit     *game.Event[Hit]
	kill    *game.Event[Kill]
	over    *game.Event[Over]

	walls  []Rect   // as in wallRow
	sites  []site   // follow from walls
	living []living // the living tanks, valid within Step
}

// living is a tank that can be hit and seen. Tanks are removed only between
// steps, so the pointer outlasts one.
type living struct {
	id game.ID[Tank]
	t  *Tank
}

// New makes the game of a room; see game.Define.
func New(w *game.World) game.Game[Input] {
	return &Arena{
		w:       w,
		tanks:   game.NewTable[Tank](w, "tank"),
		bullets: game.NewTable[Bullet](w, "bullet"),
		wallRow: game.NewTable[Wall](w, "wall"),
		crates:  game.NewTable[Crate](w, "crate"),
		round:   game.NewValue[Round](w, "round"),
		shot:    game.NewEvent[Shot](w, "shot", game.Fleeting()),
		hit:     game.NewEvent[Hit](w, "hit", game.Fleeting()),
		kill:    game.NewEvent[Kill](w, "kill"),
		over:    game.NewEvent[Over](w, "over"),
	}
}

// Start builds the yard and lets the bots in.
func (g *Arena) Start() {
	for _, r := range yardWalls() {
		g.wallRow.Add(Wall(r))
	}
	for _, c := range yardCrates() {
		g.crates.Add(c)
	}
	*g.round.Get() = Round{Number: 1, Ends: g.roundEnd()}
	g.Restored()
	g.balance()
}

// Restored makes what follows from the tables.
func (g *Arena) Restored() {
	g.walls = g.walls[:0]
	for _, w := range g.wallRow.All() {
		g.walls = append(g.walls, Rect(*w))
	}
	g.sites = findSites(g.walls)
}

// Join gives the player a tank; a bot makes room for it.
func (g *Arena) Join(p game.PlayerID, info game.JoinInfo) error {
	name := cleanName(info.Name)
	if name == "" {
		name = "player " + strconv.Itoa(int(p))
	}
	id := g.addTank(Tank{Name: name})
	g.tanks.Own(id, p)
	g.balance()
	return nil
}

// Leave takes the player's tank out; a bot may take the place. Bullets in
// flight stay.
func (g *Arena) Leave(p game.PlayerID) {
	for id := range g.tanks.Of(p) {
		g.tanks.Remove(id)
	}
	g.balance()
}

// Present marks the tank of a player whose connection broke.
func (g *Arena) Present(p game.PlayerID, connected bool) {
	for _, t := range g.tanks.Of(p) {
		t.Away = !connected
	}
}

// Summary tells the room list who leads.
func (g *Arena) Summary() game.Params {
	_, best := g.leader()
	if best == nil {
		return game.Params{"round": strconv.Itoa(int(g.round.Get().Number))}
	}
	return game.Params{
		"round":  strconv.Itoa(int(g.round.Get().Number)),
		"leader": best.Name,
		"score":  strconv.Itoa(int(best.Score)),
	}
}

// Step advances the yard by a thirtieth of a second.
func (g *Arena) Step(now game.Tick, in game.Inputs[Input]) {
	g.endRound(now)
	g.revive(now)
	g.listLiving()
	for _, l := range g.living {
		switch p := g.tanks.Owner(l.id); {
		case l.t.Bot:
			g.drive(now, l, g.decide(now, l))
		case in.Of(p).State != game.Missed:
			g.drive(now, l, in.Of(p).Input)
		default: // silent: it stands, its turret stays where it was
			g.drive(now, l, Input{Aim: l.t.Aim})
		}
	}
	g.flyBullets(now)
	g.openCrates(now)
}

// drive applies one tank's input of the tick.
func (g *Arena) drive(now game.Tick, l living, in Input) {
	t := l.t
	x, y := Move(t.X, t.Y, in, g.walls)
	t.vx, t.vy = x-t.X, y-t.Y
	t.X, t.Y = x, y
	t.Heading = Steer(t.Heading, in)
	t.Aim = in.Aim
	if t.Reload != 0 && now >= t.Reload {
		t.Ammo, t.Reload = max(t.Ammo, Magazine), 0
	}
	if in.Fire {
		g.fire(now, l)
	}
	if t.Reload == 0 && t.Ammo < Magazine && now >= t.ready+IdleReload {
		t.Reload = now + ReloadTime
	}
}

func (g *Arena) listLiving() {
	g.living = g.living[:0]
	for id, t := range g.tanks.All() {
		if t.Alive() {
			g.living = append(g.living, living{id, t})
		}
	}
}

// cleanName keeps what can be shown of a name, in at most 16 bytes.
func cleanName(s string) string {
	const limit = 16
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
