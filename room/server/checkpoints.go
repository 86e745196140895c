package server

import (
	"context"
	"math"
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/room/cluster"
)

// saved is what was last kept of a room.
type saved struct {
	term uint64
	tick uint32
}

// keep saves the rooms' states, one after the other, until ctx ends.
func (h *shard) keep(ctx context.Context) {
	tick := time.NewTicker(h.srv.cfg.Cluster.Checkpoint)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.measure(ctx)
		for _, r := range h.srv.dir.owned() {
			if c := h.c.Load(); c != nil && ctx.Err() == nil {
				h.save(ctx, c, r)
			}
		}
	}
}

// measure renews the share of time that the loops spend in ticks.
func (h *shard) measure(ctx context.Context) {
	var sum time.Duration
	for _, r := range h.srv.loopStatsNow(ctx) {
		sum += r.rooms.StepTime
	}
	now := time.Now()
	if took := now.Sub(h.measured); !h.measured.IsZero() && took > 0 {
		share := float64(sum-h.stepped) / float64(took) / float64(len(h.srv.loops))
		h.busy.Store(math.Float64bits(math.Round(100*max(share, 0)) / 100))
	}
	h.measured, h.stepped = now, sum
}

// save keeps the state of one room, if it is another than before.
func (h *shard) save(ctx context.Context, c *cluster.Cluster, r *hosted) {
	type taken struct {
		saved
		state []byte
	}
	got := make(chan taken, 1)
	if !r.loop.Post(func() {
		t := taken{}
		if own := r.at().room; own != nil && own.Entry() != nil && !own.Ended() && !r.frozen {
			t = taken{saved{r.term, uint32(own.Entry().Tick)}, own.AppendCheckpoint(nil, loop.Now())}
		}
		got <- t
	}) {
		return
	}
	var t taken
	select {
	case t = <-got:
	case <-ctx.Done():
		return
	}
	h.mu.Lock()
	old := h.saved[r.id]
	h.mu.Unlock()
	if t.state == nil || t.saved == old {
		return
	}
	if err := c.Save(r.id, t.term, t.state); err != nil {
		h.srv.cfg.Log.Warn("the state of a room is not kept", "room", r.id, "err", err)
		return
	}
	h.mu.Lock()
	h.saved[r.id] = t.saved
	h.mu.Unlock()
	if old.term != 0 && old.term != t.term {
		c.Forget(r.id, old.term)
	}
}
