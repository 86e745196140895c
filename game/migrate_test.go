package game_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// migrator is a game of another build that sees to what does not fit.
type migrator struct {
	script[none]
	migrate func(old game.Old) error
	calls   []string
}

func (m *migrator) Migrate(old game.Old) error {
	m.calls = append(m.calls, "Migrate")
	return m.migrate(old)
}

func (m *migrator) Restored() { m.calls = append(m.calls, "Restored") }

// build makes a room of a build of the kind "test".
func build(t testing.TB, o game.Options, newGame func(w *game.World) game.Game[none]) *room {
	t.Helper()
	s, err := game.Define("test", o, newGame).NewSim(game.SimConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return &room{Sim: s, e: s.Schema().NewEntry(0)}
}

// grow loads a row of the old build's type A into a row of the new build's B.
// change is nil for a build without Migrate.
func grow[A, B any](t *testing.T, row A, change func(old game.Old, row *B) error) (B, error) {
	t.Helper()
	was := play(t, game.Options{}, func(w *game.World, s *script[none]) {
		rows := game.NewTable[A](w, "t")
		s.step = func(game.Tick, game.Inputs[none]) { rows.Add(row) }
	})
	was.tick()
	var rows *game.Table[B]
	is := build(t, game.Options{}, func(w *game.World) game.Game[none] {
		rows = game.NewTable[B](w, "t")
		if change == nil {
			return &script[none]{}
		}
		return &migrator{migrate: func(old game.Old) error {
			for _, row := range rows.All() {
				return change(old, row)
			}
			return errors.New("the row is gone")
		}}
	})
	err := is.LoadCheckpoint(was.AppendCheckpoint(nil))
	for _, row := range rows.All() {
		return *row, err
	}
	var zero B
	return zero, err
}

// grows demands that a row loads by itself.
func grows[A any, B comparable](row A, want B) func(t *testing.T) {
	return func(t *testing.T) {
		got, err := grow[A, B](t, row, nil)
		if err != nil || got != want {
			t.Errorf("%+v became %+v, not %+v: %v", row, got, want, err)
		}
	}
}

// refuses demands an error with some words, and that a build with Migrate finds
// a zero in place of what does not fit.
func refuses[A any, B comparable](row A, want B, words ...string) func(t *testing.T) {
	return func(t *testing.T) {
		_, err := grow[A, B](t, row, nil)
		for _, w := range append(words, `table "t"`, "Migrate") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%q is missing in: %v", w, err)
			}
		}
		got, err := grow(t, row, func(game.Old, *B) error { return nil })
		if err != nil || got != want {
			t.Errorf("with Migrate: %+v became %+v, not %+v: %v", row, got, want, err)
		}
	}
}

