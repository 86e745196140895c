package gametest

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

// brokenGame is a game with one mistake and what must be said of it.
type brokenGame struct {
	name  string
	opts  game.Options
	make  func(w *game.World, g *toy)
	check string
	warns bool // it is told, and nothing fails
	words []string
}

func (b *brokenGame) run(t *testing.T) {
	found, _ := inspect(t, kind(b.opts, b.make))
	expect(t, found, b.check, !b.warns, b.words...)
}

func runAll(t *testing.T, games []brokenGame) {
	for i := range games {
		t.Run(games[i].name, games[i].run)
	}
}

func TestBrokenDeclarations(t *testing.T) {
	made := 0
	runAll(t, []brokenGame{
		{name: "a float without quant", check: "check", words: []string{"bad.X", "quant="},
			make: func(w *game.World, g *toy) {
				type bad struct {
					X float64 `net:"all"`
					Y uint8   `net:"all,quant=1/4"`
				}
				game.NewTable[bad](w, "bad")
			}},
		{name: "tables that depend on chance", check: "check", words: []string{"other tables"},
			make: func(w *game.World, g *toy) {
				if made++; made%2 == 0 {
					game.NewTable[car](w, "car")
				}
			}},
		{name: "New panics", check: "check", words: []string{"New panics", "no map named"},
			make: func(w *game.World, g *toy) { panic("no map named " + w.Params().String("map", "")) }},
	})
}

func TestBrokenPlay(t *testing.T) {
	runAll(t, []brokenGame{
		{name: "Leave panics", check: "play", words: []string{"Leave panics at tick", "broken_test.go", "assignment to entry in nil map"},
			make: func(w *game.World, g *toy) {
				drivers(w, g)
				var gone map[game.PlayerID]bool
				g.leave = func(p game.PlayerID) { gone[p] = true }
			}},
		{name: "seats by an array that is too short", check: "play", words: []string{"Join panics", "index out of range"},
			opts: game.Options{MaxPlayers: 12},
			make: func(w *game.World, g *toy) {
				drivers(w, g)
				var names [12]string
				join := g.join
				g.join = func(p game.PlayerID, info game.JoinInfo) error {
					names[p] = info.Name
					return join(p, info)
				}
			}},
		{name: "nobody may join", check: "play", words: []string{"no ticket", "gametest.Joins"},
			make: func(w *game.World, g *toy) {
				g.join = func(game.PlayerID, game.JoinInfo) error { return errors.New("no ticket") }
			}},
		{name: "too many events", check: "play", warns: true, words: []string{"too many events"},
			make: func(w *game.World, g *toy) {
				ev := game.NewEvent[stick0](w, "spark")
				g.step = func(now game.Tick, _ game.Inputs[stick]) {
					for i := 0; now == 5 && i <= game.MaxTickEvents; i++ {
						ev.All(stick0{})
					}
				}
			}},
	})
}

type stick0 struct{ N uint8 }

var spawned int // a package variable that a broken game counts in

