package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	gobwas "github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

func hello(h wire.Hello) []byte { return wire.AppendHello(nil, h) }

// array is a message of any kind with elements as given.
func array(kind wire.Kind, elements ...[]byte) []byte {
	b := wire.AppendArrayHead(nil, 1+len(elements))
	b = wire.AppendUint(b, uint64(kind))
	return append(b, bytes.Join(elements, nil)...)
}

func inputOf(dseq, dseen, mask uint64, values ...[]byte) []byte {
	head := [][]byte{wire.AppendUint(nil, dseq), wire.AppendUint(nil, dseen), wire.AppendUint(nil, mask)}
	return array(wire.KindInput, append(head, values...)...)
}

// TestBadMessages sends what no client should. Each gets its own reason, and a
// player in the same room misses no tick.
func TestBadMessages(t *testing.T) {
	one := wire.AppendUint(nil, 1)
	bomb := append(bytes.Repeat([]byte{0x91}, 500), 0xc0)
	good := hello(wire.Hello{Kind: "walkers", Room: "r"})
	before := []struct {
		name string
		msg  []byte
		code wire.Code
	}{
		{"another kind of game", hello(wire.Hello{Kind: "chess"}), wire.ByeUnknownKind},
		{"no kind", hello(wire.Hello{}), wire.ByeProtocol},
		{"another version", hello(wire.Hello{Kind: "walkers", Proto: 99}), wire.ByeVersion},
		{"a seat in no room", hello(wire.Hello{Kind: "walkers", Token: "gone.1.AAAAAAAAAAAAAAAAAAAAAA"}), wire.ByeRoomGone},
		{"a token that is none", hello(wire.Hello{Kind: "walkers", Token: "r.1.x"}), wire.ByeTokenInvalid},
		{"somebody else's seat", hello(wire.Hello{Kind: "walkers", Token: "r.1.AAAAAAAAAAAAAAAAAAAAAA"}), wire.ByeTokenInvalid},
		{"watching no room", hello(wire.Hello{Kind: "walkers", Room: "nowhere", Flags: wire.FlagSpectate}), wire.ByeRoomGone},
		{"a cut hello", good[:len(good)-3], wire.ByeProtocol},
		{"a hello of numbers", array(wire.KindHello, one, one, one, one, one, one, one, one, one, one, one), wire.ByeProtocol},
		{"nested arrays", bomb, wire.ByeProtocol},
		{"an array that claims 4 G elements", []byte{0xdd, 0xff, 0xff, 0xff, 0xff, 1}, wire.ByeProtocol},
		{"an input before the welcome", inputOf(1, 0, 0), wire.ByeProtocol},
	}
	after := []struct {
		name string
		msg  []byte
		code wire.Code
	}{
		{"a second hello", good, wire.ByeProtocol},
		{"an input without values", inputOf(1, 0, 1), wire.ByeProtocol},
		{"an input of text", inputOf(1, 0, 1, wire.AppendStr(nil, "x")), wire.ByeProtocol},
		{"an input field that is not there", inputOf(1, 0, 2, one), wire.ByeProtocol},
		{"a sequence that does not rise", inputOf(0, 0, 0), wire.ByeProtocol},
		{"a broken message behind a good one", append(inputOf(1, 0, 0), 0xc1), wire.ByeProtocol},
		{"an integer in a longer form", array(wire.KindPing, []byte{0xcc, 1}, one), wire.ByeProtocol},
	}
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers", Room: "r"})
		for _, c := range before {
			s := l.dial(client.Config{})
			s.send(c.msg)
			t.Log(c.name)
			s.wantBye(c.code)
		}
		for _, c := range after {
			s := l.join(client.Config{Kind: "walkers", Room: "r"})
			s.send(c.msg)
			t.Log(c.name)
			s.wantBye(c.code)
		}
		healthy.wantNoGap()
	})
}

func TestReservedAndLongerMessagesAreSkipped(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"})
		for kind := wire.Kind(13); kind <= 40; kind++ {
			ann.send(array(kind, wire.AppendStr(nil, "later")))
		}
		ann.send(inputOf(1, 0, 1, wire.AppendInt(nil, 4), wire.AppendStr(nil, "trailing")))
		ann.until("the input", func() bool { x, _ := ann.x(ann.core.Seat()); return x == 4 })
	})
}

