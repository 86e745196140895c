package client

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// testSchema is a small game with secrets, references, text and events.
func testSchema() *game.Schema {
	leaf := func(name string, t game.LeafType, bits uint8, low, high int64) game.Leaf {
		return game.Leaf{Name: name, Type: t, Bits: bits, Min: low, Max: high}
	}
	fixed := func(name string) game.Leaf {
		return game.Leaf{Name: name, Type: game.LeafFixed, Bits: 32, Scale: 16, Min: -16000, Max: 16000}
	}
	f := func(name string, leaves ...game.Leaf) game.Field { return game.Field{Name: name, Leaves: leaves} }
	ammo := f("ammo", leaf("", game.LeafUint, 8, 0, 255))
	ammo.Vis = game.VisOwner
	s := &game.Schema{Kind: "tanks", TickRate: 20,
		Tables: []game.RowSchema{{Name: "tanks", Fields: []game.Field{
			f("pos", fixed("x"), fixed("y")),
			f("name", game.Leaf{Type: game.LeafString, MaxLen: 12, Max: 12}),
			f("aim", leaf("", game.LeafRef, 32, 0, game.MaxRows)),
			ammo,
		}}},
		Events: []game.RowSchema{{Name: "hit", Fields: []game.Field{
			f("tank", leaf("", game.LeafRef, 32, 0, game.MaxRows)),
			f("power", leaf("", game.LeafInt, 32, -1000, 1000)),
		}}},
		Input: game.RowSchema{Name: "input", Fields: []game.Field{
			f("turn", fixed("")),
			f("heading", leaf("", game.LeafUint, 8, 0, 255)),
			f("fire", leaf("", game.LeafBool, 1, 0, 1)),
			f("say", game.Leaf{Type: game.LeafString, MaxLen: 4, Max: 4}),
		}},
	}
	r := wire.NewReader(wire.AppendSchema(nil, s)) // lays out the lanes
	s, err := wire.ReadSchema(&r)
	if err != nil {
		panic(err)
	}
	return s
}

// server is the other end: a room's history and what it tells one player.
type server struct {
	t      *testing.T
	schema *game.Schema
	ring   *delta.Ring
	enc    *delta.Encoder
	view   delta.View
	base   *game.Entry // of the player
	tick   game.Tick
}

func newServer(t *testing.T) *server {
	s := testSchema()
	return &server{t: t, schema: s, ring: delta.NewRing(s, 16), enc: delta.NewEncoder(s),
		view: delta.View{Teams: game.Team(0), Seat: 1}, tick: 99}
}

func (s *server) welcome(change func(*wire.Welcome)) []byte {
	w := wire.Welcome{Room: "r1", Epoch: 7, Seat: 1, Token: "r1.1.secret", Tick: s.tick, TickRate: 20,
		Schema: s.schema, SchemaHash: s.schema.Hash()}
	if change != nil {
		change(&w)
	}
	return wire.AppendWelcome(nil, w)
}

// step makes the next tick of tanks at the given places; tank 0 is the player's.
func (s *server) step(xs ...float64) *game.Entry {
	s.tick++
	e := s.ring.Next()
	e.Seats = make([]game.Seat, 3)
	n := s.schema.Tables[0].Lanes
	e.Tick, e.Events, e.EventLanes = s.tick, e.Events[:0], e.EventLanes[:0]
	e.Tables[0].Meta, e.Tables[0].Lanes = e.Tables[0].Meta[:0], e.Tables[0].Lanes[:0]
	for i, x := range xs {
		m := game.RowMeta{Gen: 1, Show: game.Everyone}
		if i == 0 {
			m.Owner = 1
		}
		e.Tables[0].Meta = append(e.Tables[0].Meta, m)
		e.Tables[0].Lanes = append(e.Tables[0].Lanes, make([]int32, n)...)
		row, f := e.Tables[0].Row(i, n), s.schema.Tables[0].Fields
		f[0].Leaves[0].Put(row, int64(x*16))
		f[1].Leaves[0].PutString(row, strings.Repeat("t", i+1))
		f[2].Leaves[0].Put(row, 1<<20) // aims at tank 0
		f[3].Leaves[0].Put(row, int64(s.tick))
	}
	return e
}

