package cluster

import (
	"cmp"
	"slices"
	"time"
)

// status is a node's part in a room.
type status uint8

const (
	apart    status = iota // no part: another node's, nobody's, or not yet there
	creating               // the first record is being put
	running                // it ticks here
	freezing               // asked to stand still, to be given away
	offered                // its state is with the target, which loads it
	giving                 // the record that names the target is being put
	closing                // the record is being deleted
	loading                // this node is the target and loads it
	loaded                 // this node is the target and has it
	taking                 // the record that names this node is being put
)

// part is what a node does with a room.
type part struct {
	status   status
	deadline time.Duration // of freezing, offered, loading and loaded; 0: none
	other    SID           // target or source
	term     uint64        // of the offer
	try      uint64        // of freezing
	tick     uint32
	hash     uint64
	kind     string  // of creating
	above    Rev     // of creating: the record's is higher, or it is an old one
	want     *Record // of giving
}

// TermAt is the term of a record that has revision r: a room's first record has
// none and means its revision, which is higher than all before it, whether or not
// a room of that name was there.
func (c *Record) TermAt(r Rev) uint64 {
	if c.Term != 0 {
		return c.Term
	}
	return uint64(r)
}

func (n *Node) room(name string) *entry {
	e := n.rooms[name]
	if e == nil {
		e = &entry{}
		n.rooms[name] = e
	}
	return e
}

func (n *Node) stepRoom(ev Event) {
	switch m := ev.(type) {
	case Create:
		n.create(m)
	case MoveRoom:
		n.move(m)
	case CloseRoom:
		if e := n.rooms[m.Room]; e != nil && e.status == running {
			e.status = closing
			n.close(m.Room, e)
		}
	case Frozen:
		n.offer(m)
	case Ready:
		n.give(m)
	case Refused:
		n.refused(m)
	case Offer:
		n.load(m)
	case Loaded:
		n.ready(m)
	case Yours:
		n.seeRoom(SeenRoom(m))
	}
}

func (n *Node) create(m Create) {
	e := n.room(m.Room)
	if e.status != apart || e.rec.Owner != "" || !n.Valid(n.now) {
		n.do(Failed{m.Room, "there is such a room, or the node may not make one now"})
		return
	}
	e.part = part{status: creating, kind: m.Kind, above: n.top}
	n.begin(m.Room, e)
}

func (n *Node) begin(room string, e *entry) {
	rec := Record{Kind: e.kind, Owner: n.cfg.SID}
	rev := e.rev
	if e.gone {
		rev = 0
	}
	n.put(Put{Key: Key{Room: room}, Rev: rev, Record: &rec}, func(a Answer) {
		if a.Outcome != Won {
			n.do(Get{Key{Room: room}})
			return
		}
		n.seeRoom(SeenRoom{room, a.Rev, rec})
	})
}

// run makes the room this node's, which the record says.
func (n *Node) run(room string, e *entry, fresh, loaded bool) {
	e.part = part{status: running}
	n.do(Start{Room: room, Kind: e.rec.Kind, Owner: n.cfg.SID, Term: e.rec.TermAt(e.rev), Epoch: e.rec.EpochAt(e.rev), Fresh: fresh, Loaded: loaded})
}

func (n *Node) move(m MoveRoom) {
	e := n.rooms[m.Room]
	p := n.peers[m.To]
	switch {
	case e == nil || e.status != running:
		n.do(Failed{m.Room, "the room is not this node's to move now"})
	case p == nil || p.lease.Dead:
		n.do(Failed{m.Room, "no such node"})
	default:
		n.tries++
		e.status, e.other, e.try = freezing, m.To, n.tries
		n.await(m.Room, e, n.cfg.Patience)
		n.do(Freeze{m.Room, e.try})
	}
}

func (n *Node) offer(m Frozen) {
	e := n.rooms[m.Room]
	if e == nil || e.status != freezing || e.try != m.Try {
		return
	}
	e.status, e.tick, e.hash = offered, m.Tick, m.Hash
	n.await(m.Room, e, n.cfg.Patience)
	n.do(Send{e.other, Offer{From: n.cfg.SID, Room: m.Room, Record: n.whole(e), Tick: m.Tick, Hash: m.Hash, State: m.State}})
}

// whole is the record with nothing left to its revision.
func (n *Node) whole(e *entry) Record {
	rec := e.rec
	rec.Term, rec.Epoch = rec.TermAt(e.rev), rec.EpochAt(e.rev)
	return rec
}

