package gate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol, versions 1 and 2, as
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt has it.

const (
	// maxProxyLine bounds a header of version 1, in bytes with its CRLF (section
	// 2.1).
	maxProxyLine = 107
	// maxProxyBlock bounds one of version 2, in bytes behind its first 16: the
	// addresses, and further fields that are skipped.
	maxProxyBlock = 2048

	proxyLineStart = "PROXY "
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = len(proxySignature) + 4
)

// ErrProxy is returned for what is no PROXY header.
var ErrProxy = errors.New("gate: no valid PROXY header")

// ReadProxy reads the PROXY header at the front of b and returns its size and the
// address that it names, the zero AddrPort if it names none: the proxy speaks for
// itself, or for something without an IP address. Size 0 without an error asks
// for the same bytes with more behind them.
func ReadProxy(b []byte) (size int, source netip.AddrPort, err error) {
	switch {
	case begins(b, proxyLineStart):
		return readProxyLine(b)
	case begins(b, proxySignature):
		return readProxyBlock(b)
	}
	return 0, netip.AddrPort{}, ErrProxy
}

// begins reports whether b, as far as it has come, is start.
func begins(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

// readProxyLine reads version 1 (section 2.1).
func readProxyLine(b []byte) (int, netip.AddrPort, error) {
	line, _, ok := bytes.Cut(b[:min(len(b), maxProxyLine)], []byte("\r\n"))
	if !ok {
		if len(b) >= maxProxyLine {
			return 0, netip.AddrPort{}, ErrProxy
		}
		return 0, netip.AddrPort{}, nil
	}
	size := len(line) + 2
	f := strings.Split(string(line), " ")
	if f[1] == "UNKNOWN" {
		return size, netip.AddrPort{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return 0, netip.AddrPort{}, ErrProxy
	}
	source, ok1 := proxyAddr(f[1], f[2], f[4])
	_, ok2 := proxyAddr(f[1], f[3], f[5])
	if !ok1 || !ok2 {
		return 0, netip.AddrPort{}, ErrProxy
	}
	return size, source, nil
}

func proxyAddr(family, host, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(host)
	p, err2 := strconv.ParseUint(port, 10, 16)
	ok := err == nil && err2 == nil && strconv.FormatUint(p, 10) == port && a.Is4() == (family == "TCP4") && a.Zone() == ""
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// readProxyBlock reads version 2 (section 2.2).
func readProxyBlock(b []byte) (int, netip.AddrPort, error) {
	var source netip.AddrPort
	if len(b) < proxyFixed {
		return 0, source, nil
	}
	command, family := b[len(proxySignature)], b[len(proxySignature)+1]
	length := int(binary.BigEndian.Uint16(b[len(proxySignature)+2:]))
	if command>>4 != 2 || command&15 > 1 || length > maxProxyBlock {
		return 0, source, ErrProxy
	}
	size := proxyFixed + length
	if len(b) < size {
		return 0, source, nil
	}
	body := b[proxyFixed:size]
	if command&15 == 0 { // LOCAL
		return size, source, nil
	}
	n := 0 // bytes of an address
	switch family {
	case 0x11: // TCP over IPv4
		n = 4
	case 0x21: // TCP over IPv6
		n = 16
	default: // section 2.2: what is not known is the connection as it is
		return size, source, nil
	}
	if length < 2*n+4 {
		return 0, source, ErrProxy
	}
	a, _ := netip.AddrFromSlice(body[:n])
	return size, netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(body[2*n:])), nil
}
