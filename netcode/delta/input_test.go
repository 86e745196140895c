package delta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

func inputRow(s *game.Schema, values ...int64) []int32 {
	row := make([]int32, s.Input.Lanes)
	for i, v := range values {
		s.Input.Fields[i].Leaves[0].Put(row, v)
	}
	return row
}

func TestInputIsSentAsChanges(t *testing.T) {
	s := tankSchema()
	prev, next := inputRow(s, 1, 250, 0), inputRow(s, -1, 4, 0)
	mask, values := AppendInputValues(nil, &s.Input, prev, next)
	if mask != 0b11 || string(values) != string(ints(-2, 10)) {
		t.Fatalf("mask %b, values %x", mask, values)
	}
	got := make([]int32, s.Input.Lanes)
	trailing := append(values, 0xc0)
	if err := DecodeInput(&s.Input, prev, wire.Input{Mask: mask, Values: trailing}, got); err != nil {
		t.Fatal(err)
	}
	if !equal(got, next) || !equal(prev, next) {
		t.Fatalf("decoded %v, prev %v, want %v", got, prev, next)
	}
}

func TestInputIsClampedButFollowedAsSent(t *testing.T) {
	s := tankSchema()
	prev, got := inputRow(s), inputRow(s)
	if err := DecodeInput(&s.Input, prev, wire.Input{Mask: 1, Values: ints(100)}, got); err != nil {
		t.Fatal(err)
	}
	if !equal(got, inputRow(s, 1)) || !equal(prev, inputRow(s, 100)) {
		t.Fatalf("decoded %v, prev %v", got, prev)
	}
	if err := DecodeInput(&s.Input, prev, wire.Input{Mask: 1, Values: ints(-101)}, got); err != nil {
		t.Fatal(err)
	}
	if !equal(got, inputRow(s, -1)) {
		t.Fatalf("decoded %v", got)
	}
}

func TestInputRefusesWhatIsMalformed(t *testing.T) {
	tanks, texts := tankSchema(), textSchema()
	texts.Input = texts.Tables[0]
	cases := []struct {
		name   string
		s      *game.Schema
		mask   uint64
		values []byte
		err    error
	}{
		{"field that is not there", tanks, 1 << 3, ints(1), errFields},
		{"highest mask bit", tanks, 1 << 63, ints(1), errFields},
		{"no value", tanks, 1, nil, wire.ErrShort},
		{"one value of two", tanks, 3, ints(1), wire.ErrShort},
		{"beyond int8", tanks, 1, ints(128), wire.ErrRange},
		{"far beyond", tanks, 1, ints(-1 << 62), wire.ErrRange},
		{"bool of 2", tanks, 4, ints(2), wire.ErrRange},
		{"uint8 not folded", tanks, 2, ints(200), wire.ErrRange},
		{"text for a number", tanks, 1, text("1"), wire.ErrType},
		{"long text", texts, 1, text("sixsix"), wire.ErrRange},
		{"text that is not UTF-8", texts, 1, text("\xff"), errText},
		{"too many leaves", texts, 2, ints(4, 0, 1, 0, 1, 0, 1, 0, 1), wire.ErrRange},
		{"leaf beyond the last", texts, 2, ints(2, 0, 1, 2, 1), wire.ErrRange},
	}
	for _, c := range cases {
		row := make([]int32, c.s.Input.Lanes)
		err := DecodeInput(&c.s.Input, row, wire.Input{Mask: c.mask, Values: c.values}, make([]int32, len(row)))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
	}
}

func TestInputDoesNotAllocate(t *testing.T) {
	s := textSchema()
	s.Input = s.Tables[0]
	prev, next := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
	chain, got := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
	f := s.Input.Fields
	f[0].Leaves[0].PutString(next, "hello")
	f[1].Leaves[2].Put(next, 1000)
	f[2].Leaves[0].Put(next, 1<<40)
	buf := make([]byte, 0, 256)
	n := testing.AllocsPerRun(100, func() {
		mask, values := AppendInputValues(buf, &s.Input, prev, next)
		clear(chain)
		if err := DecodeInput(&s.Input, chain, wire.Input{Mask: mask, Values: values}, got); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 || !equal(got, next) {
		t.Fatalf("%v allocations, decoded %v, want %v", n, got, next)
	}
}

func TestRandomInputsArriveAsSent(t *testing.T) {
	first := rand.Uint64()
	for i := range uint64(200) {
		if err := playInputs(first + i); err != nil {
			t.Fatalf("seed %d: %v", first+i, err)
		}
	}
}

func playInputs(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	s := randomSchema(rng)
	w := newWorld(s, rng)
	prev, next := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
	chain, got := make([]int32, s.Input.Lanes), make([]int32, s.Input.Lanes)
	for range 30 {
		copy(prev, next)
		for i := range s.Input.Fields {
			for j := range s.Input.Fields[i].Leaves {
				l := &s.Input.Fields[i].Leaves[j]
				if l.Type == game.LeafRef {
					l.Put(next, int64(rng.IntN(game.MaxRows+1)))
				} else if w.chance(0.5) {
					w.changeLeaf(l, next)
				}
			}
		}
		mask, values := AppendInputValues(nil, &s.Input, prev, next)
		if _, ok := count(values); !ok {
			return fmt.Errorf("values %x are not msgpack", values)
		}
		if err := DecodeInput(&s.Input, chain, wire.Input{Mask: mask, Values: values}, got); err != nil {
			return err
		}
		if !equal(chain, next) || !equal(got, next) {
			return fmt.Errorf("decoded %v, followed as %v, want %v", got, chain, next)
		}
	}
	return nil
}