// keep ends a move before anything was decided: the room goes on here.
func (n *Node) keep(room string, e *entry, why string) {
	n.do(Send{e.other, Refused{From: n.cfg.SID, Room: room, Term: e.rec.TermAt(e.rev), Why: why}})
	e.part = part{status: running}
	n.do(Thaw{room})
	n.do(Failed{room, why})
}

func (n *Node) give(m Ready) {
	e := n.rooms[m.Room]
	if e == nil || e.status != offered || m.From != e.other || m.Term != e.rec.TermAt(e.rev) {
		return
	}
	if m.Hash != e.hash && !m.Changed {
		n.keep(m.Room, e, "the target loaded another state")
		return
	}
	next := n.whole(e)
	next.Owner, next.Term, next.Tick, next.Hash = e.other, next.Term+1, e.tick, m.Hash
	if m.Changed {
		next.Epoch = 0
	}
	e.status, e.want, e.deadline = giving, &next, 0
	n.hand(m.Room, e)
}

// hand puts the record that names the target, until a compare-and-set decides: from
// the first attempt on the room stands still, as the attempt may yet succeed.
func (n *Node) hand(room string, e *entry) {
	want := *e.want
	n.put(Put{Key: Key{Room: room}, Rev: e.rev, Record: &want}, func(a Answer) {
		if a.Outcome != Won {
			n.do(Get{Key{Room: room}})
			return
		}
		n.seeRoom(SeenRoom{room, a.Rev, want})
	})
}

func (n *Node) close(room string, e *entry) {
	n.put(Put{Key: Key{Room: room}, Rev: e.rev}, func(a Answer) {
		if a.Outcome != Won {
			n.do(Get{Key{Room: room}})
			return
		}
		n.seeRoom(SeenRoom{Room: room, Rev: a.Rev})
	})
}

// refused ends a move at either end.
func (n *Node) refused(m Refused) {
	e := n.rooms[m.Room]
	switch {
	case e == nil || e.other != m.From:
	case e.status == offered && m.Term == e.rec.TermAt(e.rev):
		n.keep(m.Room, e, m.Why)
	case (e.status == loading || e.status == loaded) && m.Term == e.term:
		e.part = part{}
		n.do(Unload{m.Room})
	}
}

// load begins the target's part.
func (n *Node) load(m Offer) {
	e, why := n.room(m.Room), ""
	switch {
	case e.status != apart || e.rec.Owner == n.cfg.SID || !n.Valid(n.now):
		why = "the target has a part in this room already"
	case n.about.Drain:
		why = "the target gives its own rooms away"
	}
	if why != "" {
		n.do(Send{m.From, Refused{From: n.cfg.SID, Room: m.Room, Term: m.Record.Term, Why: why}})
		return
	}
	e.part = part{status: loading, other: m.From, term: m.Record.Term, tick: m.Tick, hash: m.Hash}
	n.await(m.Room, e, forgotten*n.cfg.Patience)
	n.do(Load{Room: m.Room, Kind: m.Record.Kind, Term: m.Record.Term, Epoch: m.Record.Epoch, Tick: m.Tick, State: m.State})
}

// forgotten is how many times the patience of a source its target keeps what it
// loaded: the source may have to wait for the store.
const forgotten = 60

func (n *Node) ready(m Loaded) {
	e := n.rooms[m.Room]
	if e == nil || e.status != loading || e.term != m.Term || e.tick != m.Tick {
		return
	}
	if m.Err != "" {
		n.do(Send{e.other, Refused{From: n.cfg.SID, Room: m.Room, Term: e.term, Why: m.Err}})
		e.part = part{}
		n.do(Unload{m.Room})
		return
	}
	e.status, e.hash = loaded, m.Hash
	n.do(Send{e.other, Ready{From: n.cfg.SID, Room: m.Room, Term: e.term, Hash: m.Hash, Changed: m.Changed}})
}

