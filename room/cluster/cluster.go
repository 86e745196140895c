package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Host is what has the rooms: the server. All methods are called on the cluster's
// goroutine and must not block; answers are told with Cluster.Tell.
type Host interface {
	// Start runs a room: a new one, what was loaded, or from a checkpoint.
	Start(s Start, checkpoint []byte)
	Freeze(f Freeze)
	Thaw(room string)
	Drop(d Drop)
	Load(l Load)
	Unload(room string)
	// Failed says that what was asked for will not be.
	Failed(f Failed)
	// End ends a room, if it is here and not being given away, and calls done when that
	// is decided. Drain gives all to other nodes and takes no new ones. Operators want
	// them; they may be called on any goroutine.
	End(room string, done func(error))
	Drain()
	// Make begins a new room for another node, and calls done when that is decided.
	// It may be called on any goroutine, as the next three.
	Make(room, kind string, done func(error))
	// Down hands over what a room's owner told an edge here, Up what an edge told a
	// room here. b is theirs.
	Down(room string, b []byte)
	Up(room string, edge SID, b []byte)
	// Located says that a room may have another owner, or is gone.
	Located(room string)
	// Quit says that this node's rooms are not its own any more.
	Quit()
	// About is what other nodes are told of this one.
	About() About
}

// Options are what a Cluster is made of. Name, Host and a NATS are required.
type Options struct {
	Name string // of the node: 1 to 32 of A-Z a-z 0-9 _ -
	Host Host
	// Remote is the NATS, or Embedded one in this process instead.
	Remote
	Embedded *Embedded
	// Replicas of what the store holds; 0 is 1, and 3 when the embedded NATS is
	// meshed.
	Replicas int
	// Lease as in Config; 0 is 3 s, and 10 s when the embedded NATS is meshed.
	Lease time.Duration
	Log   *slog.Logger
}

// Cluster is a node's Node with a NATS around it. Its methods may be called by any
// goroutine.
type Cluster struct {
	opts  Options
	sid   SID
	nc    *nats.Conn
	store *store
	log   *slog.Logger
	ctx   context.Context
	stop  context.CancelFunc
	done  chan struct{}

	valid atomic.Int64 // time of Now until which the node may act
	stats Stats

	mu    sync.Mutex // of what follows
	node  *Node
	queue []Event
	ring  chan struct{} // there is something in the queue
	relay relay
	// orders are those who wait for the end of a move, by room.
	orders map[string][]func(why string)

	transfers *transfers
}

// Stats are counters, to be read with Load.
type Stats struct {
	Renewals  atomic.Uint64
	Unknown   atomic.Uint64 // compare-and-sets without an answer
	Strangers atomic.Uint64 // messages that no node of this version sent
	Rescued   atomic.Uint64 // rooms taken from dead nodes
	Moved     atomic.Uint64 // rooms taken over from living ones
	RelayLost atomic.Uint64 // messages of rooms and edges that the network did not take
}

// Limits of the shell.
const (
	// putTime is how long a compare-and-set may go unanswered.
	putTime = 500 * time.Millisecond
	// askAgain is the time between two attempts to read.
	askAgain = 100 * time.Millisecond
	// rewatch is how long one watch lasts: the next one tells everything anew.
	rewatch = 10 * time.Second
	// openTime bounds the making of the buckets.
	openTime = 15 * time.Second
	// aboutEvery is the time between two questions to the host what to say of itself.
	aboutEvery = 50 * time.Millisecond
	// joinPoll is the time between two looks whether the first lease is there.
	joinPoll = 5 * time.Millisecond
)

// SID is this start of the node.
func (c *Cluster) SID() SID { return c.sid }

// Stats are the node's counters.
func (c *Cluster) Stats() *Stats { return &c.stats }

// Valid reports whether the node may act for its rooms now: tick, write, accept. It
// costs a system call.
func (c *Cluster) Valid() bool { return int64(Now()) < c.valid.Load() }

// Over reports whether the node's lease was killed: Valid will not be true again.
func (c *Cluster) Over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node.dead
}

// Tell hands an event to the node.
func (c *Cluster) Tell(ev Event) {
	c.mu.Lock()
	c.queue = append(c.queue, ev)
	c.mu.Unlock()
	select {
	case c.ring <- struct{}{}:
	default:
	}
}

