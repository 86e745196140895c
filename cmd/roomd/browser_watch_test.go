//go:build browser

package main

import (
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestWatchPage follows a room by EventSource alone: from the start, joining in
// the middle of a compressed stream, and over a connection that is cut.
func TestWatchPage(t *testing.T) {
	srv := startServer(t, buildServer(t), "127.0.0.1:0")
	wire := startProxy(t, srv.addr)
	browser := startBrowser(t)
	player := openPage(t, browser, srv.url+"?name=ann")
	player.await("a moving game", func(s pageState) bool { return s.Status == "playing" && s.X != nil })

	first := openPage(t, browser, wire.url+"watch.html")
	first.awaitWatch("states", func(s watchState) bool { return s.Key > 0 && s.Delta > 20 && s.Tanks > 1 })
	late := openPage(t, browser, wire.url+"watch.html")
	late.awaitWatch("states of who joined late", func(s watchState) bool { return s.Key > 1 && s.Delta > 20 })
	first.screenshot("watch.png")

	wire.cut()
	before := first.watch()
	again := first.awaitWatch("states after a cut", func(s watchState) bool { return s.Delta > before.Delta+20 })
	again.wantIDs(t)
	late.awaitWatch("states after a cut", func(s watchState) bool { return s.Status == "live" && s.Delta > 40 }).wantIDs(t)
	if again.Reset != 0 || again.Status != "live" {
		t.Errorf("the page says %q after %d resets", again.Status, again.Reset)
	}
}

// watchState is what window.roomd.state of the Watch page says.
type watchState struct {
	Status                         string
	Tick, Key, Delta, Reset, Tanks int
	IDs                            []string
}

// wantIDs demands that no tick of the stream came twice or is missing: of 30 a
// second ten are told.
func (s watchState) wantIDs(t *testing.T) {
	t.Helper()
	last := 0
	for i, id := range s.IDs {
		_, text, _ := strings.Cut(id, "-")
		tick, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if i > 1 && tick != last+3 {
			t.Errorf("id %s after tick %d", id, last)
		}
		last = tick
	}
}

func (p *page) watch() watchState {
	p.t.Helper()
	var s watchState
	text := ask(p, chromedp.Evaluate[string](`JSON.stringify(window.roomd?.state ?? {})`))
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *page) awaitWatch(what string, ok func(watchState) bool) (s watchState) {
	p.t.Helper()
	eventually(p.t, what, func() bool {
		s = p.watch()
		return ok(s)
	})
	return s
}

// proxy is a wire that can be cut, and stay so.
type proxy struct {
	url   string
	down  atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
	heads []string // how the server's answers began
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "http://" + ln.Addr().String() + "/"}
	t.Cleanup(func() { ln.Close(); p.cut() })
	go func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil || p.down.Load() {
				a.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, a, b)
			p.mu.Unlock()
			go pipe(a, io.TeeReader(b, &head{p}))
			go pipe(b, a)
		}
	}()
	return p
}

// pipe copies until either side ends, and ends the other: the end of from is
// that of the connection whose copy runs the other way.
func pipe(to net.Conn, from io.Reader) {
	io.Copy(to, from)
	to.Close()
}

// head notes how answers begin: each in a piece of its own.
type head struct{ p *proxy }

func (h *head) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "HTTP/1.1 ") {
		h.p.mu.Lock()
		h.p.heads = append(h.p.heads, string(b[:min(len(b), 512)]))
		h.p.mu.Unlock()
	}
	return len(b), nil
}

// answers is the number of streams whose head has a line.
func (p *proxy) answers(line string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.heads {
		if strings.Contains(h, "text/event-stream") && strings.Contains(h, line) {
			n++
		}
	}
	return n
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
