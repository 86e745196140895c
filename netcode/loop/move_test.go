package loop

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// numbered checks that the bytes it reads are 0, 1, 2, ... and consumes them
// unevenly, so that some are always pending.
type numbered struct {
	t    *testing.T
	next byte
	seen int
	step func(c *Conn, h *numbered)
}

func (h *numbered) Read(c *Conn, b []byte) int {
	n := max(len(b)-5, 0)
	for _, x := range b[:n] {
		if x != h.next {
			h.t.Errorf("byte %d after %d bytes, want %d", x, h.seen, h.next)
			c.Close(errTest)
			return 0
		}
		h.next++
		h.seen++
	}
	c.Write(b[:n])
	// Moving without having consumed anything would only carry the rest to and fro.
	if h.step != nil && n > 0 {
		h.step(c, h)
	}
	return n
}

func (*numbered) Timer(*Conn, time.Duration) {}
func (*numbered) Closed(*Conn, error)        {}

func TestMoveUnderTraffic(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.MaxTail = 4 << 20 // an echo has no other way to slow its peer down
		a, b := start(t, cfg), start(t, cfg)
		var moves atomic.Int32 // one may be under way when both loops are looked at
		h := &numbered{t: t, step: func(c *Conn, h *numbered) {
			to := a
			if c.Loop() == a {
				to = b
			}
			c.Move(to, func(c *Conn) {
				if c.Loop() != to {
					t.Error("then runs on another loop")
				}
				moves.Add(1)
			})
		}}
		nc := dial(t, listen(t, a, func(*Conn) Handler { return h }))
		const total = 2_000_000
		sent := make([]byte, total+5)
		for i := range sent {
			sent[i] = byte(i)
		}
		go nc.Write(sent)
		got := make([]byte, total)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatalf("after %d moves: %v", moves.Load(), err)
		}
		if !bytes.Equal(got, sent[:total]) {
			t.Error("bytes differ")
		}
		nc.Close()
		until(t, a, "gone from a", func() bool { return a.Stats().Conns == 0 && a.Stats().Tail == 0 })
		until(t, b, "gone from b", func() bool { return b.Stats().Conns == 0 && b.Stats().Tail == 0 })
		if n := moves.Load(); n < 10 {
			t.Errorf("%d moves only", n)
		}
	})
}

func TestMoveCarriesPendingTailAndTimer(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		a, b := start(t, cfg), start(t, cfg)
		events := make(chan string, 10)
		h := &funcs{read: func(*Conn, []byte) int { events <- "read on a"; return 0 }}
		c, nc := connect(t, a, h)
		write(t, nc, "pending")
		await(t, events)
		f := newFrame(pattern(2_000_000))
		var want []byte
		call(t, a, func() {
			want = stall(c, nil, f)
			c.SetTimer(Now() + 30*time.Millisecond)
			c.Move(b, func(c *Conn) {
				events <- "arrived"
				c.SetHandler(&funcs{
					read:  func(_ *Conn, b []byte) int { events <- string(b); return len(b) },
					timer: func(c *Conn, _ time.Duration) { events <- "timer" },
				})
			})
			c.ReadNow() // reads no more here
		})
		for _, want := range []string{"arrived", "pending", "timer"} {
			if got := await(t, events); got != want {
				t.Fatalf("event %q, want %q", got, want)
			}
		}
		call(t, b, func() { c.Write([]byte("end")) })
		got := make([]byte, len(want)+3)
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, append(want, "end"...)) {
			t.Fatal("the tail differs", err)
		}
		until(t, b, "released", func() bool { return f.refs.Load() == 1 && b.Stats().Tail == 0 })
		call(t, a, func() {
			if s := a.Stats(); s.Conns != 0 || s.Tail != 0 {
				t.Errorf("a has %+v", s)
			}
		})
	})
}

func TestMoveRefused(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		stopped, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		stopped.Stop()
		closed := make(chan error, 1)
		c, nc := connect(t, l, &funcs{closed: func(c *Conn, err error) {
			if c.Loop() != l {
				t.Error("Closed elsewhere")
			}
			closed <- err
		}})
		call(t, l, func() { c.Move(stopped, func(*Conn) { t.Error("moved") }) })
		if err := await(t, closed); err != ErrMailboxFull {
			t.Errorf("closed with %v", err)
		}
		wantEnd(t, nc)
	})
}

func TestCloseCancelsMove(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		a, b := start(t, cfg), start(t, cfg)
		closed := make(chan error, 2)
		c, _ := connect(t, a, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		call(t, a, func() {
			c.Move(b, func(*Conn) { t.Error("moved") })
			c.Close(errTest)
		})
		if err := await(t, closed); err != errTest {
			t.Errorf("closed with %v", err)
		}
		call(t, b, func() {})
	})
}

