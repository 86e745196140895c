package server

import (
	"time"

	"github.com/roomd/roomd/room/cluster"
)

// giving empties a node: its rooms go to others, some at a time.
type giving struct {
	h     *shard
	asked map[string]time.Time // moves begun, by room
	sent  map[cluster.SID]int  // rooms given to each
}

const (
	// givenAtOnce is how many rooms move at a time: all stand still meanwhile, and
	// their states are on the same wire.
	givenAtOnce = 16
	// giveAgain is after how long a move counts as failed.
	giveAgain = 5 * time.Second
)

func newGiving(h *shard) *giving {
	return &giving{h: h, asked: map[string]time.Time{}, sent: map[cluster.SID]int{}}
}

// more begins moves and reports whether there is anything left that can be given.
func (g *giving) more() bool {
	c := g.h.c.Load()
	owned := g.h.srv.dir.owned()
	if c == nil || len(owned) == 0 {
		return false
	}
	peers, now, moving := c.Peers(), time.Now(), 0
	for _, r := range owned {
		if at, ok := g.asked[r.id]; ok && now.Sub(at) < giveAgain {
			moving++
		}
	}
	any := moving > 0
	for _, r := range owned {
		if at, ok := g.asked[r.id]; ok && now.Sub(at) < giveAgain || moving >= givenAtOnce {
			continue
		}
		to := g.target(peers, r.kind.Name())
		if to == "" {
			continue
		}
		g.asked[r.id] = now
		g.sent[to]++
		moving++
		any = true
		c.Tell(cluster.MoveRoom{Room: r.id, To: to})
	}
	return any
}

// target is the lightest node that takes rooms of a kind, with those on the way to it;
// any node at all rather than none.
func (g *giving) target(peers []cluster.Peer, kind string) (to cluster.SID) {
	var best cluster.About
	for pass := range 2 {
		for _, p := range peers {
			if p.Drain || !p.Can(kind) || pass == 0 && !p.Takes(kind) {
				continue
			}
			about := p.About
			about.Rooms += g.sent[p.SID]
			if to == "" || about.Rooms < best.Rooms {
				to, best = p.SID, about
			}
		}
		if to != "" {
			break
		}
	}
	return to
}
