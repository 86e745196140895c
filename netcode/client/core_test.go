package client

import (
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

func TestCoreHoldsWhatTheServerSends(t *testing.T) {
	c, s := joined(t)
	s.expect(c)
	private, shared := s.frames(s.step(3, 4, 5.5), wire.Self{DAck: 2, Slack: 6, Drops: 1})
	receive(t, c, private, shared)
	s.expect(c)
	if c.Ack() != 2 || c.Slack() != 6 || c.Stats().Drops != 1 || c.Seat() != 1 || c.Room() != "r1" || c.TickRate() != 20 {
		t.Fatalf("ack %d, slack %d, stats %+v", c.Ack(), c.Slack(), c.Stats())
	}
	var got []float64
	for r := range c.Rows("tanks") {
		got = append(got, float64(r.Index), r.Value("pos.x"), r.Value("ammo"))
		if r.Mine != (r.Index == 0) {
			t.Fatalf("row %d: mine %t", r.Index, r.Mine)
		}
	}
	if want := []float64{0, 3, 101, 1, 4, 0, 2, 5.5, 0}; !slices.Equal(got, want) {
		t.Fatalf("rows %v, want %v", got, want)
	}
	r, ok := c.Row("tanks", 2)
	target, hasTarget := r.Ref("aim")
	if !ok || r.Str("name") != "ttt" || r.Str("pos.x") != "5.5" || target != 0 || !hasTarget || c.Len("tanks") != 3 {
		t.Fatalf("row 2: %q %q, aims at %d %t", r.Str("name"), r.Str("pos.x"), target, hasTarget)
	}
	if v := r.Value("speed"); v == v {
		t.Fatalf("a field that is not there is %v", v)
	}
	if _, ok := c.Row("mines", 0); ok {
		t.Fatal("a table that is not there has a row")
	}
}

func TestCoreAppliesSelfWithItsFrame(t *testing.T) {
	c, s := joined(t)
	held := s.base
	private, _ := s.frames(s.step(3, 4), wire.Self{DAck: 1})
	receive(t, c, private)
	s.base = held
	s.expect(c) // unchanged
	if c.Ack() != 0 {
		t.Fatalf("ack %d before the frame", c.Ack())
	}
	// The connection breaks before the frame: the cursor is still right.
	if h := hello(t, c.Hello()); h.Tick != held.Tick || h.Epoch != 7 || h.Token != "r1.1.secret" || h.Room != "r1" || h.SchemaHash != s.schema.Hash() {
		t.Fatalf("hello %+v", h)
	}
	receive(t, c, s.welcome(func(w *wire.Welcome) { w.Flags, w.Schema = wire.FlagResumed, nil }))
	if !c.Resumed() {
		t.Fatal("not resumed")
	}
	private, shared := s.frames(s.step(5, 6), wire.Self{DAck: 2})
	receive(t, c, append(private, shared...))
	s.expect(c)
	if c.Ack() != 2 {
		t.Fatalf("ack %d", c.Ack())
	}
}

func TestCoreFollowsPredictions(t *testing.T) {
	c, s := joined(t)
	past := []*game.Entry{s.base}
	pub := delta.View{Teams: s.view.Teams}
	for i := range 8 {
		x := 1 + float64(i)/2
		_, shared := s.frames(s.step(x, 2), wire.Self{})
		private, mark := wire.BeginSelf(nil, wire.Self{})
		private, n := s.enc.AppendBody(private, past[0], s.view, s.base, s.view)
		private = wire.EndSelf(private, mark, n)
		if len(past) >= 3 {
			shared, mark = wire.BeginDelta(nil, wire.Predicted)
			shared, n = s.enc.AppendPredicted(shared, [3]*game.Entry(past), s.base, pub)
			shared = wire.EndDelta(shared, mark, n)
		}
		receive(t, c, private, append(shared, wire.AppendCheck(nil, s.enc.Hash(s.base, pub))...))
		s.expect(c)
		past = append([]*game.Entry{s.base}, past...)
	}
	if got := c.Stats(); got.Checks != 8 || got.WrongHashes != 0 {
		t.Fatalf("stats %+v", got)
	}
}

func TestCoreOrdersEvents(t *testing.T) {
	c, s := joined(t)
	for i := range int64(3) { // two ticks that are skipped and one that is not
		e := s.step(1)
		s.emit(e, 1, 10*i)
		s.emit(e, 0, 10*i+1)
		if i < 2 {
			s.ring.Commit(e)
			continue
		}
		private, shared := s.frames(e, wire.Self{})
		receive(t, c, private)
		if got := c.Events(); len(got) != 0 {
			t.Fatalf("%d events before their frame", len(got))
		}
		receive(t, c, shared)
	}
	var got []float64
	for _, e := range c.Events() {
		target, _ := e.Ref("tank")
		got = append(got, float64(e.Tick), e.Value("power"))
		if e.Name != "hit" || target != 0 || e.Private != (int(e.Value("power"))%10 == 0) {
			t.Fatalf("event %+v", e)
		}
	}
	if want := []float64{101, 1, 101, 0, 102, 11, 102, 10, 103, 21, 103, 20}; !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
	if len(c.Events()) != 0 {
		t.Fatal("events given twice")
	}
}

func TestCoreBoundsEvents(t *testing.T) {
	c, s := joined(t)
	for range 5 {
		e := s.step(1)
		for i := range int64(MaxEvents/4 + 1) {
			s.emit(e, 0, i)
		}
		private, shared := s.frames(e, wire.Self{})
		receive(t, c, private, shared)
	}
	if n := len(c.Events()); n > MaxEvents || uint64(n)+c.Stats().EventsLost != 5*(MaxEvents/4+1) {
		t.Fatalf("%d events, %d lost", n, c.Stats().EventsLost)
	}
}

func TestBlindCoreFollowsTicks(t *testing.T) {
	s, c := newServer(t), NewCore(Config{Kind: "tanks", Blind: true})
	c.Hello()
	receive(t, c, s.welcome(nil))
	for range 3 {
		e := s.step(1, 2)
		s.emit(e, 0, 1)
		private, shared := s.frames(e, wire.Self{DAck: 1})
		receive(t, c, private, shared)
	}
	if tick, ok := c.Tick(); !ok || tick != s.base.Tick || c.Ack() != 3 || c.Len("tanks") != 0 || len(c.Events()) != 0 {
		t.Fatalf("tick %d, ack %d, %d rows", tick, c.Ack(), c.Len("tanks"))
	}
}

func TestCoreRefusesWhatBreaksTheProtocol(t *testing.T) {
	s := newServer(t)
	other := testSchema()
	other.Kind = "other"
	cases := map[string][]byte{
		"delta before welcome": {0x92, 3, 1},
		"cut off":              s.welcome(nil)[:20],
		"second welcome":       append(s.welcome(nil), s.welcome(nil)...),
		"other version":        s.welcome(func(w *wire.Welcome) { w.Proto = 2 }),
		"no schema":            s.welcome(func(w *wire.Welcome) { w.Schema = nil }),
		"wrong schema":         s.welcome(func(w *wire.Welcome) { w.Schema = other }),
		"unknown event":        append(s.welcome(nil), 0x94, 5, 100, 0, 1, 0x93, 6, 0, 9),
		"event too far back":   append(s.welcome(nil), 0x94, 5, 100, 0, 1, 0x95, 6, 101, 0, 0, 0),
		"not msgpack":          {0xc1},
	}
	for name, b := range cases {
		c := NewCore(Config{Kind: "tanks"})
		c.Hello()
		if c.Receive(b) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCoreDoesNotAllocateWhenWarm(t *testing.T) {
	c, s := joined(t)
	e := s.step(3, 4)
	s.emit(e, 0, 1)
	s.emit(e, 1, 2)
	there, shared := s.frames(e, wire.Self{DAck: 1})
	there = append(there, shared...)
	back, shared := s.frames(s.step(1, 2), wire.Self{})
	// The frame back restores the ammo too, so that both fit again and again.
	back = append(back, shared...)
	in, out := c.NewInput(), make([]byte, 0, 256)
	sum, turn := 0.0, 0.0
	round := func() {
		for _, m := range [][]byte{there, back} {
			if err := c.Receive(m); err != nil {
				t.Fatal(err)
			}
			turn++
			in.Reset()
			in.Set("turn", turn)
			if _, err := c.AppendInput(out, &in); err != nil {
				t.Fatal(err)
			}
			for _, ev := range c.Events() {
				sum += ev.Value("power")
			}
			for r := range c.Rows("tanks") {
				sum += r.Value("pos.x")
			}
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(50, round); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if c.Stats().Resyncs != 0 {
		t.Fatal(c.Fault())
	}
}
