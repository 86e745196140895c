package sse

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

func TestStreamTellsTheGame(t *testing.T) {
	r := newRig(t, nil)
	var first game.ID[car]
	r.step(func() { first = r.road.cars.Add(car{X: 1.5, Name: "a\nb", Fuel: 9}) })
	s := r.read(Request{})
	r.step(func() { r.road.cars.Get(first).X = 2 })
	r.step(func() { r.road.cars.Get(first).Trip[1].At = first })
	r.step(func() { r.road.horn.All(horn{5}) })
	r.steps(2)
	r.step(func() { r.road.cars.Remove(first) })
	r.steps(2)
	events := parse(t, s.String())
	if got := names(events); got != "hello key delta delta event delta delta" {
		t.Fatalf("events %q", got)
	}
	for i, want := range []string{
		`{"room":"r","kind":"road","epoch":7,"tickRate":20,"rate":10,"schema":`,
		`{"tick":1,"tables":{"car":{"0":{"x":1.5,"name":"a\nb","fuel":0,"trip":[{"at":null,"on":false},{"at":null,"on":false}]}}}}`,
		`{"tick":2,"tables":{"car":{"0":{"x":2}}}}`,
		`{"tick":4,"tables":{"car":{"0":{"trip":[{"at":null,"on":false},{"at":0,"on":false}]}}}}`,
		`{"tick":4,"name":"horn","data":{"loud":5}}`,
		`{"tick":6,"tables":{}}`,
		`{"tick":8,"tables":{"car":{"0":null}}}`,
	} {
		if got := events[i+1].data; !strings.HasPrefix(got, want) {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
	if ids := fmt.Sprint(events[3].id, " ", events[4].id, " ", events[5].id, " ", events[6].id); ids != "7-2  7-4 7-6" {
		t.Errorf("ids %s: the last event of a tick has it, no other", ids)
	}
}

// TestEveryReaderHoldsTheState plays games at random before readers of all sorts
// and formats: each that is up to date holds what the public may see, and no id
// comes twice or is missing.
func TestEveryReaderHoldsTheState(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 9))
		r := newRig(t, func(c *Config) { c.Group = 500 * time.Millisecond; c.Keep = 2 * time.Second })
		var readers []*sink
		var gzips []bool
		for range 200 {
			r.step(func() { drive(r, rng) })
			switch rng.IntN(20) {
			case 0:
				gz := rng.IntN(2) == 0
				readers, gzips = append(readers, r.read(Request{Gzip: gz})), append(gzips, gz)
			case 1:
				if len(readers) > 0 {
					s := readers[rng.IntN(len(readers))]
					s.full = !s.full
				}
			}
		}
		for _, s := range readers {
			s.full = false
		}
		r.wait(time.Second)
		for (r.tick+1)%2 != 0 {
			r.step(nil)
		}
		r.step(nil)
		for i, s := range readers {
			text := s.String()
			if gzips[i] && bytes.HasPrefix(s.Bytes(), gzipHead) {
				text = unzip(t, s.Bytes())
			}
			events := parse(t, text)
			r.expect(follow(t, nil, events))
			expectIDs(t, events)
		}
	}
}

// expectIDs demands that ids rise by a step of the stream, but for a reset.
func expectIDs(t *testing.T, events []event) {
	t.Helper()
	last := 0
	for _, e := range events {
		if e.name == "reset" {
			last = 0
		}
		if e.id == "" || e.name == "" {
			continue
		}
		var epoch, tick int
		if _, err := fmt.Sscanf(e.id, "%d-%d", &epoch, &tick); err != nil {
			t.Fatal(err)
		}
		if last > 1 && tick != last+2-last%2 {
			t.Fatalf("id %s after tick %d", e.id, last)
		}
		last = tick
	}
}

