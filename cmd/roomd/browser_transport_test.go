//go:build browser

package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// middlebox is a proxy as networks have them: it may leave WebSocket handshakes
// unanswered, and hold streams back until they end.
type middlebox struct {
	url             string
	noSocket, noSSE atomic.Bool
	refused         atomic.Int32
}

func startMiddlebox(t *testing.T, to string) *middlebox {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	m := &middlebox{}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.FlushInterval = -1
	pass.Director, pass.Rewrite = nil, func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the page's origin must be that of the server
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case m.noSocket.Load() && r.Header.Get("Upgrade") != "",
			m.noSSE.Load() && strings.HasSuffix(r.URL.Path, "/stream"):
			m.refused.Add(1)
			<-r.Context().Done()
		default:
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	m.url = srv.URL + "/"
	return m
}

// TestPlayWithoutWebSocket plays behind a middlebox: over a stream and posts where
// WebSocket does not get through, over polls where streams do not either; and
// goes back up with the same seat and tank when they do.
func TestPlayWithoutWebSocket(t *testing.T) {
	srv := startServer(t, buildServer(t), "127.0.0.1:0")
	browser := startBrowser(t)
	watcher := openPage(t, browser, srv.url+"?name=eve")
	watcher.await("playing", func(s pageState) bool { return s.Status == "playing" && s.X != nil })
	for _, by := range []string{"sse", "poll"} {
		t.Run(by, func(t *testing.T) {
			box := startMiddlebox(t, srv.url)
			box.noSocket.Store(true)
			box.noSSE.Store(by == "poll")
			p := openHurried(t, browser, box.url+"?name="+by)
			first := p.await("playing over "+by, func(s pageState) bool {
				return s.Status == "playing" && s.FirstMoveMs > 0 && s.X != nil && s.Transport == by
			})
			t.Logf("first state %.0f ms after the page's start", first.FirstStateMs)
			before := *other(watcher.await("the player on another page", func(s pageState) bool { return other(s, by) != nil }), by)
			p.drive(func() bool {
				a := other(watcher.state(), by)
				return a != nil && math.Hypot(a[0]-before[0], a[1]-before[1]) > 2
			})
			p.screenshot(by + ".png")
			srv.awaitPlayers(t, 2)

			p.reload()
			p.await("the seat after a reload", func(s pageState) bool {
				return s.Status == "playing" && s.Seat == first.Seat && s.Mine == first.Mine && s.Transport == by
			})
			if n := box.refused.Load(); by == "sse" && n > 2 {
				t.Errorf("%d attempts at WebSocket: what got through was not remembered", n)
			}
			box.noSocket.Store(false)
			up := p.await("WebSocket, with the same seat", func(s pageState) bool { return s.Transport == "ws" && s.Status == "playing" })
			if up.Seat != first.Seat || up.Mine != first.Mine || up.Anew != 0 {
				t.Errorf("seat %d and tank %d, joined anew %d times; before it was %d and %d", up.Seat, up.Mine, up.Anew, first.Seat, first.Mine)
			}
			p.drive(func() bool { return p.state().Tick > up.Tick+30 })
			srv.awaitPlayers(t, 2)
		})
	}
}

// TestPlayBehindNginx plays through an nginx that was told nothing about WebSocket
// or streams, where the page's origin is not the host that the server is asked by.
func TestPlayBehindNginx(t *testing.T) {
	bin := "/usr/sbin/nginx"
	if _, err := os.Stat(bin); err != nil {
		t.Skip("nginx is not installed")
	}
	srv := startServer(t, buildServer(t), "127.0.0.1:0")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	conf, err := os.ReadFile("../../room/server/testdata/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf = []byte(strings.NewReplacer("LISTEN", addr, "UPSTREAM", srv.addr).Replace(string(conf)))
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), conf, 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Kill()
		nginx.Wait()
	})
	eventually(t, "nginx to listen", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	p := openPage(t, startBrowser(t), "http://"+addr+"/?name=ann")
	first := p.await("playing over a stream", func(s pageState) bool {
		return s.Status == "playing" && s.FirstMoveMs > 0 && s.X != nil && s.Transport == "sse"
	})
	t.Logf("first state %.0f ms after the page's start", first.FirstStateMs)
	p.drive(func() bool {
		s := p.state()
		return s.X != nil && math.Hypot(*s.X-*first.X, *s.Y-*first.Y) > 2
	})
	p.close()
	srv.awaitPlayers(t, 0)
}

// openHurried opens a page on which minutes are seconds, so that a test need not
// wait a minute for the next attempt at WebSocket.
func openHurried(t *testing.T, browser context.Context, url string) *page {
	t.Helper()
	p := openPage(t, browser, "about:blank")
	p.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
			Source: `{ const later = setTimeout; window.setTimeout = (f, ms, ...a) => later(f, ms >= 60000 ? ms / 60 : ms, ...a); }`,
		})
		return err
	}))
	p.run(chromedp.Navigate(url))
	return p
}

// TestSevenTabs plays in more tabs than a browser opens connections to an origin:
// four of them read streams, the others poll.
func TestSevenTabs(t *testing.T) {
	srv := startServer(t, buildServer(t), "127.0.0.1:0")
	browser := startBrowser(t)
	var tabs []*page
	for i := range 7 {
		tabs = append(tabs, openPage(t, browser, fmt.Sprintf("%s?name=tab%d&transport=sse,poll", srv.url, i)))
	}
	by := map[string]int{}
	for i, p := range tabs {
		s := p.await(fmt.Sprintf("tab %d to play", i), func(s pageState) bool { return s.Status == "playing" && s.FirstMoveMs > 0 && s.X != nil })
		by[s.Transport]++
	}
	if by["sse"] != 4 || by["poll"] != 3 {
		t.Errorf("tabs by transport: %v", by)
	}
	last := tabs[len(tabs)-1]
	before := *other(tabs[0].await("the last on the first", func(s pageState) bool { return other(s, "tab6") != nil }), "tab6")
	last.drive(func() bool {
		a := other(tabs[0].state(), "tab6")
		return a != nil && math.Hypot(a[0]-before[0], a[1]-before[1]) > 2
	})
	for i, p := range tabs {
		tick := p.state().Tick
		p.await(fmt.Sprintf("tab %d to go on", i), func(s pageState) bool { return s.Tick > tick+30 && s.Anew == 0 })
	}
	tabs[0].close()
	last.await("a stream for a tab that polled", func(s pageState) bool {
		for _, p := range tabs[1:] {
			if p.state().Transport == "sse" {
				by["then"]++
			}
		}
		n := by["then"]
		by["then"] = 0
		return n == 4
	})
}
