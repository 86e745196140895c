package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
)

// caller is a player without WebSocket.
type caller struct {
	t     *testing.T
	l     *live
	http  *http.Client
	core  *client.Core
	id    string
	seq   int
	has   uint64 // newest message that it took
	ticks []game.Tick
}

// call begins a session and waits for the first state.
func (l *live) call(cfg client.Config) *caller {
	l.t.Helper()
	c := l.caller(client.NewCore(cfg))
	c.until("a first state", func() bool { _, ok := c.core.Tick(); return ok })
	return c
}

// caller begins a session for a core that may have had a seat.
func (l *live) caller(core *client.Core) *caller {
	l.t.Helper()
	c := &caller{t: l.t, l: l, core: core, http: l.client(&http.Transport{})}
	r := c.do(http.MethodPost, sessionsPath, core.Hello())
	var made struct{ Session string }
	if r.status != http.StatusCreated || json.Unmarshal(r.body, &made) != nil || r.header.Get("Location") != sessionsPath+"/"+made.Session {
		l.t.Fatalf("%d %q", r.status, r.body)
	}
	c.id = made.Session
	l.t.Cleanup(func() { // so that the server need not wait for it
		if req, err := http.NewRequest(http.MethodDelete, l.url("http", c.at("")), nil); err == nil {
			if resp, err := c.http.Do(req); err == nil {
				resp.Body.Close()
			}
		}
	})
	return c
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *caller) do(method, path string, body []byte, header ...string) reply {
	c.t.Helper()
	req, err := http.NewRequest(method, c.l.url("http", path), bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

// at is a path of the session.
func (c *caller) at(format string, args ...any) string {
	return sessionsPath + "/" + c.id + fmt.Sprintf(format, args...)
}

func (c *caller) poll(wait float64) reply {
	c.t.Helper()
	return c.do(http.MethodGet, c.at("/poll?after=%d&wait=%g", c.has, wait), nil)
}

// post sends messages as the next post.
func (c *caller) post(msgs []byte) reply {
	c.t.Helper()
	c.seq++
	return c.do(http.MethodPost, c.at("?seq=%d&after=%d", c.seq, c.has), msgs)
}

// messages are those of an answer, by number.
func (c *caller) messages(r reply) (first uint64, list [][]byte) {
	c.t.Helper()
	if r.status == http.StatusNoContent {
		return 0, nil
	}
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/msgpack" {
		c.t.Fatalf("%d %s %q", r.status, r.header, r.body)
	}
	in := wire.NewReader(r.body)
	n, _ := in.ReadArrayHead()
	first, err := in.ReadUint()
	if err != nil {
		c.t.Fatal(err)
	}
	for range n - 1 {
		b, err := in.ReadBin(1 << 24)
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, b)
	}
	return first, list
}

// take takes in an answer: what it has already, it skips.
func (c *caller) take(r reply) {
	c.t.Helper()
	first, list := c.messages(r)
	for i, m := range list {
		c.receive(first+uint64(i), m)
	}
}

func (c *caller) receive(n uint64, m []byte) {
	c.t.Helper()
	if n <= c.has {
		return
	}
	if n != c.has+1 {
		c.t.Fatalf("message %d after %d", n, c.has)
	}
	c.has = n
	before, _ := c.core.Tick()
	if err := c.core.Receive(m); err != nil && c.core.Bye() == nil {
		c.t.Fatal(err)
	}
	if now, ok := c.core.Tick(); ok && now != before {
		c.ticks = append(c.ticks, now)
	}
}

// until polls until ok.
func (c *caller) until(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) || c.core.Bye() != nil {
			c.t.Fatalf("never: %s; bye %v", what, c.core.Bye())
		}
		c.take(c.poll(5))
	}
}

func (c *caller) input(dx int) []byte {
	c.t.Helper()
	in := c.core.NewInput()
	in.Set("dx", float64(dx))
	msg, err := c.core.AppendInput(nil, &in)
	if err != nil {
		c.t.Fatal(err)
	}
	return msg
}

