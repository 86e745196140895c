package delta

import (
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// FuzzStateApply feeds a state bodies of any bytes, the last as differences from
// a prediction. What it accepts, an encoder tells another state likewise.
func FuzzStateApply(f *testing.F) {
	s := textSchema()
	first := join(ints(2, 2, 2, -0b100), text("hi"), ints(2, 0, 5, 1, -7), ints(0, -0b1001, 1))
	f.Add(first, ints(3, 1, 3, 1, 0, -1), ints(2, 1, 0, 16, 1), ints(2, 1, 0, 16, 1))
	f.Add(first, join(ints(2, 1, 2, 0b100101), text(""), ints(1<<40, -128)), ints(8+4, 1, -1, 7, -1), ints())
	f.Add(ints(4, 2, -2, 127, 1, -0b110001, 3, 1, 1, 1, 1, -1), ints(4, 1, 3, 0, 0, 0, 16, 1, 2, 3), ints(), ints())
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		state, other, enc := NewState(s), NewState(s), NewEncoder(s)
		var base *game.Entry
		for i, body := range [][]byte{a, b, c, d} {
			n, ok := count(body)
			r := wire.NewReader(body)
			if !ok || state.apply(&r, n, i == 3) != nil {
				return
			}
			cur := entryOf(state)
			if cur == nil {
				return
			}
			again, n := enc.AppendBody(nil, base, seen, cur, seen)
			if err := applyBody(other, again, n); err != nil {
				t.Fatal(err)
			}
			if err := other.Equal(state); err != nil {
				t.Fatal(err)
			}
			if h := enc.Hash(cur, seen); h != state.Hash() {
				t.Fatalf("hash %x, the encoder's is %x", state.Hash(), h)
			}
			base = cur
		}
	})
}

// count is the number of msgpack elements of a body, if it is well-formed.
func count(body []byte) (n int, ok bool) {
	for r := wire.NewReader(body); r.Len() > 0; n++ {
		if r.Skip() != nil {
			return 0, false
		}
	}
	return n, true
}

// entryOf makes an entry that a viewer of everything decodes to the state, or
// nil if it is too large to be worth the time.
func entryOf(s *State) *game.Entry {
	e := s.schema.NewEntry(0)
	for t := range s.tables {
		if s.End(t) > 1000 {
			return nil
		}
		for r := range s.End(t) {
			m := game.RowMeta{Show: game.Everyone}
			if _, ok := s.Row(t, r); ok {
				m.Gen = uint16(s.tables[t].rows[r].born)
			}
			e.Tables[t].Meta = append(e.Tables[t].Meta, m)
		}
		e.Tables[t].Lanes = append(e.Tables[t].Lanes, s.tables[t].lanes...)
	}
	return e
}

// FuzzDecodeInput feeds two inputs of any bytes, in a row, to one connection.
func FuzzDecodeInput(f *testing.F) {
	s := textSchema()
	s.Input = s.Tables[0]
	f.Add(uint64(0b1011), join(text("hi"), ints(1, 2, 5, 1)), uint64(0b110000), ints(1, -128))
	f.Fuzz(func(t *testing.T, mask1 uint64, values1 []byte, mask2 uint64, values2 []byte) {
		prev, out := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
		for _, in := range []wire.Input{{Mask: mask1, Values: values1}, {Mask: mask2, Values: values2}} {
			if DecodeInput(&s.Input, prev, in, out) != nil {
				return
			}
			for i := range s.Input.Fields {
				for j := range s.Input.Fields[i].Leaves {
					l := &s.Input.Fields[i].Leaves[j]
					if v := l.Get(out); l.Type != game.LeafString && (v < l.Min || v > l.Max) {
						t.Fatalf("field %d leaf %d is %d", i, j, v)
					}
				}
			}
			zero, again := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
			mask, values := AppendInputValues(nil, &s.Input, zero, prev)
			if err := DecodeInput(&s.Input, zero, wire.Input{Mask: mask, Values: values}, again); err != nil || !equal(again, out) {
				t.Fatalf("sent again: %v, %v, want %v", err, again, out)
			}
		}
	})
}
