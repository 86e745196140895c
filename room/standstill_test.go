package room

import (
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// A room that sleeps is not woken by the edges that look after it, and still knows them
// when somebody wakes it.
func TestEdgesLetRoomsSleep(t *testing.T) {
	g := sleepingGrid(t)
	near := g.bringTo("a", "near", JoinRequest{Name: "near"})
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.tick(5)
	ticks := g.stats.Ticks
	g.pass(10 * time.Second)
	if g.stats.Ticks > ticks+1 || !g.asleep {
		t.Fatalf("%d ticks while it slept", g.stats.Ticks-ticks)
	}
	far.mustInput(1)
	g.pass(100 * time.Millisecond)
	expect(t, "far's unit", unitOf(t, far), 1)
	expect(t, "far's tick", far.tick, g.Entry().Tick)
	expect(t, "near's tick", near.tick, g.Entry().Tick)
	expectList(t, "what the game was told of connections", g.h.presence)
}

// While the room sleeps an edge goes on with those who could not take the newest entry
// when it came, or ask for it again, and nobody counts as slow since he was offered
// nothing.
func TestEdgeOfASleepingRoomServesWhoLags(t *testing.T) {
	g := sleepingGrid(t)
	near := g.bringTo("a", "near", JoinRequest{Name: "near"})
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.pass(time.Second)
	far.closed = true
	near.mustInput(1)
	g.pass(time.Second)
	expect(t, "asleep", g.asleep, true)
	far.closed = false
	g.pass(time.Second)
	expect(t, "far's tick", far.tick, g.Entry().Tick)

	_, before := far.states()
	far.v.Resync(wire.Resync{Tick: far.tick})
	far.v.Resync(wire.Resync{Tick: far.tick})
	g.pass(time.Second)
	_, after := far.states()
	expect(t, "keyframes", after-before, 1)

	g.pass(time.Minute)
	far.closed = true
	near.mustInput(1)
	g.pass(time.Second)
	expect(t, "bye", far.bye, 0)
	far.closed = false
	g.pass(time.Second)
	expect(t, "far's tick", far.tick, g.Entry().Tick)
}

// Who holds the newest entry, and then asks for it again, has its time from then on,
// whoever else lags.
func TestEdgeOfASleepingRoomIsPatient(t *testing.T) {
	for _, lags := range []bool{false, true} {
		g := sleepingGrid(t)
		near := g.bringTo("a", "near", JoinRequest{Name: "near"})
		far, other := g.bringTo("b", "far", JoinRequest{Name: "far"}), g.bringTo("b", "other", JoinRequest{Name: "other"})
		g.pass(time.Second)
		other.closed = lags
		near.mustInput(1)
		g.pass(SlowLimit + time.Second)
		expect(t, "asleep", g.asleep, true)
		expect(t, "other's bye", other.bye == wire.ByeSlow, lags)
		far.closed = true
		far.v.Resync(wire.Resync{Tick: far.tick})
		g.pass(SlowLimit - time.Second)
		expect(t, "bye", far.bye, 0)
		g.pass(2 * time.Second)
		expect(t, "bye", far.bye, wire.ByeSlow)
	}
}

// The time in which the owner is not heard counts for nobody.
func TestEdgeOfAStalledRoomIsPatient(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 4, nil)
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.pass(time.Second)
	for range 100 * int(SlowLimit/time.Second+1) {
		g.now += 10 * time.Millisecond
		g.edges["b"].Advance(g.now)
	}
	far.closed = true
	g.pass(time.Second)
	expect(t, "bye", far.bye, 0)
	far.closed = false
	g.pass(time.Second)
	expect(t, "far's tick", far.tick, g.Entry().Tick)
}

// Nobody counts as slow for a time in which the room stood still and offered nothing.
func TestNobodyIsSlowWhileTheRoomStandsStill(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 7, nil)
	near := g.bringTo("a", "near", JoinRequest{Name: "near"})
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.tick(5)
	g.now += SlowLimit + time.Second // as of a node whose lease has lapsed
	near.closed, far.closed = true, true
	g.Advance(g.now)
	g.note()
	g.deliver()
	g.tick(3)
	expect(t, "near's bye", near.bye, 0)
	expect(t, "far's bye", far.bye, 0)
	near.closed, far.closed = false, false
	g.tick(3)
	expect(t, "near's tick", near.tick, g.Entry().Tick)
	expect(t, "far's tick", far.tick, g.Entry().Tick)
	near.closed, far.closed = true, true
	g.tick(11 * rate)
	expect(t, "near's bye", near.bye, wire.ByeSlow)
	expect(t, "far's bye", far.bye, wire.ByeSlow)
}
