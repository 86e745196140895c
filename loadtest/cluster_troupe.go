package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/client"
)

// history is what was shown of a room, by all its players.
type history struct {
	name    string
	players []*player

	mu    sync.Mutex
	known map[moment]uint32 // hash of the state
}

type moment struct {
	epoch uint64
	tick  game.Tick
}

// check reports whether nobody was shown another content of that tick.
func (h *history) check(epoch uint64, tick game.Tick, hash uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := moment{epoch, tick}
	if was, ok := h.known[at]; ok {
		return was == hash
	}
	h.known[at] = hash
	return true
}

// troupe is all bots of a cluster run, room by room.
type troupe struct {
	fleet   *fleet
	kind    string
	rate    float64 // inputs a player sends in a second
	fill    func(b *client.InputBuilder, n uint32, life uint8)
	rooms   []*history
	silent  atomic.Bool // nobody sends inputs
	wrong   atomic.Int64
	latency func(p *player, d time.Duration)
}

// newTroupe makes the rooms' players, who join at any node.
func newTroupe(f *fleet, rooms, players int, rate float64) *troupe {
	t := &troupe{fleet: f, kind: crowd.Counted.Name(), rate: rate, fill: count, latency: func(*player, time.Duration) {}}
	for r := range rooms {
		h := &history{name: fmt.Sprint("room-", r+1), known: map[moment]uint32{}}
		for range players {
			h.players = append(h.players, &player{troupe: t, room: h, home: anywhere, row: -1})
		}
		t.rooms = append(t.rooms, h)
	}
	return t
}

// all is every player.
func (t *troupe) all() (list []*player) {
	for _, h := range t.rooms {
		list = append(list, h.players...)
	}
	return list
}

// enter has everybody join, first one of each room and then the others, and waits for
// their first states.
func (t *troupe) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var first, others []*player
	for _, h := range t.rooms {
		first, others = append(first, h.players[0]), append(others, h.players[1:]...)
	}
	if err := join(ctx, first); err != nil {
		return err
	}
	if err := join(ctx, others); err != nil {
		return err
	}
	return t.playing(ctx, connectTimeout)
}

// join has players join, a few at a time.
func join(ctx context.Context, list []*player) error {
	const atOnce = 32
	next, fails := make(chan *player, len(list)), make(chan error, len(list))
	for _, p := range list {
		next <- p
	}
	close(next)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for p := range next {
				if err := p.enter(ctx); err != nil {
					fails <- err
				}
			}
		})
	}
	wg.Wait()
	close(fails)
	return <-fails
}

// leave gives all seats up.
func (t *troupe) leave() {
	var wg sync.WaitGroup
	for _, p := range t.all() {
		wg.Go(p.leave)
	}
	wg.Wait()
}

// playing waits until everybody is shown states: some that come after the call.
func (t *troupe) playing(ctx context.Context, within time.Duration) error {
	from := time.Now()
	var late *player
	err := poll(ctx, within, "everybody is shown states", func() bool {
		for _, p := range t.all() {
			p.mu.Lock()
			late = p
			ok := p.last.After(from)
			p.mu.Unlock()
			if !ok {
				return false
			}
		}
		return true
	})
	if err != nil && late != nil {
		return fmt.Errorf("%w; not in room %s: %s", err, late.room.name, late.state())
	}
	return err
}

// state says where a player is.
func (p *player) state() string {
	ended := "trying"
	if p.client != nil {
		if p.client.Connected() {
			ended = "connected"
		}
		if err := p.client.Err(); err != nil {
			ended = err.Error()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%s, at %d-%d for %v, node %q", ended, p.epoch, p.tick, time.Since(p.last).Round(time.Millisecond), p.troupe.fleet.nameOf(p.addr))
}

// settle stops the inputs until what is under way was applied, and counts what was
// not as lost.
func (t *troupe) settle(ctx context.Context) error {
	t.silent.Store(true)
	defer t.silent.Store(false)
	behind := func(p *player) int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return int64(p.sent) - int64(p.tally.last)
	}
	list := t.all()
	poll(ctx, settleTime, "all inputs are applied", func() bool {
		return !slices.ContainsFunc(list, func(p *player) bool { return behind(p) > 0 })
	})
	for _, p := range list {
		if n := behind(p); n > 0 {
			p.mu.Lock()
			p.lost += n
			p.pardon = p.sent + maxUnderWay // they are counted now, not once more as a gap
			p.mu.Unlock()
		}
	}
	return ctx.Err()
}

// totals is what all players have counted.
type totals struct {
	lost, twice, states int64
	broken, reseated    int
	rooms               int // in which somebody lost the seat
	faults              []string
}

func (t *troupe) totals() (sum totals) {
	for _, h := range t.rooms {
		gone := false
		for _, p := range h.players {
			p.mu.Lock()
			sum.lost, sum.twice, sum.states = sum.lost+p.lost, sum.twice+p.twice, sum.states+p.states
			sum.broken += p.broken
			sum.faults = append(sum.faults, p.faults...)
			if p.reseat {
				sum.reseated++
				gone = true
			}
			p.mu.Unlock()
		}
		if gone {
			sum.rooms++
		}
	}
	return sum
}

// promises is an error for what must hold at any time: no history that goes back, no
// tick with two contents, no seat lost, no input twice.
func (t *troupe) promises() error {
	sum := t.totals()
	var errs []error
	for i, f := range sum.faults {
		if i == 10 {
			errs = append(errs, fmt.Errorf("and %d more", len(sum.faults)-i))
			break
		}
		errs = append(errs, errors.New(f))
	}
	if sum.reseated > 0 {
		errs = append(errs, fmt.Errorf("%d players lost their seats, in %d rooms", sum.reseated, sum.rooms))
	}
	if sum.twice > 0 {
		errs = append(errs, fmt.Errorf("%d inputs were applied twice", sum.twice))
	}
	for _, p := range t.all() {
		if err := p.client.Err(); err != nil {
			errs = append(errs, fmt.Errorf("a bot in room %s gave up: %w", p.room.name, err))
		}
	}
	return errors.Join(errs...)
}

// clearGaps forgets the pauses so far.
func clearGaps(list []*player) {
	for _, p := range list {
		p.mu.Lock()
		p.gap = 0
		p.mu.Unlock()
	}
}

// worstGap is the longest pause of any of them since then, one that goes on
// included.
func worstGap(list []*player) (worst time.Duration) {
	for _, p := range list {
		p.mu.Lock()
		worst = max(worst, p.gap, time.Since(p.last))
		p.mu.Unlock()
	}
	return worst
}

// comeBack waits until all have what they expect, and returns how long each took.
func comeBack(ctx context.Context, list []*player, within time.Duration) ([]time.Duration, error) {
	err := poll(ctx, within, "everybody is back", func() bool {
		return !slices.ContainsFunc(list, func(p *player) bool { _, ok := p.returned(); return !ok })
	})
	var took []time.Duration
	var missing error
	for _, p := range list {
		d, ok := p.returned()
		if ok {
			took = append(took, d)
		} else if missing == nil {
			missing = fmt.Errorf("not in room %s: %s", p.room.name, p.state())
		}
	}
	slices.Sort(took)
	return took, errors.Join(err, missing)
}
