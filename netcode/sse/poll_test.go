package sse

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

type answered struct {
	n      int
	Cursor string
	Reset  string
	UpTo   bool `json:"upToDate"`
	Events []struct {
		Event, ID string
		Tick      int
	}
	Answer
}

func (r *rig) poll(cursor game.Tick, wait time.Duration) *answered {
	a := &answered{}
	q := Request{HasCursor: cursor != 0, Epoch: 7, Tick: cursor}
	r.log.Poll(r.now, q, wait, func(got Answer) {
		a.n++
		a.Answer = got
		if got.Body != nil {
			if err := json.Unmarshal(got.Body, a); err != nil {
				r.t.Fatalf("%v in %s", err, got.Body)
			}
		}
	})
	r.next = r.log.Advance(r.now)
	return a
}

func TestPollWaitsAndCoalesces(t *testing.T) {
	r := newRig(t, nil)
	r.road.cars.Add(car{})
	first := r.poll(0, 10*time.Second)
	if first.n != 0 {
		t.Fatal("an answer before anything happened")
	}
	r.steps(3)
	if first.n != 1 || first.Cursor != "7-2" || len(first.Events) != 2 || first.Events[0].Event != "key" || !first.UpTo {
		t.Fatalf("answer %+v", first)
	}
	next := r.poll(2, 10*time.Second)
	r.steps(1)
	if next.n != 0 {
		t.Fatal("does not wait a moment for more")
	}
	r.steps(1)
	if next.n != 1 || next.Cursor != "7-4" || next.Events[0].Event != "delta" {
		t.Fatalf("answer %+v", next)
	}
	again := r.poll(2, 0)
	if again.n != 1 || again.Cursor != "7-4" || len(again.Events) != 1 {
		t.Fatalf("the same question, as after a lost answer: %+v", again)
	}
}

func TestPollEndsWithoutNews(t *testing.T) {
	r := newRig(t, nil)
	r.poll(0, time.Second)
	r.steps(2)
	none := r.poll(2, 2*time.Second)
	r.wait(1750 * time.Millisecond)
	if none.n != 0 {
		t.Fatal("answered before its time")
	}
	r.wait(350 * time.Millisecond)
	if none.n != 1 || none.Body != nil || none.Over || r.log.Readers() != 0 {
		t.Fatalf("answer %+v, %d readers", none, r.log.Readers())
	}
	long := r.poll(2, time.Hour)
	r.wait(MaxWait + time.Second)
	if long.n != 1 {
		t.Fatal("waits for longer than the most")
	}
}

// Only an answer that the same question will have again may be kept by caches: not
// that of who asks for the newest, or is given it in place of what is gone.
func TestOnlyThePastIsCached(t *testing.T) {
	r := newRig(t, nil)
	for range 3000 {
		r.road.cars.Add(car{Name: "abcdefghijklmnop"})
	}
	r.poll(0, 0)
	for range 16 {
		r.step(func() {
			for _, c := range r.road.cars.All() {
				c.X++
			}
		})
	}
	for _, c := range []struct {
		cursor game.Tick
		cache  string
	}{
		{0, "public, max-age=1"},
		{99, "public, max-age=1"},
		{1, "public, max-age=60, immutable"},
		{16, "no-store"},
	} {
		a := r.poll(c.cursor, 0)
		if c.cursor != 16 && a.UpTo {
			t.Fatalf("cursor %d: %d bytes are all there is", c.cursor, len(a.Body))
		}
		_, fields, _ := a.Response()
		if i := slices.Index(fields, [2]string{"Cache-Control", c.cache}); i < 0 {
			t.Errorf("cursor %d: fields %v, want %s", c.cursor, fields, c.cache)
		}
	}
}

func TestPollResets(t *testing.T) {
	r := newRig(t, nil)
	r.read(Request{})
	r.steps(10)
	if a := r.poll(99, 0); a.Reset != "future" || a.Events[0].Event != "key" {
		t.Errorf("answer %+v", a)
	}
	r.log.End(r.now, "over", 0)
	r.next = r.log.Advance(r.now)
	if a := r.poll(10, time.Second); !a.Over || len(a.Events) != 1 || a.Events[0].Event != "end" {
		t.Errorf("answer %+v", a)
	}
}
