package server

import (
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// A node that stood still has more messages of other nodes to take in at once than the
// mailbox of a loop holds. What the cluster decided meanwhile may not be lost among them.

// hares is a race in which all run.
func hares() *game.Kind { return raceKind(func(h *hare) { h.Way++ }) }

// crammed has the loop of a room stand still with a full mailbox, until what is
// returned is called.
func crammed(t *testing.T, l *loop.Loop) (release func()) {
	t.Helper()
	stands, on := make(chan struct{}), make(chan struct{})
	if !l.Post(func() { close(stands); <-on }) {
		t.Fatal("the loop takes nothing")
	}
	<-stands
	for l.Post(func() {}) {
	}
	return func() { close(on) }
}

// tickOf is the newest tick of a room or an edge.
func tickOf(h *hosted) game.Tick { return h.at().Info().Tick }

// onLoop runs f on the loop of a room and waits for it.
func onLoop(t *testing.T, h *hosted, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !h.loop.Must(func() { f(); close(done) }) {
		t.Fatal("the loop has ended")
	}
	<-done
}

// derby is a node with the room that ann plays in.
func derby(t *testing.T) (*live, *hosted, *client.Client) {
	t.Helper()
	l := runNode(t, startNATS(t), "a", hares())
	ann := playRace(t, l)
	until(t, ann, "the race begins", func(core *client.Core) bool { return way(core) > 5 })
	return l, l.dir.get("derby"), ann
}

func goesOn(t *testing.T, ann *client.Client) {
	t.Helper()
	var at float64
	ann.View(func(core *client.Core) { at = way(core) })
	until(t, ann, "the race goes on", func(core *client.Core) bool { return way(core) > at+5 })
}

func TestThawReachesACrammedLoop(t *testing.T) {
	l, h, ann := derby(t)
	l.shard.Freeze(cluster.Freeze{Room: "derby", Try: 1})
	release := crammed(t, h.loop)
	l.shard.Thaw("derby")
	release()
	goesOn(t, ann)
}

func TestEndReachesACrammedLoop(t *testing.T) {
	l, h, _ := derby(t)
	release := crammed(t, h.loop)
	l.shard.End("derby", func(error) {})
	release()
	eventually(t, "the room is gone", func() bool { return l.dir.get("derby") == nil })
}

func TestDropReachesACrammedLoop(t *testing.T) {
	l, h, _ := derby(t)
	release := crammed(t, h.loop)
	l.shard.Drop(cluster.Drop{Room: "derby", To: "b-1"})
	release()
	eventually(t, "the room is an edge", func() bool { return !h.owned() })
}

// far is a room of another node, as it is offered to this one.
func far(t *testing.T, k *game.Kind) cluster.Load {
	t.Helper()
	r, err := room.New(room.Config{ID: "far", Kind: k, Epoch: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop(wire.ByeShutdown, "", 0)
	r.Tick(0)
	return cluster.Load{Room: "far", Kind: k.Name(), Term: 1, Epoch: 1, Tick: 1, State: r.AppendCheckpoint(nil, 0)}
}

// load has a node load a room.
func (l *live) load(f cluster.Load) {
	l.t.Helper()
	l.shard.Load(f)
	eventually(l.t, "the room is loaded", func() bool {
		l.shard.mu.Lock()
		defer l.shard.mu.Unlock()
		return l.shard.prepared[f.Room] != nil
	})
}

func (l *live) started(f cluster.Load) cluster.Start {
	return cluster.Start{Room: f.Room, Kind: f.Kind, Owner: l.shard.c.Load().SID(), Term: f.Term + 1, Epoch: f.Epoch, Loaded: true}
}

// A room that comes to a node whose loops are busy is not ended for that.
func TestRoomComesToACrammedLoop(t *testing.T) {
	for _, edge := range []bool{false, true} {
		k := hares()
		l := runNode(t, startNATS(t), "a", k)
		f := far(t, k)
		if edge {
			if err := l.shard.edge(cluster.Place{Room: "far", Kind: "race"}); err != nil {
				t.Fatal(err)
			}
		}
		l.load(f)
		release := crammed(t, l.loops[0])
		l.shard.Start(l.started(f), nil)
		release()
		eventually(t, "the room ticks", func() bool {
			h := l.dir.get("far")
			return h != nil && h.owned() && uint32(tickOf(h)) > f.Tick
		})
	}
}
