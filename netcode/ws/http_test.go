package ws

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// serveHTTP is an http.Server behind a rig: it answers what it was asked.
func serveHTTP(t *testing.T, cfg *Config) {
	t.Helper()
	l := NewHTTPListener(&net.TCPAddr{})
	cfg.HTTP = l.Hand
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("body: %v", err)
		}
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(b))
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("http: %v", err)
		}
	})
}

// ask sends a request and reads its answer.
func (c *client) ask(request string) string {
	c.t.Helper()
	c.send([]byte(request))
	return c.answer()
}

func (c *client) answer() string {
	c.t.Helper()
	res := c.response()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, b)
}

func TestHTTPPassesThrough(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		var cfg Config
		serveHTTP(t, &cfg)
		r := newRig(t, engine, cfg)
		c := r.connect()
		const big = 300 << 10
		equal(t, []string{
			c.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
			c.ask("GET /v1/ws HTTP/1.1\r\nHost: a\r\n\r\n"), // keep-alive
			c.ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
		}, []string{"200 GET /healthz 0", "200 GET /v1/ws 0", "200 POST /x 5"})

		c = r.connect() // a body behind the head, then the rest of it
		c.send([]byte(fmt.Sprintf("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nfirst", big)))
		r.eventually("handed over", func(s Stats) bool { return s.HTTP == 2 })
		c.send([]byte(strings.Repeat("x", big-5)))
		equal(t, []string{c.answer()}, []string{fmt.Sprintf("200 POST /big %d", big)})

		c = r.connect() // two requests in one write
		get := "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
		c.send([]byte(get + get))
		equal(t, []string{c.answer(), c.answer()}, []string{"200 GET /a 0", "200 GET /a 0"})

		c = r.connect() // no upgrade is meant on the path
		equal(t, []string{c.ask("GET /v1/ws HTTP/1.1\r\nHost: a\r\n\r\n")}, []string{"200 GET /v1/ws 0"})
		c = r.connect() // an upgrade on another path
		equal(t, []string{c.ask(headOf("GET /v2/ws HTTP/1.1"))}, []string{"200 GET /v2/ws 0"})
		c = r.connect() // no HTTP at all: net/http knows what to say
		if got := c.ask("nonsense\r\n\r\n"); !strings.HasPrefix(got, "400") {
			t.Fatalf("nonsense is answered %q", got)
		}
		if s := r.server.Stats(); s.HTTP != 6 || s.Closed != 0 {
			t.Fatalf("stats %+v", s)
		}
	})
}

// answering is a Config.Route that answers paths of digits with as many bytes.
func answering(t *testing.T, cfg *Config) *atomic.Pointer[Server] {
	server := new(atomic.Pointer[Server]) // for Route, which runs on the loop
	cfg.Route = func(lc *loop.Conn, req *Request) bool {
		n, err := strconv.Atoi(req.Path()[1:])
		if err != nil {
			return false
		}
		if err := lc.Write(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n))); err != nil {
			t.Errorf("answer: %v", err)
		}
		lc.SetHandler(server.Load().Again(lc))
		return true
	}
	return server
}

// answeringRig has a server as of answering, with net/http behind it.
func answeringRig(t *testing.T, engine carrier) *rig {
	t.Helper()
	var cfg Config
	server := answering(t, &cfg)
	serveHTTP(t, &cfg)
	r := newRig(t, engine, cfg)
	server.Store(r.server)
	return r
}

// A request behind one that the loop answers waits until that answer is sent.
func TestRequestBehindAnAnswer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := answeringRig(t, engine)
		const size = 1 << 18
		get := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", size)
		post := "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
		long := "200 " + strings.Repeat("x", size)
		c := r.connect()
		c.send([]byte(get + get + post))
		equal(t, []string{c.answer(), c.answer(), c.answer()}, []string{long, long, "200 POST /x 5"})
		c = r.connect()
		c.send([]byte(get + post[:10]))
		r.eventually("the first is taken", func(s Stats) bool { return s.HTTP == 4 })
		c.send([]byte(post[10:]))
		equal(t, []string{c.answer(), c.answer()}, []string{long, "200 POST /x 5"})
		c = r.connect()
		for range 50 { // as fast as answers are told to be sent
			equal(t, []string{c.ask("GET /5 HTTP/1.1\r\nHost: a\r\n\r\n")}, []string{"200 xxxxx"})
		}
		equal(t, []string{c.ask(post)}, []string{"200 POST /x 5"})
	})
}

