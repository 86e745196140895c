package loop

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uring starts a loop with an io_uring.
func uring(t testing.TB, cfg Config) *Loop {
	t.Helper()
	cfg.Engine, cfg.Uring = EngineEpoll, true
	l := start(t, cfg)
	var found bool
	if call(t, l, func() { found = l.Uring() }); !found {
		t.Skip("no io_uring here")
	}
	return l
}

func testRing(t *testing.T, n int) *ring {
	t.Helper()
	r, err := newRing(n)
	if err != nil {
		t.Skip("no io_uring here: ", err)
	}
	t.Cleanup(r.close)
	return r
}

// stream is a connected pair of sockets.
func stream(t *testing.T) [2]int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	return pair
}

// Each operation has the result of its call, whatever those before it had.
func TestRingResults(t *testing.T) {
	r := testRing(t, 8)
	ab, full, dead := stream(t), stream(t), stream(t)
	unix.Close(dead[1])
	dead[1] = -1
	large := make([]byte, 16<<20)
	for range 2 { // the second time the queues begin elsewhere
		in := make([]byte, 4)
		r.recv(ab[1], in)
		r.send(ab[0], []byte("abcdef"), noWait)
		r.send(dead[0], []byte("x"), noWait) // no SIGPIPE either
		r.send(1<<20, []byte("x"), noWait)
		r.send(full[0], large, noWait)
		r.send(full[0], large, noWait)
		r.recv(ab[1], in)
		if err := r.submit(); err != nil {
			t.Fatal(err)
		}
		got := r.results
		if got[0] != -int32(unix.EAGAIN) || got[1] != 6 || got[2] != -int32(unix.EPIPE) || got[3] != -int32(unix.EBADF) ||
			got[4] <= 0 || int(got[4]) >= len(large) || got[5] != -int32(unix.EAGAIN) || got[6] != 4 || string(in) != "abcd" {
			t.Fatalf("%v, read %q", got[:7], in)
		}
		unix.Read(ab[1], in)
		for n := int32(0); n < got[4]; {
			k, err := unix.Read(full[1], large)
			if err != nil {
				t.Fatal(err)
			}
			n += int32(k)
		}
	}
	if err := r.submit(); err != nil { // of nothing
		t.Error(err)
	}
}

// What is submitted is done with: buffers and descriptors are ours again, and may be
// another's.
func TestRingKeepsNothing(t *testing.T) {
	r := testRing(t, 4)
	out, in := make([]byte, 2), make([]byte, 2)
	for i := range byte(200) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		out[0], out[1] = i, i+1
		r.send(pair[0], out, noWait)
		r.recv(pair[0], in)
		if err := r.submit(); err != nil {
			t.Fatal(err)
		}
		clear(out)
		n, err := unix.Read(pair[1], in)
		if err != nil || n != 2 || in[0] != i || in[1] != i+1 {
			t.Fatalf("%d: %v, % x", i, err, in)
		}
		unix.Close(pair[0])
		if n, err := unix.Read(pair[1], in); n != 0 || err != nil {
			t.Fatalf("%d: the socket is still open: %d, %v", i, n, err)
		}
		unix.Close(pair[1])
	}
}

// A loop that ends leaves no descriptor and no mapping.
func TestLoopsFreeTheirRings(t *testing.T) {
	testRing(t, 8)
	count := func() (int, int) {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return len(files), strings.Count(string(maps), "io_uring")
	}
	cycle := func() {
		l, err := New(Config{Engine: EngineEpoll, Uring: true})
		if err != nil {
			t.Fatal(err)
		}
		l.Stop()
	}
	cycle() // has the runtime's poller made, if there is none
	files, maps := count()
	for range 20 {
		cycle()
	}
	if f, m := count(); f > files || m > maps {
		t.Errorf("%d files and %d mappings, before %d and %d", f, m, files, maps)
	}
}

