package ws

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

const (
	// soon is a wait that a test provokes.
	soon = 60 * time.Millisecond
	// never is a wait that must not end a test's connection.
	never = time.Hour
)

func TestSlowHeadIsCut(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{HeadTimeout: soon})
		c := r.connect()
		head := headOf()
		// A byte now and then does not buy time.
		for i := 0; i < len(head)-1; i++ {
			if _, err := c.nc.Write([]byte{head[i]}); err != nil || r.server.Stats().Rejected[RejectHeadTimeout] > 0 {
				break
			}
		}
		if res := c.response(); res.StatusCode != 408 {
			t.Fatalf("status %d, want 408", res.StatusCode)
		}
		silent := r.connect()
		if b, err := io.ReadAll(silent.nc); len(b) > 0 || err != nil {
			t.Fatalf("a connection that asked nothing got %q, %v", b, err)
		}
		r.eventually("both are counted", func(s Stats) bool { return s.Rejected[RejectHeadTimeout] == 2 })
	})
}

func TestHeadTooLarge(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{HeadLimit: 1000})
		for _, head := range []string{
			headOf("+X: " + strings.Repeat("x", 1000)),
			strings.TrimSuffix(headOf("+X: "+strings.Repeat("x", 1000)), "\r\n\r\n"),
		} {
			c := r.connect()
			c.send([]byte(head))
			if res := c.response(); res.StatusCode != 431 {
				t.Fatalf("status %d, want 431", res.StatusCode)
			}
		}
	})
}

func TestHalfMessageHeldOpen(t *testing.T) {
	held := map[string][]byte{
		"one byte":        {fin | bin},
		"half head":       {fin | bin, 0x80 | 126, 1},
		"half payload":    join(frame{fin | bin, "hello", false})[:8],
		"half ping":       join(frame{fin | ping, "hello", false})[:8],
		"fragment":        join(frame{bin, "hello", false}),
		"fragment, pings": join(frame{bin, "hello", false}, frame{fin | pong, "", false}, frame{fin | pong, "", false}),
		"behind another":  join(frame{fin | bin, "x", false}, frame{fin | bin, "hello", false})[:12],
	}
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{FrameTimeout: soon})
		for name, b := range held {
			c := r.dial(b...)
			got := c.next()
			if strings.HasPrefix(got, "binary") {
				got = c.next()
			}
			if got != "close 1008 message held half sent" {
				t.Fatalf("%s: server sent %q", name, got)
			}
			c.want("EOF")
			c.nc.Close()
			r.wantEnd("ws: message held half sent (1008)")
		}
		if s := r.server.Stats(); s.Policy != uint64(len(held)) {
			t.Fatalf("stats %+v", s)
		}
	})
}

// A stream whose reads always end inside a message is not cut while messages
// end. The times are made up, so that a slow machine changes nothing.
func TestBusyStreamIsNotHeldOpen(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{FrameTimeout: never, PingEvery: 100 * never, PongWait: 200 * never})
		c := r.dial()
		conn := <-r.conns
		message := join(frame{fin | bin, "x", false})
		r.onLoop(func() {
			now := loop.Now()
			conn.readFrames(message[:3], now)
			for range 5 {
				now += never - time.Second
				b := append(join(frame{fin | bin, "x", false}), message[:3]...)
				if n := conn.readFrames(b, now); n != len(message) || conn.phase != phaseOpen {
					t.Errorf("consumed %d bytes, phase %d", n, conn.phase)
				}
				conn.watch(now)
			}
			conn.watch(now + never - time.Second)
			if conn.phase != phaseOpen {
				t.Error("cut before its time")
			}
			conn.watch(now + never)
		})
		c.want("binary x", "binary x", "binary x", "binary x", "binary x")
		c.wantClose(1008)
	})
}

