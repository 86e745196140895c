package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

// Rooms tick on at their rate when nobody is there any more; how late is not judged
// here.
func TestLoadRooms(t *testing.T) {
	for _, rate := range []int{20, 30} {
		c := &roomsCmd{Rooms: 50, Bots: 2, Rate: rate, Duration: time.Second, Engine: "auto"}
		rep, err := c.play(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := float64(50 * rate); rep.Ticks+rep.TicksSkipped < want*0.8 || rep.TickCPU <= 0 || rep.StepCPU <= 0 || rep.RSSMB == 0 {
			t.Errorf("%d Hz: %+v", rate, rep)
		}
		var b bytes.Buffer
		if err := rep.writeJSON(&b); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{
			"rooms", "tick_cpu_us", "tick_late_p50_ms", "tick_late_p99_ms", "tick_late_max_ms", "ticks_skipped", "server_cpu_pct", "rss_mb", "rss_bytes_per_room",
		} {
			if _, ok := got[key].(float64); !ok {
				t.Errorf("the report has no %s", key)
			}
		}
	}
}

// BenchmarkRoomTick10000 ticks rooms that nobody watches in turn, as a loop does: what
// one needs has left the processor's caches when its turn comes.
func BenchmarkRoomTick10000(b *testing.B) {
	kind := crowd.AtRate(20)
	frames, scratch := &wire.Pool{}, &room.Scratch{}
	rooms := make([]*room.Room, 10_000)
	for i := range rooms {
		r, err := room.New(room.Config{
			ID: "r", Kind: kind, Params: game.Params{"bots": "2"}, Empty: -1, Frames: frames, Scratch: scratch, Clock: loop.Now,
		}, 0)
		if err != nil {
			b.Fatal(err)
		}
		rooms[i] = r
	}
	// Rooms made one after the other tick far from each other.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(rooms), func(i, j int) { rooms[i], rooms[j] = rooms[j], rooms[i] })
	tick := time.Duration(0)
	all := func() {
		for _, r := range rooms {
			r.Tick(tick)
		}
		tick += time.Second / 20
	}
	for range 50 {
		all()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		all()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rooms)), "ns/tick")
}
