package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// funcs is a Handler made of functions; nil ones do the least.
type funcs struct {
	read   func(c *Conn, b []byte) int
	timer  func(c *Conn, now time.Duration)
	closed func(c *Conn, err error)
}

func (f *funcs) Read(c *Conn, b []byte) int {
	if f.read == nil {
		return len(b)
	}
	return f.read(c, b)
}

func (f *funcs) Timer(c *Conn, now time.Duration) {
	if f.timer != nil {
		f.timer(c, now)
	}
}

func (f *funcs) Closed(c *Conn, err error) {
	if f.closed != nil {
		f.closed(c, err)
	}
}

func echo(c *Conn, b []byte) int {
	_ = c.Write(b) // a failure closes c
	return len(b)
}

// start runs a loop until the test ends.
func start(t testing.TB, cfg Config) *Loop {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	t.Cleanup(func() {
		l.Stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return after Stop")
		}
	})
	return l
}

// engines runs a test on each engine that this system has.
func engines(t *testing.T, test func(t *testing.T, cfg Config)) {
	if runtime.GOOS == "linux" {
		t.Run("epoll", func(t *testing.T) { test(t, Config{Engine: EngineEpoll}) })
		t.Run("uring", func(t *testing.T) { test(t, Config{Engine: EngineEpoll, Uring: true}) })
	}
	t.Run("std", func(t *testing.T) { test(t, Config{Engine: EngineStd}) })
}

func listen(t testing.TB, l *Loop, accept func(*Conn) Handler) string {
	t.Helper()
	addr, err := l.Listen("127.0.0.1:0", accept)
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

// call runs fn on the loop and waits for it.
func call(t testing.TB, l *Loop, fn func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { fn(); close(done) }) {
		t.Fatal("Post refused")
	}
	await(t, done)
}

// await is the next value of ch.
func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain\n%s", patience, allStacks())
		panic("unreachable")
	}
}

// until polls a condition on the loop.
func until(t testing.TB, l *Loop, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for ok := false; !ok; {
		if call(t, l, func() { ok = cond() }); !ok && time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func write(t testing.TB, nc net.Conn, b string) {
	t.Helper()
	if _, err := io.WriteString(nc, b); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t testing.TB, nc net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatalf("read: %v, got %q, want %q", err, b, want)
	}
	if string(b) != want {
		t.Fatalf("read %q, want %q", b, want)
	}
}

// wantEnd checks that nc is closed by its peer, with nothing left to read.
func wantEnd(t testing.TB, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("open: %d bytes, %v", n, err)
	}
}

func TestEcho(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		var remote string
		nc := dial(t, listen(t, l, func(c *Conn) Handler {
			remote = c.RemoteAddr().String()
			return &funcs{read: echo}
		}))
		for i := range 100 {
			m := fmt.Sprint("message ", i)
			write(t, nc, m)
			wantRead(t, nc, m)
		}
		call(t, l, func() {
			if remote != nc.LocalAddr().String() {
				t.Errorf("RemoteAddr %s, want %s", remote, nc.LocalAddr())
			}
			if s := l.Stats(); s.Conns != 1 || s.Accepts != 1 || s.BytesIn < 900 {
				t.Errorf("stats %+v", s)
			}
		})
		// The goroutine engine counts a write when its writer tells of it, which may
		// be after the peer has read.
		until(t, l, "all is counted", func() bool { s := l.Stats(); return s.BytesIn == s.BytesOut && s.Tail == 0 })
	})
}

