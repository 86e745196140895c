package loop

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// breakRing has the loop's ring fail from now on, until the test ends.
func breakRing(t *testing.T, l *Loop) {
	t.Helper()
	r := l.engine.(*epoll).batch.ring
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	unix.Close(r.fd)
	r.fd = null // no io_uring
}

// batches runs a test on a loop that reads in batches, and on one whose order it has to
// have.
func batches(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("epoll", func(t *testing.T) { test(t, Config{Engine: EngineEpoll}) })
	t.Run("uring", func(t *testing.T) { test(t, Config{Engine: EngineEpoll, Uring: true}) })
}

// once is a Preparer that runs prepare and reads conns, and then sleeps.
type once struct {
	conns   []*Conn
	prepare func()
	done    chan struct{}
}

func (o *once) Prepare(time.Duration) {
	o.prepare()
	for _, c := range o.conns {
		c.ReadSoon()
	}
}

func (o *once) Advance(time.Duration) time.Duration {
	close(o.done)
	return Never
}

// readTogether has l read conns in one batch, right after prepare.
func readTogether(t *testing.T, l *Loop, conns []*Conn, prepare func()) {
	t.Helper()
	o := &once{conns, prepare, make(chan struct{})}
	call(t, l, func() { l.Add(o) })
	await(t, o.done)
}

// ReadNow of a connection whose input is read and not presented yet presents it,
// though the socket has nothing more.
func TestReadNowWithinABatch(t *testing.T) {
	batches(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		var got []byte
		var second *Conn
		first, one := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			second.ReadNow()
			if string(got) != "two" {
				t.Errorf("ReadNow brought %q", got)
			}
			return len(b)
		}})
		var two *net.TCPConn
		second, two = connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			got = append(got, b...)
			return len(b)
		}})
		readTogether(t, l, []*Conn{first, second}, func() {
			write(t, one, "one")
			write(t, two, "two")
		})
	})
}

// ReadNow of a connection that is to be read in the same batch is its read: what it
// brought, and the handler left, may be more than a batch has room for.
func TestReadNowBeforeABatch(t *testing.T) {
	batches(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		want := pattern(3 * batchRead)
		var got []byte
		calls := 0
		second, two := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			got = append(got[:0], b...)
			calls++
			return 0
		}})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		var first *Conn // is read before the batch: it has no descriptor
		call(t, l, func() {
			var err error
			first, err = l.Attach(ours, &funcs{read: func(_ *Conn, b []byte) int {
				for end := Now() + patience; len(got) < len(want) && Now() < end; {
					second.ReadNow()
				}
				calls = 0
				return len(b)
			}})
			if err != nil {
				t.Error(err)
				return
			}
			first.Quiet(true)
			second.Quiet(true)
		})
		write(t, theirs, "x")
		until(t, l, "the reader has it", func() bool { return first.transport.(*stdConn).full.Load() })
		readTogether(t, l, []*Conn{second, first}, func() { write(t, two, string(want)) })
		call(t, l, func() {
			if !bytes.Equal(got, want) || calls != 0 {
				t.Errorf("%d bytes of %d, or others; read %d times more", len(got), len(want), calls)
			}
		})
	})
}

// When the ring fails in the middle of a batch, what it left is done by single calls.
func TestRingFailsWithinABatch(t *testing.T) {
	t.Run("of reads", func(t *testing.T) {
		l := uring(t, Config{})
		got := make([]string, 4)
		conns, peers := make([]*Conn, 4), make([]*net.TCPConn, 4)
		var rest []byte
		for i := range conns {
			conns[i], peers[i] = connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
				got[i] += string(b)
				if i == 0 {
					conns[1].ReadNow()
					conns[2].Move(l, nil)
					nc, b, err := conns[3].Detach()
					if err != nil {
						t.Error(err)
						return 0
					}
					rest = b
					nc.Close()
				}
				return len(b)
			}})
		}
		readTogether(t, l, conns, func() {
			breakRing(t, l)
			for i, nc := range slices.Backward(peers) {
				write(t, nc, string(rune('a'+i)))
			}
		})
		call(t, l, func() {
			if got := strings.Join(got, ""); got != "abc" || string(rest) != "d" {
				t.Errorf("read %q, detached with %q", got, rest)
			}
		})
	})
	t.Run("between sends and reads", func(t *testing.T) {
		var log bytes.Buffer
		l := uring(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		got := make([]string, 2)
		conns, peers := make([]*Conn, 2), make([]*net.TCPConn, 2)
		for i := range conns {
			conns[i], peers[i] = connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
				got[i] += string(b)
				return len(b)
			}})
		}
		readTogether(t, l, conns, func() {
			conns[0].Offer(nil, newFrame([]byte("frame")))
			breakRing(t, l)
			for _, nc := range peers {
				write(t, nc, "in")
			}
		})
		wantRead(t, peers[0], "frame")
		call(t, l, func() {
			if strings.Join(got, "") != "inin" || strings.Count(log.String(), "io_uring failed") != 1 {
				t.Errorf("read %q; told %q", got, log.String())
			}
		})
	})
	t.Run("of sends", func(t *testing.T) {
		l := uring(t, Config{})
		f := newFrame(bytes.Repeat([]byte("f"), joinedSend-4))
		const n = 2 * batchCopies / joinedSend
		var conns []*Conn
		var peers []*net.TCPConn
		for range n {
			c, nc := connect(t, l, &funcs{})
			conns, peers = append(conns, c), append(peers, nc)
		}
		call(t, l, func() {
			breakRing(t, l)
			for _, c := range conns {
				if !c.Offer([]byte("own "), f) { // half of them find no room for the copy
					t.Error("refused")
				}
			}
		})
		for _, nc := range peers {
			wantRead(t, nc, "own "+string(f.b))
		}
		call(t, l, func() {
			for _, c := range conns {
				if !c.Offer(nil, f) {
					t.Error("refused")
				}
			}
		})
		for _, nc := range peers {
			wantRead(t, nc, string(f.b))
		}
		call(t, l, func() {
			if f.refs.Load() != 1 {
				t.Errorf("%d references", f.refs.Load())
			}
		})
	})
}

