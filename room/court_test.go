package room

import (
	"fmt"

	"github.com/roomd/roomd/game"
)

// court is the game of the tests: every player has a unit that adds up its
// inputs, a purse that nobody else sees, and a secret in the unit.
type court struct {
	w     *game.World
	units *game.Table[unit]
	purse *game.Table[purse]
	round *game.Value[round]
	hit   *game.Event[hit]
	spark *game.Event[hit]
	note  *game.Event[note]
	hooks *hooks
}

type unit struct {
	X     int32             `net:"all"`
	Last  int8              `net:"all"`
	State uint8             `net:"all"`
	Fires uint16            `net:"all"`
	Ammo  uint8             `net:"owner"`
	Aim   game.ID[unit]     `net:"all"`
	Trail [4]int16          `net:"all"`
	Seen  game.Tick         // of the newest input
	Log   [16]game.PlayerID // never leaves the server
}

type purse struct {
	Coins uint16 `net:"all"`
	Pin   uint32 `net:"owner"`
}

type round struct {
	N uint32 `net:"all"`
}

type hit struct{ N int32 }

type note struct {
	Text string `net:"max=20"`
}

type move struct {
	Dx   int8 `net:"range=-5..5"`
	Fire bool `net:"once"`
}

// hooks let a script put its own rules into the game.
type hooks struct {
	start   func(*court)
	join    func(*court, game.PlayerID, game.JoinInfo) error
	leave   func(*court, game.PlayerID)
	mail    func(*court, string, []byte)
	step    func(*court, game.Tick)
	summary func(*court) game.Params
	close   func() error

	ticks    []game.Tick // of Step
	applied  []string    // "p:State:dx:seen" of each command
	presence []string
}

func (g *court) Start() {
	if g.hooks.start != nil {
		g.hooks.start(g)
	}
}

func (g *court) Join(p game.PlayerID, info game.JoinInfo) error {
	if g.hooks.join != nil {
		if err := g.hooks.join(g, p, info); err != nil {
			return err
		}
	}
	id := g.units.Add(unit{Ammo: uint8(100 + p)})
	g.units.Own(id, p)
	coins := g.purse.Add(purse{Coins: uint16(p) * 10, Pin: 7000 + uint32(p)})
	g.purse.Own(coins, p)
	g.purse.Show(coins, game.Nobody)
	return nil
}

func (g *court) Leave(p game.PlayerID) {
	if g.hooks.leave != nil {
		g.hooks.leave(g, p)
	}
	for id := range g.purse.Of(p) {
		g.purse.Remove(id)
	}
	// The unit stays, without an owner: the engine takes its secrets.
}

func (g *court) Present(p game.PlayerID, connected bool) {
	g.hooks.presence = append(g.hooks.presence, fmt.Sprintf("%d:%t", p, connected))
}

func (g *court) Mail(topic string, body []byte) {
	if g.hooks.mail != nil {
		g.hooks.mail(g, topic, body)
	}
}

func (g *court) Summary() game.Params {
	if g.hooks.summary != nil {
		return g.hooks.summary(g)
	}
	return nil
}

func (g *court) Close() error {
	if g.hooks.close != nil {
		return g.hooks.close()
	}
	return nil
}

func (g *court) Step(now game.Tick, in game.Inputs[move]) {
	g.hooks.ticks = append(g.hooks.ticks, now)
	g.round.Get().N++
	for p := range g.w.Players() {
		c := in.Of(p)
		if c.State != game.Missed {
			g.hooks.applied = append(g.hooks.applied, fmt.Sprintf("%d:%s:%d:%d", p, stateNames[c.State], c.Input.Dx, c.Seen))
		}
		for _, u := range g.units.Of(p) {
			u.X += int32(c.Input.Dx)
			u.Last, u.State, u.Seen = c.Input.Dx, uint8(c.State), c.Seen
			u.Trail[now%4] = int16(u.X)
			if c.Input.Fire {
				u.Fires++
				u.Ammo--
			}
		}
	}
	if g.hooks.step != nil {
		g.hooks.step(g, now)
	}
}

var stateNames = map[game.State]string{game.Missed: "missed", game.Fresh: "fresh", game.Repeated: "repeated"}

func courtKind(o game.Options, h *hooks) *game.Kind {
	return game.Define("court", o, func(w *game.World) game.Game[move] { return newCourt(w, h) })
}

func newCourt(w *game.World, h *hooks) *court {
	return &court{
		w: w, hooks: h,
		units: game.NewTable[unit](w, "unit"), purse: game.NewTable[purse](w, "purse"),
		round: game.NewValue[round](w, "round"),
		hit:   game.NewEvent[hit](w, "hit"), spark: game.NewEvent[hit](w, "spark", game.Fleeting()),
		note: game.NewEvent[note](w, "note"),
	}
}
