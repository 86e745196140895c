package client

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/wire"
)

func TestClientAnswersPingsAndMeasuresPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		c, p, _ := start(t, n, n.options())
		go p.write(ws.NewPingFrame([]byte("are you there")))
		if f := p.frame(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "are you there" {
			t.Errorf("%v %q instead of a pong", f.Header.OpCode, f.Payload)
		}
		sent := make(chan error)
		go func() { sent <- c.Ping() }()
		m := wire.ReadMessages(p.frame().Payload)
		m.Next()
		ping, err := wire.ReadPing(m.Reader(), m.Len())
		if err := errors.Join(err, <-sent); err != nil {
			t.Error(err)
		}
		<-time.After(30 * time.Millisecond) // of the bubble
		p.send(wire.AppendPong(nil, wire.Pong{ID: ping.ID, T: ping.T}))
		synctest.Wait()
		if c.RTT() != 30*time.Millisecond {
			t.Errorf("round trip %v", c.RTT())
		}
		go func() { sent <- c.Leave() }()
		m = wire.ReadMessages(p.frame().Payload)
		if !m.Next() || m.Kind() != wire.KindLeave || <-sent != nil {
			t.Error("no leave")
		}
		p.bye(wire.Bye{Code: wire.ByeLeft})
		if err := ended(t, c); err == nil {
			t.Error("left without the server's word")
		}
	})
}

func TestClientPutsFragmentsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := make(network)
		c, p, s := start(t, n, n.options())
		private, shared := s.frames(s.step(3, 4), wire.Self{})
		all := append(private, shared...)
		p.write(ws.NewFrame(ws.OpBinary, false, all[:5]))
		go p.write(ws.NewPingFrame(nil)) // control frames may come in between
		p.frame()
		p.write(ws.NewFrame(ws.OpContinuation, false, all[5:9]))
		p.write(ws.NewFrame(ws.OpContinuation, true, all[9:]))
		synctest.Wait()
		c.View(s.expect)
		go c.Close()
		p.frame()
		ended(t, c)
	})
}

func TestClientRefusesWhatServersMayNotSend(t *testing.T) {
	cases := []struct {
		name  string
		frame ws.Frame
		code  ws.StatusCode
	}{
		{"text", ws.NewTextFrame([]byte("hi")), ws.StatusUnsupportedData},
		{"masked", ws.MaskFrame(ws.NewBinaryFrame([]byte{0x91, 12})), ws.StatusProtocolError},
		{"too large", ws.NewBinaryFrame(bytes.Repeat([]byte{0}, 1000)), ws.StatusMessageTooBig},
		{"continuation of nothing", ws.NewFrame(ws.OpContinuation, true, nil), ws.StatusProtocolError},
		{"long ping", ws.NewPingFrame(bytes.Repeat([]byte{0}, 200)), ws.StatusProtocolError},
		{"reserved bit", ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpBinary, Rsv: ws.Rsv(true, false, false)}}, ws.StatusProtocolError},
	}
	for _, test := range cases {
		synctest.Test(t, func(t *testing.T) {
			n := make(network)
			o := n.options()
			o.Retries, o.MaxMessage = -1, 999
			c, p, _ := start(t, n, o)
			go func() { _ = ws.WriteFrame(p.nc, test.frame) }() // the client need not read all of it
			f := p.frame()
			if code, _ := ws.ParseCloseFrameData(f.Payload); f.Header.OpCode != ws.OpClose || code != test.code {
				t.Errorf("%s: %v %d, want a close with %d", test.name, f.Header.OpCode, code, test.code)
			}
			if err := ended(t, c); err == nil {
				t.Errorf("%s: no error", test.name)
			}
		})
	}
}
