package server

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// shard is a server's part in a cluster: the cluster.Host that has the rooms. It is
// nil in a server of its own, whose directory then decides alone.
type shard struct {
	srv      *Server
	c        atomic.Pointer[cluster.Cluster]
	embedded *cluster.Embedded
	draining atomic.Bool   // an operator wants the node empty
	busy     atomic.Uint64 // share of the loops' time spent in ticks, as bits

	measured time.Time     // of measure
	stepped  time.Duration // until then

	mu       sync.Mutex
	waiting  map[string][]func(error) // who waits for a room to start here
	prepared map[string]*hosted       // loaded, and not yet ours
	loads    map[string]uint64        // under way, each with its number
	loaded   uint64                   // number of the newest
	sent     map[cluster.SID]sentRooms
	saved    map[string]saved
}

// ClusterConfig says how a server is part of a cluster.
type ClusterConfig struct {
	// Node is this node's name, unique in the cluster.
	Node string
	// NATS is the addresses of the servers of a NATS cluster with JetStream,
	// separated by commas; empty for one in this process, which keeps its streams
	// in Data.
	NATS string
	// Credentials is a file as nats.UserCredentials takes it; empty for none.
	Credentials string
	// CA is a file with the certificates that NATS's are checked against, in place of
	// the system's; Cert and Key are files that tell NATS who this node is.
	CA, Cert, Key string
	// Data is a folder for the embedded NATS.
	Data string
	// Listen and Join make the embedded servers of three or more nodes one NATS: the
	// address for the others' servers, and theirs, each HOST:PORT. Secret is what all
	// nodes know.
	Listen string
	Join   []string
	Secret string
	// Insecure lets NATS go over the network without encryption, and anybody join.
	Insecure bool
	// Advertise is the URL under which clients find this node, as
	// "wss://node1.example/v1/ws"; empty for its listening address, which a
	// certificate seldom names.
	Advertise string
	// Replicas is how many NATS servers keep the state, default 1, or 3 with Listen.
	Replicas int
	// Lease is how long a silent node keeps its rooms, default 3 s, or 10 s with
	// Listen: a node's death is then a NATS server's.
	Lease time.Duration
	// Kinds are those of which the node takes new rooms; all if empty.
	Kinds []string
	// RelayAlways keeps clients at the node that they came to; else those that can go
	// to the node of their room.
	RelayAlways bool
	// Checkpoint is the time between two states kept of a room, default 2 s: what is
	// lost with a node.
	Checkpoint time.Duration
}

// begin makes the server, which listens already, a part of its cluster until ctx
// ends.
func (h *shard) begin(ctx context.Context) error {
	cfg := h.srv.cfg.Cluster
	setDefault(&cfg.Checkpoint, 2*time.Second)
	scheme := "ws://"
	if h.srv.cfg.secure() {
		scheme = "wss://"
	}
	setDefault(&cfg.Advertise, scheme+h.srv.addr.String()+socketPath)
	if cfg.NATS == "" {
		name, dir := "roomd-"+cfg.Node, filepath.Join(cfg.Data, "nats")
		var err error
		if cfg.Listen == "" {
			h.embedded, err = cluster.StartEmbedded(name, dir)
		} else {
			h.embedded, err = cluster.StartMeshed(name, dir, cfg.mesh())
		}
		if err != nil {
			return err
		}
	}
	join := ctx
	if cfg.Listen == "" {
		limited, cancel := context.WithTimeout(ctx, joinTimeout)
		defer cancel()
		join = limited
	} // the first node of a mesh waits for the others
	if err := h.join(join); err != nil {
		h.close()
		return err
	}
	go h.keep(ctx)
	return nil
}

func (h *shard) join(ctx context.Context) error {
	cfg := h.srv.cfg.Cluster
	o := cluster.Options{
		Name: cfg.Node, Host: h, Remote: cfg.remote(), Embedded: h.embedded,
		Replicas: cfg.Replicas, Lease: cfg.Lease, Log: h.srv.cfg.Log,
	}
	c, err := cluster.Join(ctx, o)
	if err != nil {
		return err
	}
	h.c.Store(c)
	if c.Over() && h.c.CompareAndSwap(c, nil) { // before Quit could know of it
		c.Close()
		return errStalled
	}
	h.rewatch(c)
	return nil
}

// valid reports whether rooms may tick now.
func (h *shard) valid() bool {
	c := h.c.Load()
	return c != nil && c.Valid()
}

// holds reports whether a room that this node began under a name is this node's now and
// may tick: a name is over with its lease, and the rooms under it are others' then.
func (h *shard) holds(name cluster.SID) bool {
	c := h.c.Load()
	return c != nil && c.SID() == name && c.Valid()
}