// drive changes the game at random.
func drive(r *rig, rng *rand.Rand) {
	var ids []game.ID[car]
	for id, c := range r.road.cars.All() {
		ids = append(ids, id)
		c.X += float32(rng.IntN(3))
		c.Trip[rng.IntN(2)].On = rng.IntN(2) == 0
	}
	if len(ids) < 5 && rng.IntN(3) == 0 {
		id := r.road.cars.Add(car{Name: fmt.Sprint("car ", rng.IntN(100)), Fuel: 3})
		if rng.IntN(3) == 0 {
			r.road.cars.Show(id, game.Team(1))
		}
	}
	if len(ids) > 0 {
		switch id := ids[rng.IntN(len(ids))]; rng.IntN(8) {
		case 0:
			r.road.cars.Remove(id)
		case 1:
			r.road.cars.Show(id, game.Everyone)
		case 2:
			r.road.cars.Show(id, game.Team(1))
		case 3:
			r.road.horn.All(horn{1})
		}
	}
}

// unzip reads a stream that was cut, as browsers do.
func unzip(t *testing.T, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return string(text)
}

func TestGzipJoinsWithAnyGroup(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Group = 500 * time.Millisecond })
	r.road.cars.Add(car{Name: strings.Repeat("x", 16)})
	first := r.read(Request{Gzip: true})
	r.steps(15)
	late := r.read(Request{Gzip: true})
	r.steps(10)
	for _, s := range []*sink{first, late} {
		events := parse(t, unzip(t, s.Bytes()))
		if !strings.HasPrefix(names(events), "hello key delta") {
			t.Fatalf("events %q", names(events))
		}
		expectIDs(t, events)
		r.expect(follow(t, nil, events))
	}
	if s := r.log.Stats(); s.Wire >= s.Raw {
		t.Errorf("%d bytes on the wire for %d", s.Wire, s.Raw)
	}
}

// The first who reads compressed gets what others got plain, whatever the delay.
func TestGzipJoinsPlainStream(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Group = 500 * time.Millisecond })
	r.road.cars.Add(car{Name: strings.Repeat("x", 16)})
	r.read(Request{})
	r.read(Request{Delay: 2 * time.Second})
	r.steps(55)
	var read [2][2]*sink
	for i, delay := range []time.Duration{2 * time.Second, 0} {
		read[i] = [2]*sink{r.read(Request{Gzip: true, Delay: delay}), r.read(Request{Delay: delay})}
	}
	r.steps(60)
	for _, s := range read {
		zipped, plain := parse(t, unzip(t, s[0].Bytes())), parse(t, s[1].String())
		if !slices.Equal(zipped[1:], plain[1:]) || len(plain) < 10 {
			t.Errorf("compressed %q, plain %q", names(zipped), names(plain))
		}
		expectIDs(t, zipped)
	}
}

func TestOneEncodeWhateverTheReaders(t *testing.T) {
	r := newRig(t, nil)
	r.steps(1)
	for i := range 300 {
		r.read(Request{Gzip: i%2 == 0, Delay: time.Duration(i%3) * time.Second})
	}
	r.steps(20)
	if s := r.log.Stats(); s.Encodes != [NumFormats]uint64{FormatJSON: 11} {
		t.Errorf("encodes %v, want 11 of JSON", s.Encodes)
	}
	r.read(Request{Format: FormatBase64})
	r.read(Request{Format: FormatLines})
	r.steps(20)
	if s := r.log.Stats(); s.Encodes != [NumFormats]uint64{22, 11, 11} {
		t.Errorf("encodes %v, want 22, 11 and 11", s.Encodes)
	}
}

func TestNobodyReadsNothingIsMade(t *testing.T) {
	r := newRig(t, nil)
	r.steps(50)
	if r.log.Watching() || r.log.Stats().Encodes != [NumFormats]uint64{} {
		t.Fatalf("made for nobody: %v", r.log.Stats().Encodes)
	}
	s := &sink{}
	reader := r.log.Read(r.now, Request{Head: func(bool) []byte { return nil }}, s)
	r.steps(10)
	reader.Leave()
	r.steps(10)
	if !r.log.Watching() || r.log.Readers() != 0 {
		t.Fatalf("%d readers, watching %t", r.log.Readers(), r.log.Watching())
	}
	r.steps(testRate * int(linger/time.Second))
	if r.log.Watching() {
		t.Fatal("made for nobody")
	}
}