// Without a ring, or when it fails, calls of one socket each do the same.
func TestRingFails(t *testing.T) {
	var log syncBuffer
	l := uring(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	var conns []*Conn
	var peers []*net.TCPConn
	for range 20 {
		c, nc := connect(t, l, &funcs{read: echo})
		conns, peers = append(conns, c), append(peers, nc)
	}
	f := newFrame([]byte("frame"))
	offer := func() {
		for _, c := range conns {
			if !c.Offer([]byte("own "), f) || !c.Offer(nil, f) {
				t.Error("refused")
			}
		}
	}
	call(t, l, offer)
	call(t, l, func() {
		r := l.engine.(*epoll).batch.ring
		null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		whole := r.fd
		r.fd = null // no io_uring
		offer()
		l.flush()
		if l.Uring() {
			t.Error("a broken ring is still used")
		}
		r.fd = whole
		unix.Close(null)
		offer()
	})
	for _, nc := range peers {
		wantRead(t, nc, strings.Repeat("own frameframe", 3))
		write(t, nc, "ping")
		wantRead(t, nc, "ping")
	}
	call(t, l, func() {
		if f.refs.Load() != 1 {
			t.Errorf("%d references", f.refs.Load())
		}
	})
	if got := log.String(); strings.Count(got, "io_uring failed") != 1 {
		t.Errorf("logged %q", got)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A slot's offers are one call, and so are the reads before it.
func TestBatchIsOneCall(t *testing.T) {
	l := uring(t, Config{})
	const n = 50
	got := 0
	var conns []*Conn
	var peers []*net.TCPConn
	for range n {
		c, nc := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int { got += len(b); return len(b) }})
		conns, peers = append(conns, c), append(peers, nc)
	}
	f := newFrame([]byte("frame"))
	var before Stats
	var task *Task
	call(t, l, func() {
		for _, c := range conns {
			c.Quiet(true)
		}
		before = l.Stats()
		task = l.Add(&room{conns: conns, advance: func() {
			if got == n {
				for _, c := range conns {
					c.Offer(nil, f)
				}
				got++
			}
		}})
	})
	defer call(t, l, func() { task.Remove() })
	for _, nc := range peers {
		write(t, nc, "i")
	}
	for _, nc := range peers {
		wantRead(t, nc, "frame")
	}
	call(t, l, func() {
		s := l.Stats()
		passes := s.TaskRuns - before.TaskRuns
		if batches := s.Batches - before.Batches; s.Writes-before.Writes != n || s.Reads-before.Reads != n || batches > passes+1 {
			t.Errorf("%d writes and %d reads in %d batches and %d runs", s.Writes-before.Writes, s.Reads-before.Reads, batches, passes)
		}
	})
}

// room is a Preparer with connections.
type room struct {
	conns   []*Conn
	advance func()
}

func (r *room) Prepare(time.Duration) {
	for _, c := range r.conns {
		c.ReadSoon()
	}
}

func (r *room) Advance(now time.Duration) time.Duration {
	r.advance()
	return now + slot
}

// Whatever is done to connections whose input is read and not presented yet, none of
// it is lost, doubled or out of order.
func TestInputOfABatchIsKept(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		a, b := start(t, cfg), start(t, cfg)
		const n = 6
		type end struct {
			c   *Conn
			nc  *net.TCPConn
			got []byte
		}
		var ends [n]end
		arrived, detached := make(chan *Conn, n), make(chan []byte, 1)
		var act func()
		for i := range ends {
			e := &ends[i]
			e.c, e.nc = connect(t, a, &funcs{read: func(_ *Conn, b []byte) int {
				if act != nil {
					f := act
					act = nil
					f()
				}
				take := len(b) - 1 // leaves some
				e.got = append(e.got, b[:take]...)
				return take
			}})
		}
		all := make([]*Conn, n)
		want := make([][]byte, n)
		call(t, a, func() {
			for i := range ends {
				all[i] = ends[i].c
				all[i].Quiet(true)
			}
		})
		for i, size := range []int{10, 20, 3000, batchRead - 1, batchRead, 40} {
			want[i] = pattern(size)
			write(t, ends[i].nc, string(want[i]))
		}
		var task *Task
		host := &room{conns: slices.Clone(all), advance: func() {}}
		call(t, a, func() {
			act = func() {
				host.conns = slices.DeleteFunc(host.conns, func(c *Conn) bool { return c == all[1] || c == all[5] })
				all[1].Move(b, func(c *Conn) { arrived <- c })
				all[2].ReadNow()
				nc, rest, err := all[5].Detach()
				if err != nil {
					t.Error(err)
					return
				}
				nc.Close()
				detached <- rest
			}
			task = a.Add(host)
		})
		defer call(t, a, func() { task.Remove() })
		rest := await(t, detached)
		await(t, arrived)
		for i := range ends[:5] {
			l := a
			if i == 1 {
				l = b
			}
			until(t, l, "all is read", func() bool { return len(ends[i].got) >= len(want[i])-1 })
			call(t, l, func() {
				if got := append(ends[i].got, ends[i].c.pending()...); !bytes.Equal(got, want[i]) {
					t.Errorf("%d: %d bytes of %d, or others", i, len(got), len(want[i]))
				}
			})
		}
		// What the kernel still holds of the detached one is the new owner's to read.
		if len(rest) > 0 && !bytes.HasPrefix(want[5], rest) {
			t.Errorf("detached with % x", rest)
		}
	})
}

