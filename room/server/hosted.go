package server

import (
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// venue is where viewers are: a room, or an edge of one that another node has.
type venue interface {
	Advance(now time.Duration) time.Duration
	Join(req room.JoinRequest, p room.Peer) *room.Viewer
	Stop(code wire.Code, text string, retry time.Duration)
	SetObserver(o room.Observer)
	Ring() *delta.Ring
	Public() game.Teams
	Epoch() uint64
	Schema() *game.Schema
	Ended() bool
	Stats() room.Stats
	Info() room.Info
}

// play is a venue by what it is: one of the two is nil.
type play struct {
	venue
	room *room.Room
	edge *room.Edge
}

func playRoom(r *room.Room) *play { return &play{venue: r, room: r} }

func playEdge(e *room.Edge) *play { return &play{venue: e, edge: e} }

// hosted is a room, or an edge of one, on its loop: the loop.Preparer that has the
// players read right before each tick. All but id, loop, kind, claims and what of a play
// may be asked by anybody belong to the loop.
type hosted struct {
	id     string
	loop   *loop.Loop
	claims atomic.Int32 // seats for sessions placed here whose join is not yet answered

	srv      *Server
	play     atomic.Pointer[play] // changes on the loop
	task     *loop.Task
	next     time.Duration
	sessions []*session // of players
	answered []*session // welcomed in the Advance that runs
	quiet    bool       // the room's ticks read the sockets, not the poller
	isolated bool       // the loop is this room's own
	kind     *game.Kind
	pub      *public // nil until somebody watches over HTTP

	// Of a cluster:
	node   cluster.SID   // that this node was when the room became its own
	term   uint64        // under which the room is this node's
	frozen bool          // it is being given away
	given  bool          // it is another node's now
	still  time.Duration // since when it stands still, 0: it does not
	silent bool          // the viewers were told
	// forward has the room now, whose closures still name this one. awaited is how often
	// it was put off since it was behind.
	forward *hosted
	awaited int
}

// begin makes it a driver of its loop, there.
func (h *hosted) begin() {
	h.warm()
	h.task = h.loop.Add(h)
}

// warm has the room share what the other rooms of its loop run with.
func (h *hosted) warm() {
	if s, r := h.srv.warm[h.loop], h.at().room; s != nil && r != nil {
		r.SetScratch(s)
	}
}

func (h *hosted) at() *play { return h.play.Load() }

// owned reports whether the room itself is here.
func (h *hosted) owned() bool { return h.at().room != nil }

// Prepare implements loop.Preparer.
func (h *hosted) Prepare(now time.Duration) {
	if p := h.at(); now < h.next || p.room == nil || h.halted(p) {
		return
	}
	for _, s := range h.sessions {
		s.conn.ReadSoon()
	}
}

// halted reports whether a room may not tick: it is being given away, or its node
// has lost touch with the cluster.
func (h *hosted) halted(p *play) bool {
	s := h.srv.shard
	return s != nil && p.room != nil && !p.Ended() && (h.frozen || !s.holds(h.node))
}

// Advance implements loop.Driver.
func (h *hosted) Advance(now time.Duration) time.Duration {
	p := h.at()
	if h.halted(p) {
		if h.srv.shard.outlived(h.node) {
			h.srv.shard.depart(h, p.room)
			return now
		}
		h.stand(now, p.room)
		return now + frozenPoll // it goes on with the next tick
	}
	h.still = 0
	h.next = p.Advance(now)
	for i, s := range h.answered {
		s.answered()
		h.answered[i] = nil
	}
	h.answered = h.answered[:0]
	if p.Ended() {
		h.end()
		return loop.Never
	}
	if quiet := p.room != nil && h.next-now < asleepAfter; quiet != h.quiet {
		h.quiet = quiet
		for _, s := range h.sessions {
			s.conn.Quiet(quiet)
		}
	}
	return h.next
}

// stand tells the viewers of a room that stands still for long.
func (h *hosted) stand(now time.Duration, r *room.Room) {
	switch {
	case h.still == 0:
		h.still, h.silent = now, false
	case !h.silent && now-h.still >= stalledAfter:
		h.silent = true
		r.Stalled()
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
	if h.forward != nil {
		h.forward.wake()
		return
	}
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
	h.srv.stats.forLoop(h.loop).ended(h.at().Stats())
	if h.isolated {
		h.loop.Add(&retiree{h.srv, h.loop, loop.Now() + h.srv.cfg.ShutdownTimeout})
	}
}
