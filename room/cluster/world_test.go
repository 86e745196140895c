package cluster

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// pack and unpack are how a room travels.
func (w *world) pack(s state) []byte {
	b := binary.LittleEndian.AppendUint32(nil, s.tick)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.applied)))
	for _, in := range s.applied {
		b = binary.LittleEndian.AppendUint32(b, in)
	}
	for _, in := range s.inbox {
		b = binary.LittleEndian.AppendUint32(b, in)
	}
	return b
}

func (w *world) unpack(b []byte) (s state) {
	next := func() uint32 {
		v := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return v
	}
	s.tick = next()
	for range next() {
		s.applied = append(s.applied, next())
	}
	for len(b) > 0 {
		s.inbox = append(s.inbox, next())
	}
	return s
}

// put is a compare-and-set over a network: the request may come late or never, so
// may the answer, and who waited for long enough knows nothing.
func (w *world) put(s *simNode, p Put) {
	node, done := s.node, false
	w.after(500*time.Millisecond, func() {
		if !done {
			done = true
			s.give(node, Answer{Key: p.Key, Outcome: Unknown})
		}
	})
	if w.lost() {
		return
	}
	w.after(w.delay(), func() {
		if w.down || s.cut {
			return
		}
		a := w.set(p)
		if w.lost() {
			return
		}
		w.after(w.delay(), func() {
			if !done && !s.cut {
				done = true
				s.give(node, a)
			}
		})
	})
}

// set is the store's part.
func (w *world) set(p Put) Answer {
	v := w.keys[p.Key]
	if v == nil {
		v = &value{}
	}
	if v.rev != p.Rev {
		return Answer{Key: p.Key, Outcome: Lost}
	}
	w.rev++
	v.before, v.was, v.had = v.rev, v.lease, v.record
	v.rev, v.lease, v.record = w.rev, Lease{}, Record{}
	if p.Lease != nil {
		v.lease = *p.Lease
	}
	if p.Record != nil {
		v.record = *p.Record
	}
	w.keys[p.Key] = v
	switch sid := p.Key.SID; {
	case sid == "":
	case p.Lease == nil:
		v.lease.Dead = true // as the shell reads deletions
		w.buried++
		fallthrough
	case v.lease.Dead:
		w.killed[sid] = true
	case w.killed[sid]:
		w.fail("the lease of %s is killed and lives", sid)
	}
	for _, to := range w.nodes {
		if to.node != nil && !to.cut && !w.lost() {
			to.see(p.Key, *v, w.delay())
		}
	}
	return Answer{Key: p.Key, Outcome: Won, Rev: v.rev}
}

// purge forgets a deletion, if that is still all there is.
func (w *world) purge(s *simNode, p Purge) {
	v := w.keys[p.Key]
	if w.down || s.cut || w.lost() || v == nil || v.rev != p.Rev {
		return
	}
	if v.record.Owner != "" {
		w.fail("%s purges %v, which is there", s.sid, p.Key)
	}
	delete(w.keys, p.Key)
	w.purges++
}

// get reads, at times what was there before.
func (w *world) get(s *simNode, node *Node, k Key) {
	if s.node != node {
		return
	}
	if w.down || s.cut || w.lost() {
		w.after(500*time.Millisecond, func() { w.get(s, node, k) }) // the shell asks until it is told
		return
	}
	var v value
	if now := w.keys[k]; now != nil {
		v = *now
		if w.chance(5) {
			v.rev, v.lease, v.record = v.before, v.was, v.had
		}
	}
	s.see(k, v, w.delay())
}

// send brings a message to the process of that name, if it is there.
func (w *world) send(m Send) {
	times := 1
	switch {
	case w.lost():
		return
	case w.faults.net && w.chance(3):
		times = 2
	}
	for range times {
		w.after(w.delay(), func() {
			for _, s := range w.nodes {
				if s.node != nil && s.sid == m.To {
					s.give(s.node, m.Body)
				}
			}
		})
	}
}

// crash ends a process; another is started after a while.
func (s *simNode) crash(d time.Duration) {
	s.node, s.rooms, s.loaded = nil, nil, nil
	s.w.after(d, func() {
		if s.node == nil {
			s.boot()
		}
	})
}

// trouble lets something go wrong, again and again until that time.
func (w *world) trouble(until time.Duration) {
	if w.now >= until {
		return
	}
	w.after(time.Duration(w.rng.IntN(int(4*time.Second))), func() { w.trouble(until) })
	s := w.nodes[w.rng.IntN(len(w.nodes))]
	long := time.Duration(w.rng.IntN(int(8 * time.Second)))
	switch n := w.rng.IntN(6); {
	case n == 0 && w.faults.nodes && s.node != nil:
		s.crash(long)
	case n == 1 && w.faults.nodes:
		s.paused = w.now + long
	case n == 2 && w.faults.nodes:
		s.cut = true
		w.after(long, func() { s.cut = false })
	case n == 3 && w.faults.store:
		w.down = true
		w.after(2*long*max(1, w.lease/(3*time.Second)), func() { w.down = false })
	}
}

// orders has rooms made, moved and closed.
func (w *world) orders(until time.Duration) {
	if w.now >= until {
		return
	}
	w.after(time.Duration(w.rng.IntN(int(400*time.Millisecond))), func() { w.orders(until) })
	s, to := w.nodes[w.rng.IntN(len(w.nodes))], w.nodes[w.rng.IntN(len(w.nodes))]
	room := fmt.Sprint("r", w.rng.IntN(4))
	switch n := w.rng.IntN(20); {
	case s.node == nil:
	case n < 4:
		s.give(s.node, Create{Room: room, Kind: "game"})
	case n == 4:
		s.give(s.node, CloseRoom{room})
		if r := s.rooms[room]; r != nil && s.node.rooms[room].status == closing {
			r.frozen = true // its game is over
		}
	default:
		s.give(s.node, MoveRoom{Room: room, To: to.sid})
	}
}