// seeRoom takes in what the store says of a room. What is old is not news, but for
// who does not know how the Put before ended: nothing has happened to the key yet.
func (n *Node) seeRoom(m SeenRoom) {
	n.top = max(n.top, m.Rev)
	e := n.room(m.Room)
	if m.Rev < e.rev {
		n.old(m, e)
		return
	}
	same := m.Rev == e.rev && !e.gone
	e.rev, e.rec, e.gone = m.Rev, m.Record, false
	mine := e.rec.Owner == n.cfg.SID
	switch e.status {
	case apart:
		if mine && !same {
			n.claim(m.Room, e) // given, but what was loaded is gone
		}
	case creating:
		n.created(m.Room, e, mine)
	case running, freezing, offered:
		if !mine && !same {
			n.lost(m.Room, e)
		}
	case giving:
		switch {
		case same:
			n.hand(m.Room, e)
		case e.rec == *e.want:
			n.do(Send{e.other, Yours(m)})
			fallthrough
		default:
			n.lost(m.Room, e)
		}
	case closing:
		if mine {
			n.close(m.Room, e)
		} else {
			n.lost(m.Room, e)
		}
	case loading, loaded:
		n.given(m.Room, e, mine, same)
	case taking:
		n.taken(m.Room, e, mine)
	}
	n.tidy(m.Room, e)
}

// created ends or repeats a creation.
func (n *Node) created(room string, e *entry, mine bool) {
	switch {
	case mine && e.rev > e.above:
		n.run(room, e, true, false)
	case e.rec.Owner == "":
		n.begin(room, e)
	default:
		e.part = part{}
		n.do(Failed{room, "there is such a room"})
		if mine {
			n.claim(room, e)
		}
	}
}

// given takes up a room whose record may name this node now.
func (n *Node) given(room string, e *entry, mine, same bool) {
	switch {
	case same, !mine && e.rec.TermAt(e.rev) <= e.term: // not newer than the offer
	case mine && e.status == loaded && e.rec.Term == e.term+1 && e.rec.Tick == e.tick && e.rec.Hash == e.hash:
		n.run(room, e, false, true)
	default:
		e.part = part{}
		n.do(Unload{room})
		if mine {
			n.claim(room, e)
		}
	}
}

// lost ends a room here that is not this node's any more.
func (n *Node) lost(room string, e *entry) {
	e.part = part{}
	n.do(Drop{room, e.rec.Owner})
}

// claim takes a room from its newest checkpoint, in a new epoch.
func (n *Node) claim(room string, e *entry) {
	rec := Record{Kind: e.rec.Kind, Owner: n.cfg.SID, Term: e.rec.TermAt(e.rev) + 1}
	e.part = part{status: taking, want: &rec}
	n.put(Put{Key: Key{Room: room}, Rev: e.rev, Record: &rec}, func(a Answer) {
		if a.Outcome != Won {
			n.do(Get{Key{Room: room}})
			return
		}
		n.seeRoom(SeenRoom{room, a.Rev, rec})
	})
}

// taken ends or gives up taking a room.
func (n *Node) taken(room string, e *entry, mine bool) {
	want := *e.want
	e.part = part{}
	switch {
	case mine && e.rec == want:
		n.run(room, e, false, false)
	case mine:
		n.claim(room, e)
	}
}

// tidy notes whether the room is an orphan, and forgets what is over.
func (n *Node) tidy(room string, e *entry) {
	p := n.peers[e.rec.Owner]
	if (e.status == apart || e.status == loading || e.status == loaded) && p != nil && p.lease.Dead {
		n.orphans[room] = e
	} else {
		delete(n.orphans, room)
	}
}

// patrol looks after deadlines and orphans.
func (n *Node) patrol() {
	for _, room := range names(n.timed) {
		e := n.timed[room]
		switch {
		case e.deadline == 0:
			delete(n.timed, room)
		case n.now < e.deadline:
		case e.status == freezing || e.status == offered:
			n.keep(room, e, "the other node did not answer in time")
		default:
			e.part = part{}
			n.do(Unload{room})
		}
	}
	if len(n.orphans) == 0 || !n.Valid(n.now) {
		return
	}
	for _, room := range names(n.orphans) {
		e := n.orphans[room]
		if n.puts[Key{Room: room}] == nil && n.rescuer(room, e.rec.Kind) == n.cfg.SID {
			delete(n.orphans, room)
			if e.status != apart {
				n.do(Unload{room}) // a source that is dead gives nothing away
			}
			n.claim(room, e)
		}
	}
}

// orphaned notes the rooms of a node whose lease is dead.
func (n *Node) orphaned(sid SID) {
	for room, e := range n.rooms {
		if e.rec.Owner == sid {
			n.tidy(room, e)
		}
	}
}

// await sets when the room stops waiting for another node.
func (n *Node) await(room string, e *entry, d time.Duration) {
	e.deadline = n.now + d
	n.timed[room] = e
}

func names(m map[string]*entry) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.SortFunc(list, cmp.Compare[string])
	return list
}
