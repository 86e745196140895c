package game_test

import (
	"math"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// one makes a room with a single value of type T.
func one[T any](t testing.TB) (*room, *T) {
	var v *T
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) { v = game.NewValue[T](w, "v").Get() })
	return r, v
}

func TestWriteBackRoundsToNearest(t *testing.T) {
	type row struct {
		X float32 `net:"all,quant=1/4"`
		Y float64 `net:"all,quant=1/16"`
		Z float32 `net:"all,quant=1/4,show"`
	}
	r, v := one[row](t)
	for _, c := range []struct {
		x     float32
		quant int64
		back  float32
	}{
		{0, 0, 0}, {1, 4, 1}, {1.1, 4, 1}, {1.13, 5, 1.25}, {0.125, 1, 0.25}, {-0.125, 0, 0}, {-0.126, -1, -0.25},
		{-1.1, -4, -1}, {100.3, 401, 100.25}, {float32(math.Copysign(0, -1)), 0, 0},
	} {
		*v = row{X: c.x, Y: float64(c.x) / 4, Z: c.x}
		r.tick()
		equal(t, "X lane", r.get(0, 0, 0), c.quant)
		equal(t, "X", v.X, c.back)
		equal(t, "Y lane", r.get(0, 0, 1), c.quant)
		equal(t, "Y", v.Y, float64(c.back)/4)
		equal(t, "Z lane", r.get(0, 0, 2), c.quant)
		equal(t, "Z keeps its precision", v.Z, c.x)
		if math.Signbit(float64(v.X)) && c.back == 0 {
			t.Error("a zero must have no sign")
		}
		before := *v
		r.tick()
		equal(t, "captured again", *v, before)
	}
}

func TestSaturation(t *testing.T) {
	type row struct {
		F float32 `net:"all,quant=1/2,range=-3..5"`
		S float64 `net:"all,quant=1/2,range=-3..5,show"`
		W float64 `net:"all,quant=1/256"`
		I int16   `net:"all,range=-7..7"`
		U uint32  `net:"all,range=10..20"`
		L int64   `net:"all"`
		M uint64  `net:"all"`
		N int     `net:"all,range=0..9000000000"`
	}
	r, v := one[row](t)
	check := func(what string, want ...int64) {
		t.Helper()
		r.tick()
		for i, w := range want {
			equal(t, what+" "+r.Schema().Tables[0].Fields[i].Name, r.get(0, 0, i), w)
		}
	}
	*v = row{F: 99, S: 99, W: 1e300, I: 100, U: 3e9, L: math.MaxInt64, M: math.MaxUint64, N: math.MaxInt}
	check("high", 10, 10, math.MaxInt32, 7, 20, game.MaxSafeInt, game.MaxSafeInt, 9_000_000_000)
	equal(t, "written back", *v, row{F: 5, S: 99, W: math.MaxInt32 / 256.0, I: 7, U: 20, L: game.MaxSafeInt, M: game.MaxSafeInt, N: 9e9})
	*v = row{F: -99, S: -99, W: -1e300, I: -100, U: 3, L: math.MinInt64, N: -1}
	check("low", -6, -6, math.MinInt32, -7, 10, -game.MaxSafeInt, 0, 0)
	equal(t, "written back", *v, row{F: -3, S: -99, W: math.MinInt32 / 256, I: -7, U: 10, L: -game.MaxSafeInt})
}

func TestNotFiniteKeepsThePreviousValue(t *testing.T) {
	type row struct {
		X float32 `net:"all,quant=1/4"`
		Y float64 `net:"all,quant=1/4,show"`
	}
	var warned []string
	var v *row
	r := playWith(t, game.Options{}, game.SimConfig{Warn: func(m string) { warned = append(warned, m) }},
		func(w *game.World, s *script[none]) { v = game.NewValue[row](w, "v").Get() })
	*v = row{X: float32(math.NaN()), Y: math.Inf(1)}
	r.tick()
	equal(t, "a new row has zero", *v, row{})
	equal(t, "counted", r.NaNs(), 2)
	*v = row{X: 1.5, Y: 2.1}
	r.tick()
	*v = row{X: float32(math.Inf(-1)), Y: math.NaN()}
	r.tick()
	equal(t, "X lane", r.get(0, 0, 0), 6)
	equal(t, "Y lane", r.get(0, 0, 1), 8)
	equal(t, "written back", *v, row{X: 1.5, Y: 2})
	equal(t, "counted", r.NaNs(), 4)
	if len(warned) != 1 || !strings.Contains(warned[0], `table "v": row.`) {
		t.Errorf("warned %q, want one line that names the field", warned)
	}
}

