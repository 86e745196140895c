package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// The cases of the parser, spoken to an echoing server over a socket.
func TestSessionConformance(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{EveryPong: true})
		for _, c := range parserCases {
			t.Run(c.name, func(t *testing.T) {
				cl := r.dial()
				cl.t = t
				want := []string{"close 1000", "EOF"}
				var echoes []string
				for _, w := range c.want {
					kind, rest, _ := strings.Cut(w, " ")
					switch kind {
					case "error":
						want = []string{"close " + rest}
					case "ping":
						echoes = append(echoes, "pong "+rest)
					case "close":
						want = []string{"close 1000", "EOF"}
					case "pong":
					default:
						echoes = append(echoes, w)
					}
				}
				cl.send(c.in)
				if len(want) == 2 {
					cl.send(closeFrame(1000, "").bytes())
				}
				cl.want(echoes...)
				if got := cl.next(); !strings.HasPrefix(got, want[0]) {
					t.Fatalf("server sent %q, want %q", got, want[0])
				}
				cl.want("EOF")
				cl.nc.Close()
				r.end()
			})
		}
	})
}

func TestSessionByteAtATime(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.connect()
		stream := append([]byte(headOf()), join(
			frame{fin | bin, "hello", false},
			frame{text, "a", false}, frame{fin | ping, "p", false}, frame{fin | cont, strings.Repeat("b", 130), false},
			closeFrame(1000, "done"))...)
		for i := range stream {
			c.send(stream[i : i+1])
		}
		c.upgraded()
		c.want("binary hello", "pong p", "text a"+strings.Repeat("b", 130), "close 1000", "EOF")
		c.nc.Close()
		r.wantEnd("ws: closed by peer: done (1000)")
	})
}

// Frames in the segment of the request head are not lost, whole or cut.
func TestSessionPipelinedBehindHead(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		frames := join(frame{fin | bin, "one", false}, frame{fin | bin, "two", false})
		for cut := range frames {
			c := r.dial(frames[:cut]...)
			c.send(frames[cut:])
			c.want("binary one", "binary two")
			c.nc.Close()
			if err := r.end(); err != io.EOF {
				t.Fatalf("Closed got %v, want %v", err, io.EOF)
			}
		}
	})
}

// Echo of the largest message, whole, fragmented and one byte too long.
func TestSessionLargest(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		const limit = 300 << 10
		r := newRig(t, engine, Config{MaxMessage: limit})
		big := strings.Repeat("0123456789", limit/10)
		c := r.dial()
		c.send(join(frame{fin | bin, big, false}))
		c.want("binary " + big)
		c.send(join(frame{text, big[:100], false}, frame{cont, big[100:9000], false}, frame{fin | cont, big[9000:], false}))
		c.want("text " + big)
		c.send(claim(fin|bin, limit+1))
		c.wantClose(1009)
		c.nc.Close()
		r.wantEnd("ws: message too big (1009)")
	})
}

func TestSessionCloseCodes(t *testing.T) {
	type closing struct {
		payload string
		answer  string
		ended   string
	}
	cases := []closing{
		{"", "close", "ws: closed by peer (1005)"},
		{"\x03", "close 1002 close payload of one byte", "ws: close payload of one byte (1002)"},
		{"\x03\xe8a\xff", "close 1007 close reason is not UTF-8", "ws: close reason is not UTF-8 (1007)"},
		{"\x03\xe8" + strings.Repeat("x", 124), "close 1002 control frame payload limit exceeded", "ws: control frame payload limit exceeded (1002)"},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		p := string(binary.BigEndian.AppendUint16(nil, code)) + "why"
		cases = append(cases, closing{p, fmt.Sprintf("close %d", code), fmt.Sprintf("ws: closed by peer: why (%d)", code)})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, closing{string(binary.BigEndian.AppendUint16(nil, code)), "close 1002", ""})
	}
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		for _, k := range cases {
			c := r.dial()
			// What follows a Close frame is not delivered.
			c.send(join(frame{fin | cls, k.payload, false}, frame{fin | text, "late", false}))
			if got := c.next(); !strings.HasPrefix(got, k.answer) || len(k.answer) > 10 && got != k.answer {
				t.Fatalf("close % x: answer %q, want %q", k.payload, got, k.answer)
			}
			c.want("EOF")
			c.nc.Close()
			if err := r.end(); k.ended != "" && err.Error() != k.ended {
				t.Fatalf("close % x: Closed got %q, want %q", k.payload, err, k.ended)
			}
			r.told()
		}
	})
}

// The server closes: one Close frame, no message after it, the peer's answer ends it.
func TestSessionServerCloses(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.dial()
		c.send(join(frame{fin | text, "!close bye", false}, frame{fin | text, "late", false}, frame{fin | ping, "late", false}))
		c.want("close 4001 bye")
		c.send(join(frame{fin | text, "later", false}))
		c.send(join(closeFrame(4001, "")))
		c.want("EOF")
		c.nc.Close()
		r.wantEnd("ws: closed by server: bye (4001)")
		r.told("message !close bye")
		s := r.server.Stats()
		if s.Messages != 1 || s.Upgraded != 1 || s.Closed != 1 {
			t.Fatalf("stats %+v", s)
		}
	})
}

// A code that no Close frame may carry does not get into one.
func TestSessionClosesWithValidCodes(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		for code, want := range map[uint16]string{
			0: "close 1011 why", 999: "close 1011 why", 1004: "close 1011 why", CodeNoStatus: "close",
			1006: "close 1011 why", 1015: "close 1011 why", 2000: "close 1011 why", 5000: "close 1011 why", 4999: "close 4999 why",
		} {
			c := r.dial()
			conn := <-r.conns
			r.onLoop(func() { conn.Close(code, "why") })
			c.want(want)
			c.nc.Close()
		}
	})
}

