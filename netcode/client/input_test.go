package client

import (
	"errors"
	"math"
	"testing"

	"github.com/roomd/roomd/netcode/wire"
)

func TestInputBuilderRoundsBoundsAndWraps(t *testing.T) {
	c, _ := joined(t)
	cases := []struct {
		field string
		value float64
		want  float64
	}{
		{"turn", 0.3, 0.3125},
		{"turn", -1e300, -1000},
		{"turn", math.Inf(1), 1000},
		{"heading", 255.6, 0},
		{"heading", -1, 255},
		{"heading", 1000, 1000 - 3*256},
		{"fire", 1, 1},
		{"fire", 7, 1},
	}
	for _, test := range cases {
		in := c.NewInput()
		in.Set(test.field, test.value)
		row := Row{names: c.inputs, lanes: in.Lanes()}
		if got := row.Value(test.field); got != test.want || in.Err() != nil {
			t.Errorf("%s = %v is sent as %v, want %v (%v)", test.field, test.value, got, test.want, in.Err())
		}
	}
	for text, want := range map[string]string{"hello": "hell", "hi": "hi", "日本": "日", "né!?": "né!"} {
		in := c.NewInput()
		in.SetText("say", text)
		if got := (Row{names: c.inputs, lanes: in.Lanes()}).Str("say"); got != want || in.Err() != nil {
			t.Errorf("%q is sent as %q, want %q (%v)", text, got, want, in.Err())
		}
	}
}

func TestInputBuilderKeepsTheFirstMistake(t *testing.T) {
	c, _ := joined(t)
	cases := []struct {
		set  func(*InputBuilder)
		want error
	}{
		{func(b *InputBuilder) { b.Set("speed", 1) }, errNoField},
		{func(b *InputBuilder) { b.Set("turn", math.NaN()) }, errNoNumber},
		{func(b *InputBuilder) { b.Set("say", 1); b.Set("speed", 1) }, errNoNumber},
		{func(b *InputBuilder) { b.SetText("turn", "x") }, errNotText},
		{func(b *InputBuilder) { b.SetText("speed", "x") }, errNoField},
	}
	for i, test := range cases {
		in := c.NewInput()
		test.set(&in)
		if _, err := c.AppendInput(nil, &in); !errors.Is(err, test.want) {
			t.Errorf("%d: error %v, want %v", i, err, test.want)
		}
		in.Reset()
		if _, err := c.AppendInput(nil, &in); err != nil {
			t.Errorf("%d: after Reset: %v", i, err)
		}
	}
}

func TestInputNeedsASeatAndTheSchema(t *testing.T) {
	s, c := newServer(t), NewCore(Config{Kind: "tanks"})
	c.Hello()
	early := c.NewInput()
	if _, err := c.AppendInput(nil, &early); !errors.Is(err, ErrNotJoined) {
		t.Fatalf("before the welcome: %v", err)
	}
	receive(t, c, s.welcome(nil))
	if _, err := c.AppendInput(nil, &early); !errors.Is(err, ErrSchemaChanged) {
		t.Fatalf("with no schema: %v", err)
	}
	spectator := NewCore(Config{Kind: "tanks", Spectate: true})
	if h := hello(t, spectator.Hello()); !h.Spectate() {
		t.Fatalf("hello %+v", h)
	}
	receive(t, spectator, s.welcome(func(w *wire.Welcome) { w.Seat, w.Token = 0, "" }))
	in := spectator.NewInput()
	if _, err := spectator.AppendInput(nil, &in); !errors.Is(err, ErrNotJoined) {
		t.Fatalf("of a spectator: %v", err)
	}
}

func TestUnackedInputsAreBounded(t *testing.T) {
	c, s := joined(t)
	for range 3 * MaxUnacked {
		sendTurn(t, c, 1)
	}
	if c.Unacked() != MaxUnacked || c.Seq() != 3*MaxUnacked {
		t.Fatalf("%d unacked of %d", c.Unacked(), c.Seq())
	}
	c.Hello()
	receive(t, c, s.welcome(nil))
	got := s.inputs(c.Outgoing(), 0, s.tick)
	if len(got) != MaxResent || got[len(got)-1].seq != c.Seq() {
		t.Fatalf("resent %v", got)
	}
}
