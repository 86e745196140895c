package wire

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestVarints(t *testing.T) {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = append(b, 7, 'a', 'b', 5)
	r := Varints{B: b}
	if u, i, x, s, n := r.Uint(), r.Int(), r.Byte(), string(r.Take(2)), r.UintMax(5); u != math.MaxUint64 || i != math.MinInt64 || x != 7 || s != "ab" || n != 5 || r.Bad {
		t.Errorf("%d %d %d %q %d, bad: %t", u, i, x, s, n, r.Bad)
	}
	for _, f := range []func(*Varints){
		func(r *Varints) { r.Uint() }, func(r *Varints) { r.Int() }, func(r *Varints) { r.Byte() },
		func(r *Varints) { r.Take(1) }, func(r *Varints) { r.UintMax(1) },
	} {
		r := Varints{}
		if f(&r); !r.Bad {
			t.Error("the end is no fault")
		}
	}
	if r = (Varints{B: []byte{6}}); r.UintMax(5) != 0 || !r.Bad || r.Uint() != 0 {
		t.Errorf("6 is at most 5: %+v", r)
	}
}
