package delta

import (
	"bytes"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func field(name string, vis game.Visibility, leaves ...game.Leaf) game.Field {
	return game.Field{Name: name, Vis: vis, Leaves: leaves}
}

func fixed(scale uint32) game.Leaf {
	return game.Leaf{Type: game.LeafFixed, Bits: 32, Scale: scale, Min: -1 << 31, Max: 1<<31 - 1}
}

func whole(t game.LeafType, bits uint8, low, high int64) game.Leaf {
	return game.Leaf{Type: t, Bits: bits, Min: low, Max: high}
}

// tankSchema is a small game: tanks and the mines that only their owner sees.
func tankSchema() *game.Schema {
	ref := func(table int) game.Leaf {
		return game.Leaf{Type: game.LeafRef, Bits: 32, Table: table, Max: game.MaxRows}
	}
	return layOut(&game.Schema{Kind: "tanks", TickRate: 20,
		Tables: []game.RowSchema{
			{Name: "tanks", Fields: []game.Field{
				field("x", game.VisAll, fixed(16)),
				field("y", game.VisAll, fixed(16)),
				field("heading", game.VisAll, whole(game.LeafUint, 8, 0, 255)),
				field("hp", game.VisAll, whole(game.LeafInt, 16, 0, 100)),
				field("ammo", game.VisOwner, whole(game.LeafUint, 8, 0, 255)),
				field("aim", game.VisOwner, ref(0)),
				field("laid", game.VisAll, ref(1)),
			}},
			{Name: "mines", Fields: []game.Field{
				field("x", game.VisAll, fixed(16)),
				field("fuse", game.VisOwner, whole(game.LeafUint, 16, 0, 1<<16-1)),
			}},
		},
		Events: []game.RowSchema{
			{Name: "hit", Fields: []game.Field{
				field("tank", game.VisAll, ref(0)),
				field("power", game.VisAll, whole(game.LeafInt, 32, -1<<31, 1<<31-1)),
			}},
			{Name: "spark", Fleeting: true, Fields: []game.Field{field("x", game.VisAll, fixed(16))}},
		},
		Input: game.RowSchema{Name: "input", Fields: []game.Field{
			field("turn", game.VisAll, whole(game.LeafInt, 8, -1, 1)),
			field("aim", game.VisAll, whole(game.LeafUint, 8, 0, 255)),
			field("fire", game.VisAll, whole(game.LeafBool, 1, 0, 1)),
		}},
	})
}

// put stores a row with the given values, fields in order, and its meta.
func put(s *game.Schema, e *game.Entry, table, row int, m game.RowMeta, values ...int64) {
	t, n := &e.Tables[table], s.Tables[table].Lanes
	for len(t.Meta) <= row {
		t.Meta = append(t.Meta, game.RowMeta{})
		t.Lanes = append(t.Lanes, make([]int32, n)...)
	}
	t.Meta[row] = m
	clear(t.Row(row, n))
	for i, v := range values {
		s.Tables[table].Fields[i].Leaves[0].Put(t.Row(row, n), v)
	}
}

func refTo(row, gen int64) int64 { return gen<<20 | row }

// ints is the msgpack elements of a body.
func ints(values ...int64) []byte {
	var b []byte
	for _, v := range values {
		b = wire.AppendInt(b, v)
	}
	return b
}

func expectBody(t *testing.T, what string, got []byte, n int, want ...int64) {
	t.Helper()
	if !bytes.Equal(got, ints(want...)) || n != len(want) {
		t.Fatalf("%s: body %x of %d elements, want %x of %d", what, got, n, ints(want...), len(want))
	}
}

var (
	seen   = View{Teams: game.Team(0)}
	mine   = View{Teams: game.Team(0), Seat: 1}
	public = game.RowMeta{Gen: 1, Show: game.Everyone}
)

func TestBodyOfSpawnChangeAndRemoval(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	a, b, c := s.NewEntry(2), s.NewEntry(2), s.NewEntry(2)
	put(s, a, 0, 1, public, 16, -16, 250, 100)
	put(s, a, 0, 3, public, 160)
	put(s, b, 0, 1, public, 17, -16, 4, 100)
	put(s, b, 0, 3, public, 160)
	put(s, c, 0, 1, game.RowMeta{Gen: 2, Show: game.Everyone}, 1, 0, 128)

	body, n := enc.AppendBody(nil, nil, View{}, a, seen)
	expectBody(t, "from nothing", body, n, 1, 0, 2, 1, 0b11111, 16, -16, -6, 100, 1, 0b11, 160)
	body, n = enc.AppendBody(nil, a, seen, b, seen)
	expectBody(t, "a change that wraps", body, n, 1, 0, 1, 1, 0b1010, 1, 10)
	body, n = enc.AppendBody(nil, b, seen, b, seen)
	expectBody(t, "no change", body, n)
	body, n = enc.AppendBody(nil, b, seen, c, seen)
	expectBody(t, "another life and a removal", body, n, 1, 1, 3, 1, 1, 0b1011, 1, -128)
}

func TestBodyFollowsShowRevealAndTeams(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	entry := func(m game.RowMeta) *game.Entry {
		m.Gen = 1
		e := s.NewEntry(2)
		put(s, e, 0, 0, m, 5, 0, 0, 0, 9)
		return e
	}
	open, hidden := entry(game.RowMeta{Show: game.Team(0)}), entry(game.RowMeta{Show: game.Team(1)})
	revealed := entry(game.RowMeta{Show: game.Team(0), Reveal: game.Team(0)})
	other := View{Teams: game.Team(1)}

	body, n := enc.AppendBody(nil, open, seen, hidden, seen)
	expectBody(t, "hidden", body, n, 1, 1, 0, 0)
	body, n = enc.AppendBody(nil, hidden, seen, open, seen)
	expectBody(t, "shown", body, n, 1, 0, 1, 0, 0b11, 5)
	body, n = enc.AppendBody(nil, open, seen, revealed, seen)
	expectBody(t, "revealed", body, n, 1, 0, 1, 0, 0b100000, 9)
	body, n = enc.AppendBody(nil, revealed, seen, open, seen)
	expectBody(t, "no longer revealed", body, n, 1, 0, 1, 0, 0b100000, -9)
	body, n = enc.AppendBody(nil, open, other, open, seen)
	expectBody(t, "the viewer changed team", body, n, 1, 0, 1, 0, 0b11, 5)
}

func TestBodyOfPrivatePart(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	entry := func(owner game.PlayerID, show game.Teams) *game.Entry {
		e := s.NewEntry(2)
		put(s, e, 0, 0, public, 5)
		put(s, e, 0, 2, game.RowMeta{Gen: 1, Show: show, Owner: owner}, 7, 0, 0, 0, 30)
		put(s, e, 1, 1, game.RowMeta{Gen: 1, Owner: owner}, 8, 40)
		return e
	}
	mineOpen, mineHidden, theirs := entry(1, game.Everyone), entry(1, game.Nobody), entry(2, game.Nobody)

	body, n := enc.AppendBody(nil, nil, View{}, mineOpen, mine)
	expectBody(t, "own rows, all fields of the hidden one", body, n,
		1, 0, 1, 2, 0b100001, 30, 2, 0, 1, 1, 0b111, 8, 40)
	body, n = enc.AppendBody(nil, mineOpen, mine, mineHidden, mine)
	expectBody(t, "hidden from the shared part", body, n, 1, 0, 1, 2, 0b10, 7)
	body, n = enc.AppendBody(nil, mineHidden, mine, theirs, mine)
	expectBody(t, "given away", body, n, 1, 1, 2, 0, 2, 1, 1, 0)
	if !enc.HasPrivate(mineOpen, mine) || enc.HasPrivate(theirs, mine) || enc.HasPrivate(mineOpen, seen) {
		t.Fatal("HasPrivate is wrong")
	}
}

func TestBodyFiltersReferences(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	entry := func(mine game.RowMeta) *game.Entry {
		e := s.NewEntry(2)
		put(s, e, 0, 0, game.RowMeta{Gen: 1, Show: game.Everyone}, 5, 0, 0, 0, 0, 0, refTo(4, 3))
		put(s, e, 1, 4, mine)
		return e
	}
	shown, hidden := entry(game.RowMeta{Gen: 3, Show: game.Everyone}), entry(game.RowMeta{Gen: 3})
	reborn := entry(game.RowMeta{Gen: 4, Show: game.Everyone})

	body, n := enc.AppendBody(nil, nil, View{}, hidden, seen)
	expectBody(t, "to a hidden row", body, n, 1, 0, 1, 0, 0b11, 5)
	body, n = enc.AppendBody(nil, hidden, seen, shown, seen)
	expectBody(t, "to a row that is shown now", body, n, 1, 0, 1, 0, 0b10000000, 5, 2, 0, 1, 4, 1)
	body, n = enc.AppendBody(nil, shown, seen, reborn, seen)
	expectBody(t, "to an earlier life", body, n, 1, 0, 1, 0, 0b10000000, -5, 2, 0, 1, 4, 1)
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	ring := movingTanks(s, 100)
	a, b := ring.At(1), ring.At(2)
	buf := make([]byte, 0, 1<<16)
	round := func() {
		enc.AppendBody(buf, nil, View{}, b, seen)
		enc.AppendBody(buf, a, seen, b, seen)
		enc.AppendBody(buf, b, mine, a, mine)
		enc.AppendEvents(buf, ring, 0, 2, seen, 0)
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// movingTanks is two ticks of tanks of which all move, with an event each.
func movingTanks(s *game.Schema, n int) *Ring {
	ring := NewRing(s, 8)
	for tick := range int64(2) {
		e := ring.Next()
		e.Tick = game.Tick(tick + 1)
		for r := range n {
			m := game.RowMeta{Gen: 1, Show: game.Everyone, Owner: game.PlayerID(r % 3)}
			x := int64(r)*160 + tick*int64(3+r%9)
			put(s, e, 0, r, m, x, 4000-x, x%256, 100, 20-tick, refTo(1, 1))
		}
		e.EventLanes = []int32{int32(refTo(0, 1)), 50}
		e.Events = []game.EventRecord{{Type: 0, Teams: game.Everyone, Lanes: 2}}
		ring.Commit(e)
	}
	return ring
}
