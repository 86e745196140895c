package room

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/roomd/roomd/game"
)

func TestConfigDefaults(t *testing.T) {
	c := Config{ID: "r", Kind: courtKind(game.Options{}, &hooks{})}
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	expect(t, "grace", c.Grace, 20*time.Second)
	expect(t, "history", c.History, 2*time.Second)
	expect(t, "empty", c.Empty, 30*time.Second)
	expect(t, "catch-up", c.CatchUp, 3)
	expect(t, "epoch", c.Epoch, 1)
	expect(t, "seed", c.Seed == [32]byte{}, false)
	expect(t, "the rest", c.Log != nil && c.Rand != nil && c.Frames != nil, true)
}

func TestConfigErrors(t *testing.T) {
	kind := courtKind(game.Options{}, &hooks{})
	for what, c := range map[string]Config{
		"no kind":     {ID: "r"},
		"no id":       {Kind: kind},
		"a dot":       {ID: "a.b", Kind: kind},
		"long id":     {ID: strings.Repeat("x", 65), Kind: kind},
		"history":     {ID: "r", Kind: kind, History: -1},
		"long ring":   {ID: "r", Kind: kind, History: time.Hour},
		"broken rand": {ID: "r", Kind: kind, Rand: iotest.ErrReader(errors.New("no entropy"))},
		"bad kind":    {ID: "r", Kind: courtKind(game.Options{TickRate: 1000}, &hooks{})},
	} {
		if _, err := New(c, 0); err == nil {
			t.Errorf("%s: New succeeded", what)
		}
	}
}

func TestToken(t *testing.T) {
	tok := Token{Room: "court-1", Seat: 12, Secret: [SecretSize]byte{1, 2, 3, 0xff}}
	got, err := ParseToken(tok.String())
	if err != nil || got != tok {
		t.Fatal(got, err)
	}
	good := tok.String()
	for _, bad := range []string{
		"", ".", "..", "court-1", "court-1.12", good + "=", good + "A", good[:len(good)-1], " " + good, good + ".",
		strings.Replace(good, ".12.", ".012.", 1), strings.Replace(good, ".12.", ".0.", 1),
		strings.Replace(good, ".12.", ".+12.", 1), strings.Replace(good, ".12.", ".2000.", 1),
		strings.Replace(good, "court-1", "", 1), strings.Replace(good, "court-1", "a/b", 1),
		good[:len(good)-1] + "B", // bits beyond the secret
	} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("token %q was accepted", bad)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(Token{Room: "r", Seat: 1}.String())
	f.Add("a.1.")
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := ParseToken(s); err == nil && tok.String() != s {
			t.Errorf("%q reads as %q", s, tok.String())
		}
	})
}

func TestStatsAdd(t *testing.T) {
	var one, sum Stats
	v := reflect.ValueOf(&one).Elem()
	fill := func(f reflect.Value) {
		if f.CanUint() {
			f.SetUint(3)
		} else {
			f.SetInt(3)
		}
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() != reflect.Array {
			fill(f)
			continue
		}
		for j := range f.Len() {
			fill(f.Index(j))
		}
	}
	sum.Add(&one)
	expect(t, "every counter is added", sum, one)
}

func TestGuardEndsItsCoroutine(t *testing.T) {
	for range 50 {
		var g guard
		expect(t, "returns", g.run(func() {}), true)
		expect(t, "panics", g.run(func() { panic(errors.New("x")) }), false)
		expect(t, "why", g.crash.why, "panic: x")
		expect(t, "goes on", g.run(func() {}), true)
		g.close()
		g.close()
		expect(t, "begins anew", g.run(func() {}), true)
		g.close()
	}
}

func BenchmarkGuard(b *testing.B) {
	var g guard
	n := 0
	f := func() { n++ }
	b.ReportAllocs()
	for b.Loop() {
		g.run(f)
	}
	g.close()
}
