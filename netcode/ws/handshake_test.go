package ws

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// The key and accept value of RFC 6455 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// headOf writes a request head: the good upgrade with changes. A change "Name:
// value" replaces or adds a header, "-Name" drops it, "+Name: value" adds one,
// and a change with "HTTP/" is the request line.
func headOf(changes ...string) string {
	line := "GET /v1/ws HTTP/1.1"
	fields := []string{"Host: game.example", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13"}
	drop := func(name string) {
		kept := fields[:0:0]
		for _, f := range fields {
			if !strings.HasPrefix(f, name+":") {
				kept = append(kept, f)
			}
		}
		fields = kept
	}
	for _, c := range changes {
		name, _, _ := strings.Cut(c, ":")
		switch {
		case strings.Contains(c, " HTTP/"):
			line = c
		case c[0] == '-':
			drop(c[1:])
		case c[0] == '+':
			fields = append(fields, c[1:])
		default:
			drop(name)
			fields = append(fields, c)
		}
	}
	return line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// handshakeCases are heads that are answered on the upgrade path.
var handshakeCases = []struct {
	name    string
	head    string
	origins []string
	status  int
	why     Reject
}{
	{"good", headOf(), nil, 101, 0},
	{"case and lists", headOf("-Upgrade", "-Connection", "+upgrade: WebSocket", "+connection: keep-alive, upgrade"), nil, 101, 0},
	{"lists in several lines", headOf("-Connection", "+Connection: keep-alive", "+X: y", "+connection: Upgrade"), nil, 101, 0},
	{"several lines without the word", headOf("-Connection", "+Connection: keep-alive", "+Connection: close"), nil, 400, RejectMalformed},
	{"query", headOf("GET /v1/ws?room=a HTTP/1.1"), nil, 101, 0},
	{"same origin", headOf("+Origin: https://game.example"), nil, 101, 0},
	{"same origin, port in host", headOf("Host: game.example:443", "+Origin: https://GAME.example"), nil, 101, 0},
	{"listed origin", headOf("+Origin: https://portal.example"), []string{"https://portal.example"}, 101, 0},
	{"any origin", headOf("+Origin: null"), []string{"*"}, 101, 0},
	{"content length 0", headOf("+Content-Length: 0"), nil, 101, 0},

	{"same origin by another host name", headOf("Host: backend:8080", "+Origin: https://game.example", "+Sec-Fetch-Site: same-origin"), nil, 101, 0},
	{"other origin by another host name", headOf("Host: backend:8080", "+Origin: https://game.example", "+Sec-Fetch-Site: same-site"), nil, 403, RejectOrigin},
	{"two words of the browser", headOf("+Origin: https://evil.example", "+Sec-Fetch-Site: cross-site", "+Sec-Fetch-Site: same-origin"), nil, 400, RejectMalformed},
	{"wrong origin", headOf("+Origin: https://evil.example"), nil, 403, RejectOrigin},
	{"origin of other port", headOf("+Origin: https://game.example:8443"), nil, 403, RejectOrigin},
	{"origin as suffix", headOf("+Origin: https://evilgame.example"), nil, 403, RejectOrigin},
	{"null origin", headOf("+Origin: null"), []string{"https://portal.example"}, 403, RejectOrigin},
	{"two origins", headOf("+Origin: https://game.example", "+Origin: https://evil.example"), nil, 400, RejectMalformed},
	{"version 8", headOf("Sec-WebSocket-Version: 8"), nil, 426, RejectVersion},
	{"version 14", headOf("Sec-WebSocket-Version: 14"), nil, 426, RejectVersion},
	{"no version", headOf("-Sec-WebSocket-Version"), nil, 400, RejectMalformed},
	{"no key", headOf("-Sec-WebSocket-Key"), nil, 400, RejectMalformed},
	{"short key", headOf("Sec-WebSocket-Key: abc"), nil, 400, RejectMalformed},
	{"key of 24 that is no base64", headOf("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), nil, 400, RejectMalformed},
	{"two keys", headOf("+sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="), nil, 400, RejectMalformed},
	{"no upgrade", headOf("-Upgrade"), nil, 400, RejectMalformed},
	{"other upgrade", headOf("Upgrade: h2c"), nil, 400, RejectMalformed},
	{"no connection", headOf("-Connection"), nil, 400, RejectMalformed},
	{"connection close", headOf("Connection: close"), nil, 400, RejectMalformed},
	{"no host", headOf("-Host"), nil, 400, RejectMalformed},
	{"two hosts", headOf("+Host: other.example"), nil, 400, RejectMalformed},
	{"post", headOf("POST /v1/ws HTTP/1.1"), nil, 405, RejectMethod},
	{"http 1.0", headOf("GET /v1/ws HTTP/1.0"), nil, 505, RejectMalformed},
	{"a body", headOf("+Content-Length: 5"), nil, 400, RejectMalformed},
	{"two lengths", headOf("+Content-Length: 0", "+Content-Length: 5"), nil, 400, RejectMalformed},
	{"chunked", headOf("+Transfer-Encoding: chunked"), nil, 400, RejectMalformed},
	{"folded line", headOf("+X: a\r\n b"), nil, 400, RejectMalformed},
	{"blank before colon", headOf("+X : a"), nil, 400, RejectMalformed},
	{"no colon", headOf("+nonsense"), nil, 400, RejectMalformed},
	{"bare LF", headOf("+X: a\nUpgrade: websocket"), nil, 400, RejectMalformed},
	{"too many headers", headOf("+X: " + strings.Repeat("a\r\nX: ", maxHeaders)), nil, 400, RejectMalformed},
	{"bad extension header is ignored", headOf("+Sec-WebSocket-Extensions: ;;="), nil, 101, 0},
	{"extension not taken", headOf("+Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), nil, 101, 0},
}

// answer runs the pure handshake on a head.
func answer(t *testing.T, cfg Config, raw string, open func(*Request) error) (*http.Response, *RejectError) {
	t.Helper()
	cfg.Open = func(*Conn, *Request) (Handler, error) { return nil, nil }
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	h, ok := splitHead([]byte(raw))
	if !ok || string(h.path) != cfg.Path || !h.wantsUpgrade() {
		t.Fatalf("not routed to the upgrade: %q", raw)
	}
	req := Request{head: h}
	out, refused := upgrade(&cfg, []byte(raw), &req, func() error { return open(&req) })
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		t.Fatalf("response %q: %v", out, err)
	}
	return res, refused
}

func admitAll(*Request) error { return nil }

func TestHandshake(t *testing.T) {
	for _, c := range handshakeCases {
		t.Run(c.name, func(t *testing.T) {
			opened := false
			res, refused := answer(t, Config{Origins: c.origins}, c.head, func(*Request) error { opened = true; return nil })
			if res.StatusCode != c.status {
				t.Fatalf("status %d (%v), want %d", res.StatusCode, refused, c.status)
			}
			if opened != (c.status == 101) {
				t.Fatalf("opened is %v for status %d", opened, c.status)
			}
			if c.status == 101 {
				if got := res.Header.Get("Sec-WebSocket-Accept"); got != sampleAccept {
					t.Fatalf("accept %q, want %q", got, sampleAccept)
				}
				if res.Header.Get("Sec-WebSocket-Extensions") != "" {
					t.Fatal("an extension was taken")
				}
				return
			}
			if refused == nil || refused.why != c.why {
				t.Fatalf("counted as %v, want %v", refused, c.why)
			}
			if c.status == 426 && res.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Fatal("426 must name the version that would do")
			}
			if !res.Close || res.ContentLength < 2 {
				t.Fatalf("close %v, length %d: a refusal has a text and ends the connection", res.Close, res.ContentLength)
			}
		})
	}
}

func TestHandshakeSubprotocol(t *testing.T) {
	for _, c := range []struct{ offer, want string }{
		{"+Sec-WebSocket-Protocol: roomd.v1", "roomd.v1"},
		{"+Sec-WebSocket-Protocol: chat, roomd.v1, x", "roomd.v1"},
		{"+Sec-WebSocket-Protocol: chat", ""},
		{"+X-None: 1", ""},
	} {
		var seen string
		res, _ := answer(t, Config{}, headOf(c.offer), func(r *Request) error { seen = r.Subprotocol(); return nil })
		if got := res.Header.Get("Sec-WebSocket-Protocol"); got != c.want || seen != c.want {
			t.Errorf("%s: response %q, request %q, want %q", c.offer, got, seen, c.want)
		}
	}
	res, _ := answer(t, Config{}, headOf("+Sec-WebSocket-Protocol: ;"), admitAll)
	if res.StatusCode != 400 {
		t.Errorf("malformed offer: status %d, want 400", res.StatusCode)
	}
}

func TestHandshakeOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{&RejectError{Status: 401, Text: "sign in first"}, 401, "sign in first"},
		{&RejectError{Status: 503, Text: "full"}, 503, "full"},
		{&RejectError{Status: 200, Text: "no such refusal"}, 500, "no such refusal"},
		{errors.New("database password is hunter2"), 500, "internal error"},
	} {
		res, refused := answer(t, Config{}, headOf(), func(*Request) error { return c.err })
		body := make([]byte, res.ContentLength)
		res.Body.Read(body)
		if res.StatusCode != c.status || string(body) != c.text+"\n" || refused.why != RejectOpen {
			t.Errorf("%v: status %d body %q counted %v", c.err, res.StatusCode, body, refused.why)
		}
	}
}

func TestRequest(t *testing.T) {
	raw := headOf("GET /v1/ws?room=a&x=1 HTTP/1.1", "+Origin: https://game.example", "+authorization: Bearer t",
		"+Cookie: a=b", "+X-Forwarded-For: 1.2.3.4", "+x-forwarded-for: 5.6.7.8")
	buf := []byte(raw)
	h, _ := splitHead(buf)
	r := Request{head: h}
	got := []string{r.Path(), r.Query(), r.Host(), r.Origin(), r.Authorization(), r.Cookie(), r.ForwardedFor(), r.Header("x-none")}
	clear(buf) // strings taken from a Request live on
	equal(t, got, []string{"/v1/ws", "room=a&x=1", "game.example", "https://game.example", "Bearer t", "a=b", "1.2.3.4, 5.6.7.8", ""})
}

func TestKeepAlive(t *testing.T) {
	for _, c := range []struct {
		head string
		want bool
	}{
		{"GET / HTTP/1.1\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: closely\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: TE, close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: TE\r\nconnection: close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
	} {
		h, _ := splitHead([]byte(c.head))
		if r := (Request{head: h}); r.KeepAlive() != c.want {
			t.Errorf("%q: stays %v, want %v", c.head, r.KeepAlive(), c.want)
		}
	}
}

func TestFindHead(t *testing.T) {
	raw := []byte(headOf() + "\x82\x80")
	want := len(raw) - 2
	seen := 0
	for n := range raw {
		got := findHead(raw[:n], seen)
		if n < want && got != 0 || n >= want && got != want {
			t.Fatalf("with %d bytes: head of %d, want %d", n, got, want)
		}
		if n < want {
			seen = n
		}
	}
}

func TestRouting(t *testing.T) {
	for _, c := range []struct {
		head string
		want bool
	}{
		{headOf(), true},
		{headOf("-Upgrade"), true},
		{"GET /v1/ws HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"GET /v1/ws HTTP/1.1\r\n\r\n", false},
	} {
		h, ok := splitHead([]byte(c.head))
		if !ok || h.wantsUpgrade() != c.want {
			t.Errorf("%q: wants upgrade %v, want %v", c.head, h.wantsUpgrade(), c.want)
		}
	}
	for _, bad := range []string{"\r\n\r\n", "GET\r\n\r\n", "GET / FTP/1\r\n\r\n", "GET /\r\n\r\n", "\x16\x03\x01\r\n\r\n",
		"GET / HTTP/1.1\nX: y\r\n\r\n", "GET /?\n HTTP/1.1\r\n\r\n", "X\nGET / HTTP/1.1\r\n\r\n", "GET /?\r HTTP/1.1\r\n\r\n", "GET /\x00 HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1 x\r\n\r\n", "GET / HTTP/1.\r\n\r\n", "GET / HTTP/1.10\r\n\r\n", "GET / HTTP/1.x\r\n\r\n", "GET / HTTP/2.0\r\n\r\n"} {
		if _, ok := splitHead([]byte(bad)); ok {
			t.Errorf("%q was taken for an HTTP request", bad)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	for _, c := range handshakeCases {
		f.Add([]byte(c.head))
	}
	cfg := Config{Open: func(*Conn, *Request) (Handler, error) { return nil, nil }}
	if err := cfg.validate(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := findHead(b, 0)
		if n == 0 {
			return
		}
		h, ok := splitHead(b[:n])
		if !ok {
			return
		}
		h.wantsUpgrade()
		req := Request{head: h}
		out, _ := upgrade(&cfg, b[:n], &req, func() error { return nil })
		if _, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil); err != nil {
			t.Fatalf("response %q: %v", out, err)
		}
	})
}