// CloseAfterFlush of a connection whose peer's end is read and not presented yet
// still sends what is unsent.
func TestCloseAfterFlushWithinABatch(t *testing.T) {
	batches(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		var second *Conn
		first, one := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			if _, _, err := second.Detach(); err != ErrTailPending {
				t.Errorf("detached with bytes unsent: %v", err)
			}
			second.CloseAfterFlush(patience)
			return len(b)
		}})
		closed := make(chan error, 1)
		var two *net.TCPConn
		second, two = connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		var want []byte
		readTogether(t, l, []*Conn{first, second}, func() {
			want = stall(second, nil, newFrame(pattern(1<<20)))
			if err := two.CloseWrite(); err != nil {
				t.Error(err)
			}
			write(t, one, "x")
		})
		got, err := io.ReadAll(two)
		if ended := await(t, closed); err != nil || ended != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v; closed with %v", len(got), len(want), err, ended)
		}
	})
}

// reset has nc break off its connection.
func reset(t *testing.T, nc *net.TCPConn) {
	t.Helper()
	if err := nc.SetLinger(0); err != nil {
		t.Error(err)
	}
	nc.Close()
}

// An offer that is made at the end of a batch, and that the kernel refuses, ends its
// connection like any other.
func TestOfferFromClosed(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 1)
		f := newFrame([]byte("frame"))
		other, nc := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		c, _ := connect(t, l, &funcs{closed: func(*Conn, error) { other.Offer(nil, f) }})
		call(t, l, func() {
			reset(t, nc)
			c.Close(nil)
		})
		if err := await(t, closed); err == nil {
			t.Error("closed without an error")
		}
		until(t, l, "all is given back", func() bool { return l.Stats().Conns == 0 && f.refs.Load() == 1 })
	})
}

// A connection whose last offer fails as it is about to move does not move.
func TestOfferBeforeMove(t *testing.T) {
	batches(t, func(t *testing.T, cfg Config) {
		l, to := start(t, cfg), start(t, cfg)
		closed := make(chan *Loop, 1)
		f := newFrame([]byte("frame"))
		moving, nc := connect(t, l, &funcs{closed: func(c *Conn, _ error) { closed <- c.Loop() }})
		c, _ := connect(t, l, &funcs{closed: func(*Conn, error) {
			moving.Move(to, nil)
			moving.Offer(nil, f)
		}})
		call(t, l, func() {
			reset(t, nc)
			c.Close(nil)
		})
		if await(t, closed) != l {
			t.Error("closed by the loop that it was to move to")
		}
		for _, l := range []*Loop{l, to} {
			until(t, l, "all is given back", func() bool { s := l.Stats(); return s.Conns == 0 && s.Tail == 0 })
		}
		if f.refs.Load() != 1 {
			t.Errorf("%d references", f.refs.Load())
		}
	})
}

// To ask what is unsent does not send what waits for the others of its batch.
func TestUnsentLeavesABatchAlone(t *testing.T) {
	l := uring(t, Config{})
	f := newFrame([]byte("frame"))
	c, nc := connect(t, l, &funcs{})
	call(t, l, func() {
		before := l.stats.Batches
		if !c.Offer(nil, f) || c.Unsent() != 0 || l.stats.Batches != before {
			t.Errorf("%d bytes unsent after %d batches", c.Unsent(), l.stats.Batches-before)
		}
	})
	wantRead(t, nc, "frame")
}
