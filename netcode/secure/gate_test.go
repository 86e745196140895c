package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure/securetest"
)

// patience bounds every wait of a test; none of them should come near it.
const patience = 10 * time.Second

func closeIt(nc net.Conn) { nc.Close() }

// echo sends back what comes.
type echo struct{}

func (echo) Read(c *loop.Conn, b []byte) int {
	_ = c.Write(b) // fails when the connection ends, which the client sees
	return len(b)
}
func (echo) Timer(*loop.Conn, time.Duration) {}
func (echo) Closed(*loop.Conn, error)        {}

// rig is a gate on a loop, with an echo behind it.
type rig struct {
	t    *testing.T
	gate *Gate
	pair securetest.Pair
	addr string
}

func onEngines(t *testing.T, test func(t *testing.T, engine loop.Engine)) {
	for _, e := range []loop.Engine{loop.EngineEpoll, loop.EngineStd} {
		if e == loop.EngineStd || runtime.GOOS == "linux" {
			t.Run(e.String(), func(t *testing.T) { test(t, e) })
		}
	}
}

func newRig(t *testing.T, engine loop.Engine, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, pair: securetest.New(t, t.TempDir(), "gate")}
	l, err := loop.New(loop.Config{Engine: engine, MaxTail: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.ACME == nil {
		cfg.Cert, cfg.Key = r.pair.Cert, r.pair.Key
	}
	if cfg.Take == nil {
		cfg.Take = func(nc net.Conn) {
			if _, err := l.Attach(nc, echo{}); err != nil {
				nc.Close()
			}
		}
	}
	if r.gate, err = NewGate(cfg); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	t.Cleanup(func() {
		r.gate.Close()
		l.Stop()
		if err := <-done; err != nil {
			t.Errorf("loop: %v", err)
		}
	})
	addr, err := l.Listen("127.0.0.1:0", r.gate.Accept)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = addr.String()
	return r
}

// connect opens a connection that has said nothing yet.
func (r *rig) connect() net.Conn {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { nc.Close() })
	return nc
}

// try shakes hands and has b come back.
func (r *rig) try(cfg *tls.Config, b []byte) error {
	cfg = cfg.Clone()
	cfg.ServerName = "127.0.0.1"
	tc := tls.Client(r.connect(), cfg)
	if err := tc.Handshake(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := tc.Write(b)
		sent <- err
	}()
	got := make([]byte, len(b))
	_, err := io.ReadFull(tc, got)
	if err = errors.Join(err, <-sent); err == nil && !bytes.Equal(got, b) {
		err = errors.New("other bytes came back")
	}
	return errors.Join(err, tc.Close())
}

// eventually polls the counters until they fit.
func (r *rig) eventually(what string, fits func(Stats) bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !fits(r.gate.Stats()); runtime.Gosched() {
		if time.Now().After(end) {
			r.t.Fatalf("%s: stats are %+v", what, r.gate.Stats())
		}
	}
}

// firstHello is what a client begins with.
func firstHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go tls.Client(near, &tls.Config{ServerName: "127.0.0.1"}).Handshake()
	b := make([]byte, maxRecord)
	far.SetDeadline(time.Now().Add(patience))
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestBytesGoThrough(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{})
		big := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := r.pair.Client()
			cfg.MinVersion, cfg.MaxVersion = version, version
			for _, b := range [][]byte{[]byte("hello"), big} {
				if err := r.try(cfg, b); err != nil {
					t.Errorf("version %x: %v", version, err)
				}
			}
		}
		old := r.pair.Client()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if err := r.try(old, []byte("x")); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("TLS 1.1: %v", err)
		}
		if err := r.try(securetest.New(t, t.TempDir(), "stranger").Client(), []byte("x")); err == nil {
			t.Error("a client trusted a certificate that it does not know")
		}
		r.eventually("all are counted", func(s Stats) bool { return s.Results[Done] == 4 && s.Results[Failed] == 2 && s.Busy == 0 })
	})
}

// A ClientHello that comes byte by byte, and one whose record is followed at once
// by more.
func TestHelloInPieces(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{})
		for _, size := range []int{1, 7, 100} {
			cfg := r.pair.Client()
			cfg.ServerName = "127.0.0.1"
			tc := tls.Client(&piecemeal{r.connect(), size}, cfg)
			if err := tc.Handshake(); err != nil {
				t.Fatalf("%d bytes at a time: %v", size, err)
			}
			tc.Close()
		}
	})
}

// piecemeal writes a few bytes at a time.
type piecemeal struct {
	net.Conn
	size int
}

func (p *piecemeal) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = p.Conn.Write(b[n:min(n+p.size, len(b))])
		n += k
	}
	return n, err
}

func TestPlainText(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{})
		for in, want := range map[string]string{
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n": "use https://",
			"\x80\x2e\x01\x00\x02":              "", // a hello of SSL 2.0
			"\x16\x02\x00\x00\x05":              "",
			"\x16\x03\x01\xff\xff":              "",
			"\x16\x03\x01\x00\x00":              "",
		} {
			nc := r.connect()
			if _, err := nc.Write([]byte(in)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(nc)
			if !strings.Contains(string(b), want) || want == "" && len(b) > 0 || want != "" && err != nil {
				t.Errorf("%q is answered %q, %v", in, b, err)
			}
		}
		r.eventually("all are counted", func(s Stats) bool { return s.Results[Plain] == 5 })
		if err := r.try(r.pair.Client(), []byte("x")); err != nil {
			t.Error(err)
		}
	})
}

