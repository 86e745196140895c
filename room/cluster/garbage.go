package cluster

import (
	"cmp"
	"slices"
)

// Purge removes the revision of a deletion from the store without a trace. Nothing
// happens if the key has changed since, and nobody waits for it.
type Purge struct {
	Key Key
	Rev Rev
}

// sweep deletes what nobody needs any more. A lease that is dead for long becomes a
// deletion, and every reader takes that for a dead lease: the key is never missing
// again, so a first renewal that comes late cannot revive it. A room that is over
// for long vanishes with its deletion: revisions of the whole store rise, so that
// one made anew under its name has a higher term all the same.
func (n *Node) sweep() {
	if n.now < n.swept || !n.Valid(n.now) {
		return
	}
	n.swept = n.now + n.cfg.Forget/4
	for _, sid := range n.buried() {
		p := n.peers[sid]
		if n.now-p.seen > n.cfg.Forget && n.heir(string(sid)) == n.cfg.SID {
			n.bury(sid, p.rev, nil)
		}
	}
	for _, room := range names(n.rooms) {
		n.forget(room, n.rooms[room])
	}
}

// buried is the nodes whose lease is dead and not deleted yet, in an order that does
// not change.
func (n *Node) buried() (list []SID) {
	for sid, p := range n.peers {
		if p.lease.Dead && p.lease.N > 0 {
			list = append(list, sid)
		}
	}
	slices.SortFunc(list, cmp.Compare[SID])
	return list
}

// bury makes a lease dead for ever that is dead already or was never there: the
// compare-and-set spares one that lives.
func (n *Node) bury(sid SID, rev Rev, lease *Lease) {
	key := Key{SID: sid}
	n.put(Put{Key: key, Rev: rev, Lease: lease}, func(a Answer) {
		if a.Outcome != Won {
			n.do(Get{key})
			return
		}
		n.seeLease(SeenLease{SID: sid, Rev: a.Rev, Lease: Lease{Dead: true}})
	})
}

// forget ends a room that is over for long, and the owner of one whose lease is
// missing for long: such a room would wait for its owner's death for ever.
func (n *Node) forget(room string, e *entry) {
	key, owner := Key{Room: room}, e.rec.Owner
	if e.status != apart || n.puts[key] != nil || owner == n.cfg.SID || n.peers[owner] != nil {
		e.idle = 0
		return
	}
	switch {
	case e.idle == 0:
		e.idle = n.now
	case n.now-e.idle <= n.cfg.Forget:
	case owner != "":
		n.bury(owner, 0, &Lease{Dead: true, By: n.cfg.SID})
	default:
		if e.rev != 0 && !e.gone && n.heir(room) == n.cfg.SID {
			n.do(Purge{key, e.rev})
		}
		delete(n.rooms, room)
	}
}

// old takes in what was true of a room before what is known, for who needs to know
// what is true now. Revision 0 may be from before the room, or its deletion was
// purged: only a compare-and-set tells, so what is known stays.
func (n *Node) old(m SeenRoom, e *entry) {
	switch {
	case e.status == creating:
		e.gone = e.gone || m.Rev == 0
		n.begin(m.Room, e)
	case e.status == taking && m.Rev == 0:
		e.part, e.rec, e.gone = part{}, Record{}, true
		n.tidy(m.Room, e)
	case e.status == taking:
		n.claim(m.Room, e)
	}
}
