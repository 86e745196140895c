package gametest

// checkPlay reports what came up while the plays were recorded: panics, and
// whether players could take part at all.
func (s *suite) checkPlay() error {
	if err := s.record(); s.stopped != nil {
		return s.stopped
	} else if err != nil {
		return err
	}
	joins, inputs, refused := 0, 0, ""
	for _, sc := range s.scripts {
		for i := range sc.turns {
			inputs += len(sc.turns[i].commands)
			for _, a := range sc.turns[i].acts {
				switch {
				case a.kind != actJoin:
				case a.refused != "":
					refused = a.refused
				default:
					joins++
				}
			}
		}
	}
	if joins == 0 && refused != "" {
		s.fail("no player could be seated: Join was %s. What it needs is given with the option gametest.Joins", refused)
	}
	s.note("%d ticks, rooms: %d, %d players seated, %d inputs", s.ticks(), len(s.scripts), joins, inputs)
	if s.ticks() < s.c.ticks {
		s.note("of %d ticks the rest was left out: the game takes long or ends its rooms early; gametest.Ticks(n) plays n", s.c.ticks)
	}
	told := map[string]bool{}
	return s.playAgain(func(r *room) {
		for _, w := range r.warned {
			if !told[w] {
				told[w] = true
				s.note("warning: %s", w)
			}
		}
	})
}

// playAgain plays each script in a new room, with ended called after it.
func (s *suite) playAgain(ended func(r *room)) error {
	for _, sc := range s.scripts {
		r, err := newRoom(s.kind, s.c, sc.seed)
		if err == nil {
			err = r.through(sc)
		}
		if err == nil {
			ended(r)
		}
		r.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// through plays all of the script.
func (r *room) through(sc *script) error {
	e := r.newEntry()
	for i := range sc.turns {
		if err := r.play(&sc.turns[i], e); err != nil {
			return err
		}
	}
	return nil
}
