package server

import (
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room/cluster"
)

// Rooms of other nodes that are loaded here before they are this node's.

// Load implements cluster.Host. To decode a state takes a while: not here.
func (h *shard) Load(l cluster.Load) {
	h.mu.Lock()
	h.loaded++
	n, others := h.loaded, len(h.loads)+len(h.prepared)
	h.loads[l.Room] = n
	h.mu.Unlock()
	go func() {
		var made *hosted
		err := errTooMany // its owner has room for it, or another node
		if h.srv.dir.takes(l.Room, others) {
			made, err = h.make(l.Room, l.Kind, l.Epoch, l.State)
		}
		answer := cluster.Loaded{Room: l.Room, Term: l.Term, Tick: l.Tick}
		if err == nil {
			answer.Hash, answer.Changed = made.at().room.Hash(), made.at().room.Migrated()
			if made.at().Ended() {
				err = errUnmade
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.loads[l.Room] != n {
			if err == nil {
				made.at().Stop(wire.ByeRoomGone, "", 0)
			}
			return
		}
		delete(h.loads, l.Room)
		if err != nil {
			answer.Err = err.Error()
		} else {
			h.prepared[l.Room] = made
		}
		h.tell(answer)
	}()
}

// Unload implements cluster.Host.
func (h *shard) Unload(room string) {
	h.mu.Lock()
	delete(h.loads, room)
	made := h.prepared[room]
	delete(h.prepared, room)
	h.mu.Unlock()
	if made != nil {
		made.at().Stop(wire.ByeRoomGone, "", 0)
	}
}

// unloadAll forgets what was to be moved here.
func (h *shard) unloadAll() {
	h.mu.Lock()
	all := h.prepared
	h.prepared, h.loads = map[string]*hosted{}, map[string]uint64{}
	h.mu.Unlock()
	for _, made := range all {
		made.at().Stop(wire.ByeRoomGone, "", 0)
	}
}
