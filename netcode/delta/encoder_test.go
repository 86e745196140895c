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
	expectBody(t, "from nothing", body, n, 2, 2, 1, -0b10000, 16, -16, -6, 100, 1, -0b10, 160)
	body, n = enc.AppendBody(nil, a, seen, b, seen)
	expectBody(t, "a change that wraps", body, n, 2, 1, 1, 0b101, 1, 10)
	body, n = enc.AppendBody(nil, b, seen, b, seen)
	expectBody(t, "no change", body, n)
	body, n = enc.AppendBody(nil, b, seen, c, seen)
	expectBody(t, "another life and a removal", body, n, 3, 1, 3, 1, 1, -0b110, 1, -128)
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
	expectBody(t, "hidden", body, n, 1, 1, 0)
	body, n = enc.AppendBody(nil, hidden, seen, open, seen)
	expectBody(t, "shown", body, n, 2, 1, 0, -0b10, 5)
	body, n = enc.AppendBody(nil, open, seen, revealed, seen)
	expectBody(t, "revealed", body, n, 2, 1, 0, 0b10000, 9)
	body, n = enc.AppendBody(nil, revealed, seen, open, seen)
	expectBody(t, "no longer revealed", body, n, 2, 1, 0, 0b10000, -9)
	body, n = enc.AppendBody(nil, open, other, open, seen)
	expectBody(t, "the viewer changed team", body, n, 2, 1, 0, -0b10, 5)
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
		2, 1, 2, -0b10001, 30, 8|2, 1, 1, -0b100, 8, 40)
	body, n = enc.AppendBody(nil, mineOpen, mine, mineHidden, mine)
	expectBody(t, "hidden from the shared part", body, n, 2, 1, 2, 0b1, 7)
	body, n = enc.AppendBody(nil, mineHidden, mine, theirs, mine)
	expectBody(t, "given away", body, n, 1, 1, 2, 8|1, 1, 1)
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
	expectBody(t, "to a hidden row", body, n, 2, 1, 0, -0b10, 5)
	body, n = enc.AppendBody(nil, hidden, seen, shown, seen)
	expectBody(t, "to a row that is shown now", body, n, 2, 1, 0, 0b1000000, 5, 8|2, 1, 4, -1)
	body, n = enc.AppendBody(nil, shown, seen, reborn, seen)
	expectBody(t, "to an earlier life", body, n, 2, 1, 0, 0b1000000, -5, 8|2, 1, 4, -1)
}

// TestPartsOfAKeyframe: parts keep to their size, and together they are what one
// body from nothing is.
func TestPartsOfAKeyframe(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	cur := movingTanks(s, 1000).At(2)
	whole, parts := NewState(s), NewState(s)
	body, n := enc.AppendBody(nil, nil, View{}, cur, seen)
	if err := applyBody(whole, body, n); err != nil {
		t.Fatal(err)
	}
	const limit = 1000
	count, total := 0, 0
	for from, last := (Place{}), false; !last; count++ {
		body, n, from, last = enc.AppendPart(nil, cur, seen, from, limit)
		if len(body) > limit {
			t.Errorf("part %d has %d bytes", count, len(body))
		}
		total += len(body)
		if err := applyBody(parts, body, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := parts.Equal(whole); err != nil {
		t.Fatal(err)
	}
	if count < 5 || total > count*limit || count > total/(limit*2/3) {
		t.Errorf("%d parts with %d bytes", count, total)
	}
}

// TestGroupsOfRows pins the layout: rows of one mask are a group, the largest
// first, and the others strays.
func TestGroupsOfRows(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	a, b := s.NewEntry(2), s.NewEntry(2)
	for r := range 20 {
		put(s, a, 0, r, public, 16, 16, 16)
		switch {
		case r == 7:
			put(s, b, 0, r, public, 16, 16, 16, 5)
		case r < 12:
			put(s, b, 0, r, public, 17, 16, 18)
		default:
			put(s, b, 0, r, public, 17, 12, 16)
		}
	}
	body, n := enc.AppendBody(nil, a, seen, b, seen)
	expectBody(t, "groups", body, n,
		6, 1, 7, 0b1000, 5, // table 0 with strays and groups: row 7 alone
		2, -3, 127, 126, 63, // two groups of rows 0 to 19 without 7
		0b101, 127, 0b1111, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
		0b11, 1, 1, 1, 1, 1, 1, 1, 1, -4, -4, -4, -4, -4, -4, -4, -4)
	state := NewState(s)
	first, k := enc.AppendBody(nil, nil, View{}, a, seen)
	for _, step := range []struct {
		body []byte
		n    int
	}{{first, k}, {body, n}} {
		if err := applyBody(state, step.body, step.n); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.Equal(Filter(s, b, seen)); err != nil {
		t.Fatal(err)
	}
}

// TestPrediction pins the rule: as far again, unless that was wrong before, and
// around the wrap of a heading.
func TestPrediction(t *testing.T) {
	s := tankSchema()
	enc, state := NewEncoder(s), NewState(s)
	var past []*game.Entry
	var body []byte
	for i, at := range [][3]int64{{16, 0, 250}, {20, 1, 253}, {24, 2, 0}, {28, -5, 3}, {32, -12, 6}, {36, -12, 10}, {36, -12, 14}, {36, -12, 14}} {
		e := s.NewEntry(2)
		e.Tick = game.Tick(i + 1)
		put(s, e, 0, 0, public, at[:]...)
		past = append([]*game.Entry{e}, past...)
		n, err := 0, error(nil)
		if i < predictRun {
			var base *game.Entry
			if i > 0 {
				base = past[1]
			}
			body, n = enc.AppendBody(body[:0], base, seen, e, seen)
			err = applyBody(state, body, n)
		} else {
			body, n = enc.AppendPredicted(body[:0], [3]*game.Entry(past[1:4]), e, seen)
			r := wire.NewReader(body)
			err = state.ApplyPredicted(&r, n)
		}
		if err == nil {
			err = state.Equal(Filter(s, e, seen))
		}
		if err != nil {
			t.Fatalf("tick %d: %v", e.Tick, err)
		}
		want := map[int][]int64{
			3: {2, 1, 0, 0b10, -8},    // y turns round: 3 was expected
			4: {2, 1, 0, 0b10, -7},    // and is expected to rest, since 3 was wrong
			5: {2, 1, 0, 0b110, 7, 1}, // y stops, the heading turns faster
			6: {2, 1, 0, 0b1, -4},     // x stops
			7: {2, 1, 0, 0b100, -4},   // the heading too
		}[i]
		if want != nil {
			expectBody(t, "predicted", body, n, want...)
		}
	}
	if err := NewState(s).ApplyPredicted(&wire.Reader{}, 0); err != errNoHistory {
		t.Errorf("a prediction from nothing: %v", err)
	}
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	s := tankSchema()
	enc := NewEncoder(s)
	ring := movingTanks(s, 100)
	a, b := ring.At(1), ring.At(2)
	past := [3]*game.Entry{a, b, a}
	buf := make([]byte, 0, 1<<16)
	round := func() {
		enc.AppendBody(buf, nil, View{}, b, seen)
		enc.AppendBody(buf, a, seen, b, seen)
		enc.AppendBody(buf, b, mine, a, mine)
		enc.AppendPredicted(buf, past, b, seen)
		enc.AppendPart(buf, b, seen, Place{}, 1000)
		enc.Hash(b, seen)
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
