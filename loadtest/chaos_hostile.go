package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roomd/roomd/netcode/client/hostile"
	"github.com/roomd/roomd/netcode/wire"
)

const (
	// hostileRooms of hostilePlayers are beside the attackers, who come to the first.
	hostileRooms, hostilePlayers = 10, 10
	// rehearsal is how long each attack is played before memory is measured: what the
	// first clients have a server grow to is not what the others leave behind.
	rehearsal = 300 * time.Millisecond
	// attackLead is how long an attack goes on before it is measured.
	attackLead = 300 * time.Millisecond
	// minAttack is the least time that surely has inputs to be timed: without one, a
	// promise would seem broken.
	minAttack = 200 * time.Millisecond
	// maxKept is the memory of the server after all attacks by that before them.
	maxKept = 1.10
)

// siege is one server with players who are well, and attackers.
type siege struct {
	run    *run
	out    io.Writer
	window time.Duration
	target hostile.Target
}

// hostile lets every attack loose on a node of its own, and prints what the players
// beside it feel. It returns the number of promises that were broken: that players
// lose no connection and are shown nothing wrong, that the server takes new clients,
// and that it gives back its memory.
func (c *chaosCmd) hostile(ctx context.Context, out io.Writer) (failed int, err error) {
	t, err := newTarget(ctx, "", 0, []string{"--grace", "50ms", "--log-level", "ERROR"})
	if err != nil {
		return 0, err
	}
	defer t.stop()
	s := &siege{out: out, window: c.Attack, target: hostile.Target{
		Addr: t.addr, Hello: wire.AppendHello(nil, wire.Hello{Kind: "crowd", Room: "load-0", Name: "guest"}),
	}}
	players := hostileRooms * hostilePlayers
	s.run = &run{
		cmd:    &playCmd{Rooms: hostileRooms, Players: hostilePlayers, Rate: 30, Decode: players, Kind: "crowd"},
		target: t, hist: hdr.New(1, maxLatency.Microseconds(), 3),
	}
	end, err := s.run.open()
	if err != nil {
		return 0, err
	}
	defer end()
	if err := s.run.connect(ctx); err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "a node alone, %d rooms of %d, hostile clients in the first\n", hostileRooms, hostilePlayers)
	return s.play(ctx, players)
}

func (s *siege) play(ctx context.Context, players int) (failed int, err error) {
	attacks := hostile.Attacks()
	for i := range attacks {
		s.attack(ctx, &attacks[i], func() error { return wait(ctx, rehearsal) })
	}
	if err := s.alone(ctx, players); err != nil {
		return 0, err
	}
	before, err := s.run.target.weigh(ctx)
	if err != nil {
		return 0, err
	}
	for i := range attacks {
		failed += s.report(ctx, &attacks[i])
	}
	if ctx.Err() != nil {
		return failed, context.Cause(ctx)
	}
	if err := s.alone(ctx, players); err != nil {
		return failed, err
	}
	after, err := s.run.target.weigh(ctx)
	if err != nil {
		return failed, err
	}
	kept := float64(after) / float64(before)
	fmt.Fprintf(s.out, "  memory %.1f MB before, %.1f MB after: %.2f of it\n", float64(before)/1e6, float64(after)/1e6, kept)
	if kept > maxKept {
		fmt.Fprintf(s.out, "  FAILED: more than %.2f of the memory before\n", maxKept)
		failed++
	}
	return failed, nil
}

// feeling is what the players' inputs took to come back in a state, in ms.
type feeling struct{ p50, p99 float64 }

// feel measures for a while, and until the answers to the inputs of that time are here,
// for the slow ones are what an attack would be felt by.
func (s *siege) feel(ctx context.Context) (f feeling, err error) {
	r := s.run
	r.on(func() {
		r.hist.Reset()
		r.swarm.begin()
	})
	err = wait(ctx, s.window)
	r.on(r.swarm.end)
	for began, waiting := time.Now(), 1; err == nil && waiting > 0 && time.Since(began) < settleTime; {
		err = wait(ctx, 20*time.Millisecond)
		r.on(func() { waiting = r.swarm.waiting() })
	}
	r.on(func() {
		f = feeling{float64(r.hist.ValueAtQuantile(50)) / 1000, float64(r.hist.ValueAtQuantile(99)) / 1000}
		if err == nil && r.hist.TotalCount() == 0 {
			err = errors.New("no input came back in a state")
		}
	})
	return f, err
}

// attack plays an attack for as long as f runs.
func (s *siege) attack(ctx context.Context, a *hostile.Attack, f func() error) (hostile.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan hostile.Result, 1)
	go func() { done <- a.Run(ctx, s.target) }()
	err := f()
	cancel()
	return <-done, err
}

// report measures one attack beside the quiet before it and prints its line. It
// returns the number of failures. What ended before its time proves nothing: the
// server is killed with ctx.
func (s *siege) report(ctx context.Context, a *hostile.Attack) int {
	var under feeling
	quiet, err := s.feel(ctx)
	if err == nil {
		var r hostile.Result
		r, err = s.attack(ctx, a, func() (err error) {
			if err = wait(ctx, attackLead); err == nil {
				under, err = s.feel(ctx)
			}
			return err
		})
		if r.Refused > 0 || r.Connections == 0 {
			err = errors.Join(err, fmt.Errorf("%d connects failed, %d did not: %w", r.Refused, r.Connections, r.Why))
		}
	}
	if ctx.Err() != nil {
		return 0
	}
	if err = errors.Join(err, s.healthy()); err != nil {
		fmt.Fprintf(s.out, "  %s\n  FAILED: %v\n", a.Name, err)
		return 1
	}
	fmt.Fprintf(s.out, "  %-34s quiet p50 %.1f p99 %.1f ms, under attack p50 %.1f p99 %.1f ms: %.2f times\n",
		a.Name, quiet.p50, quiet.p99, under.p50, under.p99, under.p99/max(quiet.p99, 0.001))
	return 0
}

// healthy demands that nobody who is well was harmed.
func (s *siege) healthy() (err error) {
	s.run.on(func() {
		if w := s.run.swarm; w.lost > 0 || w.wrong > 0 {
			err = fmt.Errorf("%d players were lost (%w), %d states wrong", w.lost, w.why, w.wrong)
		}
	})
	return err
}

// alone waits until the server has no connections but the players'.
func (s *siege) alone(ctx context.Context, players int) error {
	deadline := time.Now().Add(connectTimeout)
	for {
		m, err := s.run.target.metrics()
		if err != nil {
			return err
		}
		open := int(m["roomd_connections"]) - 1 // which asked
		if open <= players {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d connections are open, of %d players and attackers who left", open, players)
		}
		if err := wait(ctx, leavePoll); err != nil {
			return err
		}
	}
}

// plays reports whether a phase of that name is to be played.
func (c *chaosCmd) plays(name string) bool { return slices.Contains(c.Only, name) }
