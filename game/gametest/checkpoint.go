package gametest

import (
	"bytes"
	"fmt"

	"github.com/roomd/roomd/game"
)

const (
	hiddenAdvice = "The game keeps state outside its tables (a field of its struct, a map, a package variable), which is lost " +
		"when the room moves or its server fails. Keep it in a Table or Value, in a field without a tag if nobody may see it; " +
		"or make it anew from the tables in Restored; or save it with AppendState and LoadState"
	restoredAdvice = "Restored and LoadState must leave the tables as they were, and AppendState must append the same bytes for the same state"
)

// checkCheckpoint moves rooms in mid-game into new ones, as a server does, and
// lets both go on side by side.
func (s *suite) checkCheckpoint() error {
	if err := s.record(); err != nil {
		return err
	}
	uneven := s.isUneven()
	if uneven {
		s.note("only the moment of the move was checked, not how the game goes on: it is not deterministic, see the subtest determinism")
	}
	s.moved = 0
	late := s.hurry()
	for i, sc := range s.scripts {
		if i > 0 && late(-1) {
			return nil
		}
		if err := s.move(sc, uneven, late); err != nil {
			return err
		}
	}
	s.note("%d rooms were made from checkpoints", s.moved)
	return nil
}

// restoreAt reports whether the room is restored after turn i of n: early once,
// in case the rest is left out, then at even distances.
func restoreAt(i, n int) bool {
	return i == min(leastTicks, n)/2 || i > 0 && i%max(1, n/(restores+1)) == 0
}

// branch is a room that began from a checkpoint of another one.
type branch struct {
	room  *room
	entry *game.Entry
	from  game.Tick
	until int // turn
}

// move plays the script and restores it at several turns.
func (s *suite) move(sc *script, uneven bool, late func(i int) bool) error {
	main, err := newRoom(s.kind, s.c, sc.seed)
	if err != nil {
		return err
	}
	defer main.close()
	var branches []*branch
	defer func() {
		for _, b := range branches {
			b.room.close()
		}
	}()
	e := main.newEntry()
	for i := range sc.turns {
		if late(i) {
			return nil
		}
		t := &sc.turns[i]
		if err := main.play(t, e); err != nil {
			return err
		}
		for _, b := range branches {
			if i < b.until {
				if err := b.follow(t, main, e); err != nil {
					return err
				}
			}
		}
		if restoreAt(i, len(sc.turns)) {
			s.moved++
			b, err := s.restored(main, t.now)
			if err != nil {
				return err
			}
			b.until = i + 1 + restoredTicks
			if branches = append(branches, b); uneven {
				b.until = 0
			}
		}
	}
	return nil
}

// restored makes a room from a checkpoint of main and compares the two.
func (s *suite) restored(main *room, now game.Tick) (*branch, error) {
	saved := main.sim.AppendCheckpoint(nil)
	seed := s.seedOf(maxPlays) // another one: the checkpoint holds the state of Rand
	r, err := newRoom(s.kind, s.c, seed)
	if err != nil {
		return nil, err
	}
	b := &branch{room: r, entry: r.newEntry(), from: now}
	if err := r.restore(saved); err != nil {
		return b, fmt.Errorf("tick %d: the checkpoint of a room cannot be loaded: %w. LoadState must accept what AppendState appends", now, err)
	}
	if r.sim.Hash() != main.sim.Hash() || !bytes.Equal(r.sim.AppendCheckpoint(nil), saved) {
		return b, fmt.Errorf("tick %d: a room made from a checkpoint differs at once: %s. %s", now, main.sim.Diff(r.sim), restoredAdvice)
	}
	return b, nil
}

// follow plays a turn that main has played.
func (b *branch) follow(t *turn, main *room, e *game.Entry) error {
	if err := b.room.play(t, b.entry); err != nil {
		return fmt.Errorf("a room made from the checkpoint of tick %d does not go on. %s. %w", b.from, hiddenAdvice, err)
	}
	if _, d := differ(main, b.room, e, b.entry); d != "" {
		return fmt.Errorf("tick %d: a room made from the checkpoint of tick %d goes on differently: %s. %s", t.now, b.from, d, hiddenAdvice)
	}
	return nil
}
