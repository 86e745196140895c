package server

import (
	"sync"
	"sync/atomic"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

// counters are the server's own; every goroutine may add.
type counters struct {
	text      atomic.Uint64 // text messages, none of which is served
	postsLost atomic.Uint64
	refused   atomic.Uint64 // by Admit
	byes      [wire.NumCodes]atomic.Uint64
	messages  atomic.Uint64 // connections ended for too many messages
	bytes     atomic.Uint64 // and for too large ones together
	sessions  atomic.Uint64 // sessions over HTTP refused: there are too many

	links         atomic.Uint64 // sessions over HTTP requests
	linksLost     atomic.Uint64 // whose clients fell silent
	posts         atomic.Uint64 // requests that bring messages of theirs
	postsRepeated atomic.Uint64
	superseded    atomic.Uint64   // reads that a newer one replaced
	reads         [2]atomic.Int64 // under way: polls, streams
}

func (c *counters) bye(code wire.Code) {
	if int(code) < len(c.byes) {
		c.byes[code].Add(1)
	}
}

// tally is what rooms and their public logs have counted.
type tally struct {
	rooms  room.Stats
	public sse.Stats
}

func (t *tally) add(o *tally) {
	t.rooms.Add(&o.rooms)
	t.public.Add(&o.public)
}

// loopStats keeps what rooms that ended had counted, so that the sums in
// /metrics never fall. It belongs to its loop.
type loopStats struct{ gone tally }

func (l *loopStats) ended(s room.Stats)   { l.gone.rooms.Add(&s) }
func (l *loopStats) logEnded(s sse.Stats) { l.gone.public.Add(&s) }

// statsTable finds the loopStats of a loop.
type statsTable struct {
	mu      sync.Mutex
	by      map[*loop.Loop]*loopStats
	retired tally // of rooms whose loops ended
}

// retire keeps what a loop that ends has counted. It runs on that loop.
func (t *statsTable) retire(l *loop.Loop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.by[l]; s != nil {
		t.retired.add(&s.gone)
		delete(t.by, l)
	}
}

// gone is what rooms that ended on l have counted. It runs on l, and keeps
// nothing for a loop that retired.
func (t *statsTable) gone(l *loop.Loop) tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.by[l]; s != nil {
		return s.gone
	}
	return tally{}
}

func (t *statsTable) ofRetired() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.retired
}

func (t *statsTable) forLoop(l *loop.Loop) *loopStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.by[l]
	if s == nil {
		s = &loopStats{}
		if t.by == nil {
			t.by = map[*loop.Loop]*loopStats{}
		}
		t.by[l] = s
	}
	return s
}
