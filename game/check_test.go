package game_test

import (
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

type Tank struct {
	X, Y float32 `net:"all,quant=1/256,pos"`
	Turn uint8   `net:"all"`
	Ammo uint8   `net:"owner"`
	Aim  game.ID[Tank]
	Heat float32
}

type Steer struct {
	Throttle, Steer int8
	Fire            bool          `net:"once"`
	At              float32       `net:"quant=1/64,range=-1..1"`
	Target          game.ID[Tank] `net:"once"`
}

type Boom struct {
	X, Y float32 `net:"quant=1/16"`
	By   game.ID[Tank]
}

func kind[I any](name string, o game.Options, define func(w *game.World)) *game.Kind {
	return game.Define(name, o, func(w *game.World) game.Game[I] {
		define(w)
		return &script[I]{}
	})
}

func tanks() *game.Kind {
	return kind[Steer]("tanks", game.Options{TickRate: 30}, func(w *game.World) {
		game.NewValue[struct {
			Left uint16 `net:"all"`
		}](w, "round")
		game.NewTable[Tank](w, "tank")
		game.NewEvent[Boom](w, "boom", game.Fleeting())
	})
}

func TestSchemaOfAKind(t *testing.T) {
	s, err := tanks().Schema()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := tanks().Schema()
	equal(t, "hash", s.Hash(), again.Hash())
	equal(t, "kind", s.Kind, "tanks")
	equal(t, "rate", s.TickRate, 30)
	equal(t, "single", s.Tables[0].Single, true)
	equal(t, "fleeting", s.Events[0].Fleeting, true)
	tank := s.Tables[1]
	equal(t, "fields", len(tank.Fields), 4) // Aim and Heat stay on the server
	equal(t, "lanes", tank.Lanes, 4)
	equal(t, "x", tank.Fields[0].Leaves[0].Scale, 256)
	equal(t, "turn wraps", tank.Fields[2].Leaves[0].Wraps(), true)
	equal(t, "ammo", tank.Fields[3].Vis, game.VisOwner)
	equal(t, "input", len(s.Input.Fields), 5)
	equal(t, "fire", s.Input.Fields[2].Once, true)
	equal(t, "at", s.Input.Fields[3].Leaves[0].Max, 64)
	equal(t, "target", s.Input.Fields[4].Leaves[0].Table, 1)
	equal(t, "by", s.Events[0].Fields[2].Leaves[0].Table, 1)
}

func TestOptionsHaveDefaults(t *testing.T) {
	o := game.Define[none]("k", game.Options{}, nil).Options()
	equal(t, "rate", o.TickRate, 20)
	equal(t, "players", o.MaxPlayers, 16)
}

type (
	bare struct {
		X float32 `net:"all"`
	}
	hidden struct {
		x uint8 `net:"all"` //lint:ignore U1000 Check must refuse it
	}
	badQuant struct {
		X float32 `net:"all,quant=1/3"`
	}
	badQuant2 struct {
		X float32 `net:"all,quant=4"`
	}
	intQuant struct {
		X int `net:"all,quant=1/2"`
	}
	boolRange struct {
		X bool `net:"all,range=0..1"`
	}
	wideRange struct {
		X int8 `net:"all,range=0..300"`
	}
	backRange struct {
		X int8 `net:"all,range=5..5"`
	}
	floatOver struct {
		X float32 `net:"all,quant=1/256,range=0..99999999"`
	}
	badRange struct {
		X int8 `net:"all,range=5"`
	}
	typo struct {
		X int8 `net:"al"`
	}
	twice struct {
		X int8 `net:"all,owner"`
	}
	empty struct {
		X int8 `net:""`
	}
	boolPos struct {
		X bool `net:"all,pos"`
	}
	intShow struct {
		X int `net:"all,show"`
	}
	rowOnce struct {
		X int `net:"all,once"`
	}
	intMax struct {
		X int `net:"all,max=3"`
	}
	longMax struct {
		X string `net:"all,max=256"`
	}
	noMax     struct{ Name string }
	sentNoMax struct {
		Name string `net:"all"`
	}
	aMap      struct{ M map[string]int }
	aSlice    struct{ M []int }
	aPointer  struct{ M *int }
	aFunc     struct{ M func() }
	anAny     struct{ M any }
	aChan     struct{ M chan int }
	aComplex  struct{ M complex128 }
	deepMap   struct{ In [2]struct{ M map[int]int } }
	deepTwice struct {
		V struct{ HP, Hp int } `net:"all"`
	}
	deepTypo struct {
		V struct {
			X int `net:"al"`
		} `net:"all"`
	}
	deepQuant struct {
		V struct {
			X int `net:"quant=1/2"`
		} `net:"all"`
	}
	deepUnexp struct{ V struct{ x int } }
	sameName  struct {
		HP int `net:"all"`
		Hp int `net:"all"`
	}
	unsentOpt struct {
		X float32 `net:"quant=1/2"`
	}
	innerVis struct {
		V struct {
			X int `net:"all"`
		} `net:"all"`
	}
	nothing struct {
		V struct{} `net:"all"`
	}
	longList struct {
		V [257]bool `net:"all"`
	}
	manyFlat struct {
		A, B, C, D [64]bool `net:"all"`
		E          bool     `net:"all"`
	}
	wide53 struct {
		A0, A1, A2, A3, A4, A5, A6, A7, A8, A9             bool `net:"all"`
		B0, B1, B2, B3, B4, B5, B6, B7, B8, B9             bool `net:"all"`
		C0, C1, C2, C3, C4, C5, C6, C7, C8, C9             bool `net:"all"`
		D0, D1, D2, D3, D4, D5, D6, D7, D8, D9             bool `net:"all"`
		E0, E1, E2, E3, E4, E5, E6, E7, E8, E9, F0, F1, F2 bool `net:"all"`
	}
	huge struct{ V [1<<20 + 1]byte }
	lost struct {
		T game.ID[item] `net:"all"`
	}
	nanInput struct{ X float32 }
	shown    struct {
		X float32 `net:"owner,quant=1/2"`
	}
	unexp    struct{ x uint8 } //lint:ignore U1000 Check must refuse it
	plainInt int
	Embedded struct {
		X uint8 `net:"all"`
	}
	promoting struct {
		Embedded
		Y uint8 `net:"all"`
	}
)

func table[T any](w *game.World) { game.NewTable[T](w, "t") }
func event[T any](w *game.World) { game.NewEvent[T](w, "e") }

var mistakes = []struct {
	define func(w *game.World)
	want   string
}{
	{table[bare], `k: table "t": bare.X: a replicated float needs quant=1/N`},
	{table[hidden], `table "t": hidden.x: a replicated field must be exported`},
	{table[badQuant], `badQuant.X: quant=1/3: N must be a power of two`},
	{table[badQuant2], `badQuant2.X: quant=4 is not quant=1/N`},
	{table[intQuant], `intQuant.X: quant= is for floats`},
	{table[boolRange], `boolRange.X: range= is for numbers`},
	{table[wideRange], `wideRange.X: range=0..300 is not a range of int8 within -128..127`},
	{table[backRange], `backRange.X: range=5..5 is not a range`},
	{table[floatOver], `floatOver.X: range=0..99999999 is not a range of 32-bit multiples of 1/256`},
	{table[badRange], `badRange.X: range=5 is not range=a..b`},
	{table[typo], `typo.X: unknown tag option "al"`},
	{table[twice], `twice.X: tag "all,owner" says owner twice`},
	{table[empty], `empty.X: the tag net:"" says nothing`},
	{table[boolPos], `boolPos.X: pos is for numbers`},
	{table[intShow], `intShow.X: show is for floats`},
	{table[rowOnce], `rowOnce.X: once is for inputs`},
	{table[intMax], `intMax.X: max= is for strings`},
	{table[longMax], `longMax.X: max=256 is not a number of bytes from 1 to 255`},
	{table[noMax], `noMax.Name: a string needs max=N`},
	{table[sentNoMax], `sentNoMax.Name: a string needs max=N`},
	{table[aMap], `aMap.M: map[string]int cannot be state`},
	{table[aSlice], `aSlice.M: []int cannot be state`},
	{table[aPointer], `aPointer.M: *int cannot be state`},
	{table[aFunc], `aFunc.M: func() cannot be state`},
	{table[anAny], `anAny.M: interface {} cannot be state`},
	{table[aChan], `aChan.M: chan int cannot be state`},
	{table[aComplex], `aComplex.M: complex128 cannot be state`},
	{table[deepTwice], `deepTwice.V.Hp: has the SDK name "hp" twice`},
	{table[deepTypo], `deepTypo.V.X: unknown tag option "al"`},
	{table[deepQuant], `deepQuant.V.X: quant= is for floats`},
	{event[deepUnexp], `deepUnexp.V.x: an event field must be exported`},
	{table[deepMap], `deepMap.In.M: map[int]int cannot be state`},
	{table[sameName], `sameName.Hp: has the SDK name "hp", as sameName.HP`},
	{table[unsentOpt], `unsentOpt.X: options of a field that is not sent`},
	{table[innerVis], `innerVis.V.X: all, owner, pos, show and once belong to`},
	{table[nothing], `nothing.V: has nothing to send`},
	{table[longList], `longList.V: 257 elements, at most 256`},
	{table[manyFlat], `manyFlat: 257 sent values, at most 256`},
	{table[wide53], `wide53: 53 sent fields, at most 52`},
	{table[huge], `huge: 1048577 bytes, at most 1048576`},
	{table[lost], `lost.T: 0 tables have rows of type item`},
	{table[plainInt], `game_test.plainInt: not a struct`},
	{event[nanInput], `event "e": nanInput.X: an event float needs quant=1/N`},
	{event[shown], `shown.X: owner, pos and show are for rows`},
	{event[unexp], `unexp.x: an event field must be exported`},
	{func(w *game.World) { game.NewTable[item](w, "t t") }, `table "t t": a name is a letter`},
	{func(w *game.World) { table[item](w); table[Tank](w) }, `table "t": the name is taken`},
	{func(w *game.World) { event[item](w); event[item](w) }, `event "e": the name is taken`},
	{func(w *game.World) {
		table[item](w)
		game.NewTable[item](w, "u")
		game.NewTable[lost](w, "v")
	}, `lost.T: 2 tables have rows of type item`},
	{func(w *game.World) { game.NewTable[item](w, "t").Add(item{}) }, `table "t": New added rows`},
	{func(w *game.World) { game.NewEvent[item](w, "e").All(item{}) }, `New emitted events`},
}

func TestCheckNamesEveryMistake(t *testing.T) {
	for _, c := range mistakes {
		err := kind[none]("k", game.Options{}, c.define).Check()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestCheckOfInputsOptionsAndNames(t *testing.T) {
	fine := func(*game.World) {}
	for want, k := range map[string]*game.Kind{
		`k: input: nanInput.X: an input float needs quant=1/N`: kind[nanInput]("k", game.Options{}, fine),
		`input: unexp.x: an input field must be exported`:      kind[unexp]("k", game.Options{}, fine),
		`input: shown.X: owner, pos and show are for rows`:     kind[shown]("k", game.Options{}, fine),
		`input: aMap.M: map[string]int cannot be state`:        kind[aMap]("k", game.Options{}, fine),
		`Options.TickRate is 121, not 1 to 120`:                kind[none]("k", game.Options{TickRate: 121}, fine),
		`Options.MaxPlayers is -1, not 1 to 1024`:              kind[none]("k", game.Options{MaxPlayers: -1}, fine),
		`Options.Missing is 7`:                                 kind[none]("k", game.Options{Missing: 7}, fine),
		`a kind's name is`:                                     kind[none]("K k", game.Options{}, fine),
		`New returned nil`:                                     game.Define("k", game.Options{}, func(*game.World) game.Game[none] { return nil }),
		`k: New returned nil`:                                  game.Define[none]("k", game.Options{}, nil),
	} {
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
		if _, err := k.NewSim(game.SimConfig{}); err == nil {
			t.Errorf("%s: NewSim must refuse", want)
		}
	}
}

func TestCheckReportsAllAtOnce(t *testing.T) {
	err := kind[nanInput]("k", game.Options{}, func(w *game.World) {
		game.NewTable[bare](w, "a")
		game.NewTable[typo](w, "b")
	}).Check()
	equal(t, "lines", strings.Count(err.Error(), "\n"), 2)
}

func TestEmbeddedStructsArePromoted(t *testing.T) {
	s, err := kind[none]("k", game.Options{}, table[promoting]).Schema()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "fields", s.Tables[0].Fields[0].Name+s.Tables[0].Fields[1].Name, "xy")
}

func TestSDKNames(t *testing.T) {
	s, err := kind[none]("k", game.Options{}, table[struct {
		HP, HitPoints, X, ID, HPMax, X2, HP2, Übung bool `net:"all"`
	}]).Schema()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Tables[0].Fields {
		names = append(names, f.Name)
	}
	equal(t, "names", strings.Join(names, " "), "hp hitPoints x id hpMax x2 hp2 übung")
}

func TestDefinitionsMustNotDependOnParams(t *testing.T) {
	k := kind[none]("k", game.Options{}, func(w *game.World) {
		if w.Params().Bool("big", false) {
			game.NewTable[Tank](w, "tank")
		}
		if w.Params().Bool("loud", false) {
			game.NewEvent[item](w, "noise")
		}
	})
	if err := k.Check(); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"big", "loud"} {
		_, err := k.NewSim(game.SimConfig{Params: game.Params{what: "true"}})
		if err == nil || !strings.Contains(err.Error(), "must not depend on params") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestTablesAreDefinedInNewOnly(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a late table must panic")
		}
	}()
	var world *game.World
	play(t, game.Options{}, func(w *game.World, s *script[none]) { world = w })
	game.NewTable[item](world, "late")
}
