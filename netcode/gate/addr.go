package gate

import (
	"fmt"
	"net/netip"
	"strings"
)

// key is an address as far as it is told apart from others.
type key [16]byte

// keyOf is the zero key for what is not counted.
func (g *Gate) keyOf(a netip.Addr) (k key) {
	a = a.Unmap()
	if !a.IsValid() || a.IsLoopback() && !g.cfg.CountLoopback || g.Trusted(a) {
		return key{}
	}
	k = a.As16()
	if a.Is6() {
		clear(k[8:])
		k[15] = 1 // ::/64 is not the zero key
	}
	return k
}

// Source is what connections from a are counted for: the address, or the /64 of IPv6
// that it is in; the zero Addr if they are not told apart.
func (g *Gate) Source(a netip.Addr) netip.Addr {
	k := g.keyOf(a)
	if k == (key{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(k).Unmap()
}

// Counts reports whether a is told apart from others: no trusted proxy, and no
// loopback address unless Config.CountLoopback.
func (g *Gate) Counts(a netip.Addr) bool { return g.keyOf(a) != key{} }

// Trusted reports whether a is a proxy whose word counts.
func (g *Gate) Trusted(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range g.cfg.Trust {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Client is where a request comes from that peer brought with this
// X-Forwarded-For: each proxy appends who asked it, so the last that no trusted
// proxy is made up nothing. Where the list breaks off, it is who broke it off.
func (g *Gate) Client(peer netip.Addr, forwarded string) netip.Addr {
	at := peer.Unmap()
	for forwarded != "" && g.Trusted(at) {
		i := strings.LastIndexByte(forwarded, ',')
		hop, ok := parseHop(strings.Trim(forwarded[i+1:], " \t"))
		if !ok {
			break
		}
		at, forwarded = hop, forwarded[:max(i, 0)]
	}
	return at
}

// parseHop reads an element of X-Forwarded-For: an address, which some proxies
// write with a port or in brackets.
func parseHop(s string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// ParseTrust reads proxies from a list of addresses and of prefixes in CIDR form.
func ParseTrust(list []string) ([]netip.Prefix, error) {
	var trust []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, err2 := netip.ParseAddr(s); err2 == nil {
			a = a.Unmap().WithZone("")
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no address and no prefix like 10.0.0.0/8", s)
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // peers are compared as IPv4
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		trust = append(trust, p.Masked())
	}
	return trust, nil
}
