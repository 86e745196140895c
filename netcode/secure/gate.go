package secure

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/roomd/roomd/netcode/loop"
)

// ErrLate ends a connection whose handshake was not over in time.
var ErrLate = errors.New("secure: no handshake in time")

// Gate lets in connections that speak TLS. Every goroutine may use it, Accept
// only on the loop that listens.
type Gate struct {
	cfg   Config
	cert  certificates
	tls   *tls.Config
	count [results]atomic.Uint64

	mu     sync.Mutex
	closed bool
	busy   map[net.Conn]struct{} // handshakes under way, at most Config.Handshakes
	queue  []visitor             // the oldest first, at most Config.Waiting
	from   map[netip.Addr]int    // of both, those of each source
}

// visitor is a connection whose ClientHello is there.
type visitor struct {
	nc    *readConn
	until time.Duration
	from  netip.Addr // of Config.Source
}

// NewGate checks cfg and reads the certificate.
func NewGate(cfg Config) (*Gate, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Gate{cfg: cfg, busy: map[net.Conn]struct{}{}, from: map[netip.Addr]int{}}
	// RFC 7301. What follows reads the head of a request itself.
	g.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	var err error
	if cfg.ACME != nil {
		g.cert, err = newAuthority(*cfg.ACME, cfg.Log)
		g.tls.NextProtos = append(g.tls.NextProtos, acme.ALPNProto)
	} else {
		g.cert, err = loadCertificate(cfg.Cert, cfg.Key, cfg.Log, loop.Now())
	}
	if err != nil {
		return nil, err
	}
	g.tls.GetCertificate = g.certificate
	return g, nil
}

// certificate implements tls.Config.GetCertificate. Who comes for another host is
// told unrecognized_name (RFC 6066 section 3): crypto/tls does that when there is
// neither a certificate nor an error.
func (g *Gate) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := g.cert.get(hello)
	if errors.Is(err, ErrOtherHost) {
		hello.Conn.(*readConn).otherHost = err
		return nil, nil
	}
	return cert, err
}

// Obtain has certificates made that are missing, if Config.ACME says so. The port
// is open by then: the authority comes to it. What fails is tried again for those
// who come for it. It does not wait.
func (g *Gate) Obtain() {
	if a, ok := g.cert.(*authority); ok {
		a.begin()
	}
}

// Accept fits loop.Loop.Listen. It runs on the loop of c.
func (g *Gate) Accept(c *loop.Conn) loop.Handler {
	h := &hello{gate: g, until: loop.Now() + g.cfg.Timeout}
	c.SetTimer(h.until)
	return h
}

// Close ends the handshakes under way and those that wait, and lets nobody in any
// more.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for nc := range g.busy {
		nc.Close()
	}
	for _, v := range g.queue {
		v.nc.Close()
		g.left(v)
	}
	g.queue = nil
}

// enter begins a handshake, or has it wait for one to end. It does not block.
func (g *Gate) enter(v visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		v.nc.Close()
		return
	case v.from.IsValid() && g.from[v.from] >= g.cfg.PerSource:
	case len(g.busy) < g.cfg.Handshakes:
		g.arrived(v)
		g.busy[v.nc] = struct{}{}
		go g.work(v)
		return
	case len(g.queue) < g.cfg.Waiting:
		g.arrived(v)
		g.queue = append(g.queue, v)
		return
	}
	g.count[Refused].Add(1)
	v.nc.Close()
}

// arrived and left count v for its source.
func (g *Gate) arrived(v visitor) {
	if v.from.IsValid() {
		g.from[v.from]++
	}
}

func (g *Gate) left(v visitor) {
	if !v.from.IsValid() {
		return
	}
	if g.from[v.from]--; g.from[v.from] == 0 {
		delete(g.from, v.from)
	}
}

// work shakes hands with v, and then with those who wait. A connection is given
// away when its handshake counts no more.
func (g *Gate) work(v visitor) {
	for ok := true; ok; {
		tc := g.shake(v)
		v, ok = g.next(v)
		if tc != nil {
			g.cfg.Take(tc)
		}
	}
}

// next is who comes after v in one of the places for handshakes.
func (g *Gate) next(v visitor) (next visitor, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.busy, v.nc)
	g.left(v)
	if len(g.queue) == 0 {
		return next, false
	}
	next = g.queue[0]
	copy(g.queue, g.queue[1:])
	g.queue[len(g.queue)-1] = visitor{}
	g.queue = g.queue[:len(g.queue)-1]
	g.busy[next.nc] = struct{}{}
	return next, true
}

// shake makes one handshake and returns the connection to be given away; nil if
// none is.
func (g *Gate) shake(v visitor) *tls.Conn {
	left := v.until - loop.Now()
	err := v.nc.SetDeadline(time.Now().Add(left))
	tc := tls.Server(v.nc, g.tls)
	if err == nil {
		err = tc.Handshake()
	}
	if err == nil {
		err = v.nc.SetDeadline(time.Time{})
	}
	switch {
	case err == nil && tc.ConnectionState().NegotiatedProtocol == acme.ALPNProto:
		g.count[Done].Add(1)
		tc.Close() // RFC 8737 section 3: no data follows
		return nil
	case err == nil:
		g.count[Done].Add(1)
		return tc
	case v.nc.otherHost != nil:
		err = v.nc.otherHost
		g.count[OtherHost].Add(1)
	case errors.Is(err, os.ErrDeadlineExceeded):
		g.count[Late].Add(1)
	default:
		g.count[Failed].Add(1)
	}
	g.cfg.Log.Debug("TLS handshake failed", "peer", v.nc.RemoteAddr(), "err", err)
	v.nc.Close()
	return nil
}