func TestFloodIsTooFast(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers", Room: "r"})
		s := l.join(client.Config{Kind: "walkers", Room: "r"})
		for range maxMessagesPerSecond + 10 {
			s.send(array(wire.KindPing, wire.AppendUint(nil, 1), wire.AppendUint(nil, 1)))
		}
		s.wantBye(wire.ByeTooFast)
		healthy.wantNoGap()
	})
}

func TestNoHelloInTime(t *testing.T) {
	t.Parallel()
	l := run(t, Config{})
	l.dial(client.Config{}).wantBye(wire.ByeTimeout)
}

// TestBadFrames breaks WebSocket's own rules: close codes without a bye.
func TestBadFrames(t *testing.T) {
	frames := []struct {
		name string
		send func(s *seat)
		code uint16
	}{
		{"text", func(s *seat) { s.raw(gobwas.OpText, []byte("hi")) }, 1003},
		{"unmasked", func(s *seat) { s.nc.Write([]byte{0x82, 1, 0x90}) }, 1002},
		{"a reserved bit", func(s *seat) { s.nc.Write([]byte{0xc2, 0x80, 0, 0, 0, 0}) }, 1002},
		{"a continuation of nothing", func(s *seat) { s.nc.Write([]byte{0x80, 0x80, 0, 0, 0, 0}) }, 1002},
		{"a ping in fragments", func(s *seat) { s.nc.Write([]byte{0x09, 0x80, 0, 0, 0, 0}) }, 1002},
		{"a new message amid another", func(s *seat) { s.nc.Write([]byte{0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0}) }, 1002},
		{"too long", func(s *seat) { s.raw(gobwas.OpBinary, make([]byte, wire.MaxMessage+1)) }, 1009},
		{"a claim of 2^62 bytes", func(s *seat) { s.nc.Write([]byte{0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) }, 1009},
		{"65 fragments", func(s *seat) {
			s.nc.Write(append([]byte{0x02, 0x80, 0, 0, 0, 0}, bytes.Repeat([]byte{0x00, 0x80, 0, 0, 0, 0}, 65)...))
		}, 1008},
	}
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers", Room: "r"})
		half := l.join(client.Config{Kind: "walkers", Room: "r"})
		half.nc.Write([]byte{0x82, 0x8a, 0}) // half a frame, held open
		for _, f := range frames {
			s := l.join(client.Config{Kind: "walkers", Room: "r"})
			f.send(s)
			if c := s.ended(); c.code != f.code {
				t.Errorf("%s: closed with %d %q, want %d", f.name, c.code, c.reason, f.code)
			}
		}
		healthy.wantNoGap()
		half.wantEveryTick(2)
	})
}

func TestBadHandshakes(t *testing.T) {
	refused := func(l *live, d gobwas.Dialer, want int) {
		l.t.Helper()
		d.TLSConfig = l.tls
		nc, _, _, err := d.Dial(context.Background(), l.url("ws", socketPath))
		if err == nil {
			nc.Close()
			l.t.Errorf("upgraded, want status %d", want)
			return
		}
		var status gobwas.StatusError
		if !errors.As(err, &status) || int(status) != want {
			l.t.Errorf("%v, want status %d", err, want)
		}
	}
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Origins = []string{"https://good.example"}
		l := run(t, cfg)
		origin := func(o string) gobwas.Dialer {
			return gobwas.Dialer{Protocols: []string{wire.Subprotocol}, Header: gobwas.HandshakeHeaderHTTP(http.Header{"Origin": {o}})}
		}
		refused(l, gobwas.Dialer{}, http.StatusBadRequest)
		refused(l, gobwas.Dialer{Protocols: []string{"roomd.v9"}}, http.StatusBadRequest)
		refused(l, origin("https://evil.example"), http.StatusForbidden)
		for _, o := range []string{"https://good.example", l.url("http", "")} {
			d := origin(o)
			d.TLSConfig = l.tls
			nc, _, _, err := d.Dial(context.Background(), l.url("ws", socketPath))
			if err != nil {
				t.Fatalf("origin %s: %v", o, err)
			}
			nc.Close()
		}
	})
}
