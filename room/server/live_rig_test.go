package server

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure/securetest"
	"github.com/roomd/roomd/netcode/wire"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// onEngines runs a test on each engine that this system has, and over TLS.
func onEngines(t *testing.T, test func(t *testing.T, cfg Config)) {
	if runtime.GOOS == "linux" {
		t.Run("epoll", func(t *testing.T) { test(t, Config{Engine: loop.EngineEpoll, Loops: 2}) })
		t.Run("uring", func(t *testing.T) { test(t, Config{Engine: loop.EngineEpoll, Uring: true, Loops: 2}) })
	}
	t.Run("std", func(t *testing.T) { test(t, Config{Engine: loop.EngineStd, Loops: 2}) })
	t.Run("tls", func(t *testing.T) {
		pair := securetest.New(t, t.TempDir(), "server")
		test(t, Config{Loops: 2, TLSCert: pair.Cert, TLSKey: pair.Key})
	})
}

// live is a server that runs until its test ends.
type live struct {
	*Server
	t    *testing.T
	addr string
	tls  *tls.Config // nil: the server speaks plain text

	deflate bool // clients ask for compression
	logs    *logs
	stop    context.CancelFunc
	done    chan error
}

// run starts a server with the test kinds, or those of cfg.
func run(t *testing.T, cfg Config) *live {
	t.Helper()
	l := &live{t: t, logs: &logs{}, done: make(chan error, 1)}
	cfg.Listen, cfg.Log = "127.0.0.1:0", slog.New(slog.NewTextHandler(l.logs, nil))
	if cfg.Kinds == nil {
		cfg.Kinds = []*game.Kind{walkers, bombs, crowdedKind, loners}
	}
	var err error
	if l.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go func() { l.done <- l.Run(ctx) }()
	t.Cleanup(func() { l.end() })
	wait, cancelWait := context.WithTimeout(ctx, patience)
	defer cancelWait()
	addr, err := l.Addr(wait)
	if err != nil {
		t.Fatal(err)
	}
	l.addr = addr.String()
	if cfg.TLSCert != "" {
		l.tls = securetest.Trust(t, cfg.TLSCert)
	}
	return l
}

// url is an address at the server; the scheme is http or ws.
func (l *live) url(scheme, path string) string {
	if l.tls != nil {
		scheme += "s"
	}
	return scheme + "://" + l.addr + path
}

// client asks the server over connections of its own.
func (l *live) client(t *http.Transport) *http.Client {
	t.TLSClientConfig = l.tls
	l.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: patience}
}

// end drains the server and waits until Run has returned.
func (l *live) end() {
	l.t.Helper()
	l.stop()
	select {
	case err := <-l.done:
		if err != nil {
			l.t.Errorf("Run: %v", err)
		}
		l.done <- nil
	case <-time.After(patience):
		l.t.Error("Run did not return")
	}
}

// logs keeps what was logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// seat is one connection, driven by hand: the Go client's protocol on a bare
// socket.
type seat struct {
	t      *testing.T
	l      *live
	nc     net.Conn
	br     io.Reader
	core   *client.Core
	packed int // messages that came compressed
	ticks  []game.Tick
	events []string
}

// dial upgrades a connection and sends nothing yet.
func (l *live) dial(cfg client.Config) *seat {
	l.t.Helper()
	d := gobwas.Dialer{Protocols: []string{wire.Subprotocol}, Timeout: patience, TLSConfig: l.tls}
	if l.deflate {
		d.Extensions = append(d.Extensions, wsflate.DefaultParameters.Option())
	}
	nc, br, _, err := d.Dial(context.Background(), l.url("ws", socketPath))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	s := &seat{t: l.t, l: l, nc: nc, br: nc, core: client.NewCore(cfg)}
	if br != nil {
		s.br = io.MultiReader(br, nc)
	}
	return s
}

// join dials, says hello and waits for the first state.
func (l *live) join(cfg client.Config) *seat {
	l.t.Helper()
	s := l.dial(cfg)
	s.send(s.core.Hello())
	s.until("a first state", func() bool { _, ok := s.core.Tick(); return ok })
	return s
}

