package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// Reasons why bytes are refused (section 2). They are wrapped with the place;
// test with errors.Is.
var (
	// ErrShort: the bytes end before the element does, or a head announces
	// more elements than bytes remain.
	ErrShort = errors.New("message ends early")
	// ErrType: the element is of another type than its place demands.
	ErrType = errors.New("element of another type")
	// ErrForm: the element is not in its smallest form.
	ErrForm = errors.New("element not in canonical form")
	// ErrRange: a number or a length is beyond its limit.
	ErrRange = errors.New("value out of range")
	// ErrDepth: arrays and maps are nested deeper than MaxDepth.
	ErrDepth = errors.New("nested too deep")
)

// AppendUint appends v in its smallest form.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<7:
		return append(dst, byte(v))
	case v < 1<<8:
		return append(dst, 0xcc, byte(v))
	case v < 1<<16:
		return append(dst, 0xcd, byte(v>>8), byte(v))
	case v < 1<<32:
		return append(dst, 0xce, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
}

// AppendInt appends v in its smallest form, which for v >= 0 is AppendUint's.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, 0xd0, byte(v))
	case v >= math.MinInt16:
		return append(dst, 0xd1, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		return append(dst, 0xd2, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
}

// AppendBool appends true or false.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendStr appends a string. It does not check that s is UTF-8.
func AppendStr[S ~string | ~[]byte](dst []byte, s S) []byte {
	n := len(s)
	switch {
	case n < 1<<5:
		dst = append(dst, 0xa0|byte(n))
	case n < 1<<8:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, s...)
}

// AppendBin appends binary bytes.
func AppendBin(dst, b []byte) []byte {
	n := len(b)
	switch {
	case n < 1<<8:
		dst = append(dst, 0xc4, byte(n))
	case n < 1<<16:
		dst = append(dst, 0xc5, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xc6, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, b...)
}

// AppendArrayHead appends the head of an array whose n elements the caller
// appends next, 0 <= n < 1<<32.
func AppendArrayHead(dst []byte, n int) []byte { return appendHead(dst, n, 0x90, 0xdc) }

// AppendMapHead appends the head of a map whose n keys and values the caller
// appends next, in turn.
func AppendMapHead(dst []byte, n int) []byte { return appendHead(dst, n, 0x80, 0xde) }

func appendHead(dst []byte, n int, fix, wide byte) []byte {
	switch {
	case n < 1<<4:
		return append(dst, fix|byte(n))
	case n < 1<<16:
		return append(dst, wide, byte(n>>8), byte(n))
	}
	return append(dst, wide+1, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// headReserve is the room that BeginArray leaves for the head: that of an array
// of 16 to 65535 elements, so that a large body is moved only beyond that.
const headReserve = 3

// BeginArray leaves room for the head of an array whose number of elements is
// not yet known. Append the elements, then call EndArray with the returned mark.
// Arrays may be nested if they are ended in reverse order.
func BeginArray(dst []byte) (out []byte, mark int) {
	return append(dst, 0, 0, 0), len(dst)
}

// EndArray writes the head of the array begun at mark, which now has n
// elements, and moves what follows if the head is shorter or longer than the
// room left for it.
func EndArray(dst []byte, mark, n int) []byte {
	body := mark + headReserve
	switch {
	case n < 1<<4:
		dst[mark] = 0x90 | byte(n)
		copy(dst[mark+1:], dst[body:])
		return dst[:len(dst)-headReserve+1]
	case n < 1<<16:
		dst[mark], dst[mark+1], dst[mark+2] = 0xdc, byte(n>>8), byte(n)
		return dst
	}
	dst = append(dst, 0, 0)
	copy(dst[body+2:], dst[body:])
	dst[mark] = 0xdd
	binary.BigEndian.PutUint32(dst[mark+1:], uint32(n))
	return dst
}
