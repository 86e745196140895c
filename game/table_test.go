package game_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

type item struct {
	N uint32 `net:"all"`
}

// items makes a room with one table, and gives the table.
func items(t testing.TB, players int) (*room, *game.World, *game.Table[item]) {
	var world *game.World
	var table *game.Table[item]
	r := play(t, game.Options{MaxPlayers: players}, func(w *game.World, s *script[none]) {
		world, table = w, game.NewTable[item](w, "item")
	})
	return r, world, table
}

func TestRowsLiveAndDie(t *testing.T) {
	_, _, tab := items(t, 2)
	a := tab.Add(item{N: 1})
	b := tab.Add(item{N: 2})
	equal(t, "index", b.Index(), 1)
	equal(t, "generation", b.Gen(), 1)
	p := tab.Get(b)
	for n := range uint32(10_000) { // the table grows and nothing moves
		tab.Add(item{N: n})
	}
	equal(t, "pointer", tab.Get(b), p)
	equal(t, "value", p.N, 2)
	equal(t, "len", tab.Len(), 10_002)
	equal(t, "remove", tab.Remove(a), true)
	equal(t, "remove again", tab.Remove(a), false)
	equal(t, "gone", tab.Get(a), nil)
	equal(t, "none", tab.Get(0), nil)
	equal(t, "far", tab.Get(game.ID[item](1<<20|0xfffff)), nil)
	equal(t, "len", tab.Len(), 10_001)
}

func TestAllVisitsRowsAliveAtTheStart(t *testing.T) {
	r, _, tab := items(t, 2)
	var ids []game.ID[item]
	for n := range uint32(6) {
		ids = append(ids, tab.Add(item{N: n}))
	}
	tab.Remove(ids[4])
	r.tick() // place 4 is free and ahead of the loop
	var saw []uint32
	for id, it := range tab.All() {
		saw = append(saw, it.N)
		switch it.N {
		case 0:
			tab.Remove(ids[1])
			equal(t, "takes the free place", tab.Add(item{N: 100}).Index(), 4)
			equal(t, "does not take the freed one", tab.Add(item{N: 101}).Index(), 6)
		case 3:
			tab.Remove(id)
			equal(t, "readable until the next use of the place", it.N, 3)
		}
	}
	if want := []uint32{0, 2, 3, 5}; !slices.Equal(saw, want) {
		t.Fatalf("visited %v, want %v", saw, want)
	}
	for range tab.All() { // and a loop may stop
		break
	}
}

func TestFreedPlaceWaitsForCapture(t *testing.T) {
	r, _, tab := items(t, 2)
	a := tab.Add(item{})
	tab.Remove(a)
	b := tab.Add(item{})
	equal(t, "another place", b.Index(), 1)
	r.tick()
	c := tab.Add(item{})
	equal(t, "the place again", c.Index(), 0)
	equal(t, "another life", c.Gen(), 2)
	equal(t, "the old name", tab.Get(a), nil)
}

func TestGenerationWraps(t *testing.T) {
	r, _, tab := items(t, 2)
	first := tab.Add(item{})
	tab.Remove(first)
	r.tick()
	for want := uint16(2); want <= 4095; want++ {
		id := tab.Add(item{})
		if id.Gen() != want || id.Index() != 0 {
			t.Fatalf("got generation %d of row %d, want %d", id.Gen(), id.Index(), want)
		}
		tab.Remove(id)
		r.tick()
	}
	equal(t, "skips 0", tab.Add(item{}), first)
}

func TestOwnedRows(t *testing.T) {
	r, _, tab := items(t, 3)
	r.seat(t, 1, 2)
	var ids []game.ID[item]
	for n := range uint32(5) {
		ids = append(ids, tab.Add(item{N: n}))
	}
	tab.Own(ids[3], 1)
	tab.Own(ids[0], 1)
	tab.Own(ids[2], 1)
	tab.Own(ids[1], 2)
	equal(t, "owner", tab.Owner(ids[1]), 2)
	owned := func(p game.PlayerID) (rows []uint32) {
		for _, it := range tab.Of(p) {
			rows = append(rows, it.N)
		}
		return rows
	}
	same := func(what string, got []uint32, want ...uint32) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	same("in row order", owned(1), 0, 2, 3)
	same("of another", owned(2), 1)
	same("of nobody", owned(0))
	tab.Own(ids[2], 2)
	same("given away", owned(1), 0, 3)
	same("received", owned(2), 1, 2)
	tab.Own(ids[4], 3)
	equal(t, "an empty seat owns nothing", tab.Owner(ids[4]), 0)
	tab.Own(ids[1], 0)
	same("released", owned(2), 2)
	tab.Remove(ids[0])
	same("removed", owned(1), 3)

	var saw []uint32
	tab.Own(ids[1], 1)
	tab.Own(ids[4], 1)
	for id, it := range tab.Of(1) { // 1, 3, 4
		saw = append(saw, it.N)
		if it.N == 1 {
			tab.Own(ids[3], 2)
			tab.Remove(id)
			tab.Own(tab.Add(item{N: 9}), 1)
		}
	}
	same("changed in the loop", saw, 1, 4)
}

