package sse

import (
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

// A room may fall asleep between two entries: what its last ticks did is shown all
// the same, to those who read and to those who wait.
func TestSleepHidesNothing(t *testing.T) {
	r := newRig(t, nil)
	s := r.read(Request{})
	var id game.ID[car]
	r.step(func() { id = r.road.cars.Add(car{}) })
	r.steps(3) // tick 4 is an entry, tick 5 is none
	p := r.poll(4, 10*time.Second)
	r.step(func() {
		r.road.cars.Get(id).X = 5
		r.road.horn.All(horn{7})
	})
	r.wait(time.Second)
	events := parse(t, s.String())
	r.expect(follow(t, nil, events))
	if got := names(events); got != "hello key delta delta delta event" {
		t.Errorf("events %q", got)
	}
	if p.n != 1 || !strings.Contains(string(p.Body), `"cursor":"7-5"`) {
		t.Errorf("a poll is told %q", p.Body)
	}
	r.steps(1) // tick 6 is an entry
	r.wait(time.Second)
	if got := names(parse(t, s.String())); got != "hello key delta delta delta event delta" {
		t.Errorf("then events %q", got)
	}
}

// A room that sleeps for a day costs no more than one that sleeps for an hour, and
// who comes then is not told of every heartbeat.
func TestLongSleepIsForgotten(t *testing.T) {
	r := newRig(t, nil)
	r.road.cars.Add(car{X: 3})
	s := r.read(Request{Gzip: true})
	b := r.read(Request{Format: FormatBase64})
	r.steps(4)
	for range 24 * 60 {
		r.wait(time.Minute) // responses end after ten: others read on
		r.read(Request{Gzip: true})
		r.read(Request{Format: FormatBase64})
	}
	for _, f := range r.log.feeds {
		if f != nil && len(f.entries) > 100 {
			t.Errorf("%s: %d entries are kept", f.format, len(f.entries))
		}
	}
	late := parse(t, r.read(Request{}).String())
	if len(late) > 100 || late[2].name != "key" || late[2].id != "7-4" {
		t.Errorf("who comes late is told %d events, the first %v", len(late), late[:min(3, len(late))])
	}
	r.expect(follow(t, nil, late))
	q := r.read(Request{HasCursor: true, Epoch: 7, Tick: 4})
	if got := names(parse(t, q.String())); strings.Contains(got, "key") || strings.Contains(got, "reset") {
		t.Errorf("who was up to date is told %q", got)
	}
	r.expect(follow(t, nil, parse(t, unzip(t, s.Bytes()))))
	if beats := strings.Count(b.String(), "id: 7-4"); beats < 30 {
		t.Errorf("%d signs of life in ten minutes", beats)
	}
}
