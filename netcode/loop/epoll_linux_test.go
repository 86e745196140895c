package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A connection on epoll costs no goroutine and little memory.
func TestConnectionsNeedNoGoroutines(t *testing.T) {
	l := start(t, Config{Engine: EngineEpoll})
	accepts := 0
	addr := listen(t, l, func(*Conn) Handler { accepts++; return quietHandler{} })
	const n = 5000
	dial(t, addr)
	until(t, l, "the first is accepted", func() bool { return accepts == 1 })
	before, heap := runtime.NumGoroutine(), heapInUse()
	fds := make([]int, 0, n) // raw, so that the peers need no memory either
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, sa := sockaddr(tcp.AddrPort())
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := unix.Connect(fd, sa); err != nil {
			t.Fatal(err)
		}
	}
	until(t, l, "all are accepted", func() bool { return accepts == n+1 })
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines, %d before", got, before)
	}
	each := (int64(heapInUse()) - int64(heap)) / n
	t.Logf("%d bytes of heap for a connection", each)
	if each > 300 {
		t.Errorf("%d bytes of heap for a connection", each)
	}
}

// quietHandler is a Handler without state.
type quietHandler struct{}

func (quietHandler) Read(_ *Conn, b []byte) int { return len(b) }
func (quietHandler) Timer(*Conn, time.Duration) {}
func (quietHandler) Closed(*Conn, error)        {}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Accepted sockets inherit their options from the listener.
func TestSocketOptions(t *testing.T) {
	l := start(t, Config{Engine: EngineEpoll, UserTimeout: 7 * time.Second})
	c, _ := connect(t, l, &funcs{})
	call(t, l, func() {
		for _, o := range []struct {
			name        string
			level, opt  int
			atLeast, to int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, 1},
			{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, DefaultSendBuffer, 2 * DefaultSendBuffer},
			{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, DefaultNotSentLowat, DefaultNotSentLowat},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 7000, 7000},
		} {
			if v, err := unix.GetsockoptInt(int(c.fd), o.level, o.opt); err != nil || v < o.atLeast || v > o.to {
				t.Errorf("%s is %d (%v), want %d to %d", o.name, v, err, o.atLeast, o.to)
			}
		}
	})
}

// descriptorTest names the environment variable that makes this test binary
// the subprocess of a test.
const descriptorTest = "LOOP_TEST_DESCRIPTORS"

// fewDescriptors runs a test again in a process of its own, where it reports true:
// there are few descriptors.
func fewDescriptors(t *testing.T) bool {
	t.Helper()
	if os.Getenv(descriptorTest) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), descriptorTest+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return false
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}); err != nil {
		t.Fatal(err)
	}
	return true
}

// Without descriptors a listener refuses, rests and recovers, and the loop
// serves those that it has. The limit is a process's, so the test is one.
func TestDescriptorsRunOut(t *testing.T) {
	if !fewDescriptors(t) {
		return
	}
	l := start(t, Config{Engine: EngineEpoll})
	addr := listen(t, l, func(*Conn) Handler { return &funcs{read: echo} })
	first := dial(t, addr)
	write(t, first, "a")
	wantRead(t, first, "a")
	clients := exhaust(t, l, addr)
	until(t, l, "some are refused", func() bool { return l.Stats().Refused > 0 })
	write(t, first, "served")
	wantRead(t, first, "served")
	var before uint64
	call(t, l, func() { before = l.Stats().Passes })
	write(t, first, "again")
	wantRead(t, first, "again")
	call(t, l, func() {
		if s := l.Stats(); s.Passes-before > 100 {
			t.Errorf("%d passes for one message: the loop spins", s.Passes-before)
		}
	})
	for _, nc := range clients {
		nc.Close()
	}
	until(t, l, "those that ended are gone", func() bool { return l.Stats().Conns == 1 })
	after := dial(t, addr)
	write(t, after, "new")
	wantRead(t, after, "new")

	// No reserve either: the listener rests and goes on by itself.
	ln := l.engine.(*epoll).listeners[0]
	call(t, l, func() { unix.Close(ln.reserve); ln.reserve = -1 })
	clients = exhaust(t, l, addr)
	until(t, l, "the listener rests", func() bool { return l.Stats().Pauses > 0 })
	for _, nc := range clients {
		nc.Close()
	}
	until(t, l, "the listener goes on", func() bool { return ln.resume == 0 && ln.reserve >= 0 })
	for served, tries := false, 0; !served; tries++ { // it first meets those that ended, and may refuse meanwhile
		if tries == 10_000 {
			t.Fatal("the listener never serves again")
		}
		last, err := net.Dial("tcp", addr)
		if err != nil { // the descriptors of those that ended are not all free yet
			runtime.Gosched()
			continue
		}
		last.SetDeadline(time.Now().Add(patience))
		last.Write([]byte("last"))
		_, err = io.ReadFull(last, make([]byte, 4))
		served = err == nil
		last.Close()
	}
}

