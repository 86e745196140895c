package ws

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure"
	"github.com/roomd/roomd/netcode/secure/securetest"
)

// patience bounds every wait of a test; none of them should come near it.
const patience = 10 * time.Second

// many is more connections than a test makes.
const many = 1024

// carrier is what carries the bytes in a test: an engine, and TLS or not.
type carrier struct {
	loop.Engine
	uring, tls bool
}

// onEngines runs a test on each engine that this system has, and over TLS.
func onEngines(t *testing.T, test func(t *testing.T, engine carrier)) {
	t.Helper()
	if runtime.GOOS == "linux" {
		t.Run("epoll", func(t *testing.T) { test(t, carrier{Engine: loop.EngineEpoll}) })
		t.Run("uring", func(t *testing.T) { test(t, carrier{Engine: loop.EngineEpoll, uring: true}) })
	}
	t.Run("std", func(t *testing.T) { test(t, carrier{Engine: loop.EngineStd}) })
	t.Run("tls", func(t *testing.T) { test(t, carrier{tls: true}) })
}

// runLoop starts a loop that ends with the test.
func runLoop(t *testing.T, engine carrier) *loop.Loop {
	t.Helper()
	l, err := loop.New(loop.Config{Engine: engine.Engine, Uring: engine.uring, MaxTail: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	t.Cleanup(func() {
		l.Stop()
		if err := <-done; err != nil {
			t.Errorf("loop: %v", err)
		}
	})
	return l
}

// recorder is a Handler that echoes, and tells the test what it was told. A
// text that begins with "!" is a command to it.
type recorder struct {
	rig    *rig
	closed int
}

func (r *recorder) Message(c *Conn, binary bool, b []byte) {
	r.rig.note("message " + string(b))
	command, arg, _ := strings.Cut(string(b), " ")
	switch command {
	case "!close":
		c.Close(4001, arg)
	case "!move":
		c.Move(r.rig.other, func(c *Conn) { r.rig.note("moved") })
	case "!timer":
		c.SetTimer(loop.Now() + time.Millisecond)
	case "!loop":
		c.Send(AppendMessage(nil, true, fmt.Append(nil, c.Loop() == r.rig.other)))
	default:
		c.Send(c.AppendMessage(nil, binary, b))
	}
}

func (r *recorder) Timer(c *Conn, _ time.Duration) {
	r.rig.note("timer")
	c.Send(AppendMessage(nil, false, []byte("timer")))
}

func (r *recorder) Closed(c *Conn, err error) {
	if r.closed++; r.closed > 1 {
		r.rig.t.Error("Closed was called twice")
	}
	r.rig.ended <- err
}

// rig is a server on one loop and what its handlers were told.
type rig struct {
	t      *testing.T
	loop   *loop.Loop
	other  *loop.Loop // where "!move" goes
	server *Server
	addr   string
	trust  *tls.Config // nil without TLS
	ended  chan error
	conns  chan *Conn

	mu    sync.Mutex
	notes []string // what the handlers were told, for told
}

// newRig serves cfg with echoing recorders on a loop of its own.
func newRig(t *testing.T, engine carrier, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, ended: make(chan error, many), conns: make(chan *Conn, many)}
	if cfg.Open == nil {
		cfg.Open = func(c *Conn, _ *Request) (Handler, error) {
			r.conns <- c
			return &recorder{rig: r}, nil
		}
	}
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.server, r.loop = s, runLoop(t, engine)
	accept := s.Accept
	if engine.tls {
		accept = r.secure()
	}
	addr, err := r.loop.Listen("127.0.0.1:0", accept)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = addr.String()
	return r
}

// secure puts TLS under the rig's connections.
func (r *rig) secure() func(*loop.Conn) loop.Handler {
	r.t.Helper()
	pair := securetest.New(r.t, r.t.TempDir(), "rig")
	gate, err := secure.NewGate(secure.Config{Cert: pair.Cert, Key: pair.Key, Take: func(nc net.Conn) {
		if err := r.server.Attach(r.loop, nc); err != nil {
			nc.Close()
		}
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(gate.Close)
	r.trust = pair.Client()
	return gate.Accept
}

func (r *rig) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, s)
}

// take empties the notes.
func (r *rig) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	notes := r.notes
	r.notes = nil
	return notes
}

// told fails unless the handlers were told exactly this since the last call.
func (r *rig) told(want ...string) {
	r.t.Helper()
	equal(r.t, r.take(), want)
}

// end waits for a call of Handler.Closed.
func (r *rig) end() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		r.t.Fatal("Closed was not called")
		return nil
	}
}