// again is a new connection for the same seat.
func (l *live) again(old *seat) *seat {
	l.t.Helper()
	s := l.dial(client.Config{})
	s.core = old.core
	s.send(s.core.Hello())
	return s
}

func (s *seat) send(b []byte) {
	s.t.Helper()
	s.raw(gobwas.OpBinary, b)
}

func (s *seat) raw(op gobwas.OpCode, b []byte) {
	s.t.Helper()
	f := gobwas.MaskFrame(gobwas.NewFrame(op, true, bytes.Clone(b)))
	if err := gobwas.WriteFrame(s.nc, f); err != nil {
		s.t.Logf("write: %v", err) // the server may have ended the connection; what it said is read next
	}
}

// input moves the seat's walker.
func (s *seat) input(dx int) {
	s.t.Helper()
	in := s.core.NewInput()
	in.Set("dx", float64(dx))
	msg, err := s.core.AppendInput(nil, &in)
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(msg)
}

// closing is how a connection ended.
type closing struct {
	code   uint16
	reason string
	bye    *client.ByeError
}

// read takes in one frame; nil while the connection is open.
func (s *seat) read() *closing {
	s.t.Helper()
	c, err := s.frame()
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// frame is read for any goroutine.
func (s *seat) frame() (*closing, error) {
	h, err := gobwas.ReadHeader(s.br)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(s.br, b); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if h.Rsv1() {
		s.packed++
		if b, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))); err != nil {
			s.t.Fatalf("decompress: %v", err)
		}
	}
	switch h.OpCode {
	case gobwas.OpClose:
		code, reason := gobwas.ParseCloseFrameData(b)
		s.raw(gobwas.OpClose, b)
		return &closing{uint16(code), reason, s.core.Bye()}, nil
	case gobwas.OpBinary:
		before, _ := s.core.Tick()
		if err := s.core.Receive(b); err != nil && s.core.Bye() == nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if now, ok := s.core.Tick(); ok && now != before {
			s.ticks = append(s.ticks, now)
		}
		for _, e := range s.core.Events() {
			s.events = append(s.events, e.Name)
		}
	}
	return nil, nil
}

func (s *seat) until(what string, ok func() bool) {
	s.t.Helper()
	for !ok() {
		if c := s.read(); c != nil {
			s.t.Fatalf("closed with %d %q (%v) before %s", c.code, c.reason, c.bye, what)
		}
	}
}

// ended reads until the server closes.
func (s *seat) ended() closing {
	s.t.Helper()
	for {
		if c := s.read(); c != nil {
			return *c
		}
	}
}

// wantBye expects that code, in the bye and in the close frame.
func (s *seat) wantBye(code wire.Code) string {
	s.t.Helper()
	c := s.ended()
	if c.bye == nil || c.bye.Code != code || c.code != code.CloseCode() {
		s.t.Fatalf("closed with %d %q, bye %v; want %v (%d)", c.code, c.reason, c.bye, code, code.CloseCode())
	}
	return c.bye.Text
}

// wantEveryTick expects n further ticks, none missing but those that rooms
// skipped or connections refused since the machine stopped for too long.
func (s *seat) wantEveryTick(n int) {
	s.t.Helper()
	s.ticks = s.ticks[:0]
	if last, ok := s.core.Tick(); ok {
		s.ticks, n = append(s.ticks, last), n+1
	}
	s.until(fmt.Sprintf("%d ticks", n), func() bool { return len(s.ticks) >= n })
	missing := 0
	for i := 1; i < len(s.ticks); i++ {
		if gap := int(s.ticks[i] - s.ticks[i-1] - 1); gap != 0 {
			missing += gap
			s.t.Logf("tick %d after %d", s.ticks[i], s.ticks[i-1])
		}
	}
	if missing > 0 && missing > s.l.skipped() {
		s.t.Errorf("%d ticks are missing", missing)
	}
}

