package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
)

// TestMain is the server of a run, or its NATS, when it is started as one: runs start
// their own program again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "nats") {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A short run plays, loses nothing that the server does not count and sees nothing wrong;
// how fast it is, is not judged here: a machine that stands still fills the inboxes.
func TestLoadRun(t *testing.T) {
	rep, _ := playWith(t, &playCmd{Rooms: 3, Players: 4, Duration: time.Second, Warmup: 200 * time.Millisecond, Rate: 30, Decode: 12, Kind: "crowd"})
	if rep.WrongStates != 0 || rep.InputsLost != rep.InputsDropped || rep.BotsLost != 0 {
		t.Errorf("%+v", rep)
	}
	if rep.StatesChecked == 0 || rep.InputsSent == 0 || rep.LatencySamples == 0 || rep.BytesPerClient == 0 || rep.Ticks == 0 || rep.ServerRSSMB == 0 {
		t.Errorf("nothing measured: %+v", rep)
	}
	wantKeys(t, rep)
}

// Flags that no run can follow are refused before a server starts.
func TestPlayFlagsAreChecked(t *testing.T) {
	good := playCmd{Rooms: 1, Players: 1, Duration: time.Second, Rate: 30, Engine: "auto", IO: "syscall", troubleFlags: troubleFlags{Storm: 100}}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*playCmd){
		"no rooms":          func(c *playCmd) { c.Rooms = 0 },
		"rate of NaN":       func(c *playCmd) { c.Rate = math.NaN() },
		"rate of infinity":  func(c *playCmd) { c.Rate = math.Inf(1) },
		"negative warmup":   func(c *playCmd) { c.Warmup = -1 },
		"negative ramp":     func(c *playCmd) { c.Ramp = -1 },
		"negative decode":   func(c *playCmd) { c.Decode = -1 },
		"storm of NaN":      func(c *playCmd) { c.Storm = math.NaN() },
		"storm of 101 %":    func(c *playCmd) { c.Storm = 101 },
		"loops of a server": func(c *playCmd) { c.URL, c.Loops = "http://127.0.0.1:1", 1 },
	} {
		c := good
		if spoil(&c); c.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// playWith plays on a server of its own.
func playWith(t *testing.T, cmd *playCmd) (*playReport, *run) {
	t.Helper()
	target, err := newTarget(t.Context(), "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer target.stop()
	r := &run{cmd: cmd, target: target, hist: hdr.New(1, maxLatency.Microseconds(), 3)}
	rep, err := r.play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rep, r
}

// A run fails by what the server promises, not by how fast it was.
func TestVerdictOfARun(t *testing.T) {
	if err := (&playReport{TicksSkipped: 9, InputsLost: 9, Drops: 9}).verdict(); err != nil {
		t.Error(err)
	}
	for want, rep := range map[string]playReport{
		"1 wrong states":  {WrongStates: 1},
		"2 bots lost":     {BotsLost: 2},
		"3 seats lost":    {SeatsLost: 3},
		"4 bots not back": {Away: 4},
		"told why":        {BotsLost: 1, why: errors.New("told why")},
	} {
		if err := rep.verdict(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, want %q in it", err, want)
		}
	}
}

func wantKeys(t *testing.T, rep *playReport) {
	t.Helper()
	var b bytes.Buffer
	if err := rep.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"server_cpu_pct", "server_rss_mb", "tick_late_p50_ms", "tick_late_p99_ms", "ticks_skipped", "bytes_per_client_per_s",
		"latency_p50_ms", "latency_p99_ms", "inputs_lost", "wrong_states",
	} {
		if _, ok := got[key].(float64); !ok {
			t.Errorf("the report has no %s", key)
		}
	}
}

// Bots that see different rows in the same tick, or not their own newest input,
// are counted as wrong.
func TestWrongStatesAreFound(t *testing.T) {
	s := &swarm{rooms: map[string]roomState{"r": {tick: 7, hash: 1}}}
	schema, err := crowd.Kind.Schema()
	if err != nil {
		t.Fatal(err)
	}
	s.schemas = map[uint64]*game.Schema{schema.Hash(): schema}
	b := &bot{swarm: s, room: "r", decode: true, own: -1}
	b.welcome(wire.Welcome{SchemaHash: schema.Hash()})
	b.tick, b.ack = 7, 3 // acknowledged, but in no row
	b.check()
	if s.checked != 1 || s.wrong != 2 {
		t.Errorf("%d checked, %d wrong; want 1 and 2: the rows differ, and the bot's own is missing", s.checked, s.wrong)
	}
}

// Which inputs are timed is decided by when they were due: an answer after the time
// measured is the slow one.
func TestLatenciesAreOfInputsDueInTheTimeMeasured(t *testing.T) {
	var timed []time.Duration
	now := loop.Now()
	s := &swarm{from: now - 20*time.Second, to: now - 10*time.Second, latency: func(d time.Duration) { timed = append(timed, d) }}
	b := &bot{swarm: s, decode: true, playing: true, seq: 3}
	s.bots = []*bot{b}
	b.sentAt = [inFlight]time.Duration{1: now - 25*time.Second, 2: now - 15*time.Second, 3: now - 5*time.Second}
	if n := s.waiting(); n != 1 {
		t.Errorf("%d inputs to be timed wait, want the second", n)
	}
	b.acked(3)
	if len(timed) != 1 || timed[0] < 15*time.Second || s.waiting() != 0 {
		t.Errorf("timed %v, %d wait; want one of 15 s, and none", timed, s.waiting())
	}
}

// Bytes and frames are those of the time that was measured, which is longer than asked
// for on a machine that stands still.
func TestRatesAreOfTheTimeMeasured(t *testing.T) {
	r := &run{cmd: &playCmd{Rooms: 1, Players: 2, Duration: time.Second}, target: &target{}}
	end, err := r.open()
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	r.on(func() { r.swarm.from, r.swarm.to, r.swarm.bytes, r.swarm.frames = time.Second, 5*time.Second, 800, 80 })
	now := time.Now()
	rep := r.report(reading{at: now}, reading{at: now.Add(4 * time.Second)})
	if rep.BytesPerClient != 100 || rep.FramesPerClient != 10 {
		t.Errorf("%v bytes and %v frames a client and second, want 100 and 10", rep.BytesPerClient, rep.FramesPerClient)
	}
}

func TestQuantile(t *testing.T) {
	name := "x"
	before := map[string]float64{`x_bucket{le="1"}`: 5}
	after := map[string]float64{`x_bucket{le="1"}`: 15, `x_bucket{le="2"}`: 25, `x_bucket{le="+Inf"}`: 25}
	for q, want := range map[float64]float64{0.2: 0.5, 0.4: 1, 0.7: 1.5, 1: 2} {
		if got := quantile(before, after, name, q); math.Abs(got-want) > 0.01 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestPacerSendsAtFixedTimes(t *testing.T) {
	s := &swarm{}
	p := newPacer([]*bot{{swarm: s}, {swarm: s}}, 10)
	p.start = 0
	var times []time.Duration
	for now := time.Duration(0); now < 200*time.Millisecond; {
		next := p.Advance(now)
		times = append(times, next)
		now = next
	}
	want := []time.Duration{50e6, 100e6, 150e6, 200e6}
	if !slices.Equal(times, want) {
		t.Errorf("sent at %v, want %v", times, want)
	}
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65_535} {
		f := appendFrame(nil, opBinary, bytes.Repeat([]byte{7}, n))
		plain := slices.Clone(f)
		plain[1] &= 0x7f // as a server sends it: without mask
		head := len(f) - n
		plain = slices.Delete(plain, head-4, head)
		for cut := range min(len(plain), 8) {
			if _, _, used := cutFrame(plain[:cut]); used != 0 {
				t.Errorf("%d bytes of a frame of %d were taken for one", cut, len(plain))
			}
		}
		op, payload, used := cutFrame(append(plain, 1, 2, 3))
		if op != opBinary || len(payload) != n || used != len(plain) {
			t.Errorf("frame of %d: opcode %d, %d bytes, %d used of %d", n, op, len(payload), used, len(plain))
		}
	}
}

// Bots whose connections break, one by one and all at once, come back to their seats,
// and the page of the run shows every second.
func TestBotsComeBack(t *testing.T) {
	c := &playCmd{
		Rooms: 2, Players: 4, Duration: 3 * time.Second, Warmup: 200 * time.Millisecond, Rate: 30, Decode: 8, Kind: "crowd",
		Ramp: 100 * time.Millisecond, Report: "page", troubleFlags: troubleFlags{Drop: 20, Stall: 10, Storm: 100},
	}
	rep, r := playWith(t, c)
	if rep.Drops < 8 || rep.SeatsLost != 0 || rep.Away != 0 || rep.BotsLost != 0 || rep.WrongStates != 0 || rep.BackMax <= 0 {
		t.Errorf("%+v", rep)
	}
	var b strings.Builder
	if err := rep.renderHTML(&b, "table", r.times); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "<polyline"); n != 9 || strings.Contains(b.String(), "NaN") || len(r.times) < 3 {
		t.Errorf("the page has %d lines of %d seconds", n, len(r.times))
	}
}
