package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/client/hostile"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

// witness is a healthy client that reads all it is sent, on a goroutine of its
// own, for as long as others misbehave.
type witness struct {
	*seat
	stop chan struct{}
	done chan error
}

func (l *live) witness(kind, roomName string) *witness {
	l.t.Helper()
	w := &witness{l.join(client.Config{Kind: kind, Room: roomName}), make(chan struct{}), make(chan error, 1)}
	w.nc.SetDeadline(time.Time{})
	go func() {
		for {
			select {
			case <-w.stop:
				w.done <- nil
				return
			default:
			}
			if c, err := w.frame(); err != nil || c != nil {
				w.done <- fmt.Errorf("closed %+v: %w", c, err)
				return
			}
		}
	}()
	return w
}

// wantAll ends the witness: it saw each tick that its room made.
func (w *witness) wantAll() {
	w.t.Helper()
	close(w.stop)
	select {
	case err := <-w.done:
		if err != nil {
			w.t.Error("the healthy client: ", err)
		}
	case <-time.After(patience):
		w.t.Fatal("the healthy client is shown nothing any more")
	}
	missing := 0
	for i := 1; i < len(w.ticks); i++ {
		missing += int(w.ticks[i] - w.ticks[i-1] - 1)
	}
	h, got := w.l.dir.get(w.core.Room()), make(chan room.Stats, 1)
	h.loop.Post(func() { got <- h.at().Stats() })
	st := <-got
	skipped := int(st.TicksSkipped) // since the machine stopped for too long
	if w.l.loops[0].Engine() == loop.EngineStd || w.l.tls != nil {
		skipped += int(st.FramesRefused) // a goroutine writes, which may not have run for a tick
	}
	if len(w.ticks) < 10 || missing > skipped {
		w.t.Errorf("%s: %d ticks seen, %d missing, %d skipped", w.core.Room(), len(w.ticks), missing, skipped)
	}
	w.t.Logf("%s: %d ticks, %d missing", w.core.Room(), len(w.ticks), missing)
}

// shouter makes much to send of each tick.
type shout struct {
	N    uint32 `net:"all"`
	Text string `net:"all,max=64"`
}

type shouting struct {
	*walk
	w      *game.World
	shouts *game.Table[shout]
}

func (g *shouting) Step(now game.Tick, in game.Inputs[step]) {
	g.walk.Step(now, in)
	for g.shouts.Len() < 32 {
		g.shouts.Add(shout{})
	}
	for _, s := range g.shouts.All() {
		s.N = g.w.Rand().Uint32()
		s.Text = fmt.Sprintf("%064x", s.N)
	}
}

var (
	shouters = game.Define("shouters", game.Options{TickRate: 60}, func(w *game.World) game.Game[step] {
		return &shouting{plainWalk(w), w, game.NewTable[shout](w, "shout")}
	})
	masses = game.Define("masses", game.Options{TickRate: 60, MaxPlayers: 200}, newWalk(false))
)

// TestHostile lets everything loose on a server at once. The rooms beside it make
// every tick and their clients get it; afterwards nothing is left of the guests.
func TestHostile(t *testing.T) {
	before := footprint()
	t.Run("engines", func(t *testing.T) {
		onEngines(t, func(t *testing.T, cfg Config) {
			if !cfg.secure() { // which takes the processors by itself
				t.Parallel()
			}
			cfg.Kinds = []*game.Kind{walkers, shouters, masses}
			cfg.Grace = 10 * time.Millisecond
			besiege(t, run(t, cfg))
		})
	})
	eventually(t, "memory is given back", func() bool { return footprint() < before+16<<20 })
	t.Logf("%d KiB in use, %d before", footprint()>>10, before>>10)
}

// footprint is the memory that this process needs: what can be given back is.
func footprint() uint64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

