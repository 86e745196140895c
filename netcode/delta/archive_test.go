package delta

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

// TestRingRemembers: whatever happens in a room, an entry of the ring is what it
// was when it was the newest, in whatever order entries are asked for, and stays so
// until the next Commit.
func TestRingRemembers(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 8))
		s := randomSchema(rng)
		w, capacity := newWorld(s, rng), 2+rng.IntN(30)
		ring := NewRing(s, capacity)
		was := map[game.Tick]*game.Entry{}
		var ticks []game.Tick
		var pinned []*game.Entry
		for range 100 {
			w.step()
			e, copied := ring.Next(), s.NewEntry(0)
			w.copyTo(e)
			w.copyTo(copied)
			ring.Commit(e)
			was[e.Tick], ticks = copied, append(ticks, e.Tick)
			if rng.IntN(10) == 0 {
				if old := ring.At(ticks[rng.IntN(len(ticks))]); ring.Pin(old) {
					pinned = append(pinned, old)
				}
			}
			given := map[game.Tick]*game.Entry{}
			for range rng.IntN(4) {
				if len(pinned) > 0 && rng.IntN(20) == 0 {
					ring.Unpin(pinned[0])
					pinned = pinned[1:]
				}
				i := max(len(ticks)-1-rng.IntN(2*capacity), 0)
				held := len(ticks)-i <= capacity || slices.ContainsFunc(pinned, func(p *game.Entry) bool { return p.Tick == ticks[i] })
				expectEntry(t, ring, was[ticks[i]], held)
				if held {
					given[ticks[i]] = ring.At(ticks[i])
				}
			}
			for tick, e := range given {
				if err := sameEntry(e, was[tick]); err != nil || e.Tick != tick {
					t.Fatalf("seed %d: what was given of tick %d became that of %d before the next Commit: %v", seed, tick, e.Tick, err)
				}
			}
			oldest, events := ring.Oldest()
			if !slices.Equal(events, was[oldest].Events) {
				t.Fatalf("seed %d: events of tick %d are %+v, not %+v", seed, oldest, events, was[oldest].Events)
			}
		}
	}
}

func expectEntry(t *testing.T, ring *Ring, want *game.Entry, held bool) {
	t.Helper()
	e, newest := ring.At(want.Tick), ring.Newest().Tick
	switch {
	case held != (e != nil):
		t.Fatalf("tick %d at tick %d: held %v, want %v", want.Tick, newest, e != nil, held)
	case e == nil:
	case e.Tick != want.Tick:
		t.Fatalf("tick %d is the entry of %d", want.Tick, e.Tick)
	default:
		if err := sameEntry(e, want); err != nil {
			t.Fatalf("tick %d at tick %d: %v", want.Tick, newest, err)
		}
	}
}

// What is given out stays as it is until the next Commit, whatever else is asked
// for, and for as long as each tick asks for it it is not unpacked again.
func TestRingKeepsWhatIsAskedFor(t *testing.T) {
	r := NewRing(&game.Schema{}, 20)
	for tick := range game.Tick(20) {
		commit(r, tick)
	}
	e := r.At(5)
	for tick := game.Tick(20); tick < 25; tick++ {
		if r.At(5) != e || e.Tick != 5 {
			t.Fatalf("at tick %d the entry is another", tick)
		}
		if len(r.kept) > 1 && tick > 21 {
			t.Fatalf("%d entries kept where one is asked for", len(r.kept))
		}
		commit(r, tick)
	}
	if r.At(4) != nil || r.At(5) == nil {
		t.Fatal("not the newest 20")
	}
	commit(r, 25)
	if r.At(5) != nil {
		t.Fatal("an entry that was kept is held beyond the capacity")
	}
}

// What viewers were given stays as it is until the next Commit though the last pin
// of it goes meanwhile: one of them may still be served from it.
func TestUnpinnedEntryOutlivesTheTick(t *testing.T) {
	r := NewRing(&game.Schema{}, 20)
	for tick := game.Tick(20); tick < 100; tick++ {
		if e := commit(r, tick); tick == 20 {
			r.Pin(e)
		}
	}
	base := r.At(20)
	r.Unpin(base)
	if r.At(85).Tick != 85 || base.Tick != 20 {
		t.Fatalf("the entry of tick 20 is that of tick %d", base.Tick)
	}
}

func TestPackedRingDoesNotAllocateWhenWarm(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := tankSchema()
	source := movingTanks(s, 50)
	r, tick := NewRing(s, 60), game.Tick(0)
	round := func() {
		tick++
		e, from := r.Next(), source.At(1+tick%2)
		e.Tick = tick
		for i := range from.Tables {
			e.Tables[i].Meta = append(e.Tables[i].Meta[:0], from.Tables[i].Meta...)
			e.Tables[i].Lanes = append(e.Tables[i].Lanes[:0], from.Tables[i].Lanes...)
		}
		r.Commit(e)
	}
	for range 1000 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// A burst of changes leaves no memory behind.
func TestArchiveShrinks(t *testing.T) {
	s := tankSchema()
	r := NewRing(s, 40)
	source := movingTanks(s, 1000)
	for tick := game.Tick(1); tick < 400; tick++ {
		e, from := r.Next(), source.At(1+tick%2)
		e.Tick = tick
		for i := range from.Tables {
			e.Tables[i] = game.TableRows{}
			if tick < 100 {
				e.Tables[i] = from.Tables[i]
			}
		}
		r.Commit(e)
	}
	if n := cap(r.old.buf); n > leastArchive {
		t.Fatalf("%d bytes are held for 36 empty entries", n)
	}
}

// BenchmarkCommit is one entry more, of tanks that all move.
func BenchmarkCommit(b *testing.B) {
	s := tankSchema()
	source := movingTanks(s, 100)
	var a archive = newArchive(57)
	e, next := source.At(1), source.At(2)
	b.ReportAllocs()
	for b.Loop() {
		a.push(e, next)
		e, next = next, e
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/row")
	b.ReportMetric(float64(len(a.bytes(a.n-1)))/100, "B/row")
}