func TestFieldsOfAnotherBuild(t *testing.T) {
	type gun struct {
		Heat int8
		Kind uint8
	}
	type hot struct {
		Kind  uint8
		Heat  int32
		Aimed bool
	}
	type base struct{ X, Y int16 }
	type other struct{ N int }
	type sixteen struct {
		A int16
		B uint16
		C int32
		D int
	}
	cases := map[string]func(t *testing.T){
		"added":     grows(struct{ A int8 }{3}, struct{ Z, A int8 }{0, 3}),
		"removed":   grows(struct{ S, A int8 }{9, 3}, struct{ A int8 }{3}),
		"renamed":   grows(struct{ A, B int8 }{3, 4}, struct{ A, C int8 }{3, 0}),
		"reordered": grows(struct{ A, B int8 }{3, 4}, struct{ B, A int8 }{4, 3}),
		"tagged": grows(struct{ A float32 }{1.3}, struct {
			A float32 `net:"all,quant=1/4"`
		}{1.3}),
		"another quantum": grows(struct {
			A float32 `net:"all,quant=1/4"`
		}{1.25}, struct {
			A float32 `net:"all,quant=1/2"`
		}{1.25}),
		"int8": grows(struct{ A, B, C, D int8 }{-1, -2, -3, -128}, [1]struct{ A, B, C, D int8 }{{-1, -2, -3, -128}}[0]),
		"wider": grows(struct{ A, B, C, D int8 }{-1, 2, -3, -128}, struct {
			A, B int16
			C    int32
			D    int64
		}{-1, 2, -3, -128}),
		"to int": grows(struct {
			A int32
			B int64
			C int
		}{-1, -2, -3}, struct {
			A, B int
			C    int64
		}{-1, -2, -3}),
		"unsigned": grows(struct {
			A, B uint8
			C    uint32
			D    uint64
		}{255, 254, 1 << 31, 1 << 63},
			struct {
				A uint16
				B uint32
				C uint
				D uint
			}{255, 254, 1 << 31, 1 << 63}),
		"unsigned to signed": grows(struct {
			A uint8
			B uint16
			C uint32
		}{255, 65535, 1<<32 - 1},
			struct {
				A int16
				B int32
				C int
			}{255, 65535, 1<<32 - 1}),
		"float": grows(struct{ A float32 }{0.1}, struct{ A float64 }{float64(float32(0.1))}),
		"string": grows(struct {
			A string `net:"max=4"`
			B bool
		}{"häm", true}, struct {
			A string `net:"max=9"`
			B bool
		}{"häm", true}),
		"nested": grows(struct {
			G gun
			Z uint8
		}{gun{-5, 7}, 8}, struct {
			Z uint8
			G hot
		}{8, hot{7, -5, false}}),
		"array": grows(struct {
			A [2]int8
			B int8
		}{[2]int8{1, -2}, 3}, struct {
			A [3]int16
			B int8
		}{[3]int16{1, -2, 0}, 3}),
		"array of structs": grows(struct {
			A [2]gun
			B int8
		}{[2]gun{{1, 2}, {3, 4}}, 5},
			struct {
				A [3]hot
				B int8
			}{[3]hot{{Kind: 2, Heat: 1}, {Kind: 4, Heat: 3}}, 5}),
		"array of strings removed": grows(struct {
			A [2]string `net:"max=4"`
			B int8
		}{[2]string{"a", "bcd"}, 5}, struct{ B int8 }{5}),
		"embedded": grows(struct {
			base
			A int8
		}{base{1, 2}, 3}, struct {
			A int8
			base
		}{3, base{1, 2}}),
		"blank": grows(struct {
			A int8
			_ int8
			B int8
		}{A: 1, B: 2}, struct {
			_    int8
			A, B int8
		}{A: 1, B: 2}),
		"nothing in common": grows(struct{ A int8 }{1}, struct{}{}),
		"from nothing":      grows(struct{}{}, struct{ A int8 }{0}),
		"all at once": grows(sixteen{-1, 2, -3, 4}, struct {
			D, A int64
			B    uint64
			E    string `net:"max=3"`
		}{4, -1, 2, ""}),

		"narrowed": refuses(struct{ A, B int16 }{1, 2}, struct {
			A int16
			B int8
		}{1, 0}, "field B was int16 and is int8"),
		"signed to unsigned": refuses(struct{ A int8 }{1}, struct{ A uint16 }{}, "field A was int8 and is uint16"),
		"same width":         refuses(struct{ A uint32 }{1}, struct{ A int32 }{}, "field A was uint32 and is int32"),
		"float narrowed":     refuses(struct{ A float64 }{1}, struct{ A float32 }{}, "field A was float64 and is float32"),
		"int to float":       refuses(struct{ A int8 }{1}, struct{ A float64 }{}, "field A was int8 and is float64"),
		"bool to int":        refuses(struct{ A bool }{true}, struct{ A uint8 }{}, "field A was bool and is uint8"),
		"string shorter": refuses(struct {
			A string `net:"max=9"`
		}{"a"}, struct {
			A string `net:"max=4"`
		}{},
			"field A was a string with max=9 and is a string with max=4"),
		"array shorter": refuses(struct {
			A [3]int8
			B int8
		}{[3]int8{1, 2, 3}, 4}, struct {
			A [2]int8
			B int8
		}{B: 4}, "field A was [3]int8 and is [2]int8"),
		"array narrowed": refuses(struct {
			A [3]int16
			B int8
		}{[3]int16{1, 2, 3}, 4}, struct {
			A [3]int8
			B int8
		}{B: 4}, "field A was int16 and is int8"),
		"scalar to array": refuses(struct{ A int8 }{1}, struct{ A [2]int8 }{}, "field A was int8 and is [2]int8"),
		"struct to scalar": refuses(struct {
			A gun
			B int8
		}{gun{1, 2}, 3}, struct{ A, B int8 }{0, 3}, "field A was a struct and is int8"),
		"nested narrowed": refuses(struct{ A [2]hot }{[2]hot{{1, 2, true}, {3, 4, true}}}, struct{ A [2]gun }{[2]gun{{0, 1}, {0, 3}}}, "field A.Heat was int32 and is int8"),
		"number to ID":    refuses(struct{ A uint32 }{1}, struct{ A game.ID[other] }{}, `field A was uint32 and is an ID`),
		"two at once":     refuses(struct{ A, B int16 }{1, 2}, struct{ A, B int8 }{}, "field A was", "field B was"),
	}
	for name, c := range cases {
		t.Run(name, c)
	}
}