func besiege(t *testing.T, l *live) {
	witnesses := []*witness{l.witness("walkers", "r"), l.witness("shouters", "loud"), l.witness("masses", "mass")}
	started := l.held()

	// Those who take their time go first and are looked at last.
	deaf := l.deaf()
	var slow, idle []*guest
	for range 20 {
		slow, idle = append(slow, l.guest("127.0.0.1")), append(idle, l.guest("127.0.0.1"))
	}
	half := upgrade()
	half = half[:len(half)-4]
	for i, g := range slow {
		io.WriteString(g.nc, half[:1+i*len(half)/len(slow)])
	}

	l.drips()
	l.endless()
	l.floods()
	l.bombs()
	l.storm()
	l.attacks()

	for _, g := range slow {
		for _, b := range []byte("\r\nX:") { // a byte more buys no time
			g.nc.Write([]byte{b})
		}
		g.nc.SetDeadline(time.Now().Add(patience)) // what came before may have taken long
		if b, _ := io.ReadAll(g.br); !bytes.HasPrefix(b, []byte("HTTP/1.1 408 ")) {
			t.Errorf("a head that never ends was answered %q", b)
		}
	}
	for _, g := range idle {
		if b, _ := io.ReadAll(g.br); len(b) > 0 {
			t.Errorf("who asked nothing was answered %q", b)
		}
	}
	eventually(t, "who never reads is ended", func() bool {
		l.wantShortTails()
		return l.ended(func(s *room.Stats) uint64 { return s.Slow }) > 0
	})
	deaf.nc.Close()
	eventually(t, "only the healthy are left", func() bool { return l.held() == started && l.conns() == int64(started) })
	for _, w := range witnesses {
		w.wantAll()
	}
}

// attacks plays every attack of the load test for a moment.
func (l *live) attacks() {
	l.t.Helper()
	target := hostile.Target{Addr: l.addr, TLS: l.tls, Hello: hello(wire.Hello{Kind: "masses", Room: "mass", Name: "guest"})}
	for _, a := range hostile.Attacks() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		if r := a.Run(ctx, target); r.Refused > 0 {
			l.t.Errorf("%s: of %d connects %d failed: %v", a.Name, r.Connections, r.Refused, r.Why)
		}
		cancel()
	}
}

// ended sums a counter of rooms up.
func (l *live) ended(of func(*room.Stats) uint64) (n uint64) {
	for _, r := range l.loopStatsNow(l.t.Context()) {
		n += of(&r.rooms)
	}
	return n
}

// wantShortTails expects that the server keeps no more for who does not read than
// it may.
func (l *live) wantShortTails() {
	l.t.Helper()
	for _, r := range l.loopStatsNow(l.t.Context()) {
		if r.loop.Tail > loop.DefaultMaxTail+64<<10 {
			l.t.Fatalf("%d bytes are kept for who does not read", r.loop.Tail)
		}
	}
}

// deaf joins the loud room and never reads again.
func (l *live) deaf() *seat {
	l.t.Helper()
	s := l.join(client.Config{Kind: "shouters", Room: "loud"})
	hostile.TCP(s.nc).SetReadBuffer(4 << 10)
	return s
}

// drips sends inputs byte by byte: slow, but nothing is wrong with them.
func (l *live) drips() {
	l.t.Helper()
	s := l.join(client.Config{Kind: "masses", Room: "mass"})
	for i := range 5 {
		in := s.core.NewInput()
		in.Set("dx", 1)
		msg, err := s.core.AppendInput(nil, &in)
		if err != nil {
			l.t.Fatal(err)
		}
		f, err := gobwas.CompileFrame(gobwas.MaskFrame(gobwas.NewBinaryFrame(msg)))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, b := range f {
			s.nc.Write([]byte{b})
		}
		s.until("the input", func() bool { return int(s.core.Ack()) == i+1 })
	}
	if x, _ := s.x(s.core.Seat()); x != 5 {
		l.t.Errorf("at %d after five steps that came byte by byte", x)
	}
	s.nc.Close()
}

// endless sends heads whose line, or whose lines, do not end, and half of a frame
// before it resets the connection.
func (l *live) endless() {
	l.t.Helper()
	for _, more := range hostile.EndlessHeads() {
		g := l.guest("127.0.0.1")
		io.WriteString(g.nc, "GET /v1/ws HTTP/1.1\r\nX: ")
		for range 32 << 10 / len(more) {
			if _, err := io.WriteString(g.nc, more); err != nil {
				break
			}
		}
		if b, _ := io.ReadAll(g.br); !bytes.HasPrefix(b, []byte("HTTP/1.1 431 ")) {
			l.t.Errorf("a head of %.10q was answered %q", more, b)
		}
		g.nc.Close()
	}
	for n := range 12 {
		s := l.join(client.Config{Kind: "masses", Room: "mass"})
		s.nc.Write(hostile.Half()[:n])
		hostile.Reset(s.nc)
	}
}

