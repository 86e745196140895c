package client

import (
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

type arrival struct {
	seq  uint32
	seen game.Tick
	turn int64
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
