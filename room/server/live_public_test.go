package server

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

// reader follows an event stream as EventSource does.
type reader struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
	id   string
	x    map[string]float64 // walkers, by index
}

type streamEvent struct{ name, id, data string }

func (l *live) watch(path string, header ...string) *reader {
	l.t.Helper()
	req, err := http.NewRequest(http.MethodGet, l.url("http", path), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := l.client(&http.Transport{DisableCompression: true}).Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { resp.Body.Close() })
	r := &reader{t: l.t, resp: resp, x: map[string]float64{}}
	var body io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			l.t.Fatal(err)
		}
	}
	r.in = bufio.NewReader(body)
	return r
}

// next reads one event; ok is false at the end of the stream.
func (r *reader) next() (e streamEvent, ok bool) {
	r.t.Helper()
	for {
		line, err := r.in.ReadString('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return e, false
		}
		if err != nil {
			r.t.Fatal(err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id, r.id = value, value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				r.apply(e)
				return e, true
			}
		}
	}
}

// apply keeps the x of all walkers.
func (r *reader) apply(e streamEvent) {
	var d struct {
		Tables struct {
			Walker map[string]*struct{ X *float64 }
		}
	}
	if e.name != "key" && e.name != "delta" {
		return
	}
	if err := json.Unmarshal([]byte(e.data), &d); err != nil {
		r.t.Fatalf("%v in %s", err, e.data)
	}
	if e.name == "key" {
		r.x = map[string]float64{}
	}
	for i, w := range d.Tables.Walker {
		switch {
		case w == nil:
			delete(r.x, i)
		case w.X != nil:
			r.x[i] = *w.X
		}
	}
}

func (r *reader) until(what string, cond func(streamEvent) bool) {
	r.t.Helper()
	for {
		e, ok := r.next()
		if !ok {
			r.t.Fatalf("the stream ends before %s", what)
		}
		if cond(e) {
			return
		}
	}
}

func TestPublicStream(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Room: "r"})
		var all []*reader
		for _, header := range [][]string{nil, {"Accept-Encoding", "gzip"}, {"Connection", "close"}} {
			all = append(all, l.watch("/v1/rooms/r/spectate", header...))
		}
		if r := all[1].resp; r.Header.Get("Content-Encoding") != "gzip" {
			t.Log("the first reader of gzip joined within a group: served plain")
		}
		ann.input(7)
		for _, r := range all {
			if got := r.resp.Header.Get("Content-Type"); got != "text/event-stream" {
				t.Errorf("type %q", got)
			}
			r.until("ann's step", func(streamEvent) bool { return r.x["0"] == 7 })
		}
		last := all[0].id
		all[0].resp.Body.Close()
		ann.input(2)
		again := l.watch("/v1/rooms/r/spectate", "Last-Event-ID", last)
		first := ""
		again.until("the first change", func(e streamEvent) bool {
			if e.name == "reset" || e.name == "key" {
				t.Fatalf("a resumed stream has %s", e.name)
			}
			first = e.id
			return e.name == "delta"
		})
		var a, b int
		fmt.Sscanf(last[strings.Index(last, "-"):], "-%d", &a)
		fmt.Sscanf(first[strings.Index(first, "-"):], "-%d", &b)
		if step := 60 / 10; b/step != a/step+1 {
			t.Errorf("goes on with %s after %s", first, last)
		}
		eventually(t, "readers are spectators", func() bool { return l.spectators("r") >= 3 })
		ann.wantNoGap()
	})
}

func (l *live) spectators(room string) int {
	for _, i := range l.Rooms() {
		if i.ID == room {
			return i.Spectators
		}
	}
	return 0
}

