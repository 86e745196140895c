package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

// guest is a connection that speaks HTTP by hand.
type guest struct {
	t      *testing.T
	nc     net.Conn
	br     *bufio.Reader
	before string // goes in front of what is sent first
}

// guest connects from an address of this machine.
func (l *live) guest(from string) *guest {
	l.t.Helper()
	return l.behind(from, "")
}

// behind connects as a proxy does that sends a PROXY header first, before TLS.
func (l *live) behind(from, header string) *guest {
	l.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	if l.tls != nil {
		io.WriteString(nc, header)
		c := l.tls.Clone()
		c.ServerName = "127.0.0.1"
		nc, header = tls.Client(nc, c), ""
	}
	return &guest{l.t, nc, bufio.NewReader(nc), header}
}

// head is a request with further header lines.
func head(line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: roomd\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

func upgrade(fields ...string) string {
	return head("GET "+socketPath, append(fields, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: "+wire.Subprotocol)...)
}

// ask sends bytes and expects a response with that status. It reads the body if
// that has an end.
func (g *guest) ask(what string, want int) *http.Response {
	g.t.Helper()
	io.WriteString(g.nc, g.before+what)
	g.before = ""
	resp, err := http.ReadResponse(g.br, nil)
	if err != nil {
		g.t.Fatalf("no response: %v", err)
	}
	if resp.StatusCode != want {
		g.t.Fatalf("status %d, want %d", resp.StatusCode, want)
	}
	if resp.ContentLength > 0 {
		io.Copy(io.Discard, resp.Body)
	}
	if (want == http.StatusTooManyRequests || want == http.StatusServiceUnavailable) && resp.Header.Get("Retry-After") < "1" {
		g.t.Errorf("%d without Retry-After", want)
	}
	return resp
}

// wantRefused waits for the counter of a reason, read from /metrics.
func (l *live) wantRefused(reason string, n int) {
	l.t.Helper()
	want := fmt.Sprintf("\nroomd_refused_total{reason=%q} %d\n", reason, n)
	if _, text := l.get(metricsPath); !strings.Contains(text, want) {
		i := strings.Index(text, "# TYPE roomd_refused_total")
		l.t.Errorf("no line %q in\n%.700s", want, text[max(i, 0):])
	}
}

func (l *live) held() int { return l.gate.Stats().Conns }

func TestConnectionsAreBounded(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxConns = 2
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"})
		page := l.guest("127.0.0.1") // on the HTTP routes, but a connection
		page.ask(head("GET /v1/rooms"), http.StatusOK)
		for _, line := range []string{"GET /", "GET /v1/rooms", "POST " + sessionsPath, "GET " + metricsPath + "x"} {
			l.guest("127.0.0.1").ask(head(line), http.StatusServiceUnavailable)
		}
		l.guest("127.0.0.1").ask(upgrade(), http.StatusServiceUnavailable)
		for _, probe := range []string{healthPath, readyPath} { // who is full is not ill
			if status, text := l.get(probe); status != http.StatusOK {
				t.Errorf("%s: %d %q", probe, status, text)
			}
		}
		l.wantRefused("connections", 8)
		page.nc.Close()
		eventually(t, "the page's connection is gone", func() bool { return l.held() == 1 })
		bob := l.join(client.Config{Kind: "walkers"})
		bob.nc.Close()
		eventually(t, "the player's connection is gone", func() bool { return l.held() == 1 })
		ann.wantNoGap()
		if text := l.logs.String(); strings.Count(text, "clients are turned away") != 1 {
			t.Errorf("one warning is enough, and one is needed:\n%s", text)
		}
	})
}

// A connection that is one too many gets its probe, and nothing behind it.
func TestOneTooManyGetsAProbeOnly(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxConns = 1
		l := run(t, cfg)
		l.join(client.Config{Kind: "walkers"})
		for line, want := range map[string]int{
			"GET " + healthPath: http.StatusOK, "POST " + healthPath: http.StatusMethodNotAllowed,
			"OPTIONS " + readyPath: http.StatusMethodNotAllowed, "DELETE " + metricsPath: http.StatusMethodNotAllowed,
		} {
			g := l.guest("127.0.0.1")
			if !g.ask(head(line, "Content-Length: 0")+head("GET /v1/rooms"), want).Close {
				t.Errorf("the connection stays after %s", line)
			} else if b, err := io.ReadAll(g.br); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("behind %s: %q, %v", line, b, err)
			}
		}
	})
}

