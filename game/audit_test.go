package game_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

func TestLossesAreTold(t *testing.T) {
	type vec struct{ X, Y float32 }
	type row struct {
		Pos  vec     `net:"all,quant=1/16"`
		Heat float64 `net:"owner,quant=1/4,range=0..8"`
		Spin float32 `net:"all,quant=1/4,show"`
		N    int32   `net:"all"`
	}
	type boom struct {
		At float32 `net:"quant=1/4"`
	}
	var tab *game.Table[row]
	var ev *game.Event[boom]
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) {
		tab, ev = game.NewTable[row](w, "t"), game.NewEvent[boom](w, "boom")
	})
	var got []game.Loss
	r.OnLoss(func(l game.Loss) { got = append(got, l) })
	expect := func(what string, want ...game.Loss) {
		t.Helper()
		r.tick()
		same := slices.EqualFunc(got, want, func(a, b game.Loss) bool {
			nan := math.IsNaN(a.After) && math.IsNaN(b.After)
			if nan {
				a.After, b.After = 0, 0
			}
			return a == b
		})
		if !same {
			t.Errorf("%s: told %+v, want %+v", what, got, want)
		}
		got = nil
	}
	tab.Add(row{})
	id := tab.Add(row{Pos: vec{X: 1.01}, Heat: 8, Spin: 0.01})
	expect("a first capture loses nothing by rounding")
	v := tab.Get(id)
	expect("nothing changed")
	v.Pos.X, v.Pos.Y, v.Spin, v.N, v.Heat = 1.02, 0.04, 0.02, 4, 8.1
	expect("one of two moves too little; show and range lose nothing",
		game.Loss{Row: 1, Path: "row.Pos.X", Before: 1, After: float64(float32(1.02)), Quantum: 1.0 / 16})
	nan := math.NaN()
	v.Spin, v.Heat = float32(nan), math.Inf(1)
	ev.All(boom{At: float32(nan)})
	expect("not finite", game.Loss{Event: true, Path: "boom.At", After: nan, Quantum: 0.25},
		game.Loss{Row: 1, Lane: 2, Path: "row.Heat", Before: 8, After: math.Inf(1), Quantum: 0.25},
		game.Loss{Row: 1, Lane: 3, Path: "row.Spin", Before: 0, After: nan, Quantum: 0.25})
	tab.Remove(id)
	r.tick()
	tab.Add(row{Pos: vec{X: 0.01}})
	expect("another life of the row")
	r.OnLoss(nil)
	tab.Get(id)
	r.tick()
}

func TestDiffNamesTheField(t *testing.T) {
	type inner struct{ A, B float64 }
	type row struct {
		N    int32 `net:"all"`
		Mind [3]inner
		Deck [4]uint16
		Note string `net:"max=8"`
		Done bool
	}
	pair := func() (rooms [2]*room, tabs [2]*game.Table[row], worlds [2]*game.World) {
		for i := range rooms {
			rooms[i] = play(t, game.Options{}, func(w *game.World, s *script[none]) {
				tabs[i], worlds[i] = game.NewTable[row](w, "t"), w
			})
			rooms[i].seat(t, 1, 2)
			tabs[i].Add(row{})
			rooms[i].tick()
		}
		return
	}
	for name, change := range map[string]func(w *game.World, tab *game.Table[row], id game.ID[row]){
		"":                           func(*game.World, *game.Table[row], game.ID[row]) {},
		"row 0: row.N is 0, other 7": func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Get(id).N = 7 },
		"row 0: row.Mind.B is 0, other -0": func(_ *game.World, tab *game.Table[row], id game.ID[row]) {
			tab.Get(id).Mind[1].B = math.Copysign(0, -1)
		},
		"row 0: row.Deck.2 is 0, other 9":      func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Get(id).Deck[2] = 9 },
		`row 0: row.Note is "", other "hi"`:    func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Get(id).Note = "hi" },
		"row 0: row.Done is false, other true": func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Get(id).Done = true },
		"row 0: its owner is player 0, other 2": func(_ *game.World, tab *game.Table[row], id game.ID[row]) {
			tab.Own(id, 2)
		},
		"row 0: who it is shown": func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Show(id, 1) },
		"row 0 is there in one":  func(_ *game.World, tab *game.Table[row], id game.ID[row]) { tab.Remove(id) },
		"it had at most 1 rows, other 2": func(_ *game.World, tab *game.Table[row], id game.ID[row]) {
			tab.Add(row{})
		},
		"World.Rand":      func(w *game.World, _ *game.Table[row], _ game.ID[row]) { w.Rand().Uint64() },
		"the players who": func(w *game.World, _ *game.Table[row], _ game.ID[row]) { w.SetTeam(1, 4) },
		"World.Sleep":     func(w *game.World, _ *game.Table[row], _ game.ID[row]) { w.Sleep(9) },
	} {
		rooms, tabs, worlds := pair()
		var id game.ID[row]
		for id = range tabs[1].All() {
		}
		change(worlds[1], tabs[1], id)
		d := rooms[0].Diff(rooms[1].Sim)
		if !strings.Contains(d, name) || (name == "") != (d == "") {
			t.Errorf("got %q, want %q", d, name)
		}
		if same := rooms[0].Hash() == rooms[1].Hash(); same != (d == "") {
			t.Errorf("%s: hashes equal: %t", d, same)
		}
	}
}
