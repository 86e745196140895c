package game

import (
	"errors"
	"fmt"
)

// Sim is the simulation of one room: the game, its world and its state. It is
// the only door through which a room drives a game; all methods are called on
// the room's goroutine. Panics of the game pass through.
//
// A tick is, in this order: Begin, any of Join, Leave, Present, Mail and
// Command, then Step, then Capture. Capture is part of the simulation: it
// rounds the state to what the players receive.
type Sim struct {
	kind     *Kind
	w        *World
	rules    rules
	scratch  []byte // Hash's checkpoint
	migrated bool
}

// SimConfig is what a room gives its simulation. The zero value works.
type SimConfig struct {
	// Seed of World.Rand.
	Seed [32]byte
	// Params of the room, not changed afterwards.
	Params Params
	// Post receives what the game posts and keeps body; nil drops it.
	Post func(topic string, body []byte)
	// Warn receives mistakes of the game that do not stop it; may be nil.
	Warn func(msg string)
}

// Asked is what the game asked of the room.
type Asked struct {
	SleepSet   bool // World.Sleep was called
	SleepUntil Tick // 0: until woken
	Kicks      []Kick
	Ended      bool // World.End was called
	EndReason  string
}

// Kick is one player whom the game wants out.
type Kick struct {
	Player PlayerID
	Reason string
}

// Errors of Sim.Join beside those of the game.
var (
	ErrNoSeat    = errors.New("game: no such seat")
	ErrSeatTaken = errors.New("game: the seat is taken")
)

func newSim(k *Kind, w *World, r rules) *Sim { return &Sim{kind: k, w: w, rules: r} }

// Schema is the kind's, shared and constant.
func (s *Sim) Schema() *Schema { return s.kind.schema }

// Options are the kind's, defaults filled in.
func (s *Sim) Options() Options { return s.kind.opts }

// Start lets the game seed its first rows: once in a room's life, before all
// else, and not when LoadCheckpoint follows.
func (s *Sim) Start() {
	if g, ok := s.rules.game().(Starter); ok {
		g.Start()
	}
}

// Begin sets World.Now for the calls before Step, which sets it too. A room
// that slept calls it so that joins and mail find the present tick.
func (s *Sim) Begin(now Tick) { s.w.now = now }

// Join takes seat p, in Team(0), and lets the game seat the player. On an error
// the seat is free again and holds nothing.
func (s *Sim) Join(p PlayerID, info JoinInfo) error {
	if p == 0 || int(p) > s.w.opts.MaxPlayers {
		return fmt.Errorf("%w: %d", ErrNoSeat, p)
	}
	if s.w.taken(p) {
		return fmt.Errorf("%w: %d", ErrSeatTaken, p)
	}
	s.w.sit(p, Team(0))
	if err := s.rules.join(p, info); err != nil {
		s.free(p)
		return err
	}
	return nil
}

// Leave lets the game part with the player and frees the seat: what p still
// owns loses its owner and its owner fields, events to p are dropped.
func (s *Sim) Leave(p PlayerID) {
	if !s.w.taken(p) {
		return
	}
	s.rules.leave(p)
	s.free(p)
}

func (s *Sim) free(p PlayerID) {
	s.w.release(p)
	s.rules.forget(p)
}

// Migrated reports whether the checkpoint that was loaded was of another build, in
// which the kind is declared otherwise.
func (s *Sim) Migrated() bool { return s.migrated }

// Taken reports whether a player has the seat.
func (s *Sim) Taken(p PlayerID) bool { return s.w.taken(p) }

// Present tells the game that a seated player's connection broke or is back.
func (s *Sim) Present(p PlayerID, connected bool) {
	if g, ok := s.rules.game().(Presenter); ok && s.w.taken(p) {
		g.Present(p, connected)
	}
}

// Mail hands a message of the server's own handlers to the game. body is the
// game's afterwards.
func (s *Sim) Mail(topic string, body []byte) {
	if g, ok := s.rules.game().(Mailer); ok {
		g.Mail(topic, body)
	}
}

// Command gives player p's input for the coming Step, as lanes of Schema.Input
// (not kept; nil is the zero input). Values are brought into their range. For
// Repeated the fields tagged once are zeroed. A lane of type LeafRef holds the
// row's index + 1, as clients know it; the game receives the ID of the row that
// has the index, or none if p cannot have seen that row by tick seen.
func (s *Sim) Command(p PlayerID, st State, seen Tick, lanes []int32) {
	if s.w.taken(p) {
		s.rules.command(p, st, seen, lanes)
	}
}

// Step runs the game's Step for tick now. Seats without a Command since the
// last Step are Missed, with a zero input.
func (s *Sim) Step(now Tick) {
	s.w.now = now
	s.w.forgetTold()
	s.rules.step(now)
}

// Capture ends the tick: it rounds and bounds the replicated values in the rows
// themselves (fields tagged show keep theirs) and writes rows, events since the
// last capture and each seat's Taken and Teams into e, whose slices it reuses.
// It allocates only while e or the tables grow.
func (s *Sim) Capture(e *Entry) {
	e.Tick = s.w.now
	if s.w.onLoss != nil {
		s.w.tellLosses()
	}
	for len(e.Tables) < len(s.w.tables) {
		e.Tables = append(e.Tables, TableRows{})
	}
	for i, r := range s.w.tables {
		r.capture(&e.Tables[i])
	}
	s.w.out.capture(e)
	n := len(s.w.seats)
	for n > 1 && !s.w.seats[n-1].taken {
		n--
	}
	e.Seats = fit(e.Seats, n)[:n]
	for p := range e.Seats {
		e.Seats[p] = Seat{Taken: s.w.seats[p].taken, Teams: s.w.seats[p].teams}
	}
}

// Asked is what the game asked for since it was read last, in Step or before
// it. It may be read again until the game runs next; its slice is valid as long.
func (s *Sim) Asked() Asked {
	s.w.told = true
	return s.w.asked
}

// Summary is what the game tells the room list, nil for nothing.
func (s *Sim) Summary() Params {
	if g, ok := s.rules.game().(Summarizer); ok {
		return g.Summary()
	}
	return nil
}

// Close frees what the game holds outside Go's memory. The Sim is not used
// afterwards.
func (s *Sim) Close() error {
	if g, ok := s.rules.game().(Closer); ok {
		return g.Close()
	}
	return nil
}

// NaNs is the number of replicated values that were NaN or infinite at a
// capture and kept their previous value instead.
func (s *Sim) NaNs() uint64 { return s.w.bad }