func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxConnsPerAddr, cfg.countLoopback = 2, true
		l := run(t, cfg)
		first := l.guest("127.0.0.2")
		first.ask(upgrade(), http.StatusSwitchingProtocols)
		page := l.guest("127.0.0.2")
		page.ask(head("GET /v1/rooms"), http.StatusOK)
		l.guest("127.0.0.2").turnedAway(upgrade(), http.StatusTooManyRequests)
		l.guest("127.0.0.2").turnedAway(head("GET /v1/rooms"), http.StatusTooManyRequests)
		l.guest("127.0.0.3").ask(upgrade(), http.StatusSwitchingProtocols)
		page.ask(head("GET /v1/rooms"), http.StatusOK) // who is in stays in
		first.nc.Close()
		eventually(t, "the first is gone", func() bool { return l.held() == 2 })
		l.guest("127.0.0.2").ask(upgrade(), http.StatusSwitchingProtocols)
		l.wantRefused("address_connections", 2)
	})
}

// A school's NAT at the defaults: everybody comes at once, with a page and a
// WebSocket each.
func TestManyBehindOneAddress(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.countLoopback = true
		l := run(t, cfg)
		for range 120 {
			l.guest("127.0.0.2").ask(head("GET /v1/rooms"), http.StatusOK)
			l.guest("127.0.0.2").ask(upgrade(), http.StatusSwitchingProtocols)
		}
	})
}

func TestHandshakesAreBounded(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxHandshakesPerAddr, cfg.countLoopback = 1, true
		l := run(t, cfg)
		refused := 0
		for range 100 { // four at once and one a second: not all of them
			g := l.guest("127.0.0.2")
			io.WriteString(g.nc, upgrade())
			resp, err := http.ReadResponse(g.br, nil)
			if err != nil && l.tls != nil { // before its handshake
				refused++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "1" {
				refused++
			}
			g.nc.Close()
		}
		if refused < 50 {
			t.Errorf("%d of 100 refused", refused)
		}
		if len(l.Rooms()) > 0 {
			t.Error("rooms came of it")
		}
		for tries := 0; ; tries++ {
			g := l.guest("127.0.0.2")
			io.WriteString(g.nc, head("POST "+sessionsPath, "Content-Length: 0"))
			resp, err := http.ReadResponse(g.br, nil)
			if err != nil && l.tls != nil {
				break
			}
			if err != nil || tries > 100 {
				t.Fatalf("sessions are not bounded: %v", err)
			}
			if resp.StatusCode == http.StatusTooManyRequests {
				break
			}
		}
		l.guest("127.0.0.3").ask(upgrade(), http.StatusSwitchingProtocols)
	})
}

// addresses has Admit collect where players come from.
func addresses(cfg *Config) chan netip.AddrPort {
	from := make(chan netip.AddrPort, 16)
	cfg.Admit = func(_ context.Context, req AdmitRequest) (Admission, error) {
		from <- req.RemoteAddr
		return Admission{}, nil
	}
	return from
}

// greet says hello on an upgraded connection: a masked frame whose mask is zero.
func (g *guest) greet() {
	b := hello(wire.Hello{Kind: "walkers", Room: "r"})
	g.nc.Write(append([]byte{0x82, 0x80 | byte(len(b)), 0, 0, 0, 0}, b...))
}

// One address has its share of the calls of Admit, so that others join beside it.
func TestAdmitsOfAnAddressAreBounded(t *testing.T) {
	never, asked := make(chan struct{}), make(chan netip.Addr, maxAdmits)
	l := run(t, Config{countLoopback: true, Admit: func(_ context.Context, req AdmitRequest) (Admission, error) {
		asked <- req.RemoteAddr.Addr()
		<-never
		return Admission{}, nil
	}})
	defer close(never)
	for range maxAdmits {
		g := l.guest("127.0.0.2")
		g.ask(upgrade(), http.StatusSwitchingProtocols)
		g.greet()
	}
	refused := func() bool { return l.count.byes[wire.ByeFull].Load() > 0 }
	eventually(t, "some are asked, others refused", func() bool { return refused() || len(asked) == maxAdmits })
	other := l.guest("127.0.0.3")
	other.ask(upgrade(), http.StatusSwitchingProtocols)
	other.greet()
	for {
		select {
		case a := <-asked:
			if a.String() == "127.0.0.3" {
				return
			}
		case <-time.After(patience):
			t.Fatal("nobody else can join")
		}
	}
}

