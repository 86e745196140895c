package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Admin looks at a cluster and orders its nodes about, as operators do. It is no
// node. Its methods may be called by any goroutine.
type Admin struct {
	nc    *nats.Conn
	store *store
}

// NodeInfo is one node as the store has it.
type NodeInfo struct {
	SID SID `json:"sid"`
	About
	Dead bool `json:"dead,omitempty"`
}

// RoomInfo is one room as the store has it.
type RoomInfo struct {
	Room  string `json:"room"`
	Kind  string `json:"kind"`
	Node  string `json:"node"` // name of the owner
	Owner SID    `json:"owner"`
	Term  uint64 `json:"term"`
	Epoch uint64 `json:"epoch"`
	Dead  bool   `json:"dead,omitempty"` // its owner is: it waits for its rescue
}

// order is what a node is asked to do. It answers with a text: empty if it was done.
type order struct {
	Verb string `json:"verb"`
	Room string `json:"room,omitempty"`
	Kind string `json:"kind,omitempty"`
	To   SID    `json:"to,omitempty"`
}

const (
	verbMove  = "move"
	verbClose = "close"
	verbDrain = "drain"
	// verbCreate is a node's that another one is to make a room.
	verbCreate = "create"
)

// OpenAdmin connects to the NATS of a cluster. It makes nothing there.
func OpenAdmin(ctx context.Context, r Remote) (*Admin, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	nc, err := nats.Connect(r.Servers, append(r.options(), nats.Name("roomd operator"), nats.Timeout(openTime))...)
	if err != nil {
		return nil, explain(err)
	}
	js, err := jetstream.New(nc)
	if err == nil {
		var kv jetstream.KeyValue
		if kv, err = js.KeyValue(ctx, stateBucket); err == nil {
			return &Admin{nc, &store{js: js, state: kv}}, nil
		}
	}
	nc.Close()
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, errors.New("cluster: no roomd has ever been here")
	}
	return nil, explain(err)
}

// Close ends the connection.
func (a *Admin) Close() { a.nc.Close() }

// State is all nodes and rooms, ordered by name. Nodes that are dead are there as
// long as the store has them.
func (a *Admin) State(ctx context.Context) (nodes []NodeInfo, rooms []RoomInfo, err error) {
	w, err := a.store.state.WatchAll(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	defer w.Stop()
	by := map[SID]NodeInfo{}
	at := map[string]RoomInfo{}
	for e := range listed(w) {
		k, ok := parseKey(e.Key())
		if !ok || e.Operation() != jetstream.KeyValuePut {
			delete(at, k.Room)
			continue
		}
		switch ev, err := seen(k, Rev(e.Revision()), e.Value()); ev := ev.(type) {
		case SeenLease:
			if err == nil {
				by[ev.SID] = NodeInfo{ev.SID, ev.Lease.About, ev.Lease.Dead}
			}
		case SeenRoom:
			if err == nil && ev.Record.Owner != "" {
				at[ev.Room] = RoomInfo{
					Room: ev.Room, Kind: ev.Record.Kind, Owner: ev.Record.Owner,
					Term: ev.Record.TermAt(ev.Rev), Epoch: ev.Record.EpochAt(ev.Rev),
				}
			}
		}
	}
	for _, r := range at {
		owner, ok := by[r.Owner] // if not, it was dead for long
		r.Node, r.Dead = owner.Name, !ok || owner.Dead
		rooms = append(rooms, r)
	}
	for _, n := range by {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b NodeInfo) int { return strings.Compare(string(a.SID), string(b.SID)) })
	slices.SortFunc(rooms, func(a, b RoomInfo) int { return strings.Compare(a.Room, b.Room) })
	return nodes, rooms, ctx.Err()
}

// listed yields what a watch tells of all keys. What changes meanwhile is not among
// it, but told right after: a bucket keeps one value of a key.
func listed(w jetstream.KeyWatcher) iter.Seq[jetstream.KeyValueEntry] {
	return func(yield func(jetstream.KeyValueEntry) bool) {
		var late <-chan time.Time
		for {
			select {
			case e, ok := <-w.Updates():
				switch {
				case !ok:
					return
				case e == nil: // that is all there was
					late = time.After(listLate)
				case !yield(e):
					return
				}
			case <-late:
				return
			}
		}
	}
}

