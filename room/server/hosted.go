package server

import (
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/room"
)

// hosted is a room on its loop: the loop.Driver that reads the room's players
// right before each tick. All but id, loop and claims belong to the loop.
type hosted struct {
	id     string
	loop   *loop.Loop
	claims atomic.Int32 // sessions placed here whose join is not yet answered

	srv      *Server
	room     *room.Room
	task     *loop.Task
	next     time.Duration
	sessions []*session
	answered []*session // welcomed in the Advance that runs
	quiet    bool       // the room's ticks read the sockets, not the poller
	isolated bool       // the loop is this room's own
	kind     *game.Kind
	pub      *public // nil until somebody watches over HTTP

	// Of a cluster:
	term   uint64 // under which the room is this node's
	frozen bool   // it is being given away
	given  bool   // it is another node's now
}

// Advance implements loop.Driver.
func (h *hosted) Advance(now time.Duration) time.Duration {
	if s := h.srv.shard; s != nil && !h.room.Ended() && (h.frozen || !s.valid()) {
		return now + frozenPoll // it stands still, and goes on with the next tick
	}
	if now >= h.next {
		h.readPlayers()
	}
	h.next = h.room.Advance(now)
	for i, s := range h.answered {
		s.answered()
		h.answered[i] = nil
	}
	h.answered = h.answered[:0]
	if h.room.Ended() {
		h.end()
		return loop.Never
	}
	if quiet := h.next-now < asleepAfter; quiet != h.quiet {
		h.quiet = quiet
		for _, s := range h.sessions {
			s.conn.Quiet(quiet)
		}
	}
	return h.next
}

// readPlayers takes in what the kernel holds for this room. It walks backwards
// since a session that ends while being read leaves the list.
func (h *hosted) readPlayers() {
	for i := len(h.sessions) - 1; i >= 0; i-- {
		if i < len(h.sessions) {
			h.sessions[i].conn.ReadNow()
		}
	}
}

func (h *hosted) add(s *session) {
	s.slot = len(h.sessions)
	h.sessions = append(h.sessions, s)
	s.conn.Quiet(h.quiet)
}

// remove forgets a session. One that never arrived may end on another loop,
// where h.sessions must not be looked at.
func (h *hosted) remove(s *session) {
	if s.slot < 0 {
		return
	}
	last := len(h.sessions) - 1
	h.sessions[s.slot] = h.sessions[last]
	h.sessions[s.slot].slot = s.slot
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
	s.slot = -1
	s.conn.Quiet(false)
}

// wake has the loop run Advance soon: the room has something to do before the
// deadline it last gave.
func (h *hosted) wake() {
	if h.task != nil {
		h.task.Wake()
	}
}

func (h *hosted) end() {
	h.task.Remove()
	h.srv.dir.remove(h)
	if h.srv.shard != nil {
		h.srv.shard.ended(h)
	}
	h.srv.stats.forLoop(h.loop).ended(h.room.Stats())
	if h.isolated {
		h.loop.Add(&retiree{h.srv, h.loop, loop.Now() + h.srv.cfg.ShutdownTimeout})
	}
}
