package cluster

import "context"

// Place is where a room is.
type Place struct {
	Room  string
	Kind  string
	Owner SID
	Node  About // of the owner
	Term  uint64
	Epoch uint64
	Mine  bool
	Alive bool // the owner's lease is not dead
}

// Find is where a room is, as far as this node has heard.
func (c *Cluster) Find(room string) (Place, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.node.rooms[room]
	if e == nil || e.rec.Owner == "" {
		return Place{}, false
	}
	return c.place(room, e), true
}

func (c *Cluster) place(room string, e *entry) Place {
	p := Place{
		Room: room, Kind: e.rec.Kind, Owner: e.rec.Owner, Term: e.rec.TermAt(e.rev), Epoch: e.rec.EpochAt(e.rev),
		Mine: e.rec.Owner == c.sid, Alive: true,
	}
	if !p.Mine {
		owner := c.node.peers[p.Owner]
		if p.Alive = owner != nil && !owner.lease.Dead; p.Alive {
			p.Node = owner.lease.About
		}
	}
	return p
}

// Look is Find, and asks the store about a room that this node has not heard of. The
// caller waits for it.
func (c *Cluster) Look(ctx context.Context, room string) (Place, bool, error) {
	if p, ok := c.Find(room); ok {
		return p, true, nil
	}
	ev, err := c.store.get(ctx, Key{Room: room})
	if err != nil {
		return Place{}, false, err
	}
	e := ev.(SeenRoom)
	if e.Record.Owner == "" {
		return Place{}, false, nil
	}
	c.Tell(ev)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.place(room, &entry{rev: e.Rev, rec: e.Record}), true, nil
}

// Rooms is where all rooms are, ordered by name.
func (c *Cluster) Rooms() []Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Place
	for _, room := range names(c.node.rooms) {
		if e := c.node.rooms[room]; e.rec.Owner != "" {
			list = append(list, c.place(room, e))
		}
	}
	return list
}

// Peer is another node that is alive.
type Peer struct {
	SID SID
	N   uint64 // renewals of its lease
	About
}

// Peers is the other nodes that are alive, ordered by name.
func (c *Cluster) Peers() []Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Peer
	for _, sid := range c.node.known() {
		l := &c.node.peers[sid].lease
		list = append(list, Peer{sid, l.N, l.About})
	}
	return list
}