func TestPendingGrowsByteByByte(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		reads := 0
		nc := dial(t, listen(t, l, func(*Conn) Handler {
			return &funcs{read: func(c *Conn, b []byte) int {
				reads++
				n := 0
				for len(b)-n >= 8 { // messages of 8 bytes
					c.Write(b[n : n+8])
					n += 8
				}
				if n == 0 {
					c.Write([]byte{'.'}) // asks for the next byte
				}
				return n
			}}
		}))
		write(t, nc, "a")
		for _, b := range "bcdefg" {
			wantRead(t, nc, ".")
			write(t, nc, string(b))
		}
		wantRead(t, nc, ".")
		write(t, nc, "hABC") // the end of one message and the head of the next
		wantRead(t, nc, "abcdefgh")
		write(t, nc, "DEFGHabcdefgh")
		wantRead(t, nc, "ABCDEFGHabcdefgh")
		call(t, l, func() {
			if reads < 9 {
				t.Errorf("%d reads", reads)
			}
		})
		until(t, l, "nothing pending, no side storage", func() bool { return l.slots.all[0].conn.side == nil })
	})
}

func TestPendingBound(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.MaxPending = 1000
		l := start(t, cfg)
		closed := make(chan error, 1)
		longest := 0
		nc := dial(t, listen(t, l, func(*Conn) Handler {
			return &funcs{
				read:   func(_ *Conn, b []byte) int { longest = max(longest, len(b)); return 0 },
				closed: func(_ *Conn, err error) { closed <- err },
			}
		}))
		for range 1001 {
			if _, err := nc.Write([]byte{1}); err != nil {
				break
			}
		}
		if err := await(t, closed); !errors.Is(err, ErrPendingFull) {
			t.Fatalf("closed with %v", err)
		}
		call(t, l, func() {
			if longest != 1001 {
				t.Errorf("saw %d bytes at most", longest)
			}
		})
	})
}

// A message larger than the loop's buffer is gathered in place.
func TestPendingLarge(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		const size = 500_000
		got := make(chan []byte, 1)
		nc := dial(t, listen(t, l, func(c *Conn) Handler {
			c.SetMaxPending(size)
			return &funcs{read: func(_ *Conn, b []byte) int {
				if len(b) < size {
					return 0
				}
				got <- bytes.Clone(b)
				return len(b)
			}}
		}))
		want := pattern(size)
		if _, err := nc.Write(want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(await(t, got), want) {
			t.Fatal("bytes differ")
		}
	})
}

// pattern is n bytes that differ when shifted.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestSetHandlerInsideRead(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		nc := dial(t, listen(t, l, func(*Conn) Handler {
			return &funcs{read: func(c *Conn, b []byte) int { // a head of one line
				i := bytes.IndexByte(b, '\n')
				if i < 0 {
					return 0
				}
				c.SetHandler(&funcs{read: echo})
				return i + 1
			}}
		}))
		write(t, nc, "he")
		write(t, nc, "ad\nbody")
		wantRead(t, nc, "body")
	})
}

func TestSetHandlerOutsideRead(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		seen := make(chan *Conn, 1)
		nc := dial(t, listen(t, l, func(*Conn) Handler {
			return &funcs{read: func(c *Conn, _ []byte) int { seen <- c; return 0 }}
		}))
		write(t, nc, "kept")
		c := await(t, seen)
		call(t, l, func() { c.SetHandler(&funcs{read: echo}) })
		wantRead(t, nc, "kept")
	})
}

func TestHalfCloseDeliversLastBytes(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		engines(t, func(t *testing.T, cfg Config) {
			l := start(t, cfg)
			var got []byte
			closed := make(chan error, 2)
			accepted := make(chan struct{})
			nc := dial(t, listen(t, l, func(c *Conn) Handler {
				c.Quiet(quiet)
				close(accepted)
				return &funcs{
					read:   func(_ *Conn, b []byte) int { got = append(got, b...); return len(b) },
					closed: func(_ *Conn, err error) { closed <- err },
				}
			}))
			await(t, accepted)
			want := pattern(300_000)
			if _, err := nc.Write(want[:3000]); err != nil {
				t.Fatal(err)
			}
			if !quiet {
				if _, err := nc.Write(want[3000:]); err != nil {
					t.Fatal(err)
				}
			} else {
				want = want[:3000]
			}
			nc.CloseWrite()
			if cfg.Engine == EngineStd && quiet { // the end shows only behind the bytes
				until(t, l, "the end", func() bool {
					for _, e := range l.slots.all {
						if e.conn != nil {
							e.conn.ReadNow()
						}
					}
					return len(closed) > 0
				})
			}
			if err := await(t, closed); err != io.EOF {
				t.Fatalf("closed with %v", err)
			}
			call(t, l, func() {
				if !bytes.Equal(got, want) {
					t.Errorf("%d bytes came before the end, want %d", len(got), len(want))
				}
				if len(closed) > 0 {
					t.Error("Closed twice")
				}
			})
		})
	}
}

