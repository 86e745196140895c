package loop

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stdConn is the transport of one connection on a net.Conn. A reader goroutine
// fills a buffer from which the loop takes, and waits when it is full; so one read
// of the loop brings all that came, in however small pieces. A writer goroutine
// lives while there is a tail, which stays in Conn.side and is only
// read by it. Each of them sets its flag (full, wrote, stood) and then posts to
// the owner; a loop that becomes the owner looks at the flags itself. So nothing
// is lost while the connection is between two loops, and mail to a former owner
// means nothing.
type stdConn struct {
	conn  *Conn                // the owner's
	owner atomic.Pointer[Loop] // nil while between loops
	nc    net.Conn

	mu    sync.Mutex // guards what follows, but the bytes: buf[:n] are the loop's
	buf   []byte
	n     int   // read
	taken int   // of them, taken by the loop
	shown bool  // bytes of buf are with the handler
	err   error // that ended the reader

	full   atomic.Bool   // bytes or err wait for the loop
	next   chan struct{} // there is room in buf, perhaps
	quit   chan struct{} // closed when the reader is to end
	ended  chan struct{} // closed by the reader; nil before it began
	cancel context.CancelFunc

	quitting bool // quit is closed

	writing  bool // the owner's: a writer goroutine is at work
	last     bool // the owner's: the peer has ended its stream, and the tail is still written
	wrote    atomic.Bool
	written  int
	writeErr error
	held     Buffer // of a closed connection, until the writer is done with it

	stood   atomic.Bool // the dial is over: nc or dialErr is set
	dialErr error
}

func newStdConn(l *Loop, nc net.Conn, remote netip.AddrPort) *Conn {
	s := &stdConn{nc: nc, next: make(chan struct{}, 1), quit: make(chan struct{})}
	s.conn = newConn(l, s, -1, remote)
	return s.conn
}

// stdMail says that one of the flags of s is set.
type stdMail struct{ s *stdConn }

func (m stdMail) deliver(l *Loop) {
	s := m.s
	if s.owner.Load() != l {
		return
	}
	if s.stood.Swap(false) {
		s.connected()
	}
	if s.wrote.Swap(false) {
		s.finishWrite()
	}
	if s.full.Load() && (s.conn.flags&(isQuiet|isLingering) != isQuiet || s.failed()) {
		s.read(s.conn)
	}
}

// post tells the owner; false means that it takes no mail any more.
func (s *stdConn) post() bool {
	l := s.owner.Load()
	return l == nil || l.mail.post(stdMail{s}, false)
}

func (s *stdConn) startReader() {
	s.buf = make([]byte, stdReadBuffer)
	s.ended = make(chan struct{})
	go s.readLoop()
}

func (s *stdConn) readLoop() {
	defer close(s.ended)
	for {
		b := s.room()
		if len(b) == 0 {
			select {
			case <-s.next:
				continue
			case <-s.quit:
				return
			}
		}
		n, err := s.nc.Read(b)
		s.mu.Lock()
		s.n += n
		s.err = err
		s.mu.Unlock()
		if !s.full.Swap(true) || err != nil { // else the loop knows, or reads when it likes
			s.post()
		}
		if err != nil {
			return
		}
	}
}

// room is where the reader may read to. Nothing is when the buffer is full, until
// the loop is done with what it took.
func (s *stdConn) room() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == s.n && !s.shown {
		s.taken, s.n = 0, 0
	}
	return s.buf[s.n:]
}

// take gives the loop what was read since the last time, until given.
func (s *stdConn) take() ([]byte, error) {
	s.full.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buf[s.taken:s.n:s.n]
	s.taken, s.shown = s.n, true
	return b, s.err
}

func (s *stdConn) given() {
	s.mu.Lock()
	s.shown = false
	s.mu.Unlock()
	select {
	case s.next <- struct{}{}:
	default: // it is told already
	}
}

// failed reports whether the reader met an error.
func (s *stdConn) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

func (s *stdConn) stopReader() {
	if !s.quitting {
		s.quitting = true
		close(s.quit)
	}
}

// read implements transport.
func (s *stdConn) read(c *Conn) {
	if c.flags&(isClosed|isDeparting|isFlushing|isReading) != 0 || !s.full.Load() {
		return
	}
	b, err := s.take()
	if len(b) > 0 {
		c.loop.stats.Reads++
		c.loop.stats.BytesIn += uint64(len(b))
	}
	if c.flags&isLingering == 0 && len(b) > 0 {
		if len(c.pending()) > 0 {
			c.side.pending = append(c.side.pending, b...)
			b = c.side.pending
		}
		c.present(b)
	}
	s.given()
	switch {
	case err == nil:
	case c.flags&(isDeparting|isFlushing) != 0: // the end is met where c arrives, or when all is sent
		s.full.Store(true)
	case c.flags&isLingering != 0:
		c.Close(nil)
	case errors.Is(err, io.EOF) && c.flags&hasTail != 0:
		// Other engines would have given the kernel some of it before they met the end.
		s.full.Store(true)
		if !s.last {
			s.last = true
			_ = s.nc.SetWriteDeadline(time.Now().Add(DefaultFlushTime)) // fails where the writer does
		}
	case errors.Is(err, io.EOF):
		c.Close(io.EOF)
	default:
		c.Close(err)
	}
}