// TestOwnersAgainstMap compares the lists with the plainest thing that could work.
func TestOwnersAgainstMap(t *testing.T) {
	r, _, tab := items(t, 4)
	r.seat(t, 1, 2, 3, 4)
	rng := rand.New(rand.NewPCG(1, 2))
	alive := map[game.ID[item]]game.PlayerID{}
	pick := func() game.ID[item] {
		for id := range alive {
			return id
		}
		return 0
	}
	for range 20_000 {
		switch rng.IntN(8) {
		case 0, 1, 2:
			if len(alive) < 200 {
				alive[tab.Add(item{})] = 0
			}
		case 3:
			id := pick()
			tab.Remove(id)
			delete(alive, id)
		case 4, 5, 6:
			if id := pick(); id != 0 {
				alive[id] = game.PlayerID(rng.IntN(5))
				tab.Own(id, alive[id])
			}
		case 7:
			r.tick()
		}
		p := game.PlayerID(1 + rng.IntN(4))
		var want, got []int
		for id, o := range alive {
			if o == p {
				want = append(want, id.Index())
			}
		}
		slices.Sort(want)
		for id := range tab.Of(p) {
			got = append(got, id.Index())
		}
		if !slices.Equal(got, want) || tab.Len() != len(alive) {
			t.Fatalf("player %d owns %v of %d, want %v of %d", p, got, tab.Len(), want, len(alive))
		}
	}
}

func TestShowAndRevealAreCaptured(t *testing.T) {
	r, _, tab := items(t, 2)
	r.seat(t, 2)
	a, b, c := tab.Add(item{}), tab.Add(item{}), tab.Add(item{})
	tab.Show(b, game.Team(3))
	tab.Reveal(b, game.Team(4))
	tab.Own(b, 2)
	tab.Remove(a)
	tab.Remove(c)
	e := r.tick()
	want := []game.RowMeta{{}, {Gen: 1, Owner: 2, Show: game.Team(3), Reveal: game.Team(4)}}
	if !slices.Equal(e.Tables[0].Meta, want) {
		t.Fatalf("got %v, want %v", e.Tables[0].Meta, want)
	}
	equal(t, "live", e.Tables[0].Live(0), false)
}

func TestServerOnlyTableIsNotCaptured(t *testing.T) {
	type secret struct{ Card uint8 }
	var deck *game.Table[secret]
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) { deck = game.NewTable[secret](w, "deck") })
	deck.Add(secret{Card: 3})
	e := r.tick()
	equal(t, "rows", len(e.Tables[0].Meta), 0)
	equal(t, "kept", deck.Len(), 1)
}

func TestFullTable(t *testing.T) {
	warned := 0
	var tab *game.Table[struct{ N uint8 }]
	playWith(t, game.Options{}, game.SimConfig{Warn: func(string) { warned++ }}, func(w *game.World, s *script[none]) {
		tab = game.NewTable[struct{ N uint8 }](w, "t")
	})
	for range game.MaxRows {
		tab.Add(struct{ N uint8 }{})
	}
	equal(t, "one more", tab.Add(struct{ N uint8 }{}), 0)
	equal(t, "len", tab.Len(), game.MaxRows)
	equal(t, "told", warned, 1)
}

func TestLoopsMayStop(t *testing.T) {
	r, w, tab := items(t, 3)
	r.seat(t, 1, 2)
	tab.Own(tab.Add(item{}), 1)
	tab.Own(tab.Add(item{}), 1)
	n := 0
	for range tab.Of(1) {
		n++
		break
	}
	for range w.Players() {
		n++
		break
	}
	equal(t, "visited", n, 2)
}
