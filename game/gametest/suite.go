package gametest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/roomd/roomd/game"
)

// finding is one thing that a check has to say.
type finding struct {
	check string
	text  string
	fatal bool // the test fails; else it is told only
}

// suite is one run over one kind. What several checks need is made once.
type suite struct {
	kind   *game.Kind
	c      *config
	schema *game.Schema // set by declare
	// bubble runs f where the clock shows another year, and reports whether all
	// goroutines that f began have ended.
	bubble func(f func()) (ended bool)
	// encoder makes what viewers are sent with; tests break it.
	encoder func(s *game.Schema) encoder

	check    string // that is running
	findings []finding

	declared bool
	mistakes []string // of the kind's declarations
	recorded bool
	scripts  []*script
	stopped  error // a panic of the game
	teams    game.Teams
	judged   bool // by determinism
	uneven   bool // it found a difference
	moved    int  // rooms made from checkpoints
	lost     *losses
}

// errAsked says that a check is of no use until another one is satisfied.
type errAsked struct{ text string }

func (e errAsked) Error() string { return e.text }

// check is one subtest of Run. An error of type errAsked skips it.
type check struct {
	name string
	run  func(*suite) error
}

func checks() []check {
	return []check{
		{"check", (*suite).checkKind},
		{"play", (*suite).checkPlay},
		{"determinism", (*suite).checkDeterminism},
		{"checkpoint", (*suite).checkCheckpoint},
		{"replication", (*suite).checkReplication},
		{"secrets", (*suite).checkSecrets},
		{"rounding", (*suite).checkRounding},
		{"nan", (*suite).checkNaN},
		{"leave", (*suite).checkLeave},
		{"allocations", (*suite).checkAllocations},
	}
}

// run runs one check and returns what it found, or why it was left out.
func (s *suite) run(c check) (found []finding, skipped error) {
	s.check, s.findings = c.name, nil
	err := c.run(s)
	if asked := (errAsked{}); errors.As(err, &asked) {
		return s.findings, err
	}
	if err != nil {
		s.fail("%v", err)
	}
	return s.findings, nil
}

func (s *suite) fail(format string, args ...any) { s.find(true, format, args...) }
func (s *suite) note(format string, args ...any) { s.find(false, format, args...) }

func (s *suite) find(fatal bool, format string, args ...any) {
	if len(s.findings) < maxFindings {
		s.findings = append(s.findings, finding{s.check, fmt.Sprintf(format, args...), fatal})
	}
}

// failed reports whether the running check found a failure.
func (s *suite) failed() bool {
	for _, f := range s.findings {
		if f.fatal {
			return true
		}
	}
	return false
}

// checkKind reports the mistakes of the kind's declarations.
func (s *suite) checkKind() error {
	s.declare()
	for _, m := range s.mistakes {
		s.fail("%s", m)
	}
	return nil
}

// declare has the kind's declarations checked and made again, as in rooms with
// and without parameters, once.
func (s *suite) declare() {
	if s.declared {
		return
	}
	s.declared = true
	err := guard("New", 0, func() {
		for line := range strings.SplitSeq(errorText(s.kind.Check()), "\n") {
			if line != "" {
				s.mistakes = append(s.mistakes, line)
			}
		}
	})
	bare := *s.c
	bare.params = nil
	for i, c := range []*config{s.c, &bare, s.c} {
		if err != nil || len(s.mistakes) > 0 {
			break
		}
		var r *room
		r, err = newRoom(s.kind, c, s.seedOf(i))
		r.close()
	}
	if err != nil {
		s.mistakes = append(s.mistakes, err.Error())
	}
	if len(s.mistakes) == 0 {
		s.schema, _ = s.kind.Schema()
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// seedOf is the World's seed of play i.
func (s *suite) seedOf(i int) (seed [32]byte) {
	binary.LittleEndian.PutUint64(seed[:], s.c.seed)
	seed[8] = byte(i)
	return seed
}

// chance is a source of random numbers of its own for each use.
func (s *suite) chance(use uint64) *rand.Rand { return rand.New(rand.NewPCG(s.c.seed, use)) }

// record plays the rooms that the other checks play again, once. Its error
// says why there is nothing to play.
func (s *suite) record() error {
	if s.declare(); len(s.mistakes) > 0 {
		return errAsked{"the kind has mistakes: see the subtest check"}
	}
	if !s.recorded {
		s.recorded = true
		s.recordAll()
	}
	if s.stopped != nil {
		return errAsked{"the game panics: see the subtest play"}
	}
	return nil
}

func (s *suite) recordAll() {
	late := s.hurry()
	for total := 0; total < s.c.ticks && len(s.scripts) < maxPlays && s.stopped == nil; {
		i := len(s.scripts)
		if i > 0 && late(-1) {
			return
		}
		sc := &script{seed: s.seedOf(i)}
		s.scripts = append(s.scripts, sc)
		s.stopped = s.recordOne(sc, s.chance(uint64(i)), s.c.ticks-total, late)
		total += len(sc.turns)
	}
}

// recordOne plays one room until its game ends it, for at most n ticks.
func (s *suite) recordOne(sc *script, rng *rand.Rand, n int, late func(i int) bool) error {
	r, err := newRoom(s.kind, s.c, sc.seed)
	if err != nil {
		return err
	}
	defer r.close()
	d := newDirector(s.kind, s.schema, s.c, rng)
	var last *game.Entry
	e := r.newEntry()
	for i := range n {
		if late(i) {
			return nil
		}
		t := d.turn(i, last, r.asked)
		if err := r.play(&t, e); err != nil {
			return err
		}
		d.heard(&t, r.refused)
		sc.turns = append(sc.turns, t)
		s.meet(e)
		if last = e; r.asked.Ended {
			return nil
		}
	}
	return nil
}

// meet remembers the teams that are in use.
func (s *suite) meet(e *game.Entry) {
	for p := range e.Seats {
		if e.Seats[p].Taken {
			s.teams |= e.Seats[p].Teams
		}
	}
	for t := range e.Tables {
		for i := range e.Tables[t].Meta {
			for _, teams := range []game.Teams{e.Tables[t].Meta[i].Show, e.Tables[t].Meta[i].Reveal} {
				if teams != game.Everyone {
					s.teams |= teams
				}
			}
		}
	}
}

// hurry begins a pass over the plays. What it returns tells before turn i of a
// play, or before a play if i is negative, whether to leave out the rest.
func (s *suite) hurry() (late func(i int) bool) {
	deadline := time.Now().Add(patience)
	return func(i int) bool {
		return !s.c.patient && (i < 0 || i >= leastTicks) && time.Now().After(deadline)
	}
}

// ticks is the number of ticks that were recorded.
func (s *suite) ticks() (n int) {
	for _, sc := range s.scripts {
		n += len(sc.turns)
	}
	return n
}