// What another reader might take for another request is not answered on the loop,
// nor upgraded.
func TestAmbiguousRequestsAreForHTTP(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := answeringRig(t, engine)
		for head, want := range map[string]string{
			"GET /5 HTTP/1.1\r\nHost: a\r\n\r\n":                                        "200 xxxxx",
			"GET /5 HTTP/1.1\nX: y\r\nHost: a\r\n\r\n":                                  "200 GET /5 0",
			"GET /5?\x00 HTTP/1.1\r\nHost: a\r\n\r\n":                                   "400 ",
			"GET /5 HTTP/1.1 x\r\nHost: a\r\n\r\n":                                      "400 ",
			"GET /5 HTTP/1.1\r\n\r\n":                                                   "400 ",
			"GET /5 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                             "400 ",
			strings.Replace(headOf(), "HTTP/1.1\r", "HTTP/1.1\nContent-Length: 0\r", 1): "200 GET /v1/ws 0",
		} {
			if got := r.connect().ask(head); !strings.HasPrefix(got, want) {
				t.Errorf("%q is answered %q, want %q", head, got, want)
			}
		}
	})
}

// Who takes an answer slowly has longer for it than for a request.
func TestSlowReaderOfAnAnswer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		cfg := Config{HeadTimeout: 4 * soon}
		server := answering(t, &cfg)
		r := newRig(t, engine, cfg)
		server.Store(r.server)
		const size = 1<<20 - 1<<10
		c := r.connect()
		c.send(fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", size))
		r.eventually("it is answered", func(s Stats) bool { return s.HTTP == 1 })
		r.connect().want("EOF") // HeadTimeout is over
		if got := c.answer(); got != "200 "+strings.Repeat("x", size) {
			t.Errorf("%d bytes of %d", len(got), size)
		}
	})
}

// Who has taken an answer slowly has all of the time for the next request.
func TestRequestAfterASlowAnswer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		cfg := Config{HeadTimeout: time.Hour}
		server := answering(t, &cfg)
		route, conns := cfg.Route, make(chan *Conn, 2)
		cfg.Route = func(lc *loop.Conn, req *Request) bool {
			ok := route(lc, req)
			p := server.Load().Again(lc).(*port)
			lc.SetHandler(p)
			conns <- (*Conn)(p)
			return ok
		}
		r := newRig(t, engine, cfg)
		server.Store(r.server)
		const size = 1<<20 - 1<<10
		client := r.connect()
		client.send(fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", size))
		c := <-conns
		if got := client.answer(); got != "200 "+strings.Repeat("x", size) {
			t.Errorf("%d bytes of %d", len(got), size)
		}
		for sent := false; !sent; {
			r.onLoop(func() { sent = c.lc.Unsent() == 0 })
		}
		r.onLoop(func() { (*port)(c).Timer(c.lc, c.limit) })
		equal(t, []string{client.ask("GET /5 HTTP/1.1\r\nHost: a\r\n\r\n")}, []string{"200 xxxxx"})
	})
}

// Who asks for more than it takes, or for nothing more, is not kept.
func TestIdleBehindAnAnswer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		cfg := Config{HeadTimeout: soon}
		server := answering(t, &cfg)
		serveHTTP(t, &cfg)
		r := newRig(t, engine, cfg)
		server.Store(r.server)
		c := r.connect()
		equal(t, []string{c.ask("GET /5 HTTP/1.1\r\nHost: a\r\n\r\n")}, []string{"200 xxxxx"})
		c.want("EOF")
		c = r.connect()
		c.shrink()
		c.send([]byte("GET /1000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"))
		r.eventually("it is closed", func(s Stats) bool { return s.Closed == 2 && s.HTTP == 2 })
	})
}

// shrink has the system take in little that is not read.
func (c *client) shrink() {
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	nc.(*net.TCPConn).SetReadBuffer(4 << 10)
}

func TestHTTPWithoutHandler(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{})
		c := r.connect()
		equal(t, []string{c.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, []string{"404 not found\n"})
		c.nc.Close()
		r.eventually("counted", func(s Stats) bool { return s.Rejected[RejectNotFound] == 1 && s.Closed == 1 })
	})
}