// send implements transport.
func (s *stdConn) send(*Conn, []byte, []byte) (int, error) { return sendLater, nil }

// update implements transport.
func (s *stdConn) update(c *Conn) {
	if c.flags&(isClosed|isConnecting) != 0 {
		return
	}
	if c.flags&hasTail != 0 && !s.writing {
		s.writing = true
		go s.write(c.side.tail.pieces())
	}
	if s.full.Load() && c.flags&isReading == 0 {
		s.post()
	}
}

func (s *stdConn) write(p [3][]byte) {
	bufs := net.Buffers(p[:0])
	size := 0
	for _, b := range p {
		if len(b) > 0 {
			bufs = append(bufs, b)
			size += len(b)
		}
	}
	if _, ok := s.nc.(*net.TCPConn); !ok && len(bufs) > 1 && size <= joinedWrite {
		// Only TCP takes all of them at once; elsewhere each is a write of its own,
		// and over TLS a record.
		bufs = net.Buffers{slices.Concat(bufs...)}
	}
	n, err := bufs.WriteTo(s.nc)
	s.written, s.writeErr = int(n), err
	s.wrote.Store(true)
	s.post()
}

// finishWrite follows the end of a writer goroutine.
func (s *stdConn) finishWrite() {
	c := s.conn
	s.writing = false
	if c.flags&isClosed != 0 {
		if c.gen == 0 { // finished: it waited for this
			c.loop.busyOut--
			s.release()
		}
		return
	}
	if s.written > 0 {
		c.loop.stats.Writes++
		c.loop.stats.BytesOut += uint64(s.written)
		c.sent(s.written)
	}
	switch {
	case s.writeErr == nil:
		s.update(c)
	case s.last:
		c.Close(io.EOF)
	default:
		c.Close(s.writeErr)
	}
}

func (s *stdConn) release() {
	if s.held != nil {
		s.held.Release()
		s.held = nil
	}
}

// endWrite implements transport. Where ending one half may have to wait
// (crypto/tls writes its last words), the time of CloseAfterFlush bounds it.
func (s *stdConn) endWrite(c *Conn) {
	switch nc := s.nc.(type) {
	case *net.TCPConn:
		if nc.CloseWrite() != nil {
			c.Close(nil)
		}
	case interface{ CloseWrite() error }:
		go nc.CloseWrite()
	default:
		c.Close(nil)
	}
}

// depart implements transport.
func (s *stdConn) depart(*Conn, *Loop) { s.owner.Store(nil) }

// arrive implements transport.
func (s *stdConn) arrive(c *Conn, l *Loop) error {
	s.owner.Store(l)
	if c.flags&isConnecting == 0 {
		if s.ended == nil {
			s.startReader()
		}
		if c.flags&isLingering != 0 {
			s.endWrite(c)
		}
	}
	s.update(c)
	if s.full.Load() || s.wrote.Load() || s.stood.Load() {
		s.post() // what came while nobody was the owner
	}
	return nil
}

// unhook implements transport. The writer may still read the shared bytes of
// the tail: their reference is kept until it is done.
func (s *stdConn) unhook(c *Conn) {
	s.owner.Store(c.loop)
	s.stopReader()
	if s.cancel != nil {
		s.cancel()
	}
	if s.writing && !s.wrote.Swap(false) {
		s.held, c.side.tail.shared = c.side.tail.shared, nil
		c.loop.busyOut++
	}
}

// end implements transport. Closing what is no TCP connection may write, and
// so wait (crypto/tls). One that is still dialled is closed by connected.
func (s *stdConn) end(c *Conn) {
	if c.flags&isConnecting != 0 {
		return
	}
	switch nc := s.nc.(type) {
	case *net.TCPConn:
		nc.Close()
	default:
		go nc.Close()
	}
}

// detach implements transport: the reader is interrupted, and what it read
// last goes along. It may be writing, for crypto/tls answers some of what it
// reads, and the peer may not take it.
func (s *stdConn) detach(*Conn) (net.Conn, []byte, error) {
	s.stopReader()
	var rest []byte
	if s.ended != nil {
		if err := s.nc.SetDeadline(time.Unix(1, 0)); err != nil {
			return nil, nil, err
		}
		<-s.ended
		rest = s.buf[s.taken:s.n]
	}
	s.owner.Store(nil)
	return s.nc, rest, s.nc.SetDeadline(time.Time{})
}

// dial opens the connection from a goroutine.
func (s *stdConn) dial(addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", addr)
		s.dialErr = err
		if err == nil {
			s.nc = nc
		}
		s.stood.Store(true)
		if !s.post() && nc != nil {
			nc.Close()
		}
	}()
}

// connected follows the end of dial.
func (s *stdConn) connected() {
	c := s.conn
	switch {
	case c.flags&isClosed != 0:
		if s.nc != nil {
			s.nc.Close()
		}
		return
	case s.dialErr != nil:
		c.Close(s.dialErr)
		return
	}
	c.flags &^= isConnecting
	s.startReader()
	if c.flags&(isFlushing|hasTail) == isFlushing {
		c.linger()
		return
	}
	s.update(c)
}
