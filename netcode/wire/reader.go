package wire

import (
	"encoding/binary"
	"math"
)

// Type is the msgpack type of an element.
type Type uint8

const (
	TypeNone Type = iota // no element: the bytes are at their end or invalid
	TypeNil
	TypeBool
	TypeUint // an integer >= 0
	TypeNeg  // an integer < 0
	TypeFloat
	TypeStr
	TypeBin
	TypeArray
	TypeMap
	TypeExt
)

// Reader reads msgpack elements in canonical form from bytes that may be
// anything. It does not allocate: strings and binaries are returned as parts of
// the given bytes and live as long as those. It is a small value, to be copied
// for reading ahead. After an error its place is undefined and the message it
// reads is to be dropped whole.
type Reader struct {
	b   []byte
	off int
}

// NewReader returns a reader of b, which must not change while it is used.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Len is the number of bytes not yet read.
func (r *Reader) Len() int { return len(r.b) - r.off }

// Rest is the bytes not yet read.
func (r *Reader) Rest() []byte { return r.b[r.off:] }

// take moves past n bytes and returns them. It is the only bounds check: all
// that the reader returns or looks at comes from here.
func (r *Reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)-r.off) {
		return nil, ErrShort
	}
	at := r.off
	r.off += int(n)
	return r.b[at:r.off:r.off], nil
}

// form is how an element that begins with a byte of 0xc0 to 0xdf goes on: size
// bytes that hold a number, not below least (else a smaller form exists).
type form struct {
	typ   Type
	size  uint8
	least uint64
}

// forms is the msgpack specification's table of formats, by first byte - 0xc0.
// least of the negative integers is the largest value they may hold.
var forms = [32]form{
	{typ: TypeNil}, {}, {typ: TypeBool}, {typ: TypeBool},
	{TypeBin, 1, 0}, {TypeBin, 2, 1 << 8}, {TypeBin, 4, 1 << 16},
	{TypeExt, 1, 0}, {TypeExt, 2, 1 << 8}, {TypeExt, 4, 1 << 16},
	{TypeFloat, 4, 0}, {TypeFloat, 8, 0},
	{TypeUint, 1, 1 << 7}, {TypeUint, 2, 1 << 8}, {TypeUint, 4, 1 << 16}, {TypeUint, 8, 1 << 32},
	{TypeNeg, 1, below(-32)}, {TypeNeg, 2, below(math.MinInt8)},
	{TypeNeg, 4, below(math.MinInt16)}, {TypeNeg, 8, below(math.MinInt32)},
	{typ: TypeExt}, {typ: TypeExt}, {typ: TypeExt}, {typ: TypeExt}, {typ: TypeExt},
	{TypeStr, 1, 1 << 5}, {TypeStr, 2, 1 << 8}, {TypeStr, 4, 1 << 16},
	{TypeArray, 2, 1 << 4}, {TypeArray, 4, 1 << 16},
	{TypeMap, 2, 1 << 4}, {TypeMap, 4, 1 << 16},
}

func below(v int64) uint64 { return uint64(v - 1) }

// head reads an element up to its bytes or elements. v is the value of an
// integer (in two's complement) or a bool, the bits of a float, the length of a
// string, binary or extension, the elements of an array or the pairs of a map.
// As many elements as it says fit the remaining bytes, so loops over them end
// and may size memory by them.
func (r *Reader) head() (t Type, v uint64, err error) {
	first, err := r.take(1)
	if err != nil {
		return TypeNone, 0, err
	}
	c := first[0]
	switch {
	case c < 0x80:
		return TypeUint, uint64(c), nil
	case c >= 0xe0:
		return TypeNeg, uint64(int64(int8(c))), nil
	case c >= 0xc0:
		t, v, err = r.number(c)
	case c >= 0xa0:
		t, v = TypeStr, uint64(c&0x1f)
	case c >= 0x90:
		t, v = TypeArray, uint64(c&0x0f)
	default:
		t, v = TypeMap, uint64(c&0x0f)
	}
	if err != nil {
		return TypeNone, 0, err
	}
	left := uint64(r.Len())
	if t == TypeArray && v > left || t == TypeMap && v > left/2 {
		return TypeNone, 0, ErrShort
	}
	return t, v, nil
}

// number reads the number behind a first byte of 0xc0 to 0xdf.
func (r *Reader) number(c byte) (t Type, v uint64, err error) {
	f := &forms[c-0xc0]
	if f.typ == TypeNone {
		return TypeNone, 0, ErrType // 0xc1 is never used
	}
	b, err := r.take(uint64(f.size))
	if err != nil {
		return TypeNone, 0, err
	}
	switch f.size {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(b))
	case 4:
		v = uint64(binary.BigEndian.Uint32(b))
	case 8:
		v = binary.BigEndian.Uint64(b)
	}
	switch {
	case f.typ == TypeBool:
		return TypeBool, uint64(c & 1), nil
	case f.typ == TypeExt && f.size == 0:
		return TypeExt, 1 << (c - 0xd4), nil // fixext 1, 2, 4, 8, 16
	case f.typ == TypeNeg:
		unused := 64 - 8*uint(f.size)
		v = uint64(int64(v<<unused) >> unused) // extend the sign
		if int64(v) > int64(f.least) {
			return TypeNone, 0, ErrForm
		}
	case v < f.least:
		return TypeNone, 0, ErrForm
	}
	return f.typ, v, nil
}

