package delta

import (
	"bytes"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// FuzzStateApply feeds a state two bodies of any bytes. If it accepts the first,
// an encoder writes the same to get there from nothing; if it accepts the
// second, an encoder gets another state there as well.
func FuzzStateApply(f *testing.F) {
	s := textSchema()
	first := join(ints(1, 0, 2, 2, 0b111), text("hi"), ints(2, 0, 5, 1, -7), ints(0, 0b10001, 1))
	f.Add(first, ints(1, 1, 3, 1, 0, 1))
	f.Add(first, join(ints(1, 0, 1, 2, 0b1001010), text(""), ints(1<<40, -128, 2, 0, 1, 7, 1)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		state, other, enc := NewState(s), NewState(s), NewEncoder(s)
		var base *game.Entry
		for _, body := range [][]byte{a, b} {
			n, ok := count(body)
			if !ok || applyBody(state, body, n) != nil {
				return
			}
			cur := entryOf(state)
			if cur == nil {
				return
			}
			again, n := enc.AppendBody(nil, base, seen, cur, seen)
			if base == nil && !bytes.Equal(again, body) {
				t.Fatalf("accepted %x, an encoder writes %x", body, again)
			}
			if err := applyBody(other, again, n); err != nil {
				t.Fatal(err)
			}
			if err := other.Equal(state); err != nil {
				t.Fatal(err)
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
		if len(s.tables[t].live) > 1000 {
			return nil
		}
		for _, live := range s.tables[t].live {
			m := game.RowMeta{Show: game.Everyone}
			if live {
				m.Gen = 1
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
