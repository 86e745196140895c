package secure

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// hello is the handler of a connection until its ClientHello is there.
type hello struct {
	gate  *Gate
	until time.Duration
}

// Read implements loop.Handler.
func (h *hello) Read(c *loop.Conn, b []byte) int {
	whole, ok := helloIn(b)
	switch {
	case !ok:
		h.refuse(c, b)
		return len(b)
	case !whole:
		return 0
	}
	if !h.gate.cfg.Admit(c) {
		h.gate.count[Refused].Add(1)
		c.Close(nil)
		return 0
	}
	from := h.gate.cfg.Source(c)
	nc, read, err := c.Detach()
	if err != nil {
		h.gate.count[Failed].Add(1)
		c.Close(err)
		return 0
	}
	h.gate.enter(visitor{&readConn{Conn: nc, read: read}, h.until, from})
	return 0
}

// helloIn looks at the first bytes of a connection: whether they can be a record
// of a handshake (RFC 8446 5.1), and whether it is there as a whole. A
// ClientHello of several records is left to the handshake.
func helloIn(b []byte) (whole, ok bool) {
	const handshake, major = 22, 3
	if b[0] != handshake || len(b) > 1 && b[1] != major {
		return false, false
	}
	if len(b) < recordHead {
		return false, true
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	return len(b) >= recordHead+n, n > 0 && n <= maxRecord
}

// plainAnswer tells a client that speaks HTTP what it should have spoken.
var plainAnswer = func() []byte {
	const text = "this port speaks TLS: use https:// or wss://\n"
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}()

// refuse ends a connection that does not speak TLS.
func (h *hello) refuse(c *loop.Conn, b []byte) {
	h.gate.count[Plain].Add(1)
	if b[0] < 'A' || b[0] > 'Z' { // no method of HTTP
		c.Close(nil)
		return
	}
	if c.Write(plainAnswer) == nil {
		c.CloseAfterFlush(0)
	}
}

// Timer implements loop.Handler.
func (h *hello) Timer(c *loop.Conn, _ time.Duration) {
	h.gate.count[Late].Add(1)
	c.Close(ErrLate)
}

// Closed implements loop.Handler.
func (h *hello) Closed(*loop.Conn, error) {}

// readConn is a connection with bytes that were already read from it.
type readConn struct {
	net.Conn
	read      []byte
	otherHost error // of Gate.certificate: it has none for the host that is asked for
}

// NetConn is the connection itself.
func (c *readConn) NetConn() net.Conn { return c.Conn }

// Read gives the bytes already read before those of the connection.
func (c *readConn) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		c.read = nil
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	c.read = c.read[n:]
	return n, nil
}