func TestQuietReadsOnlyByReadNow(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		var conn *Conn
		reads := 0
		accepted := make(chan struct{})
		nc := dial(t, listen(t, l, func(c *Conn) Handler {
			conn = c
			c.Quiet(true)
			close(accepted)
			return &funcs{read: func(c *Conn, b []byte) int { reads++; return echo(c, b) }}
		}))
		await(t, accepted)
		write(t, nc, "one")
		for range 50 {
			call(t, l, func() {
				if reads != 0 {
					t.Fatal("a quiet connection was read")
				}
			})
		}
		until(t, l, "ReadNow brings the bytes", func() bool { conn.ReadNow(); return reads == 1 })
		wantRead(t, nc, "one")
		write(t, nc, "two")
		call(t, l, func() { conn.Quiet(false) })
		wantRead(t, nc, "two")
	})
}

func TestStopClosesEverything(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- l.Run() }()
		const n = 20
		closed := make(chan error, n+1)
		accepted := make(chan struct{}, n)
		addr := listen(t, l, func(*Conn) Handler {
			accepted <- struct{}{}
			return &funcs{closed: func(_ *Conn, err error) { closed <- err }}
		})
		var clients []net.Conn
		for range n {
			clients = append(clients, dial(t, addr))
			await(t, accepted)
		}
		ran := false
		l.Post(func() { ran = true })
		l.Stop()
		l.Stop()
		if err := await(t, done); err != nil {
			t.Fatal(err)
		}
		if !ran {
			t.Error("what was posted before Stop did not run")
		}
		if l.Post(func() {}) {
			t.Error("Post accepted after Stop")
		}
		if len(closed) != n {
			t.Fatalf("%d of %d told", len(closed), n)
		}
		for range n {
			if err := <-closed; err != ErrStopped {
				t.Errorf("closed with %v", err)
			}
		}
		for _, nc := range clients {
			wantEnd(t, nc)
		}
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			t.Error("the listener is open")
		}
		if s := l.Stats(); s.Conns != 0 || s.Tail != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestStopBeforeRun(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		l.Stop()
		if err := l.Run(); err != nil {
			t.Errorf("Run after Stop: %v", err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{Engine: 9}, {MaxTail: -1}, {MaxPending: -1}, {Mailbox: -1}, {MaxPending: maxPendingCeiling + 1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}

// A full mailbox takes what must not be lost, and runs it in its turn.
func TestMustFillsAFullMailbox(t *testing.T) {
	l := start(t, Config{Mailbox: 2})
	on, stands := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(stands); <-on })
	await(t, stands)
	var ran []int
	done := make(chan struct{})
	for i := 1; i <= 3; i++ {
		if ok := l.Post(func() { ran = append(ran, i) }); ok != (i <= 2) {
			t.Errorf("Post %d: %t", i, ok)
		}
	}
	for i := 4; i <= 5; i++ {
		if !l.Must(func() { ran = append(ran, i) }) {
			t.Errorf("Must %d is refused", i)
		}
	}
	l.Must(func() { close(done) })
	close(on)
	await(t, done)
	if !slices.Equal(ran, []int{1, 2, 4, 5}) {
		t.Errorf("ran %v", ran)
	}
	if n := l.mail.refusals(); n != 1 {
		t.Errorf("%d refusals", n)
	}
}