// x is where the own walker is.
func (c *caller) x() int {
	for row := range c.core.Rows("walker") {
		if row.Value("seat") == float64(c.core.Seat()) {
			return int(row.Value("x"))
		}
	}
	return -1
}

// open reads the session's stream until it ends, and tells how it ended.
func (c *caller) open(stop func() bool) (ended bool) {
	c.t.Helper()
	r := c.l.watch(c.at("/stream?after=%d", c.has))
	if s := r.resp.StatusCode; s != http.StatusOK {
		c.t.Fatalf("stream: %d", s)
	}
	defer r.resp.Body.Close()
	var id uint64
	for !stop() {
		line, err := r.in.ReadString('\n')
		if err != nil {
			return true
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			fmt.Sscan(value, &id)
		case "data":
			b, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				c.t.Fatal(err)
			}
			c.receive(id, b)
		}
	}
	return false
}

func TestPlaysWithoutWebSocket(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Name: "ann"})
		bob := l.call(client.Config{Kind: "walkers", Name: "bob", Room: ann.core.Room()})
		bob.take(bob.post(bob.input(7)))
		bob.until("the polling player moves", func() bool { return bob.x() == 7 })
		ann.until("the other sees it", func() bool { x, ok := ann.x(bob.core.Seat()); return ok && x == 7 })
		bob.post(bob.input(2))
		if bob.open(func() bool { return bob.x() == 9 }) {
			t.Error("the stream ended")
		}
		// Two streams of the same session do not both get the ticks.
		bob.ticks = bob.ticks[:0]
		bob.open(func() bool { return len(bob.ticks) > 20 })
		for i := 1; i < len(bob.ticks); i++ {
			if gap := int(bob.ticks[i] - bob.ticks[i-1] - 1); gap > l.skipped() {
				t.Errorf("tick %d after %d", bob.ticks[i], bob.ticks[i-1])
			}
		}
		eventually(t, "the end of the stream is noticed", func() bool { return l.count.reads[streamReader].Load() == 0 })
		bob.take(bob.post(bob.core.AppendLeave(nil)))
		bob.drain(wire.ByeLeft)
		eventually(t, "the seat is free", func() bool { return l.players(ann.core.Room()) == 1 })
	})
}

// drain reads to the end of the session.
func (c *caller) drain(want wire.Code) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		r := c.poll(5)
		if r.status == http.StatusGone {
			break
		}
		c.take(r)
	}
	if b := c.core.Bye(); b == nil || b.Code != want {
		c.t.Fatalf("bye %v, want %v", b, want)
	}
	eventually(c.t, "the session is forgotten", func() bool { return c.poll(0).status == http.StatusNotFound })
}

