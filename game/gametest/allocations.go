package gametest

import (
	"runtime"
	"slices"
	"time"

	"github.com/roomd/roomd/game"
)

// checkAllocations tells what a Step allocates and how long it takes, in the
// second half of the longest play, when tables have grown to their size.
func (s *suite) checkAllocations() error {
	if err := s.record(); err != nil {
		return err
	}
	sc := s.scripts[0]
	for _, o := range s.scripts {
		if len(o.turns) > len(sc.turns) {
			sc = o
		}
	}
	r, err := newRoom(s.kind, s.c, sc.seed)
	if err != nil {
		return err
	}
	defer r.close()
	e := r.newEntry()
	first := max(len(sc.turns)/2, len(sc.turns)-measured)
	var objects, bytes []uint64
	var times []time.Duration
	for i := range sc.turns {
		t := &sc.turns[i]
		if err := r.turnover(t.now, t.acts); err != nil {
			return err
		}
		n, b, d, err := r.measure(t)
		if err != nil {
			return err
		}
		if i >= first {
			objects, bytes, times = append(objects, n), append(bytes, b), append(times, d)
		}
		if err := r.capture(t.now, e); err != nil {
			return err
		}
	}
	s.note("a Step allocates %d objects and %d bytes (median of %d ticks; most: %d and %d) and takes about %v",
		middle(objects), middle(bytes), len(times), slices.Max(objects), slices.Max(bytes), middle(times).Round(100*time.Nanosecond))
	return nil
}

// measure runs the Step of a turn. Other goroutines of the test count, too.
func (r *room) measure(t *turn) (objects, bytes uint64, took time.Duration, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	err = r.step(t)
	took = time.Since(begin)
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc, took, err
}

func middle[T uint64 | time.Duration | game.Tick](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}
