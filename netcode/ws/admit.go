package ws

import (
	"time"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
)

// stay is the connection's place at the gate.
func (c *Conn) stay() *gate.Stay { return c.lc.Keeper().(*gate.Stay) }

// admit asks the gate about a request. An upgraded connection counts for its
// client, whoever brought it.
func (c *Conn) admit(req *Request, upgrade bool, now time.Duration) *RejectError {
	g, stay := c.server.cfg.Gate, c.stay()
	req.client = req.remote.Addr().Unmap()
	if why := stay.Refused(); why != gate.Welcome {
		if probe := c.server.cfg.Probe; probe != nil && !upgrade && probe(req.Path()) {
			return nil
		}
		return tooMany(why)
	}
	if g.Trusted(req.client) {
		req.client = g.Client(req.client, req.ForwardedFor())
	}
	if !upgrade {
		return nil
	}
	why := stay.Claim(req.client)
	if why == gate.Welcome {
		why = g.Handshake(now, req.client)
	}
	if why != gate.Welcome {
		return tooMany(why)
	}
	return nil
}

func tooMany(why gate.Refusal) *RejectError {
	return &RejectError{Status: why.Status(), Text: why.Text(), RetryAfter: why.RetryAfter(), why: RejectGate}
}

// preface is the handler of a proxy's connection until its PROXY header is read.
type preface struct {
	server *Server
	next   func(*loop.Conn) loop.Handler
}

func newPreface(s *Server, lc *loop.Conn, next func(*loop.Conn) loop.Handler) *preface {
	lc.SetTimer(loop.Now() + s.cfg.HeadTimeout)
	return &preface{s, next}
}

// Read implements loop.Handler.
func (p *preface) Read(lc *loop.Conn, b []byte) int {
	size, source, err := gate.ReadProxy(b)
	switch {
	case err != nil:
		p.fail(lc, err)
	case size > 0:
		if source.IsValid() {
			lc.SetRemoteAddr(source)
			if !lc.Keeper().(*gate.Stay).Arrive(source.Addr()) {
				lc.Close(nil)
				return size
			}
		}
		h := p.next(lc)
		if h == nil {
			lc.Close(nil)
			return size
		}
		lc.SetHandler(h)
	}
	return size
}

// Timer implements loop.Handler.
func (p *preface) Timer(lc *loop.Conn, _ time.Duration) { p.fail(lc, gate.ErrProxy) }

// fail hangs up: who expects no PROXY header to be read does not expect an answer.
func (p *preface) fail(lc *loop.Conn, err error) {
	p.server.cfg.Gate.Count(gate.BadProxy, lc.RemoteAddr().Addr())
	lc.Close(err)
}

// Closed implements loop.Handler.
func (p *preface) Closed(*loop.Conn, error) {}
