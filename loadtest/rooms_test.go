package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
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
