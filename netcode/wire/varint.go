package wire

import "encoding/binary"

// Varints reads what one node wrote for another with encoding/binary's AppendUvarint
// and AppendVarint. After a fault it is Bad and gives zeros. Slices that it returns are
// of B.
type Varints struct {
	B   []byte // what is left
	Bad bool
}

func (r *Varints) fail() { r.Bad, r.B = true, nil }

// Uint is an unsigned number.
func (r *Varints) Uint() uint64 {
	v, n := binary.Uvarint(r.B)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// UintMax is one of at most most.
func (r *Varints) UintMax(most int) int {
	v := r.Uint()
	if v > uint64(most) {
		r.fail()
		return 0
	}
	return int(v)
}

// Int is a signed number.
func (r *Varints) Int() int64 {
	v, n := binary.Varint(r.B)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Byte is one byte.
func (r *Varints) Byte() byte {
	if len(r.B) == 0 {
		r.fail()
		return 0
	}
	v := r.B[0]
	r.B = r.B[1:]
	return v
}

// Take is the next n bytes.
func (r *Varints) Take(n uint64) []byte {
	if n > uint64(len(r.B)) {
		r.fail()
		return nil
	}
	b := r.B[:n:n]
	r.B = r.B[n:]
	return b
}
