package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/human"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/loop"
)

const (
	// connectTimeout bounds how long all bots may take to have a first state.
	connectTimeout = 30 * time.Second
	// rampStep is the time between two groups of bots that join.
	rampStep = 20 * time.Millisecond
	// settleTime is how long after the last input the server may apply it.
	settleTime = time.Second
	// returnTime is how long after the last input bots without a connection may take to come back.
	returnTime = 5 * time.Second
	// maxLatency is the histogram's ceiling.
	maxLatency = time.Minute
)

type playCmd struct {
	Rooms    int           `default:"100" help:"Rooms."`
	Players  int           `default:"10" help:"Players in each room."`
	Duration time.Duration `default:"10s" help:"Time measured."`
	Warmup   time.Duration `default:"1500ms" help:"Time played before it."`
	Rate     float64       `default:"30" help:"Inputs a player sends in a second."`
	Decode   int           `default:"200" help:"Bots that decode, time and check what they get; the others count bytes."`
	URL      string        `help:"A running server (http://host:port); without it one is started."`
	Kind     string        `default:"crowd" help:"Kind of game to join."`
	Engine   string        `default:"auto" help:"Event loop of the started server."`
	IO       string        `name:"io" enum:"syscall,uring" default:"syscall" help:"How the started server writes and reads sockets."`
	Loops    int           `default:"0" help:"Event loops of the started server; 0 for its default."`
	Procs    int           `default:"0" help:"Processors (GOMAXPROCS) of the started server; 0 for all."`
	Script   string        `enum:"random,human,bot" default:"random" help:"What bots press: a new direction twice a second, what people did in a shooter (for kinds with the inputs of arena), or what the game's own bot does, which reads all it is shown (for kinds that have one)."`
	Ramp     time.Duration `help:"Time over which the bots join; 0 for all at once."`
	Report   string        `placeholder:"FILE" help:"Write a page with plots of every second (one HTML file)."`
	Progress bool          `help:"Print a line every second on standard error; by itself on a terminal."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
	troubleFlags
}

// run is one play run.
type run struct {
	cmd    *playCmd
	target *target
	loop   *loop.Loop
	swarm  *swarm
	pace   *pacer
	hist   *hdr.Histogram
	slice  *hdr.Histogram // of the running second, nil without a timeline
	times  []sample
}

// check refuses flags that no run can follow, or that it would not.
func (c *playCmd) check() error {
	switch {
	case c.Rooms < 1 || c.Players < 1 || c.Duration <= 0:
		return errors.New("rooms, players and duration must be positive")
	case c.Warmup < 0 || c.Ramp < 0 || c.Decode < 0 || c.Loops < 0 || c.Procs < 0:
		return errors.New("warmup, ramp, decode, loops and procs must not be negative")
	case c.URL != "" && (c.Engine != "auto" || c.IO != "syscall" || c.Loops != 0 || c.Procs != 0):
		return errors.New("engine, io, loops and procs are those of a started server: leave them out with --url")
	}
	return errors.Join(checkRate(c.Rate), c.validate())
}

// Run plays and prints the report.
func (c *playCmd) Run() error {
	if err := c.check(); err != nil {
		return err
	}
	ctx, stop := interrupted()
	defer stop()
	t, err := newTarget(ctx, c.URL, c.Procs, []string{"--engine", c.Engine, "--io", c.IO, "--loops", fmt.Sprint(c.Loops)})
	if err != nil {
		return err
	}
	defer t.stop()
	r := &run{cmd: c, target: t, hist: hdr.New(1, maxLatency.Microseconds(), 3)}
	rep, err := r.play(ctx)
	if err != nil {
		return err
	}
	write := rep.writeTable
	if c.JSON {
		write = rep.writeJSON
	}
	err = write(os.Stdout)
	if c.Report != "" {
		err = errors.Join(err, rep.writeHTML(c.Report, r.times))
	}
	return errors.Join(err, rep.verdict())
}

// on runs f on the bots' loop and waits for it.
func (r *run) on(f func()) {
	done := make(chan struct{})
	if r.loop.Post(func() { f(); close(done) }) {
		<-done
	}
}

// open starts the bots' loop, without bots. The caller ends it.
func (r *run) open() (end func(), err error) {
	if r.loop, err = loop.New(loop.Config{}); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- r.loop.Run() }()
	r.swarm = &swarm{
		addr: r.target.addr, kind: r.cmd.Kind, schemas: map[uint64]*game.Schema{},
		rooms:   map[string]roomState{},
		latency: r.latency,
	}
	if r.cmd.any() {
		r.swarm.trouble = &trouble{flags: r.cmd.troubleFlags, swarm: r.swarm, loop: r.loop, back: hdr.New(1, maxLatency.Milliseconds(), 3)}
	}
	return func() { r.loop.Stop(); <-ended }, nil
}

func (r *run) play(ctx context.Context) (*playReport, error) {
	end, err := r.open()
	if err != nil {
		return nil, err
	}
	defer end()
	start, err := r.target.metrics()
	if err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := wait(ctx, r.cmd.Warmup); err != nil {
		return nil, err
	}
	return r.measure(ctx, start)
}

func (r *run) latency(d time.Duration) {
	r.hist.RecordValue(max(d.Microseconds(), 1))
	if r.slice != nil {
		r.slice.RecordValue(max(d.Microseconds(), 1))
	}
}

// connect starts the bots and their pacer, and waits for their first states.
func (r *run) connect(ctx context.Context) error {
	n := r.cmd.Rooms * r.cmd.Players
	// Decoding bots are spread over the rooms, two to a room first, since two
	// can be compared.
	per := max(r.cmd.Decode/r.cmd.Rooms, 1)
	decoding := 0
	var scripts [][]human.Press
	var err error
	var newMind func() mind
	switch r.cmd.Script {
	case "human":
		scripts, err = human.Windows()
	case "bot":
		newMind, err = mindOf(r.cmd.Kind)
	}
	if err != nil {
		return err
	}
	r.on(func() {
		for i := range n {
			b := &bot{swarm: r.swarm, room: fmt.Sprintf("load-%d", i/r.cmd.Players), own: -1, base: uint32(i%r.cmd.Players) * 10_000_000}
			if len(scripts) > 0 {
				b.script, b.line = scripts[i%len(scripts)], i/len(scripts)*97
			}
			if newMind != nil {
				b.brain = &brain{mind: newMind(), core: client.NewCore(client.Config{Kind: r.cmd.Kind, Room: b.room, Name: "bot"})}
			}
			if i%r.cmd.Players < per && decoding < r.cmd.Decode {
				b.decode = true
				decoding++
			}
			r.swarm.bots = append(r.swarm.bots, b)
		}
		r.pace = newPacer(r.swarm.bots, r.cmd.Rate)
		r.loop.Add(r.pace)
		if r.swarm.trouble != nil {
			r.loop.Add(r.swarm.trouble)
		}
	})
	for began, started := time.Now(), 0; started < n; {
		now := n
		if r.cmd.Ramp > 0 {
			now = min(n, 1+int(float64(n)*time.Since(began).Seconds()/r.cmd.Ramp.Seconds()))
		}
		r.on(func() {
			for ; started < now && err == nil; started++ {
				err = r.swarm.bots[started].start(r.loop)
			}
		})
		if err == nil && started < n {
			err = wait(ctx, rampStep)
		}
		if err != nil {
			return err
		}
	}
	return r.ready(ctx, n)
}

// ready waits until all bots have a state.
func (r *run) ready(ctx context.Context, n int) (err error) {
	deadline := time.Now().Add(connectTimeout)
	for ready := 0; ready < n; {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		var lost int
		r.on(func() { ready, lost, err = r.swarm.ready, r.swarm.lost, r.swarm.why })
		if lost > 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d bots got a state within %v", ready, n, connectTimeout)
		}
	}
	return nil
}

// reading is what is known at one end of the measured time.
type reading struct {
	at      time.Time
	server  usage
	bots    usage
	metrics map[string]float64
}

func (r *run) read() (reading, error) {
	m, err := r.target.metrics()
	if err != nil {
		return reading{}, err
	}
	s, err := r.target.usage()
	if err != nil {
		return reading{}, err
	}
	b, err := processUsage(0)
	return reading{time.Now(), s, b, m}, err
}

func (r *run) measure(ctx context.Context, start map[string]float64) (*playReport, error) {
	a, err := r.read()
	if err != nil {
		return nil, err
	}
	r.on(func() {
		r.swarm.begin()
		if t := r.swarm.trouble; t != nil && r.cmd.Storm > 0 {
			t.stormAt = loop.Now() + r.cmd.Duration/2
		}
	})
	if progress := r.cmd.Progress || isTerminal(os.Stderr); progress || r.cmd.Report != "" {
		t := newTimeline(r, a, progress)
		err = t.watch(ctx, r.cmd.Duration)
		r.times = t.samples
	} else {
		err = wait(ctx, r.cmd.Duration)
	}
	if err != nil {
		return nil, err
	}
	r.on(r.swarm.end)
	z, err := r.read()
	if err != nil {
		return nil, err
	}
	rep := r.report(a, z)
	if rep.InputsLost, rep.InputsDropped, err = r.settle(ctx, start); err != nil {
		return nil, err
	}
	r.on(func() {
		rep.InputsSent, rep.BotsLost, rep.why = r.swarm.sent, r.swarm.lost, r.swarm.why
		rep.LatencyP50, rep.LatencyP99 = middleAndTail(r.hist)
		rep.LatencyMax, rep.LatencySamples = float64(r.hist.Max())/1000, r.hist.TotalCount()
		if r.slice != nil {
			last := &r.times[len(r.times)-1]
			last.p50, last.p99 = middleAndTail(r.slice)
		}
		if t := r.swarm.trouble; t != nil {
			rep.Drops, rep.Stalls, rep.SeatsLost = t.drops, t.stalled, t.reseated
			rep.BackP50, rep.BackP99, rep.BackMax = float64(t.back.ValueAtQuantile(50)), float64(t.back.ValueAtQuantile(99)), float64(t.back.Max())
			rep.Away = r.swarm.away()
		}
	})
	return rep, nil
}

// settle stops the bots, brings those back that are away, takes in the answers that are on
// their way, and counts the inputs that the server has not applied soon after, and those
// that it has dropped from a full inbox.
func (r *run) settle(ctx context.Context, start map[string]float64) (lost, dropped int64, err error) {
	r.on(func() { r.pace.stopped = true })
	for began := time.Now(); ; {
		m, err := r.target.metrics()
		if err != nil {
			return 0, 0, err
		}
		since := func(name string) int64 { return int64(m[name] - start[name]) }
		var sent int64
		var away, waiting int
		r.on(func() { sent, away, waiting = r.swarm.sent, r.swarm.away(), r.swarm.waiting() })
		lost = sent - since("roomd_inputs_applied_total")
		waited := time.Since(began)
		if (lost <= 0 && waiting == 0 || waited > settleTime) && (away == 0 || waited > returnTime) {
			return lost, since("roomd_inputs_dropped_total"), nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
}

func (r *run) report(a, z reading) *playReport {
	secs := z.at.Sub(a.at).Seconds()
	n := float64(r.cmd.Rooms * r.cmd.Players)
	diff := func(name string) float64 { return z.metrics[name] - a.metrics[name] }
	rep := &playReport{
		Kind: r.cmd.Kind, Rooms: r.cmd.Rooms, PlayersPerRoom: r.cmd.Players, Players: int(n),
		DurationS: secs, ServerCPUPct: -1,
		BotsCPUPct:   100 * (z.bots.cpu - a.bots.cpu).Seconds() / secs,
		Ticks:        diff("roomd_ticks_total"),
		TicksSkipped: diff("roomd_ticks_skipped_total"),
		TickLateP50:  1000 * quantile(a.metrics, z.metrics, "roomd_tick_late_seconds", 0.50),
		TickLateP99:  1000 * quantile(a.metrics, z.metrics, "roomd_tick_late_seconds", 0.99),
	}
	if r.target.child != nil {
		rep.ServerCPUPct = 100 * (z.server.cpu - a.server.cpu).Seconds() / secs
		rep.ServerRSSMB = float64(z.server.rss) / 1e6
		rep.RSSPerPlayerKB = float64(z.server.rss) / 1e3 / n
	}
	r.on(func() {
		s := r.swarm
		counted := (s.to - s.from).Seconds()
		rep.BytesPerClient = float64(s.bytes) / n / counted
		rep.FramesPerClient = float64(s.frames) / n / counted
		rep.StatesChecked, rep.WrongStates = s.checked, s.wrong
		for _, sch := range s.schemas {
			rep.TickRateHz = sch.TickRate
		}
	})
	return rep
}

// middleAndTail are p50 and p99 of microseconds, in milliseconds.
func middleAndTail(h *hdr.Histogram) (p50, p99 float64) {
	return float64(h.ValueAtQuantile(50)) / 1000, float64(h.ValueAtQuantile(99)) / 1000
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