// run steps the node until Close.
func (c *Cluster) run() {
	defer close(c.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var asked time.Duration
	for {
		select {
		case <-c.ring:
		case <-timer.C:
		case <-c.ctx.Done():
			return
		}
		if now := Now(); now-asked >= aboutEvery {
			asked = now
			about := c.opts.Host.About() // counts rooms: not for every event
			c.mu.Lock()
			c.node.About(about)
			c.mu.Unlock()
		}
		c.mu.Lock()
		events := append(c.queue, Wake{})
		c.queue = nil
		c.mu.Unlock()
		for _, ev := range events {
			c.step(ev)
		}
		c.mu.Lock()
		next := c.node.Next()
		c.mu.Unlock()
		timer.Reset(min(max(next-Now(), 0), time.Second))
	}
}

func (c *Cluster) step(ev Event) {
	c.mu.Lock()
	effects := append([]Effect(nil), c.node.Step(Now(), ev)...)
	until := c.node.valid
	if c.node.dead {
		until = 0
	}
	c.valid.Store(int64(until))
	c.mu.Unlock()
	if a, ok := ev.(Answer); ok && a.Outcome == Unknown {
		c.stats.Unknown.Add(1)
	}
	for _, e := range effects {
		c.perform(e)
	}
	if room := roomOf(ev); room != "" {
		c.opts.Host.Located(room)
	}
}

// roomOf is the room of an event that may tell of another owner.
func roomOf(ev Event) string {
	switch e := ev.(type) {
	case SeenRoom:
		return e.Room
	case Yours:
		return e.Room
	case Answer:
		return e.Key.Room
	}
	return ""
}

func (c *Cluster) perform(e Effect) {
	h := c.opts.Host
	switch e := e.(type) {
	case Put:
		if e.Key.SID == c.sid {
			c.stats.Renewals.Add(1)
		}
		go func() {
			ctx, cancel := context.WithTimeout(c.ctx, putTime)
			defer cancel()
			c.Tell(c.store.put(ctx, e))
		}()
	case Get:
		go c.ask(e.Key)
	case Purge:
		go func() {
			ctx, cancel := context.WithTimeout(c.ctx, putTime)
			defer cancel()
			if err := c.store.purge(ctx, e); err != nil {
				c.log.Debug("a deletion stays", "key", e.Key.text(), "err", err)
			}
		}()
	case Send:
		c.send(e)
	case Start:
		c.begin(e)
	case Freeze:
		h.Freeze(e)
	case Thaw:
		h.Thaw(e.Room)
	case Drop:
		h.Drop(e)
		c.decided(e.Room, "")
	case Load:
		h.Load(e)
	case Unload:
		h.Unload(e.Room)
	case Failed:
		h.Failed(e)
		c.decided(e.Room, e.Why)
	case Quit:
		c.log.Error("this node's lease was killed: its rooms are others' now", "by", e.By)
		h.Quit()
	}
}

// ask reads a key until the store answers.
func (c *Cluster) ask(k Key) {
	for c.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(c.ctx, putTime)
		ev, err := c.store.get(ctx, k)
		cancel()
		if err == nil {
			c.Tell(ev)
			return
		}
		select {
		case <-time.After(askAgain):
		case <-c.ctx.Done():
		}
	}
}

// watch tells the node of every key, again and again.
func (c *Cluster) watch() {
	for c.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(c.ctx, rewatch)
		var heard atomic.Int64
		heard.Store(int64(Now()))
		go c.mind(ctx, cancel, &heard)
		err := c.store.watch(ctx, func(ev Event) {
			heard.Store(int64(Now()))
			c.Tell(ev)
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && c.ctx.Err() == nil {
			c.log.Debug("watch", "err", err)
			select {
			case <-time.After(askAgain):
			case <-c.ctx.Done():
			}
		}
	}
}

// mind ends a watch that tells nothing: this node's own renewals are among its news, so
// silence is a fault of the watch, as after a restart of NATS.
func (c *Cluster) mind(ctx context.Context, end context.CancelFunc, heard *atomic.Int64) {
	limit := max(time.Second, 4*c.node.cfg.Renew)
	tick := time.NewTicker(limit / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if Now()-time.Duration(heard.Load()) > limit {
				end()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// begin starts a room, from its checkpoint if it has nothing better.
func (c *Cluster) begin(s Start) {
	switch {
	case s.Loaded:
		c.stats.Moved.Add(1)
		c.opts.Host.Start(s, nil)
		return
	case s.Fresh:
		c.opts.Host.Start(s, nil)
		return
	}
	c.stats.Rescued.Add(1)
	go func() {
		for c.ctx.Err() == nil {
			ctx, cancel := context.WithTimeout(c.ctx, loadTime)
			b, err := c.store.load(ctx, s.Room, s.Term)
			cancel()
			if err == nil {
				c.opts.Host.Start(s, b)
				return
			}
			c.log.Warn("a room's checkpoint cannot be read yet", "room", s.Room, "err", err)
			select {
			case <-time.After(askAgain):
			case <-c.ctx.Done():
			}
		}
	}()
}

// Save keeps the newest state of a room that this node has under a term. The caller
// waits: it is not a loop.
func (c *Cluster) Save(room string, term uint64, b []byte) error {
	if len(b) > maxState {
		return fmt.Errorf("cluster: the state of room %s takes %d bytes, and %d is the limit", room, len(b), maxState)
	}
	packed, size := pack(b), c.pieceSize()
	ctx, cancel := context.WithTimeout(c.ctx, saveTime+time.Duration(len(packed)/size)*pieceTime)
	defer cancel()
	return c.store.save(ctx, room, term, packed, size)
}

// Forget deletes what Save kept.
func (c *Cluster) Forget(room string, term uint64) {
	ctx, cancel := context.WithTimeout(c.ctx, saveTime)
	defer cancel()
	c.store.forget(ctx, room, term)
}

// CreateAt has another node begin a room. The caller waits for it.
func (c *Cluster) CreateAt(ctx context.Context, to SID, room, kind string) error {
	return ask(ctx, c.nc, to, order{Verb: verbCreate, Room: room, Kind: kind})
}

// Resign kills this node's own lease, so that others take its rooms at once. The
// rooms must stand still.
func (c *Cluster) Resign(ctx context.Context) {
	c.valid.Store(0)
	c.mu.Lock()
	c.node.dead = true
	rev, rec := c.node.rev, Lease{N: c.node.n, Dead: true, By: c.sid, About: c.node.about}
	c.mu.Unlock()
	for ctx.Err() == nil {
		put, cancel := context.WithTimeout(ctx, putTime)
		a := c.store.put(put, Put{Key: Key{SID: c.sid}, Rev: rev, Lease: &rec})
		if a.Outcome != Won {
			if ev, err := c.store.get(put, Key{SID: c.sid}); err == nil {
				e := ev.(SeenLease)
				if rev = e.Rev; e.Lease.Dead {
					a.Outcome = Won
				}
			}
		}
		cancel()
		if a.Outcome == Won {
			return
		}
	}
}

// Close ends the node without a word: its lease runs out, or was resigned.
func (c *Cluster) Close() {
	c.valid.Store(0)
	c.stop()
	<-c.done
	c.nc.Close()
}