func TestSilentPeerIsPinged(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingEvery: soon, PongWait: never})
		c := r.dial()
		for range 3 {
			c.want("ping ")
			c.send(join(frame{fin | pong, "", false}))
		}
		c.send(join(closeFrame(1000, "")))
		for got := "ping "; got != "close 1000"; got = c.next() {
			if got != "ping " {
				t.Fatalf("server sent %q", got)
			}
		}
		c.nc.Close()
		r.wantEnd("ws: closed by peer (1000)")
		r.told()
		if s := r.server.Stats(); s.PingsSent < 3 || s.Dead != 0 {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestDeadPeerIsDropped(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingEvery: soon, PongWait: 2 * soon})
		r.dial()
		if err := r.end(); err != ErrDead {
			t.Fatalf("Closed got %v, want %v", err, ErrDead)
		}
		if s := r.server.Stats(); s.Dead != 1 {
			t.Fatalf("stats %+v", s)
		}
	})
}

// Each byte of the peer begins both waits anew. The times are made up.
func TestAnyByteKeepsAPeerAlive(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingEvery: never, PongWait: 2 * never})
		r.dial()
		conn := <-r.conns
		r.onLoop(func() {
			start := conn.heard
			conn.watch(start + never - 1)
			conn.watch(start + never) // pings
			conn.watch(start + never + 1)
			conn.heard = start + 2*never - 1
			conn.watch(start + 2*never)
			if conn.phase != phaseOpen {
				t.Error("dropped although it was heard")
			}
			conn.watch(conn.heard + 2*never)
			if conn.phase != phaseDone || conn.err != ErrDead {
				t.Errorf("phase %d, error %v", conn.phase, conn.err)
			}
		})
		if s := r.server.Stats(); s.PingsSent != 1 || s.Dead != 1 {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestPeerDoesNotAnswerClose(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{CloseTimeout: soon, PingEvery: never, PongWait: 2 * never})
		c := r.dial()
		c.send(join(frame{fin | text, "!close now", false}))
		c.want("close 4001 now")
		if err := r.end(); err != ErrCloseTimeout {
			t.Fatalf("Closed got %v, want %v", err, ErrCloseTimeout)
		}
	})
}

func TestHandlerTimer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.dial()
		for range 3 {
			c.send(join(frame{fin | text, "!timer", false}))
			c.want("text timer")
			r.told("message !timer", "timer")
		}
		conn := <-r.conns
		r.onLoop(func() {
			conn.SetTimer(loop.Now() + soon)
			conn.SetTimer(0)
		})
		c.send(join(frame{fin | text, "!timer", false}))
		c.want("text timer")
		r.told("message !timer", "timer")
	})
}

func TestPingFlood(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingBurst: 5, PingRefill: never})
		c := r.dial()
		for i := range 5 {
			c.send(join(frame{fin | ping, fmt.Sprint(i), false}))
			c.want(fmt.Sprintf("pong %d", i))
		}
		c.send(join(frame{fin | ping, "one too many", false}))
		c.wantClose(1008)
		c.nc.Close()
		r.wantEnd("ws: too many pings (1008)")
	})
}

// Pongs that answer nothing are allowed, and bounded like pings; answers are free.
func TestPongFlood(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingBurst: 5, PingRefill: never, PingEvery: never, PongWait: 100 * never})
		c := r.dial()
		conn := <-r.conns
		pongs := func(n int) []byte { return bytes.Repeat(join(frame{fin | pong, "x", false}), n) }
		c.send(append(pongs(5), join(frame{fin | bin, "still here", false})...))
		c.want("binary still here")
		for i := range 3 {
			r.onLoop(func() { conn.watch(conn.heard + time.Duration(i+1)*2*never) })
			c.want("ping ")
			c.send(append(pongs(1), join(frame{fin | bin, "still here", false})...))
			c.want("binary still here")
		}
		c.send(pongs(1))
		c.wantClose(1008)
		c.nc.Close()
		r.wantEnd("ws: too many pongs that nobody asked for (1008)")
	})
}

// Pings read together get one pong, for the last; in time a peer may ping again.
func TestPingsCoalesce(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{PingBurst: 10, PingRefill: time.Millisecond})
		var pings []byte
		for i := range 10 {
			pings = append(pings, join(frame{fin | ping, fmt.Sprint(i), false})...)
		}
		c := r.dial(pings...) // behind the head, so that one read brings them all
		c.want("pong 9")
		for start := loop.Now(); loop.Now()-start < 2*time.Millisecond; {
		}
		c.send(join(frame{fin | ping, "again", false}, closeFrame(1000, "")))
		c.want("pong again", "close 1000", "EOF")
	})
}
