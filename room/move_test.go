package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

// A room moves again and again under its players, wherever they are: nobody is told
// goodbye or sent a keyframe, every input counts once.
func TestMovesLoseNothing(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 2, nil)
	g.delay = 4 * time.Millisecond
	var players []*peer
	for _, n := range nodes {
		players = append(players, g.bringTo(n, "at "+n, JoinRequest{Name: n}))
	}
	g.tick(5)
	sent := 0
	for i := range 30 {
		for range 1 + i%4 {
			sent++
			for _, p := range players {
				p.mustInput(1)
			}
			g.tick(1)
		}
		sent++ // by move
		g.move(nodes[(slices.Index(nodes, g.at)+1+i%2)%len(nodes)])
		g.tick(2)
	}
	for _, p := range players {
		g.expectCounted(p, sent)
		if _, k := p.states(); k != 1 || p.bye != 0 || p.resets != 0 {
			t.Errorf("%s: %d keyframes, %d resets, bye %d", p.name, k, p.resets, p.bye)
		}
	}
	expectList(t, "what the game was told of connections", g.h.presence)
}

// A room comes back from its checkpoint elsewhere: who is at an edge is told so and
// plays on, with the connection and the seat.
func TestRescueKeepsEdges(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 3, nil)
	lost := g.bringTo("a", "lost", JoinRequest{Name: "lost"})
	near := g.bringTo("b", "near", JoinRequest{Name: "near"})
	far := g.bringTo("c", "far", JoinRequest{Name: "far"})
	g.tick(5)
	g.kept = g.AppendCheckpoint(nil, g.now)
	for range 4 {
		near.mustInput(1)
		far.mustInput(1)
		g.tick(1)
	}
	before := g.Entry().Tick
	g.rescue("b")
	g.tick(5)
	for _, p := range []*peer{near, far} {
		if p.resets != 1 || p.bye != 0 || p.epoch != g.Epoch() {
			t.Errorf("%s: %d resets, bye %d, epoch %d", p.name, p.resets, p.bye, p.epoch)
		}
		expect(t, p.name+"'s tick", p.tick, g.Entry().Tick)
		p.mustInput(1)
	}
	if g.Entry().Tick > before+2 {
		t.Errorf("the room goes on at %d, and was at %d", g.Entry().Tick, before)
	}
	g.tick(40)
	expectList(t, "what the game was told of connections", g.h.presence, fmt.Sprintf("%d:false", lost.welcome.Seat))
}

// A room moves to an edge that has missed ticks: its viewers go on from what the room
// is at, and since nobody can tell them what happened meanwhile they are told that.
func TestMoveToAnEdgeThatMissedTicks(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 6, nil)
	g.h.step = func(c *court, now game.Tick) { c.hit.All(hit{int32(now)}) }
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.bringTo("a", "near", JoinRequest{Name: "near"})
	g.tick(5)
	g.loss = 1
	g.tick(3)
	g.loss = 0
	before := g.Entry().Tick
	g.move("b")
	g.tick(3)
	heard := len(slices.DeleteFunc(slices.Clone(far.events), func(s string) bool { return !strings.Contains(s, "hit") }))
	if far.resets == 0 && far.bye == 0 && heard < int(g.Entry().Tick-far.welcome.Tick) {
		t.Errorf("far heard %d of the hits until %d, and nothing of a gap before %d: %v", heard, g.Entry().Tick, before, far.events)
	}
	if far.bye != 0 || far.tick != g.Entry().Tick {
		t.Errorf("far is at %d, bye %d; the room at %d", far.tick, far.bye, g.Entry().Tick)
	}
}
