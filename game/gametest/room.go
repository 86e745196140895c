package gametest

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/roomd/roomd/game"
)

// room is one simulation, driven as a server drives it.
type room struct {
	sim    *game.Sim
	begun  bool // Start has run, or a checkpoint was loaded
	warned []string
	posts  []letter   // of the last turn
	asked  game.Asked // after the last turn
	// refused is what Join answered in the last turn, "" for a seat, in order
	// of the joins.
	refused []string
}

// newRoom makes a room that has not begun. A panic of the game's New is an error.
func newRoom(kind *game.Kind, c *config, seed [32]byte) (*room, error) {
	r := &room{}
	var failed error
	err := guard("New", 0, func() {
		r.sim, failed = kind.NewSim(game.SimConfig{
			Seed: seed, Params: c.params,
			Post: func(topic string, body []byte) { r.posts = append(r.posts, letter{topic, slices.Clone(body)}) },
			Warn: func(msg string) { r.warned = append(r.warned, msg) },
		})
	})
	if err == nil {
		err = failed
	}
	return r, err
}

// restore begins the room from a checkpoint.
func (r *room) restore(saved []byte) error {
	r.begun = true
	var failed error
	if err := guard("LoadState or Restored", 0, func() { failed = r.sim.LoadCheckpoint(slices.Clone(saved)) }); err != nil {
		return err
	}
	return failed
}

// play makes one tick of the script and captures it into e.
func (r *room) play(t *turn, e *game.Entry) error {
	if err := r.turnover(t.now, t.acts); err != nil {
		return err
	}
	if err := r.step(t); err != nil {
		return err
	}
	return r.capture(t.now, e)
}

// turnover begins a tick: players leave, join, break off and return, letters
// arrive. The game gets its own copies and must not keep what is lent.
func (r *room) turnover(now game.Tick, acts []act) error {
	r.sim.Begin(now)
	r.posts, r.refused = r.posts[:0], r.refused[:0]
	if !r.begun {
		r.begun = true
		if err := guard("Start", now, r.sim.Start); err != nil {
			return err
		}
	}
	for i := range acts {
		if err := r.act(now, &acts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *room) act(now game.Tick, a *act) error {
	switch a.kind {
	case actJoin:
		refused := ""
		err := guard("Join", now, func() {
			info := a.info
			info.Data = slices.Clone(a.info.Data)
			if err := r.sim.Join(a.player, info); err != nil {
				refused = "refused: " + err.Error()
			}
			for i := range info.Data {
				info.Data[i] = 0xee // valid until Join returns
			}
		})
		r.refused = append(r.refused, refused)
		return err
	case actLeave:
		return guard("Leave", now, func() { r.sim.Leave(a.player) })
	case actPresent:
		return guard("Present", now, func() { r.sim.Present(a.player, a.back) })
	}
	return guard("Mail", now, func() { r.sim.Mail(a.letter.topic, slices.Clone(a.letter.body)) })
}

// step gives the commands and runs Step.
func (r *room) step(t *turn) error {
	for i := range t.commands {
		c := &t.commands[i]
		r.sim.Command(c.player, c.state, c.seen, c.lanes)
	}
	return guard("Step", t.now, func() { r.sim.Step(t.now) })
}

// capture ends the tick.
func (r *room) capture(now game.Tick, e *game.Entry) error {
	err := guard("a capture", now, func() { r.sim.Capture(e) })
	r.asked = r.sim.Asked()
	return err
}

// newEntry is an entry for captures of the room.
func (r *room) newEntry() *game.Entry { return r.sim.Schema().NewEntry(0) }

// close frees what the game holds outside Go's memory.
func (r *room) close() {
	if r.sim != nil {
		_ = guard("Close", 0, func() { _ = r.sim.Close() })
	}
}

// crash is a panic of the game.
type crash struct {
	call  string
	tick  game.Tick
	value any
	stack string
}

func (c *crash) Error() string {
	when := ""
	if c.tick != 0 {
		when = fmt.Sprintf(" at tick %d", c.tick)
	}
	return fmt.Sprintf("%s panics%s, which ends the room on a server: %v\n%s", c.call, when, c.value, c.stack)
}

// guard runs game code and turns its panic into an error.
func guard(call string, tick game.Tick, f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &crash{call, tick, v, gameStack(debug.Stack())}
		}
	}()
	f()
	return nil
}

// gameStack is the part of a stack between the panic and the engine.
func gameStack(stack []byte) string {
	lines := strings.Split(strings.TrimSpace(string(stack)), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") {
			lines = lines[min(i+2, len(lines)):]
			break
		}
	}
	return strings.Join(lines[:min(len(lines), stackLines)], "\n")
}
