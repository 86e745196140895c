package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/loadtest/human"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

const (
	humanPlayers = 16
	humanTicks   = human.Length
)

// person is a recorded person at a Go client, connected to a room in memory. It
// is the room's Peer.
type person struct {
	t      *testing.T
	core   *client.Core
	viewer *room.Viewer
	input  client.InputBuilder
	script []human.Press
	frames int
}

// Send implements room.Peer.
func (h *person) Send(f *wire.Frame) bool { return h.receive(f) }

// Offer implements room.Peer.
func (h *person) Offer(private, shared *wire.Frame) bool {
	if private != nil && !h.receive(private) {
		return false
	}
	h.frames++
	return h.receive(shared)
}

// Bye implements room.Peer.
func (h *person) Bye(code wire.Code, text string, _ time.Duration) {
	h.t.Fatalf("the room says bye: %v %s", code, text)
}

func (h *person) receive(f *wire.Frame) bool {
	if err := h.core.Receive(f.Body()); err != nil {
		h.t.Fatal(err)
	}
	return true
}

// play sends what the recorded person pressed in the given tick.
func (h *person) play(now time.Duration, tick int) {
	x, y, aim, fire := h.script[tick].Stick()
	h.input.Set("moveX", x)
	h.input.Set("moveY", y)
	h.input.Set("aim", float64(aim))
	h.input.Set("fire", map[bool]float64{true: 1}[fire])
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
	scripts, err := human.Windows()
	if err != nil || len(scripts) != humanPlayers {
		t.Fatalf("%d windows, %v", len(scripts), err)
	}
	var now time.Duration
	r, err := room.New(room.Config{ID: "humans", Kind: arena.Kind, Seed: [32]byte{1}, Params: game.Params{"bots": "0"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	people := make([]*person, humanPlayers)
	for i := range people {
		h := &person{t: t, core: client.NewCore(client.Config{Kind: "arena", Name: fmt.Sprint("p", i)}), script: scripts[i]}
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
func compare(t *testing.T, r *room.Room, h *person) {
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

func count(h *person, event string) (n int) {
	for _, ev := range h.core.Events() {
		if ev.Name == event {
			n++
		}
	}
	return n
}

// place tells apart where a player's own tank may be.
func place(h *person) float64 {
	for row := range h.core.Rows("tank") {
		if row.Mine {
			return row.Value("x")*1000 + row.Value("y")
		}
	}
	return 0
}
