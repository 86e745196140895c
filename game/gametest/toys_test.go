package gametest

import (
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// stick is the input of most toys.
type stick struct {
	X, Y int8
	Fire bool `net:"once"`
}

// toy is a game made of functions; nil ones do nothing.
type toy struct {
	start    func()
	restored func()
	join     func(p game.PlayerID, info game.JoinInfo) error
	leave    func(p game.PlayerID)
	step     func(now game.Tick, in game.Inputs[stick])
	mail     func(topic string, body []byte)
	save     func(dst []byte) []byte
	load     func(src []byte) error
}

func (g *toy) Start() {
	if g.start != nil {
		g.start()
	}
}

func (g *toy) Restored() {
	if g.restored != nil {
		g.restored()
	}
}

func (g *toy) Join(p game.PlayerID, info game.JoinInfo) error {
	if g.join != nil {
		return g.join(p, info)
	}
	return nil
}

func (g *toy) Leave(p game.PlayerID) {
	if g.leave != nil {
		g.leave(p)
	}
}

func (g *toy) Step(now game.Tick, in game.Inputs[stick]) {
	if g.step != nil {
		g.step(now, in)
	}
}

func (g *toy) Mail(topic string, body []byte) {
	if g.mail != nil {
		g.mail(topic, body)
	}
}

func (g *toy) AppendState(dst []byte) []byte {
	if g.save != nil {
		return g.save(dst)
	}
	return dst
}

func (g *toy) LoadState(src []byte) error {
	if g.load != nil {
		return g.load(src)
	}
	return nil
}

// kind makes a kind whose tables are defined, and whose rules are filled in, by
// make, for each room anew.
func kind(o game.Options, make func(w *game.World, g *toy)) *game.Kind {
	return game.Define("toy", o, func(w *game.World) game.Game[stick] {
		g := &toy{}
		make(w, g)
		return g
	})
}

// car is the row of most toys.
type car struct {
	X, Y float64 `net:"all,quant=1/256,pos"`
	Fuel uint8   `net:"owner"`
	heat float64
}

// drivers gives each player a car, which they steer.
func drivers(w *game.World, g *toy) *game.Table[car] {
	cars := game.NewTable[car](w, "car")
	g.join = func(p game.PlayerID, _ game.JoinInfo) error {
		cars.Own(cars.Add(car{Fuel: 200}), p)
		return nil
	}
	g.leave = func(p game.PlayerID) {
		for id := range cars.Of(p) {
			cars.Remove(id)
		}
	}
	g.step = func(now game.Tick, in game.Inputs[stick]) {
		for id, c := range cars.All() {
			cmd := in.Of(cars.Owner(id))
			c.X += float64(cmd.Input.X) / 256
			c.Y += float64(cmd.Input.Y) / 256
			c.Fuel -= c.Fuel & 1
			c.heat += 0.001
		}
	}
	return cars
}

// after has a toy do more in each Step.
func (g *toy) after(more func(now game.Tick, in game.Inputs[stick])) {
	step := g.step
	g.step = func(now game.Tick, in game.Inputs[stick]) {
		if step != nil {
			step(now, in)
		}
		more(now, in)
	}
}

// inspect runs all checks over a kind, as Run does, and returns what they found
// and why some were left out.
func inspect(t *testing.T, k *game.Kind, opts ...Option) (found []finding, skipped map[string]string) {
	t.Helper()
	s, err := newSuite(k, append([]Option{Ticks(300)}, opts...))
	if err != nil {
		t.Fatal(err)
	}
	return inspectSuite(t, s)
}

func inspectSuite(t *testing.T, s *suite) (found []finding, skipped map[string]string) {
	s.bubble = bubbleOf(t)
	skipped = map[string]string{}
	for _, c := range checks() {
		f, err := s.run(c)
		found = append(found, f...)
		if err != nil {
			skipped[c.name] = err.Error()
		}
	}
	t.Logf("seed %d", s.c.seed)
	return found, skipped
}

// expect wants one finding of a check that has all the words, and no failure in
// another check.
func expect(t *testing.T, found []finding, check string, fatal bool, words ...string) {
	t.Helper()
	hit := false
	for _, f := range found {
		if f.check == check && f.fatal == fatal && holds(f.text, words) {
			hit = true
		} else if f.fatal && f.check != check {
			t.Errorf("%s fails, too: %s", f.check, f.text)
		}
	}
	if hit {
		return
	}
	t.Errorf("%s does not say (failing: %t) %q; but:", check, fatal, words)
	for _, f := range found {
		t.Logf("%s (failing: %t): %s", f.check, f.fatal, f.text)
	}
}

func holds(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// expectClean wants no failure and no warning.
func expectClean(t *testing.T, found []finding) {
	t.Helper()
	for _, f := range found {
		if f.fatal || strings.Contains(f.text, "warn") {
			t.Errorf("%s: %s", f.check, f.text)
		}
	}
}
