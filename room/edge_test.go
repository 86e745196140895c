package room

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

// A player at an edge sees what one at the owner sees, tick by tick, and its inputs
// count; the bytes are the owner's own.
func TestEdgeServesItsPlayers(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 1, nil)
	near := g.bringTo("a", "near", JoinRequest{Name: "near"})
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	watcher := g.bringTo("b", "watcher", JoinRequest{Spectate: true})
	g.tick(3)
	for i := range 20 {
		near.mustInput(1)
		far.mustInput(1)
		g.tick(1)
		if far.tick != near.tick || watcher.tick != near.tick || near.tick != g.Entry().Tick {
			t.Fatalf("after %d ticks near has %d, far %d, the watcher %d", i, near.tick, far.tick, watcher.tick)
		}
	}
	g.expectCounted(near, 20)
	g.expectCounted(far, 20)
	e := g.edges["b"]
	if e.stats.Relayed < 20 || e.stats.Encodes > e.stats.Relayed+6 /* the watcher's */ {
		t.Errorf("of the edge's frames %d are the owner's and %d its own", e.stats.Relayed, e.stats.Encodes)
	}
	if d, k := watcher.states(); k != 1 || d < 20 {
		t.Errorf("the watcher took %d deltas and %d keyframes", d, k)
	}
	expect(t, "who watches, as the owner knows", g.spectators(), 1)
}

// An edge that is told nonsense, even as the first, says so and goes on as if it had not
// heard it.
func TestEdgeSurvivesABadFirstState(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 5, nil)
	g.bringTo("a", "near", JoinRequest{Name: "near"})
	g.tick(3)
	e := g.strayEdge()
	far := newPeer(g.stage, "far")
	e.Join(JoinRequest{Spectate: true}, far)
	good := slices.Clone(g.Room.edges.state(g.Entry()))
	if err := e.Receive(g.now, good[:len(good)-1]); err == nil {
		t.Error("half a state is taken")
	}
	before := g.Entry().Tick
	g.Tick(g.now)
	base := g.aud.ring.At(before)
	tick := slices.Clone(g.Room.edges.tick(base, g.Entry(), groupKey{}, nil))
	asleep := append(downHead{downControl, g.term, g.Epoch(), g.Entry().Tick}.append(nil), `{"Asleep":true}`...)
	for _, b := range [][]byte{tick, asleep} {
		if err := e.Receive(g.now, b); err != nil {
			t.Error(err)
		}
	}
	e.Advance(g.now)
	if e.Ready() {
		t.Error("there is something to see")
	}
	if err := e.Receive(g.now, good); err != nil || !e.Ready() || e.aud.tick() != before {
		t.Errorf("the state after it: %v", err)
	}
	if err := e.Receive(g.now, tick); err != nil || far.tick != before+1 {
		t.Errorf("the tick after it: %v, the watcher has %d", err, far.tick)
	}
}

// An edge that nothing comes to of what all edges are told, as after a fault of the
// network that nobody saw, notices and asks for it.
func TestDeafEdgeAsks(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 8, nil)
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.tick(3)
	g.deaf = "b"
	g.tick(4 * rate)
	if lag := g.Entry().Tick - far.tick; lag > rate {
		t.Errorf("far is %d ticks behind", lag)
	}
	expect(t, "resets", far.resets, 0)
}

// Many who come at once, with all that their joins may say, are told to the owner in
// messages that a network takes.
func TestEdgeSplitsWhatIsLarge(t *testing.T) {
	const crowd = 300
	g := newGrid(t, game.Options{MaxPlayers: crowd}, 9, nil)
	g.bringTo("a", "near", JoinRequest{Name: "near"})
	g.tick(1)
	far := make([]*peer, crowd-1)
	for i := range far {
		far[i] = g.bringTo("b", "far", JoinRequest{Name: "far", Data: make([]byte, 8<<10)})
	}
	g.edges["b"].greet(g.now)
	for _, l := range g.mail {
		if len(l.b) > maxUpMessage+binary.MaxVarintLen64+1 { // and the head
			t.Fatalf("a message of %d bytes", len(l.b))
		}
	}
	g.tick(3)
	for _, p := range far {
		if p.welcome.Seat == 0 {
			t.Fatalf("%s has no seat", p.name)
		}
	}
}
