package room

import (
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

// FuzzRelay brings an edge and a room what no node of this version sent: they refuse it
// or not, go on, and what they said before still holds.
func FuzzRelay(f *testing.F) {
	for at, b := range relayTalk(f) {
		f.Add(uint8(at%2), b)
	}
	f.Fuzz(func(t *testing.T, up uint8, b []byte) {
		g := newGrid(t, game.Options{MaxPlayers: 4}, 1, nil)
		g.Room.Join(JoinRequest{Name: "near"}, &sink{})
		g.join("b", JoinRequest{Name: "far"}, &sink{})
		g.join("b", JoinRequest{Spectate: true}, &sink{})
		g.tick(3)
		if up == 1 {
			_ = g.FromEdge(g.now, "b", b)
		} else {
			_ = g.edges["b"].Receive(g.now, b)
			fresh := g.strayEdge()
			fresh.Join(JoinRequest{Spectate: true}, &sink{})
			_ = fresh.Receive(g.now, b)
			_ = fresh.Receive(g.now, b)
			fresh.Advance(g.now)
		}
		for range 3 {
			g.now = g.clock.deadline(g.clock.next)
			g.step()
			g.Advance(g.now)
		}
		if g.Ended() {
			t.Error("the room has ended")
		}
	})
}

// relayTalk is what a room and an edge tell each other: down, up, down, ...
func relayTalk(f *testing.F) (list [][]byte) {
	t := &testing.T{}
	g := newGrid(t, game.Options{MaxPlayers: 4}, 1, nil)
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	var down, up [][]byte
	for i := range 6 {
		if i == 4 {
			far.mustInput(1)
		}
		g.now = g.clock.deadline(g.clock.next)
		for _, n := range nodes {
			if e := g.edges[n]; e != nil {
				e.Advance(g.now)
			}
		}
		for _, l := range g.mail {
			if l.up {
				up = append(up, slices.Clone(l.b))
			} else {
				down = append(down, slices.Clone(l.b))
			}
		}
		g.deliver()
		g.Advance(g.now)
	}
	for i := range min(len(up), len(down)) {
		list = append(list, down[i], up[i])
	}
	g.Stop(0, "", 0)
	return list
}
