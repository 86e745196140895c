//go:build browser

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	demo "github.com/roomd/roomd/client-demo"
	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/room/server"
)

// heard is one event that the browser's EventSource told.
type heard struct {
	Type, ID, Reason string
	Tick             int
}

// listen opens an EventSource in a page that has no script of its own. Such a page
// does not close it at the end: whether to connect again is the browser's to know.
func (p *page) listen(name, room, query string) {
	p.t.Helper()
	ask(p, chromedp.Evaluate[bool](fmt.Sprintf(`{
		const list = [], source = new EventSource('/v1/rooms/%s/spectate%s');
		for (const type of ['hello', 'key', 'delta', 'reset', 'notice', 'end'])
			source.addEventListener(type, (e) => list.push({type, id: e.lastEventId, ...JSON.parse(e.data), tables: 0, schema: 0}));
		(window.heard ??= {})[%q] = {list, source};
		true;
	}`, room, query, name)))
}

func (p *page) events(name string) (list []heard) {
	p.t.Helper()
	raw := ask(p, chromedp.Evaluate[string](fmt.Sprintf("JSON.stringify(window.heard[%q].list)", name)))
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		p.t.Fatal(err)
	}
	return list
}

func (p *page) awaitEvents(name, what string, ok func([]heard) bool) (list []heard) {
	p.t.Helper()
	eventually(p.t, what, func() bool {
		list = p.events(name)
		return ok(list)
	})
	return list
}

// ready is the EventSource's readyState: 2 is closed.
func (p *page) ready(name string) int {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[int](fmt.Sprintf("window.heard[%q].source.readyState", name)))
}

func (p *page) shut(name string) {
	p.t.Helper()
	ask(p, chromedp.Evaluate[bool](fmt.Sprintf("window.heard[%q].source.close(), true", name)))
}

func count(list []heard, event string) (n int) {
	for _, e := range list {
		if e.Type == event {
			n++
		}
	}
	return n
}

// wantTicks demands that of the ticks told none is missing, none comes twice and
// each is named by its id: of 30 a second ten are told.
func wantTicks(t *testing.T, list []heard) {
	t.Helper()
	last, n := 0, 0
	for _, e := range list {
		if e.Type != "key" && e.Type != "delta" {
			continue
		}
		if n++; n > 2 && e.Tick != last+3 { // the first of all is shown at once, whatever its tick
			t.Errorf("tick %d after %d", e.Tick, last)
		}
		if _, tick, _ := strings.Cut(e.ID, "-"); tick != "" && tick != strconv.Itoa(e.Tick) && tick != strconv.Itoa(last) {
			t.Errorf("tick %d has the id %s", e.Tick, e.ID)
		}
		last = e.Tick
	}
}

// clock is a game that does nothing but go on until its mail says so.
type clock struct {
	w    *game.World
	hand *game.Value[hand]
}

type hand struct{ Ticks uint32 }

func (c *clock) Join(game.PlayerID, game.JoinInfo) error { return nil }
func (c *clock) Leave(game.PlayerID)                     {}
func (c *clock) Mail(string, []byte)                     { c.w.End("time is up") }
func (c *clock) Step(now game.Tick, _ game.Inputs[struct{}]) {
	c.hand.Get().Ticks = uint32(now)
}

var clocks = game.Define("clock", game.Options{TickRate: 30}, func(w *game.World) game.Game[struct{}] {
	return &clock{w, game.NewValue[hand](w, "hand")}
})

// startClock serves a room of clocks that somebody plays.
func startClock(t *testing.T) (srv *server.Server, addr, room string) {
	t.Helper()
	srv, err := server.New(server.Config{Kinds: []*game.Kind{clocks}, Listen: "127.0.0.1:0", Pages: demo.Pages()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	a, err := srv.Addr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(ctx, "ws://"+a.String()+"/v1/ws", client.Options{Config: client.Config{Kind: "clock"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.View(func(core *client.Core) { room = core.Room() })
	return srv, a.String(), room
}

// TestEventSource follows a room with nothing but the browser's own EventSource:
// compressed from the middle on, with cursors that cannot be gone on from, over a
// cut longer than the room keeps, and to the room's end.
func TestEventSource(t *testing.T) {
	srv, addr, room := startClock(t)
	wire := startProxy(t, addr)
	p := openPage(t, startBrowser(t), wire.url+"sdk/limits.js")
	p.listen("live", room, "")
	events := p.awaitEvents("live", "states", func(list []heard) bool { return len(list) > 30 })
	if events[0].Type != "hello" || events[1].Type != "key" {
		t.Errorf("begins with %v", events[:2])
	}
	p.listen("late", room, "")
	late := p.awaitEvents("late", "states in mid-stream", func(list []heard) bool { return len(list) > 30 })
	wantTicks(t, late)
	if n := wire.answers("Content-Encoding: gzip"); n != 2 {
		t.Errorf("%d of 2 streams are compressed", n)
	}

	epoch, _, _ := strings.Cut(late[len(late)-1].ID, "-")
	for cursor, reason := range map[string]string{epoch + "-1": "expired", "1-5": "epoch", epoch + "-999999999": "future"} {
		p.listen(reason, room, "?last_event_id="+cursor)
		list := p.awaitEvents(reason, "a reset", func(list []heard) bool { return len(list) > 5 })
		if list[1].Type != "reset" || list[1].Reason != reason || list[2].Type != "key" {
			t.Errorf("after %s: %v", cursor, list[:3])
		}
		p.shut(reason)
	}
	p.shut("late")

	before := p.events("live")
	wire.down.Store(true)
	wire.cut()
	lost := game.Tick(before[len(before)-1].Tick)
	for _, seconds := range []game.Tick{17, 34} { // a room keeps 30 s of its stream
		eventually(t, "the room to go on", func() bool { return srv.Rooms()[0].Tick > lost+seconds*30 })
	}
	wire.down.Store(false)
	after := p.awaitEvents("live", "states after a long cut", func(list []heard) bool { return len(list) > len(before)+30 })
	for i, e := range after {
		if e.Type == "reset" {
			wantTicks(t, after[:i])
			wantTicks(t, after[i+1:])
			if e.Reason != "expired" || after[i+1].Type != "key" {
				t.Errorf("%v, then %v", e, after[i+1])
			}
		}
	}
	if n := count(after, "reset"); n != 1 {
		t.Errorf("%d resets", n)
	}

	if err := srv.Mail(room, "end", nil); err != nil {
		t.Fatal(err)
	}
	ended := p.awaitEvents("live", "the end", func(list []heard) bool { return count(list, "end") > 0 })
	if last := ended[len(ended)-1]; last.Type != "end" || last.Reason != "time is up" {
		t.Errorf("ends with %v", last)
	}
	eventually(t, "the browser to give up", func() bool { return p.ready("live") == 2 })
}
