// Package gate decides who may connect: how many connections there are in all
// and of each address, how many handshakes a second, and which address a
// connection through proxies comes from.
//
// An address is an IPv4 address or the first 64 bits of an IPv6 address, which is
// what one customer has at least. Trusted proxies are nobody's address, and
// neither are loopback addresses: behind them are other programs of this machine,
// with many clients each.
//
// What is kept for an attacker is bounded: a count for each address that has a
// connection, and a table of constant size for the rates. Times are arguments;
// any goroutine may call anything here.
package gate

import (
	"net/netip"
	"sync"
	"time"
)

// Config says what a Gate lets through. The zero value lets everything through.
// It is copied by New.
type Config struct {
	// MaxConns bounds the connections, MaxConnsPerAddr those of one address; 0 is
	// no bound.
	MaxConns        int
	MaxConnsPerAddr int
	// Handshakes bounds the handshakes a second, HandshakesPerAddr those of one
	// address; 0 is no bound. Up to four seconds' worth may come at once. TLS
	// handshakes are counted apart, and there may be four times as many.
	Handshakes        int
	HandshakesPerAddr int
	// Trust are the proxies whose word on where a request comes from counts.
	Trust []netip.Prefix
	// CountLoopback has loopback addresses counted like others.
	CountLoopback bool
	// Refused hears of each refusal, with the gate locked: it must be quick and not
	// call it. It may be nil.
	Refused func(why Refusal, addr netip.Addr)
}

const (
	// MaxTurned bounds the connections that are kept, beside Config.MaxConns, only to
	// be told that they are one too many; further ones are closed without a word.
	MaxTurned = 64
	// burstSeconds is how many seconds' worth of handshakes may come at once.
	burstSeconds = 4
	// securePerHandshake is how many TLS handshakes there may be for each handshake:
	// a page opens connections of its own.
	securePerHandshake = 4
)

// Gate counts. Make it with New.
type Gate struct {
	cfg Config

	mu      sync.Mutex
	conns   int
	turned  int
	of      map[key]int32 // connections of each address that has any
	shaken  budget        // of Handshake
	secured budget        // of Secure
	refused [refusals]uint64
}

// New makes a gate.
func New(cfg Config) *Gate {
	if cfg.Refused == nil {
		cfg.Refused = func(Refusal, netip.Addr) {}
	}
	return &Gate{cfg: cfg, of: map[key]int32{}, shaken: newBudget(1), secured: newBudget(securePerHandshake)}
}

// Stay is one connection, or something else that an address has only so many
// of, from its beginning to Gone.
type Stay struct {
	g      *Gate
	of     key     // whose it is; the zero key is nobody
	why    Refusal // not Welcome: it is here to be told so
	inside bool    // counted in Gate.conns
	over   bool
}

// Enter takes in a connection from peer. A Stay that is Refused is there to tell
// the client why; nil means that there are too many of those, and the connection
// is to be closed.
func (g *Gate) Enter(peer netip.Addr) *Stay {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &Stay{g: g}
	if g.cfg.MaxConns > 0 && g.conns >= g.cfg.MaxConns {
		s.why = g.refuse(Full, peer)
	} else {
		s.why = s.claim(peer)
	}
	if s.why == Welcome {
		s.inside = true
		g.conns++
	} else if !s.turn() {
		return nil
	}
	return s
}

// Arrive is told by a proxy whose connection it is, before anything else comes
// by it. Then it may be Refused, as after Enter; false asks to close it.
func (s *Stay) Arrive(from netip.Addr) bool {
	if s.why != Welcome {
		return true
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.why = s.claim(from); s.why == Welcome {
		return true
	}
	s.inside = false
	g.conns--
	return s.turn()
}

// turn keeps a connection that is one too many, if there are not too many of those.
func (s *Stay) turn() bool {
	if s.g.turned >= MaxTurned {
		s.over = true
		return false
	}
	s.g.turned++
	return true
}

// Hold takes in something of an address that is no connection of its own.
func (g *Gate) Hold(addr netip.Addr) (*Stay, Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &Stay{g: g}
	return s, s.claim(addr)
}

// Refused is why the connection is here only to be told so; Welcome if it is not.
func (s *Stay) Refused() Refusal { return s.why }

// Claim has the connection count for addr from now on, and for nobody if addr
// has as many as it may.
func (s *Stay) Claim(addr netip.Addr) Refusal {
	if s.why != Welcome {
		return s.why
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.claim(addr)
}

// Try is Claim for what is not refused if it fails.
func (s *Stay) Try(addr netip.Addr) bool {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.why == Welcome && s.try(addr)
}

func (s *Stay) claim(addr netip.Addr) Refusal {
	if !s.try(addr) {
		return s.g.refuse(AddrFull, addr)
	}
	return Welcome
}

func (s *Stay) try(addr netip.Addr) bool {
	g := s.g
	k := g.keyOf(addr)
	if s.over || k == s.of {
		return true
	}
	s.leave()
	if k == (key{}) {
		return true
	}
	if most := g.cfg.MaxConnsPerAddr; most > 0 && int(g.of[k]) >= most {
		return false
	}
	g.of[k]++
	s.of = k
	return true
}

func (s *Stay) leave() {
	if s.of == (key{}) {
		return
	}
	if s.g.of[s.of]--; s.g.of[s.of] == 0 {
		delete(s.g.of, s.of)
	}
	s.of = key{}
}

// Gone ends the stay. Further calls do nothing.
func (s *Stay) Gone() {
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.over {
		return
	}
	s.leave()
	s.over = true
	switch {
	case s.inside:
		g.conns--
	case s.why != Welcome:
		g.turned--
	}
}

// Handshake spends one of the handshakes that addr, and all together, may make.
func (g *Gate) Handshake(now time.Duration, addr netip.Addr) Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spend(&g.shaken, now, addr)
}

// Secure spends one of the TLS handshakes that addr, and all together, may begin.
func (g *Gate) Secure(now time.Duration, addr netip.Addr) Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spend(&g.secured, now, addr)
}

func (g *Gate) spend(b *budget, now time.Duration, addr netip.Addr) Refusal {
	all, each := b.times*g.cfg.Handshakes, b.times*g.cfg.HandshakesPerAddr
	var own *rate
	if k := g.keyOf(addr); k != (key{}) && each > 0 {
		own = b.rates.of(k)
		if !own.has(now, each) {
			return g.refuse(AddrBusy, addr)
		}
	}
	if all > 0 {
		if !b.all.has(now, all) {
			return g.refuse(Busy, addr)
		}
		b.all.spend(now, all)
	}
	if own != nil {
		own.spend(now, each)
	}
	return Welcome
}

// Count counts a refusal that somebody else decided on.
func (g *Gate) Count(why Refusal, addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse(why, addr)
}

func (g *Gate) refuse(why Refusal, addr netip.Addr) Refusal {
	g.refused[why]++
	g.cfg.Refused(why, addr)
	return why
}

// Stats are the counters of a Gate.
type Stats struct {
	Conns   int // that count towards Config.MaxConns, now
	Addrs   int // addresses that have any, now
	Refused [refusals]uint64
}

// Stats may be called from any goroutine.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Conns: g.conns, Addrs: len(g.of), Refused: g.refused}
}