// Peek is the type of the next element, by its first byte alone, without moving.
// It is TypeNone at the end.
func (r *Reader) Peek() Type {
	if r.Len() == 0 {
		return TypeNone
	}
	switch c := r.b[r.off]; {
	case c < 0x80:
		return TypeUint
	case c >= 0xe0:
		return TypeNeg
	case c >= 0xc0:
		return forms[c-0xc0].typ
	case c >= 0xa0:
		return TypeStr
	case c >= 0x90:
		return TypeArray
	}
	return TypeMap
}

// expect reads the head of an element of type t.
func (r *Reader) expect(want Type) (uint64, error) {
	t, v, err := r.head()
	if err == nil && t != want {
		err = ErrType
	}
	return v, err
}

// ReadUint reads an integer >= 0.
func (r *Reader) ReadUint() (uint64, error) {
	if r.off < len(r.b) && r.b[r.off] < 0x80 { // most are
		r.off++
		return uint64(r.b[r.off-1]), nil
	}
	return r.expect(TypeUint)
}

// ReadUintMax reads an integer of 0 to limit.
func (r *Reader) ReadUintMax(limit uint64) (uint64, error) {
	v, err := r.ReadUint()
	if err == nil && v > limit {
		err = ErrRange
	}
	return v, err
}

// ReadInt reads an integer that fits an int64.
func (r *Reader) ReadInt() (int64, error) {
	if r.off < len(r.b) { // most are one byte
		if c := int8(r.b[r.off]); c >= -32 {
			r.off++
			return int64(c), nil
		}
	}
	t, v, err := r.head()
	switch {
	case err != nil:
		return 0, err
	case t == TypeNeg:
		return int64(v), nil
	case t != TypeUint:
		return 0, ErrType
	case v > math.MaxInt64:
		return 0, ErrRange
	}
	return int64(v), nil
}

// ReadBool reads true or false.
func (r *Reader) ReadBool() (bool, error) {
	v, err := r.expect(TypeBool)
	return v == 1, err
}

// ReadNil reads nil.
func (r *Reader) ReadNil() error {
	_, err := r.expect(TypeNil)
	return err
}

// ReadStr reads a string of at most limit bytes. It does not check that it is
// UTF-8. The result is part of the reader's bytes.
func (r *Reader) ReadStr(limit int) ([]byte, error) { return r.bytes(TypeStr, limit) }

// ReadBin reads a binary of at most limit bytes. The result is part of the
// reader's bytes.
func (r *Reader) ReadBin(limit int) ([]byte, error) { return r.bytes(TypeBin, limit) }

func (r *Reader) bytes(t Type, limit int) ([]byte, error) {
	n, err := r.expect(t)
	if err != nil {
		return nil, err
	}
	if n > uint64(limit) {
		return nil, ErrRange
	}
	return r.take(n)
}

// ReadArrayHead reads the head of an array and returns the number of its
// elements, never more than Len.
func (r *Reader) ReadArrayHead() (int, error) {
	n, err := r.expect(TypeArray)
	return int(n), err
}

// ReadMapHead reads the head of a map and returns the number of its pairs,
// never more than half of Len.
func (r *Reader) ReadMapHead() (int, error) {
	n, err := r.expect(TypeMap)
	return int(n), err
}

// Skip moves past one element of any type, which may hold arrays and maps
// nested up to MaxDepth deep, itself counted. What it passes is well-formed and
// in canonical form. It takes time proportional to the bytes it passes.
func (r *Reader) Skip() error {
	var left [MaxDepth]uint64 // elements to come in each open array or map
	depth := 0
	for {
		t, v, err := r.head()
		if err != nil {
			return err
		}
		switch t {
		case TypeStr, TypeBin:
			_, err = r.take(v)
		case TypeExt:
			_, err = r.take(v + 1) // and its type
		case TypeMap:
			v *= 2
			fallthrough
		case TypeArray:
			if depth == MaxDepth {
				return ErrDepth
			}
			left[depth] = v + 1 // the array ends as an element of what holds it
			depth++
		}
		if err != nil {
			return err
		}
		for depth > 0 {
			if left[depth-1]--; left[depth-1] > 0 {
				break
			}
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// SkipN moves past n elements.
func (r *Reader) SkipN(n int) error {
	for range n {
		if err := r.Skip(); err != nil {
			return err
		}
	}
	return nil
}