// listLate is how long listed waits for what changed meanwhile.
const listLate = 50 * time.Millisecond

// node is the one of that name, or start of that name, that lives.
func (a *Admin) node(ctx context.Context, name string) (NodeInfo, []RoomInfo, error) {
	nodes, rooms, err := a.State(ctx)
	if err != nil {
		return NodeInfo{}, nil, err
	}
	for _, n := range nodes {
		if !n.Dead && (n.Name == name || string(n.SID) == name) {
			return n, rooms, nil
		}
	}
	return NodeInfo{}, nil, fmt.Errorf("no node %q is alive", name)
}

// Move gives a room to the node of that name.
func (a *Admin) Move(ctx context.Context, room, to string) error {
	n, rooms, err := a.node(ctx, to)
	if err != nil {
		return err
	}
	return a.ask(ctx, rooms, room, order{Verb: verbMove, Room: room, To: n.SID})
}

// CloseRoom ends a room.
func (a *Admin) CloseRoom(ctx context.Context, room string) error {
	_, rooms, err := a.State(ctx)
	if err != nil {
		return err
	}
	return a.ask(ctx, rooms, room, order{Verb: verbClose, Room: room})
}

// Drain has a node give its rooms away and take no new ones.
func (a *Admin) Drain(ctx context.Context, node string) error {
	n, _, err := a.node(ctx, node)
	if err != nil {
		return err
	}
	return a.order(ctx, n.SID, order{Verb: verbDrain})
}

// ask gives an order to the owner of a room.
func (a *Admin) ask(ctx context.Context, rooms []RoomInfo, room string, o order) error {
	for _, r := range rooms {
		if r.Room == room {
			return a.order(ctx, r.Owner, o)
		}
	}
	return fmt.Errorf("no room %q", room)
}

func (a *Admin) order(ctx context.Context, to SID, o order) error { return ask(ctx, a.nc, to, o) }

func ask(ctx context.Context, nc *nats.Conn, to SID, o order) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, orderSubject(to), b)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("node %s does not answer", to)
	case err != nil:
		return err
	case len(m.Data) > 0:
		return errors.New(string(m.Data))
	}
	return nil
}

func orderSubject(to SID) string { return subjectPrefix + "c." + string(to) }

// obey takes in an order. The answer to a move comes when it is decided.
func (c *Cluster) obey(m *nats.Msg) {
	answer := func(why string) {
		if err := m.Respond([]byte(why)); err != nil {
			c.log.Debug("an operator left", "err", err)
		}
	}
	done := func(err error) {
		if err != nil {
			answer(err.Error())
			return
		}
		answer("")
	}
	var o order
	if json.Unmarshal(m.Data, &o) != nil {
		c.stats.Strangers.Add(1)
		answer("this is no order")
		return
	}
	switch o.Verb {
	case verbMove:
		if p, ok := c.Find(o.Room); ok && p.Mine && o.To == c.sid {
			answer("") // it is there
			return
		}
		c.expect(o.Room, answer)
		go func() {
			// The operator may know of the target before this node does.
			ctx, cancel := context.WithTimeout(c.ctx, putTime)
			defer cancel()
			if ev, err := c.store.get(ctx, Key{SID: o.To}); err == nil {
				c.Tell(ev)
			}
			c.Tell(MoveRoom{o.Room, o.To})
		}()
	case verbClose:
		c.opts.Host.End(o.Room, done)
	case verbDrain:
		c.opts.Host.Drain()
		answer("")
	case verbCreate:
		c.opts.Host.Make(o.Room, o.Kind, done)
	default:
		answer("unknown verb " + o.Verb)
	}
}

// expect has f told how the move of a room ends.
func (c *Cluster) expect(room string, f func(why string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders[room] = append(c.orders[room], f)
}

// decided tells those who wait for a move.
func (c *Cluster) decided(room, why string) {
	c.mu.Lock()
	list := c.orders[room]
	delete(c.orders, room)
	c.mu.Unlock()
	for _, f := range list {
		f(why)
	}
}

// orderTime is how long operators wait.
const orderTime = 10 * time.Second

// OrderContext bounds an order.
func OrderContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), orderTime)
}