// Every head of the handshake table over a socket, with its counter.
func TestServerHandshake(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		for _, k := range handshakeCases {
			r := newRig(t, engine, Config{Origins: k.origins})
			c := r.connect()
			c.send([]byte(k.head))
			res := c.response()
			if res.StatusCode != k.status {
				t.Fatalf("%s: status %d, want %d", k.name, res.StatusCode, k.status)
			}
			if k.status == 101 {
				c.send(join(frame{fin | bin, "x", false}))
				c.want("binary x")
				continue
			}
			if b, err := io.ReadAll(res.Body); err != nil || len(b) == 0 {
				t.Fatalf("%s: body %q, %v", k.name, b, err)
			}
			c.want("EOF")
			if s := r.server.Stats(); s.Rejected[k.why] != 1 || s.Upgraded != 0 {
				t.Fatalf("%s: stats %+v", k.name, s)
			}
		}
	})
}

func TestOpenDecides(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		var known atomic.Pointer[rig] // Open runs on the loop
		r := newRig(t, engine, Config{Open: func(c *Conn, req *Request) (Handler, error) {
			switch req.Authorization() {
			case "good":
				r := known.Load()
				r.note(req.Path() + "?" + req.Query() + " " + req.Subprotocol() + " " + req.RemoteAddr().Addr().String())
				return &recorder{rig: r}, nil
			case "nobody":
				return nil, nil
			}
			return nil, &RejectError{Status: 401, Text: "who are you?"}
		}})
		known.Store(r)
		c := r.connect()
		equal(t, []string{c.ask(headOf())}, []string{"401 who are you?\n"})
		c = r.connect()
		equal(t, []string{c.ask(headOf("+Authorization: nobody"))}, []string{"500 internal error\n"})
		c = r.connect()
		c.send([]byte(headOf("GET /v1/ws?a=b HTTP/1.1", "+Authorization: good", "+Sec-WebSocket-Protocol: roomd.v1")))
		if res := c.response(); res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Protocol") != "roomd.v1" {
			t.Fatalf("response %+v", res)
		}
		r.told("/v1/ws?a=b roomd.v1 127.0.0.1")
	})
}

func TestHTTPListener(t *testing.T) {
	l := NewHTTPListener(&net.TCPAddr{Port: 7})
	if l.Addr().String() != ":7" {
		t.Fatalf("address %v", l.Addr())
	}
	pipe := func() (near, far net.Conn) {
		near, far = net.Pipe()
		near.SetDeadline(time.Now().Add(patience))
		return near, far
	}
	isClosed := func(nc net.Conn) {
		t.Helper()
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read %v, want %v", err, io.EOF)
		}
	}
	first, far := pipe()
	l.Hand(far)
	if nc, err := l.Accept(); err != nil || nc != far {
		t.Fatalf("accepted %v, %v", nc, err)
	}
	for range httpBacklog {
		l.Hand(far)
	}
	over, far2 := pipe()
	l.Hand(far2) // the backlog is full
	isClosed(over)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	isClosed(first) // it was waiting
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("accept after close: %v", err)
	}
	late, far3 := pipe()
	l.Hand(far3)
	isClosed(late)

	l = NewHTTPListener(&net.TCPAddr{})
	unblocked := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		unblocked <- err
	}()
	l.Close()
	if err := <-unblocked; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("blocked accept: %v", err)
	}
}

func TestConfigContradictions(t *testing.T) {
	open := func(*Conn, *Request) (Handler, error) { return nil, nil }
	for name, cfg := range map[string]Config{
		"no Open":           {},
		"path":              {Open: open, Path: "ws"},
		"message too large": {Open: open, MaxMessage: maxMessageCeiling + 1},
		"message negative":  {Open: open, MaxMessage: -1},
		"fragments":         {Open: open, MaxFragments: -1},
		"head":              {Open: open, HeadLimit: 10},
		"pong before ping":  {Open: open, PingEvery: time.Minute, PongWait: time.Minute},
		"negative time":     {Open: open, CloseTimeout: -1},
	} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewServer(Config{Open: open}); err != nil {
		t.Error(err)
	}
}
