package server

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// Nodes of different builds in one cluster.

type paces struct{ Go uint8 }

// hare is a row of the race as the old build knows it, hare2 as the new one does.
type hare struct {
	Way  uint16 `net:"all"`
	Gone uint8  `net:"all"`
}

type hare2 struct {
	Way  uint32 `net:"all"`
	Bell bool   `net:"all"`
}

type race[T any] struct {
	w    *game.World
	rows *game.Table[T]
	run  func(*T)
}

func (g *race[T]) Join(p game.PlayerID, _ game.JoinInfo) error {
	var row T
	g.rows.Own(g.rows.Add(row), p)
	return nil
}

func (g *race[T]) Leave(p game.PlayerID) {
	for id := range g.rows.Of(p) {
		g.rows.Remove(id)
	}
}

func (g *race[T]) Step(game.Tick, game.Inputs[paces]) {
	for _, row := range g.rows.All() {
		g.run(row)
	}
}

func raceKind[T any](run func(*T)) *game.Kind {
	return game.Define("race", game.Options{TickRate: 60}, func(w *game.World) game.Game[paces] {
		return &race[T]{w, game.NewTable[T](w, "hare"), run}
	})
}

// startNATS starts one with JetStream and returns its address.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// runNode runs a node with one kind.
func runNode(t *testing.T, nats, name string, k *game.Kind) *live {
	t.Helper()
	return run(t, Config{Loops: 1, Kinds: []*game.Kind{k}, Cluster: &ClusterConfig{
		Node: name, NATS: nats, Lease: time.Second, Checkpoint: 100 * time.Millisecond,
	}})
}

