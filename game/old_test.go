package game_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

func TestMigrateReadsTheOldState(t *testing.T) {
	type part struct {
		Name string `net:"max=9"`
		N    [3]int16
	}
	type old struct {
		Speed float32
		Wide  float64
		Big   uint64
		Ready bool
		Parts [2]part
		Size  int32
		To    game.ID[Stone]
	}
	var rows *game.Table[old]
	var ids []game.ID[old]
	a := play(t, game.Options{TickRate: 25}, func(w *game.World, s *script[none]) { rows = game.NewTable[old](w, "tank") })
	a.seat(t, 2)
	for i := range 3 {
		ids = append(ids, rows.Add(old{
			Speed: float32(i) + 0.5, Wide: 1e300, Big: 1<<64 - 1, Ready: i == 1, Size: int32(-1000 * i), To: 7,
			Parts: [2]part{{Name: "left"}, {Name: fmt.Sprint("right", i), N: [3]int16{1, 2, int16(-i)}}},
		}))
	}
	rows.Own(ids[2], 2)
	rows.Remove(ids[0])
	a.tick()

	var moved *game.Table[struct{ VX float64 }]
	m := &migrator{}
	b := build(t, game.Options{}, func(w *game.World) game.Game[none] {
		moved = game.NewTable[struct{ VX float64 }](w, "tank")
		return m
	})
	var kept game.Old
	m.migrate = func(old game.Old) error {
		kept = old
		equal(t, "tick rate", old.TickRate(), 25)
		equal(t, "a table", old.Has("tank", ""), true)
		equal(t, "no table", old.Has("plane", "") || old.Has("plane", "Speed"), false)
		for field, has := range map[string]bool{
			"Speed": true, "Parts": true, "Parts.1": true, "Parts.1.N.2": true, "Parts.2": false, "Parts.-1": false,
			"Parts.x": false, "Parts.1.N.2.3": false, "speed": false, "Speed.X": false,
		} {
			equal(t, field, old.Has("tank", field), has)
		}
		var seen []int
		for row := range old.Rows("tank") {
			seen = append(seen, row.Index())
		}
		equal(t, "rows", fmt.Sprint(seen), "[1 2]")
		for id, row := range moved.All() {
			row.VX = old.Row("tank", id.Index()).Float("Speed")
		}
		row := old.Row("tank", 2)
		equal(t, "owner", row.Owner(), 2)
		equal(t, "int", row.Int("Size"), -2000)
		equal(t, "an int as a float", row.Float("Size"), -2000)
		equal(t, "float64", row.Float("Wide"), 1e300)
		equal(t, "uint64", uint64(row.Int("Big")), 1<<64-1)
		equal(t, "ID", row.Int("To"), 7)
		equal(t, "bool", row.Bool("Ready"), false)
		equal(t, "another bool", old.Row("tank", 1).Bool("Ready"), true)
		equal(t, "string", row.Text("Parts.1.Name"), "right2")
		equal(t, "element", row.Int("Parts.1.N.2"), -2)
		for _, i := range []int{-1, 0, 3, 1 << 20} {
			gone := old.Row("tank", i)
			equal(t, "no row", gone.Float("Speed") == 0 && gone.Text("Parts.0.Name") == "" && gone.Owner() == 0, true)
		}
		return nil
	}
	saved := a.AppendCheckpoint(nil)
	if err := b.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls", strings.Join(m.calls, " "), "Migrate Restored")
	equal(t, "what Migrate did", moved.Get(game.ID[struct{ VX float64 }](ids[1])).VX, 1.5)
	equal(t, "later", kept.Has("tank", "") || kept.TickRate() != 0, false)

	m.calls = nil
	if err := b.LoadCheckpoint(b.AppendCheckpoint(nil)); err != nil {
		t.Fatal(err)
	}
	equal(t, "of the same build", strings.Join(m.calls, " "), "Restored")

	for words, mistake := range map[string]func(old game.Old) error{
		"no fuel":                     func(game.Old) error { return errors.New("no fuel") },
		`no table "plane"`:            func(old game.Old) error { old.Row("plane", 0).Int("X"); return nil },
		`no table "ship"`:             func(old game.Old) error { old.Rows("ship")(nil); return nil },
		"no field Heat":               func(old game.Old) error { old.Row("tank", 0).Int("Heat"); return nil },
		"Speed is float32, which Int": func(old game.Old) error { old.Row("tank", 1).Int("Speed"); return nil },
		"Parts is [2]a struct":        func(old game.Old) error { old.Row("tank", 1).Text("Parts"); return nil },
	} {
		m.migrate = mistake
		if err := b.LoadCheckpoint(saved); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q is missing in: %v", words, err)
		}
	}
}

// saver is a game with bytes of its own.
type saver struct {
	script[none]
	state []byte
}

func (s *saver) AppendState(dst []byte) []byte { return append(dst, s.state...) }
func (s *saver) LoadState(src []byte) error    { s.state = bytes.Clone(src); return nil }

type savingMigrator struct {
	saver
	old string
}

func (s *savingMigrator) Migrate(old game.Old) error {
	s.old = fmt.Sprintf("%s, loaded %s", old.State(), s.state)
	return nil
}

func TestOwnStateOfAnotherBuild(t *testing.T) {
	first := func(w *game.World) { game.NewTable[struct{ A int8 }](w, "t") }
	second := func(w *game.World) { game.NewTable[struct{ B int8 }](w, "t") }
	of := func(g game.Game[none], define func(w *game.World)) *room {
		return build(t, game.Options{}, func(w *game.World) game.Game[none] { define(w); return g })
	}
	saved := of(&saver{state: []byte("v1")}, first).AppendCheckpoint(nil)
	same, plain, both := &saver{}, &migrator{}, &savingMigrator{}
	plain.migrate = func(old game.Old) error { plain.calls = append(plain.calls, string(old.State())); return nil }
	for _, r := range []*room{of(same, second), of(plain, second), of(plain, first), of(both, second)} {
		if err := r.LoadCheckpoint(saved); err != nil {
			t.Error(err)
		}
	}
	equal(t, "passed through", string(same.state), "v1")
	equal(t, "not a StateSaver any more", strings.Join(plain.calls, " "), "Migrate v1 Restored Migrate v1 Restored")
	equal(t, "both", both.old, "v1, loaded v1")
	now := &saver{state: []byte("as New made it")}
	if err := of(now, second).LoadCheckpoint(of(&script[none]{}, first).AppendCheckpoint(nil)); err != nil {
		t.Error(err)
	}
	equal(t, "a StateSaver only now", string(now.state), "as New made it")
}
