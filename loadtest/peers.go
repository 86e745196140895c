package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/roomd/roomd/loadtest/crowd"
)

// peersCmd measures roomd beside two programs of loadtest/baseline, by turns: a
// loop of write(2), which is as little as a delivery can cost, and a good plain Go
// server with the same game. All have one processor.
type peersCmd struct {
	Rounds   int           `default:"5" help:"Rounds of each comparison; the medians count."`
	Duration time.Duration `default:"1500ms" help:"Time measured of a server in a round."`
	Viewers  int           `default:"1000" help:"Connections that frames are delivered to."`
	Idle     int           `default:"10000" help:"Idle connections whose memory is measured."`
	Rooms    int           `default:"100" help:"Rooms of 10 players; there are a tenth as many of 50."`
	Baseline string        `default:"loadtest/baseline" help:"Folder of the baseline programs."`
	Only     []string      `enum:"delivery,crowd,idle" default:"delivery,crowd,idle" help:"Comparisons to make."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
}

const (
	// warmUp is how long a load lasts before it is measured.
	warmUp = time.Second
	// firstRooms is the part of the rooms, one in so many, whose memory counts as the
	// server's own.
	firstRooms = 10
	// spareFiles is what a process needs beside its connections, in files.
	spareFiles = 256
	// warmGuests come and go before idle connections are weighed: what the first ones
	// have a server grow to is not theirs.
	warmGuests = 200
	// inputRate is the inputs that a player sends in a second.
	inputRate = crowd.TickRate
)

// sizes are the payloads whose delivery is measured, in bytes.
var sizes = []int{64, 512}

// peersRun is one run of the command.
type peersRun struct {
	*peersCmd
	ours          []peer // roomd, and roomd with io_uring where there is one
	writes, plain peer
	rep           *peersReport
}

func (c *peersCmd) Run() error {
	ctx, stop := interrupted()
	defer stop()
	rep, err := c.measure(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return rep.writeJSON(os.Stdout)
	}
	return rep.writeTable(os.Stdout)
}

func (c *peersCmd) measure(ctx context.Context) (*peersReport, error) {
	if c.Rounds < 1 || c.Duration <= 0 || c.Viewers < 2 || c.Idle < 1 || c.Rooms < 2 {
		return nil, errors.New("rounds, duration and idle must be positive, viewers and rooms at least 2")
	}
	if len(c.Only) == 0 {
		return nil, errors.New("--only names no comparison")
	}
	dir, err := os.MkdirTemp("", "roomd-peers-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &peersRun{peersCmd: c, rep: &peersReport{rounds: c.Rounds, seconds: c.Duration.Seconds(), viewers: c.Viewers, notes: []string{}}}
	if err := r.prepare(ctx, dir); err != nil {
		return nil, err
	}
	begin := time.Now()
	parts := map[string]func(context.Context) error{"delivery": r.deliver, "crowd": r.crowds, "idle": r.idle}
	for _, name := range c.Only {
		if err := parts[name](ctx); err != nil {
			return nil, err
		}
	}
	r.rep.took = time.Since(begin).Seconds()
	return r.rep, nil
}

// deliver compares the CPU of a frame delivered with the loop's of write(2).
func (r *peersRun) deliver(ctx context.Context) error {
	for _, size := range sizes {
		duels, err := r.byTurns(ctx, r.writes, perMessage, func(ctx context.Context, p peer) (cost, error) {
			return r.watch(ctx, p, size)
		})
		if err != nil {
			return fmt.Errorf("delivery of %d B: %w", size, err)
		}
		r.rep.deliveries = append(r.rep.deliveries, delivery{duels, size})
	}
	return nil
}

// watch has viewers of one room, whose text is new each tick.
func (r *peersRun) watch(ctx context.Context, p peer, size int) (c cost, err error) {
	t, err := p.start(ctx, size)
	if err != nil {
		return c, err
	}
	defer t.stop()
	g, err := newParty(t.addr)
	if err != nil {
		return c, err
	}
	defer g.stop()
	// A room begins with a player.
	if err := g.connect(ctx, 1, func(int) *guest { return p.tongue(crowd.Notice.Name(), "board", true) }); err != nil {
		return c, err
	}
	if err := g.connect(ctx, r.Viewers-1, func(int) *guest { return p.tongue(crowd.Notice.Name(), "board", false) }); err != nil {
		return c, err
	}
	return r.take(ctx, t, g)
}

// take measures what a load costs that is under way.
func (r *peersRun) take(ctx context.Context, t *target, g *party) (c cost, err error) {
	if err := wait(ctx, warmUp); err != nil {
		return c, err
	}
	before, err := t.cpu()
	if err != nil {
		return c, err
	}
	begin := time.Now()
	g.count(true)
	err = wait(ctx, r.Duration)
	after, errCPU := t.cpu()
	took := time.Since(begin)
	frames, bytes := g.count(false)
	if err != nil {
		return c, err // servers end with the run: that connections are lost is not why
	}
	if err = errors.Join(g.failure(), errCPU); err != nil {
		return c, err
	}
	if frames == 0 {
		return c, fmt.Errorf("nothing was received in %v: --duration is too short, or the server stalls", took)
	}
	return costOf(after-before, took, frames, bytes), nil
}

// crowds compares the CPU and the memory of rooms of players with the plain server's.
func (r *peersRun) crowds(ctx context.Context) error {
	for _, c := range []crowdSize{{rooms: r.Rooms, players: 10}, {rooms: max(r.Rooms/10, 2), players: 50}} {
		var mine, theirs []float64
		var err error
		c.duels, err = r.byTurns(ctx, r.plain, perSecond, func(ctx context.Context, p peer) (cost, error) {
			k, rss, err := r.play(ctx, p, c.rooms, c.players)
			switch p.name {
			case r.ours[0].name:
				mine = append(mine, rss)
			case r.plain.name:
				theirs = append(theirs, rss)
			}
			return k, err
		})
		if err != nil {
			return fmt.Errorf("%d rooms of %d: %w", c.rooms, c.players, err)
		}
		c.rss, c.plainRSS = medianOf(mine), medianOf(theirs)
		r.rep.crowds = append(r.rep.crowds, c)
	}
	return nil
}

// play has players in rooms. The memory of one, with its share of a room, is what
// comes with those after the first rooms, in which there was play already.
func (r *peersRun) play(ctx context.Context, p peer, rooms, players int) (c cost, rss float64, err error) {
	t, err := p.start(ctx, 0)
	if err != nil {
		return c, 0, err
	}
	defer t.stop()
	g, err := newParty(t.addr)
	if err != nil {
		return c, 0, err
	}
	defer g.stop()
	seat := func(i int) *guest { return p.tongue(crowd.Kind.Name(), fmt.Sprint("load-", i/players), true) }
	first := max(rooms/firstRooms, 1) * players
	if err := g.connect(ctx, first, seat); err != nil {
		return c, 0, err
	}
	g.play(inputRate)
	if err := wait(ctx, warmUp); err != nil {
		return c, 0, err
	}
	few, err := t.weigh(ctx)
	if err != nil {
		return c, 0, err
	}
	if err := g.connect(ctx, rooms*players-first, func(i int) *guest { return seat(first + i) }); err != nil {
		return c, 0, err
	}
	g.play(inputRate)
	if c, err = r.take(ctx, t, g); err != nil {
		return c, 0, err
	}
	all, err := t.weigh(ctx)
	return c, float64(all-few) / float64(rooms*players-first), err
}

// idle weighs connections that are open and say nothing.
func (r *peersRun) idle(ctx context.Context) error {
	n := r.Idle
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < uint64(n+spareFiles) {
		n = int(limit.Cur) - spareFiles
		r.rep.note(fmt.Sprintf("RLIMIT_NOFILE is %d: %d idle connections instead of %d", limit.Cur, n, r.Idle))
	}
	if n < 1 {
		return fmt.Errorf("RLIMIT_NOFILE is %d, which is not enough for idle connections", limit.Cur)
	}
	var mine, theirs []float64
	for range min(r.Rounds, 3) {
		a, err := r.weighIdle(ctx, r.ours[0], n)
		if err != nil {
			return fmt.Errorf("%d idle connections: %w", n, err)
		}
		b, err := r.weighIdle(ctx, r.plain, n)
		if err != nil {
			return fmt.Errorf("%d idle connections of the plain server: %w", n, err)
		}
		mine, theirs = append(mine, a), append(theirs, b)
	}
	r.rep.idle, r.rep.idleRSS, r.rep.plainRSS = n, medianOf(mine), medianOf(theirs)
	return nil
}

// weighIdle is the memory of one of n connections that are upgraded and no more.
func (r *peersRun) weighIdle(ctx context.Context, p peer, n int) (float64, error) {
	t, err := p.start(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer t.stop()
	if _, err := hold(ctx, t, warmGuests); err != nil {
		return 0, err
	}
	rss, err := hold(ctx, t, n)
	return float64(rss) / float64(n), err
}

// hold is the memory that n idle connections take of a server.
func hold(ctx context.Context, t *target, n int) (rss int64, err error) {
	before, err := t.weigh(ctx)
	if err != nil {
		return 0, err
	}
	g, err := newParty(t.addr)
	if err != nil {
		return 0, err
	}
	defer g.stop()
	if err := g.connect(ctx, n, func(int) *guest { return &guest{} }); err != nil {
		return 0, err
	}
	after, err := t.weigh(ctx)
	return after - before, errors.Join(err, g.failure())
}
