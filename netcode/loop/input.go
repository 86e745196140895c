package loop

import (
	"fmt"
	"slices"
)

// reading is a Read call under way, for Detach.
type reading struct {
	conn *Conn
	b    []byte
}

// takeBuffer is a read buffer that nobody uses: the loop's one, or another when
// a handler reads a connection from inside the Read of another.
func (l *Loop) takeBuffer() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, readBuffer)
}

func (l *Loop) giveBuffer(b []byte) { l.buffers = append(l.buffers, b) }

// pending is the input that no handler has consumed.
func (c *Conn) pending() []byte {
	if c.side == nil {
		return nil
	}
	return c.side.pending
}

// unread is a copy of the input that is not consumed, as Detach returns it.
func (c *Conn) unread() []byte {
	for _, r := range slices.Backward(c.loop.readings) {
		if r.conn == c {
			return append([]byte(nil), r.b...)
		}
	}
	return append([]byte(nil), c.pending()...)
}

// presentPending gives the handler what it, or the one before, left.
func (c *Conn) presentPending() {
	if len(c.pending()) > 0 && c.flags&(isClosed|isFlushing|isLingering|isDeparting|isReading) == 0 {
		c.present(c.side.pending)
	}
}

// present gives b, all unconsumed bytes, to the handler and keeps what it
// leaves. b may be the pending bytes themselves.
func (c *Conn) present(b []byte) {
	l := c.loop
	depth := len(l.readings)
	l.readings = append(l.readings, reading{c, nil})
	c.flags |= isReading
	for again := true; again && len(b) > 0 && c.handler != nil; {
		c.flags &^= isSwapped
		l.readings[depth].b = b
		n := c.handler.Read(c, b)
		if c.flags&(isClosed|isFlushing|isLingering) != 0 {
			break // n does not matter
		}
		if n < 0 || n > len(b) {
			panic(fmt.Sprintf("loop: Handler.Read consumed %d of %d bytes", n, len(b)))
		}
		b = b[n:]
		again = c.flags&isSwapped != 0 && c.flags&isDeparting == 0
	}
	l.readings[depth] = reading{}
	l.readings = l.readings[:depth]
	c.flags &^= isReading | isSwapped
	c.leave(b)
}

// leave keeps the bytes that were not consumed.
func (c *Conn) leave(b []byte) {
	if c.flags&(isClosed|isFlushing|isLingering) != 0 {
		b = nil
	}
	switch {
	case len(b) == 0:
		if c.side != nil {
			c.side.pending = c.side.pending[:0]
			c.less()
		}
	case len(b) > int(c.maxPending):
		c.Close(ErrPendingFull)
	default:
		s := c.more()
		// b may lie in pending: append moves it correctly, and nothing has to move
		// when the handler took none of a message that is still growing.
		if len(s.pending) != len(b) || &s.pending[0] != &b[0] {
			s.pending = append(s.pending[:0], b...)
		}
	}
}
