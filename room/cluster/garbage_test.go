package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// drive steps a node that keeps its lease, and returns what else it puts.
func drive(n *Node, now time.Duration, events ...Event) (list []Put) {
	for queue := append(events, Wake{}); len(queue) > 0; queue = queue[1:] {
		for _, e := range n.Step(now, queue[0]) {
			p, ok := e.(Put)
			switch {
			case ok && p.Key.SID == "a":
				queue = append(queue, Answer{Key: p.Key, Outcome: Won, Rev: 1000 + Rev(now/time.Millisecond)})
			case ok:
				list = append(list, p)
			}
		}
	}
	return list
}

// A room whose owner's lease is missing has nobody whose death is waited for: the
// owner is killed by a compare-and-set that demands that the lease is missing.
func TestOwnerWithoutLease(t *testing.T) {
	const forget, step = 4 * time.Second, time.Second / 2
	n := NewNode(Config{SID: "a", Forget: forget}, About{})
	drive(n, 0)
	drive(n, step, SeenRoom{"lobby", 7, Record{Kind: "game", Owner: "x"}})
	now, kill := step, []Put(nil)
	for len(kill) == 0 && now < 4*forget {
		now += step
		kill = drive(n, now)
	}
	if now < forget || len(kill) != 1 || kill[0].Key.SID != "x" || kill[0].Rev != 0 || kill[0].Lease == nil || !kill[0].Lease.Dead {
		t.Fatalf("after %v: %+v", now, kill)
	}
	if after := drive(n, now, Answer{Key: kill[0].Key, Outcome: Lost}); len(after) != 0 {
		t.Errorf("it is not missing, and yet: %+v", after)
	}
	for kill = nil; len(kill) == 0; kill = drive(n, now) {
		now += step
	}
	claim := drive(n, now, Answer{Key: kill[0].Key, Outcome: Won, Rev: 5000})
	if len(claim) != 1 || claim[0].Key.Room != "lobby" || claim[0].Rev != 7 || claim[0].Record == nil || claim[0].Record.Owner != "a" {
		t.Errorf("its room is not taken: %+v", claim)
	}
}

func TestGarbageOnRealNATS(t *testing.T) {
	nodes := startNodes(t, 2, time.Second)
	a, b := nodes[0], nodes[1]
	for _, h := range nodes {
		h.c.mu.Lock()
		h.c.node.cfg.Forget, h.c.node.swept = 2*time.Second, 0
		h.c.mu.Unlock()
	}
	eventually(t, "they know each other", func() bool { return len(a.c.Peers()) == 1 && len(b.c.Peers()) == 1 })
	a.c.Tell(Create{"lobby", "game"})
	eventually(t, "the room runs", func() bool { _, _, ok := a.runs("lobby"); return ok })
	s, _, _ := a.runs("lobby")
	a.c.Tell(CloseRoom{"lobby"})
	last := func(k Key) *jetstream.RawStreamMsg {
		m, err := b.c.store.stream.GetLastMsgForSubject(t.Context(), k.subject())
		if err != nil {
			return nil
		}
		return m
	}
	lobby, dead := Key{Room: "lobby"}, Key{SID: a.c.SID()}
	eventually(t, "its deletion is there", func() bool { m := last(lobby); return m != nil && m.Header.Get(opHeader) == "DEL" })
	eventually(t, "its deletion vanishes", func() bool { return last(lobby) == nil })
	b.c.Tell(Create{"lobby", "game"})
	eventually(t, "it is made anew", func() bool { n, _, ok := b.runs("lobby"); return ok && n.Fresh && n.Epoch > s.Epoch })

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a.c.Resign(ctx)
	eventually(t, "the lease is deleted", func() bool { return last(dead).Header.Get(opHeader) == "DEL" })
	ev, err := b.c.store.get(ctx, dead)
	if lease, ok := ev.(SeenLease); err != nil || !ok || !lease.Lease.Dead || lease.Rev == 0 {
		t.Errorf("its deletion reads as %+v, %v", ev, err)
	}
	if got := b.c.store.put(ctx, Put{Key: dead, Lease: &Lease{N: 1}}); got.Outcome != Lost {
		t.Errorf("a first renewal that comes late: %+v", got)
	}
	fresh := startNode(t, b.c.opts.Embedded, "c", time.Second)
	eventually(t, "a new node knows only who lives", func() bool { return len(fresh.c.Peers()) == 1 })
}

// A room is taken by a node whose build has its kind: another would end it.
func TestRescuerHasTheKind(t *testing.T) {
	n := NewNode(Config{SID: "a"}, About{Runs: []string{"chess"}})
	drive(n, 0)
	drive(n, time.Second,
		SeenLease{"b", 2, Lease{N: 1, About: About{Runs: []string{"chess", "go"}}}},
		SeenLease{"x", 3, Lease{N: 1, Dead: true}})
	taken := map[string]int{}
	for i := range 20 {
		kind := []string{"chess", "go", "shogi"}[i%3]
		for _, p := range drive(n, time.Second, SeenRoom{fmt.Sprint("room ", i), Rev(10 + i), Record{Kind: kind, Owner: "x", Term: 1}}) {
			taken[p.Record.Kind]++
		}
	}
	if taken["chess"] == 0 || taken["chess"] == 7 || len(taken) != 1 {
		t.Errorf("taken: %v", taken)
	}
}
