//go:build browser

package main

import (
	"strings"
	"testing"
)

// TestPlayOnACluster plays at the nodes of a cluster, as a balancer hands players out: a
// page whose room is at another node goes there by itself, and one whose network lets
// no WebSocket through stays where it came. The room moves, and then its node is killed:
// the pages play on with the seats and tanks that they had.
func TestPlayOnACluster(t *testing.T) {
	nodes := startCluster(t, "one", "two", "three")
	browser := startBrowser(t)
	pages := map[string]*page{}
	seats := map[string]pageState{}
	for _, name := range []string{"ann", "bob"} {
		at := nodes[len(pages)]
		p := openPage(t, browser, "http://"+at.addr+"/?room=duel&name="+name)
		seats[name] = p.await(name+" plays", func(s pageState) bool { return s.Status == "playing" && s.X != nil })
		pages[name] = p
	}
	near := func(what string, n *node) {
		t.Helper()
		for name, p := range pages {
			p.await(name+what, func(s pageState) bool {
				return s.Status == "playing" && strings.Contains(s.Address, n.addr) && s.X != nil
			})
		}
	}
	owner := ownerOf(t, nodes, "duel")
	near(" is at the room's node", owner)
	third := nodes[2]
	if third == owner {
		third = nodes[0]
	}
	other := nodes[1]
	if other == owner {
		other = nodes[0]
	}
	if other == third {
		other = nodes[2]
	}
	eve := openPage(t, browser, "http://"+other.addr+"/?room=duel&name=eve&transport=poll")
	seats["eve"] = eve.await("eve plays", func(s pageState) bool { return s.Status == "playing" && s.Transport == "poll" && s.X != nil })
	if out := owner.verb("rooms", "move", "duel", third.name); !strings.Contains(out, "room duel is at "+third.name) {
		t.Errorf("the move says %q", out)
	}
	near(" follows the room", third)
	third.cmd.Process.Kill()
	<-third.done
	pages["eve"] = eve
	for name, p := range pages {
		s := p.await(name+" plays on", func(s pageState) bool {
			return s.Status == "playing" && !strings.Contains(s.Address, third.addr) && s.X != nil && s.Tanks > 0
		})
		if was := seats[name]; s.Seat != was.Seat || s.Mine != was.Mine || s.Anew != 0 {
			t.Errorf("%s has seat %d and tank %d after %d joins anew; it had %d and %d", name, s.Seat, s.Mine, s.Anew, was.Seat, was.Mine)
		}
		tick := s.Tick
		p.await(name+"'s game goes on", func(s pageState) bool { return s.Tick > tick+30 })
	}
	pages["ann"].screenshot("cluster.png")
}