// wantEnd waits for Handler.Closed with an error of that text.
func (r *rig) wantEnd(text string) {
	r.t.Helper()
	if err := r.end(); err == nil || err.Error() != text {
		r.t.Fatalf("Closed got %v, want %q", err, text)
	}
}

// eventually polls the counters until they fit.
func (r *rig) eventually(what string, fits func(Stats) bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !fits(r.server.Stats()); runtime.Gosched() {
		if time.Now().After(end) {
			r.t.Fatalf("%s: stats are %+v", what, r.server.Stats())
		}
	}
}

// onLoop runs f on the rig's loop and waits for it.
func (r *rig) onLoop(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	if !r.loop.Post(func() { f(); close(done) }) {
		r.t.Fatal("loop takes no mail")
	}
	<-done
}

// client is the other end, as raw as the tests need it.
type client struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader

	plain bool // nothing may come compressed
}

func (r *rig) connect() *client {
	r.t.Helper()
	var nc net.Conn
	var err error
	if r.trust != nil {
		nc, err = tls.Dial("tcp", r.addr, r.trust)
	} else {
		nc, err = net.Dial("tcp", r.addr)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return newClient(r.t, nc)
}

func newClient(t *testing.T, nc net.Conn) *client {
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// dial connects and upgrades; extra bytes follow the head in the same write.
func (r *rig) dial(extra ...byte) *client {
	r.t.Helper()
	c := r.connect()
	c.send(append([]byte(headOf()), extra...))
	c.upgraded()
	return c
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("client write: %v", err)
	}
}

// response reads an HTTP response.
func (c *client) response() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("client read: %v", err)
	}
	return res
}

func (c *client) upgraded() {
	c.t.Helper()
	if res := c.response(); res.StatusCode != 101 {
		body, _ := io.ReadAll(res.Body)
		c.t.Fatalf("upgrade: %s %s", res.Status, body)
	}
}

// next reads one server frame and prints it as "text hello" or "close 1000 bye".
// The end of the stream is "EOF".
func (c *client) next() string {
	c.t.Helper()
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		if err == io.EOF {
			return "EOF"
		}
		return err.Error()
	}
	if h.Masked || h.Rsv != 0 && (h.Rsv != rsvDeflate || c.plain || h.OpCode.IsControl()) || !h.Fin {
		c.t.Fatalf("server sent the head %+v", h)
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(c.br, b); err != nil {
		return err.Error()
	}
	if h.Rsv != 0 {
		if b, err = io.ReadAll(flate.NewReader(bytes.NewReader(append(b, inflateEnd...)))); err != nil {
			c.t.Fatal(err)
		}
	}
	switch h.OpCode {
	case ws.OpText:
		return "text " + string(b)
	case ws.OpBinary:
		return "binary " + string(b)
	case ws.OpPing:
		return "ping " + string(b)
	case ws.OpPong:
		return "pong " + string(b)
	case ws.OpClose:
		if len(b) == 0 {
			return "close"
		}
		code, reason := ws.ParseCloseFrameData(b)
		return strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
	}
	return fmt.Sprintf("opcode %d", h.OpCode)
}

// want reads frames and fails unless they are these.
func (c *client) want(frames ...string) {
	c.t.Helper()
	for _, w := range frames {
		if got := c.next(); got != w {
			c.t.Fatalf("server sent %.100q, want %.100q", got, w)
		}
	}
}

// wantClose reads a Close frame with that code and the end of the stream.
func (c *client) wantClose(code int) {
	c.t.Helper()
	if got, want := c.next(), fmt.Sprintf("close %d", code); !strings.HasPrefix(got, want) {
		c.t.Fatalf("server sent %.100q, want %q", got, want)
	}
	c.want("EOF")
}

// closeFrame is a client's Close frame.
func closeFrame(code uint16, reason string) frame {
	return frame{fin | cls, string([]byte{byte(code >> 8), byte(code)}) + reason, false}
}
