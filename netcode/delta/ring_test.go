package delta

import (
	"testing"

	"github.com/roomd/roomd/game"
)

func commit(r *Ring, tick game.Tick) *game.Entry {
	e := r.Next()
	e.Tick = tick
	r.Commit(e)
	return e
}

func ticks(r *Ring) (held []game.Tick) {
	for tick := range game.Tick(200) {
		if r.At(tick) != nil {
			held = append(held, tick)
		}
	}
	return held
}

func expectTicks(t *testing.T, r *Ring, want ...game.Tick) {
	t.Helper()
	got := ticks(r)
	if len(got) != len(want) {
		t.Fatalf("held ticks %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("held ticks %v, want %v", got, want)
		}
	}
}

func TestRingKeepsTheNewestByCount(t *testing.T) {
	r := NewRing(&game.Schema{}, 3)
	if r.Newest() != nil || r.Len() != 0 || r.At(0) != nil {
		t.Fatal("an empty ring holds something")
	}
	commit(r, 0)
	expectTicks(t, r, 0)
	commit(r, 1)
	commit(r, 2)
	commit(r, 150) // after a long sleep
	expectTicks(t, r, 1, 2, 150)
	if oldest, _ := r.Oldest(); r.Newest().Tick != 150 || oldest != 1 || r.Len() != 3 {
		t.Fatalf("newest %d, oldest %d, len %d", r.Newest().Tick, oldest, r.Len())
	}
}

func TestRingHidesAnEntryUntilItsCommit(t *testing.T) {
	r := NewRing(&game.Schema{}, 3)
	e := r.Next()
	e.Tick = 5
	if r.Next() != e {
		t.Fatal("Next gave a second entry before Commit")
	}
	if r.At(5) != nil || r.Pin(e) {
		t.Fatal("an entry can be found or pinned before its Commit")
	}
}

func TestRingPins(t *testing.T) {
	r := NewRing(&game.Schema{}, 2)
	e := commit(r, 1)
	for range 2 {
		if !r.Pin(e) {
			t.Fatal("not pinned")
		}
	}
	for tick := game.Tick(2); tick < 50; tick++ {
		commit(r, tick)
	}
	expectTicks(t, r, 1, 48, 49)
	r.Unpin(e)
	expectTicks(t, r, 1, 48, 49)
	r.Unpin(e)
	expectTicks(t, r, 48, 49)
	r.Unpin(e) // once too often: nothing happens
	commit(r, 50)
	if n := commit(r, 51); n != e {
		t.Fatal("the unpinned entry was not recycled")
	}
	expectTicks(t, r, 50, 51)
	r.Pin(e)
	r.Unpin(e) // while still in the ring: recycled once only, when it leaves
	commit(r, 52)
	expectTicks(t, r, 51, 52)
}

func TestRingBoundsItsPins(t *testing.T) {
	r := NewRing(&game.Schema{}, 2)
	var pinned []*game.Entry
	for i := range MaxPins {
		e := commit(r, game.Tick(i+1))
		if !r.Pin(e) {
			t.Fatalf("pin %d refused", i)
		}
		pinned = append(pinned, e)
	}
	e := commit(r, 100)
	if r.Pin(e) {
		t.Fatal("more than MaxPins entries pinned")
	}
	if !r.Pin(pinned[0]) {
		t.Fatal("a second pin of a pinned entry refused")
	}
	r.Unpin(pinned[1])
	if !r.Pin(e) {
		t.Fatal("a freed pin cannot be used")
	}
}

func TestRingRefusesTicksThatDoNotRise(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	r := NewRing(&game.Schema{}, 2)
	commit(r, 7)
	commit(r, 7)
}

func TestRingDoesNotAllocateWhenWarm(t *testing.T) {
	r := NewRing(&game.Schema{}, 8)
	tick := game.Tick(0)
	var pinned *game.Entry
	round := func() {
		tick++
		e := commit(r, tick)
		if tick%16 == 0 {
			r.Unpin(pinned)
			r.Pin(e)
			pinned = e
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
