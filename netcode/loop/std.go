package loop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// std is the engine of EngineStd: the loop waits on a channel, and goroutines
// that read, write, accept and dial send it mail.
type std struct {
	loop   *Loop
	signal chan struct{}
	timer  *time.Timer
	done   chan struct{} // closed by unlisten

	mu        sync.Mutex
	listeners []net.Listener
	closed    bool
}

func newStd(l *Loop) *std {
	return &std{
		loop: l, signal: make(chan struct{}, 1), timer: time.NewTimer(longestWait), done: make(chan struct{}),
	}
}

func (e *std) kind() Engine          { return EngineStd }
func (e *std) nap(time.Duration)     {}
func (e *std) poll() error           { return nil }
func (e *std) resume() time.Duration { return Never }

func (e *std) wake() {
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

func (e *std) wait(d time.Duration) error {
	e.timer.Reset(d)
	select {
	case <-e.signal:
	case <-e.timer.C:
	}
	return nil
}

func (e *std) unlisten() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, ln := range e.listeners {
		ln.Close()
	}
	close(e.done)
}

func (e *std) close() { e.timer.Stop() }

// listen implements Loop.Listen.
func (e *std) listen(addr string, accept func(*Conn) Handler) (net.Addr, error) {
	lc := net.ListenConfig{Control: controlListener}
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("loop: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		ln.Close()
		return nil, ErrStopped
	}
	e.listeners = append(e.listeners, ln)
	go e.acceptLoop(ln, accept)
	return ln.Addr(), nil
}

func (e *std) acceptLoop(ln net.Listener, accept func(*Conn) Handler) {
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			a := &accepted{nc: nc, accept: accept, done: make(chan struct{})}
			if !e.loop.mail.post(a, false) {
				nc.Close()
				return
			}
			select { // one at a time, so that the mailbox stays bounded
			case <-a.done:
			case <-e.done:
				return
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			e.loop.mail.post(posted(func() { e.loop.stats.Pauses++ }), false)
			e.loop.cfg.Log.Warn("listener rests", "loop", e.loop.cfg.ID, "for", acceptPause, "err", err)
			select {
			case <-time.After(acceptPause):
			case <-e.done:
				return
			}
		}
	}
}

// accepted is a new connection on its way from acceptLoop to the loop.
type accepted struct {
	nc     net.Conn
	accept func(*Conn) Handler
	done   chan struct{}
}

func (a *accepted) deliver(l *Loop) {
	defer close(a.done)
	if l.stopping {
		a.nc.Close()
		return
	}
	if tc, ok := a.nc.(*net.TCPConn); ok && l.cfg.SendBuffer > 0 {
		_ = tc.SetWriteBuffer(l.cfg.SendBuffer) // a hint: the system's size does too
	}
	c := newStdConn(l, a.nc, remoteOf(a.nc))
	if l.admit(c) != nil {
		a.nc.Close()
		l.stats.Refused++
		return
	}
	l.stats.Accepts++
	h := a.accept(c)
	if h == nil {
		c.Close(nil)
		return
	}
	c.handler = h
}

// dial implements Loop.Dial.
func (e *std) dial(addr string, h Handler) (*Conn, error) {
	remote, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	c := newStdConn(e.loop, nil, remote)
	c.handler = h
	c.flags |= isConnecting
	if err := e.loop.admit(c); err != nil {
		return nil, err
	}
	c.transport.(*stdConn).dial(addr)
	return c, nil
}

// Attach makes nc a connection of the loop, whatever its engine: TLS, net.Pipe.
// Any goroutine may call it; the Conn belongs to the loop. It fails with
// ErrMailboxFull, and then nc is still the caller's.
func (l *Loop) Attach(nc net.Conn, h Handler) (*Conn, error) {
	c := newStdConn(l, nc, remoteOf(nc))
	c.handler, c.keeper = h, keeperOf(nc)
	if !l.mail.post(&arrival{c: c}, true) {
		return nil, ErrMailboxFull
	}
	return c, nil
}

func parseAddr(addr string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return a, fmt.Errorf("loop: dial needs a numeric address and port: %w", err)
	}
	return a, nil
}

// remoteOf is the zero AddrPort for what has no IP address.
func remoteOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