func TestIntegersAndBools(t *testing.T) {
	type kind uint8
	type row struct {
		A int8    `net:"all"`
		B int16   `net:"all"`
		C int32   `net:"all"`
		D int64   `net:"all"`
		E kind    `net:"all"`
		F uint16  `net:"all"`
		G uint32  `net:"all"`
		H uint64  `net:"all"`
		I bool    `net:"all"`
		J [2]bool `net:"all"`
		K uint    `net:"all"`
	}
	r, v := one[row](t)
	*v = row{-128, -32768, -1 << 31, -1 << 40, 255, 65535, 1<<32 - 1, 1 << 50, true, [2]bool{true, true}, 7}
	want := *v
	r.tick()
	for i, w := range []int64{-128, -32768, -1 << 31, -1 << 40, 255, 65535, 1<<32 - 1, 1 << 50, 1, 1, 7} {
		equal(t, r.Schema().Tables[0].Fields[i].Name, r.get(0, 0, i), w)
	}
	equal(t, "unchanged", *v, want)
}

func TestStringsAreBounded(t *testing.T) {
	type row struct {
		Name string `net:"all,max=6"`
		Note string `net:"max=4"`
	}
	r, v := one[row](t)
	for _, c := range []struct{ name, kept, note, keptNote string }{
		{"", "", "", ""},
		{"abc", "abc", "four", "four"},
		{"abcdefgh", "abcdef", "fifth", "fift"},
		{"abcdeé", "abcde", "abcé", "abc"},
		{"日本語", "日本", "日本", "日"},
		{"a\xffb", "a\uFFFDb", "", ""},
		{"\xff\xff\xff", "\uFFFD", "", ""},
		{"ab", "ab", "", ""},
	} {
		v.Name, v.Note = c.name, c.note
		r.tick()
		equal(t, "sent", r.str(0, 0, 0), c.kept)
		equal(t, "written back", v.Name, c.kept)
		equal(t, "server only", v.Note, c.keptNote)
	}
}

func TestNestedFields(t *testing.T) {
	type vec struct{ X, Y float32 }
	type slot struct {
		Kind  uint8
		Count uint16 `net:"range=0..99"`
		cool  float32
	}
	type row struct {
		Pos vec     `net:"all,quant=1/16,pos"`
		Bag [3]slot `net:"owner"`
	}
	r, v := one[row](t)
	s := r.Schema().Tables[0]
	equal(t, "fields", len(s.Fields), 2)
	var names []string
	for _, f := range s.Fields {
		for _, l := range f.Leaves {
			names = append(names, f.Name+":"+l.Name)
		}
	}
	equal(t, "leaves", strings.Join(names, " "), "pos:x pos:y bag:0.kind bag:0.count bag:1.kind bag:1.count bag:2.kind bag:2.count")
	equal(t, "pos", s.Fields[0].Pos, true)
	equal(t, "owner", s.Fields[1].Vis, game.VisOwner)
	v.Pos = vec{1.01, -2.02}
	v.Bag[2] = slot{Kind: 4, Count: 500, cool: 0.3}
	e := r.tick()
	row0 := e.Tables[0].Row(0, s.Lanes)
	equal(t, "y", s.Fields[0].Leaves[1].Get(row0), -32)
	equal(t, "count", s.Fields[1].Leaves[5].Get(row0), 99)
	equal(t, "written back", v.Bag[2], slot{Kind: 4, Count: 99, cool: 0.3})
}

func TestDeadRowsAreEmptyOnceReused(t *testing.T) {
	type row struct {
		X float32 `net:"all,quant=1/4"`
	}
	var tab *game.Table[row]
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) { tab = game.NewTable[row](w, "t") })
	id := tab.Add(row{X: 8})
	r.tick()
	tab.Remove(id)
	r.tick()
	tab.Add(row{X: float32(math.NaN())})
	r.tick()
	equal(t, "not the value of the life before", r.get(0, 0, 0), 0)
}
