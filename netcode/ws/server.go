package ws

import (
	"net"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// Server turns connections of any number of loops into WebSocket connections.
// It holds no connections, so it has nothing to close: stop the loops.
type Server struct {
	cfg     Config
	shards  *shards
	packers packers
}

// NewServer checks cfg and fills its defaults.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, shards: newShards()}, nil
}

// Serve listens on addr and accepts on l. Any goroutine may call it as
// loop.Loop.Listen allows.
func (s *Server) Serve(l *loop.Loop, addr string) (net.Addr, error) {
	return l.Listen(addr, s.Accept)
}

// Accept makes the handler of a connection that a loop accepted; it fits
// loop.Loop.Listen. It runs on the loop of lc. nil is a connection to be closed.
func (s *Server) Accept(lc *loop.Conn) loop.Handler { return s.Front(lc, s.Again) }

// Front gives a connection its place at Config.Gate, reads its PROXY header if it
// is to have one, and then hands it to what next makes: Again, or TLS, whose
// connections come back by Attach. The place is a *gate.Stay, the keeper of lc; one
// that is Refused goes to next too. All of it runs on the loop of lc. nil, of next
// too, is a connection to be closed.
func (s *Server) Front(lc *loop.Conn, next func(*loop.Conn) loop.Handler) loop.Handler {
	peer := lc.RemoteAddr().Addr()
	stay := s.cfg.Gate.Enter(peer)
	if stay == nil {
		return nil
	}
	lc.SetKeeper(stay)
	if s.cfg.ProxyProtocol && s.cfg.Gate.Trusted(peer) {
		return newPreface(s, lc, next)
	}
	return next(lc)
}

// Again makes the handler for the next request of a connection that Accept took
// and Config.Route answered. It runs on the loop of lc.
func (s *Server) Again(lc *loop.Conn) loop.Handler { return (*port)(newConn(s, lc)) }

// Attach brings a connection of package net to l: TLS, or a net.Pipe. One that
// went through Front has its place already. It owns nc unless it fails. Any
// goroutine may call it.
func (s *Server) Attach(l *loop.Loop, nc net.Conn) error {
	a := &attached{server: s}
	lc, err := l.Attach(nc, a)
	if err != nil {
		return err
	}
	if !l.Post(func() { a.open(lc) }) {
		nc.Close()
		return loop.ErrMailboxFull
	}
	return nil
}

// Return brings a connection that Config.HTTP was given back to l, with bytes that
// were read from it, a request at their front. It is like Attach otherwise.
func (s *Server) Return(l *loop.Loop, nc net.Conn, read []byte) error {
	return s.Attach(l, &readConn{Conn: nc, read: read})
}

// attached holds the place of a Conn until the loop has both ends of it.
type attached struct {
	server *Server
	opened bool
}

// open makes the Conn, on the loop, whichever comes first: its bytes or the mail.
func (a *attached) open(lc *loop.Conn) {
	if a.opened {
		return
	}
	a.opened = true
	accept := a.server.Accept
	if lc.Keeper() != nil {
		accept = a.server.Again
	}
	if h := accept(lc); h != nil {
		lc.SetHandler(h)
	} else {
		lc.Close(nil)
	}
}

// Read implements loop.Handler; the bytes go to the Conn.
func (a *attached) Read(lc *loop.Conn, _ []byte) int {
	a.open(lc)
	return 0
}

// Timer implements loop.Handler.
func (a *attached) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (a *attached) Closed(*loop.Conn, error) { a.opened = true }

// Stats sums the counters up. Any goroutine may call it.
func (s *Server) Stats() Stats { return s.shards.sum() }