// However far a peer goes before it falls silent, it is closed in time.
func TestHandshakeThatNeverEnds(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{Timeout: 60 * time.Millisecond})
		hello := firstHello(t)
		for _, said := range [][]byte{nil, hello[:3], hello[:len(hello)-1], hello} {
			nc := r.connect()
			if _, err := nc.Write(said); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, nc); errors.Is(err, net.ErrClosed) || isTimeout(err) {
				t.Errorf("after %d bytes: %v", len(said), err)
			}
		}
		r.eventually("all are late", func(s Stats) bool { return s.Results[Late] == 4 && s.Busy == 0 })
	})
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Who is not admitted costs no handshake.
func TestAdmit(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		asked, keeper := 0, &counted{} // of the loop
		r := newRig(t, engine, Config{Admit: func(c *loop.Conn) bool {
			c.SetKeeper(keeper)
			asked++
			return asked%2 == 1
		}})
		r.connect().Write(firstHello(t)[:20]) // not asked about yet
		for i := range 4 {
			if err := r.try(r.pair.Client(), []byte("x")); (err == nil) != (i%2 == 0) {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		r.eventually("all are counted", func(s Stats) bool { return s.Results[Done] == 2 && s.Results[Refused] == 2 && keeper.Load() == 4 })
	})
}

// counted is a keeper that counts its calls.
type counted struct{ atomic.Int32 }

func (k *counted) Gone() { k.Add(1) }

// Those who have said hello and nothing more take up all places; others wait, and
// what is beyond that is closed at once. Who said nothing takes up no place.
func TestHalfOpenOnesAreBounded(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{Handshakes: 2, Waiting: 1, Timeout: time.Hour})
		hello := firstHello(t)
		for range 20 {
			r.connect()
		}
		var held []net.Conn
		for range 2 {
			nc := r.connect()
			nc.Write(hello)
			held = append(held, nc)
		}
		r.eventually("both places are taken", func(s Stats) bool { return s.Busy == 2 })
		waits := make(chan error, 1)
		go func() { waits <- r.try(r.pair.Client(), []byte("patient")) }()
		r.eventually("one waits", func(s Stats) bool { return s.Waiting == 1 })
		if err := r.try(r.pair.Client(), []byte("x")); err == nil {
			t.Error("a third one got in")
		}
		r.eventually("it is counted", func(s Stats) bool { return s.Results[Refused] == 1 && s.Busy == 2 })
		held[0].Close()
		if err := <-waits; err != nil {
			t.Errorf("who waited: %v", err)
		}
		r.eventually("one place is free", func(s Stats) bool { return s.Busy == 1 && s.Waiting == 0 })
	})
}

// A source has its share of the handshakes, and leaves the others theirs.
func TestSourcesHaveTheirShare(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		greedy, modest := netip.MustParseAddr("192.0.2.1"), netip.Addr{}
		var from atomic.Pointer[netip.Addr]
		from.Store(&greedy)
		r := newRig(t, engine, Config{
			Handshakes: 2, Waiting: 4, PerSource: 3, Timeout: time.Hour,
			Source: func(*loop.Conn) netip.Addr { return *from.Load() },
		})
		hello := firstHello(t)
		var held []net.Conn
		for n := range 3 { // one of them waits
			nc := r.connect()
			nc.Write(hello)
			held = append(held, nc)
			r.eventually("it is there", func(s Stats) bool { return s.Busy+s.Waiting == n+1 })
		}
		if err := r.try(r.pair.Client(), []byte("x")); err == nil {
			t.Error("a fourth one got in")
		}
		r.eventually("it is counted", func(s Stats) bool { return s.Results[Refused] == 1 && s.Waiting == 1 })
		from.Store(&modest)
		waits := make(chan error, 1)
		go func() { waits <- r.try(r.pair.Client(), []byte("patient")) }()
		r.eventually("another source's waits", func(s Stats) bool { return s.Waiting == 2 })
		for _, nc := range held {
			nc.Close()
		}
		if err := <-waits; err != nil {
			t.Errorf("who waited: %v", err)
		}
		from.Store(&greedy)
		r.eventually("all are gone", func(s Stats) bool { return s.Busy == 0 })
		for range 4 { // its places are free again
			if err := r.try(r.pair.Client(), []byte("x")); err != nil {
				t.Error(err)
			}
		}
	})
}

// Close ends handshakes, those that wait, and those that come later.
func TestClose(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		r := newRig(t, engine, Config{Handshakes: 1, Timeout: time.Hour})
		hello := firstHello(t)
		busy, waiting, late := r.connect(), r.connect(), r.connect()
		busy.Write(hello)
		r.eventually("one is busy", func(s Stats) bool { return s.Busy == 1 })
		waiting.Write(hello)
		r.eventually("one waits", func(s Stats) bool { return s.Waiting == 1 })
		r.gate.Close()
		late.Write(hello)
		for i, nc := range []net.Conn{busy, waiting, late} {
			if _, err := io.Copy(io.Discard, nc); isTimeout(err) {
				t.Errorf("connection %d stays open", i)
			}
		}
		r.eventually("nobody is left", func(s Stats) bool { return s.Busy == 0 && s.Waiting == 0 })
	})
}

// A certificate that changes while the server runs is the next client's.
func TestNewCertificate(t *testing.T) {
	r := newRig(t, loop.EngineAuto, Config{})
	if err := r.try(r.pair.Client(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	next := securetest.New(t, t.TempDir(), "next")
	put(t, next.Cert, r.pair.Cert)
	put(t, next.Key, r.pair.Key)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		err := r.try(next.Client(), []byte("x"))
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := r.try(r.pair.Client(), []byte("x")); err == nil {
		t.Error("the certificate from before is still in use")
	}
}