func TestPublicPollAndSnapshot(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Room: "r"})
		var a struct {
			Cursor, Reset string
			Events        []struct{ Event, ID string }
		}
		poll := func(query string, want int) {
			t.Helper()
			code, body := l.get("/v1/rooms/r/poll?" + query)
			a.Cursor, a.Reset, a.Events = "", "", nil
			if code == http.StatusOK {
				if err := json.Unmarshal([]byte(body), &a); err != nil {
					t.Fatalf("%v in %s", err, body)
				}
			}
			if code != want {
				t.Fatalf("%s: %d %s", query, code, body)
			}
		}
		poll("", http.StatusOK)
		if a.Events[0].Event != "key" {
			t.Fatalf("%+v", a)
		}
		cursor := a.Cursor
		for range 3 {
			poll("cursor="+a.Cursor, http.StatusOK)
			if a.Events[0].Event != "delta" || a.Reset != "" {
				t.Fatalf("%+v", a)
			}
		}
		poll("wait=0&cursor="+cursor, http.StatusOK)
		if len(a.Events) < 3 || a.Reset != "" {
			t.Fatalf("the first question again: %+v", a)
		}
		poll("cursor=1-1", http.StatusOK)
		if a.Reset != "epoch" || a.Events[0].Event != "key" {
			t.Fatalf("%+v", a)
		}
		if code, body := l.get("/v1/rooms/r/snapshot"); code != http.StatusOK || !strings.Contains(body, `"walker"`) {
			t.Errorf("snapshot: %d %s", code, body)
		}
		ann.wantNoGap()
	})
}

// An answer may be larger than what is kept for who does not read, and who reads
// slowly gets all of it.
func TestPublicPollOfMuch(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Kinds = []*game.Kind{libraries}
		l := run(t, cfg)
		l.join(client.Config{Kind: "libraries", Room: "r"})
		for _, path := range []string{"/v1/rooms/r/poll?wait=5", "/v1/rooms/r/snapshot"} {
			code, body := l.get(path)
			if n := strings.Count(body, "xxx\""); code != http.StatusOK || n != libraryPages || !json.Valid([]byte(body)) {
				t.Errorf("%s: %d, %d pages in %d bytes", path, code, n, len(body))
			}
		}
	})
}

// HEAD asks what a stream would be, not to wait for its end.
func TestHeadOfAPublicStream(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		l.join(client.Config{Kind: "walkers", Room: "r"})
		g := l.guest("127.0.0.1")
		if resp := g.ask(head("HEAD /v1/rooms/r/spectate"), http.StatusOK); resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v", resp.Header)
		}
		g.ask(head("GET /v1/rooms"), http.StatusOK)
		if n := l.watched(); n != 0 {
			t.Errorf("%d readers", n)
		}
	})
}

// A poll's connection ends or stays as its request has it (RFC 9112 9.3).
func TestPublicPollThatEndsItsConnection(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		l.join(client.Config{Kind: "walkers", Room: "r"})
		poll := head("GET /v1/rooms/r/poll")
		for request, ends := range map[string]bool{
			poll: false,
			strings.Replace(poll, "HTTP/1.1", "HTTP/1.0", 1):                      true,
			head("GET /v1/rooms/r/poll", "Connection: TE, close", "TE: trailers"): true,
		} {
			if resp := l.guest("127.0.0.1").ask(request, http.StatusOK); resp.Close != ends {
				t.Errorf("%q: told that the connection ends: %v", request, resp.Close)
			}
		}
	})
}

func TestPublicBadRequests(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Origins = []string{"https://good.example"}
		l := run(t, cfg)
		l.join(client.Config{Kind: "walkers", Room: "r"})
		for _, c := range []struct {
			path, origin, code string
			status             int
		}{
			{"/v1/rooms/none/spectate", "", "unknown_room", 404},
			{"/v1/rooms/none/poll", "", "unknown_room", 404},
			{"/v1/rooms/r/spectate?last_event_id=x", "", "bad_request", 400},
			{"/v1/rooms/r/spectate?last_event_id=1-99999999999", "", "bad_request", 400},
			{"/v1/rooms/r/spectate?delay=-1", "", "bad_request", 400},
			{"/v1/rooms/r/spectate?delay=NaN", "", "bad_request", 400},
			{"/v1/rooms/r/spectate?fmt=xml", "", "bad_request", 400},
			{"/v1/rooms/r/poll?wait=99", "", "bad_request", 400},
			{"/v1/rooms/r/spectate", "https://evil.example", "origin", 403},
		} {
			r := l.watch(c.path, "Origin", c.origin)
			var e struct{ Error, Code string }
			if err := json.NewDecoder(r.resp.Body).Decode(&e); err != nil || r.resp.StatusCode != c.status || e.Code != c.code || e.Error == "" {
				t.Errorf("%s: %d %+v %v, want %d %s", c.path, r.resp.StatusCode, e, err, c.status, c.code)
			}
		}
		good := l.watch("/v1/rooms/r/spectate", "Origin", "https://good.example")
		if got := good.resp.Header.Get("Access-Control-Allow-Origin"); got != "https://good.example" {
			t.Errorf("allowed origin %q", got)
		}
	})
}

