// Package crowd is the fixed workload that roomd is measured with beside other
// servers: players who walk about, each sending one input a tick.
//
// Per player and tick X, Y and Seq change; VX and VY change when the direction
// does, which the bots of the load test do every 15 inputs; HP changes once a
// second. All players see each other. The numbers say nothing of a good game
// and must not change, or results of different days cannot be compared.
//
// The parameter "bots" puts that many walkers without a player into a room, so
// that a benchmark can tick a room nobody is connected to.
package crowd

import (
	"fmt"

	"github.com/roomd/roomd/game"
)

// The workload's fixed numbers.
const (
	TickRate   = 30
	MaxPlayers = 100
	Size       = 1024 // of the square that players walk on, in units; they leave on one side and return on the other
	TurnEvery  = 15   // inputs between changes of direction, for bots here and in the load test
	Directions = 16
	FullHP     = 100
)

// Kind is the workload as the server runs it.
var Kind = game.Define("crowd", options(TickRate), New)

// AtRate is the workload with hz ticks a second as a kind of its own, "crowd20" for
// 20, to measure rooms as other servers have them.
func AtRate(hz int) *game.Kind { return game.Define(fmt.Sprint("crowd", hz), options(hz), New) }

func options(hz int) game.Options {
	return game.Options{TickRate: hz, MaxPlayers: MaxPlayers, Missing: game.Absent, Spectate: game.Everyone}
}

// Input is one tick's command. Seq is the sender's own number for it, which
// returns in the player's row, so that the sender can time it.
type Input struct {
	Dir uint8 // 0 to Directions-1, modulo
	Seq uint32
}

// Walker is one player's row.
type Walker struct {
	X   float32 `net:"all,quant=1/8,pos"`
	Y   float32 `net:"all,quant=1/8,pos"`
	VX  int16   `net:"all"` // eighths of a unit a tick
	VY  int16   `net:"all"`
	Seq uint32  `net:"all"`
	HP  uint8   `net:"all"`
}

// velocities has one entry for each direction, none of them parallel to an
// axis, so that both coordinates of a walker change each tick.
var velocities = [Directions][2]int16{
	{24, 5}, {20, 13}, {13, 20}, {5, 24}, {-5, 24}, {-13, 20}, {-20, 13}, {-24, 5},
	{-24, -5}, {-20, -13}, {-13, -20}, {-5, -24}, {5, -24}, {13, -20}, {20, -13}, {24, -5},
}

// Crowd is one room of the workload.
type Crowd struct {
	w       *game.World
	walkers *game.Table[Walker]
}

// New makes the workload of a room; see game.Define.
func New(w *game.World) game.Game[Input] {
	return &Crowd{w: w, walkers: game.NewTable[Walker](w, "walker")}
}

// Start puts the bots of the parameter "bots" into the room.
func (c *Crowd) Start() {
	for i := range min(max(c.w.Params().Int("bots", 0), 0), MaxPlayers) {
		c.add(i)
	}
}

// Join gives the player a walker.
func (c *Crowd) Join(p game.PlayerID, _ game.JoinInfo) error {
	id := c.add(int(p))
	if id == 0 {
		return fmt.Errorf("crowd: no row for player %d", p)
	}
	c.walkers.Own(id, p)
	return nil
}

// Leave takes the player's walker out.
func (c *Crowd) Leave(p game.PlayerID) {
	for id := range c.walkers.Of(p) {
		c.walkers.Remove(id)
	}
}

// Step moves everyone. A player whose input is missing walks on.
func (c *Crowd) Step(now game.Tick, in game.Inputs[Input]) {
	for id, k := range c.walkers.All() {
		n := int(now) + 7*id.Index() // walkers change at different ticks, as players do
		if p := c.walkers.Owner(id); p == 0 {
			k.Seq++
			if n%TurnEvery == 0 {
				k.turn(uint8(c.w.Rand().IntN(Directions)))
			}
		} else if cmd := in.Of(p); cmd.State != game.Missed {
			k.Seq = cmd.Input.Seq
			k.turn(cmd.Input.Dir)
		}
		if n%c.w.Rate() == 0 {
			k.HP = k.HP%FullHP + 1
		}
		k.X = wrap(k.X + float32(k.VX)/8)
		k.Y = wrap(k.Y + float32(k.VY)/8)
	}
}

// add puts a walker at a random place, walking in direction n.
func (c *Crowd) add(n int) game.ID[Walker] {
	r := c.w.Rand()
	k := Walker{X: float32(r.IntN(Size*8)) / 8, Y: float32(r.IntN(Size*8)) / 8, HP: FullHP}
	k.turn(uint8(n % Directions))
	return c.walkers.Add(k)
}

func (k *Walker) turn(dir uint8) {
	v := velocities[dir%Directions]
	k.VX, k.VY = v[0], v[1]
}

func wrap(v float32) float32 {
	switch {
	case v >= Size:
		return v - Size
	case v < 0:
		return v + Size
	}
	return v
}