// On the std engine connections wait in the kernel until there are descriptors
// again. A listener that did not rest would ask for them all the time.
func TestDescriptorsRunOutOnStd(t *testing.T) {
	if !fewDescriptors(t) {
		return
	}
	l := start(t, Config{Engine: EngineStd})
	addr := listen(t, l, func(*Conn) Handler { return &funcs{read: echo} })
	first := dial(t, addr)
	write(t, first, "a")
	wantRead(t, first, "a")
	clients := exhaust(t, l, addr)
	begin := Now()
	until(t, l, "the listener rests", func() bool { return l.Stats().Pauses >= 2 })
	write(t, first, "served")
	wantRead(t, first, "served")
	call(t, l, func() {
		if n, most := l.Stats().Pauses, uint64((Now()-begin)/acceptPause)+2; n > most {
			t.Errorf("%d pauses: at most %d fit", n, most)
		}
	})
	for _, nc := range clients {
		nc.Close()
	}
	last := dial(t, addr)
	write(t, last, "last")
	wantRead(t, last, "last")
}

// exhaust dials until no descriptor is left in the process. The loop is held
// meanwhile, so that it has connections to accept and nothing to do it with.
func exhaust(t *testing.T, l *Loop, addr string) (clients []net.Conn) {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	l.Post(func() { close(held); <-release })
	await(t, held)
	for {
		nc, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			if !errors.Is(err, unix.EMFILE) {
				t.Fatalf("dial: %v", err)
			}
			return clients
		}
		clients = append(clients, nc)
	}
}

func TestPassingErrorsAndOthers(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ECONNABORTED: true, unix.EINTR: true, unix.ENETDOWN: true,
		unix.ENOBUFS: false, unix.ENOMEM: false, unix.EBADF: false, unix.EINVAL: false,
	} {
		if passing(err) != want {
			t.Errorf("passing(%v) is %v", err, !want)
		}
	}
}

// A peer that resets while its connection is quiet is noticed, and the loop
// does not spin on what it cannot read away.
func TestQuietResetIsNoticed(t *testing.T) {
	l := start(t, Config{Engine: EngineEpoll})
	closed := make(chan error, 1)
	c, nc := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
	call(t, l, func() { c.Quiet(true) })
	nc.SetLinger(0)
	nc.Close()
	if err := await(t, closed); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("closed with %v", err)
	}
}

// The ordinary wait of a loop without work is one wait.
func TestIdleLoopDoesNotSpin(t *testing.T) {
	l := start(t, Config{Engine: EngineEpoll})
	c, nc := connect(t, l, &funcs{read: echo})
	f := newFrame(pattern(2_000_000))
	call(t, l, func() { stall(c, nil, f) }) // waits for the peer with EPOLLOUT armed
	var before uint64
	call(t, l, func() { before = l.Stats().Passes })
	call(t, l, func() {
		if s := l.Stats(); s.Passes-before > 3 {
			t.Errorf("%d passes without work", s.Passes-before)
		}
	})
	go io.Copy(io.Discard, nc)
	until(t, l, "drained", func() bool { return c.flags&hasTail == 0 && f.refs.Load() == 1 })
}

