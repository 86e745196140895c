package cluster

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const patience = 30 * time.Second

// fakeHost has rooms that are nothing but their state.
type fakeHost struct {
	mu     sync.Mutex
	c      *Cluster
	rooms  map[string]Start
	states map[string]string
	loaded map[string]string
	failed []Failed
	quit   bool

	name    string
	drained bool
}

func (h *fakeHost) lock() func() {
	h.mu.Lock()
	return h.mu.Unlock
}

func (h *fakeHost) Start(s Start, checkpoint []byte) {
	defer h.lock()()
	h.rooms[s.Room] = s
	switch {
	case s.Loaded:
		h.states[s.Room] = h.loaded[s.Room]
	case s.Fresh:
		h.states[s.Room] = "fresh"
	default:
		h.states[s.Room] = string(checkpoint)
	}
}

func (h *fakeHost) Freeze(f Freeze) {
	defer h.lock()()
	h.c.Tell(Frozen{Room: f.Room, Try: f.Try, Tick: 7, Hash: uint64(len(h.states[f.Room])), State: []byte(h.states[f.Room])})
}

func (h *fakeHost) Make(_, _ string, done func(error)) { done(nil) }

func (h *fakeHost) Down(string, []byte) {}

func (h *fakeHost) Up(string, SID, []byte) {}

func (h *fakeHost) Located(string) {}

func (h *fakeHost) Thaw(string) {}

func (h *fakeHost) Drop(d Drop) {
	defer h.lock()()
	delete(h.rooms, d.Room)
}

func (h *fakeHost) Load(l Load) {
	defer h.lock()()
	h.loaded[l.Room] = string(l.State)
	h.c.Tell(Loaded{Room: l.Room, Term: l.Term, Tick: l.Tick, Hash: uint64(len(l.State))})
}

func (h *fakeHost) Unload(room string) {
	defer h.lock()()
	delete(h.loaded, room)
}

func (h *fakeHost) Failed(f Failed) {
	defer h.lock()()
	h.failed = append(h.failed, f)
}

func (h *fakeHost) Quit() {
	defer h.lock()()
	h.quit = true
	h.rooms = map[string]Start{}
}

func (h *fakeHost) End(room string, done func(error)) {
	h.c.Tell(CloseRoom{room})
	done(nil)
}

func (h *fakeHost) Drain() {
	defer h.lock()()
	h.drained = true
}

func (h *fakeHost) About() About { return About{Name: h.name} }

// runs is what the host runs of a room.
func (h *fakeHost) runs(room string) (s Start, state string, ok bool) {
	defer h.lock()()
	s, ok = h.rooms[room]
	return s, h.states[room], ok
}

// cluster starts an embedded NATS and nodes on it.
func startNodes(t *testing.T, n int, lease time.Duration) []*fakeHost {
	t.Helper()
	e, err := StartEmbedded("test", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	var list []*fakeHost
	for i := range n {
		list = append(list, startNode(t, e, string(rune('a'+i)), lease))
	}
	return list
}

// admin is an operator of the cluster of a node.
func admin(t *testing.T, e *Embedded) *Admin {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(e.s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), stateBucket)
	if err != nil {
		t.Fatal(err)
	}
	return &Admin{nc, &store{js: js, state: kv}}
}

