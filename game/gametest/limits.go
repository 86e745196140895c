package gametest

import "time"

const (
	// DefaultTicks is how many ticks a play has without the option Ticks, and
	// shortTicks with go test -short.
	DefaultTicks = 1000
	shortTicks   = 200
	// MaxTicks bounds the option Ticks.
	MaxTicks = 1_000_000
	// DefaultPlayers is how many seats take part without the option Players,
	// or all seats of a smaller kind.
	DefaultPlayers = 8

	// leastTicks are played even if they take longer than patience, which ends
	// a play or a check of it early, unless the option Ticks is given.
	leastTicks = 40
	patience   = 300 * time.Millisecond
	// maxPlays bounds the rooms that are played when the game ends them early.
	maxPlays = 6

	// maxFindings bounds what one check says.
	maxFindings = 8
	// maxTeams bounds the viewers who are in one team alone.
	maxTeams = 6
	// history is the number of entries that viewers can lag behind.
	history = 16
	// restores is the number of checkpoints that a play is continued from, for
	// restoredTicks each.
	restores      = 5
	restoredTicks = 300
	// disturbed is about how many rows of a table are changed at a time to see
	// whether what viewers may not see changes what they are sent.
	disturbed = 64.0
	// partings is the number of players whose leave is looked at in each play.
	partings = 12
	// measured is the number of steps whose allocations are counted.
	measured = 100
	// lostCaptures is how often in a row a number must lose its movement in one
	// direction before that is told, if it did not lose a whole quantum before.
	lostCaptures = 30
	// stackLines is how much of a panic's stack is shown.
	stackLines = 24
)
