package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

func TestTwoPlayersSeeEachOther(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Name: "ann"})
		bob := l.join(client.Config{Kind: "walkers", Name: "bob"})
		if ann.core.Room() != bob.core.Room() {
			t.Fatalf("rooms %q and %q, though either had seats", ann.core.Room(), bob.core.Room())
		}
		ann.input(5)
		bob.until("ann at 5", func() bool { x, _ := bob.x(ann.core.Seat()); return x == 5 })
		ann.until("an ack", func() bool { return ann.core.Ack() == 1 })
		for row := range bob.core.Rows("walker") {
			if mine := row.Value("seat") == float64(bob.core.Seat()); mine != (row.Value("pin") != 0) {
				t.Errorf("bob sees pin %v of seat %v", row.Value("pin"), row.Value("seat"))
			}
		}
	})
}

func TestRoomsByNameAndWhenFull(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		pair := client.Config{Kind: "pair", Room: "den"}
		l.join(pair)
		l.join(pair)
		third := l.dial(pair)
		third.send(third.core.Hello())
		third.wantBye(wire.ByeFull)
		other := l.join(client.Config{Kind: "pair"})
		if other.core.Room() == "den" {
			t.Error("a join that named no room is in the full one")
		}
		wrong := l.dial(client.Config{Kind: "walkers", Room: "den"})
		wrong.send(wrong.core.Hello())
		wrong.wantBye(wire.ByeUnknownKind)
	})
}

// Those on their way to a room who need no free seat in it take none.
func TestSpectatorsOnTheirWayTakeNoSeat(t *testing.T) {
	l := run(t, Config{})
	pair := client.Config{Kind: "pair", Room: "den"}
	l.join(pair)
	for _, a := range []ask{{kind: "pair", room: "den", spectate: true}, {kind: "pair", room: "den", resume: true}} {
		for range 5 {
			if _, err := l.dir.place(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.join(pair)
	eventually(t, "both have seats", func() bool { return l.players("den") == 2 })
}

func TestResumeKeepsTheSeat(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"})
		seat := ann.core.Seat()
		ann.input(3)
		ann.until("the input", func() bool { x, _ := ann.x(seat); return x == 3 })
		ann.nc.Close()
		back := l.again(ann)
		back.until("the welcome", func() bool { return back.core.Resumed() })
		back.until("a state", func() bool { return len(back.ticks) > 0 })
		back.wantEveryTick(3)
		if x, ok := back.x(seat); back.core.Seat() != seat || x != 3 || !ok {
			t.Errorf("seat %d at %d after resuming, was %d at 3", back.core.Seat(), x, seat)
		}
		if n := l.players(""); n != 1 {
			t.Errorf("%d players", n)
		}
	})
}

func TestNewerConnectionReplacesOlder(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Name: "ann"})
		reloaded := l.join(client.Config{Kind: "walkers", Token: ann.core.Token()})
		ann.wantBye(wire.ByeReplaced)
		if !reloaded.core.Resumed() || reloaded.core.Seat() != ann.core.Seat() {
			t.Errorf("seat %d, want %d", reloaded.core.Seat(), ann.core.Seat())
		}
	})
}

func TestSeatIsFreedAfterGraceOrAtOnceWhenLeft(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Grace = 200 * time.Millisecond
		l := run(t, cfg)
		ann, bob := l.join(client.Config{Kind: "walkers", Room: "r"}), l.join(client.Config{Kind: "walkers", Room: "r"})
		eventually(t, "both have seats", func() bool { return l.players("r") == 2 })
		cut := time.Now()
		ann.nc.Close()
		eventually(t, "ann's seat is free", func() bool { return l.players("r") == 1 })
		if took := time.Since(cut); took < cfg.Grace {
			t.Errorf("freed after %v, before the grace of %v", took, cfg.Grace)
		}
		late := l.again(ann)
		late.wantBye(wire.ByeTokenInvalid)
		bob.send(bob.core.AppendLeave(nil))
		bob.wantBye(wire.ByeLeft)
		eventually(t, "bob's seat is free", func() bool { return l.players("r") == 0 })
	})
}

func TestAdmit(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		slow := make(chan struct{})
		cfg.Admit = func(_ context.Context, req AdmitRequest) (Admission, error) {
			switch req.Auth {
			case "slow":
				<-slow
				return Admission{}, nil
			case "good":
				return Admission{User: "u7", Name: strings.ToUpper(req.Name), Data: []byte("gold")}, nil
			}
			return Admission{}, errors.New("who are you?")
		}
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Name: "ann", Auth: "good"})
		for row := range ann.core.Rows("walker") {
			if row.Str("name") != "u7/ANN/gold" {
				t.Errorf("the game knows %q", row.Str("name"))
			}
		}
		waits := l.dial(client.Config{Kind: "walkers", Auth: "slow"})
		waits.send(waits.core.Hello())
		ann.wantEveryTick(20)
		if l.players("") != 1 {
			t.Error("a player is in before Admit answered")
		}
		close(slow)
		waits.until("a state", func() bool { _, ok := waits.core.Tick(); return ok })
		bad := l.dial(client.Config{Kind: "walkers"})
		bad.send(bad.core.Hello())
		if text := bad.wantBye(wire.ByeRefused); text != "who are you?" {
			t.Errorf("told %q", text)
		}
		nobody := l.dial(client.Config{Kind: "walkers", Name: "nobody", Auth: "slow"})
		nobody.send(nobody.core.Hello())
		if text := nobody.wantBye(wire.ByeRefused); text != "no nobodies" {
			t.Errorf("told %q by the game", text)
		}
	})
}

func TestPostAndMail(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		var mu sync.Mutex
		var posts []string
		cfg.Post = func(room, topic string, body []byte) {
			mu.Lock()
			defer mu.Unlock()
			posts = append(posts, room+" "+topic+" "+string(body))
		}
		l := run(t, cfg)
		var ann *seat
		for _, name := range []string{"a", "b", "c"} {
			ann = l.join(client.Config{Kind: "walkers", Room: "r", Name: name})
		}
		want := []string{"r joined a", "r joined b", "r joined c"}
		eventually(t, "the posts", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(posts, want)
		})
		if err := l.Mail("r", "topic", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		ann.until("the letter", func() bool { return slices.Contains(ann.events, "letter") })
		if err := l.Mail("nowhere", "topic", nil); err != ErrNoRoom {
			t.Errorf("mail to no room: %v", err)
		}
		if err := l.Mail("r", "topic", make([]byte, maxMail+1)); err != ErrTooBig {
			t.Errorf("big mail: %v", err)
		}
	})
}

func TestRoutesShareThePort(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers", Room: "r"})
		ann.wantEveryTick(2)
		for path, part := range map[string]string{
			"/v1/rooms": `"id":"r","kind":"walkers","players":1`, "/healthz": "ok", "/readyz": "ready",
			"/metrics": "roomd_ticks_total", "/sdk/index.js": "connect", "/": "roomd",
		} {
			if code, body := l.get(path); code != http.StatusOK || !strings.Contains(body, part) {
				t.Errorf("%s: %d %.200q, want %q in it", path, code, body, part)
			}
		}
		if code, _ := l.get("/nothing"); code != http.StatusNotFound {
			t.Errorf("an unknown path: %d", code)
		}
		ann.wantEveryTick(2)
	})
}