// Conn refuses to send outside of its open time, and Close counts once.
func TestConnOutsideOpen(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		early := make(chan error, 1)
		var known atomic.Pointer[rig] // Open runs on the loop
		r := newRig(t, engine, Config{Open: func(c *Conn, _ *Request) (Handler, error) {
			c.Close(1000, "too early")
			early <- c.Send(AppendMessage(nil, true, nil))
			r := known.Load()
			r.conns <- c
			return &recorder{rig: r}, nil
		}})
		known.Store(r)
		c := r.dial()
		if err := <-early; err != ErrNotOpen {
			t.Fatalf("sending in Open: %v, want %v", err, ErrNotOpen)
		}
		conn := <-r.conns
		r.onLoop(func() {
			conn.Close(4002, "first")
			conn.Close(4003, "second")
			if err := conn.Send(AppendMessage(nil, true, nil)); err != ErrClosing {
				t.Errorf("sending after Close: %v, want %v", err, ErrClosing)
			}
			if conn.Offer(nil, blob("x")) {
				t.Error("an offer was taken after Close")
			}
		})
		c.want("close 4002 first")
		c.send(join(closeFrame(4002, "")))
		c.want("EOF")
		c.nc.Close()
		r.wantEnd("ws: closed by server: first (4002)")
	})
}

// blob is a loop.Buffer that nobody counts.
type blob string

func (b blob) Bytes() []byte { return []byte(b) }
func (b blob) Retain()       {}
func (b blob) Release()      {}

func TestConnOfferAndSend(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.dial()
		conn := <-r.conns
		frame := func(s string) []byte { return AppendMessage(nil, true, []byte(s)) }
		for taken := false; !taken; { // the 101 may still be on its way out
			r.onLoop(func() { taken = conn.Offer(frame("private"), blob(frame("shared"))) })
		}
		r.onLoop(func() {
			if err := conn.Send(frame("control")); err != nil {
				t.Error(err)
			}
			if conn.RemoteAddr().String() != c.nc.LocalAddr().String() || conn.Loop() != r.loop {
				t.Errorf("remote %v, loop %v", conn.RemoteAddr(), conn.Loop())
			}
		})
		c.want("binary private", "binary shared", "binary control")
		r.eventually("frames sent", func(s Stats) bool { return s.Sent == 2 })
	})
}

// A moved connection handles what was read behind the move on its new loop.
func TestConnMoves(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		other := runLoop(t, engine)
		r.onLoop(func() { r.other = other })
		c := r.dial()
		c.send(join(frame{fin | text, "!loop", false}, frame{fin | ping, "p", false}, frame{fin | text, "!move", false},
			frame{fin | text, "!loop", false}, frame{fin | bin, "x", false}))
		c.want("binary false")
		got := []string{c.next(), c.next(), c.next()}
		equal(t, got, []string{"pong p", "binary true", "binary x"})
		c.send(join(frame{fin | bin, "y", false}, closeFrame(1000, "")))
		c.want("binary y", "close 1000", "EOF")
		c.nc.Close()
		r.wantEnd("ws: closed by peer (1000)")
		r.told("message !loop", "message !move", "moved", "message !loop", "message x", "message y")
	})
}

// eager is a driver that reads its connection in every slot.
type eager struct{ conn *Conn }

func (e eager) Prepare(time.Duration)                          { e.conn.ReadSoon() }
func (e eager) Advance(now time.Duration) (next time.Duration) { return now }

// A quiet connection is read by ReadSoon, and its close handshake without it.
func TestConnQuiet(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.dial()
		conn := <-r.conns
		r.onLoop(func() { conn.Quiet(true) })
		c.send(join(frame{fin | bin, "x", false}))
		var task *loop.Task
		r.onLoop(func() { task = r.loop.Add(eager{conn}) })
		c.want("binary x")
		r.onLoop(task.Remove)
		r.onLoop(func() { conn.Close(1001, "") })
		c.want("close 1001")
		c.send(join(closeFrame(1001, "")))
		c.want("EOF")
		c.nc.Close()
		r.wantEnd("ws: closed by server (1001)")
	})
}

// Attach serves any net.Conn with the same session.
func TestServerAttach(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		near, far := net.Pipe()
		if err := r.server.Attach(r.loop, far); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, near)
		go near.Write(append([]byte(headOf()), join(frame{fin | bin, "x", false}, closeFrame(1000, ""))...))
		c.upgraded()
		c.want("binary x", "close 1000", "EOF")
		near.Close()
		r.wantEnd("ws: closed by peer (1000)")
	})
}

// Reading a message on an open connection allocates nothing.
func TestConnReadDoesNotAllocate(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		var conn *Conn
		r := newRig(t, engine, Config{Open: func(c *Conn, _ *Request) (Handler, error) {
			conn = c
			return sink{}, nil
		}})
		r.dial()
		in := join(frame{fin | bin, strings.Repeat("x", 30), false}, frame{fin | bin, strings.Repeat("y", 300), false})
		b := bytes.Clone(in)
		allocs := 1.0
		r.onLoop(func() {
			allocs = testing.AllocsPerRun(100, func() {
				copy(b, in)
				if n := (*port)(conn).Read(conn.lc, b); n != len(b) {
					t.Errorf("consumed %d of %d bytes", n, len(b))
				}
			})
		})
		if allocs != 0 {
			t.Fatalf("%v allocations for two messages", allocs)
		}
	})
}

// sink is a Handler that does nothing.
type sink struct{}

func (sink) Message(*Conn, bool, []byte) {}
func (sink) Timer(*Conn, time.Duration)  {}
func (sink) Closed(*Conn, error)         {}
