package server

import (
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// Edges of rooms that other nodes have: how they begin, become rooms, and what rooms
// become when they go.

// roomRelay is the room.Relay of a room here.
type roomRelay struct {
	h    *shard
	room string
}

// Publish implements room.Relay.
func (r roomRelay) Publish(b []byte) {
	if c := r.h.c.Load(); c != nil {
		c.Publish(r.room, b)
	}
}

// Send implements room.Relay.
func (r roomRelay) Send(edge string, b []byte) {
	if c := r.h.c.Load(); c != nil {
		c.Down(cluster.SID(edge), r.room, b)
	}
}

// edge makes an edge of a room of another node, unless there is one.
func (h *shard) edge(p cluster.Place) error {
	kind := h.srv.kinds[p.Kind]
	if kind == nil {
		return errNoKind
	}
	d := &h.srv.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rooms[p.Room] != nil {
		return nil
	}
	if len(d.rooms) >= h.srv.cfg.MaxRooms {
		return errTooMany
	}
	r := &hosted{id: p.Room, srv: h.srv, isolated: kind.Options().Isolated, kind: kind}
	if c := h.c.Load(); c != nil {
		c.Watch(p.Room)
	}
	r.play.Store(playEdge(room.NewEdge(h.edgeConfig(r, p), loop.Now())))
	return d.enlist(r)
}

func (h *shard) edgeConfig(r *hosted, p cluster.Place) room.EdgeConfig {
	cfg := room.EdgeConfig{
		ID: r.id, Term: p.Term, OnWake: r.wake, Frames: &h.srv.frames,
		Empty: edgeLinger, Log: h.srv.cfg.Log.With("room", r.id, "edge", true),
		Uplink: func(owner string, b []byte) {
			if c := h.c.Load(); c != nil {
				c.Up(cluster.SID(owner), r.id, b)
			}
		},
	}
	if !p.Mine {
		cfg.Owner = string(p.Owner)
	}
	if !h.srv.cfg.Cluster.RelayAlways {
		cfg.Moved = func() string { return h.address(r.id) }
	}
	return cfg
}

// depart makes an edge of a room here, since another node has it, or is about to. It
// runs on the room's loop.
func (h *shard) depart(r *hosted, own *room.Room) {
	if own.Entry() == nil {
		r.given = true
		own.Stop(wire.ByeShutdown, "the room is another node's", movedHint)
		return
	}
	p := cluster.Place{Room: r.id, Term: r.term}
	if c := h.c.Load(); c != nil {
		if found, ok := c.Find(r.id); ok {
			p = found
		}
		c.Watch(r.id)
	}
	e := own.Depart(h.edgeConfig(r, p), loop.Now())
	r.play.Store(playEdge(e))
	r.frozen = false
	h.srv.stats.forLoop(r.loop).ended(own.Stats())
	h.srv.dir.unlist(r)
}

// become has an edge go on as the room itself, which was made as another one. It runs
// on the edge's loop.
func (h *hosted) become(made *hosted) {
	e := h.at().edge
	if e == nil || e.Ended() {
		made.srv.shard.again(made)
		return
	}
	own := made.at()
	if made.awaited < lagTries && own.room.Awaits(e) {
		made.awaited++
		made.srv.shard.again(made)
		return
	}
	made.forward = h
	own.room.Adopt(e, loop.Now())
	h.play.Store(own)
	h.warm()
	h.node, h.term, h.frozen, h.given = made.node, made.term, false, false
	if c := h.srv.shard.c.Load(); c != nil {
		c.Unwatch(h.id)
	}
	h.srv.dir.list(h)
	h.wake()
}

// again takes in a room whose edge ended or is behind, or which this node had before and
// has not let go of, in a moment.
func (h *shard) again(made *hosted) {
	time.AfterFunc(frozenPoll, func() {
		if err := h.srv.dir.adopt(made, false); err != nil {
			h.srv.cfg.Log.Error("a room cannot be started", "room", made.id, "err", err)
			h.tell(cluster.CloseRoom{Room: made.id})
		}
	})
}

// unwatch ends what an edge of a room heard, unless there is another one meanwhile.
func (h *shard) unwatch(room string) {
	d := &h.srv.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := h.c.Load(); c != nil && d.rooms[room] == nil {
		c.Unwatch(room)
	}
}

// shown reports whether there is something to see.
func (h *hosted) shown() bool { return h.at().Info().Kind != "" }

// edges is how many there are.
func (h *shard) edges() (n int) {
	for _, r := range h.srv.dir.all() {
		if !r.owned() {
			n++
		}
	}
	return n
}

// Down implements cluster.Host.
func (h *shard) Down(name string, b []byte) {
	r := h.srv.dir.get(name)
	if r == nil {
		return
	}
	r.loop.Post(func() {
		e := r.at().edge
		if e == nil {
			return
		}
		if err := e.Receive(loop.Now(), b); err != nil {
			h.stranger(name, len(b), err)
		}
		if e.Ended() {
			r.wake()
		}
	})
}

// Up implements cluster.Host.
func (h *shard) Up(name string, edge cluster.SID, b []byte) {
	r := h.srv.dir.get(name)
	if r == nil {
		return
	}
	r.loop.Post(func() {
		own := r.at().room
		if own == nil {
			return
		}
		if err := own.FromEdge(loop.Now(), string(edge), b); err != nil {
			h.stranger(name, len(b), err)
		}
	})
}

func (h *shard) stranger(room string, size int, err error) {
	h.srv.cfg.Log.Debug("relay", "room", room, "err", err)
	if c := h.c.Load(); c != nil {
		c.Stranger(room, size)
	}
}

// Located implements cluster.Host: an edge here learns whom to follow.
func (h *shard) Located(name string) {
	r, c := h.srv.dir.get(name), h.c.Load()
	if r == nil || c == nil || r.owned() {
		return
	}
	p, ok := c.Find(name)
	if ok && p.Mine {
		return // it is about to become the room
	}
	r.loop.Must(func() {
		e := r.at().edge
		switch {
		case e == nil:
		case !ok:
			e.Gone()
		default:
			e.SetOwner(loop.Now(), string(p.Owner), p.Term)
		}
		r.wake()
	})
}

// rewatch has the edges here heard again, in a cluster that was joined anew.
func (h *shard) rewatch(c *cluster.Cluster) {
	for _, r := range h.srv.dir.all() {
		if r.owned() {
			continue
		}
		c.Watch(r.id)
		if _, ok := c.Find(r.id); ok { // else it will be heard of
			h.Located(r.id)
		}
	}
}
