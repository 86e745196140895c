package gametest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// liar is an encoder with a fault.
type liar struct {
	*delta.Encoder
	body  func(*game.Entry, delta.View) (*game.Entry, delta.View)
	event func(delta.View) delta.View
}

func (l *liar) AppendBody(dst []byte, base *game.Entry, bv delta.View, cur *game.Entry, cv delta.View) ([]byte, int) {
	if l.body != nil {
		if base != nil {
			base, bv = l.body(base, bv)
		}
		cur, cv = l.body(cur, cv)
	}
	return l.Encoder.AppendBody(dst, base, bv, cur, cv)
}

func (l *liar) AppendEvents(dst []byte, ring *delta.Ring, from, to game.Tick, v delta.View, cut game.Tick) []byte {
	if l.event != nil {
		v = l.event(v)
	}
	return l.Encoder.AppendEvents(dst, ring, from, to, v, cut)
}

// TestFaultsOfTheEngine: a fault of what sends the state is found, and said not
// to be the game's.
func TestFaultsOfTheEngine(t *testing.T) {
	everyone := func(v delta.View) delta.View {
		if v.Seat == 0 {
			v.Teams = game.Everyone
		}
		return v
	}
	// changed sends entries in which change has changed each row.
	changed := func(change func(m *game.RowMeta)) func(*game.Entry, delta.View) (*game.Entry, delta.View) {
		return func(e *game.Entry, v delta.View) (*game.Entry, delta.View) {
			other := &game.Entry{Tables: make([]game.TableRows, len(e.Tables))}
			copyEntry(other, e)
			for t := range other.Tables {
				for i := range other.Tables[t].Meta {
					change(&other.Tables[t].Meta[i])
				}
			}
			return other, v
		}
	}
	for _, c := range []struct {
		name  string
		liar  liar
		check string
		words []string
	}{
		{"hidden rows are sent", liar{body: changed(func(m *game.RowMeta) { m.Show = game.Everyone })},
			"secrets", []string{"viewer", `table "`, "a fault of roomd"}},
		{"owner fields are sent", liar{body: changed(func(m *game.RowMeta) { m.Reveal = game.Everyone })},
			"secrets", []string{`table "`, "owner: player", "which is for the owner"}},
		{"rows are left out", liar{body: changed(func(m *game.RowMeta) { m.Show = game.Nobody })},
			"replication", []string{"there false, other true", "viewer", "a fault of roomd"}},
		{"events are told to all", liar{event: everyone}, "secrets", []string{"event", "which is not for the viewer"}},
		{"events are told to all", liar{event: everyone}, "replication", []string{"event"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := newSuite(cardKind(), cardPlay)
			if err != nil {
				t.Fatal(err)
			}
			s.encoder = func(schema *game.Schema) encoder {
				l := c.liar
				l.Encoder = delta.NewEncoder(schema)
				return &l
			}
			for _, ch := range checks() {
				if ch.name == c.check {
					found, _ := s.run(ch)
					expect(t, found, c.check, true, c.words...)
				}
			}
		})
	}
}

func TestNondeterministicKinds(t *testing.T) {
	found, skipped := inspect(t, kind(game.Options{Nondeterministic: true}, func(w *game.World, g *toy) {
		cars := drivers(w, g)
		g.after(func(game.Tick, game.Inputs[stick]) {
			for _, c := range cars.All() {
				c.X = float64(rand.IntN(100))
			}
		})
	}))
	expectClean(t, found)
	if !strings.Contains(skipped["determinism"], "Nondeterministic") || len(skipped) != 1 {
		t.Errorf("left out: %v", skipped)
	}
	expect(t, found, "checkpoint", false, "only the moment of the move")
}

func TestInputsAreTheAuthors(t *testing.T) {
	fires := 0
	k := kind(game.Options{}, func(w *game.World, g *toy) {
		g.step = func(_ game.Tick, in game.Inputs[stick]) {
			for c := range in.All() {
				if c.State == game.Fresh && (c.Input.X != 3 || !c.Input.Fire) {
					t.Errorf("input %+v", c.Input)
				}
				fires++
			}
		}
	})
	found, _ := inspect(t, k, Inputs(func(rng *rand.Rand, s *game.Schema, lanes []int32) {
		s.Input.Fields[0].Leaves[0].Put(lanes, 3)
		s.Input.Fields[2].Leaves[0].Put(lanes, 1)
	}))
	expectClean(t, found)
	if fires == 0 {
		t.Error("nobody played")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	k := kind(game.Options{MaxPlayers: 4}, func(*game.World, *toy) {})
	for want, o := range map[string]Option{
		"gametest.Ticks(0)":        Ticks(0),
		"gametest.Ticks(10000000)": Ticks(10_000_000),
		"gametest.Players(5)":      Players(5),
		"gametest.Players(-1)":     Players(-1),
	} {
		if _, err := newSuite(k, []Option{o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestFailuresAreTold runs a broken game in another process, to see what go
// test prints.
func TestFailuresAreTold(t *testing.T) {
	const env = "GAMETEST_BROKEN"
	if seed := os.Getenv(env); seed != "" {
		var n uint64
		fmt.Sscan(seed, &n)
		Run(t, kind(game.Options{}, func(w *game.World, g *toy) {
			cars := drivers(w, g)
			wind := 0.0
			g.after(func(game.Tick, game.Inputs[stick]) {
				wind++
				for _, c := range cars.All() {
					c.heat = wind
				}
			})
		}), Seed(n), Ticks(60))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFailuresAreTold$")
	cmd.Env = append(os.Environ(), env+"=77")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("it passes: %s", out)
	}
	for _, want := range []string{
		`--- FAIL: TestFailuresAreTold/checkpoint`,
		`tick \d+: a room made from the checkpoint of tick \d+ goes on differently: table "car": row \d+: car\.heat is \d+, other \d+`,
		`to repeat this play: gametest\.Seed\(77\), gametest\.Ticks\(60\)`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("go test does not print %s: %s", want, out)
		}
	}
	if n := strings.Count(string(out), "--- FAIL"); n != 2 {
		t.Errorf("%d tests fail, not the one subtest: %s", n, out)
	}
}
