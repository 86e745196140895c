package wire

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

const (
	// HeadRoom is the number of free bytes before a frame's body: the largest
	// head of a WebSocket frame from a server (RFC 6455 section 5.2: 2 bytes
	// and 8 of length, no mask).
	HeadRoom = 10
	// MaxPooled is the capacity up to which a released frame is kept for reuse,
	// in bytes, so that one giant keyframe does not stay in memory for ever.
	MaxPooled = 64 << 10
	// newFrame is the capacity of a new frame, in bytes.
	newFrame = 1 << 10
)

const (
	// finBinary is the first byte of a whole binary message: FIN and opcode 2.
	finBinary = 0x82
	// finDeflated is that of a compressed one: RSV1 beside them (RFC 7692 section 6).
	finDeflated = 0xc2
)

// Frame is one WebSocket message from the server, shared by all to whom it is
// sent. Whoever holds a reference may read it; it is written, before Seal, by
// the one who got it from its pool. The count of references is safe to change
// from any goroutine. The last Release gives the bytes back: slices of the frame
// must not be used after one's own Release.
type Frame struct {
	// B is the head room and, from HeadRoom on, the body, which is appended.
	// It must not be changed after Seal.
	B []byte

	pool   *Pool
	refs   atomic.Int32
	head   int // where the sealed head begins in B
	sealed int // len(B) when sealed, 0 before

	mu       sync.Mutex // guards what follows
	tried    bool       // Deflated was called
	deflated *Frame     // nil: not made, or not smaller; the reference is the frame's
}

// Seal writes the head of an unfragmented, unmasked binary message right before
// the body, its length in the smallest form (RFC 6455 section 5.2). To change a
// sealed frame is a fault that Bytes panics for.
func (f *Frame) Seal() { f.seal(finBinary) }

func (f *Frame) seal(first byte) {
	n := len(f.B) - HeadRoom
	switch {
	case n < 126:
		f.head = HeadRoom - 2
		f.B[f.head+1] = byte(n)
	case n < 1<<16:
		f.head = HeadRoom - 4
		f.B[f.head+1] = 126
		binary.BigEndian.PutUint16(f.B[f.head+2:], uint16(n))
	default:
		f.head = HeadRoom - 10
		f.B[f.head+1] = 127
		binary.BigEndian.PutUint64(f.B[f.head+2:], uint64(n))
	}
	f.B[f.head] = first
	f.sealed = len(f.B)
}

// Bytes is the sealed frame as it goes to the socket, head and body.
func (f *Frame) Bytes() []byte {
	if f.sealed == 0 || f.sealed != len(f.B) {
		panic("wire: Bytes of a frame that is not sealed, or changed since")
	}
	return f.B[f.head:f.sealed:f.sealed]
}

// Deflated is the sealed frame f as a compressed message, or f where that is not
// smaller. The first who asks has it made, by deflate, which appends the compressed
// body; all others share it. The caller must hold a reference of f; to keep the
// result for longer than that needs one of its own.
func (f *Frame) Deflated(deflate func(dst, body []byte) []byte) *Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.tried {
		f.tried = true
		d := f.pool.Get()
		d.B = deflate(d.B, f.Body())
		if d.Len() < f.Len() {
			d.seal(finDeflated)
			f.deflated = d
		} else {
			d.Release()
		}
	}
	if f.deflated != nil {
		return f.deflated
	}
	return f
}

// Body is the messages without the WebSocket head.
func (f *Frame) Body() []byte { return f.B[HeadRoom:len(f.B):len(f.B)] }

// Len is the number of bytes of the body.
func (f *Frame) Len() int { return len(f.B) - HeadRoom }

// Retain adds a reference. The caller must hold one.
func (f *Frame) Retain() {
	if f.refs.Add(1) <= 1 {
		panic("wire: Retain of a released frame")
	}
}

// Release gives up a reference. With the last one the frame goes back to its
// pool.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n < 0:
		panic("wire: Release of a released frame")
	case n == 0:
		if f.deflated != nil {
			f.deflated.Release()
		}
		f.deflated, f.tried = nil, false
		f.pool.put(f)
	}
}

// Pool recycles frames. The zero value works; it may be used by any goroutine
// and must not be copied after first use.
type Pool struct{ free sync.Pool }

// Get returns an empty frame with one reference, the caller's.
func (p *Pool) Get() *Frame {
	f, _ := p.free.Get().(*Frame)
	if f == nil {
		f = &Frame{pool: p, B: make([]byte, HeadRoom, newFrame)}
	}
	f.refs.Store(1)
	return f
}

func (p *Pool) put(f *Frame) {
	if cap(f.B) > MaxPooled {
		return
	}
	f.B = f.B[:HeadRoom]
	f.head, f.sealed = 0, 0
	p.free.Put(f)
}