func TestBrokenDeterminism(t *testing.T) {
	runAll(t, []brokenGame{
		{name: "the order of a map", check: "determinism", words: []string{`table "car"`, "car.heat", "ranging over a Go map", "tick"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				g.after(func(game.Tick, game.Inputs[stick]) {
					byID := map[game.ID[car]]*car{}
					for id, c := range cars.All() {
						byID[id] = c
					}
					n := 0.0
					for _, c := range byID {
						n++
						c.heat = n
					}
				})
			}},
		{name: "a year on the clock", check: "determinism", words: []string{"car.Fuel", "another time of day", "reads a clock"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				g.after(func(game.Tick, game.Inputs[stick]) {
					for _, c := range cars.All() {
						c.Fuel = uint8(time.Now().Year() % 100)
					}
				})
			}},
		{name: "nanoseconds on the clock", check: "determinism", words: []string{"car.X", "clock"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				g.after(func(game.Tick, game.Inputs[stick]) {
					for _, c := range cars.All() {
						c.X = float64(time.Now().UnixNano() % 1000)
					}
				})
			}},
		{name: "a package variable", check: "determinism", words: []string{"car.heat", "package variables"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				g.after(func(game.Tick, game.Inputs[stick]) {
					for _, c := range cars.All() {
						spawned++
						c.heat = float64(spawned)
					}
				})
			}},
		{name: "chance from elsewhere", check: "determinism", words: []string{`event "boom"`, "n is", "World.Rand"},
			make: func(w *game.World, g *toy) {
				ev := game.NewEvent[stick0](w, "boom")
				g.step = func(game.Tick, game.Inputs[stick]) { ev.All(stick0{N: uint8(rand.Uint32())}) }
			}},
		{name: "chance in letters to the outside", check: "determinism", words: []string{"World.Post"},
			make: func(w *game.World, g *toy) {
				g.step = func(game.Tick, game.Inputs[stick]) { w.Post("score", []byte{byte(rand.Uint32())}) }
			}},
		{name: "chance in Join", check: "determinism", words: []string{"Join answered"},
			make: func(w *game.World, g *toy) {
				g.join = func(game.PlayerID, game.JoinInfo) error {
					if rand.IntN(2) == 0 {
						return errors.New("not now")
					}
					return nil
				}
			}},
	})
}

func TestGoroutinesThatOutliveTheRoom(t *testing.T) {
	found, _ := inspect(t, kind(game.Options{}, func(w *game.World, g *toy) {
		drivers(w, g)
		work := make(chan func())
		go func() {
			for f := range work {
				f()
			}
		}()
		g.after(func(game.Tick, game.Inputs[stick]) {
			done := make(chan bool)
			work <- func() { close(done) }
			<-done
		})
	}))
	expect(t, found, "determinism", false, "warning", "goroutines", "Close")
}

func TestBrokenCheckpoint(t *testing.T) {
	runAll(t, []brokenGame{
		{name: "a field of the game's struct", check: "checkpoint", words: []string{"goes on differently", `table "car"`, "car.heat", "outside its tables"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				wind := 0.0
				g.after(func(game.Tick, game.Inputs[stick]) {
					wind++
					for _, c := range cars.All() {
						c.heat = wind
					}
				})
			}},
		{name: "a map of players", check: "checkpoint", words: []string{"does not go on", "Step panics", "outside its tables"},
			make: func(w *game.World, g *toy) {
				cars := game.NewTable[car](w, "car")
				of := map[game.PlayerID]*car{}
				g.join = func(p game.PlayerID, _ game.JoinInfo) error {
					id := cars.Add(car{})
					cars.Own(id, p)
					of[p] = cars.Get(id)
					return nil
				}
				g.step = func(_ game.Tick, in game.Inputs[stick]) {
					for c := range in.All() {
						of[c.Player].X++
					}
				}
			}},
		{name: "a number that only events show", check: "checkpoint", words: []string{`event "boom"`, "n is"},
			make: func(w *game.World, g *toy) {
				ev := game.NewEvent[stick0](w, "boom")
				n := uint8(0)
				g.step = func(game.Tick, game.Inputs[stick]) {
					n++
					ev.All(stick0{n})
				}
			}},
		{name: "Restored changes the tables", check: "checkpoint", words: []string{"differs at once", "car.Fuel is", "Restored and LoadState"},
			make: func(w *game.World, g *toy) {
				cars := drivers(w, g)
				g.restored = func() {
					for _, c := range cars.All() {
						c.Fuel = 1
					}
				}
			}},
		{name: "AppendState of a map", check: "checkpoint", words: []string{"cannot be loaded: too short", "LoadState"},
			make: func(w *game.World, g *toy) {
				g.save = func(dst []byte) []byte { return append(dst, 1) }
				g.load = func([]byte) error { return errors.New("too short") }
			}},
		{name: "AppendState forgets", check: "checkpoint", words: []string{"differs at once", "AppendState"},
			make: func(w *game.World, g *toy) {
				n := byte(0)
				g.step = func(game.Tick, game.Inputs[stick]) { n++ }
				g.save = func(dst []byte) []byte { return append(dst, n) }
			}},
	})
}

