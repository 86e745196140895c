package room

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// Config is what a Room is made of. Kind and ID are required.
type Config struct {
	// ID is the room's name, as wire.ValidRoom has it.
	ID string
	// Kind is the game that is played.
	Kind *game.Kind
	// Epoch names this history of the room and is never used again for the
	// same ID; 0 is 1.
	Epoch uint64
	// Params are handed to the game, which may not change them.
	Params game.Params
	// Seed is that of World.Rand; zero is random.
	Seed [32]byte
	// Phase shifts the room's ticks on the grid of its tick rate, so that many
	// rooms do not tick at once. Whole ticks do not matter.
	Phase time.Duration
	// Grace is how long the seat of a broken connection is kept; 0 is 20 s,
	// negative not at all.
	Grace time.Duration
	// History is the age up to which a viewer's base is still of use; 0 is 2 s.
	History time.Duration
	// CheckEvery is the time between hashes that tell viewers whether they hold
	// what they should; 0 is 1 s, negative never.
	CheckEvery time.Duration
	// Empty is how long the room lives without players and spectators; 0 is
	// 30 s, negative for ever.
	Empty time.Duration
	// CatchUp is the number of late ticks that one Advance makes up for beside
	// the one due; 0 is 3, negative none. Later ones are skipped.
	CatchUp int
	// Post receives what the game posts, after the tick that did, and keeps
	// body; nil drops it. It must not block.
	Post func(topic string, body []byte)
	// OnWake is called when a sleeping room wants Advance to be called now,
	// whatever deadline it returned last; may be nil.
	OnWake func()
	// Clock measures the duration of Step for Stats; nil does not measure.
	Clock func() time.Duration
	// Frames is where frames come from, best shared by the rooms of a process;
	// nil is a pool of the room's own.
	Frames *wire.Pool
	// Scratch is what the room needs only while it runs, best shared by the rooms of
	// a loop; nil is the room's own. Room.SetScratch changes it.
	Scratch *Scratch
	// Log receives the room's log records; nil discards them.
	Log *slog.Logger
	// Rand gives the secrets of seats and the random Seed; nil is crypto/rand.
	Rand io.Reader
}

// Defaults of Config.
const (
	defaultGrace   = 20 * time.Second
	defaultHistory = 2 * time.Second
	defaultEmpty   = 30 * time.Second
	defaultCheck   = time.Second
	defaultCatchUp = 3
	// maxHistory bounds the memory of the ring.
	maxHistory = time.Minute
)

// validate fills defaults and rejects contradictions.
func (c *Config) validate() error {
	switch {
	case c.Kind == nil:
		return errors.New("room: Config.Kind is missing")
	case !wire.ValidRoom(c.ID):
		return fmt.Errorf("room: Config.ID is %q, not 1 to %d of A-Z a-z 0-9 _ -", c.ID, wire.MaxRoom)
	case c.History < 0 || c.History > maxHistory:
		return fmt.Errorf("room: Config.History is %v, not 0 to %v", c.History, maxHistory)
	}
	setDefault(&c.Epoch, 1)
	setDefault(&c.Grace, defaultGrace)
	setDefault(&c.History, defaultHistory)
	setDefault(&c.Empty, defaultEmpty)
	setDefault(&c.CheckEvery, defaultCheck)
	setDefault(&c.CatchUp, defaultCatchUp)
	c.CatchUp = max(c.CatchUp, 0)
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Seed == ([32]byte{}) {
		if _, err := io.ReadFull(c.Rand, c.Seed[:]); err != nil {
			return fmt.Errorf("room: Config.Rand: %w", err)
		}
	}
	if c.Frames == nil {
		c.Frames = &wire.Pool{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