// A changed game goes on from where it was: rows keep their IDs, owners and teams.
func TestTablesOfAnotherBuild(t *testing.T) {
	type man struct {
		HP  uint8
		Foe game.ID[Stone]
	}
	type tall struct {
		Name string `net:"all,max=8"`
		Foe  game.ID[Stone]
		HP   uint16 `net:"all"`
	}
	type score struct{ N int32 }
	type gone struct {
		S string `net:"max=8"`
		N [3]int32
	}
	var foe game.ID[Stone]
	var men *game.Table[man]
	var ids []game.ID[man]
	a := play(t, game.Options{}, func(w *game.World, s *script[none]) {
		lost := game.NewTable[gone](w, "lost")
		stones := game.NewTable[Stone](w, "stone")
		men = game.NewTable[man](w, "man")
		sum := game.NewValue[score](w, "score")
		s.join = func(p game.PlayerID, _ game.JoinInfo) error {
			for i := range 4 {
				ids = append(ids, men.Add(man{HP: uint8(10*int(p) + i)}))
			}
			men.Own(ids[len(ids)-1], p)
			men.Show(ids[len(ids)-2], game.Team(3))
			lost.Add(gone{S: fmt.Sprint(p), N: [3]int32{1, 2, 3}})
			lost.Own(lost.Add(gone{}), p)
			foe = stones.Add(Stone{Life: 3})
			sum.Get().N = 77
			w.SetTeam(p, game.Team(2))
			return nil
		}
		s.step = func(now game.Tick, _ game.Inputs[none]) { w.Rand().Uint64() }
	})
	a.seat(t, 1, 3)
	a.tick()
	men.Remove(ids[1])
	a.tick()
	ids[1] = men.Add(man{HP: 99})
	men.Get(ids[0]).Foe = foe
	men.Remove(ids[5])
	a.tick()
	men.Remove(ids[6])

	var tall2 *game.Table[tall]
	var world *game.World
	var sum *game.Value[score]
	var fresh *game.Value[struct{ N int8 }]
	var added *game.Table[struct{ N int8 }]
	define := func(w *game.World, s *script[none]) {
		world = w
		fresh = game.NewValue[struct{ N int8 }](w, "fresh")
		fresh.Get().N = 5
		sum = game.NewValue[score](w, "score")
		tall2 = game.NewTable[tall](w, "man")
		added = game.NewTable[struct{ N int8 }](w, "added")
		game.NewTable[Stone](w, "stone")
	}
	b := play(t, game.Options{MaxPlayers: 40}, define)
	p := fresh.Get()
	if err := b.LoadCheckpoint(a.AppendCheckpoint(nil)); err != nil {
		t.Fatal(err)
	}
	equal(t, "a new table", added.Len(), 0)
	equal(t, "a new value", *p, struct{ N int8 }{})
	equal(t, "an old value", sum.Get().N, 77)
	equal(t, "rows", tall2.Len(), men.Len())
	for _, id := range ids {
		was, is := men.Get(id), tall2.Get(game.ID[tall](id))
		if (was == nil) != (is == nil) || was != nil && *is != (tall{HP: uint16(was.HP), Foe: was.Foe}) {
			t.Errorf("%x was %+v and is %+v", id, was, is)
		}
		equal(t, "owner", tall2.Owner(game.ID[tall](id)), men.Owner(id))
	}
	equal(t, "team", world.TeamsOf(3), game.Team(2))
	equal(t, "now", world.Now(), a.now)

	// What is there now is an ordinary state of the new build.
	b.now = a.now
	b.Capture(b.e)
	equal(t, "shown", b.e.Tables[2].Meta[2].Show, game.Team(3))
	c := play(t, game.Options{MaxPlayers: 40}, define)
	saved := b.AppendCheckpoint(nil)
	if err := c.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	equal(t, "hash", c.Hash(), b.Hash())
	equal(t, "diff", c.Diff(b.Sim), "")
	if !bytes.Equal(saved, c.AppendCheckpoint(nil)) {
		t.Error("a loaded checkpoint must write itself again")
	}
	next := tall2.Add(tall{})
	equal(t, "the place that waited is not given out", next.Index() == ids[6].Index(), false)
}

func TestTablesThatDoNotFit(t *testing.T) {
	type row struct{ N int8 }
	type other struct{ N int8 }
	table := func(w *game.World, s *script[none]) { game.NewTable[row](w, "t") }
	refs := func(names ...string) func(w *game.World, s *script[none]) {
		return func(w *game.World, s *script[none]) {
			game.NewTable[row](w, names[0])
			game.NewTable[other](w, names[1])
			game.NewTable[struct{ To game.ID[row] }](w, "ref")
		}
	}
	for _, c := range []struct {
		name     string
		old, new func(w *game.World, s *script[none])
		rate     int
		words    string
	}{
		{"a value", table, func(w *game.World, s *script[none]) { game.NewValue[row](w, "t") }, 20, `table "t" was a Table and is a Value`},
		{"tick rate", table, table, 30, "the tick rate was 20 and is 30"},
		{"ID", refs("a", "b"), refs("b", "a"), 20, `table "ref": field To was an ID of table "a" and is an ID of table "b"`},
	} {
		was := play(t, game.Options{}, c.old)
		was.tick()
		err := play(t, game.Options{TickRate: c.rate}, c.new).LoadCheckpoint(was.AppendCheckpoint(nil))
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	full := play(t, game.Options{MaxPlayers: 4}, table)
	full.seat(t, 4)
	full.tick()
	err := play(t, game.Options{MaxPlayers: 3}, table).LoadCheckpoint(full.AppendCheckpoint(nil))
	if err == nil || !strings.Contains(err.Error(), "seat 4 is taken, of 3 seats") {
		t.Error(err)
	}
}
