package gate

import (
	"net/netip"
	"testing"
	"time"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func enter(t *testing.T, g *Gate, from string, want Refusal) *Stay {
	t.Helper()
	s := g.Enter(addr(from))
	if s == nil || s.Refused() != want {
		t.Fatalf("a connection from %s: %v, want %v", from, s, want)
	}
	return s
}

func TestConnectionsAreBounded(t *testing.T) {
	g := New(Config{MaxConns: 3, MaxConnsPerAddr: 2})
	a := enter(t, g, "192.0.2.1", Welcome)
	b := enter(t, g, "::ffff:192.0.2.1", Welcome) // the same, as IPv6 sockets tell it
	third := enter(t, g, "192.0.2.1", AddrFull)
	if why := third.Claim(addr("192.0.2.9")); why != AddrFull {
		t.Errorf("who is turned away stays so: %v", why)
	}
	c := enter(t, g, "192.0.2.2", Welcome)
	full := enter(t, g, "192.0.2.3", Full)
	a.Gone()
	a.Gone()
	d := enter(t, g, "192.0.2.1", Welcome)
	for _, s := range []*Stay{b, c, d, third, full} {
		s.Gone()
	}
	s := g.Stats()
	if s.Conns != 0 || s.Addrs != 0 || g.turned != 0 || s.Refused[Full] != 1 || s.Refused[AddrFull] != 1 {
		t.Errorf("%+v, %d turned away", s, g.turned)
	}
}

// Only so many wait to be told that they are too many.
func TestTurnedAwayAreBounded(t *testing.T) {
	g := New(Config{MaxConns: 1})
	enter(t, g, "192.0.2.1", Welcome)
	first := enter(t, g, "192.0.2.2", Full)
	for range MaxTurned - 1 {
		enter(t, g, "192.0.2.2", Full)
	}
	if s := g.Enter(addr("192.0.2.2")); s != nil {
		t.Errorf("one more is kept: %+v", s)
	}
	first.Gone()
	enter(t, g, "192.0.2.2", Full)
}

func TestAddresses(t *testing.T) {
	g := New(Config{MaxConnsPerAddr: 1, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	enter(t, g, "2001:db8:0:1::1", Welcome)
	enter(t, g, "2001:db8:0:1:ffff::2", AddrFull) // the same /64
	enter(t, g, "2001:db8:0:2::1", Welcome)
	for range 3 {
		enter(t, g, "127.0.0.1", Welcome)
		enter(t, g, "::1", Welcome)
		enter(t, g, "10.1.2.3", Welcome)
	}
	g.cfg.CountLoopback = true
	enter(t, g, "127.0.0.1", Welcome)
	enter(t, g, "127.0.0.1", AddrFull)
	if s := g.Enter(netip.Addr{}); s.Refused() != Welcome {
		t.Error("what has no address is counted for one")
	}
}

func TestClaimMoves(t *testing.T) {
	g := New(Config{MaxConnsPerAddr: 1, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	s, other := enter(t, g, "10.0.0.1", Welcome), enter(t, g, "10.0.0.1", Welcome)
	claim := func(s *Stay, a string, want Refusal) {
		t.Helper()
		if why := s.Claim(addr(a)); why != want {
			t.Errorf("claim of %s: %v, want %v", a, why, want)
		}
	}
	claim(s, "192.0.2.1", Welcome)
	claim(s, "192.0.2.1", Welcome)
	claim(other, "192.0.2.1", AddrFull)
	claim(s, "10.0.0.1", Welcome) // the proxy's again
	claim(other, "192.0.2.1", Welcome)
	other.Gone()
	held, why := g.Hold(addr("192.0.2.1"))
	if why != Welcome {
		t.Error(why)
	}
	claim(s, "192.0.2.1", AddrFull)
	held.Gone()
	claim(s, "192.0.2.1", Welcome)
	s.Gone()
	claim(s, "192.0.2.2", Welcome)
	if n := g.Stats(); n.Conns != 0 || n.Addrs != 0 {
		t.Errorf("%+v", n)
	}
}

func TestHandshakesAreBounded(t *testing.T) {
	g := New(Config{Handshakes: 10, HandshakesPerAddr: 2})
	now := time.Hour
	take := func(from string, n int, want Refusal) {
		t.Helper()
		for i := range n {
			if why := g.Handshake(now, addr(from)); why != Welcome {
				t.Fatalf("handshake %d of %s: %v", i, from, why)
			}
		}
		if why := g.Handshake(now, addr(from)); why != want {
			t.Fatalf("the next handshake of %s: %v, want %v", from, why, want)
		}
	}
	take("192.0.2.1", 2*burstSeconds, AddrBusy)
	now += time.Second
	take("192.0.2.1", 2, AddrBusy)
	take("127.0.0.1", 10*burstSeconds-2, Busy) // no address, but one of all
	take("192.0.2.2", 0, Busy)
	now += 100 * time.Millisecond
	take("192.0.2.2", 1, Busy) // what all were refused, the address has still
	now += time.Hour
	take("192.0.2.2", 2*burstSeconds, AddrBusy)
}

// TLS handshakes are counted apart, four for each handshake.
func TestTLSHandshakesAreBounded(t *testing.T) {
	g := New(Config{Handshakes: 10, HandshakesPerAddr: 2})
	now := time.Hour
	spend := func(from string) (n int, why Refusal) {
		for ; n < 1000; n++ {
			if why = g.Secure(now, addr(from)); why != Welcome {
				break
			}
		}
		return n, why
	}
	for _, c := range []struct {
		from string
		n    int
		why  Refusal
	}{
		{"192.0.2.1", 4 * 2 * burstSeconds, AddrBusy},
		{"127.0.0.1", 4*10*burstSeconds - 4*2*burstSeconds, Busy},
		{"192.0.2.2", 0, Busy},
	} {
		if n, why := spend(c.from); n != c.n || why != c.why {
			t.Errorf("%s: %d, then %v; want %d, then %v", c.from, n, why, c.n, c.why)
		}
	}
	if why := g.Handshake(now, addr("192.0.2.1")); why != Welcome {
		t.Error(why)
	}
	g = New(Config{})
	if n, why := spend("192.0.2.1"); why != Welcome {
		t.Errorf("without a bound: %d, then %v", n, why)
	}
}

// However many addresses there are, the table keeps who makes the most handshakes.
func TestManyAddressesForgetNoBusyOne(t *testing.T) {
	g := New(Config{HandshakesPerAddr: 5})
	now := time.Hour
	for g.Handshake(now, addr("192.0.2.1")) == Welcome {
	}
	for i := range 100_000 {
		from := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
		if why := g.Handshake(now, from); why != Welcome {
			t.Fatalf("a first handshake: %v", why)
		}
	}
	if why := g.Handshake(now, addr("192.0.2.1")); why != AddrBusy {
		t.Errorf("the busy address: %v", why)
	}
}

func TestClient(t *testing.T) {
	trust, err := ParseTrust([]string{"10.0.0.0/8", "::1", "203.0.113.7", "::ffff:192.168.0.0/112"})
	if err != nil {
		t.Fatal(err)
	}
	g := New(Config{Trust: trust})
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1", "198.51.100.1", "192.0.2.1"}, // no proxy: anybody can say that
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"}, // what the client sent itself is in front
		{"10.0.0.1", "1.1.1.1,198.51.100.1 ,\t203.0.113.7,10.2.3.4", "198.51.100.1"},
		{"10.0.0.1", "10.0.0.9, 10.0.0.8", "10.0.0.9"},
		{"10.0.0.1", "1.1.1.1, unknown, 10.0.0.8", "10.0.0.8"},
		{"10.0.0.1", "1.1.1.1,", "10.0.0.1"},
		{"192.168.7.1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", ",", "10.0.0.1"},
		{"::1", "[2001:db8::5]:4711", "2001:db8::5"},
		{"::1", "[2001:db8::5]", "2001:db8::5"},
		{"::1", "198.51.100.1:80", "198.51.100.1"},
		{"::1", "fe80::1%eth0", "fe80::1"},
	} {
		if got := g.Client(addr(c.peer), c.forwarded); got != addr(c.want) {
			t.Errorf("%s with %q: %v, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example"} {
		if _, err := ParseTrust([]string{bad}); err == nil {
			t.Errorf("%q is taken for a proxy", bad)
		}
	}
}

func TestRefusalsAreTold(t *testing.T) {
	for _, r := range Refusals() {
		if r.String() == "" || r.Text() == "" || r.Status() < 400 || (r.Status() != 400) != (r.RetryAfter() > 0) {
			t.Errorf("%d: %q %q %d %v", r, r, r.Text(), r.Status(), r.RetryAfter())
		}
	}
}

func TestSource(t *testing.T) {
	g := New(Config{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for of, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "10.1.2.3": "", "127.0.0.1": "", "::1": "",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::1", "2001:db8:1:2:ffff::": "2001:db8:1:2::1",
	} {
		var expected netip.Addr
		if want != "" {
			expected = netip.MustParseAddr(want)
		}
		if got := g.Source(netip.MustParseAddr(of)); got != expected {
			t.Errorf("%s counts for %v", of, got)
		}
	}
}
