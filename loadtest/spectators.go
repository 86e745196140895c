package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/loop"
)

// spectatorsCmd measures the streams for those who only watch.
type spectatorsCmd struct {
	Readers  int           `default:"3000" help:"Readers whose CPU is compared with a fan-out over plain net/http."`
	Many     int           `default:"8000" help:"Readers whose memory is measured."`
	Walkers  int           `default:"20" help:"Entities of the room."`
	Duration time.Duration `default:"5s" help:"Time measured, each round."`
	Rounds   int           `default:"3" help:"Rounds of comparison; the medians count."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
}

const (
	watchedRoom = "watched"
	manyRate    = 5 // events a second with many readers
	// decoding is the number of readers that decode all they get.
	decoding = 50
)

func (c *spectatorsCmd) Run() error {
	if c.Readers < 1 || c.Many < 1 || c.Rounds < 1 || c.Duration <= 0 {
		return errors.New("readers, many, rounds and duration must be positive")
	}
	if c.Walkers < 0 || c.Walkers > crowd.MaxPlayers {
		return fmt.Errorf("walkers must be from 0 to %d, which the room has no more of", crowd.MaxPlayers)
	}
	ctx, stop := interrupted()
	defer stop()
	rep := &spectatorsReport{Readers: c.Readers, Many: c.Many}
	if err := c.compare(ctx, rep); err != nil {
		return err
	}
	if err := c.weigh(ctx, rep); err != nil {
		return err
	}
	return errors.Join(rep.write(os.Stdout, c.JSON), rep.broken())
}

// stage is a server with a room that is watched.
type stage struct {
	target *target
	truth  *client.Client
	crowd  *crowdOfReaders
}

// open starts a server and the room, and who knows the truth: an idle player,
// since all players of the workload see what the public does.
func (c *spectatorsCmd) open(ctx context.Context, args ...string) (*stage, error) {
	t, err := newTarget(ctx, "", 0, append([]string{"--param", fmt.Sprint("bots=", c.Walkers)}, args...))
	if err != nil {
		return nil, err
	}
	s := &stage{target: t, crowd: newCrowdOfReaders()}
	s.truth, err = client.Dial(ctx, "ws://"+t.addr+"/v1/ws", client.Options{
		Config: client.Config{Kind: "crowd", Room: watchedRoom},
		OnUpdate: func(cl *client.Client) {
			cl.View(func(core *client.Core) {
				if tick, ok := core.Tick(); ok {
					s.crowd.know(tick, s.crowd.truthOf(core))
				}
			})
		},
	})
	if err != nil {
		t.stop()
		return nil, err
	}
	s.crowd.learn(s.truth)
	return s, nil
}

func (s *stage) close() {
	s.crowd.stop()
	s.truth.Close()
	s.target.stop()
}

// compare measures the CPU of a message, by turns with plain net/http handlers
// that fan out the same stream.
func (c *spectatorsCmd) compare(ctx context.Context, rep *spectatorsReport) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	base, err := startFanout(ctx, "http://"+s.target.addr+watchPath)
	if err != nil {
		return err
	}
	defer base.stop()
	var ours, theirs []cost
	for round := range c.Rounds {
		var a, b cost
		mine := func() (err error) { a, err = c.measure(ctx, s, s.target, c.Readers); return err }
		other := func() (err error) { b, err = c.measure(ctx, s, base, c.Readers); return err }
		first, second := mine, other
		if round%2 == 1 { // what changes on the machine meanwhile is nobody's advantage
			first, second = other, mine
		}
		if err := first(); err != nil {
			return err
		}
		if err := second(); err != nil {
			return err
		}
		ours, theirs = append(ours, a), append(theirs, b)
	}
	rep.compare(ours, theirs)
	rep.States, rep.Wrong = s.crowd.checked, s.crowd.wrong
	return nil
}

// medianOf is the middle of a list, or the mean of the two in its middle.
func medianOf(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

// cost is what a round of reading took of a server.
type cost struct {
	usPerMessage, cpuPct, bytesPerMessage, encodesPerEvent float64
	messages                                               int64
}

func costOf(cpu, took time.Duration, messages, bytes int64) cost {
	return cost{
		usPerMessage: 1e6 * cpu.Seconds() / float64(messages), cpuPct: 100 * cpu.Seconds() / took.Seconds(),
		bytesPerMessage: float64(bytes) / float64(messages), messages: messages,
	}
}

// cpu is the time that a child has had so far. Unlike /proc, which counts in 10 ms,
// the process's clock tells rounds from each other in which a server has little to do.
func (t *target) cpu() (time.Duration, error) {
	const sched = 2                                 // CPUCLOCK_SCHED of the Linux ABI, of all threads
	clock := int32(^t.child.Process.Pid<<3 | sched) // as clock_getcpuclockid(3) makes it
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, fmt.Errorf("the CPU time of process %d: %w", t.child.Process.Pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// measure reads from a server with n readers. The baseline knows JSON only.
func (c *spectatorsCmd) measure(ctx context.Context, s *stage, t *target, n int) (r cost, err error) {
	some := 0
	if t == s.target {
		some = decoding
	}
	if err := s.crowd.connect(ctx, t.addr, n, some); err != nil {
		return r, err
	}
	defer s.crowd.hangUp()
	if err := wait(ctx, time.Second); err != nil {
		return r, err
	}
	encodes, err := s.encodes()
	if err != nil {
		return r, err
	}
	before, err := t.cpu()
	if err != nil {
		return r, err
	}
	begin := time.Now()
	s.crowd.count(true)
	err = wait(ctx, c.Duration)
	messages, bytes := s.crowd.count(false)
	took := time.Since(begin)
	after, errCPU := t.cpu()
	made, errEncodes := s.encodes()
	if err != nil {
		return r, err // servers end with the run: that readers are lost is not why
	}
	if err = errors.Join(s.crowd.failure(), errCPU, errEncodes); err != nil {
		return r, err
	}
	if messages == 0 {
		return r, fmt.Errorf("nothing was received in %v: --duration is too short, or the server stalls", took)
	}
	r = costOf(after-before, took, messages, bytes)
	r.encodesPerEvent = (made - encodes) / max(float64(s.crowd.events()), 1)
	return r, nil
}

// encodes is the entries that the room's server has made of JSON.
func (s *stage) encodes() (float64, error) {
	m, err := s.target.metrics()
	return m[`roomd_public_encodes_total{format="json"}`], err
}

// weigh measures the memory of many readers.
func (c *spectatorsCmd) weigh(ctx context.Context, rep *spectatorsReport) error {
	s, err := c.open(ctx, "--spectate-rate", fmt.Sprint(manyRate))
	if err != nil {
		return err
	}
	defer s.close()
	// What the first readers have a server grow to is not the readers' own.
	if _, err := c.measure(ctx, s, s.target, 200); err != nil {
		return err
	}
	before, err := s.target.usage()
	if err != nil {
		return err
	}
	idle, err := s.target.metrics()
	if err != nil {
		return err
	}
	if err := s.crowd.connect(ctx, s.target.addr, c.Many, decoding); err != nil {
		return err
	}
	if err := wait(ctx, max(c.Duration, 3*time.Second)); err != nil {
		return err
	}
	after, err := s.target.usage()
	if err != nil {
		return err
	}
	busy, err := s.target.metrics()
	if err != nil {
		return err
	}
	rep.RSSPerReader = float64(after.rss-before.rss) / float64(c.Many)
	rep.Goroutines = busy["go_goroutines"] - idle["go_goroutines"]
	rep.ReadersAtEnd = s.crowd.alive()
	if err := s.crowd.failure(); err != nil {
		return err
	}
	s.crowd.hangUp()
	rep.States += s.crowd.checked
	rep.Wrong += s.crowd.wrong
	return nil
}

// on runs f on a loop and waits for it.
func on(l *loop.Loop, f func()) {
	done := make(chan struct{})
	if l.Post(func() { f(); close(done) }) {
		<-done
	}
}