func TestMoveToOwnLoop(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		seen := make(chan string, 4)
		_, nc := connect(t, l, &funcs{read: func(c *Conn, b []byte) int {
			c.Move(l, func(c *Conn) {
				seen <- "then"
				c.SetHandler(&funcs{read: echo})
			})
			return 1
		}})
		write(t, nc, "abc")
		await(t, seen)
		wantRead(t, nc, "bc")
	})
}

func TestDetach(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		for _, inside := range []bool{true, false} {
			l := start(t, cfg)
			type result struct {
				nc     net.Conn
				unread string
				err    error
			}
			results := make(chan result, 1)
			detach := func(c *Conn) {
				nc, unread, err := c.Detach()
				results <- result{nc, string(unread), err}
			}
			_, peer := connect(t, l, &funcs{
				read: func(c *Conn, b []byte) int {
					if len(b) < 6 {
						return 0
					}
					if inside {
						detach(c)
					} else {
						l.Post(func() { detach(c) })
					}
					return 0
				},
				closed: func(*Conn, error) { t.Error("Closed after Detach") },
			})
			write(t, peer, "unr")
			write(t, peer, "ead")
			r := await(t, results)
			if r.err != nil || r.unread != "unread" {
				t.Fatalf("inside %v: unread %q, %v", inside, r.unread, r.err)
			}
			defer r.nc.Close()
			r.nc.SetDeadline(time.Now().Add(patience))
			write(t, peer, "to net")
			wantRead(t, r.nc, "to net")
			write(t, r.nc, "to peer")
			wantRead(t, peer, "to peer")
			call(t, l, func() {
				if l.Stats().Conns != 0 {
					t.Error("still counted")
				}
			})
			r.nc.Close()
			if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after close: %v: a copy of the descriptor is open", err)
			}
		}
	})
}

// Detach inside Read brings all that this Read was given, also when it is called by
// the handler of another connection, which the first has read.
func TestDetachWithinAnothersRead(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		unread := make(chan string, 1)
		var outer *Conn
		inner, in := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			nc, rest, err := outer.Detach()
			if err != nil {
				t.Error(err)
				return len(b)
			}
			nc.Close()
			unread <- string(rest)
			return len(b)
		}})
		var out *net.TCPConn
		outer, out = connect(t, l, &funcs{read: func(*Conn, []byte) int {
			for end := Now() + patience; outer.flags&isClosed == 0 && Now() < end; {
				inner.ReadNow()
				runtime.Gosched()
			}
			return 0
		}})
		call(t, l, func() { inner.Quiet(true) })
		write(t, in, "x")
		write(t, out, "unread")
		if got := await(t, unread); got != "unread" {
			t.Errorf("detached with %q", got)
		}
	})
}

func TestDetachWithTail(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		c, _ := connect(t, l, &funcs{})
		call(t, l, func() {
			stall(c, nil, newFrame(pattern(3_000_000)))
			if _, _, err := c.Detach(); err != ErrTailPending {
				t.Errorf("Detach: %v", err)
			}
		})
	})
}

func TestAttach(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		a, b := start(t, cfg), start(t, cfg)
		ours, theirs := net.Pipe()
		theirs.SetDeadline(time.Now().Add(patience))
		closed := make(chan error, 1)
		c, err := a.Attach(ours, &funcs{read: echo, closed: func(_ *Conn, err error) { closed <- err }})
		if err != nil {
			t.Fatal(err)
		}
		write(t, theirs, "pipe")
		wantRead(t, theirs, "pipe")
		moved := make(chan struct{})
		call(t, a, func() { c.Move(b, func(*Conn) { close(moved) }) })
		await(t, moved)
		write(t, theirs, "moved")
		wantRead(t, theirs, "moved")
		call(t, b, func() {
			if c.RemoteAddr().IsValid() {
				t.Error("a pipe has an address")
			}
		})
		// The writer's report that the echo is out may still be on its way.
		until(t, b, "offer taken", func() bool { return c.Offer([]byte("bye"), nil) })
		call(t, b, func() { c.CloseAfterFlush(0) })
		wantRead(t, theirs, "bye")
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after close: %v", err)
		}
		if err := await(t, closed); err != nil {
			t.Errorf("closed with %v", err)
		}
	})
}

// A connection that moves before it has arrived goes where it was moved to.
func TestAttachedMoves(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l, to := start(t, cfg), start(t, cfg)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		theirs.SetDeadline(time.Now().Add(patience))
		arrived := make(chan *Loop, 1)
		call(t, l, func() {
			c, err := l.Attach(ours, &funcs{read: echo})
			if err != nil {
				t.Error(err)
				return
			}
			c.Move(to, func(c *Conn) { arrived <- c.Loop() })
		})
		if await(t, arrived) != to {
			t.Error("then runs elsewhere")
		}
		write(t, theirs, "ping")
		wantRead(t, theirs, "ping")
		call(t, l, func() {
			if l.Stats().Conns != 0 {
				t.Error("it is on the first loop too")
			}
		})
	})
}