// outlived reports whether the node has come back under another name.
func (h *shard) outlived(name cluster.SID) bool {
	c := h.c.Load()
	return c != nil && c.SID() != name
}

// tell hands an event to the cluster, if the server is in one now.
func (h *shard) tell(ev cluster.Event) {
	if c := h.c.Load(); c != nil {
		c.Tell(ev)
	}
}

// About implements cluster.Host.
func (h *shard) About() cluster.About {
	a := cluster.About{Name: h.srv.cfg.Cluster.Node, URL: h.srv.cfg.Cluster.Advertise, Drain: h.draining.Load() || h.srv.dir.isDraining(),
		Kinds: h.srv.cfg.Cluster.Kinds, Runs: slices.Sorted(maps.Keys(h.srv.kinds)), Busy: math.Float64frombits(h.busy.Load())}
	for _, i := range h.srv.Rooms() {
		a.Rooms++
		a.Players += i.Players
	}
	return a
}

// Start implements cluster.Host.
func (h *shard) Start(s cluster.Start, checkpoint []byte) {
	h.mu.Lock()
	made := h.prepared[s.Room]
	delete(h.prepared, s.Room)
	h.mu.Unlock()
	var err error
	switch {
	case s.Loaded && made != nil:
	case s.Loaded:
		err = errUnmade // cancelled meanwhile: the record names this node all the same
	case !s.Fresh && checkpoint == nil:
		err = errNoRoom
		h.srv.cfg.Log.Error("a room is lost: its node died before it kept a state", "room", s.Room)
	default:
		made, err = h.make(s.Room, s.Kind, s.Epoch, checkpoint)
	}
	if err == nil {
		made.node, made.term = s.Owner, s.Term
		if s.Loaded && made.at().Epoch() != s.Epoch {
			made.at().room.SetEpoch(s.Epoch) // the game was changed
		}
		made.at().room.SetRelay(roomRelay{h, s.Room}, s.Term)
		err = h.srv.dir.adopt(made, s.Fresh)
	}
	if err != nil {
		h.srv.cfg.Log.Error("a room cannot be started", "room", s.Room, "err", err)
		h.tell(cluster.CloseRoom{Room: s.Room})
	}
	h.answer(s.Room, err)
}

// make makes a room that is not in the directory yet.
func (h *shard) make(id, kind string, epoch uint64, checkpoint []byte) (*hosted, error) {
	k := h.srv.kinds[kind]
	if k == nil {
		return nil, errNoKind
	}
	return h.srv.dir.make(k, id, epoch, checkpoint)
}

// answer tells those who wait for a room.
func (h *shard) answer(room string, err error) {
	h.mu.Lock()
	list := h.waiting[room]
	delete(h.waiting, room)
	h.mu.Unlock()
	for _, f := range list {
		f(err)
	}
}

// on runs f on the loop of a room of this node, if it is one. What the cluster wants of
// a room it says once: it is not lost when the loop is behind, and there is little of it.
func (h *shard) on(name string, f func(r *hosted, own *room.Room)) {
	if r := h.srv.dir.get(name); r != nil {
		r.loop.Must(func() {
			if own := r.at().room; own != nil && !own.Ended() {
				f(r, own)
			}
			r.wake()
		})
	}
}

// Freeze implements cluster.Host.
func (h *shard) Freeze(f cluster.Freeze) {
	h.on(f.Room, func(r *hosted, own *room.Room) {
		if own.Entry() == nil {
			return // not one tick was made: the move is given up in a while
		}
		frozen := cluster.Frozen{
			Room: f.Room, Try: f.Try, Tick: uint32(own.Entry().Tick), Hash: own.Hash(), State: own.AppendCheckpoint(nil, loop.Now()),
		}
		if own.Ended() {
			return // the game failed at it: see Thaw
		}
		r.frozen = true
		h.tell(frozen)
	})
}

// Thaw implements cluster.Host. A room that has ended meanwhile says so again: while it
// was to be moved, that was not heard.
func (h *shard) Thaw(name string) {
	if h.srv.dir.get(name) == nil {
		h.tell(cluster.CloseRoom{Room: name})
		return
	}
	h.on(name, func(r *hosted, _ *room.Room) { r.frozen = false })
}

// Drop implements cluster.Host: what is left of the room here is an edge of it. Who waits
// for it to start here does so in vain.
func (h *shard) Drop(d cluster.Drop) {
	h.answer(d.Room, errNoRoom)
	if d.To == "" {
		h.on(d.Room, func(r *hosted, own *room.Room) {
			r.given = true
			own.Stop(wire.ByeRoomGone, "", 0)
		})
		return
	}
	h.on(d.Room, func(r *hosted, own *room.Room) { h.depart(r, own) })
}

