package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room/cluster"
)

// located is where a join goes: a room here, or one of which there is an edge here.
type located struct {
	room string
	err  error
}

// locate finds the room for a join, or has one made, and calls found once, on any
// goroutine.
func (h *shard) locate(a ask, found func(located)) {
	c := h.c.Load()
	switch {
	case c == nil || !c.Valid():
		found(located{err: errStalled})
		return
	case h.srv.kinds[a.kind] == nil:
		found(located{err: errNoKind})
		return
	case a.room != "":
	default:
		if r, err := h.srv.dir.seek(a); r != nil || err != nil {
			if err != nil {
				found(located{err: err})
				return
			}
			found(located{room: r.id})
			return
		}
		a.room = newRoomID()
		go h.search(c, a, true, found)
		return
	}
	if p, ok := c.Find(a.room); ok {
		h.enter(a, p, found)
		return
	}
	go h.search(c, a, false, found)
}

// search asks the store for a room that this node has not heard of, and has it made if
// there is none. fresh is a room of a new name.
func (h *shard) search(c *cluster.Cluster, a ask, fresh bool, found func(located)) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	var err error
	for range placeTries {
		if !fresh {
			p, ok, err := c.Look(ctx, a.room)
			switch {
			case err != nil:
				found(located{err: soon(err)})
				return
			case ok:
				h.enter(a, p, found)
				return
			case a.resume || a.spectate:
				found(located{err: errNoRoom})
				return
			}
		}
		to := h.lightest(c, a.kind)
		if to == "" {
			h.begun(a.room, a.kind, func(err error) { found(located{room: a.room, err: err}) })
			return
		}
		if err = c.CreateAt(ctx, to, a.room, a.kind); ctx.Err() != nil {
			break
		}
		fresh = false // it is there now, or somebody else was faster
	}
	found(located{err: soon(err)})
}

// enter finds the way to a room that is somewhere.
func (h *shard) enter(a ask, p cluster.Place, found func(located)) {
	switch {
	case p.Kind != a.kind:
		found(located{err: errOtherKind})
	case !p.Mine:
		found(located{room: a.room, err: h.edge(p)})
	case h.srv.dir.get(a.room) != nil:
		found(located{room: a.room})
	default: // it is about to start
		h.await(a.room, func(err error) { found(located{room: a.room, err: soon(err)}) })
	}
}

// begun begins a room here, and waits for it.
func (h *shard) begun(room, kind string, done func(error)) {
	h.await(room, func(err error) { done(soon(err)) })
	h.tell(cluster.Create{Room: room, Kind: kind})
}

// Make implements cluster.Host.
func (h *shard) Make(room, kind string, done func(error)) {
	if h.srv.kinds[kind] == nil {
		done(errNoKind)
		return
	}
	h.begun(room, kind, done)
}

// soon makes of a failure one after which asking again may help: somebody else was
// faster.
func soon(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %v", errRescue, err)
}

// lightest is another node for a new room, if one of two that are drawn is lighter
// than this one ("power of two choices", Mitzenmacher 2001).
func (h *shard) lightest(c *cluster.Cluster, kind string) (at cluster.SID) {
	own := h.About()
	peers := slices.DeleteFunc(c.Peers(), func(p cluster.Peer) bool { return !p.Takes(kind) })
	h.mu.Lock()
	defer h.mu.Unlock()
	own.Rooms += len(h.waiting)
	for i := range peers {
		if n := h.sent[peers[i].SID]; n.told == peers[i].N {
			peers[i].Rooms += n.rooms
		}
	}
	best, found := &own, own.Takes(kind)
	n := uint64(0)
	for range min(2, len(peers)) {
		if p := &peers[rand.IntN(len(peers))]; !found || p.Lighter(best) {
			best, at, n, found = &p.About, p.SID, p.N, true
		}
	}
	if at != "" {
		if h.sent[at].told != n {
			h.sent[at] = sentRooms{told: n}
		}
		h.sent[at] = sentRooms{n, h.sent[at].rooms + 1}
	}
	return at
}

// sentRooms is how many rooms were made at a node since it last told how many it has.
type sentRooms struct {
	told  uint64 // renewal of its lease
	rooms int
}

// viewed is the room of that name, or an edge of it, when there is something to see;
// nil if there is none, or not in time.
func (h *shard) viewed(ctx context.Context, room string) *hosted {
	c := h.c.Load()
	if c == nil || !wire.ValidRoom(room) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if h.srv.dir.get(room) == nil {
		p, ok, err := c.Look(ctx, room)
		if err != nil || !ok || p.Mine || h.edge(p) != nil {
			return nil
		}
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		r := h.srv.dir.get(room)
		if r == nil || r.shown() {
			return r
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
