//go:build browser

package main

import (
	"strings"
	"testing"
)

// TestPlayOnACluster plays at two nodes of a cluster, as a balancer hands players out:
// the page whose room is at the other node goes there by itself. The room moves, and
// then its node is killed: the pages play on with the seats and tanks that they had.
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
			p.await(name+what, func(s pageState) bool { return s.Status == "playing" && strings.Contains(s.Address, n.addr) && s.X != nil })
		}
	}
	owner := ownerOf(t, nodes, "duel")
	near(" is at the room's node", owner)
	third := nodes[2]
	if third == owner {
		third = nodes[0]
	}
	if out := owner.verb("rooms", "move", "duel", third.name); !strings.Contains(out, "room duel is at "+third.name) {
		t.Errorf("the move says %q", out)
	}
	near(" follows the room", third)
	third.cmd.Process.Kill()
	<-third.done
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