func operator(t *testing.T, nats string) *cluster.Admin {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := cluster.OpenAdmin(ctx, cluster.Remote{Servers: nats})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func playRace(t *testing.T, l *live) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, "ws://"+l.addr+"/v1/ws", client.Options{Config: client.Config{Kind: "race", Room: "derby", Name: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// until looks at what a client has until it is as wanted.
func until(t *testing.T, c *client.Client, what string, ok func(core *client.Core) bool) {
	t.Helper()
	end := time.After(patience)
	for {
		var done bool
		c.View(func(core *client.Core) { done = core.Schema() != nil && ok(core) })
		if done {
			return
		}
		select {
		case <-c.Updates():
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

// way is how far the player's hare has come.
func way(core *client.Core) float64 {
	for r := range core.Rows("hare") {
		if r.Mine {
			return r.Value("way")
		}
	}
	return -1
}

// TestMoveToAnotherBuild moves a room to a node on which the game was changed: the
// player comes back in its seat, and what both builds know is as it was.
func TestMoveToAnotherBuild(t *testing.T) {
	nats := startNATS(t)
	old := runNode(t, nats, "old", raceKind(func(h *hare) { h.Way++; h.Gone++ }))
	ann := playRace(t, old)
	until(t, ann, "the race begins", func(core *client.Core) bool { return way(core) > 20 })
	var seat game.PlayerID
	var epoch uint64
	ann.View(func(core *client.Core) { seat, epoch = core.Seat(), core.Epoch() })
	runNode(t, nats, "new", raceKind(func(h *hare2) { h.Way++; h.Bell = true }))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var before float64
	ann.View(func(core *client.Core) { before = way(core) })
	if err := operator(t, nats).Move(ctx, "derby", "new"); err != nil {
		t.Fatal(err)
	}
	until(t, ann, "the race goes on by the new rules", func(core *client.Core) bool {
		return core.Epoch() > epoch && core.Schema().Tables[0].Fields[1].Name == "bell" && way(core) > before
	})
	ann.View(func(core *client.Core) {
		if core.Seat() != seat || way(core) > before+600 {
			t.Errorf("seat %d at %v; it was %d at %v", core.Seat(), way(core), seat, before)
		}
	})
}

// TestMoveToABuildThatCannot leaves a room where it is when the other build cannot
// load it, and says which field is in the way.
func TestMoveToABuildThatCannot(t *testing.T) {
	nats := startNATS(t)
	old := runNode(t, nats, "old", raceKind(func(h *hare2) { h.Way++ }))
	ann := playRace(t, old)
	until(t, ann, "the race begins", func(core *client.Core) bool { return way(core) > 20 })
	other := runNode(t, nats, "new", raceKind(func(h *hare) { h.Way++ })) // Way is narrower there
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := operator(t, nats).Move(ctx, "derby", "new")
	if err == nil || !strings.Contains(other.logs.String(), "Way") {
		t.Errorf("the move says %v, the target logs %s", err, other.logs)
	}
	var before float64
	ann.View(func(core *client.Core) { before = way(core) })
	until(t, ann, "the race goes on where it is", func(core *client.Core) bool { return way(core) > before+10 })
}

// TestLostRoom: who is at an edge of a room that nobody can restore is told so.
func TestLostRoom(t *testing.T) {
	nats := startNATS(t)
	keeps := runNode(t, nats, "keeps", raceKind(func(h *hare2) { h.Way++ }))
	ann := playRace(t, keeps)
	until(t, ann, "the race begins", func(core *client.Core) bool { return way(core) > 20 })
	edge := runNode(t, nats, "edge", raceKind(func(h *hare) { h.Way++ })) // it can relay what it cannot run
	bob := edge.join(client.Config{Kind: "race", Room: "derby", Name: "bob"})
	keeps.shard.c.Load().Close() // as if its process were killed: the lease runs out
	bob.wantBye(wire.ByeLost)
}

// The loop of an edge of an isolated room ends with it, as that of the room does.
func TestEdgeOfAnIsolatedRoomLeavesNoLoop(t *testing.T) {
	l := runNode(t, startNATS(t), "a", game.Define("loners", game.Options{Isolated: true}, newWalk(false)))
	if err := l.shard.edge(cluster.Place{Room: "far", Kind: "loners"}); err != nil {
		t.Fatal(err)
	}
	h := l.dir.get("far")
	if n := len(l.allLoops()); n != 2 {
		t.Fatalf("%d loops, want that of the node and that of the edge", n)
	}
	h.loop.Post(func() {
		h.at().Stop(wire.ByeRoomGone, "", 0)
		h.wake()
	})
	eventually(t, "the loop is gone", func() bool { return len(l.allLoops()) == 1 })
}

// fleetingRace is a race that says when it is over.
type fleetingRace struct {
	*race[hare]
	closed *atomic.Int32
}

func (g fleetingRace) Close() error {
	g.closed.Add(1)
	return nil
}

// What was loaded for a move that does not come, or of which a node that has lost its
// lease will not hear, is ended, and nothing is kept of it.
func TestLoadedInVain(t *testing.T) {
	var closed atomic.Int32
	kind := game.Define("race", game.Options{TickRate: 60}, func(w *game.World) game.Game[paces] {
		return fleetingRace{&race[hare]{w, game.NewTable[hare](w, "hare"), func(*hare) {}}, &closed}
	})
	l := runNode(t, startNATS(t), "a", kind)
	r, err := room.New(room.Config{ID: "far", Kind: kind, Epoch: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop(wire.ByeShutdown, "", 0)
	r.Tick(0)
	load := cluster.Load{Room: "far", Kind: "race", Term: 1, Epoch: 1, Tick: 1, State: r.AppendCheckpoint(nil, 0)}
	kept := func() (loads, prepared int) {
		l.shard.mu.Lock()
		defer l.shard.mu.Unlock()
		return len(l.shard.loads), len(l.shard.prepared)
	}
	for i, drop := range []func(){func() { l.shard.Unload("far") }, l.shard.Quit} {
		l.shard.Load(load)
		eventually(t, "it is loaded", func() bool { _, n := kept(); return n == 1 })
		drop()
		eventually(t, "it is ended", func() bool { return closed.Load() == int32(i+1) })
		if loads, prepared := kept(); loads != 0 || prepared != 0 {
			t.Errorf("%d loads and %d rooms are kept", loads, prepared)
		}
	}
}

// A node that is full refuses a room that could stay where it is, and takes in one that
// would be nobody's: the record of a room that its new owner does not run is deleted.
func TestFullNodeLosesNoRoom(t *testing.T) {
	k := hares()
	cfg := Config{Loops: 1, MaxRooms: 1, Kinds: []*game.Kind{k}, Cluster: &ClusterConfig{Node: "a", NATS: startNATS(t), Lease: time.Second}}
	l := run(t, cfg)
	ann := playRace(t, l)
	until(t, ann, "the race begins", func(core *client.Core) bool { return way(core) > 5 })
	f := far(t, k)
	l.shard.Load(f)
	loading := func() (loads, prepared int) {
		l.shard.mu.Lock()
		defer l.shard.mu.Unlock()
		return len(l.shard.loads), len(l.shard.prepared)
	}
	eventually(t, "the load is decided", func() bool { n, _ := loading(); return n == 0 })
	if _, n := loading(); n != 0 {
		t.Error("a full node takes a room that is somewhere else")
	}
	s := l.started(f)
	s.Loaded = false
	l.shard.Start(s, f.State)
	eventually(t, "the rescued room ticks", func() bool {
		h := l.dir.get("far")
		return h != nil && uint32(tickOf(h)) > f.Tick
	})
	s.Room, s.Fresh = "third", true
	if l.shard.Start(s, nil); l.dir.get("third") != nil {
		t.Error("a full node makes a room")
	}
}

// An operator who ends a room that is being given away is told that it cannot be done
// now: it would go on where it is given to.
func TestEndOfARoomThatMoves(t *testing.T) {
	l, h, ann := derby(t)
	end := func() error {
		got := make(chan error, 1)
		l.shard.End("derby", func(err error) { got <- err })
		return <-got
	}
	l.shard.Freeze(cluster.Freeze{Room: "derby", Try: 1})
	if err := end(); !errors.Is(err, errRescue) {
		t.Errorf("while it moves: %v", err)
	}
	onLoop(t, h, func() {
		if h.at().Ended() {
			t.Error("it is ended all the same")
		}
	})
	l.shard.Thaw("derby")
	goesOn(t, ann)
	if err := end(); err != nil {
		t.Error(err)
	}
	eventually(t, "the room is gone", func() bool { return l.dir.get("derby") == nil })
	if err := end(); !errors.Is(err, errNoRoom) {
		t.Errorf("when it is gone: %v", err)
	}
}

// A player who comes back for a room that is being closed is told to try again, when it
// is closed: nobody will start it.
func TestWhoWaitsForARoomThatCloses(t *testing.T) {
	l := runNode(t, startNATS(t), "a", hares())
	got := make(chan located, 1)
	l.shard.enter(ask{kind: "race", room: "over"}, cluster.Place{Room: "over", Kind: "race", Mine: true}, func(to located) { got <- to })
	l.shard.Drop(cluster.Drop{Room: "over"})
	select {
	case to := <-got:
		if !errors.Is(to.err, errRescue) {
			t.Errorf("told %v", to.err)
		}
	default:
		t.Error("nobody tells the player")
	}
}

// An edge that begins right when the one before it ends hears the room.
func TestEdgeAfterAnEdge(t *testing.T) {
	nats := startNATS(t)
	playRace(t, runNode(t, nats, "a", hares()))
	b := runNode(t, nats, "b", hares())
	var p cluster.Place
	eventually(t, "the room is known", func() (ok bool) { p, ok = b.shard.c.Load().Find("derby"); return ok })
	edge := func() *hosted {
		if err := b.shard.edge(p); err != nil {
			t.Fatal(err)
		}
		return b.dir.get("derby")
	}
	first := edge()
	b.dir.remove(first) // as its loop does, before it says so
	second := edge()
	b.shard.ended(first)
	eventually(t, "the edge has the room", second.shown)
	bob := b.join(client.Config{Kind: "race", Room: "derby", Name: "bob"})
	bob.wantEveryTick(30)
}