func TestBrokenNumbers(t *testing.T) {
	type drifter struct {
		X     float32 `net:"all,quant=1/16"`
		Speed float64 `net:"all,quant=1/4"`
		Shown float64 `net:"all,quant=1/4,show"`
	}
	drift := func(step func(d *drifter)) func(w *game.World, g *toy) {
		return func(w *game.World, g *toy) {
			v := game.NewValue[drifter](w, "boat")
			g.start = func() { v.Get().Speed = 1 }
			g.step = func(game.Tick, game.Inputs[stick]) { step(v.Get()) }
		}
	}
	runAll(t, []brokenGame{
		{name: "not a number", check: "nan", words: []string{"tick", `table "boat" row 0`, "drifter.X is NaN"},
			make: drift(func(d *drifter) { d.X = float32(math.Sqrt(-1)) })},
		{name: "infinite in an event", check: "nan", words: []string{`event "puff"`, "puff.At is +Inf"},
			make: func(w *game.World, g *toy) {
				type puff struct {
					At float32 `net:"quant=1/4"`
				}
				ev := game.NewEvent[puff](w, "puff")
				g.step = func(game.Tick, game.Inputs[stick]) { ev.All(puff{float32(math.Inf(1))}) }
			}},
		{name: "slow", check: "rounding", warns: true, words: []string{`table "boat"`, "drifter.X does not move", "quant=1/16", "show"},
			make: drift(func(d *drifter) { d.X += 0.01; d.Shown += 0.01 })},
		{name: "very slow", check: "rounding", warns: true, words: []string{"drifter.X does not move"},
			make: drift(func(d *drifter) { d.X += 0.001 })},
		{name: "friction that never ends", check: "rounding", warns: true, words: []string{"drifter.Speed does not move"},
			make: drift(func(d *drifter) { d.Speed *= 0.95 })},
	})
}

func TestQuickNumbersAreNotTold(t *testing.T) {
	type mover struct {
		X float32 `net:"all,quant=1/16"`
		Y float32 `net:"all,quant=1/16"`
		Z float64 `net:"all,quant=1/4,show"`
	}
	found, _ := inspect(t, kind(game.Options{}, func(w *game.World, g *toy) {
		v := game.NewValue[mover](w, "boat")
		g.step = func(now game.Tick, _ game.Inputs[stick]) {
			m := v.Get()
			m.X += 0.05                                  // less than a quantum, more than half of one
			m.Y += float32(math.Sin(float64(now))) * 0.2 // now and then too little
			m.Z += 0.001
		}
	}))
	expectClean(t, found)
}

func TestBrokenSecrets(t *testing.T) {
	runAll(t, []brokenGame{
		{name: "owner fields without an owner", check: "secrets", warns: true, words: []string{"warning", "fuel", `table "car"`, "Table.Own"},
			make: func(w *game.World, g *toy) {
				cars := game.NewTable[car](w, "car")
				g.join = func(game.PlayerID, game.JoinInfo) error { cars.Add(car{Fuel: 3}); return nil }
			}},
		{name: "secrets kept by seat", check: "leave", warns: true, words: []string{"warning", `table "car"`, "fuel", "next player of the seat"},
			make: func(w *game.World, g *toy) {
				type drawer struct{ Fuel [64]uint8 }
				kept := game.NewValue[drawer](w, "drawer")
				cars := drivers(w, g)
				g.join = func(p game.PlayerID, _ game.JoinInfo) error {
					cars.Own(cars.Add(car{Fuel: kept.Get().Fuel[p]}), p)
					return nil
				}
				g.after(func(now game.Tick, _ game.Inputs[stick]) {
					for id, c := range cars.All() {
						c.Fuel = uint8(now)
						kept.Get().Fuel[cars.Owner(id)] = c.Fuel
					}
				})
			}},
	})
}