func (s *server) emit(e *game.Entry, to game.PlayerID, power int64) {
	row := make([]int32, s.schema.Events[0].Lanes)
	s.schema.Events[0].Fields[0].Leaves[0].Put(row, 1<<20)
	s.schema.Events[0].Fields[1].Leaves[0].Put(row, power)
	e.Events = append(e.Events, game.EventRecord{To: to, Teams: game.Everyone, Lane: int32(len(e.EventLanes)), Lanes: int32(len(row))})
	e.EventLanes = append(e.EventLanes, row...)
}

// frames commits e and is what brings the player from its base to it: the
// private message and the shared one.
func (s *server) frames(e *game.Entry, self wire.Self) (private, shared []byte) {
	s.ring.Commit(e)
	pub := delta.View{Teams: s.view.Teams}
	from := e.Tick - 1
	if s.base != nil {
		from = s.base.Tick
	}
	private, mark := wire.BeginSelf(nil, self)
	private, n := s.enc.AppendBody(private, s.base, s.view, e, s.view)
	private = wire.EndSelf(private, mark, n)
	private = s.enc.AppendEvents(private, s.ring, from, e.Tick, s.view, 0)
	if s.base == nil {
		shared, mark = wire.BeginKeyframe(nil, wire.Keyframe{Tick: e.Tick, Last: true})
		shared, n = s.enc.AppendBody(shared, nil, pub, e, pub)
		shared = wire.EndKeyframe(shared, mark, n)
	} else {
		shared, mark = wire.BeginDelta(nil, e.Tick-s.base.Tick)
		shared, n = s.enc.AppendBody(shared, s.base, pub, e, pub)
		shared = wire.EndDelta(shared, mark, n)
	}
	shared = s.enc.AppendEvents(shared, s.ring, from, e.Tick, pub, 0)
	s.base = e
	return private, shared
}

func receive(t *testing.T, c *Core, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if err := c.Receive(m); err != nil {
			t.Fatal(err)
		}
	}
}

// joined is a core that holds the first tick: tank 0 at 1 and tank 1 at 2.
func joined(t *testing.T) (*Core, *server) {
	t.Helper()
	s, c := newServer(t), NewCore(Config{Kind: "tanks"})
	c.Hello()
	private, shared := s.frames(s.step(1, 2), wire.Self{Slack: -1})
	receive(t, c, s.welcome(nil), private, shared)
	return c, s
}

func (s *server) expect(c *Core) {
	s.t.Helper()
	tick, ok := c.Tick()
	if !ok || tick != s.base.Tick {
		s.t.Fatalf("tick %d %t, want %d", tick, ok, s.base.Tick)
	}
	if err := c.Shared().Equal(delta.Filter(s.schema, s.base, delta.View{Teams: s.view.Teams})); err != nil {
		s.t.Fatal("shared: ", err)
	}
	if err := c.Own().Equal(delta.Filter(s.schema, s.base, s.view)); err != nil {
		s.t.Fatal("own: ", err)
	}
}

