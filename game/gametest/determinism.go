package gametest

import (
	"fmt"
	"slices"

	"github.com/roomd/roomd/game"
)

// advice on what makes equal rooms differ.
const (
	unevenAdvice = "Equal inputs must give equal states. What makes them differ: ranging over a Go map, " +
		"package variables, math/rand instead of World.Rand, a clock, goroutines, pointers as numbers"
	clockAdvice = "The game reads a clock (time.Now): time is the tick that Step is given, World.Now and World.Ticks"
)

// checkDeterminism plays each script in two rooms side by side, then once more
// where the clock shows another time. All must be in equal states at each tick.
func (s *suite) checkDeterminism() error {
	if err := s.record(); err != nil {
		return err
	}
	if s.kind.Options().Nondeterministic {
		return errAsked{"the kind is declared Nondeterministic: it has neither replay nor standby"}
	}
	s.judged, s.uneven = true, false
	late := s.hurry()
	for i, sc := range s.scripts {
		if i > 0 && late(-1) {
			return nil
		}
		hashes, err := s.sideBySide(sc, late)
		if err == nil {
			err = s.otherClock(sc, hashes)
		}
		if err != nil {
			s.uneven = true
			return err
		}
	}
	return nil
}

// isUneven reports whether the game is not deterministic, declared or not.
func (s *suite) isUneven() bool {
	if !s.judged && !s.kind.Options().Nondeterministic {
		said := s.findings
		_ = s.checkDeterminism()
		s.findings = said
	}
	return s.uneven || s.kind.Options().Nondeterministic
}