// floods sends more of everything than it may.
func (l *live) floods() {
	l.t.Helper()
	for _, f := range hostile.Floods() {
		code := wire.ByeTooFast.CloseCode()
		if f.Policy {
			code = 1008
		}
		s := l.join(client.Config{Kind: "masses", Room: "mass"})
		for range 4 * maxMessagesPerSecond {
			if _, err := s.nc.Write(f.Unit); err != nil {
				break
			}
		}
		for {
			end, err := s.frame()
			if end != nil && end.code != code {
				l.t.Errorf("%s: closed with %d %q, want %d", f.Name, end.code, end.reason, code)
			}
			if err != nil { // its own bytes, which nobody read, may reset what the server said last
				if !reseted(err) {
					l.t.Errorf("%s: %v", f.Name, err)
				}
				break
			}
			if end != nil {
				break
			}
		}
		s.nc.Close()
	}
}

func reseted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// bombs are short messages that claim much, or go deep.
func (l *live) bombs() {
	l.t.Helper()
	values := hostile.Bombs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, v := range values {
		for place, msg := range map[string][]byte{
			"message": v,
			"input":   hostile.Bomb(wire.KindInput, v),
			"unknown": array(40, v),
			"ping":    hostile.Bomb(wire.KindPing, v),
		} {
			s := l.join(client.Config{Kind: "masses", Room: "mass"})
			s.send(msg)
			if c := s.ended(); c.bye == nil || c.bye.Code != wire.ByeProtocol {
				l.t.Errorf("%s as %s: closed with %d %q", name, place, c.code, c.reason)
			}
			s.nc.Close()
		}
		bad := hostile.Bomb(wire.KindHello, v)
		s := l.dial(client.Config{})
		s.send(bad)
		s.wantBye(wire.ByeProtocol)
		s.nc.Close()
		g := l.guest("127.0.0.1")
		g.ask(head("POST "+sessionsPath, fmt.Sprint("Content-Length: ", len(bad)))+string(bad), http.StatusBadRequest)
		g.nc.Close()
	}
	runtime.ReadMemStats(&after)
	if grown := after.HeapSys - before.HeapSys; after.HeapSys > before.HeapSys && grown > 256<<20 {
		l.t.Errorf("bombs of %d kinds took %d MiB", len(values), grown>>20)
	}
}

// storm has players come and go while their room broadcasts, so that descriptors,
// slots and seats are used again at once. Whatever reaches one of them must be its
// own: the row of its seat has its name, its steps and nobody else's, and each
// frame decodes on top of what it holds.
func (l *live) storm() {
	l.t.Helper()
	rounds := 40
	if testing.Short() || raceEnabled {
		rounds = 10
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				if err := l.gust(fmt.Sprint("nonce-", worker, "-", i), 1+(worker+i)%7); err != nil {
					l.t.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

// gust is one player of the storm.
func (l *live) gust(nonce string, dx int) error {
	d := gobwas.Dialer{Protocols: []string{wire.Subprotocol}, Timeout: patience, TLSConfig: l.tls}
	nc, br, _, err := d.Dial(context.Background(), l.url("ws", socketPath))
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	s := &seat{t: l.t, l: l, nc: nc, br: nc, core: client.NewCore(client.Config{Kind: "masses", Room: "mass", Name: nonce})}
	if br != nil {
		s.br = io.MultiReader(br, nc)
	}
	s.send(s.core.Hello())
	for steps := 0; ; {
		c, err := s.frame()
		if err != nil || c != nil {
			return fmt.Errorf("%s: closed %+v: %w", nonce, c, err)
		}
		if _, ok := s.core.Tick(); !ok {
			continue
		}
		own := 0
		for row := range s.core.Rows("walker") {
			switch mine := row.Value("seat") == float64(s.core.Seat()); {
			case mine && row.Str("name") == nonce && row.Value("x") == float64(dx*int(s.core.Ack())):
				own++
			case mine || row.Str("name") == nonce:
				return fmt.Errorf("%s at seat %d after %d steps of %d is shown %v %v at %v", nonce, s.core.Seat(), s.core.Ack(), dx,
					row.Value("seat"), row.Str("name"), row.Value("x"))
			}
		}
		if own != 1 {
			return fmt.Errorf("%s is shown %d rows of its own", nonce, own)
		}
		if steps == int(s.core.Ack()) {
			if steps++; steps > 3 {
				break
			}
			s.input(dx)
		}
	}
	switch rand.IntN(4) {
	case 0:
		nc.Write([]byte{0x82, 0x85, 1, 2, 3, 4, 5})
		hostile.Reset(nc)
	case 1:
		hostile.Reset(nc)
	case 2:
		s.send(s.core.AppendLeave(nil))
	}
	return nil
}