// address is where clients find a room of another node; empty if that is not known.
func (h *shard) address(room string) string {
	c := h.c.Load()
	if c == nil {
		return ""
	}
	p, ok := c.Find(room)
	if !ok || p.Mine || !p.Alive || p.Node.URL == "" {
		return ""
	}
	return p.Node.URL + "?room=" + url.QueryEscape(room)
}

// Failed implements cluster.Host.
func (h *shard) Failed(f cluster.Failed) {
	h.srv.cfg.Log.Debug("cluster", "room", f.Room, "why", f.Why)
	h.answer(f.Room, errors.New(f.Why))
}

// End implements cluster.Host. What is being given away would go on where it is given to.
func (h *shard) End(name string, done func(error)) {
	r := h.srv.dir.get(name)
	if r == nil || !r.loop.Must(func() {
		own := r.at().room
		switch {
		case own == nil, r.frozen:
			done(errRescue)
			return
		case own.Ended():
		default:
			own.Stop(wire.ByeGameEnded, "closed by the operator", 0)
			r.wake()
		}
		done(nil)
	}) {
		done(errNoRoom)
	}
}

// Drain implements cluster.Host.
func (h *shard) Drain() {
	if h.draining.Swap(true) {
		return
	}
	go func() {
		tick := time.NewTicker(flushPoll)
		defer tick.Stop()
		for g := newGiving(h); g.more() && !h.srv.dir.isDraining(); <-tick.C {
		}
	}()
}

// Quit implements cluster.Host: the rooms are others' now, and the node comes back
// under another name.
func (h *shard) Quit() {
	old := h.c.Swap(nil)
	h.unloadAll()
	if old == nil {
		return // whoever joins looks
	}
	for _, r := range h.srv.dir.owned() {
		h.on(r.id, func(r *hosted, own *room.Room) { h.depart(r, own) })
	}
	go func() {
		old.Close()
		for !h.srv.dir.isDraining() {
			ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
			err := h.join(ctx)
			cancel()
			if err == nil {
				return
			}
			h.srv.cfg.Log.Error("not in the cluster yet", "err", err)
		}
	}()
}

// elsewhere is the rooms of other nodes that live.
func (h *shard) elsewhere(kind string) (list []roomJSON) {
	c := h.c.Load()
	if c == nil {
		return nil
	}
	for _, p := range c.Rooms() {
		if !p.Mine && p.Alive && (kind == "" || kind == p.Kind) {
			list = append(list, roomJSON{ID: p.Room, Kind: p.Kind, Node: p.Node.Name})
		}
	}
	return list
}

// isNode reports whether an origin is that of another node's pages: they follow their
// rooms here.
func (h *shard) isNode(origin string) bool {
	c := h.c.Load()
	if c == nil {
		return false
	}
	for _, p := range c.Peers() {
		if u, err := url.Parse(p.URL); err == nil && u.Host != "" && strings.Replace(u.Scheme, "ws", "http", 1)+"://"+u.Host == origin {
			return true
		}
	}
	return false
}

func (h *shard) await(room string, f func(error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[room] = append(h.waiting[room], f)
}

// ended says that a room here is over, unless it is another node's.
func (h *shard) ended(r *hosted) {
	h.mu.Lock()
	delete(h.saved, r.id)
	h.mu.Unlock()
	if !r.owned() {
		h.unwatch(r.id)
		return
	}
	if !r.given && !h.outlived(r.node) {
		h.tell(cluster.CloseRoom{Room: r.id})
		if c := h.c.Load(); c != nil {
			go c.Forget(r.id, r.term)
		}
	}
}

// leave gives the rooms to other nodes, as far as there are any and until half of
// the time is over, and ends the lease, so that what is left is taken over at once.
func (h *shard) leave(end context.Context) {
	ctx, cancel := context.WithTimeout(end, h.srv.cfg.ShutdownTimeout/2)
	defer cancel()
	c := h.c.Load()
	if c == nil {
		return
	}
	tick := time.NewTicker(flushPoll)
	defer tick.Stop()
	for g := newGiving(h); g.more() && ctx.Err() == nil; {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	for _, r := range h.srv.dir.owned() {
		h.save(end, c, r)
		r.loop.Must(func() { r.given = true })
	}
	resign, cancel := context.WithTimeout(end, h.srv.cfg.ShutdownTimeout/4)
	defer cancel()
	c.Resign(resign)
}

// close ends what join began.
func (h *shard) close() {
	if c := h.c.Swap(nil); c != nil {
		c.Close()
	}
	if h.embedded != nil {
		h.embedded.Stop()
	}
}
