package cluster

import (
	"cmp"
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	seeds     = flag.Int("seeds", 10_000, "simulated clusters; a tenth with the race detector")
	firstSeed = flag.Uint64("seed", 1, "seed of the first cluster")
)

// faults says what may go wrong in a simulated cluster.
type faults struct {
	nodes bool // crashes, pauses, and cuts between one node and the store
	store bool // outages of the store
	net   bool // loss, duplication and delay of messages, requests and news
}

// world is a cluster with its store, in a time of its own. All of it follows from
// the seed.
type world struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	now    time.Duration
	queue  queue
	order  uint64
	faults faults
	forget time.Duration
	lease  time.Duration

	keys    map[Key]*value
	killed  map[SID]bool // leases that were dead
	rev     Rev
	down    bool
	nodes   []*simNode
	saved   map[string]map[uint64]state // checkpoints, by room and term
	shown   map[string]*shown
	inputs  uint32
	rescues int // rooms that were taken from a checkpoint
	moves   int // rooms that went on with what was loaded
	purges  int // keys of rooms that were over for long
	buried  int // leases that were dead for long
}

// value is a key of the store, and what it was before.
type value struct {
	rev, before Rev
	lease, was  Lease
	record, had Record
}

// state is all of a room.
type state struct {
	tick    uint32
	applied []uint32 // inputs, in order
	inbox   []uint32
}

func (s state) clone() state {
	return state{s.tick, slices.Clip(s.applied), slices.Clone(s.inbox)}
}

func (s state) hash() uint64 {
	h := uint64(s.tick)
	for _, in := range append(slices.Clone(s.applied), s.inbox...) {
		h = h*1099511628211 ^ uint64(in)
	}
	return h
}

// shown is what the clients of a room saw last.
type shown struct {
	sid         SID
	term, epoch uint64
	tick        uint32
	applied     []uint32
	at          time.Duration
}

// simNode is a machine: it keeps its clock when its process starts anew.
type simNode struct {
	w      *world
	number int
	start  int
	sid    SID
	node   *Node // nil while it is down
	rate   float64
	offset time.Duration
	paused time.Duration // until when
	cut    bool          // from the store
	lease  time.Duration // that it is set up with
	rooms  map[string]*instance
	loaded map[string]state
	loads  map[string]int // begun or cancelled
	wakeAt time.Duration
}

type instance struct {
	state
	term, epoch uint64
	frozen      bool
}

type job struct {
	at    time.Duration
	order uint64
	f     func()
}

type queue []job

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].order, q[j].order)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(job)) }
func (q *queue) Pop() any {
	old := *q
	j := old[len(old)-1]
	*q = old[:len(old)-1]
	return j
}

func (w *world) after(d time.Duration, f func()) {
	w.order++
	heap.Push(&w.queue, job{w.now + d, w.order, f})
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until && !w.t.Failed() {
		j := heap.Pop(&w.queue).(job)
		w.now = j.at
		j.f()
	}
	w.now = until
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// delay is that of one way.
func (w *world) delay() time.Duration {
	d := time.Duration(w.rng.IntN(int(20 * time.Millisecond)))
	if w.faults.net && w.chance(2) {
		d += time.Duration(w.rng.IntN(int(3 * time.Second)))
	}
	return d
}

func (w *world) lost() bool { return w.faults.net && w.chance(3) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, at %v: %s", w.seed, w.now, fmt.Sprintf(format, args...))
}

// local is what the machine's clock shows.
func (s *simNode) local() time.Duration {
	return s.offset + time.Duration(float64(s.w.now)*s.rate)
}

// boot starts the process of a machine, under a new name.
func (s *simNode) boot() {
	s.start++
	s.sid = SID(fmt.Sprintf("n%d-%d", s.number, s.start))
	s.node = NewNode(Config{SID: s.sid, Lease: cmp.Or(s.lease, s.w.lease), Forget: s.w.forget}, About{})
	s.rooms, s.loaded, s.loads = map[string]*instance{}, map[string]state{}, map[string]int{}
	s.wakeAt = 0
	s.step(Wake{})
	s.w.resync(s, s.node)
}

// resync is what a watch gives at its begin, and again every while: everything.
func (w *world) resync(s *simNode, of *Node) {
	if s.node != of {
		return
	}
	if !w.down && !s.cut {
		for _, k := range w.sortedKeys() {
			s.see(k, *w.keys[k], w.delay())
		}
	}
	w.after(10*time.Second, func() { w.resync(s, of) })
}

func (w *world) sortedKeys() []Key {
	list := make([]Key, 0, len(w.keys))
	for k := range w.keys {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b Key) int { return cmp.Or(cmp.Compare(a.SID, b.SID), cmp.Compare(a.Room, b.Room)) })
	return list
}

// see brings news of a key to a process.
func (s *simNode) see(k Key, v value, d time.Duration) {
	to := s.node
	s.w.after(d, func() {
		if k.Room != "" {
			s.give(to, SeenRoom{k.Room, v.rev, v.record})
		} else {
			s.give(to, SeenLease{k.SID, v.rev, v.lease})
		}
	})
}

// give brings an event to a process, when it runs again.
func (s *simNode) give(to *Node, ev Event) {
	switch {
	case s.node != to || to == nil:
	case s.w.now < s.paused:
		s.w.after(s.paused-s.w.now, func() { s.give(to, ev) })
	default:
		s.step(ev)
	}
}

