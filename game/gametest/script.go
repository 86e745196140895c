package gametest

import "github.com/roomd/roomd/game"

// script is one play as it was recorded, to be played again in other rooms.
type script struct {
	seed  [32]byte
	turns []turn
}

// turn is what happens to a room in one tick.
type turn struct {
	now      game.Tick
	acts     []act
	commands []command
}

// actKind is in the order in which a server does these things.
type actKind uint8

const (
	actLeave actKind = iota
	actPresent
	actJoin
	actMail
)

// act is something that happens before Step.
type act struct {
	kind    actKind
	player  game.PlayerID
	info    game.JoinInfo // actJoin
	back    bool          // actPresent: the connection is there again
	letter  letter        // actMail
	refused string        // actJoin: what the game said to the recorded room
}

// command is one player's input of the tick. Who has none is Missed.
type command struct {
	player game.PlayerID
	state  game.State
	seen   game.Tick
	lanes  []int32
}

// leaves reports whether a player leaves in the turn.
func (t *turn) leaves() bool {
	for i := range t.acts {
		if t.acts[i].kind == actLeave {
			return true
		}
	}
	return false
}