// skipped is the number of ticks that rooms did not make, and of frames that
// connections did not take.
func (l *live) skipped() (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, r := range l.loopStatsNow(ctx) {
		n += int(r.rooms.TicksSkipped + r.rooms.FramesRefused)
	}
	return n
}

// wantNoGap catches up with the newest tick of the seat's room and expects every
// tick since the last look, none missing: what came meanwhile waits in the
// socket.
func (s *seat) wantNoGap() {
	s.t.Helper()
	now := s.l.dir.get(s.core.Room()).at().Info().Tick
	last, _ := s.core.Tick()
	n := max(int(now)-int(last), 5)
	s.wantEveryTick(n)
	s.t.Logf("%d ticks in a row", n)
}

// x is where the walker of a seat is, as s sees it.
func (s *seat) x(p game.PlayerID) (int, bool) {
	for row := range s.core.Rows("walker") {
		if row.Value("seat") == float64(p) {
			return int(row.Value("x")), true
		}
	}
	return 0, false
}

// players is the number of seats that the room list shows.
func (l *live) players(room string) int {
	n := 0
	for _, i := range l.Rooms() {
		if room == "" || i.ID == room {
			n += i.Players
		}
	}
	return n
}

// conns is the number of open connections.
func (l *live) conns() (n int64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, r := range l.loopStatsNow(ctx) {
		n += int64(r.loop.Conns)
	}
	return n
}

func (l *live) get(path string) (int, string) {
	l.t.Helper()
	resp, err := l.client(&http.Transport{}).Get(l.url("http", path))
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// step is an input of all test kinds.
type step struct {
	DX int8 `net:"range=-9..9"`
}

// walker is a row for each player.
type walker struct {
	Seat uint16 `net:"all"`
	X    int32  `net:"all"`
	Name string `net:"all,max=32"`
	Pin  uint8  `net:"owner"`
}

type letterSeen struct {
	Text string `net:"max=32"`
}

// walk is a game in which everyone walks; DX 9 makes bombs fail.
type walk struct {
	w       *game.World
	walkers *game.Table[walker]
	letter  *game.Event[letterSeen]
	bomb    bool
}

func newWalk(bomb bool) func(*game.World) game.Game[step] {
	return func(w *game.World) game.Game[step] {
		return &walk{w: w, bomb: bomb, walkers: game.NewTable[walker](w, "walker"), letter: game.NewEvent[letterSeen](w, "letter")}
	}
}

func (g *walk) Join(p game.PlayerID, info game.JoinInfo) error {
	if info.Name == "nobody" {
		return errors.New("no nobodies")
	}
	name := strings.Trim(info.User+"/"+info.Name+"/"+string(info.Data), "/")
	g.walkers.Own(g.walkers.Add(walker{Seat: uint16(p), Name: name, Pin: uint8(p)}), p)
	g.w.Post("joined", []byte(name))
	return nil
}

func (g *walk) Leave(p game.PlayerID) {
	for id := range g.walkers.Of(p) {
		g.walkers.Remove(id)
	}
}

func (g *walk) Mail(_ string, body []byte) { g.letter.All(letterSeen{string(body)}) }

func (g *walk) Step(_ game.Tick, in game.Inputs[step]) {
	for _, r := range g.walkers.All() {
		dx := in.Of(game.PlayerID(r.Seat)).Input.DX
		switch {
		case g.bomb && dx == 9:
			panic("boom at the walker")
		case g.bomb && dx == -9:
			runtime.Goexit()
		}
		r.X += int32(dx)
	}
}

var (
	walkers     = game.Define("walkers", game.Options{TickRate: 60}, newWalk(false))
	bombs       = game.Define("bombs", game.Options{TickRate: 60}, newWalk(true))
	crowdedKind = game.Define("pair", game.Options{TickRate: 60, MaxPlayers: 2}, newWalk(false))
	loners      = game.Define("loners", game.Options{TickRate: 60, Isolated: true}, newWalk(false))
)