// Any order of offers, writes, moves and ends over peers of any speed sends what was
// taken, in order, whole unless the connection was broken off, and to nobody else.
func TestAnyOutput(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.SendBuffer, cfg.MaxTail = 8<<10, 1<<20
		loops := []*Loop{start(t, cfg), start(t, cfg)}
		const conns, steps = 12, 60
		type line struct {
			c    *Conn
			l    *Loop
			id   byte
			want []byte
			got  chan []byte
			open bool // not ended by us
			cut  bool // broken off
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(t.Name()))))
		var frames []*frame
		begin := func(id byte) *line {
			l := loops[rng.IntN(2)]
			c, nc := connect(t, l, &funcs{})
			if err := nc.SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			n := &line{c: c, l: l, id: id, got: make(chan []byte, 1), open: true}
			lazy := rng.IntN(3) == 0
			go func() {
				var got []byte
				b := make([]byte, 16<<10)
				for {
					k, err := nc.Read(b)
					got = append(got, b[:k]...)
					if err != nil {
						n.got <- got
						nc.Close()
						return
					}
					if lazy {
						b = b[:256]
					}
				}
			}()
			return n
		}
		check := func(n *line) {
			got := await(t, n.got)
			if n.cut && bytes.HasPrefix(n.want, got) || bytes.Equal(got, n.want) {
				return
			}
			t.Fatalf("connection %d: %d bytes of %d, or others", n.id, len(got), len(n.want))
		}
		var lines [conns]*line
		next := byte(1)
		for i := range lines {
			lines[i] = begin(next)
			next++
		}
		piece := func(n *line) []byte {
			size := 1 + rng.IntN(40)
			if rng.IntN(4) == 0 {
				size = 1 + rng.IntN(30_000)
			}
			b := make([]byte, size)
			for i := range b {
				b[i] = n.id + byte(i)*17
			}
			return b
		}
		for range steps {
			l := loops[rng.IntN(2)]
			var moved []*line
			arrived := make(chan struct{}, conns)
			call(t, l, func() {
				for range 1 + rng.IntN(20) {
					n := lines[rng.IntN(conns)]
					if n.l != l || !n.open {
						continue
					}
					switch k := rng.IntN(40); {
					case k < 24:
						var private []byte
						var shared Buffer
						if rng.IntN(2) == 0 {
							private = piece(n)
						}
						if rng.IntN(4) != 0 {
							f := newFrame(piece(n))
							frames = append(frames, f)
							shared = f
						}
						if n.c.Offer(private, shared) {
							n.want = append(n.want, private...)
							if shared != nil {
								n.want = append(n.want, shared.Bytes()...)
							}
						}
						clear(private) // is ours again
					case k < 34:
						b := piece(n)
						if err := n.c.Write(b); err == nil {
							n.want = append(n.want, b...)
							clear(b)
						} else {
							n.open, n.cut = false, true
						}
					case k < 36:
						to := loops[rng.IntN(2)]
						n.c.Move(to, func(*Conn) { arrived <- struct{}{} })
						n.l = to
						if !slices.Contains(moved, n) {
							moved = append(moved, n)
						}
					case k < 38:
						n.open = false
						n.c.CloseAfterFlush(patience)
					case k == 38:
						n.open, n.cut = false, true
						n.c.Close(errTest)
					}
				}
			})
			for _, n := range moved {
				if n.open {
					await(t, arrived)
				}
			}
			for i, n := range lines {
				if !n.open {
					check(n)
					lines[i] = begin(next)
					next++
				}
			}
		}
		for _, n := range lines {
			call(t, n.l, func() { n.c.CloseAfterFlush(patience) })
			check(n)
		}
		for _, l := range loops {
			until(t, l, "all is given back", func() bool { s := l.Stats(); return s.Conns == 0 && s.Tail == 0 })
		}
		for _, f := range frames {
			if f.refs.Load() != 1 {
				t.Fatalf("%d references", f.refs.Load())
			}
		}
	})
}

// A peer that never reads is kept for at most 128 KB, in the kernel and here, however
// it is written to, and however much of that it had room for.
func TestStalledReaderIsBounded(t *testing.T) {
	for _, uring := range []bool{false, true} {
		for _, size := range []int{100, 3000, 16 << 10} { // the last is a part of a keyframe
			for _, window := range []int{1 << 10, 64 << 10} {
				t.Run(fmt.Sprintf("uring=%v/frame=%d/window=%d", uring, size, window), func(t *testing.T) {
					stallReader(t, Config{Engine: EngineEpoll, Uring: uring}, size, window)
				})
			}
		}
	}
}

func stallReader(t *testing.T, cfg Config, size, window int) {
	l := start(t, cfg)
	closed := make(chan error, 1)
	c, nc := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
	if err := nc.SetReadBuffer(window); err != nil {
		t.Fatal(err)
	}
	f := newFrame(pattern(size))
	most, refused := 0, 0
	offer := func() {
		for range 100 {
			if c.flags&isClosed != 0 {
				return
			}
			if !c.Offer(pattern(30), f) {
				refused++
				if c.Write(pattern(100)) != nil {
					return
				}
			}
			l.flush()
			most = max(most, queuedInKernel(t, c)+int(l.Stats().Tail))
		}
	}
	for len(closed) == 0 {
		call(t, l, offer)
	}
	if err := await(t, closed); err != ErrTailFull {
		t.Errorf("closed with %v", err)
	}
	if most > 128<<10 || refused == 0 {
		t.Errorf("%d bytes were kept, %d offers refused", most, refused)
	}
}

// queuedInKernel is the memory of what the kernel has not brought to the peer, as
// SO_MEMINFO tells it: sk_wmem_queued.
func queuedInKernel(t *testing.T, c *Conn) int {
	const soMeminfo, wmemQueued = 55, 5
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.SOL_SOCKET, soMeminfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		t.Error(errno)
	}
	return int(info[wmemQueued])
}