// A server that forgets what it answered loses it with the response.
func TestLostResponseLosesNoMessage(t *testing.T) {
	l := run(t, Config{})
	bob := l.call(client.Config{Kind: "walkers"})
	lost := bob.poll(5)
	first, old := bob.messages(lost)
	again, list := bob.messages(bob.poll(5))
	if first != again || len(old) == 0 || len(list) < len(old) {
		t.Fatalf("%d messages from %d, then %d from %d", len(old), first, len(list), again)
	}
	for i := range old {
		if !bytes.Equal(old[i], list[i]) {
			t.Errorf("message %d is another the second time", first+uint64(i))
		}
	}
	msg := bob.input(5)
	bob.seq++
	path := bob.at("?seq=%d&after=%d", bob.seq, bob.has)
	for range 3 { // the client does not know whether its post arrived
		if r := bob.do(http.MethodPost, path, msg); r.status >= 300 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	bob.until("the input counted", func() bool { return bob.x() != 0 })
	bob.post(bob.input(1))
	bob.until("the next input counted", func() bool { return bob.core.Ack() == 2 })
	if x := bob.x(); x != 6 {
		t.Errorf("at %d: a post sent three times counted more than once", x)
	}
	if n := l.count.postsRepeated.Load(); n != 2 {
		t.Errorf("%d posts counted as repeated", n)
	}
}

// A server that looks for news on a timer answers late, and works for nobody.
func TestPollIsAnsweredByTheMessage(t *testing.T) {
	l := run(t, Config{})
	bob := l.call(client.Config{Kind: "walkers"})
	k := l.links.get(bob.id)
	bob.rest(k)
	answer := make(chan reply, 1)
	go func() { answer <- bob.do(http.MethodGet, bob.at("/poll?after=%d&wait=25", bob.has), nil) }()
	eventually(t, "the poll waits", func() bool { return l.count.reads[pollReader].Load() == 1 })
	looks := make(chan time.Duration, 1)
	k.run(func(bool) {
		now := loop.Now()
		looks <- k.Advance(now) - now
		f := l.frames.Get()
		f.B = append(f.B, "news"...)
		k.Send(f)
		f.Release()
	})
	if next := <-looks; next < linkSilence/2 {
		t.Errorf("looks again after %v", next)
	}
	if _, list := bob.messages(<-answer); len(list) != 1 || string(list[0]) != "news" {
		t.Errorf("%q", list)
	}
}

// rest lets the room send nothing more to the session, and takes what it did.
func (c *caller) rest(k *httpLink) {
	c.t.Helper()
	done := make(chan bool)
	k.run(func(bool) {
		k.ses.viewer.Detach()
		close(done)
	})
	<-done
	c.take(c.poll(0))
	c.take(c.poll(0))
}

// A server that keeps queues for clients who went away never frees them.
func TestSilentSessionIsFreed(t *testing.T) {
	l := run(t, Config{Grace: time.Hour})
	known := l.call(client.Config{Kind: "walkers"})
	unknown := l.caller(client.NewCore(client.Config{Kind: "walkers"}))
	room := known.core.Room()
	known.post(nil) // has the welcome
	eventually(t, "both play", func() bool { return l.players(room) == 2 })
	for _, c := range []*caller{known, unknown} {
		k := l.links.get(c.id)
		k.run(func(bool) {
			k.heard, k.present = k.heard-linkSilence, k.present-linkSilence
			k.wake()
		})
	}
	eventually(t, "who never had an answer gives up the seat", func() bool { return l.players(room) == 1 })
	for _, c := range []*caller{known, unknown} {
		k := l.links.get(c.id)
		eventually(t, "the link ended", func() bool { return k.told.Load() || c.endedSilently(k) })
	}
	eventually(t, "nothing is kept", func() bool { return l.links.len() == 0 })
	back := l.again(&seat{core: known.core})
	back.until("the seat is kept for who knows of it", func() bool { return back.core.Resumed() })
}

// endedSilently lets the time pass for which the end of a link can be asked for.
func (c *caller) endedSilently(k *httpLink) bool {
	done := make(chan bool, 1)
	k.run(func(gone bool) {
		if !gone && k.ended != 0 {
			k.ended -= linkLinger
			k.wake()
		}
		done <- gone || k.ended != 0
	})
	return <-done
}

func TestNewerReadSupersedes(t *testing.T) {
	l := run(t, Config{})
	bob := l.call(client.Config{Kind: "walkers"})
	first := make(chan reply, 1)
	k := l.links.get(bob.id)
	hold := func() bool { return l.count.reads[pollReader].Load() > 0 }
	bob.rest(k) // messages would answer it
	go func() { first <- bob.do(http.MethodGet, bob.at("/poll?after=%d&wait=20", bob.has), nil) }()
	eventually(t, "the poll waits", hold)
	stream := "http://" + l.addr + bob.at("/stream?after=%d", bob.has)
	go func() {
		if resp, err := http.Get(stream); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	r := <-first
	if r.status != http.StatusNoContent || r.header.Get("Roomd-Superseded") != "1" {
		t.Errorf("%d %v", r.status, r.header)
	}
	eventually(t, "the stream reads", func() bool { return l.count.reads[streamReader].Load() == 1 })
	if r := bob.poll(0); r.status != http.StatusNoContent {
		t.Errorf("%d", r.status)
	}
	eventually(t, "the stream ended", func() bool { return l.count.reads[streamReader].Load() == 0 })
}

func TestSessionErrors(t *testing.T) {
	l := run(t, Config{Origins: []string{"https://game.example"}})
	bob := l.call(client.Config{Kind: "walkers"})
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		{"POST", sessionsPath, "", nil, 400, "bad_hello"},
		{"POST", sessionsPath, "\x91\x07", nil, 400, "bad_hello"},
		{"POST", sessionsPath, strings.Repeat("x", wire.MaxMessage+1), nil, 413, "too_large"},
		{"POST", sessionsPath, "", []string{"Origin", "https://evil.example"}, 403, "origin"},
		{"POST", sessionsPath + "/none?seq=1", "", nil, 404, "unknown_session"},
		{"GET", sessionsPath + "/none/poll", "", nil, 404, "unknown_session"},
		{"GET", sessionsPath + "/none/stream", "", nil, 404, "unknown_session"},
		{"DELETE", sessionsPath + "/none", "", nil, 404, "unknown_session"},
		{"POST", bob.at(""), "", nil, 400, "bad_request"},
		{"POST", bob.at("?seq=x"), "", nil, 400, "bad_request"},
		{"POST", bob.at("?seq=2"), "", nil, 409, "gap"},
		{"POST", bob.at("?seq=1&after=-1"), "", nil, 400, "bad_request"},
		{"POST", bob.at("?seq=1&after=99999"), "", nil, 400, "bad_request"},
		{"POST", bob.at("?seq=1"), strings.Repeat("x", wire.MaxMessage+1), nil, 413, "too_large"},
		{"GET", bob.at("/poll?after=99999"), "", nil, 400, "bad_request"},
		{"GET", bob.at("/poll?wait=26"), "", nil, 400, "bad_request"},
		{"GET", bob.at("/stream?after=99999"), "", nil, 400, "bad_request"},
		{"GET", bob.at("/stream"), "", []string{"Last-Event-ID", "5-100"}, 400, "bad_request"},
		{"GET", bob.at("/stream"), "", []string{"Origin", "null"}, 403, "origin"},
	} {
		r := bob.do(c.method, c.path, []byte(c.body), c.header...)
		var e struct{ Error, Code string }
		if err := json.Unmarshal(r.body, &e); err != nil || r.status != c.status || e.Code != c.code || e.Error == "" {
			t.Errorf("%s %s: %d %q, want %d %s", c.method, c.path, r.status, r.body, c.status, c.code)
		}
	}
	bob.take(bob.post(bob.input(3)))
	bob.until("nothing of it disturbed the player", func() bool { return bob.x() == 3 })
	r := bob.do(http.MethodOptions, sessionsPath+"/x", nil, "Origin", "https://game.example")
	if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != "https://game.example" || r.header.Get("Access-Control-Allow-Headers") == "" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}
	// A page of another origin reads no other fields but some of fetch's own choice.
	r = bob.do(http.MethodGet, bob.at("/poll?wait=0"), nil, "Origin", "https://game.example")
	if r.header.Get("Access-Control-Expose-Headers") != "Retry-After, Roomd-Superseded" {
		t.Errorf("poll: %v", r.header)
	}
	if r := bob.do(http.MethodPut, bob.at(""), nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", r.status)
	}
}