// TestDelayIsKept: whatever happens, a delayed reader or poll receives no tick
// that is younger than its delay, nor learns of one.
func TestDelayIsKept(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		least := time.Duration(rng.IntN(3)) * time.Second
		r := newRig(t, func(c *Config) { c.MinDelay = least; c.Group = 700 * time.Millisecond })
		begin := r.now
		for range 400 {
			r.step(func() { drive(r, rng) })
			if rng.IntN(15) > 0 {
				continue
			}
			delay := time.Duration(rng.IntN(5000)) * time.Millisecond
			q := Request{Delay: delay, Format: Format(rng.IntN(3)), Gzip: rng.IntN(2) == 0}
			if rng.IntN(2) == 0 {
				q.HasCursor, q.Epoch, q.Tick = true, 7, game.Tick(rng.IntN(int(r.tick)+10))
			}
			youngest := func(now time.Duration) game.Tick {
				return game.Tick(max(0, int((now-max(delay, least)-begin)*testRate/time.Second)))
			}
			check := func(text string) {
				for _, tick := range ticksOf(text) {
					if tick > youngest(r.now) {
						t.Fatalf("seed %d: tick %d at tick %d, %v delayed: %s", seed, tick, r.tick, max(delay, least), text)
					}
				}
			}
			q.Head = func(bool) []byte { return nil }
			r.log.Read(r.now, q, &spy{check})
			r.log.Poll(r.now, q, time.Duration(rng.IntN(3000))*time.Millisecond, func(a Answer) { check(string(a.Body)) })
		}
	}
}

// spy looks at each piece that it is offered at the moment it is.
type spy struct{ check func(string) }

func (s *spy) Offer(private []byte, block *Block) bool {
	if !bytes.HasPrefix(private, gzipHead) {
		s.check(string(private))
	}
	if block != nil {
		s.check(string(block.Bytes()))
	}
	return true
}
func (s *spy) End([]byte) {}

// ticksOf is the ticks that a text names, in ids, cursors and data.
func ticksOf(text string) (ticks []game.Tick) {
	for _, mark := range []string{`id: 7-`, `"id":"7-`, `"cursor":"7-`, `"tick":`} {
		for rest := text; ; {
			i := strings.Index(rest, mark)
			if i < 0 {
				break
			}
			rest = rest[i+len(mark):]
			var tick game.Tick
			if _, err := fmt.Sscan(strings.SplitN(rest, "\n", 2)[0], &tick); err != nil {
				fmt.Sscanf(rest, "%d", &tick)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

func TestResume(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Keep = time.Second; c.Group = 500 * time.Millisecond })
	r.read(Request{})
	r.steps(40)
	for _, c := range []struct {
		name  string
		epoch uint64
		tick  game.Tick
		want  string
	}{
		{"exactly", 7, 36, "hello delta"},
		{"up to date", 7, 40, "hello"},
		{"another history", 8, 36, "hello reset:epoch key"},
		{"a tick to come", 7, 41, "hello reset:future key"},
		{"a tick between two entries", 7, 35, "hello reset:expired key"},
		{"long ago", 7, 2, "hello reset:expired key"},
	} {
		for _, gz := range []bool{false, true} {
			s := r.read(Request{HasCursor: true, Epoch: c.epoch, Tick: c.tick, Gzip: gz})
			text := s.String()
			if bytes.HasPrefix(s.Bytes(), gzipHead) {
				text = unzip(t, s.Bytes())
			}
			events := parse(t, text)
			got := strings.ReplaceAll(names(events), "reset", "reset:"+resetReason(events))
			if !strings.HasPrefix(got+" ", c.want+" ") || c.name == "up to date" && got != c.want {
				t.Errorf("%s, gzip %t: %q, want %q", c.name, gz, got, c.want)
			}
			if c.name == "exactly" && events[2].id != "7-38" {
				t.Errorf("goes on with %s", events[2].id)
			}
		}
	}
}

func resetReason(events []event) string {
	for _, e := range events {
		if e.name == "reset" {
			var d struct{ Reason string }
			json.Unmarshal([]byte(e.data), &d)
			return d.Reason
		}
	}
	return ""
}

func TestSlowReaderJumps(t *testing.T) {
	for _, gz := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Group = 500 * time.Millisecond })
		r.road.cars.Add(car{})
		s := r.read(Request{Gzip: gz})
		r.steps(10)
		s.full = true
		r.steps(60)
		s.full = false
		r.steps(2)
		text := s.String()
		if gz {
			text = unzip(t, s.Bytes())
		}
		events := parse(t, text)
		if got := names(events); !strings.Contains(got, "delta reset key") || resetReason(events) != "slow" {
			t.Fatalf("gzip %t: events %q", gz, got)
		}
		r.expect(follow(t, nil, events))
		if st := r.log.Stats(); st.Skips != 1 || st.Resets[resetSlow] != 1 {
			t.Errorf("stats %+v", st)
		}
		s.full = true
		r.steps(testRate*int(stall/time.Second) + 10)
		if !s.ended || r.log.Readers() != 0 || r.log.Stats().Stalled != 1 {
			t.Errorf("a stalled reader stays: %d readers", r.log.Readers())
		}
	}
}

