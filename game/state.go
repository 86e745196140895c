package game

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// stateOp is a run of scalars of one sort in a row, sent or not, as the
// checkpoint holds them: fixed width, little endian, floats by their bits.
type stateOp struct {
	off   uintptr
	code  opCode
	count int
	max   int // strings: bytes
}

// stateName is one field of the checkpoint, before runs are joined.
type stateName struct {
	path string // Tank.X
	op   stateOp
}

// addState appends n scalars at an offset, to the run before if they continue it.
func (p *plan) addState(code opCode, at uintptr, n int, max *tag, path string) {
	op := stateOp{off: at, code: code, count: n}
	if code == opString {
		op.max = max.max
	}
	p.names = append(p.names, stateName{path, op})
	if i := len(p.state) - 1; i >= 0 && code != opString {
		last := &p.state[i]
		if last.code == code && last.off+uintptr(last.count)*code.size() == at {
			last.count += n
			return
		}
	}
	p.state = append(p.state, op)
}

// size is the memory of a scalar that is not a string.
func (c opCode) size() uintptr {
	switch c {
	case opBool, opU8, opI8:
		return 1
	case opU16, opI16:
		return 2
	case opU32, opI32, opF32:
		return 4
	case opInt, opUint:
		return unsafe.Sizeof(int(0))
	}
	return 8
}

// wide is the bytes of a scalar in a checkpoint.
func (c opCode) wide() int {
	if c == opInt || c == opUint {
		return 8
	}
	return int(c.size())
}

// appendRow appends all state of the struct at base.
func (p *plan) appendRow(dst []byte, base unsafe.Pointer) []byte {
	for i := range p.state {
		o := &p.state[i]
		at := unsafe.Add(base, o.off)
		if o.code == opString {
			s := *(*string)(at)
			s = cut(s, o.max)
			dst = append(append(dst, byte(len(s))), s...)
			continue
		}
		if o.code.wide() == 1 {
			dst = append(dst, unsafe.Slice((*byte)(at), o.count)...)
			continue
		}
		for j := range o.count { // no pointer may pass the end of the row
			dst = o.code.append(dst, unsafe.Add(at, uintptr(j)*o.code.size()))
		}
	}
	return dst
}

func (c opCode) append(dst []byte, at unsafe.Pointer) []byte {
	switch c {
	case opU16, opI16:
		return binary.LittleEndian.AppendUint16(dst, *(*uint16)(at))
	case opU32, opI32, opF32:
		return binary.LittleEndian.AppendUint32(dst, *(*uint32)(at))
	case opInt:
		return binary.LittleEndian.AppendUint64(dst, uint64(*(*int)(at)))
	case opUint:
		return binary.LittleEndian.AppendUint64(dst, uint64(*(*uint)(at)))
	}
	return binary.LittleEndian.AppendUint64(dst, *(*uint64)(at))
}

// readRow fills the struct at base as appendRow wrote it.
func (p *plan) readRow(r *stateReader, base unsafe.Pointer) {
	for i := range p.state {
		o := &p.state[i]
		at := unsafe.Add(base, o.off)
		if o.code == opString {
			*(*string)(at) = string(r.take(r.upTo(o.max)))
			continue
		}
		b := r.take(o.count * o.code.wide())
		if b == nil {
			return
		}
		if o.code.wide() == 1 {
			if o.code == opBool && !isBools(b) {
				r.fail("a bool is neither 0 nor 1")
				return
			}
			copy(unsafe.Slice((*byte)(at), o.count), b)
			continue
		}
		for j := range o.count {
			o.code.read(b[j*o.code.wide():], unsafe.Add(at, uintptr(j)*o.code.size()))
		}
	}
}

func (c opCode) read(b []byte, at unsafe.Pointer) {
	switch c {
	case opU16, opI16:
		*(*uint16)(at) = binary.LittleEndian.Uint16(b)
	case opU32, opI32, opF32:
		*(*uint32)(at) = binary.LittleEndian.Uint32(b)
	case opInt:
		*(*int)(at) = int(binary.LittleEndian.Uint64(b))
	case opUint:
		*(*uint)(at) = uint(binary.LittleEndian.Uint64(b))
	default:
		*(*uint64)(at) = binary.LittleEndian.Uint64(b)
	}
}

func isBools(b []byte) bool {
	for _, v := range b {
		if v > 1 {
			return false
		}
	}
	return true
}

// stateReader reads a checkpoint. After the first failure all reads give zero.
type stateReader struct {
	b   []byte
	err error
}

func (r *stateReader) fail(msg string) {
	if r.err == nil {
		r.err = fmt.Errorf("game: bad checkpoint: %s", msg)
	}
	r.b = nil
}

// take is the next n bytes, not copied, nil when there are fewer.
func (r *stateReader) take(n int) []byte {
	if n < 0 || n > len(r.b) || r.err != nil {
		r.fail("too short")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *stateReader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *stateReader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *stateReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *stateReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// upTo is a length byte of at most limit.
func (r *stateReader) upTo(limit int) int {
	n := int(r.u8())
	if n > limit {
		r.fail("a string is too long")
		return 0
	}
	return n
}
