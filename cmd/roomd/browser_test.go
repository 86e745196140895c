//go:build browser

// The demo in a real browser, as a newcomer meets it. `make test-browser` runs
// it with the path of a Chromium in CHROMIUM and keeps screenshots in ARTIFACTS.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

const (
	patience = 30 * time.Second
	grace    = 2 * time.Second
)

// pageState is what window.roomd.state of the Play page says.
type pageState struct {
	Status       string
	Text         string
	Transport    string
	Address      string
	Resets       int
	Seat         int
	Mine         int
	Tick         int
	Tanks        int
	Frames       int
	Anew         int
	X, Y         *float64
	FirstStateMs float64
	FirstMoveMs  float64
	Others       []struct {
		Name string
		X, Y float64
	}
}

// TestPlayPage plays with two pages: they see each other move, a reload keeps the
// tank, a closed page's seat is freed after the grace period, and a server that
// was killed and started again is found anew.
func TestPlayPage(t *testing.T) {
	bin := buildServer(t)
	srv := startServer(t, bin, "127.0.0.1:0")
	browser := startBrowser(t)

	ann := openPage(t, browser, srv.url+"?name=ann")
	first := ann.await("a moving game", func(s pageState) bool { return s.Status == "playing" && s.FirstMoveMs > 0 && s.X != nil })
	t.Logf("first state %.0f ms and first movement %.0f ms after the page's start", first.FirstStateMs, first.FirstMoveMs)
	bob := openPage(t, browser, srv.url+"?name=bob")
	bob.await("playing", func(s pageState) bool { return s.Status == "playing" && s.X != nil })
	ann.await("bob on ann's page", func(s pageState) bool { return other(s, "bob") != nil })
	ann.screenshot("play.png")

	before := *other(bob.await("ann on bob's page", func(s pageState) bool { return other(s, "ann") != nil }), "ann")
	ann.drive(func() bool {
		a := other(bob.state(), "ann")
		return a != nil && math.Hypot(a[0]-before[0], a[1]-before[1]) > 2
	})

	old := ann.await("ann at rest", func(s pageState) bool { return s.Status == "playing" })
	ann.reload()
	again := ann.await("ann's tank after a reload", func(s pageState) bool { return s.Status == "playing" && s.Mine >= 0 })
	if again.Seat != old.Seat || again.Mine != old.Mine {
		t.Errorf("after the reload ann has seat %d and tank %d, before it was %d and %d", again.Seat, again.Mine, old.Seat, old.Mine)
	}

	bob.close()
	closed := time.Now()
	srv.awaitPlayers(t, 1)
	if took := time.Since(closed); took < grace {
		t.Errorf("bob's seat was free after %v, before the grace period of %v", took, grace)
	}

	srv.kill()
	ann.await("the page to notice", func(s pageState) bool { return s.Status == "reconnecting" })
	ann.screenshot("lost.png")
	srv = startServer(t, bin, srv.addr)
	ann.await("a seat in the new server", func(s pageState) bool { return s.Status == "playing" && s.Anew == 1 && s.X != nil })
	if banner := ann.text("banner"); !strings.Contains(banner, "anew") {
		t.Errorf("the page says %q after it joined anew", banner)
	}
	ann.screenshot("anew.png")
}

func other(s pageState, name string) *[2]float64 {
	for _, o := range s.Others {
		if o.Name == name {
			return &[2]float64{o.X, o.Y}
		}
	}
	return nil
}

type liveServer struct {
	cmd       *exec.Cmd
	addr, url string
}

func buildServer(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "roomd")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func startServer(t *testing.T, bin, addr string) *liveServer {
	t.Helper()
	s := &liveServer{cmd: exec.Command(bin, "serve", "--listen", addr, "--grace", grace.String(), "--log-level", "WARN")}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if err != nil || !ok {
		t.Fatalf("the server printed %q, %v", line, err)
	}
	s.addr, s.url = strings.Trim(url, "/"), "http://"+url
	return s
}

func (s *liveServer) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

func (s *liveServer) awaitPlayers(t *testing.T, want int) {
	t.Helper()
	players := -1
	eventually(t, fmt.Sprintf("%d players", want), func() bool {
		resp, err := http.Get(s.url + "v1/rooms")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var list struct{ Rooms []struct{ Players int } }
		json.NewDecoder(resp.Body).Decode(&list)
		players = 0
		for _, r := range list.Rooms {
			players += r.Players
		}
		return players == want
	})
}

func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		t.Fatal("CHROMIUM is not set; run make test-browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// Both pages play, though only one can be in front.
		chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.Flag("disable-renderer-backgrounding", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

type page struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
}

func openPage(t *testing.T, browser context.Context, url string) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewWindow(true))
	t.Cleanup(cancel)
	// The tab lives as long as the context of its first action.
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return &page{t, ctx, cancel}
}

func (p *page) run(step chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ask(p, step)
}

// ask runs an action and returns its value.
func ask[T any](p *page, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func (p *page) close()  { p.cancel() }
func (p *page) reload() { p.t.Helper(); p.run(chromedp.Reload()) }

func (p *page) text(id string) string {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[string](fmt.Sprintf("document.getElementById(%q).textContent", id)))
}

// state is what the page knows now.
func (p *page) state() pageState {
	p.t.Helper()
	var s pageState
	raw := ask(p, chromedp.Evaluate[string]("JSON.stringify(window.roomd?.state ?? {})"))
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// await polls the page's state until it is as wanted.
func (p *page) await(what string, ok func(pageState) bool) pageState {
	p.t.Helper()
	var last pageState
	p.t.Logf("waiting for %s", what)
	eventually(p.t, what, func() bool {
		last = p.state()
		return ok(last)
	})
	return last
}

// drive holds the direction keys down in turn until ok: some way out of a corner
// is free.
func (p *page) drive(ok func() bool) {
	p.t.Helper()
	keys := []string{"ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"}
	polls := 0
	eventually(p.t, "ann to move", func() bool {
		key := keys[polls/20%len(keys)]
		polls++
		p.run(press(input.DispatchKeyEventTypeRawKeyDown, key))
		if ok() {
			p.run(press(input.DispatchKeyEventTypeKeyUp, key))
			return true
		}
		if polls%20 == 0 {
			p.run(press(input.DispatchKeyEventTypeKeyUp, key))
		}
		return false
	})
}

func press(what input.DispatchKeyEventType, key string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: what, Key: key, Code: key})
		return err
	})
}

func (p *page) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	png := ask(p, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		p.t.Error(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting for %s", what)
		}
		<-tick.C
	}
}
