package gametest

import (
	"testing"
	"testing/synctest"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// Run checks a kind, in subtests of t:
//
//	check        the declarations: tables, tags, options; New gives the same ones each time
//	play         random players can take part and the game does not panic
//	determinism  equal seeds and inputs give equal states, at any time of day
//	checkpoint   a room that moves goes on as it would have: no state is outside the tables
//	replication  what viewers decode is what the game holds and they may see
//	secrets      what they may not see changes nothing that they are sent
//	rounding     tells which numbers do not move because they are rounded (a warning)
//	nan          no number that is sent is NaN or infinite
//	leave        nothing of a player stays with the seat
//	allocations  tells what a Step allocates and how long it takes (never fails)
//
// Warnings and figures are shown with go test -v. A failure prints the options
// that repeat its play. Run takes a second or two, less with -short. It is
// called by a test's own goroutine and leaves nothing running.
func Run(t *testing.T, kind *game.Kind, opts ...Option) {
	t.Helper()
	s, err := newSuite(kind, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			t.Helper()
			s.bubble = bubbleOf(t)
			found, skipped := s.run(c)
			for _, f := range found {
				if f.fatal {
					t.Error(f.text)
				} else {
					t.Log(f.text)
				}
			}
			if t.Failed() {
				t.Logf("to repeat this play: gametest.Seed(%d), gametest.Ticks(%d)", s.c.seed, max(s.ticks(), 1))
			}
			if skipped != nil {
				t.Skip(skipped)
			}
		})
	}
}

func newSuite(kind *game.Kind, opts []Option) (*suite, error) {
	c, err := newConfig(kind, opts)
	if err != nil {
		return nil, err
	}
	return &suite{kind: kind, c: c, encoder: func(s *game.Schema) encoder { return delta.NewEncoder(s) }}, nil
}

// bubbleOf runs functions where time.Now is in the year 2000, and reports
// whether no goroutine of theirs goes on.
func bubbleOf(t *testing.T) func(f func()) (ended bool) {
	return func(f func()) (ended bool) {
		done := false
		defer func() {
			if v := recover(); v != nil && !done {
				panic(v)
			}
		}()
		synctest.Test(t, func(*testing.T) {
			f()
			done = true
		})
		return true
	}
}
