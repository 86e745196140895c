package ws

import (
	"net/netip"
	"strings"
)

// Request is what Config.Open and Config.Route may know of the client's request.
// It is valid until they return; every method copies what it returns, so that
// strings live on and headers that nobody asks for cost nothing.
type Request struct {
	head        head
	subprotocol string
	deflate     bool
	remote      netip.AddrPort
	client      netip.Addr
}

// Path is the request path as sent, without the query.
func (r *Request) Path() string { return string(r.head.path) }

// Query is the raw query string, without the question mark.
func (r *Request) Query() string { return string(r.head.query) }

// Host is the Host header.
func (r *Request) Host() string { return r.Header("Host") }

// Origin is the Origin header; "" for a client that is no browser.
func (r *Request) Origin() string { return r.Header("Origin") }

// Authorization is the Authorization header.
func (r *Request) Authorization() string { return r.Header("Authorization") }

// Cookie is the Cookie header.
func (r *Request) Cookie() string { return r.Header("Cookie") }

// ForwardedFor is X-Forwarded-For, several headers joined by ", ". Any client
// can send it: ClientAddr tells what is to be believed of it.
func (r *Request) ForwardedFor() string { return r.head.list("X-Forwarded-For") }

// Header is the first header of that name, in any case; "" when there is none.
func (r *Request) Header(name string) string {
	v, _ := r.head.field(name)
	return string(v)
}

// KeepAlive reports whether the connection stays for another request after this
// one (RFC 9112 9.3). Clients of HTTP/1.0 would have to be told so: theirs end.
func (r *Request) KeepAlive() bool {
	if string(r.head.proto) == "HTTP/1.0" {
		return false
	}
	for option := range strings.SplitSeq(r.head.list("Connection"), ",") {
		if strings.EqualFold(strings.Trim(option, " \t"), "close") {
			return false
		}
	}
	return true
}

// Subprotocol is the one selected: Config.Subprotocol or "".
func (r *Request) Subprotocol() string { return r.subprotocol }

// RemoteAddr is the peer's address as the socket, or a PROXY header, tells it.
func (r *Request) RemoteAddr() netip.AddrPort { return r.remote }

// ClientAddr is the address that the request comes from: the peer's, or what
// proxies that Config.Gate trusts say, without a port.
func (r *Request) ClientAddr() netip.AddrPort {
	if r.client == r.remote.Addr().Unmap() {
		return r.remote
	}
	return netip.AddrPortFrom(r.client, 0)
}
