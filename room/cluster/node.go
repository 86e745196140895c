package cluster

import (
	"cmp"
	"slices"
	"time"
)

// Node is one node's part in the cluster. It is used by one goroutine; now never
// goes back, counts time in which the machine is suspended, and is the node's own.
type Node struct {
	cfg   Config
	about About
	out   []Effect
	now   time.Duration

	rev    Rev // of the lease
	n      uint64
	sent   time.Duration // when the newest renewal that succeeded was
	valid  time.Duration // until when the node may act
	due    time.Duration // of the next renewal
	steady time.Duration // since when renewals succeed; never: they do not
	dead   bool

	puts  map[Key]*putting
	peers map[SID]*peer
	rooms map[string]*entry
	// orphans are the rooms whose owner's lease is dead.
	orphans map[string]*entry
	timed   map[string]*entry // rooms that may have a deadline
	tries   uint64            // moves begun
	swept   time.Duration     // when the next look for garbage is due
	top     Rev               // the highest that was seen of any key
}

// putting is a Put under way, and what is to be done when it ends.
type putting struct {
	then func(Answer)
}

// peer is another node as it was last seen.
type peer struct {
	rev   Rev
	lease Lease
	seen  time.Duration // when it last changed
}

// entry is a room as it was last seen, and this node's part in it.
type entry struct {
	rev Rev
	rec Record
	// gone says that the key was not there when it was last read.
	gone bool
	idle time.Duration // since when nobody known has the room; 0: somebody has
	part
}

// NewNode returns a node that has no lease yet. The first Step asks for one.
func NewNode(cfg Config, about About) *Node {
	cfg.validate()
	return &Node{
		cfg: cfg, about: about, steady: never,
		puts: map[Key]*putting{}, peers: map[SID]*peer{}, rooms: map[string]*entry{},
		orphans: map[string]*entry{}, timed: map[string]*entry{},
	}
}

// Valid reports whether the node may act for its rooms at now: tick, write, accept.
func (n *Node) Valid(now time.Duration) bool { return !n.dead && now < n.valid }

// About sets what the next renewals tell.
func (n *Node) About(a About) { n.about = a }

// Step takes in an event and returns what is to be done, valid until the next call.
func (n *Node) Step(now time.Duration, ev Event) []Effect {
	n.now, n.out = now, n.out[:0]
	if n.dead {
		return nil
	}
	switch e := ev.(type) {
	case Answer:
		n.top = max(n.top, e.Rev)
		if p := n.puts[e.Key]; p != nil {
			delete(n.puts, e.Key)
			p.then(e)
		}
	case SeenLease:
		n.top = max(n.top, e.Rev)
		n.seeLease(e)
	case SeenRoom:
		n.seeRoom(e)
	default:
		n.stepRoom(ev)
	}
	if !n.dead {
		n.renew()
		n.rescue()
		n.patrol()
		n.sweep()
	}
	return n.out
}

// Next is when the node wants a Wake at the latest.
func (n *Node) Next() time.Duration {
	next := n.due
	if _, busy := n.puts[Key{SID: n.cfg.SID}]; busy {
		next = never
	}
	for _, e := range n.timed {
		if e.deadline != 0 {
			next = min(next, e.deadline)
		}
	}
	return next
}

func (n *Node) do(e Effect) { n.out = append(n.out, e) }

// put begins a Put unless one for the key is under way, and reports whether it did.
func (n *Node) put(p Put, then func(Answer)) bool {
	if n.puts[p.Key] != nil {
		return false
	}
	n.puts[p.Key] = &putting{then}
	n.do(p)
	return true
}

// renew renews the lease when that is due.
func (n *Node) renew() {
	if n.now < n.due {
		return
	}
	key, sent := Key{SID: n.cfg.SID}, n.now
	if !n.put(Put{Key: key, Rev: n.rev, Lease: &Lease{N: n.n + 1, Lasts: n.cfg.Lease, About: n.about}}, func(a Answer) { n.renewed(a, sent) }) {
		return
	}
	n.due = sent + n.cfg.Renew
}