func (s *simNode) step(ev Event) {
	node := s.node
	for _, e := range slices.Clone(node.Step(s.local(), ev)) {
		if s.node == node {
			s.perform(e)
		}
	}
	if s.node != node {
		return
	}
	if next := node.Next(); next != never && next != s.wakeAt {
		s.wakeAt = next
		s.w.after(max(0, time.Duration(float64(next-s.local())/s.rate))+time.Microsecond, func() { s.give(node, Wake{}) })
	}
}

func (s *simNode) perform(e Effect) {
	w, node := s.w, s.node
	switch e := e.(type) {
	case Put:
		w.put(s, e)
	case Get:
		w.after(w.delay(), func() { w.get(s, node, e.Key) })
	case Purge:
		w.after(w.delay(), func() { w.purge(s, e) })
	case Send:
		w.send(e)
	case Start:
		s.begin(e)
	case Freeze:
		if r := s.rooms[e.Room]; r != nil {
			r.frozen = true
			all := Frozen{Room: e.Room, Try: e.Try, Tick: r.tick, Hash: r.hash(), State: w.pack(r.state)}
			d := w.delay()
			if w.faults.net && w.chance(10) {
				d += time.Duration(w.rng.IntN(int(4 * time.Second))) // a large room on a busy machine
			}
			w.after(d, func() { s.give(node, all) })
		}
	case Thaw:
		if r := s.rooms[e.Room]; r != nil {
			r.frozen = false
		}
	case Drop:
		delete(s.rooms, e.Room)
	case Load:
		st := w.unpack(e.State)
		s.loads[e.Room]++
		load := s.loads[e.Room]
		w.after(w.delay()/4, func() {
			if s.node != node || s.loads[e.Room] != load {
				return
			}
			if w.faults.nodes && w.chance(5) {
				s.give(node, Loaded{Room: e.Room, Term: e.Term, Tick: e.Tick, Err: "no memory"})
				return
			}
			s.loaded[e.Room] = st
			s.give(node, Loaded{Room: e.Room, Term: e.Term, Tick: e.Tick, Hash: st.hash()})
		})
	case Unload:
		s.loads[e.Room]++
		delete(s.loaded, e.Room)
	case Quit:
		s.crash(time.Second)
	}
}

// begin runs a room that the record gives to this node.
func (s *simNode) begin(e Start) {
	w := s.w
	r := &instance{term: e.Term, epoch: e.Epoch}
	switch {
	case e.Loaded:
		w.moves++
		r.state = s.loaded[e.Room].clone()
		delete(s.loaded, e.Room)
	case !e.Fresh:
		w.rescues++
		best := uint64(0)
		for term := range w.saved[e.Room] {
			best = max(best, term)
		}
		r.state = w.saved[e.Room][best].clone()
		r.inbox = nil
	}
	s.rooms[e.Room] = r
}

// tick lets the machine's rooms go on, as long as its lease is valid.
func (s *simNode) tick() {
	w := s.w
	w.after(100*time.Millisecond, s.tick)
	if s.node == nil || w.now < s.paused || !s.node.Valid(s.local()) {
		return
	}
	for _, name := range slices.Sorted(keysOf(s.rooms)) {
		r := s.rooms[name]
		if r.frozen {
			continue
		}
		r.tick++
		r.applied = append(r.applied, r.inbox...)
		r.inbox = nil
		w.show(s, name, r)
		if r.tick%20 == 0 {
			if w.saved[name] == nil {
				w.saved[name] = map[uint64]state{}
			}
			w.saved[name][r.term] = r.clone()
		}
		if w.chance(30) {
			w.inputs++
			r.inbox = append(r.inbox, w.inputs)
		}
	}
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// show is what clients see: here all promises are checked.
func (w *world) show(s *simNode, name string, r *instance) {
	if v := w.keys[Key{SID: s.sid}]; v == nil || v.lease.Dead {
		w.fail("%s shows %s though its lease is dead", s.sid, name)
	}
	last := w.shown[name]
	if last == nil {
		last = &shown{}
		w.shown[name] = last
	}
	switch {
	case r.term < last.term:
		w.fail("%s shows %s in term %d after %s did in %d", s.sid, name, r.term, last.sid, last.term)
	case r.term == last.term && s.sid != last.sid:
		w.fail("%s and %s both own %s in term %d", s.sid, last.sid, name, r.term)
	case r.epoch < last.epoch:
		w.fail("%s went from epoch %d to %d", name, last.epoch, r.epoch)
	case r.epoch == last.epoch && r.tick != last.tick+1:
		w.fail("%s went from tick %d to %d in epoch %d", name, last.tick, r.tick, r.epoch)
	case r.epoch == last.epoch && !slices.Equal(r.applied[:len(last.applied)], last.applied):
		w.fail("%s lost or changed an input in tick %d of epoch %d", name, r.tick, r.epoch)
	}
	for _, in := range r.applied[min(len(last.applied), len(r.applied)):] {
		if slices.Contains(last.applied, in) && r.epoch == last.epoch {
			w.fail("%s applied input %d twice", name, in)
		}
	}
	*last = shown{s.sid, r.term, r.epoch, r.tick, slices.Clip(r.applied), w.now}
}
