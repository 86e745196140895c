package ws

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gobwas/ws"
)

// memory is an io.ReadWriter over a request that is already complete: gobwas's
// Upgrader would give up on a socket that has no more bytes yet.
type memory struct {
	in  []byte
	out []byte
}

func (m *memory) Read(p []byte) (int, error) {
	n := copy(p, m.in)
	m.in = m.in[n:]
	if n == 0 {
		return 0, errHeadEnded
	}
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	m.out = append(m.out, p...)
	return len(p), nil
}

// errHeadEnded cannot reach a client: a head ends with a blank line.
var errHeadEnded = errors.New("ws: request head ended early")

// upgrade answers one request head on Config.Path. open is called for a valid
// one, before the response is made, and may refuse it. It returns the response
// to send, 101 or an error, and why it refused.
func upgrade(cfg *Config, raw []byte, req *Request, open func() error) (response []byte, refused *RejectError) {
	if err := precheck(cfg, req); err != nil {
		return appendRejection(nil, err), err
	}
	io := memory{in: oneConnection(raw, &req.head)}
	upgrader := ws.Upgrader{
		Protocol: func(offered []byte) bool {
			if string(offered) != cfg.Subprotocol {
				return false
			}
			req.subprotocol = cfg.Subprotocol
			return true
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if err := open(); err != nil {
				return nil, err
			}
			answer, ok := offersDeflate(&req.head)
			if req.deflate = ok && cfg.Deflate; req.deflate {
				return ws.HandshakeHeaderString("Sec-WebSocket-Extensions: " + answer + "\r\n"), nil
			}
			return ws.HandshakeHeaderString(""), nil
		},
	}
	if _, err := upgrader.Upgrade(&io); err != nil {
		refused = rejection(err)
		return appendRejection(nil, refused), refused
	}
	return io.out, nil
}

// oneConnection is a request head with its Connection headers in one, since gobwas
// looks for "upgrade" in each.
func oneConnection(raw []byte, h *head) []byte {
	if _, n := h.field("Connection"); n < 2 {
		return raw
	}
	line, _, _ := bytes.Cut(raw, []byte("\r\n"))
	one := fmt.Appendf(nil, "%s\r\nConnection: %s\r\n", line, h.list("Connection"))
	for k, v, rest, ok := nextField(h.fields); ok; k, v, rest, ok = nextField(rest) {
		if !strings.EqualFold(string(k), "Connection") {
			one = fmt.Appendf(one, "%s: %s\r\n", k, v)
		}
	}
	return append(one, "\r\n"...)
}

// precheck refuses what gobwas lets through: doubled fields (it keeps the last),
// ambiguous lines, a body, a key that is no key, and a foreign Origin.
func precheck(cfg *Config, req *Request) *RejectError {
	h := &req.head
	if !h.checkFields() {
		return reject(RejectMalformed, http.StatusBadRequest, "malformed header")
	}
	for _, name := range [...]string{"Host", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin", "Content-Length", siteField} {
		if _, n := h.field(name); n > 1 {
			return reject(RejectMalformed, http.StatusBadRequest, name+" header sent twice")
		}
	}
	if length, n := h.field("Content-Length"); n > 0 && string(length) != "0" {
		return reject(RejectMalformed, http.StatusBadRequest, "an upgrade has no body")
	}
	if _, n := h.field("Transfer-Encoding"); n > 0 {
		return reject(RejectMalformed, http.StatusBadRequest, "an upgrade has no body")
	}
	if key, n := h.field("Sec-WebSocket-Key"); n > 0 && !validKey(string(key)) {
		return reject(RejectMalformed, http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64")
	}
	if _, n := h.field("Origin"); n > 0 && !OriginAllowed(req.Header, cfg.Origins) && (cfg.AllowOrigin == nil || !cfg.AllowOrigin(req.Origin())) {
		return reject(RejectOrigin, http.StatusForbidden, "origin not allowed")
	}
	return nil
}

// validKey tells whether key is what RFC 6455 4.1 item 7 asks for.
func validKey(key string) bool {
	var b [18]byte
	if len(key) != base64.StdEncoding.EncodedLen(16) {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == 16
}

// siteField is what browsers say of a request's page themselves: no page can set
// it (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header).
const siteField = "Sec-Fetch-Site"

// OriginAllowed reports whether the page that made a request, whose header fields
// header gives by name, may use this server, by the rule that upgrades follow: a
// page of the host it asked, or of list ("*" is all). A proxy may ask by another
// host name; then the browser's own word counts. Without Origin there is no page:
// that is allowed.
func OriginAllowed(header func(name string) string, list []string) bool {
	origin := header("Origin")
	return origin == "" || header(siteField) == "same-origin" || originAllowed(origin, header("Host"), list)
}

// originAllowed compares an Origin header (RFC 6454 7) with the host it came to
// and with the list of Config.Origins. An empty or opaque origin ("null") is
// nobody's host.
func originAllowed(origin, host string, list []string) bool {
	for _, o := range list {
		if o == "*" || strings.EqualFold(o, origin) {
			return true
		}
	}
	scheme, name, ok := strings.Cut(origin, "://")
	if !ok || name == "" {
		return false
	}
	port := ""
	switch strings.ToLower(scheme) {
	case "http":
		port = ":80"
	case "https":
		port = ":443"
	}
	// Browsers leave the scheme's own port out of both; some proxies put it in.
	return strings.EqualFold(strings.TrimSuffix(name, port), strings.TrimSuffix(host, port))
}