// sideBySide plays a script in two rooms and returns their hash of each tick, as
// far as it gets.
func (s *suite) sideBySide(sc *script, late func(i int) bool) (hashes []uint64, err error) {
	a, b, err := s.pair(sc.seed)
	if err != nil {
		return nil, err
	}
	defer a.close()
	defer b.close()
	ea, eb := a.newEntry(), b.newEntry()
	for i := range sc.turns {
		if late(i) {
			break
		}
		t := &sc.turns[i]
		if err := a.play(t, ea); err != nil {
			return nil, err
		}
		if err := b.play(t, eb); err != nil {
			return nil, err
		}
		hash, d := differ(a, b, ea, eb)
		if d != "" {
			return nil, fmt.Errorf("tick %d: two rooms with the same seed and the same inputs differ: %s. %s", t.now, d, unevenAdvice)
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func (s *suite) pair(seed [32]byte) (a, b *room, err error) {
	if a, err = newRoom(s.kind, s.c, seed); err != nil {
		return nil, nil, err
	}
	b, err = newRoom(s.kind, s.c, seed)
	return a, b, err
}

// otherClock plays a script where time.Now is years away and expects the hashes.
func (s *suite) otherClock(sc *script, hashes []uint64) error {
	differs, err := -1, error(nil)
	there := func(f func(r *room)) {
		ended := s.bubble(func() {
			var r *room
			if r, err = newRoom(s.kind, s.c, sc.seed); err == nil {
				f(r)
				r.close()
			}
		})
		if !ended {
			s.note("warning: goroutines of the game go on when its room has ended: end them in Close")
		}
	}
	if there(func(r *room) { differs, err = r.follow(sc, hashes) }); err != nil || differs < 0 {
		return err
	}
	here, err := newRoom(s.kind, s.c, sc.seed)
	if err != nil {
		return err
	}
	defer here.close()
	begin, where := &script{turns: sc.turns[:differs+1]}, ""
	if err := here.through(begin); err != nil {
		return err
	}
	there(func(r *room) {
		if err = r.through(begin); err == nil {
			where = here.sim.Diff(r.sim)
		}
	})
	if err != nil {
		return err
	}
	return fmt.Errorf("tick %d: the same play at another time of day differs: %s. %s", sc.turns[differs].now, where, clockAdvice)
}

// follow plays the script until the room's hash is not the expected one, and
// returns that turn, -1 for none.
func (r *room) follow(sc *script, hashes []uint64) (differs int, err error) {
	e := r.newEntry()
	for i := range hashes {
		if err := r.play(&sc.turns[i], e); err != nil {
			return -1, err
		}
		if r.sim.Hash() != hashes[i] {
			return i, nil
		}
	}
	return -1, nil
}

// differ says in what two rooms differ after the same turn, "" for nothing, and
// what the hash of the first one is.
func differ(a, b *room, ea, eb *game.Entry) (hash uint64, what string) {
	hash = a.sim.Hash()
	schema := a.sim.Schema()
	samePost := func(x, y letter) bool { return x.topic == y.topic && string(x.body) == string(y.body) }
	switch {
	case !slices.Equal(a.refused, b.refused):
		what = fmt.Sprintf("Join answered %q, then %q", a.refused, b.refused)
	case hash != b.sim.Hash():
		what = a.sim.Diff(b.sim)
	case !slices.Equal(a.asked.Kicks, b.asked.Kicks):
		what = fmt.Sprintf("World.Kick: %v, then %v", a.asked.Kicks, b.asked.Kicks)
	case a.asked.Ended != b.asked.Ended || a.asked.EndReason != b.asked.EndReason:
		what = fmt.Sprintf("World.End: %t %q, then %t %q", a.asked.Ended, a.asked.EndReason, b.asked.Ended, b.asked.EndReason)
	case !slices.EqualFunc(a.posts, b.posts, samePost):
		what = fmt.Sprintf("World.Post: %q, then %q", a.posts, b.posts)
	}
	if what == "" {
		what = differingEvents(schema, ea, eb)
	}
	if what == "" {
		what = differingRows(schema, ea, eb)
	}
	return hash, what
}

// differingEvents compares the events of two entries.
func differingEvents(s *game.Schema, a, b *game.Entry) string {
	for i := range min(len(a.Events), len(b.Events)) {
		x, y := a.Events[i], b.Events[i]
		row := &s.Events[x.Type]
		if x != y {
			return fmt.Sprintf("event number %d of the tick is a %q, then a %q, or goes to others", i, row.Name, s.Events[y.Type].Name)
		}
		va, vb := a.EventLanes[x.Lane:x.Lane+x.Lanes], b.EventLanes[y.Lane:y.Lane+y.Lanes]
		if !slices.Equal(va, vb) {
			return fmt.Sprintf("event %q: %s", row.Name, differingLanes(row, va, vb))
		}
	}
	if len(a.Events) != len(b.Events) {
		return fmt.Sprintf("there are %d events, then %d", len(a.Events), len(b.Events))
	}
	return ""
}

// differingRows compares the captured rows of two entries.
func differingRows(s *game.Schema, a, b *game.Entry) string {
	for t := range s.Tables {
		row, x, y := &s.Tables[t], &a.Tables[t], &b.Tables[t]
		if !slices.Equal(x.Meta, y.Meta) {
			return fmt.Sprintf("table %q: which rows are there, or who sees them", row.Name)
		}
		for r := range x.Meta {
			if x.Live(r) && !slices.Equal(x.Row(r, row.Lanes), y.Row(r, row.Lanes)) {
				return fmt.Sprintf("table %q row %d: %s", row.Name, r, differingLanes(row, x.Row(r, row.Lanes), y.Row(r, row.Lanes)))
			}
		}
	}
	return ""
}

// differingLanes names the first value that differs, as the SDK calls it.
func differingLanes(s *game.RowSchema, a, b []int32) string {
	for i := range s.Fields {
		for j := range s.Fields[i].Leaves {
			l := &s.Fields[i].Leaves[j]
			if !slices.Equal(a[l.Lane:l.Lane+l.Lanes], b[l.Lane:l.Lane+l.Lanes]) {
				return fmt.Sprintf("%s is %s, other %s", leafName(&s.Fields[i], l), leafText(l, a), leafText(l, b))
			}
		}
	}
	return "nothing that is sent"
}

func leafName(f *game.Field, l *game.Leaf) string {
	if l.Name == "" {
		return f.Name
	}
	return f.Name + "." + l.Name
}

// leafText is a captured value in the game's units.
func leafText(l *game.Leaf, row []int32) string {
	switch l.Type {
	case game.LeafString:
		return fmt.Sprintf("%q", l.AppendString(nil, row))
	case game.LeafFixed:
		return fmt.Sprint(float64(l.Get(row)) / float64(l.Scale))
	}
	return fmt.Sprint(l.Get(row))
}