// Proxies that keep connections send an upgrade by any of them. Its connection has
// the place that it had.
func TestUpgradeBehindOtherRequests(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.MaxConnsPerAddr, cfg.countLoopback = 1, true
		from := addresses(&cfg)
		l := run(t, cfg)
		g := l.guest("127.0.0.2")
		g.ask(head("GET /v1/rooms"), http.StatusOK)
		g.ask(head("GET "+socketPath), http.StatusNotFound)
		g.ask(upgrade(), http.StatusSwitchingProtocols)
		g.greet()
		wantFrom(t, from, g.nc.LocalAddr().String())
		if first, err := g.br.ReadByte(); first != 0x82 {
			t.Errorf("%x, %v instead of a message", first, err)
		}
		l.guest("127.0.0.2").turnedAway(upgrade(), http.StatusTooManyRequests)
		g.nc.Close()
		eventually(t, "its place is free", func() bool { s := l.gate.Stats(); return s.Conns == 0 && s.Addrs == 0 })
		g = l.guest("127.0.0.2")
		g.ask(head("GET /v1/rooms"), http.StatusOK)
		g.ask(upgrade("Transfer-Encoding: chunked")+"0\r\n\r\n", http.StatusBadRequest)
		g.ask(upgrade("Origin: https://evil.example"), http.StatusForbidden)
	})
}

func wantFrom(t *testing.T, from chan netip.AddrPort, want string) {
	t.Helper()
	select {
	case a := <-from:
		if a.Addr().String() != want && a.String() != want {
			t.Errorf("a player from %v, want %s", a, want)
		}
	case <-time.After(patience):
		t.Fatal("nobody came")
	}
}

func TestProxiesAreBelieved(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.TrustProxy, cfg.MaxConnsPerAddr = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, 1
		from := addresses(&cfg)
		l := run(t, cfg)
		by := func(hops string) string { return "X-Forwarded-For: " + hops }
		ann := l.guest("127.0.0.1")
		ann.ask(upgrade(by("192.0.2.1")), http.StatusSwitchingProtocols)
		ann.greet()
		wantFrom(t, from, "192.0.2.1")
		l.guest("127.0.0.1").ask(upgrade(by("8.8.8.8"), by("192.0.2.1, 127.0.0.1")), http.StatusTooManyRequests)

		liar := l.guest("127.0.0.2") // no proxy of ours
		liar.ask(upgrade(by("192.0.2.2")), http.StatusSwitchingProtocols)
		liar.greet()
		wantFrom(t, from, liar.nc.LocalAddr().String())

		// The proxy's connections to the HTTP routes are nobody's; sessions are.
		post := func(hops string, want int) *http.Response {
			t.Helper()
			b := hello(wire.Hello{Kind: "walkers", Room: "r"})
			return l.guest("127.0.0.1").ask(head("POST "+sessionsPath, by(hops), fmt.Sprint("Content-Length: ", len(b)))+string(b), want)
		}
		at := post("192.0.2.3", http.StatusCreated).Header.Get("Location")
		wantFrom(t, from, "192.0.2.3")
		post("192.0.2.3", http.StatusTooManyRequests)
		post("192.0.2.1", http.StatusTooManyRequests)
		for range 3 {
			l.guest("127.0.0.1").ask(head("GET /v1/rooms", by("192.0.2.4")), http.StatusOK)
		}
		l.guest("127.0.0.1").ask(head("DELETE "+at, by("192.0.2.3")), http.StatusNoContent)

		// Streams, which the loop serves, count for their readers.
		watch := head("GET "+roomsPath+"r/spectate", by("192.0.2.3"))
		reader := l.guest("127.0.0.1")
		reader.ask(watch, http.StatusOK)
		l.guest("127.0.0.1").ask(watch, http.StatusTooManyRequests)
		reader.nc.Close()
		eventually(t, "the reader is gone", func() bool { return l.watched() == 0 })
		l.guest("127.0.0.1").ask(watch, http.StatusOK)

		// A connection that polls counts for whom it polls at the time.
		poll := l.guest("127.0.0.1")
		for i := range 3 {
			poll.ask(head("GET "+roomsPath+"r/poll?wait=5", by(fmt.Sprint("192.0.2.", 10+i))), http.StatusOK)
		}
		poll.ask(head("GET "+roomsPath+"r/poll?wait=5", by("192.0.2.1")), http.StatusTooManyRequests)
	})
}

