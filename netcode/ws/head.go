package ws

import (
	"bytes"
	"strings"
	"unicode"
)

// headEnd ends a request head (RFC 9112 2.1).
var headEnd = []byte("\r\n\r\n")

// findHead returns the size of the request head at the front of b, or 0 when its
// end has not come. seen bytes were searched before, so that a head that comes
// byte by byte is still searched once.
func findHead(b []byte, seen int) int {
	from := max(0, seen-len(headEnd)+1)
	i := bytes.Index(b[from:], headEnd)
	if i < 0 {
		return 0
	}
	return from + i + len(headEnd)
}

// head is a request head split where it lies; its slices alias the loop's buffer.
type head struct {
	method, path, query []byte
	proto               []byte
	fields              []byte // header lines, each with its CRLF
}

// splitHead splits a whole request head into request line and header lines. It
// returns false for what is no HTTP/1 request line, or one that another reader may
// end elsewhere, at a bare LF (RFC 9112 2.2): net/http answers that.
func splitHead(b []byte) (h head, ok bool) {
	line, fields, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok {
		return h, false
	}
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, proto, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || !isVersion(proto) || bytes.ContainsFunc(line, unicode.IsControl) {
		return h, false
	}
	h.method, h.proto, h.fields = method, proto, fields[:len(fields)-2]
	h.path, h.query, _ = bytes.Cut(target, []byte("?"))
	return h, true
}

// isVersion reports whether b is HTTP/1 with some minor version (RFC 9112 2.3).
func isVersion(b []byte) bool {
	minor, ok := bytes.CutPrefix(b, []byte("HTTP/1."))
	return ok && len(minor) == 1 && '0' <= minor[0] && minor[0] <= '9'
}

// nextField cuts the first header line off fields. ok is false at the end.
// Whether a line is well formed is checkFields' business.
func nextField(fields []byte) (name, value, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(fields, []byte("\r\n"))
	if !ok {
		return nil, nil, nil, false
	}
	name, value, _ = bytes.Cut(line, []byte(":"))
	return name, bytes.Trim(value, " \t"), rest, true
}

// field returns the value of the first header of that name, in any case, and
// how many there are.
func (h *head) field(name string) (value []byte, count int) {
	for k, v, rest, ok := nextField(h.fields); ok; k, v, rest, ok = nextField(rest) {
		if len(k) == len(name) && bytes.EqualFold(k, []byte(name)) {
			if count == 0 {
				value = v
			}
			count++
		}
	}
	return value, count
}

// list returns the values of all headers of that name, in any case, joined by ", "
// (RFC 9110 5.3).
func (h *head) list(name string) string {
	var all []string
	for k, v, rest, ok := nextField(h.fields); ok; k, v, rest, ok = nextField(rest) {
		if strings.EqualFold(string(k), name) {
			all = append(all, string(v))
		}
	}
	return strings.Join(all, ", ")
}

// wantsUpgrade reports whether the client means WebSocket at all, so that a
// mistake in the handshake is answered here and not by some HTTP handler.
func (h *head) wantsUpgrade() bool {
	const prefix = "Sec-WebSocket-"
	for k, _, rest, ok := nextField(h.fields); ok; k, _, rest, ok = nextField(rest) {
		if bytes.EqualFold(k, []byte("Upgrade")) {
			return true
		}
		if len(k) > len(prefix) && bytes.EqualFold(k[:len(prefix)], []byte(prefix)) {
			return true
		}
	}
	return false
}

// checkFields refuses header lines that two readers could read differently
// (RFC 9112 2.2, 5.1, 5.2): folded lines, bare CR or LF, NUL, a name with blanks.
func (h *head) checkFields() bool {
	n := 0
	for rest := h.fields; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) || bytes.ContainsAny(line, "\r\n\x00") {
			return false
		}
	}
	return n <= maxHeaders
}

// isToken reports whether b is an HTTP token (RFC 9110 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}