func (n *Node) renewed(a Answer, sent time.Duration) {
	if a.Outcome != Won {
		// Somebody killed the lease, or an earlier renewal happened after all: the
		// key tells, and the next renewal decides.
		n.steady = never
		n.do(Get{Key{SID: n.cfg.SID}})
		n.due = n.now + n.cfg.Renew/4
		return
	}
	if n.now >= n.valid || n.steady == never || n.now-sent > n.cfg.Lease/2 {
		n.steady = n.now // a gap: whoever was silent meanwhile may have had the same
	}
	n.rev, n.n, n.sent = a.Rev, n.n+1, sent
	n.valid = max(n.valid, sent+n.cfg.Lease)
}

func (n *Node) seeLease(e SeenLease) {
	if e.SID == n.cfg.SID {
		n.seeOwn(e)
		return
	}
	p := n.peers[e.SID]
	switch {
	case e.Rev == 0:
		if p != nil && !p.lease.Dead {
			delete(n.peers, e.SID)
		}
		return
	case p == nil:
		p = &peer{}
		n.peers[e.SID] = p
	case e.Rev <= p.rev:
		return
	}
	p.rev, p.lease, p.seen = e.Rev, e.Lease, n.now
	if p.lease.Dead {
		n.orphaned(e.SID)
	}
}

// seeOwn learns the revision for the next renewal, or that there will be none.
func (n *Node) seeOwn(e SeenLease) {
	switch {
	case e.Rev < n.rev || e.Rev == 0 && n.rev == 0:
	case e.Lease.Dead || e.Rev == 0:
		n.dead = true
		n.do(Quit{e.Lease.By})
	default:
		n.rev, n.n = e.Rev, max(n.n, e.Lease.N)
	}
}

// After an outage of the store nobody is killed until this node's own renewals have
// succeeded for as many of them, and for that long at least, or for as long as a
// silence has to last: time for the others to come back too. Their leases may be over
// by then; what an outage may not do is to change who owns what.
const (
	calmRenewals = 3
	calmTime     = 3 * time.Second
)

// rescue kills the leases of nodes that were silent while this one was heard.
func (n *Node) rescue() {
	if n.steady == never || !n.Valid(n.now) {
		return
	}
	for _, sid := range n.known() {
		p := n.peers[sid]
		lease := max(n.cfg.Lease, p.lease.Lasts)
		wait := lease + lease*drift/100 + n.cfg.Gap
		calm := min(wait, max(calmRenewals*n.cfg.Renew, calmTime))
		if n.sent-p.seen <= wait || n.sent-n.steady <= calm {
			continue
		}
		killed := p.lease
		killed.Dead, killed.By = true, n.cfg.SID
		key := Key{SID: sid}
		n.put(Put{Key: key, Rev: p.rev, Lease: &killed}, func(a Answer) {
			if a.Outcome != Won {
				p.seen = n.now // it was heard, or is dead already: the key tells
				n.do(Get{key})
				return
			}
			p.rev, p.lease, p.seen = a.Rev, killed, n.now
			n.orphaned(sid)
		})
	}
}

// known is the other nodes that are not dead, in an order that does not change.
func (n *Node) known() []SID {
	list := make([]SID, 0, len(n.peers))
	for sid, p := range n.peers {
		if !p.lease.Dead {
			list = append(list, sid)
		}
	}
	slices.SortFunc(list, func(a, b SID) int { return cmp.Compare(a, b) })
	return list
}

// heir is the node that takes a room of a dead one: the same on all nodes that
// know the same nodes, and another for each room (rendezvous hashing).
func (n *Node) heir(room string) SID { return n.among(room, func(*About) bool { return true }) }

// rescuer is the heir among those that have the room's kind, empty if nobody does: the
// room waits for one, since who cannot run it would end it.
func (n *Node) rescuer(room, kind string) SID {
	return n.among(room, func(a *About) bool { return a.Can(kind) })
}

func (n *Node) among(room string, ok func(*About) bool) (best SID) {
	var most uint64
	if ok(&n.about) {
		best, most = n.cfg.SID, weigh(n.cfg.SID, room)
	}
	for sid, p := range n.peers {
		if p.lease.Dead || !ok(&p.lease.About) {
			continue
		}
		if w := weigh(sid, room); best == "" || w > most || w == most && sid > best {
			best, most = sid, w
		}
	}
	return best
}

// weigh is FNV-1a 64, mixed once more since names differ in their last letters.
func weigh(sid SID, room string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{string(sid), "/", room} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h ^= h >> 31
	return h * 0x9e3779b97f4a7c15
}
