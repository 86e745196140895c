package server

import (
	"net"
	"net/netip"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure"
)

// listen opens the port, on the first loop. Limits and PROXY headers come before
// TLS.
func (s *Server) listen() (net.Addr, error) {
	if s.secure == nil {
		return s.ws.Serve(s.loops[0], s.cfg.Listen)
	}
	addr, err := s.loops[0].Listen(s.cfg.Listen, func(c *loop.Conn) loop.Handler { return s.ws.Front(c, s.beginTLS) })
	if err == nil {
		s.secure.Obtain()
	}
	return addr, err
}

// beginTLS takes a connection that went through ws.Server.Front. To tell one that
// it is too many would take a handshake, so it is closed: but not where it counts
// for nobody, since probes come from there.
func (s *Server) beginTLS(c *loop.Conn) loop.Handler {
	refused := c.Keeper().(*gate.Stay).Refused() != gate.Welcome
	if refused && s.gate.Counts(c.RemoteAddr().Addr()) {
		return nil
	}
	return s.secure.Accept(c)
}

// mayHandshake implements secure.Config.Admit.
func (s *Server) mayHandshake(c *loop.Conn) bool {
	return s.gate.Secure(loop.Now(), c.RemoteAddr().Addr()) == gate.Welcome
}

// source implements secure.Config.Source.
func (s *Server) source(c *loop.Conn) netip.Addr { return s.gate.Source(c.RemoteAddr().Addr()) }

// secured takes a connection that got through the gate.
func (s *Server) secured(nc net.Conn) {
	if err := s.ws.Attach(s.loops[0], nc); err != nil {
		nc.Close()
	}
}

// tls exports what TLS counts.
func (c *collector) tls(m emitter) {
	if c.srv.secure == nil {
		return
	}
	s := c.srv.secure.Stats()
	for r, n := range s.Results {
		m.labelled("tls_handshakes_total", "Connections that were to speak TLS, by what came of it.", "result", secure.Result(r).String(), n)
	}
	m.gauge("tls_handshakes", "Handshakes under way.", float64(s.Busy))
	m.gauge("tls_waiting", "Connections that wait for a handshake to end.", float64(s.Waiting))
	m.counter("tls_reloads_total", "Changed certificates, and those by ACME, taken into use.", s.Reloads)
	m.counter("tls_reloads_failed_total", "Changed certificates that could not be used, and by ACME attempts that failed and renewals that are late.", s.Failures)
	if !s.Expires.IsZero() {
		m.gauge("tls_certificate_expiry_timestamp_seconds", "When the certificate in use ends, the first of them.", float64(s.Expires.Unix()))
	}
}