func newWorld(t *testing.T, seed uint64, f faults) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), faults: f,
		keys: map[Key]*value{}, killed: map[SID]bool{}, saved: map[string]map[uint64]state{}, shown: map[string]*shown{},
	}
	for i := range 3 {
		s := &simNode{w: w, number: i, rate: 0.98 + 0.04*w.rng.Float64(), offset: time.Duration(w.rng.IntN(int(time.Hour)))}
		w.nodes = append(w.nodes, s)
		w.after(w.delay(), s.boot)
		w.after(time.Duration(w.rng.IntN(int(100*time.Millisecond))), s.tick)
	}
	w.forget = time.Second + time.Duration(w.rng.IntN(int(4*time.Second)))
	return w
}

const (
	troubled = 30 * time.Second // how long things go wrong
	calm     = 30 * time.Second // how long all may take to be well again
)

// live plays a cluster: faults and orders, then a calm in which every room must go
// on.
func (w *world) live() {
	w.after(2*time.Second, func() { w.trouble(troubled); w.orders(troubled) })
	w.run(troubled)
	w.faults, w.down = faults{}, false
	for _, s := range w.nodes {
		s.cut, s.paused = false, w.now
	}
	w.run(troubled + calm)
	w.settled()
	for k, v := range w.keys {
		if k.Room == "" || v.record.Owner == "" {
			continue
		}
		if last := w.shown[k.Room]; last == nil || w.now-last.at > time.Second || last.sid != v.record.Owner {
			w.fail("%s of %s does not go on: %s", k.Room, v.record.Owner, w.tell(k.Room))
		}
	}
}

// settled demands that no machine waits for what will never come.
func (w *world) settled() {
	for _, s := range w.nodes {
		if s.node == nil {
			continue
		}
		for _, room := range names(s.node.rooms) {
			switch s.node.rooms[room].status {
			case creating, taking, giving:
				w.fail("%s waits for ever: %s", room, w.tell(room))
			}
		}
	}
}

// tell is what each machine does with a room.
func (w *world) tell(room string) (text string) {
	for _, s := range w.nodes {
		if s.node == nil {
			continue
		}
		text += fmt.Sprintf("\n%s valid %t", s.sid, s.node.Valid(s.local()))
		if e := s.node.rooms[room]; e != nil {
			text += fmt.Sprintf(" rev %d %+v part %+v putting %t", e.rev, e.rec, e.part, s.node.puts[Key{Room: room}] != nil)
		}
		if r := s.rooms[room]; r != nil {
			text += fmt.Sprintf(" runs term %d tick %d frozen %t", r.term, r.tick, r.frozen)
		}
	}
	return text
}

// TestAnyCluster lets everything go wrong at once. At no time do two nodes show a
// room in the same term, or an older term after a newer; a tick of an epoch is shown
// once, with all inputs of the one before; a killed lease stays dead; and when the
// faults stop, every room goes on.
func TestAnyCluster(t *testing.T) {
	n := *seeds
	if raceEnabled {
		n /= 10
	}
	rescues, moves, purges, buried := 0, 0, 0, 0
	for seed := *firstSeed; seed < *firstSeed+uint64(n) && !t.Failed(); seed++ {
		w := newWorld(t, seed, faults{nodes: true, store: true, net: true})
		w.live()
		rescues, moves = rescues+w.rescues, moves+w.moves
		purges, buried = purges+w.purges, buried+w.buried
	}
	t.Logf("%d clusters: %d rooms moved, %d rescued, %d purged, %d leases deleted", n, moves, rescues, purges, buried)
	if n >= 100 && (rescues < n || moves < n || purges < n/4 || buried < n) {
		t.Error("too little happened")
	}
}

// TestLeasesOfDifferentLengths lets all that go wrong where the operator changes the
// lease from node to node.
func TestLeasesOfDifferentLengths(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds/20) && !t.Failed(); seed++ {
		w := newWorld(t, seed, faults{nodes: true, store: true, net: true})
		for i, s := range w.nodes {
			s.lease = []time.Duration{time.Second, 3 * time.Second, 6 * time.Second}[(uint64(i)+seed)%3]
		}
		w.live()
	}
}

// TestStoreOutageChangesNoOwner takes the store away for longer than leases last:
// rooms stand still and go on where they were.
func TestStoreOutageChangesNoOwner(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds/20) && !t.Failed(); seed++ {
		w := newWorld(t, seed, faults{store: true})
		if seed%4 == 0 {
			w.lease = 10 * time.Second // that of nodes that are the store themselves
		}
		w.live()
		if w.rescues > 0 {
			t.Fatalf("seed %d: %d rooms were taken from their owners", seed, w.rescues)
		}
	}
}

// TestMovesWithoutFaults takes no room from its owner when nothing goes wrong.
func TestMovesWithoutFaults(t *testing.T) {
	moves := 0
	for seed := *firstSeed; seed < *firstSeed+100 && !t.Failed(); seed++ {
		w := newWorld(t, seed, faults{})
		w.live()
		if moves += w.moves; w.rescues > 0 {
			t.Fatalf("seed %d: %d rooms were taken from their owners", seed, w.rescues)
		}
	}
	if moves < 500 {
		t.Errorf("%d moves", moves)
	}
}
