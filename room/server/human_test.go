package server

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

const (
	humanPlayers = 16
	humanTicks   = 60 * arena.TickRate
)

// press is one recorded command: movement as Quake has it, relative to where
// the player looks.
type press struct{ forward, side, yaw, buttons int }

// human is a recorded person at a Go client, connected to a room in memory. It
// is the room's Peer.
type human struct {
	t      *testing.T
	core   *client.Core
	viewer *room.Viewer
	input  client.InputBuilder
	script []press
	frames int
}

// Send implements room.Peer.
func (h *human) Send(f *wire.Frame) bool { return h.receive(f) }

// Offer implements room.Peer.
func (h *human) Offer(private, shared *wire.Frame) bool {
	if private != nil && !h.receive(private) {
		return false
	}
	h.frames++
	return h.receive(shared)
}

// Bye implements room.Peer.
func (h *human) Bye(code wire.Code, text string, _ time.Duration) {
	h.t.Fatalf("the room says bye: %v %s", code, text)
}

func (h *human) receive(f *wire.Frame) bool {
	if err := h.core.Receive(f.Body()); err != nil {
		h.t.Fatal(err)
	}
	return true
}

// play sends what the recorded person pressed in the given tick.
func (h *human) play(now time.Duration, tick int) {
	p := h.script[tick]
	angle := float64(p.yaw) * 2 * math.Pi / 65536
	// Quake's yaw turns counter-clockwise and its y axis points up.
	dx := float64(p.forward)*math.Cos(angle) + float64(p.side)*math.Sin(angle)
	dy := -float64(p.forward)*math.Sin(angle) + float64(p.side)*math.Cos(angle)
	if n := math.Hypot(dx, dy); n > 0 {
		dx, dy = dx*127/n, dy*127/n
	}
	h.input.Set("moveX", math.Round(dx))
	h.input.Set("moveY", math.Round(dy))
	h.input.Set("aim", float64((65536-p.yaw)%65536))
	h.input.Set("fire", float64(p.buttons&1))
	msg, err := h.core.AppendInput(nil, &h.input)
	if err != nil {
		h.t.Fatal(err)
	}
	for m := wire.ReadMessages(msg); m.Next(); {
		in, err := wire.ReadInput(m.Reader(), m.Len())
		if err != nil {
			h.t.Fatal(err)
		}
		if err := h.viewer.Input(now, in); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestHumanInput has 16 recorded people play the arena for a minute each at
// once. After every tick each client's state must be the room's, as that player
// may see it, and the people must have done something.
func TestHumanInput(t *testing.T) {
	scripts := readHumans(t)
	var now time.Duration
	r, err := room.New(room.Config{ID: "humans", Kind: arena.Kind, Seed: [32]byte{1}, Params: game.Params{"bots": "0"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	people := make([]*human, humanPlayers)
	for i := range people {
		h := &human{t: t, core: client.NewCore(client.Config{Kind: "arena", Name: fmt.Sprint("p", i)}), script: scripts[i]}
		h.core.Hello()
		h.viewer = r.Join(room.JoinRequest{Name: fmt.Sprint("p", i)}, h)
		people[i] = h
	}
	shots, moved, last := 0, 0, make([]float64, humanPlayers)
	for tick := range humanTicks {
		r.Tick(now)
		for i, h := range people {
			compare(t, r, h)
			if tick == 0 {
				h.input = h.core.NewInput()
			}
			shots += count(h, "shot")
			if at := place(h); at != last[i] {
				last[i] = at
				moved++
			}
			h.play(now, tick)
		}
		now += time.Second / arena.TickRate
	}
	if shots < humanPlayers*100 || moved < humanTicks*humanPlayers/10 {
		t.Fatalf("%d shots seen, tanks moved %d times: the recording had no effect", shots, moved)
	}
	t.Logf("%d ticks, %d clients: %d states compared, %d shots seen, tanks moved %d times",
		humanTicks, humanPlayers, humanTicks*humanPlayers, shots, moved)
}

// compare checks what a client decoded against the room's newest entry.
func compare(t *testing.T, r *room.Room, h *human) {
	t.Helper()
	e := r.Entry()
	if tick, ok := h.core.Tick(); !ok || tick != e.Tick {
		t.Fatalf("client %d holds tick %d (%t), the room has %d", h.core.Seat(), tick, ok, e.Tick)
	}
	v := delta.View{Teams: e.Seats[h.core.Seat()].Teams}
	if err := h.core.Shared().Equal(delta.Filter(r.Schema(), e, v)); err != nil {
		t.Fatalf("tick %d, client %d: %v", e.Tick, h.core.Seat(), err)
	}
	v.Seat = h.core.Seat()
	if err := h.core.Own().Equal(delta.Filter(r.Schema(), e, v)); err != nil {
		t.Fatalf("tick %d, client %d, private part: %v", e.Tick, h.core.Seat(), err)
	}
}

func count(h *human, event string) (n int) {
	for _, ev := range h.core.Events() {
		if ev.Name == event {
			n++
		}
	}
	return n
}

// place tells apart where a player's own tank may be.
func place(h *human) float64 {
	for row := range h.core.Rows("tank") {
		if row.Mine {
			return row.Value("x")*1000 + row.Value("y")
		}
	}
	return 0
}

// readHumans reads testdata/human.txt, whose first lines describe it.
func readHumans(t *testing.T) [][]press {
	t.Helper()
	f, err := os.Open("testdata/human.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]press
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		var n int
		var p press
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "window"):
			all = append(all, nil)
		default:
			if _, err := fmt.Sscan(line, &n, &p.forward, &p.side, &p.yaw, &p.buttons); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			for range n {
				all[len(all)-1] = append(all[len(all)-1], p)
			}
		}
	}
	if len(all) != humanPlayers {
		t.Fatalf("%d windows", len(all))
	}
	for i, w := range all {
		if len(w) != humanTicks {
			t.Fatalf("window %d has %d ticks", i, len(w))
		}
	}
	return all
}