func TestSessionsHaveTheLimitsOfSockets(t *testing.T) {
	l := run(t, Config{})
	for _, c := range []struct {
		name string
		msgs func(c *caller) []byte
		want wire.Code
	}{
		{"nonsense", func(*caller) []byte { return []byte("nonsense") }, wire.ByeProtocol},
		{"a second hello", func(c *caller) []byte { return c.core.Hello() }, wire.ByeProtocol},
		{"too many", func(c *caller) (b []byte) {
			for range maxMessagesPerSecond + 1 {
				b = c.core.AppendPing(b, 1, 1)
			}
			return b
		}, wire.ByeTooFast},
	} {
		t.Run(c.name, func(t *testing.T) {
			bob := l.call(client.Config{Kind: "walkers"})
			bob.take(bob.post(c.msgs(bob)))
			bob.drain(c.want)
		})
	}
	full := l.call(client.Config{Kind: "pair", Room: "p"})
	l.call(client.Config{Kind: "pair", Room: full.core.Room()})
	third := l.caller(client.NewCore(client.Config{Kind: "pair", Room: full.core.Room()}))
	third.drain(wire.ByeFull)
	none := l.caller(client.NewCore(client.Config{Kind: "nothing"}))
	none.drain(wire.ByeUnknownKind)
}