func TestHotPathsAllocateNothing(t *testing.T) {
	l, err := New(Config{Engine: EngineEpoll})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	got := 0
	addr := listen(t, l, func(c *Conn) Handler {
		return &funcs{read: func(_ *Conn, b []byte) int { got += len(b); return len(b) }}
	})
	nc := dial(t, addr)
	for l.Stats().Accepts == 0 {
		l.pass() // this goroutine is the loop
	}
	c := l.slots.all[0].conn
	in, out := []byte("input of a player"), make([]byte, 100)
	f := newFrame(out[:64])
	task := l.Add(driver(func(now time.Duration) time.Duration { c.ReadNow(); return now + slot }))
	defer task.Remove()
	l.pass()
	allocs := testing.AllocsPerRun(200, func() {
		mustWrite(t, nc, in)
		for want := got + len(in); got < want; {
			l.pass()
		}
		c.SetTimer(Now() + time.Second)
		if !c.Offer(out[:36], f) || c.Write(out) != nil {
			t.Fatal("refused")
		}
		if _, err := io.ReadFull(nc, out[:100]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, out[:100]); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a read, a tick and two writes", allocs)
	}
}

func mustWrite(t *testing.T, nc net.Conn, b []byte) {
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkBroadcast64B1000 is a room's tick as the loop sees it: one shared
// frame for each of 1,000 connections.
func BenchmarkBroadcast64B1000(b *testing.B) { benchmarkBroadcast(b, 1000, 64, 0) }

// BenchmarkBroadcastPrivate64B1000 adds 16 private bytes for each.
func BenchmarkBroadcastPrivate64B1000(b *testing.B) { benchmarkBroadcast(b, 1000, 64, 16) }

func benchmarkBroadcast(b *testing.B, conns, size, private int) {
	b.Run("syscall", func(b *testing.B) { benchmarkOffers(b, start(b, Config{Engine: EngineEpoll}), conns, size, private) })
	b.Run("uring", func(b *testing.B) { benchmarkOffers(b, uring(b, Config{}), conns, size, private) })
}

func benchmarkOffers(b *testing.B, l *Loop, conns, size, private int) {
	var all []*Conn
	addr := listen(b, l, func(c *Conn) Handler { all = append(all, c); return quietHandler{} })
	peers, err := New(Config{Engine: EngineEpoll, Mailbox: conns + 10})
	if err != nil {
		b.Fatal(err)
	}
	go peers.Run()
	b.Cleanup(peers.Stop)
	received, target := 0, 0
	told := make(chan struct{}, 1)
	for range conns {
		peers.Post(func() {
			_, err := peers.Dial(addr, &funcs{read: func(_ *Conn, p []byte) int {
				if received += len(p); received == target {
					told <- struct{}{}
				}
				return len(p)
			}})
			if err != nil {
				b.Error(err)
			}
		})
	}
	until(b, l, "all are connected", func() bool { return len(all) == conns })
	f, head := newFrame(pattern(size)), pattern(private)
	var spent time.Duration
	refused := 0
	b.ResetTimer()
	for range b.N {
		call(b, peers, func() { target = received + conns*(size+private) })
		call(b, l, func() {
			start := Now()
			for _, c := range all {
				if !c.Offer(head, f) {
					refused++
				}
			}
			l.flush()
			spent += Now() - start
		})
		await(b, told)
	}
	b.StopTimer()
	if refused > 0 {
		b.Errorf("%d refused", refused)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N*conns), "ns/delivery")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReadNow is what a room pays for each silent and each sending player.
func BenchmarkReadNow(b *testing.B) {
	for _, sending := range []bool{false, true} {
		b.Run(fmt.Sprintf("sending=%v", sending), func(b *testing.B) {
			l := start(b, Config{Engine: EngineEpoll})
			c, nc := connect(b, l, quietHandler{})
			fd := -1
			raw, err := nc.SyscallConn()
			if err != nil {
				b.Fatal(err)
			}
			raw.Control(func(n uintptr) { fd = int(n) })
			var spent time.Duration
			in := pattern(20)
			call(b, l, func() {
				c.Quiet(true)
				for range b.N {
					if sending {
						unix.Write(fd, in)
					}
					start := Now()
					c.ReadNow()
					spent += Now() - start
				}
			})
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/read")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A port of all addresses that is taken in one family is taken.
func TestListenOnATakenPort(t *testing.T) {
	l := start(t, Config{Engine: EngineEpoll})
	six, err := net.Listen("tcp6", "[::]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer six.Close()
	_, port, err := net.SplitHostPort(six.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if all, err := l.Listen(":"+port, func(*Conn) Handler { return nil }); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("listens at %v, %v", all, err)
	}
}

// Where there is IPv6, [::] is all addresses, those of IPv4 too.
func TestListenOnAllAddresses(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		for _, all := range []string{":0", "[::]:0"} {
			at, err := l.Listen(all, func(*Conn) Handler { return &funcs{read: echo} })
			if err != nil {
				t.Fatal(err)
			}
			_, port, err := net.SplitHostPort(at.String())
			if err != nil {
				t.Fatal(err)
			}
			nc := dial(t, "127.0.0.1:"+port)
			write(t, nc, all)
			wantRead(t, nc, all)
		}
	})
}
