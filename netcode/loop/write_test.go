package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// frame is a Buffer that counts its references.
type frame struct {
	b    []byte
	refs atomic.Int32
}

func newFrame(b []byte) *frame {
	f := &frame{b: b}
	f.refs.Store(1)
	return f
}

func (f *frame) Bytes() []byte { return f.b }
func (f *frame) Retain()       { f.refs.Add(1) }
func (f *frame) Release() {
	if f.refs.Add(-1) < 0 {
		panic("released more often than retained")
	}
}

// connect is a connection of l and its peer.
func connect(t testing.TB, l *Loop, h Handler) (*Conn, *net.TCPConn) {
	t.Helper()
	conns := make(chan *Conn, 1)
	nc := dial(t, listen(t, l, func(c *Conn) Handler { conns <- c; return h }))
	return await(t, conns), nc
}

// stall offers frames until one is refused or leaves a tail, and returns the
// bytes that the peer must see. It runs on the loop.
func stall(c *Conn, private []byte, f *frame) (want []byte) {
	for c.flags&hasTail == 0 && c.Offer(private, f) {
		want = append(append(want, private...), f.b...)
	}
	return want
}

func TestTailKeepsOrder(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		c, nc := connect(t, l, &funcs{})
		var want []byte
		f := newFrame(pattern(1_000_003))
		call(t, l, func() {
			want = stall(c, []byte("private"), f)
			if c.flags&hasTail == 0 || f.refs.Load() != 2 {
				t.Errorf("tail %v, %d references", c.flags&hasTail != 0, f.refs.Load())
			}
			if c.Offer([]byte("x"), f) {
				t.Error("Offer accepted behind a tail")
			}
			for _, m := range []string{"control one", "control two"} {
				if err := c.Write([]byte(m)); err != nil {
					t.Error(err)
				}
				want = append(want, m...)
			}
			if got := l.Stats().Tail; got <= 0 || got > int64(len(want)) {
				t.Errorf("Stats.Tail %d", got)
			}
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("bytes differ")
		}
		until(t, l, "the tail is empty", func() bool { return c.flags&hasTail == 0 })
		call(t, l, func() {
			if f.refs.Load() != 1 {
				t.Errorf("%d references left", f.refs.Load())
			}
			if l.Stats().Tail != 0 || c.side != nil {
				t.Errorf("tail of %d bytes, side %v", l.Stats().Tail, c.side)
			}
			if !c.Offer([]byte("after "), newFrame([]byte("all"))) {
				t.Error("Offer refused though nothing is unsent")
			}
		})
		wantRead(t, nc, "after all")
	})
}

// The private part itself may be cut.
func TestTailOfPrivatePart(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		c, nc := connect(t, l, &funcs{})
		private, f := pattern(5_000_000), newFrame([]byte("shared"))
		want := append(bytes.Clone(private), f.b...)
		call(t, l, func() {
			if !c.Offer(private, f) {
				t.Error("refused")
			}
			clear(private) // is the caller's again
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
			t.Fatal("bytes differ", err)
		}
		until(t, l, "released", func() bool { return f.refs.Load() == 1 })
	})
}

func TestOfferRefusedKeepsNothing(t *testing.T) {
	l := start(t, Config{Engine: EngineAuto})
	if l.Engine() != EngineEpoll {
		t.Skip("the std engine takes all or is busy")
	}
	c, nc := connect(t, l, &funcs{})
	small := newFrame(pattern(1000))
	sent := 0
	call(t, l, func() {
		// Whole frames until the kernel is full: no tail, or one that ends the loop.
		for c.flags&hasTail == 0 && c.Offer(nil, small) {
			sent++
		}
		if small.refs.Load() != 1 && c.flags&hasTail == 0 {
			t.Error("a refused Offer kept a reference")
		}
		if c.Offer(nil, small) {
			t.Error("accepted though the kernel is full")
		}
	})
	if _, err := io.CopyN(io.Discard, nc, int64(sent*1000)); err != nil {
		t.Fatal(err)
	}
	until(t, l, "Offer works again", func() bool { return c.Offer(nil, small) })
}

func TestTailFull(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.MaxTail = 10_000
		l := start(t, cfg)
		closed := make(chan error, 1)
		c, _ := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		f := newFrame(pattern(1_000_000))
		call(t, l, func() {
			stall(c, nil, f)
			var err error
			writes := 0
			for ; err == nil; writes++ {
				err = c.Write(make([]byte, 1000))
			}
			if err != ErrTailFull || writes != 11 {
				t.Errorf("write %d: %v", writes, err)
			}
			if err := c.Write([]byte{1}); err != ErrClosed {
				t.Errorf("after it: %v", err)
			}
			if c.Offer(nil, f) {
				t.Error("Offer accepted after Close")
			}
		})
		if err := await(t, closed); err != ErrTailFull {
			t.Errorf("closed with %v", err)
		}
		until(t, l, "released", func() bool { return f.refs.Load() == 1 })
		if l.engine.kind() == EngineEpoll {
			call(t, l, func() {
				if l.Stats().Tail != 0 {
					t.Errorf("tail of %d bytes", l.Stats().Tail)
				}
			})
		}
	})
}

