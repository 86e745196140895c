package gate

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// block is a PROXY header of version 2.
func block(command, family byte, body ...byte) string {
	b := append([]byte(proxySignature), 0x20|command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...))
}

var (
	ipv4 = []byte{192, 0, 2, 1, 10, 0, 0, 1, 0x1f, 0x90, 0, 80}
	ipv6 = append(append([]byte{0x20, 1, 0xd, 0xb8, 15: 1, 31: 2}, 0x1f, 0x90), 0, 80)
)

func TestReadProxy(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"version 1", "PROXY TCP4 192.0.2.1 10.0.0.1 8080 80\r\n", "192.0.2.1:8080"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::1 ::2 8080 80\r\n", "[2001:db8::1]:8080"},
		{"version 1, mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::2 8080 80\r\n", "192.0.2.1:8080"},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "none"},
		{"version 1, unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "none"},
		{"version 2", block(1, 0x11, ipv4...), "192.0.2.1:8080"},
		{"version 2, IPv6", block(1, 0x21, ipv6...), "[2001:db8::1]:8080"},
		{"version 2 with more", block(1, 0x11, append(ipv4, 4, 0, 1, 0)...), "192.0.2.1:8080"},
		{"version 2, local", block(0, 0), "none"},
		{"version 2, local with addresses", block(0, 0x11, ipv4...), "none"},
		{"version 2, a Unix socket", block(1, 0x31, make([]byte, 216)...), "none"},
		{"version 2, too short", block(1, 0x11, ipv4[:11]...), "error"},
		{"version 2, too long", block(1, 0, make([]byte, maxProxyBlock+1)...), "error"},
		{"version 3", strings.Replace(block(1, 0x11, ipv4...), "\x21", "\x31", 1), "error"},
		{"another command", block(2, 0x11, ipv4...), "error"},
		{"a request", "GET / HTTP/1.1\r\n\r\n", "error"},
		{"an endless line", "PROXY " + strings.Repeat("x", 200), "error"},
		{"an address missing", "PROXY TCP4 192.0.2.1 8080 80\r\n", "error"},
		{"the wrong family", "PROXY TCP6 192.0.2.1 10.0.0.1 8080 80\r\n", "error"},
		{"no port", "PROXY TCP4 192.0.2.1 10.0.0.1 80800 80\r\n", "error"},
		{"a port of another form", "PROXY TCP4 192.0.2.1 10.0.0.1 080 80\r\n", "error"},
		{"two spaces", "PROXY  TCP4 192.0.2.1 10.0.0.1 8080 80\r\n", "error"},
		{"a name", "PROXY TCP4 localhost 10.0.0.1 8080 80\r\n", "error"},
	} {
		size, got, err := ReadProxy([]byte(c.in + "GET / HTTP/1.1\r\n"))
		want := netip.AddrPort{}
		if c.want != "none" && c.want != "error" {
			want = netip.MustParseAddrPort(c.want)
		}
		if (err != nil) != (c.want == "error") || err == nil && (size != len(c.in) || got != want) {
			t.Errorf("%s: %d bytes, %v, %v", c.name, size, got, err)
		}
		for n := range c.in { // what comes byte by byte is read once it is there
			if size, _, err := ReadProxy([]byte(c.in[:n])); c.want != "error" && (size != 0 || err != nil) {
				t.Errorf("%s: %d bytes of it are %d, %v", c.name, n, size, err)
				break
			}
		}
	}
}

func FuzzReadProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 10.0.0.1 8080 80\r\n"))
	f.Add([]byte(block(1, 0x21, ipv6...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, at, err := ReadProxy(b)
		if size < 0 || size > len(b) || size > proxyFixed+maxProxyBlock || err != nil && (size != 0 || at.IsValid()) {
			t.Fatalf("%d of %d bytes, %v, %v", size, len(b), at, err)
		}
		if size == 0 && err == nil && len(b) >= proxyFixed+maxProxyBlock {
			t.Fatal("asks for more and more")
		}
		if size > 0 {
			if again, at2, err := ReadProxy(b[:size]); again != size || at2 != at || err != nil {
				t.Fatalf("%d bytes alone are %d, %v, %v", size, again, at2, err)
			}
		}
	})
}
