package crowd

import (
	"fmt"

	"github.com/roomd/roomd/game"
)

// Counted is the workload in which each player also has a row of its own that
// counts its inputs, for tests of what is lost and what comes twice. It is a kind
// of its own, so that the bytes of the workload stay what they are.
var Counted = game.Define("counted", Kind.Options(), NewCounted)

// Lives is how many lives a sender can tell apart, see CountedDir.
const Lives = 16

// CountedDir is the Dir of an input that also says in which life its sender is.
// Inputs of one life have numbers without gaps; what happened between two lives is
// the sender's to judge.
func CountedDir(dir, life uint8) uint8 { return dir%Directions + life%Lives*Directions }

// Tally is one player's count of the inputs applied. Only the player is shown it.
type Tally struct {
	First uint32 `net:"owner"` // number of the first one: another one later is another seat
	Last  uint32 `net:"owner"` // of the last one
	Gaps  uint32 `net:"owner"` // numbers of one life that were left out
	Twice uint32 `net:"owner"` // inputs whose number was not above the one before
	life  uint8
}

type counted struct {
	*Crowd
	tallies *game.Table[Tally]
}

// NewCounted makes the counted workload of a room; see game.Define.
func NewCounted(w *game.World) game.Game[Input] {
	return &counted{Crowd: New(w).(*Crowd), tallies: game.NewTable[Tally](w, "tally")}
}

// Join gives the player a walker and a tally.
func (c *counted) Join(p game.PlayerID, info game.JoinInfo) error {
	if err := c.Crowd.Join(p, info); err != nil {
		return err
	}
	id := c.tallies.Add(Tally{})
	if id == 0 {
		return fmt.Errorf("crowd: no tally for player %d", p)
	}
	c.tallies.Own(id, p)
	return nil
}

// Leave takes both out.
func (c *counted) Leave(p game.PlayerID) {
	c.Crowd.Leave(p)
	for id := range c.tallies.Of(p) {
		c.tallies.Remove(id)
	}
}

// Step counts, then moves everyone.
func (c *counted) Step(now game.Tick, in game.Inputs[Input]) {
	for id, t := range c.tallies.All() {
		if cmd := in.Of(c.tallies.Owner(id)); cmd.State == game.Fresh {
			t.count(cmd.Input)
		}
	}
	c.Crowd.Step(now, in)
}

func (t *Tally) count(in Input) {
	life := in.Dir / Directions
	switch {
	case t.First == 0:
		t.First = in.Seq
	case in.Seq <= t.Last:
		t.Twice++
		return
	case life == t.life:
		t.Gaps += in.Seq - t.Last - 1
	}
	t.Last, t.life = in.Seq, life
}
