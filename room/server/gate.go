package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/netcode/gate"
)

// limitFlags bound who may connect. 0 is no bound.
type limitFlags struct {
	MaxConns             int      `default:"${conns}" help:"Connections in all; 0 for no bound. By default what the limit of open files leaves."`
	MaxConnsPerAddr      int      `default:"${addrconns}" help:"Connections of one IPv4 address or IPv6 /64; 0 for no bound."`
	MaxHandshakes        int      `default:"${handshakes}" help:"New players a second, with four TLS handshakes for each; 0 for no bound."`
	MaxHandshakesPerAddr int      `default:"${addrhandshakes}" help:"The same of one address; 0 for no bound."`
	TrustProxy           []string `placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-For tells where requests come from."`
	ProxyProtocol        bool     `help:"Connections of these proxies begin with a PROXY header, version 1 or 2, before TLS."`
}

// lay lays the flags over cfg, where 0 is the default.
func (f *limitFlags) lay(cfg *Config) error {
	for _, l := range []struct {
		name string
		flag int
		to   *int
	}{
		{"--max-conns", f.MaxConns, &cfg.MaxConns},
		{"--max-conns-per-addr", f.MaxConnsPerAddr, &cfg.MaxConnsPerAddr},
		{"--max-handshakes", f.MaxHandshakes, &cfg.MaxHandshakes},
		{"--max-handshakes-per-addr", f.MaxHandshakesPerAddr, &cfg.MaxHandshakesPerAddr},
	} {
		if l.flag < 0 {
			return fmt.Errorf("%s must not be negative; 0 is no bound", l.name)
		}
		if *l.to = l.flag; l.flag == 0 {
			*l.to = -1
		}
	}
	trust, err := gate.ParseTrust(f.TrustProxy)
	if err != nil {
		return fmt.Errorf("--trust-proxy: %w", err)
	}
	cfg.TrustProxy = append(cfg.TrustProxy, trust...)
	cfg.ProxyProtocol = cfg.ProxyProtocol || f.ProxyProtocol
	return nil
}

// spareFiles is what is to be left of a limit of open files: connections that are
// told that they are too many need some for a moment.
func spareFiles(limit int) int { return min(limit/2, fewFiles+gate.MaxTurned+limit/16) }

// defaultConns is Config.MaxConns for a limit of open files; 0 is none that is known.
func defaultConns(limit int) int {
	if limit <= 0 {
		return mostConns
	}
	return min(mostConns, limit-spareFiles(limit))
}

// warnOfFiles tells an operator that the limit of open files comes first.
func (s *Server) warnOfFiles(limit int) {
	if n := s.cfg.MaxConns; n > 0 && limit > 0 && n+spareFiles(limit) > limit {
		s.cfg.Log.Warn("the limit of open files (RLIMIT_NOFILE) is too low for so many connections: raise it, or lower --max-conns",
			"limit", limit, "max_conns", n, "fits", limit-spareFiles(limit))
	}
}

// newGate makes the gate of the configuration.
func (s *Server) newGate() *gate.Gate {
	warned := make([]atomic.Int64, len(gate.Refusals())+1) // by reason, when since s.boot
	return gate.New(gate.Config{
		MaxConns: max(s.cfg.MaxConns, 0), MaxConnsPerAddr: max(s.cfg.MaxConnsPerAddr, 0),
		Handshakes: max(s.cfg.MaxHandshakes, 0), HandshakesPerAddr: max(s.cfg.MaxHandshakesPerAddr, 0),
		Trust: s.cfg.TrustProxy, CountLoopback: s.cfg.countLoopback,
		Refused: func(why gate.Refusal, addr netip.Addr) {
			now := time.Since(s.boot)
			last := warned[why].Load()
			if last != 0 && now < time.Duration(last)+warnEvery || !warned[why].CompareAndSwap(last, int64(now)) {
				return
			}
			go s.cfg.Log.Warn("clients are turned away", "reason", why.String(), "addr", addr, "hint", hints[why])
		},
	})
}

// hints are for the operator who did not expect that.
var hints = map[gate.Refusal]string{
	gate.Full:     "see --max-conns and RLIMIT_NOFILE",
	gate.AddrFull: "if this is a proxy, name it with --trust-proxy; else see --max-conns-per-addr",
	gate.Busy:     "see --max-handshakes",
	gate.AddrBusy: "if this is a proxy, name it with --trust-proxy; else see --max-handshakes-per-addr",
	gate.BadProxy: "have the proxy send PROXY headers, or leave out --proxy-protocol",
}

// client is where a request comes from.
func (s *Server) client(r *http.Request) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	if !s.gate.Trusted(peer.Addr()) {
		return peer
	}
	if a := s.gate.Client(peer.Addr(), strings.Join(r.Header.Values("X-Forwarded-For"), ",")); a != peer.Addr().Unmap() {
		return netip.AddrPortFrom(a, 0)
	}
	return peer
}

// hold counts a request that stays for its client, unless its connection counts
// already.
func (s *Server) hold(r *http.Request) (*gate.Stay, gate.Refusal) {
	addr := s.client(r)
	if addr.Port() != 0 {
		addr = netip.AddrPort{}
	}
	return s.gate.Hold(addr.Addr())
}

// turnAway answers a request that the gate refused.
func turnAway(w http.ResponseWriter, why gate.Refusal) {
	w.Header().Set("Retry-After", strconv.Itoa(int(why.RetryAfter()/time.Second)))
	fail(w, why.Status(), why.String(), why.Text())
}

// What operators look at is served to connections that are one too many: who
// would restart a server that is merely full makes it worse.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
)

func isProbe(path string) bool {
	return path == healthPath || path == readyPath || path == metricsPath
}

// closingProbes ends the connection after the answer to a probe, or to what asks for one
// with a wrong method, so that it does not keep one of the few places that such
// connections have, nor asks for more by it.
func closingProbes(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isProbe(r.URL.Path) {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// refusals exports whom limits turned away.
func (c *collector) refusals(m emitter) {
	s := c.srv.gate.Stats()
	m.gauge("connections_held", "Connections that count towards the most there may be, those of HTTP routes included.", float64(s.Conns))
	m.gauge("connections_max", "The most there may be; 0 for no bound.", float64(max(c.srv.cfg.MaxConns, 0)))
	m.gauge("connection_addresses", "Addresses that have connections, loopback and proxies left out.", float64(s.Addrs))
	n := &c.srv.count
	by := map[string]uint64{"messages": n.messages.Load(), "bytes": n.bytes.Load(), "sessions": n.sessions.Load()}
	for _, why := range gate.Refusals() {
		by[why.String()] = s.Refused[why]
	}
	for reason, v := range by {
		m.labelled("refused_total", "Connections and sessions refused or ended by a limit, by reason.", "reason", reason, v)
	}
}