func hello(t *testing.T, b []byte) wire.Hello {
	t.Helper()
	m := wire.ReadMessages(b)
	if !m.Next() || m.Kind() != wire.KindHello {
		t.Fatalf("%x is no hello: %v", b, m.Err())
	}
	h, err := wire.ReadHello(m.Reader(), m.Len())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type arrival struct {
	seq  uint32
	seen game.Tick
	turn int64
}

// inputs is what a room gets of the inputs in b, on a connection welcomed so.
func (s *server) inputs(b []byte, lastSeq uint32, tick game.Tick) (all []arrival) {
	s.t.Helper()
	prev, out := make([]int32, s.schema.Input.Lanes), make([]int32, s.schema.Input.Lanes)
	m := wire.ReadMessages(b)
	for m.Next() {
		in, err := wire.ReadInput(m.Reader(), m.Len())
		if err == nil {
			err = delta.DecodeInput(&s.schema.Input, prev, in, out)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		lastSeq += in.DSeq
		tick += game.Tick(in.DSeen)
		all = append(all, arrival{lastSeq, tick, s.schema.Input.Fields[0].Leaves[0].Get(out)})
	}
	if m.Err() != nil {
		s.t.Fatal(m.Err())
	}
	return all
}

func sendTurn(t *testing.T, c *Core, turn float64) []byte {
	t.Helper()
	in := c.NewInput()
	in.Set("turn", turn)
	out, err := c.AppendInput(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

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

func TestCoreAsksForAKeyframe(t *testing.T) {
	c, s := joined(t)
	receive(t, c, []byte{0x96, 3, 1, 1, 1, 9, 0}) // removes a row that is not there
	m := wire.ReadMessages(c.Outgoing())
	if !m.Next() || m.Kind() != wire.KindResync || c.Fault() == nil {
		t.Fatal("no resync asked for")
	}
	private, shared := s.frames(s.step(6), wire.Self{})
	receive(t, c, private, shared) // does not fit and is passed over
	if _, ok := c.Tick(); ok || len(c.Outgoing()) != 0 {
		t.Fatal("a delta was applied, or another keyframe asked for")
	}
	s.base = nil
	private, shared = s.frames(s.step(7, 8), wire.Self{})
	receive(t, c, private, shared)
	s.expect(c)
	if got := c.Stats(); got.Resyncs != 1 || got.Keyframes != 2 {
		t.Fatalf("stats %+v", got)
	}
}

func TestCoreGivesUpWhenNothingFits(t *testing.T) {
	c, s := joined(t)
	var err error
	for i := 0; err == nil && i <= MaxResyncs; i++ {
		key, mark := wire.BeginKeyframe(nil, wire.Keyframe{Tick: 5, Last: true})
		key = wire.EndKeyframe(append(key, 0x63), mark, 1) // table 98
		err = c.Receive(key)
	}
	if err == nil {
		t.Fatal("no error")
	}
	c.Hello()
	s.base = nil
	private, shared := s.frames(s.step(7, 8), wire.Self{})
	receive(t, c, s.welcome(nil), private, shared)
	s.expect(c)
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

// keyframe is the newest entry from nothing in parts of one row, and the self of
// the player.
func (s *server) keyframe() (private []byte, parts [][]byte) {
	pub := delta.View{Teams: s.view.Teams}
	private, mark := wire.BeginSelf(nil, wire.Self{})
	private, n := s.enc.AppendBody(private, nil, s.view, s.base, s.view)
	private = wire.EndSelf(private, mark, n)
	for from, k := (delta.Place{}), (wire.Keyframe{Tick: s.base.Tick}); !k.Last; k.Part++ {
		var body []byte
		body, n, from, k.Last = s.enc.AppendPart(nil, s.base, pub, from, 1)
		part, mark := wire.BeginKeyframe(nil, k)
		parts = append(parts, wire.EndKeyframe(append(part, body...), mark, n))
	}
	return private, parts
}

func TestCoreTakesKeyframeInParts(t *testing.T) {
	c, s := joined(t)
	s.frames(s.step(3, 4, 5), wire.Self{})
	private, parts := s.keyframe()
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	receive(t, c, parts[0], parts[1])
	if tick, ok := c.Tick(); ok {
		t.Fatalf("holds tick %d before the last part", tick)
	}
	receive(t, c, private, parts[2])
	s.expect(c)
	if got := c.Stats(); got.Resyncs != 0 || got.Keyframes != 2 {
		t.Fatalf("stats %+v", got)
	}

	receive(t, c, parts[0], parts[2])
	if got := c.Stats(); got.Resyncs != 1 {
		t.Fatalf("a part is missing: stats %+v", got)
	}
	receive(t, c, parts[1], parts[0], parts[1], private, parts[2])
	s.expect(c)
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

func TestCoreFindsWrongState(t *testing.T) {
	c, s := joined(t)
	private, shared := s.frames(s.step(3, 4), wire.Self{})
	right := s.enc.Hash(s.base, delta.View{Teams: s.view.Teams})
	receive(t, c, private, append(shared, wire.AppendCheck(nil, right+1)...))
	m := wire.ReadMessages(c.Outgoing())
	if !m.Next() || m.Kind() != wire.KindResync {
		t.Fatalf("asks for %s, want a resync", m.Kind())
	}
	q, err := wire.ReadResync(m.Reader(), m.Len())
	if want := (wire.Resync{Tick: s.base.Tick, Reason: wire.ResyncHash, Hash: right, Hashed: true}); err != nil || q != want {
		t.Fatalf("asks %+v, %v; want %+v", q, err, want)
	}
	if got := c.Stats(); got.WrongHashes != 1 || got.Resyncs != 1 {
		t.Fatalf("stats %+v", got)
	}
	private, parts := s.keyframe()
	receive(t, c, append([][]byte{private}, parts...)...)
	s.expect(c)
}