func TestSilenceHasHeartbeats(t *testing.T) {
	r := newRig(t, nil)
	s := r.read(Request{})
	lines := r.read(Request{Format: FormatLines})
	r.steps(4)
	r.wait(2*heartbeat + time.Second)
	events := parse(t, s.String())
	if got := names(events); got != "hello key delta delta beat beat" {
		t.Fatalf("events %q", got)
	}
	if id := events[len(events)-1].id; id != "7-4" {
		t.Errorf("a heartbeat has id %q", id)
	}
	if !strings.HasSuffix(lines.String(), "}\n\n\n") {
		t.Errorf("no two empty lines end %q", lines.String())
	}
	r.steps(2)
	if got := names(parse(t, s.String())); got != "hello key delta delta beat beat key" {
		t.Errorf("events %q", got)
	}
}

func TestEnd(t *testing.T) {
	r := newRig(t, nil)
	live, late := r.read(Request{}), r.read(Request{Delay: 2 * time.Second})
	r.steps(50)
	r.log.End(r.now, "the game is over", 0)
	r.next = r.log.Advance(r.now)
	if !live.ended || !strings.HasSuffix(live.String(), "event: end\ndata: {\"reason\":\"the game is over\"}\n\n") {
		t.Errorf("live: %q", live.String())
	}
	if late.ended {
		t.Error("the delayed reader is told at once")
	}
	r.wait(2 * time.Second)
	if !late.ended || !strings.Contains(late.String(), `"tick":50`) {
		t.Error("the delayed reader is not told to the end")
	}
	if r.log.Read(r.now, Request{}, &sink{}) != nil {
		t.Error("a reader of what is over")
	}
	r = newRig(t, nil)
	live = r.read(Request{})
	r.steps(3)
	r.log.End(r.now, "", time.Second)
	if got := names(parse(t, live.String())); !live.ended || !strings.HasSuffix(got, "notice") {
		t.Errorf("drained: %q", got)
	}
}

func TestResponsesRotate(t *testing.T) {
	r := newRig(t, nil)
	s := r.read(Request{})
	r.steps(testRate * int(maxAge*75/100/time.Second))
	if s.ended {
		t.Fatal("ends before 80 % of its age")
	}
	r.steps(testRate * int(maxAge*30/100/time.Second))
	if !s.ended {
		t.Fatal("does not end")
	}
	parse(t, s.String())
}

func TestBase64HoldsMessages(t *testing.T) {
	r := newRig(t, nil)
	r.road.cars.Add(car{X: 3})
	s := r.read(Request{Format: FormatBase64})
	r.step(nil)
	r.step(func() { r.road.horn.All(horn{2}) })
	r.steps(2)
	events := parse(t, s.String())
	if got := names(events); got != "hello key delta delta" {
		t.Fatalf("events %q", got)
	}
	var hex []string
	for _, e := range events[2:] {
		b, err := base64.StdEncoding.DecodeString(e.data)
		if err != nil {
			t.Fatal(err)
		}
		hex = append(hex, fmt.Sprintf("%x", b))
	}
	// A keyframe of tick 1, a delta with an event, an empty delta.
	want := []string{"9905010001" + "020100fe18", "920301" + "9406000002", "920302"}
	if !slices.Equal(hex, want) {
		t.Errorf("messages %v, want %v", hex, want)
	}
}
