package client

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/wire"
)

// network connects a client to the test without sockets.
type network chan net.Conn

func (n network) options() Options {
	return Options{Config: Config{Kind: "tanks"}, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case n <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// peer is the server's end of one connection, played by the test.
type peer struct {
	t  *testing.T
	nc net.Conn
}

// accept takes the next connection and shakes hands.
func (n network) accept(t *testing.T) *peer {
	nc := <-n
	up := ws.Upgrader{Protocol: func(b []byte) bool { return string(b) == wire.Subprotocol }}
	if _, err := up.Upgrade(nc); err != nil {
		t.Error(err)
	}
	return &peer{t, nc}
}

// frame reads the next frame, which must be masked.
func (p *peer) frame() ws.Frame {
	h, err := ws.ReadHeader(p.nc)
	f := ws.Frame{Header: h, Payload: make([]byte, min(h.Length, wire.MaxMessage))}
	if err == nil {
		_, err = io.ReadFull(p.nc, f.Payload)
	}
	if err != nil {
		p.t.Errorf("reading from the client: %v", err)
		return f
	}
	if !f.Header.Masked {
		p.t.Error("the client sent an unmasked frame")
	}
	return ws.UnmaskFrameInPlace(f)
}

func (p *peer) hello() wire.Hello {
	f := p.frame()
	m := wire.ReadMessages(f.Payload)
	if !m.Next() || m.Kind() != wire.KindHello {
		p.t.Errorf("%x is no hello", f.Payload)
		return wire.Hello{}
	}
	h, err := wire.ReadHello(m.Reader(), m.Len())
	if err != nil {
		p.t.Error(err)
	}
	return h
}

func (p *peer) send(messages ...[]byte) {
	for _, m := range messages {
		p.write(ws.NewBinaryFrame(m))
	}
}

func (p *peer) write(f ws.Frame) {
	if err := ws.WriteFrame(p.nc, f); err != nil {
		p.t.Errorf("writing to the client: %v", err)
	}
}

// bye says bye and closes, taking what the client says to that.
func (p *peer) bye(b wire.Bye) {
	p.send(wire.AppendBye(nil, b))
	p.nc.Close()
}

// start dials and lets the test's server welcome the client with one tick.
func start(t *testing.T, n network, o Options) (*Client, *peer, *server) {
	t.Helper()
	s, peers := newServer(t), make(chan *peer, 1)
	go func() {
		p := n.accept(t)
		p.hello()
		private, shared := s.frames(s.step(1, 2), wire.Self{Slack: -1})
		p.send(s.welcome(nil), private, shared)
		peers <- p
	}()
	c, err := Dial(t.Context(), "ws://room/v1/ws", o)
	if err != nil {
		t.Fatal(err)
	}
	p := <-peers
	synctest.Wait()
	c.View(s.expect)
	return c, p, s
}

func ended(t *testing.T, c *Client) error {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Fatal("the client did not end")
	}
	return c.Err()
}

func TestClientFollowsSendsAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		updates := 0
		n := make(network)
		o := n.options()
		o.OnUpdate = func(*Client) { updates++ }
		c, p, s := start(t, n, o)
		private, shared := s.frames(s.step(3, 4), wire.Self{})
		p.send(append(private, shared...))
		synctest.Wait()
		c.View(s.expect)
		if updates < 3 || len(c.Updates()) != 1 {
			t.Errorf("%d updates", updates)
		}
		sent := make(chan error)
		go func() {
			sent <- c.SendInput(func(b *InputBuilder) { b.Set("turn", 2) })
			sent <- c.SendInput(func(b *InputBuilder) { b.Set("speed", 2) })
		}()
		if got := s.inputs(p.frame().Payload, 0, s.tick-2); len(got) != 1 || got[0].turn != 32 {
			t.Errorf("input %v", got)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := <-sent; !errors.Is(err, errNoField) {
			t.Errorf("an input with a mistake: %v", err)
		}
		go c.Close()
		if f := p.frame(); f.Header.OpCode != ws.OpClose {
			t.Errorf("%v instead of a close", f.Header.OpCode)
		}
		if err := ended(t, c); err != nil || c.Connected() {
			t.Errorf("after Close: %v", err)
		}
		if err := c.SendInput(func(*InputBuilder) {}); !errors.Is(err, ErrDisconnected) {
			t.Errorf("input after Close: %v", err)
		}
	})
}

func TestClientResumesAfterABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		c, p, s := start(t, n, n.options())
		sent := make(chan error)
		go func() { sent <- c.SendInput(func(b *InputBuilder) { b.Set("turn", 1) }) }()
		p.frame() // and lost
		<-sent
		broke := time.Now()
		p.nc.Close()
		p = n.accept(t)
		if waited := time.Since(broke); waited > firstBackoff {
			t.Errorf("waited %v before the first attempt", waited)
		}
		if h := p.hello(); h.Token != "r1.1.secret" || h.Tick != s.base.Tick || h.Epoch != 7 {
			t.Errorf("hello %+v", h)
		}
		go p.send(s.welcome(func(w *wire.Welcome) { w.Flags, w.Schema = wire.FlagResumed, nil }))
		if got := s.inputs(p.frame().Payload, 0, s.tick); !slices.Equal(got, []arrival{{1, s.base.Tick, 16}}) {
			t.Errorf("resent %v", got)
		}
		private, shared := s.frames(s.step(9), wire.Self{DAck: 1})
		p.send(private, shared)
		synctest.Wait()
		c.View(s.expect)
		go c.Close()
		p.frame()
		ended(t, c)
	})
}

func TestClientDoesWhatTheByeMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		c, p, s := start(t, n, n.options())
		asked := time.Now()
		p.bye(wire.Bye{Code: wire.ByeShutdown, Retry: 3 * time.Second})
		p = n.accept(t)
		if waited := time.Since(asked); waited < 3*time.Second || waited > 3*time.Second+firstBackoff {
			t.Errorf("came back after %v", waited)
		}
		if h := p.hello(); h.Token == "" {
			t.Error("the seat was not asked for")
		}
		p.bye(wire.Bye{Code: wire.ByeTokenInvalid})
		p = n.accept(t)
		if h := p.hello(); h.Token != "" || h.Tick != 0 {
			t.Errorf("hello with what was refused: %+v", h)
		}
		p.send(s.welcome(nil))
		synctest.Wait()
		if !c.Connected() {
			t.Error("not connected")
		}
		p.bye(wire.Bye{Code: wire.ByeGameEnded})
		var bye *ByeError
		if err := ended(t, c); !errors.As(err, &bye) || bye.Code != wire.ByeGameEnded {
			t.Errorf("ended with %v", err)
		}
	})
}

// Servers that welcome a client and then send it elsewhere, one to the other, are
// followed some times at once, and then with growing waits.
func TestClientIsNotSentAroundForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		var addresses []string
		o := n.options()
		dial := o.NetDial
		o.NetDial = func(ctx context.Context, kind, addr string) (net.Conn, error) {
			addresses = append(addresses, addr)
			return dial(ctx, kind, addr)
		}
		c, p, s := start(t, n, o)
		defer c.Close()
		began := time.Now()
		for i := range 40 {
			p.bye(wire.Bye{Code: wire.ByeMoved, Text: "ws://node" + strconv.Itoa(i) + "/v1/ws?room=r"})
			p = n.accept(t)
			p.hello()
			p.send(s.welcome(nil))
			synctest.Wait()
		}
		want := []string{"room:80", "node0:80", "node1:80", "node2:80", "node3:80", "node4:80", "room:80"}
		if got := addresses[:len(want)]; !slices.Equal(got, want) {
			t.Errorf("connects to %v, want %v", got, want)
		}
		if d := time.Since(began); d < 20*time.Second {
			t.Errorf("40 connections in %v", d)
		}
	})
}

func TestClientUnderstandsCloseCodesWithoutABye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		c, p, _ := start(t, n, n.options())
		go p.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(wire.ByeKicked.CloseCode()), "out")))
		if f := p.frame(); f.Header.OpCode != ws.OpClose {
			t.Errorf("%v instead of a close", f.Header.OpCode)
		}
		var closed *CloseError
		if err := ended(t, c); !errors.As(err, &closed) || closed.Code != wire.ByeKicked.CloseCode() || closed.Reason != "out" {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestClientGivesUpAfterItsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		o := n.options()
		o.Retries = 4
		c, p, _ := start(t, n, o)
		began := time.Now()
		p.nc.Close()
		for range 4 {
			(<-n).Close()
		}
		if err := ended(t, c); err == nil {
			t.Error("no error")
		}
		if took := time.Since(began); took > firstBackoff*(1+2+4+8) {
			t.Errorf("took %v", took)
		}
	})
}

func TestClientFindsASilentConnectionBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		o := n.options()
		o.Retries = -1
		c, _, _ := start(t, n, o)
		began := time.Now()
		if err := ended(t, c); err == nil || time.Since(began) != maxSilence {
			t.Errorf("ended after %v with %v", time.Since(began), err)
		}
	})
}

func TestDialSaysWhyItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		go func() {
			p := n.accept(t)
			p.hello()
			p.bye(wire.Bye{Code: wire.ByeFull})
		}()
		var bye *ByeError
		if _, err := Dial(t.Context(), "ws://room/v1/ws", n.options()); !errors.As(err, &bye) || bye.Code != wire.ByeFull {
			t.Errorf("full room: %v", err)
		}
		go func() { n.accept(t).hello() }() // and silence
		began := time.Now()
		if _, err := Dial(t.Context(), "ws://room/v1/ws", n.options()); err == nil || time.Since(began) != maxHandshake {
			t.Errorf("no welcome: %v after %v", err, time.Since(began))
		}
		go func() {
			up := ws.Upgrader{}
			_, _ = up.Upgrade(<-n)
		}()
		if _, err := Dial(t.Context(), "ws://room/v1/ws", n.options()); !errors.Is(err, errSubprotocol) {
			t.Errorf("no subprotocol: %v", err)
		}
		if _, err := Dial(t.Context(), "ws://room/v1/ws", Options{}); err == nil {
			t.Error("no kind: no error")
		}
	})
}