func TestProxyProtocol(t *testing.T) {
	const v1 = "PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n"
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x02\x7f\x00\x00\x01\x12\x67\x00\x50"
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.TrustProxy, cfg.ProxyProtocol, cfg.MaxConnsPerAddr = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, true, 1
		from := addresses(&cfg)
		l := run(t, cfg)
		ann := l.behind("127.0.0.1", v1)
		ann.ask(upgrade(), http.StatusSwitchingProtocols)
		ann.greet()
		wantFrom(t, from, "192.0.2.1:4711")
		l.behind("127.0.0.1", v1).turnedAway(upgrade(), http.StatusTooManyRequests)

		bob := l.behind("127.0.0.1", v2)
		all := bob.before + upgrade("X-Forwarded-For: 8.8.8.8")
		bob.before = ""
		for i := range len(all) - 1 {
			bob.nc.Write([]byte{all[i]})
		}
		bob.ask(all[len(all)-1:], http.StatusSwitchingProtocols)
		bob.greet()
		wantFrom(t, from, "192.0.2.2:4711")

		other := strings.Replace(v1, "192.0.2.1", "192.0.2.3", 1)
		page := l.behind("127.0.0.1", other) // net/http is not shown the header
		page.ask(head("GET /v1/rooms"), http.StatusOK)
		l.behind("127.0.0.1", other).turnedAway(head("GET /v1/rooms"), http.StatusTooManyRequests)
		l.behind("127.0.0.1", "PROXY UNKNOWN\r\n").ask(head("GET /v1/rooms"), http.StatusOK)

		direct := l.guest("127.0.0.2")
		direct.ask(upgrade(), http.StatusSwitchingProtocols)
		l.guest("127.0.0.2").ask(v1+upgrade(), http.StatusBadRequest)
		bare := l.guest("127.0.0.1")
		io.WriteString(bare.nc, upgrade())
		if b, _ := io.ReadAll(bare.nc); len(b) > 0 {
			t.Errorf("a proxy without a header got %q", b)
		}
		if s := l.gate.Stats(); s.Refused[5] != 1 || s.Refused[2] != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTooManyBytes(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		// A room that ticks reads its players so seldom that they cannot send as much on
		// every engine.
		cfg.Kinds = []*game.Kind{walkers, nappers}
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers", Room: "r"})
		s := l.join(client.Config{Kind: "nappers"})
		big := array(40, wire.AppendBin(nil, make([]byte, wire.MaxMessage-100))) // a kind of later versions
		// Enough of them, wherever a second begins.
		for range 4 * maxBytesPerSecond / len(big) {
			s.send(big)
		}
		if text := s.wantBye(wire.ByeTooFast); text != "too many bytes" {
			t.Errorf("told %q", text)
		}
		healthy.wantNoGap()
		l.wantRefused("bytes", 1)
	})
}

// The first head of a connection is bounded by the WebSocket layer, further ones
// by net/http.
func TestEndlessHeads(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		endless := "GET /v1/rooms HTTP/1.1\r\nHost: roomd\r\nX: " + strings.Repeat("x", 4*maxHead)
		l.guest("127.0.0.1").ask(endless, http.StatusRequestHeaderFieldsTooLarge)
		g := l.guest("127.0.0.1")
		g.ask(head("GET /v1/rooms"), http.StatusOK)
		g.ask(endless, http.StatusRequestHeaderFieldsTooLarge)
	})
}

func TestWarnsOfTooFewFiles(t *testing.T) {
	if openFiles() == 0 {
		t.Skip("this system tells no limit of open files")
	}
	for conns, want := range map[int]bool{0: false, -1: false, openFiles(): true} {
		l := run(t, Config{MaxConns: conns})
		if got := strings.Contains(l.logs.String(), "RLIMIT_NOFILE"); got != want {
			t.Errorf("MaxConns %d: warned is %v", conns, got)
		}
	}
}

func TestDefaultConns(t *testing.T) {
	for limit, want := range map[int]int{0: mostConns, 64: 32, 1024: 832, 20000: 18622, 1 << 30: mostConns} {
		if got := defaultConns(limit); got != want {
			t.Errorf("%d connections with %d files, want %d", got, limit, want)
		}
	}
}
