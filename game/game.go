package game

import (
	"iter"
	"time"
)

// Game holds the rules of a kind. Its methods are called by one goroutine,
// between ticks of one room only; they must not block, start goroutines that
// touch the world, or read clocks. All state that matters lives in tables and
// values of the World, else it is lost in a move (see StateSaver).
type Game[I any] interface {
	// Join seats a player before the Step of the tick. The text of an error is
	// told to the player, who is then not seated.
	Join(p PlayerID, info JoinInfo) error
	// Leave takes the player's things out of the game. What the player still
	// owns afterwards is released by the engine: no owner, secrets zeroed.
	Leave(p PlayerID)
	// Step advances the game by one fixed step of 1/TickRate seconds. in is
	// valid until Step returns.
	Step(now Tick, in Inputs[I])
}

// Optional abilities of a Game, found by assertion.
type (
	// Starter seeds the first rows, once in a room's life: not after a restore.
	Starter interface{ Start() }
	// Restorer is told that the tables were filled from a checkpoint.
	Restorer interface{ Restored() }
	// Presenter is told when a seated player's connection breaks and returns.
	Presenter interface {
		Present(p PlayerID, connected bool)
	}
	// Mailer receives what the server's own handlers send to the room.
	Mailer interface {
		Mail(topic string, body []byte)
	}
	// StateSaver saves state that cannot live in tables, such as a physics world.
	// The bytes are the game's own: LoadState is given those of an older build as
	// they are, so they should begin with a version; it is not called if that
	// build had no AppendState.
	StateSaver interface {
		AppendState(dst []byte) []byte
		LoadState(src []byte) error
	}
	// Migrator sees to what a newer build of a game does not load by itself from a
	// checkpoint of an older one. Without it, tables and fields that both have by
	// name (that of the Go field) are loaded, rows with their IDs, owners and
	// teams; new ones are zero, and those that are gone are dropped. To rename is
	// both. A field may have become wider: an int8 an int16, a float32 a float64, a
	// string or an array longer; how finely a float is sent does not matter. Any
	// other change (to another type or a narrower one, to an ID of another table,
	// of a Table to a Value, of the tick rate) refuses the checkpoint with an error
	// that names the field. With a Migrator, such fields are zero instead. A taken
	// seat above Options.MaxPlayers refuses it in any case.
	//
	// Migrate is called after LoadState and before Restored, if tables, events,
	// inputs, the tick rate or the number of seats were declared otherwise when the
	// checkpoint was written. Its error refuses the checkpoint:
	//
	//	func (g *Tanks) Migrate(old game.Old) error {
	//		if old.Has("tank", "Speed") { // VX and VY since
	//			for id, t := range g.tanks.All() {
	//				t.VX = float32(old.Row("tank", id.Index()).Float("Speed"))
	//			}
	//		}
	//		return nil
	//	}
	Migrator interface{ Migrate(old Old) error }
	// Summarizer publishes a few facts for the room list, once a second at most.
	Summarizer interface{ Summary() Params }
	// Closer frees what the garbage collector cannot, when the room ends.
	Closer interface{ Close() error }
)

// JoinInfo says who wants a seat.
type JoinInfo struct {
	Name   string // as the player asks to be called; untrusted, at most 64 bytes
	User   string // as Admit identified the player; empty without Admit
	Params Params // from the player's hello; untrusted
	Data   []byte // from Admit; valid until Join returns
}

// State says where a Command came from.
type State uint8

const (
	// Missed: the player sent nothing in time; the input is zero.
	Missed State = iota
	// Fresh: the input was sent for this tick.
	Fresh
	// Repeated: the last input again, its once fields zeroed.
	Repeated
)

// Command is a player's input of one tick.
type Command[I any] struct {
	Player PlayerID
	State  State
	Seen   Tick // newest tick that the player saw when pressing
	Input  I
}

// Inputs holds the commands of one tick, one for each seated player. It is
// valid until Step returns.
type Inputs[I any] struct{ c *commands[I] }

// Of is the command of player p; it is zero and Missed for an empty seat.
func (in Inputs[I]) Of(p PlayerID) Command[I] {
	if int(p) >= len(in.c.by) || !in.c.taken(p) {
		return Command[I]{Player: p}
	}
	return in.c.by[p]
}

// All yields the commands of all seated players in order of seat.
func (in Inputs[I]) All() iter.Seq[Command[I]] {
	return func(yield func(Command[I]) bool) {
		for p := 1; p < len(in.c.by); p++ {
			if in.c.taken(PlayerID(p)) && !yield(in.c.by[p]) {
				return
			}
		}
	}
}

// Missing says what a player's command is when no input arrived in time.
type Missing uint8

const (
	// Absent gives a zero input, right for turns and clicks.
	Absent Missing = iota
	// Repeat gives the last input for RepeatFor, then a zero one: right for
	// sticks and steering. Fields tagged once are zeroed.
	Repeat
)

// RepeatFor is how long Missing == Repeat stands in for a silent player.
const RepeatFor = 250 * time.Millisecond

// Limits and defaults of Options.
const (
	DefaultTickRate   = 20
	MaxTickRate       = 120
	DefaultMaxPlayers = 16
	MaxMaxPlayers     = 1024
)

// Options are the fixed properties of a kind. The zero value works.
type Options struct {
	TickRate   int     // steps per second, 1 to MaxTickRate; 0 is DefaultTickRate
	MaxPlayers int     // seats, 1 to MaxMaxPlayers; 0 is DefaultMaxPlayers
	Missing    Missing // what stands in for an input that did not come
	// Sleeps lets a room rest while nobody sends anything and World.Sleep was
	// not given an earlier tick: Step is not called, the tick follows the clock.
	Sleeps bool
	// Isolated gives each room a loop of its own, for a Step that may take
	// longer than a millisecond.
	Isolated bool
	// Nondeterministic declares that the same inputs need not give the same
	// state, which costs the kind replay and standby but not moving.
	Nondeterministic bool
	// Spectate is what spectators see beside rows shown to Spectators.
	Spectate Teams
	// SpectateDelay is the least delay of what the public sees, for games in which
	// watching live would help a player. Live spectators are refused then.
	SpectateDelay time.Duration
}
