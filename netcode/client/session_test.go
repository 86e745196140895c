package client

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/roomd/roomd/netcode/wire"
)

func TestCoreResendsWhatTheServerLacks(t *testing.T) {
	c, s := joined(t)
	for turn := range 5 {
		sendTurn(t, c, float64(turn+1))
	}
	private, shared := s.frames(s.step(1), wire.Self{DAck: 2})
	receive(t, c, private, shared)
	if c.Unacked() != 3 {
		t.Fatalf("%d unacked", c.Unacked())
	}
	c.Hello()
	receive(t, c, s.welcome(func(w *wire.Welcome) { w.LastSeq, w.Tick = 3, 140 }))
	got := s.inputs(c.Outgoing(), 3, 140)
	if want := []arrival{{4, 100, 64}, {5, 100, 80}}; !slices.Equal(got, want) {
		t.Fatalf("resent %v, want %v", got, want)
	}
	if len(c.Outgoing()) != 0 {
		t.Fatal("sent twice")
	}
	next := s.inputs(sendTurn(t, c, 9), 5, 100)
	if want := (arrival{6, 140, (9 - 5) * 16}); c.Seq() != 6 || len(next) != 1 || next[0] != want {
		t.Fatalf("next %v, want %v", next, want)
	}
}

func TestCoreStartsAnewInAnotherHistory(t *testing.T) {
	c, s := joined(t)
	sendTurn(t, c, 1)
	c.Hello()
	receive(t, c, s.welcome(func(w *wire.Welcome) { w.Epoch, w.LastSeq = 8, 40 }))
	if len(c.Outgoing()) != 0 || c.Seq() != 40 || c.Unacked() != 0 {
		t.Fatalf("sequence %d, %d unacked", c.Seq(), c.Unacked())
	}
	if _, ok := c.Tick(); ok {
		t.Fatal("still holds the old state")
	}
	c.Forget()
	if h := hello(t, c.Hello()); h.Token != "" || h.Tick != 0 || h.Room != "" {
		t.Fatalf("hello %+v", h)
	}
}

func TestCoreKeepsTheBye(t *testing.T) {
	c, _ := joined(t)
	receive(t, c, wire.AppendBye(nil, wire.Bye{Code: wire.ByeKicked, Text: "be nice"}))
	if bye := c.Bye(); bye == nil || bye.Code != wire.ByeKicked || !strings.Contains(bye.Error(), "be nice") {
		t.Fatalf("bye %v", bye)
	}
	in := c.NewInput()
	if _, err := c.AppendInput(nil, &in); !errors.Is(err, ErrNotJoined) {
		t.Fatalf("input after the bye: %v", err)
	}
	c.Hello()
	if c.Bye() != nil {
		t.Fatal("the bye outlives its connection")
	}
}

func TestCoreSkipsSchemaItHas(t *testing.T) {
	s := newServer(t)
	c := NewCore(Config{Kind: "tanks", Schema: testSchema()})
	if h := hello(t, c.Hello()); h.SchemaHash != s.schema.Hash() {
		t.Fatalf("hello %+v", h)
	}
	private, shared := s.frames(s.step(1, 2), wire.Self{})
	receive(t, c, s.welcome(func(w *wire.Welcome) { w.Schema = nil }), private, shared)
	s.expect(c)
}
