package ws

import (
	"io"
	"net"
	"sync"
)

// HTTPListener is a net.Listener fed by Hand, so that an http.Server serves the
// requests that are no upgrades: give Hand to Config.HTTP and the listener to
// http.Server.Serve.
type HTTPListener struct {
	addr net.Addr

	mu     sync.Mutex
	closed bool
	queue  chan net.Conn // bounded by httpBacklog; closed with the listener
}

// NewHTTPListener makes a listener that reports addr as its address.
func NewHTTPListener(addr net.Addr) *HTTPListener {
	return &HTTPListener{addr: addr, queue: make(chan net.Conn, httpBacklog)}
}

// Hand gives a connection to Accept and never blocks: when the backlog is full
// or the listener closed, the connection is closed. Any goroutine may call it.
func (l *HTTPListener) Hand(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		select {
		case l.queue <- nc:
			return
		default:
		}
	}
	go nc.Close() // which writes, over TLS, and may wait for that
}

// Accept waits for the next connection; net.ErrClosed after Close.
func (l *HTTPListener) Accept() (net.Conn, error) {
	nc, ok := <-l.queue
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

// Close unblocks Accept and closes the connections still waiting for it.
func (l *HTTPListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	close(l.queue)
	for nc := range l.queue {
		nc.Close()
	}
	return nil
}

// Addr is the address given to NewHTTPListener.
func (l *HTTPListener) Addr() net.Addr { return l.addr }

// readConn is a connection with bytes that were already read from it.
type readConn struct {
	net.Conn
	read []byte
}

// Read gives the bytes already read before those of the connection.
func (c *readConn) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// NetConn is the connection itself, whose place at the gate it has.
func (c *readConn) NetConn() net.Conn { return c.Conn }

// ReadFrom keeps net/http's way to sendfile(2).
func (c *readConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite keeps net/http's way to a half close, which lets a client read an
// error response before the reset.
func (c *readConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
