package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/roomd/roomd/netcode/client/hostile"
	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/secure"
)

// What comes before TLS: limits and PROXY headers.

// turnedAway expects the limits to refuse the connection: with a response of that
// status, and over TLS by its end before a handshake.
func (g *guest) turnedAway(what string, want int) {
	g.t.Helper()
	tc, ok := g.nc.(*tls.Conn)
	if !ok {
		g.ask(what, want)
		return
	}
	if err := tc.Handshake(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		g.t.Errorf("a handshake of one too many: %v", err)
	}
}

// wantClosed reads to the end of the connection and expects that text in it.
func (g *guest) wantClosed(what, text string) {
	g.t.Helper()
	b, err := io.ReadAll(g.nc)
	if errors.Is(err, os.ErrDeadlineExceeded) || text == "" && len(b) > 0 || !strings.Contains(string(b), text) {
		g.t.Errorf("%s: told %q, %v", what, b, err)
	}
}

// bare connects without TLS, whatever the server speaks, and sends something.
func (l *live) bare(from, text string) *guest {
	l.t.Helper()
	plain := *l
	plain.tls = nil
	g := plain.guest(from)
	if _, err := io.WriteString(g.nc, text); err != nil {
		l.t.Fatal(err)
	}
	return g
}

// clientHello is what a client begins with.
func clientHello(t *testing.T) string {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go tls.Client(near, &tls.Config{ServerName: "127.0.0.1"}).Handshake()
	b := make([]byte, 1<<14)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// Connections count as soon as they stand, and who is one too many costs no
// handshake.
func TestLimitsBeforeTLS(t *testing.T) {
	cfg, _ := secured(t)
	cfg.MaxConns, cfg.MaxConnsPerAddr, cfg.countLoopback = 3, 2, true
	l := run(t, cfg)
	silent := []*guest{l.bare("127.0.0.2", ""), l.bare("127.0.0.2", clientHello(t)[:9])}
	eventually(t, "they count", func() bool { return l.held() == 2 })
	for range 3 {
		l.guest("127.0.0.2").turnedAway("", 0)
	}
	l.guest("127.0.0.3").ask(upgrade(), http.StatusSwitchingProtocols)
	l.guest("127.0.0.4").turnedAway("", 0)
	if s := l.secure.Stats(); s.Results != [len(s.Results)]uint64{secure.Done: 1} {
		t.Errorf("handshakes: %v", s.Results)
	}
	if s := l.gate.Stats(); s.Refused[gate.AddrFull] != 3 || s.Refused[gate.Full] != 1 {
		t.Errorf("%+v", s)
	}
	for _, g := range silent {
		g.nc.Close()
	}
	eventually(t, "their places are free", func() bool { return l.held() == 1 })
	l.guest("127.0.0.2").ask(upgrade(), http.StatusSwitchingProtocols)
	l.wantRefused("address_connections", 3)
	eventually(t, "who asked is gone", func() bool { return l.held() == 2 })
	l.wantRefused("connections", 1)
}

// The rate of TLS handshakes is bounded before they are made.
func TestHandshakesBeforeTLS(t *testing.T) {
	cfg, _ := secured(t)
	cfg.MaxHandshakesPerAddr, cfg.countLoopback = 1, true
	l := run(t, cfg)
	for range 100 {
		g := l.guest("127.0.0.2")
		g.nc.(*tls.Conn).Handshake()
		g.nc.Close()
	}
	s := l.secure.Stats()
	if s.Results[secure.Refused] < 50 || s.Results[secure.Done]+s.Results[secure.Failed] < 16 {
		t.Errorf("handshakes: %v", s.Results)
	}
	if n := l.gate.Stats().Refused[gate.AddrBusy]; n != s.Results[secure.Refused] {
		t.Errorf("%d refused by the gate, %d by TLS", n, s.Results[secure.Refused])
	}
	l.guest("127.0.0.3").ask(upgrade(), http.StatusSwitchingProtocols)
	eventually(t, "all are gone", func() bool { return l.held() == 1 })
}

// However far a connection comes, the place that its PROXY header gave it is free
// again when it ends.
func TestPlacesComeBack(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11"
	cfg, _ := secured(t)
	cfg.TrustProxy, cfg.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, true
	cfg.MaxConnsPerAddr, cfg.countLoopback = 1, true
	l := run(t, cfg)
	said := clientHello(t)
	header := func(of string) string { return "PROXY TCP4 192.0.2." + of + " 127.0.0.1 4711 443\r\n" }

	slow := map[string]*guest{ // closed in time
		"nothing":             l.bare("127.0.0.1", ""),
		"half a line":         l.bare("127.0.0.1", header("1")[:20]),
		"half a block":        l.bare("127.0.0.1", v2+"\x00\x0c\xc0\x00"),
		"silence behind":      l.bare("127.0.0.1", header("2")),
		"half a ClientHello":  l.bare("127.0.0.1", header("3")+said[:30]),
		"nothing but a hello": l.bare("127.0.0.1", header("4")+said),
		"no header, no proxy": l.bare("127.0.0.2", said),
	}
	for range 20 {
		l.behind("127.0.0.1", header("4")).turnedAway("", 0)
	}

	l.bare("127.0.0.1", "PROXY TCP4 "+strings.Repeat("1", 100)).wantClosed("an endless line", "")
	l.bare("127.0.0.1", v2+"\xff\xff").wantClosed("an endless block", "")
	l.bare("127.0.0.1", said).wantClosed("no header of a proxy", "")
	l.bare("127.0.0.3", header("5")).wantClosed("a line of nobody's proxy", "use https://")
	l.bare("127.0.0.4", v2+"\x00\x00").wantClosed("a block of nobody's proxy", "")
	l.bare("127.0.0.1", header("5")+head("GET /")).wantClosed("plain text behind a header", "use https://")
	l.bare("127.0.0.1", header("6")+"\x80\x2e\x01").wantClosed("no TLS behind a header", "")

	l.bare("127.0.0.1", header("7")+said[:30]).nc.Close()
	l.bare("127.0.0.1", header("8")+said).nc.Close()
	hostile.Reset(l.bare("127.0.0.1", header("9")+said).nc)
	stranger := *l
	stranger.tls = &tls.Config{} // that trusts the system's authorities only
	if err := stranger.behind("127.0.0.1", header("10")).nc.(*tls.Conn).Handshake(); err == nil {
		t.Error("a stranger trusts the certificate")
	}
	quiet := l.behind("127.0.0.1", header("11"))
	if err := quiet.nc.(*tls.Conn).Handshake(); err != nil {
		t.Error(err)
	}
	quiet.nc.Close()
	page, player := l.behind("127.0.0.1", header("12")), l.behind("127.0.0.1", header("13"))
	page.ask(head("GET /v1/rooms"), http.StatusOK)
	player.ask(upgrade(), http.StatusSwitchingProtocols)
	l.behind("127.0.0.1", header("12")).turnedAway("", 0)
	l.behind("127.0.0.1", header("13")).turnedAway("", 0)
	page.nc.Close()
	hostile.Reset(player.nc)

	for name, g := range slow {
		if _, err := io.Copy(io.Discard, g.nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s stays open", name)
		}
	}
	eventually(t, "all places are free", func() bool {
		s := l.gate.Stats()
		return s.Conns == 0 && s.Addrs == 0
	})
	for _, of := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13") {
		l.behind("127.0.0.1", header(of)).ask(upgrade(), http.StatusSwitchingProtocols)
	}
	s := l.gate.Stats()
	if s.Conns != 13 || s.Addrs != 13 || s.Refused[gate.AddrFull] != 22 || s.Refused[gate.BadProxy] != 6 {
		t.Errorf("%+v", s)
	}
	l.end()
	eventually(t, "the server is empty", func() bool {
		s := l.gate.Stats()
		return s.Conns == 0 && s.Addrs == 0
	})
}