// A seat goes from one transport to the other and back, with what the client
// holds.
func TestSeatChangesItsTransport(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Name: "ann"})
		seat, room, keyframes := ann.core.Seat(), ann.core.Room(), ann.core.Stats().Keyframes
		down := l.caller(ann.core)
		down.until("the seat is resumed over HTTP", func() bool { return len(down.ticks) > 5 })
		if ann.core.Seat() != seat || ann.core.Room() != room || !ann.core.Resumed() || ann.core.Stats().Keyframes != keyframes {
			t.Errorf("seat %d in %q, resumed %v, %d keyframes", ann.core.Seat(), ann.core.Room(), ann.core.Resumed(), ann.core.Stats().Keyframes)
		}
		down.take(down.post(down.input(4)))
		down.until("it moves", func() bool { return down.x() == 4 })
		up := l.again(ann)
		up.until("the seat is resumed over WebSocket", func() bool { return up.core.Resumed() && len(up.ticks) > 5 })
		if up.core.Seat() != seat || up.core.Stats().Keyframes != keyframes || down.x() != 4 {
			t.Errorf("seat %d, %d keyframes, at %d", up.core.Seat(), up.core.Stats().Keyframes, down.x())
		}
		eventually(t, "the old session ended", func() bool {
			r := down.do(http.MethodGet, down.at("/poll?after=%d&wait=0", down.has), nil)
			first, list := uint64(0), [][]byte(nil)
			if r.status == http.StatusOK {
				first, list = down.messages(r)
				down.has = first + uint64(len(list)) - 1
			}
			return r.status == http.StatusGone || r.status == http.StatusNotFound
		})
		if n := l.players(room); n != 1 {
			t.Errorf("%d players", n)
		}
	})
}

func TestDrainTellsSessions(t *testing.T) {
	l := run(t, Config{ShutdownTimeout: patience})
	polls := l.call(client.Config{Kind: "walkers"})
	streams := l.call(client.Config{Kind: "loners"})
	l.stop()
	if !streams.open(func() bool { return false }) || streams.core.Bye() == nil || streams.core.Bye().Code != wire.ByeShutdown {
		t.Errorf("the stream says %v", streams.core.Bye())
	}
	polls.drain(wire.ByeShutdown)
	begin := time.Now()
	l.end()
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("took %v to end with nobody there", took)
	}
}

// A page that is closed says so; the seat waits for it as for any other.
func TestDeletedSessionKeepsTheSeat(t *testing.T) {
	l := run(t, Config{Grace: time.Hour})
	bob := l.call(client.Config{Kind: "walkers"})
	bob.post(nil)
	if r := bob.do(http.MethodDelete, bob.at(""), nil); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := bob.poll(0); r.status != http.StatusNotFound {
		t.Errorf("%d", r.status)
	}
	back := l.caller(bob.core)
	back.until("the seat is resumed", func() bool { return len(back.ticks) > 3 })
	if !bob.core.Resumed() {
		t.Error("a new seat")
	}
}

// Who resumes a seat knows of it, whether or not the answer arrives.
func TestLostAnswerToAResumeKeepsTheSeat(t *testing.T) {
	l := run(t, Config{Grace: time.Hour})
	ann := l.join(client.Config{Kind: "walkers"})
	down := l.caller(ann.core)
	ann.wantBye(wire.ByeReplaced)
	if r := down.do(http.MethodDelete, down.at(""), nil); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	back := l.join(client.Config{Kind: "walkers", Token: ann.core.Token()})
	if !back.core.Resumed() || back.core.Seat() != ann.core.Seat() {
		t.Errorf("resumed %v, seat %d", back.core.Resumed(), back.core.Seat())
	}
}
