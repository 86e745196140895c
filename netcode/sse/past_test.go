package sse

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// kept is the bytes of a feed.
func (f *feed) kept() (n int) {
	for _, e := range f.entries {
		n += len(e.plain.b)
		if e.packed != nil {
			n += len(e.packed.b)
		}
	}
	return n
}

// A delay that readers choose keeps no more of a large room than there may be. Who
// asked for more is shown nothing too soon, and comes back to a shorter one.
func TestLongDelaysKeepLittle(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		const past = 128 << 10
		r := newRig(t, func(c *Config) { c.Keep, c.Group, c.Past = time.Second, 500*time.Millisecond, past })
		for range 200 {
			r.road.cars.Add(car{})
		}
		second := 0 // bytes
		run := func(seconds int) {
			for range seconds {
				before := r.log.Stats().Raw
				for range testRate {
					r.step(func() {
						for _, c := range r.road.cars.All() {
							c.X++
						}
					})
				}
				second = max(second, int(r.log.Stats().Raw-before))
			}
		}
		live := r.read(Request{})
		late := r.read(Request{Delay: MaxDelay, Gzip: gzip})
		run(30)
		f := r.log.feeds[FormatJSON]
		if most := past + 2*second; f.kept() > most || f.size != f.kept() {
			t.Errorf("%d bytes are kept, counted as %d, of at most %d", f.kept(), f.size, most)
		}
		if !late.ended || !gzip && names(parse(t, late.String())) != "hello" {
			t.Errorf("ended %v: who is ten minutes late has seen %s", late.ended, late.String()[:100])
		}
		back := r.read(Request{Delay: MaxDelay})
		var hello struct{ Delay float64 }
		if err := json.Unmarshal([]byte(parse(t, back.String())[1].data), &hello); err != nil {
			t.Fatal(err)
		}
		run(10)
		if hello.Delay < 1 || hello.Delay > 5 || back.ended || !strings.HasPrefix(names(parse(t, back.String())), "hello key delta") {
			t.Errorf("told of %v s, ended %v: %d bytes", hello.Delay, back.ended, back.Len())
		}
		if live.ended || strings.Contains(live.String(), "event: reset") {
			t.Error("who is up to date is disturbed")
		}
		late = r.read(Request{Delay: 2 * time.Second})
		if late.Len() == 0 || late.ended {
			t.Error("a delay that fits is not given")
		}
	}
}
