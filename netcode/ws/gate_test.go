package ws

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/roomd/roomd/netcode/gate"
)

// Who is one too many is told so, as long as there are not too many of those.
func TestGateIsFull(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		g := gate.New(gate.Config{MaxConns: 1})
		r := newRig(t, engine, Config{Gate: g, HeadTimeout: never})
		c := r.dial()
		var turned []*client
		for range gate.MaxTurned {
			turned = append(turned, r.connect())
		}
		r.eventually("they wait for their heads", func(s Stats) bool { return s.Accepted == 1+gate.MaxTurned })
		if b, _ := io.ReadAll(r.connect().nc); len(b) > 0 {
			t.Errorf("one more got %q", b)
		}
		near, far := net.Pipe()
		if err := r.server.Attach(r.loop, far); err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(near); len(b) > 0 {
			t.Errorf("an attached one got %q", b)
		}
		for _, c := range turned {
			if b, _ := io.ReadAll(c.nc); len(b) > 0 { // soon, whatever HeadTimeout is
				t.Errorf("who asked nothing got %q", b)
			}
			c.nc.Close()
		}
		asks := r.connect()
		asks.send([]byte(headOf()))
		if res := asks.response(); res.StatusCode != 503 || res.Header.Get("Retry-After") != "5" {
			t.Errorf("status %d, %v", res.StatusCode, res.Header)
		}
		asks.nc.Close()
		c.nc.Close()
		r.end()
		r.eventually("all are gone", func(Stats) bool { return g.Stats().Conns == 0 })
		if s := r.server.Stats(); s.Rejected[RejectGate] != 1 {
			t.Errorf("%+v", s)
		}
		r.dial()
	})
}

func TestProxyHeaderHeldBack(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		g := gate.New(gate.Config{Trust: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		r := newRig(t, engine, Config{Gate: g, ProxyProtocol: true, HeadTimeout: soon})
		for _, part := range []string{"", "P", "PROXY TCP4 192.0.2.1 10.0.0.1 8080 80\r"} {
			c := r.connect()
			c.send([]byte(part))
			if b, _ := io.ReadAll(c.nc); len(b) > 0 {
				t.Errorf("%q got %q", part, b)
			}
		}
		if s := g.Stats(); s.Refused[gate.BadProxy] != 3 {
			t.Errorf("%+v", s)
		}
		r.eventually("their places are free", func(Stats) bool { return g.Stats().Conns == 0 })
	})
}
