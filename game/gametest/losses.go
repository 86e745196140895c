package gametest

import (
	"fmt"
	"math"
	"slices"

	"github.com/roomd/roomd/game"
)

// losses is what the captures of all plays did not keep.
type losses struct {
	stuck  map[place]*stuck // numbers that are losing movement now
	worst  []*stuck         // those to be told, one for each field
	broken []string         // numbers that were not finite, in words, one for each field
	bad    map[string]bool  // fields in broken
	nans   uint64
}

// place is one number of one row.
type place struct {
	table, row int
	path       string
}

// stuck is a number that captures keep where it is though the game moves it.
type stuck struct {
	place
	table    string
	gen      uint16
	quanta   int32   // as captured
	times    int     // captures that lost a movement since it moved last
	oneWay   int     // the same in one direction
	way      float64 // of the last one
	sum      float64
	first    game.Tick
	last     game.Tick
	loss     game.Loss // the last one
	reported bool
}

// tells reports whether the number has lost enough to be told: a quantum in
// all, so that a number kept whole would have moved, or many times.
func (x *stuck) tells() bool {
	return x.times > 2 && math.Abs(x.sum) >= x.loss.Quantum || x.oneWay >= lostCaptures
}

// findLosses plays once more and listens, once for all checks.
func (s *suite) findLosses() (*losses, error) {
	if s.lost != nil {
		return s.lost, nil
	}
	l := &losses{bad: map[string]bool{}}
	for _, sc := range s.scripts {
		l.stuck = map[place]*stuck{}
		r, err := newRoom(s.kind, s.c, sc.seed)
		if err != nil {
			return nil, err
		}
		now := game.Tick(0)
		r.sim.OnLoss(func(loss game.Loss) { l.note(s.schema, now, loss) })
		e := r.newEntry()
		for i := range sc.turns {
			now = sc.turns[i].now
			if err := r.play(&sc.turns[i], e); err != nil {
				r.close()
				return nil, err
			}
			l.forget(s.schema, e)
		}
		l.nans += r.sim.NaNs()
		r.close()
	}
	s.lost = l
	return l, nil
}

// note takes one loss of tick now.
func (l *losses) note(schema *game.Schema, now game.Tick, loss game.Loss) {
	name := ""
	if loss.Event {
		name = fmt.Sprintf("event %q", schema.Events[loss.Type].Name)
	} else {
		name = fmt.Sprintf("table %q", schema.Tables[loss.Type].Name)
	}
	if math.IsNaN(loss.After) || math.IsInf(loss.After, 0) {
		if key := name + loss.Path; !l.bad[key] {
			l.bad[key] = true
			l.broken = append(l.broken, fmt.Sprintf("tick %d: %s row %d: %s is %v", now, name, loss.Row, loss.Path, loss.After))
		}
		return
	}
	at := place{loss.Type, loss.Row, loss.Path}
	x := l.stuck[at]
	if x == nil {
		x = &stuck{place: at, table: name, first: now}
		l.stuck[at] = x
	}
	d := loss.After - loss.Before
	if x.oneWay++; d*x.way < 0 {
		x.oneWay = 1
	}
	x.times, x.way, x.sum, x.last, x.loss = x.times+1, d, x.sum+d, now, loss
	if x.tells() && !x.reported {
		x.reported = true
		same := func(o *stuck) bool { return o.table == x.table && o.path == x.path }
		if !slices.ContainsFunc(l.worst, same) {
			l.worst = append(l.worst, x)
		}
	}
}

// forget drops the numbers that moved, or whose row is gone, at the captured
// tick.
func (l *losses) forget(schema *game.Schema, e *game.Entry) {
	for at, x := range l.stuck {
		t := &e.Tables[at.table]
		if !t.Live(at.row) {
			delete(l.stuck, at)
			continue
		}
		quanta := t.Row(at.row, schema.Tables[at.table].Lanes)[x.loss.Lane]
		if x.gen == 0 {
			x.gen, x.quanta = t.Meta[at.row].Gen, quanta
		}
		if x.gen != t.Meta[at.row].Gen || x.quanta != quanta {
			delete(l.stuck, at)
		}
	}
}

// checkRounding tells of movement that captures undo: values are rounded in the
// rows themselves, so that a client with the same rules predicts the same.
func (s *suite) checkRounding() error {
	if err := s.record(); err != nil {
		return err
	}
	l, err := s.findLosses()
	if err != nil {
		return err
	}
	for _, x := range l.worst {
		s.note("warning: %s: %s does not move, because each tick's change is less than half of its quant=%s and is rounded back: "+
			"row %d, ticks %d to %d, %d times, the last from %v to %v, %.3g in all. "+
			"Use a finer quant=; or add show, which sends it rounded and keeps it whole, but then clients cannot predict it; "+
			"or keep the whole value in a field without a tag",
			x.table, x.path, quantText(x.loss.Quantum), x.row, x.first, x.last, x.times,
			float32(x.loss.Before), float32(x.loss.After), x.sum)
	}
	return nil
}

func quantText(q float64) string {
	if q >= 1 {
		return "1"
	}
	return fmt.Sprintf("1/%g", 1/q)
}

// checkNaN fails for numbers that are not finite.
func (s *suite) checkNaN() error {
	if err := s.record(); err != nil {
		return err
	}
	l, err := s.findLosses()
	if err != nil {
		return err
	}
	for _, text := range l.broken {
		s.fail("%s: players keep the value before, but the game lost its own. Look for a division by zero, "+
			"a square root of a negative number or a length of zero that was scaled to 1", text)
	}
	if len(l.broken) == 0 && l.nans > 0 {
		s.fail("%d values that were sent were NaN or infinite", l.nans)
	}
	return nil
}