// Every reference is given back however the connections end.
func TestReferencesReturn(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- l.Run() }()
		var conns []*Conn
		var peers []*net.TCPConn
		for range 8 {
			c, nc := connect(t, l, &funcs{})
			conns, peers = append(conns, c), append(peers, nc)
		}
		f := newFrame(pattern(3_000_000))
		call(t, l, func() {
			for _, c := range conns {
				if !c.Offer([]byte("p"), f) {
					t.Error("refused")
				}
			}
			if f.refs.Load() != 9 {
				t.Errorf("%d references", f.refs.Load())
			}
			conns[0].Close(nil)
		})
		peers[1].SetLinger(0)
		peers[1].Close() // a reset
		go io.Copy(io.Discard, peers[2])
		until(t, l, "three are back", func() bool { return f.refs.Load() == 6 })
		l.Stop()
		if err := await(t, done); err != nil {
			t.Fatal(err)
		}
		if f.refs.Load() != 1 {
			t.Errorf("%d references left after Stop", f.refs.Load())
		}
	})
}

func TestCloseAfterFlush(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 1)
		c, nc := connect(t, l, &funcs{
			read:   func(*Conn, []byte) int { t.Error("read while closing"); return 0 },
			closed: func(_ *Conn, err error) { closed <- err },
		})
		f := newFrame(pattern(2_000_000))
		var want []byte
		call(t, l, func() {
			want = stall(c, nil, f)
			c.CloseAfterFlush(0)
			if err := c.Write([]byte("late")); err != ErrClosed {
				t.Errorf("Write: %v", err)
			}
		})
		write(t, nc, "unread input must not reset the connection")
		got, err := io.ReadAll(nc)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
		}
		if len(closed) > 0 {
			t.Error("closed before the peer was done")
		}
		write(t, nc, "more")
		nc.Close()
		if err := await(t, closed); err != nil {
			t.Errorf("closed with %v", err)
		}
		call(t, l, func() {
			if f.refs.Load() != 1 || l.Stats().Tail != 0 {
				t.Errorf("%d references, tail of %d bytes", f.refs.Load(), l.Stats().Tail)
			}
		})
	})
}

func TestFlushTimeout(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 2)
		h := &funcs{closed: func(_ *Conn, err error) { closed <- err }}
		c, _ := connect(t, l, h)
		f := newFrame(pattern(3_000_000))
		call(t, l, func() {
			stall(c, nil, f)
			c.CloseAfterFlush(30e6)
		})
		if err := await(t, closed); !errors.Is(err, ErrFlushTimeout) {
			t.Errorf("closed with %v", err)
		}
		until(t, l, "released", func() bool { return f.refs.Load() == 1 })
		c, _ = connect(t, l, h) // its peer never closes
		call(t, l, func() {
			c.Write([]byte("bye"))
			c.CloseAfterFlush(30e6)
		})
		if err := await(t, closed); err != nil {
			t.Errorf("flushed, but closed with %v", err)
		}
	})
}

func TestDial(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		addr := listen(t, l, func(*Conn) Handler { return &funcs{read: echo} })
		got := make(chan string, 1)
		call(t, l, func() {
			c, err := l.Dial(addr, &funcs{read: func(_ *Conn, b []byte) int {
				if len(b) < 5 {
					return 0
				}
				got <- string(b)
				return len(b)
			}})
			if err != nil {
				t.Error(err)
				return
			}
			c.Write([]byte("hel")) // before it stands
			c.Write([]byte("lo"))
		})
		if m := await(t, got); m != "hello" {
			t.Errorf("echo %q", m)
		}
	})
}

func TestDialFails(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		closed := make(chan error, 1)
		call(t, l, func() {
			_, err := l.Dial(ln.Addr().String(), &funcs{closed: func(_ *Conn, err error) { closed <- err }})
			if err != nil {
				closed <- err
			}
			if _, err := l.Dial("nowhere.example:1", &funcs{}); err == nil {
				t.Error("a name was accepted")
			}
			c, err := l.Dial("127.0.0.1:1", &funcs{closed: func(_ *Conn, err error) { closed <- err }})
			if err == nil {
				c.Close(io.ErrNoProgress)
			}
		})
		for range 2 {
			if err := await(t, closed); err == nil {
				t.Error("no error")
			}
		}
	})
}