func startNode(t *testing.T, e *Embedded, name string, lease time.Duration) *fakeHost {
	t.Helper()
	h, err := joinNode(t, Options{Name: name, Embedded: e, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// joinNode starts a node with a host of its own.
func joinNode(t *testing.T, o Options) (*fakeHost, error) {
	t.Helper()
	h := &fakeHost{name: o.Name, rooms: map[string]Start{}, states: map[string]string{}, loaded: map[string]string{}}
	o.Host = h
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer h.lock()()
	c, err := Join(ctx, o)
	if err != nil {
		return nil, err
	}
	h.c = c
	t.Cleanup(c.Close)
	return h, nil
}

// startNATS starts a server that listens.
func startNATS(t *testing.T, o natsserver.Options) *natsserver.Server {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", natsserver.RANDOM_PORT, true, true
	if o.JetStream {
		o.StoreDir = t.TempDir()
	}
	s, err := natsserver.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestRoomsOnRealNATS(t *testing.T) {
	nodes := startNodes(t, 3, time.Second)
	a, b, c := nodes[0], nodes[1], nodes[2]
	eventually(t, "all know each other", func() bool {
		return len(a.c.Peers()) == 2 && len(b.c.Peers()) == 2 && len(c.c.Peers()) == 2
	})
	a.c.Tell(Create{"lobby", "game"})
	eventually(t, "the room runs", func() bool { _, state, ok := a.runs("lobby"); return ok && state == "fresh" })
	first, _, _ := a.runs("lobby")
	eventually(t, "others know", func() bool { p, ok := b.c.Find("lobby"); return ok && p.Owner == a.c.SID() && p.Alive })
	b.c.Tell(Create{"lobby", "game"})
	eventually(t, "a second one fails", func() bool { defer b.lock()(); return len(b.failed) == 1 })

	a.c.Tell(MoveRoom{"lobby", b.c.SID()})
	eventually(t, "it moves", func() bool { s, _, ok := b.runs("lobby"); return ok && s.Loaded })
	moved, state, _ := b.runs("lobby")
	if moved.Term <= first.Term || moved.Epoch != first.Epoch || state != "fresh" {
		t.Errorf("%+v after %+v with %q", moved, first, state)
	}
	eventually(t, "the source lets go", func() bool { _, _, ok := a.runs("lobby"); return !ok })

	if err := b.c.Save("lobby", moved.Term, []byte("saved")); err != nil {
		t.Fatal(err)
	}
	b.c.Close() // without a word
	rescuer := func() *fakeHost {
		for _, h := range []*fakeHost{a, c} {
			if _, _, ok := h.runs("lobby"); ok {
				return h
			}
		}
		return nil
	}
	eventually(t, "it is rescued", func() bool { return rescuer() != nil })
	s, state, _ := rescuer().runs("lobby")
	if s.Term <= moved.Term || s.Epoch <= moved.Epoch || state != "saved" {
		t.Errorf("%+v after %+v with %q", s, moved, state)
	}

	last := a
	if rescuer() == a {
		last = c
	}
	old := rescuer()
	if err := old.c.Save("lobby", s.Term, []byte("newer")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	old.c.Resign(ctx)
	if old.c.Valid() {
		t.Error("valid after it resigned")
	}
	eventually(t, "the last node has it", func() bool { _, state, ok := last.runs("lobby"); return ok && state == "newer" })

	last.c.Tell(CloseRoom{"lobby"})
	eventually(t, "it is over", func() bool { _, ok := last.c.Find("lobby"); return !ok })
	last.c.Tell(Create{"lobby", "game"})
	eventually(t, "it is made anew", func() bool { n, _, ok := last.runs("lobby"); return ok && n.Fresh && n.Epoch > s.Epoch })
}

func TestOperatorsOrders(t *testing.T) {
	nodes := startNodes(t, 2, time.Second)
	a, b := nodes[0], nodes[1]
	op := admin(t, a.c.opts.Embedded)
	eventually(t, "they know each other", func() bool { return len(a.c.Peers()) == 1 && len(b.c.Peers()) == 1 })
	a.c.Tell(Create{"lobby", "game"})
	eventually(t, "the room runs", func() bool { _, _, ok := a.runs("lobby"); return ok })
	where := func() string {
		list, rooms, err := op.State(t.Context())
		if err != nil || len(list) != 2 || len(rooms) != 1 {
			t.Fatalf("%v %v %v", list, rooms, err)
		}
		return rooms[0].Node
	}
	if at := where(); at != "a" {
		t.Errorf("the room is at %q", at)
	}
	for range 2 { // the second time it is there
		if err := op.Move(t.Context(), "lobby", "b"); err != nil || where() != "b" {
			t.Errorf("%v, the room is at %q", err, where())
		}
	}
	for want, err := range map[string]error{
		"no room":       op.Move(t.Context(), "none", "b"),
		"no node":       op.Move(t.Context(), "lobby", "c"),
		"no node \"c\"": op.Drain(t.Context(), "c"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if err := op.Drain(t.Context(), "b"); err != nil || !b.drained {
		t.Errorf("%v, drained %t", err, b.drained)
	}
	if err := op.CloseRoom(t.Context(), "lobby"); err != nil {
		t.Error(err)
	}
	eventually(t, "the room is over", func() bool { _, ok := a.c.Find("lobby"); return !ok })
}

// A lease that somebody killed is dead for its owner too, as soon as it renews.
func TestKilledNodeQuits(t *testing.T) {
	nodes := startNodes(t, 2, time.Second)
	a, b := nodes[0], nodes[1]
	eventually(t, "they know each other", func() bool { return len(b.c.Peers()) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	eventually(t, "the kill succeeds", func() bool {
		ev, err := b.c.store.get(ctx, Key{SID: a.c.SID()})
		if err != nil {
			t.Fatal(err)
		}
		now := ev.(SeenLease)
		now.Lease.Dead, now.Lease.By = true, b.c.SID()
		return b.c.store.put(ctx, Put{Key: Key{SID: a.c.SID()}, Rev: now.Rev, Lease: &now.Lease}).Outcome == Won
	})
	eventually(t, "the node quits", func() bool { defer a.lock()(); return a.quit })
	if a.c.Valid() {
		t.Error("still valid")
	}
}

func TestStrangersAreCounted(t *testing.T) {
	a := startNodes(t, 1, time.Second)[0]
	strangers := []string{
		"", "\x01", "\x01\x02\x02\x00\x00\x00{}", "\x02\x09\x02\x00\x00\x00{}", "\x02\x01\xff\xff\xff\xff", "\x02\x02\x03\x00\x00\x00nil",
		"\x02\x01\x02\x00\x00\x00{}\xff\xff\xff\xff\x0f", "\x02\x05\x02\x00\x00\x00{}piece",
	}
	for _, b := range strangers {
		a.c.nc.Publish(a.c.subject(a.c.SID()), []byte(b))
	}
	eventually(t, "all are counted", func() bool { return a.c.Stats().Strangers.Load() == uint64(len(strangers)) })
	if !a.c.Valid() {
		t.Error("they disturbed the node")
	}
}

func TestJoinSaysWhatIsWrong(t *testing.T) {
	plain := startNATS(t, natsserver.Options{Username: "ann", Password: "secret"})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for want, o := range map[string]Options{
		"the node's name":          {Name: "no spaces"},
		"no servers available":     {Name: "a", Remote: Remote{Servers: "nats://127.0.0.1:1"}},
		"does not accept these":    {Name: "a", Remote: Remote{Servers: "nats://ann:wrong@" + plain.Addr().String()}},
		"this NATS has no JetStre": {Name: "a", Remote: Remote{Servers: "nats://ann:secret@" + plain.Addr().String()}},
	} {
		o.Host = &fakeHost{}
		if _, err := Join(ctx, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
