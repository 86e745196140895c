package server

import (
	"context"
	"testing"

	"github.com/roomd/roomd/room/cluster"
)

// A node whose lease was killed comes back under another name. No room that it had
// under the old one ticks then, whenever it became this node's.
func TestNoRoomOutlivesItsNode(t *testing.T) {
	for name, at := range map[string]string{"it runs": "run", "its edge is about to become it": "edge", "its checkpoint was being read": "late"} {
		t.Run(name, func(t *testing.T) {
			k := hares()
			l := runNode(t, startNATS(t), "a", k)
			f := far(t, k)
			if at == "edge" {
				if err := l.shard.edge(cluster.Place{Room: "far", Kind: "race"}); err != nil {
					t.Fatal(err)
				}
			}
			l.load(f)
			start, old := l.started(f), l.shard.c.Load()
			if at == "run" {
				l.shard.Start(start, nil)
				eventually(t, "the room ticks", func() bool { h := l.dir.get("far"); return h != nil && tickOf(h) > 3 })
			}
			release := crammed(t, l.loops[0])
			switch at {
			case "run":
				l.shard.Quit()
			case "edge":
				l.shard.Start(start, nil)
				l.shard.Quit()
			case "late":
				l.shard.mu.Lock()
				made := l.shard.prepared["far"]
				delete(l.shard.prepared, "far") // the cluster's goroutine has it
				l.shard.mu.Unlock()
				l.shard.Quit()
				l.shard.mu.Lock()
				l.shard.prepared["far"] = made
				l.shard.mu.Unlock()
				l.shard.Start(start, nil)
			}
			release()
			eventually(t, "the node is back", func() bool { c := l.shard.c.Load(); return c != nil && c != old && c.Valid() })
			eventually(t, "the room is an edge", func() bool { h := l.dir.get("far"); return h == nil || !h.owned() })
		})
	}
}

// A node whose lease is killed before it knows that it has one does not go on with it.
func TestLeaseKilledWhileJoining(t *testing.T) {
	l := runNode(t, startNATS(t), "a", hares())
	c := l.shard.c.Swap(nil)
	l.shard.Quit()
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.shard.join(ctx); err != nil || !l.shard.valid() {
		t.Errorf("it does not join again: %v", err)
	}
}
