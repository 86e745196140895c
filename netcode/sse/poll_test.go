package sse

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
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

// Polls end in any order, and those that are left are answered.
func TestPollsLeaveInAnyOrder(t *testing.T) {
	r := newRig(t, nil)
	r.poll(0, 0)
	r.steps(2)
	const n = 50
	var polls [n]*Poll
	var answers [n]int
	for i := range polls {
		polls[i] = r.log.Poll(r.now, Request{HasCursor: true, Epoch: 7, Tick: r.tick}, 10*time.Second, func(Answer) { answers[i]++ })
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	left := order[:n/2]
	for _, i := range left {
		polls[i].Leave()
		polls[i].Leave()
	}
	if got := r.log.Readers(); got != n-len(left) {
		t.Fatalf("%d wait after %d of %d left", got, len(left), n)
	}
	r.steps(4)
	for i, got := range answers {
		if want := 1; slices.Contains(left, i) == (got == want) {
			t.Errorf("poll %d: %d answers", i, got)
		}
	}
	if r.log.Readers() != 0 {
		t.Errorf("%d wait for nothing", r.log.Readers())
	}
}

// BenchmarkPolls answers polls that wait for the same tick.
func BenchmarkPolls(b *testing.B) {
	for _, n := range []int{1_000, 20_000, 50_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := newRig(b, nil)
			r.log.Poll(r.now, Request{}, 0, func(Answer) {})
			r.steps(2)
			for b.Loop() {
				b.StopTimer()
				for range n {
					r.log.Poll(r.now, Request{HasCursor: true, Epoch: 7, Tick: r.log.base}, MaxWait, func(Answer) {})
				}
				r.steps(1)
				b.StartTimer()
				for r.log.Readers() > 0 {
					r.steps(1)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/poll")
		})
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