// Readers see the end of a game and are not asked back; those of a server that
// shuts down are.
func TestPublicEnds(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Kinds, cfg.Origins = []*game.Kind{matches, walkers}, []string{"https://page.example"}
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "matches", Room: "m"})
		r := l.watch("/v1/rooms/m/spectate")
		r.until("a state", func(e streamEvent) bool { return e.name == "key" })
		ann.input(-9)
		ann.wantBye(wire.ByeGameEnded)
		r.until("the end", func(e streamEvent) bool { return e.name == "end" && strings.Contains(e.data, "full time") })
		if _, more := r.next(); more {
			t.Error("something follows the end")
		}
		// A page of another origin is to see the 204 too: its EventSource would take
		// an error for a broken connection, and come again.
		const page = "https://page.example"
		again := l.watch("/v1/rooms/m/spectate", "Origin", page).resp
		if again.StatusCode != http.StatusNoContent || again.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("a reader of what is over: %d %v", again.StatusCode, again.Header)
		}
		l.join(client.Config{Kind: "walkers", Room: "r"})
		r = l.watch("/v1/rooms/r/spectate")
		r.until("a state", func(e streamEvent) bool { return e.name == "key" })
		l.stop()
		r.until("the notice", func(e streamEvent) bool { return e.name == "notice" })
	})
}

// A room is not watched live if its kind says so.
func TestDelayedRoomTellsNothingOfNow(t *testing.T) {
	t.Parallel()
	secret := game.Define("secret", game.Options{TickRate: 60, SpectateDelay: 2 * time.Second}, newWalk(false))
	l := run(t, Config{Kinds: []*game.Kind{secret}})
	ann := l.join(client.Config{Kind: "secret", Room: "s"})
	live := l.dial(client.Config{Kind: "secret", Room: "s", Spectate: true})
	live.send(live.core.Hello())
	live.wantBye(wire.ByeRefused)
	begin := time.Now()
	r := l.watch("/v1/rooms/s/spectate?delay=0")
	r.until("a state", func(e streamEvent) bool {
		if e.name == "hello" && (!strings.Contains(e.data, `"delay":2`) || strings.Contains(e.data, `"tick":`)) {
			t.Errorf("hello %s", e.data)
		}
		return e.name == "key"
	})
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("a state after %v", took)
	}
	for _, path := range []string{"/v1/rooms/s/snapshot", "/v1/rooms/s/poll?wait=0"} {
		_, body := l.get(path)
		tick := 0
		if i := strings.LastIndex(body, `"tick":`); i >= 0 {
			fmt.Sscanf(body[i:], `"tick":%d`, &tick)
		}
		if now := int(l.dir.get("s").at().Info().Tick); tick != 0 && tick > now-100 {
			t.Errorf("%s tells of tick %d at %d", path, tick, now)
		}
	}
	ann.nc.Close()
}

// Streams over HTTP/2 and TLS come from the same log.
func TestPublicStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	l := run(t, Config{})
	ann := l.join(client.Config{Kind: "walkers", Room: "r"})
	ts := httptest.NewUnstartedServer(l.http.Handler)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	t.Cleanup(ts.Close)
	resp, err := ts.Client().Get(ts.URL + "/v1/rooms/r/spectate")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatalf("protocol %s", resp.Proto)
	}
	r := &reader{t: t, resp: resp, in: bufio.NewReader(resp.Body), x: map[string]float64{}}
	ann.input(4)
	r.until("ann's step", func(streamEvent) bool { return r.x["0"] == 4 })
	resp.Body.Close()
	eventually(t, "the reader is gone", func() bool {
		h, n := l.dir.get("r"), make(chan int, 1)
		return h.loop.Post(func() { n <- h.pub.log.Readers() }) && <-n == 0
	})
}
