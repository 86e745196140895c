package room

import (
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// grid is a room and its edges on several nodes, with a network between them that
// may delay and lose.
type grid struct {
	*stage
	rng   *mathrand.Rand
	cfg   Config
	at    string // the owner
	term  uint64
	edges map[string]*Edge
	mail  []letterTo
	loss  float64
	delay time.Duration // at most
	deaf  string        // a node that hears nothing of what all edges are told
	// past holds each entry of each epoch, and kept the newest checkpoint.
	past map[[2]uint64]*game.Entry
	kept []byte
}

type letterTo struct {
	at   time.Duration
	node string // empty: the owner of the term
	from string
	up   bool
	b    []byte
}

var nodes = []string{"a", "b", "c"}

func newGrid(t *testing.T, o game.Options, seed uint64, edit func(*Config)) *grid {
	t.Helper()
	g := &grid{rng: mathrand.New(mathrand.NewPCG(seed, 2)), at: "a", term: 1, edges: map[string]*Edge{}, past: map[[2]uint64]*game.Entry{}}
	g.stage = openStage(t, o, func(c *Config) {
		c.ID = fmt.Sprint("seed-", seed)
		if edit != nil {
			edit(c)
		}
		g.cfg = *c
	})
	g.stage.grid = g
	t.Cleanup(func() { g.Stop(wire.ByeShutdown, "", 0) })
	g.SetRelay(gridRelay{g, "a"}, g.term)
	return g
}

// gridRelay is what the room at a node has of the network.
type gridRelay struct {
	g    *grid
	node string
}

func (r gridRelay) Publish(b []byte) {
	for _, n := range nodes {
		if r.g.edges[n] != nil && n != r.g.deaf {
			r.Send(n, b)
		}
	}
}

func (r gridRelay) Send(edge string, b []byte) { r.g.post(letterTo{node: edge, from: r.node, b: b}) }

func (g *grid) post(l letterTo) {
	if g.rng.Float64() < g.loss {
		return
	}
	l.b = slices.Clone(l.b)
	l.at = g.now
	if g.delay > 0 {
		l.at += time.Duration(g.rng.Int64N(int64(g.delay)))
	}
	// One connection brings messages in order.
	for _, o := range g.mail {
		if o.node == l.node && o.from == l.from && o.up == l.up {
			l.at = max(l.at, o.at)
		}
	}
	g.mail = append(g.mail, l)
}

// deliver brings what has arrived by now.
func (g *grid) deliver() {
	for {
		i := slices.IndexFunc(g.mail, func(l letterTo) bool { return l.at <= g.now })
		if i < 0 {
			return
		}
		l := g.mail[i]
		g.mail = slices.Delete(g.mail, i, i+1)
		var err error
		switch e := g.edges[l.node]; {
		case l.up && l.node == g.at:
			err = g.FromEdge(g.now, l.from, l.b)
		case !l.up && e != nil:
			err = e.Receive(g.now, l.b)
		}
		if err != nil {
			g.fatalf("%s to %s: %v", l.from, l.node, err)
		}
	}
}

// pass has the clock go on by d, and everybody with it.
func (g *grid) pass(d time.Duration) {
	for end := g.now + d; g.now < end; {
		g.now += 10 * time.Millisecond
		g.step()
		g.Advance(g.now)
		g.note()
		g.deliver()
	}
}

func (g *grid) edgeConfig(node string) EdgeConfig {
	return EdgeConfig{
		ID: g.cfg.ID, Owner: g.at, Term: g.term, History: g.cfg.History, Empty: -1,
		Uplink: func(owner string, b []byte) { g.post(letterTo{node: owner, from: node, up: true, b: b}) },
	}
}

// bringTo has a player come to a node, wherever the room is.
func (g *grid) bringTo(node, name string, req JoinRequest) *peer {
	p := newPeer(g.stage, name)
	p.node = node
	g.number++
	p.number = g.number
	g.peers = append(g.peers, p)
	p.v = g.join(node, req, p)
	return p
}

func (g *grid) join(node string, req JoinRequest, p Peer) *Viewer {
	if node == g.at {
		return g.Room.Join(req, p)
	}
	if g.edges[node] == nil {
		g.edges[node] = NewEdge(g.edgeConfig(node), g.now)
	}
	return g.edges[node].Join(req, p)
}

// tick lets the room tick n times, and all messages arrive that are due.
func (g *grid) tick(n int) {
	g.t.Helper()
	for range n {
		due := g.clock.deadline(g.clock.next)
		for g.now < due { // what happens between ticks
			g.now = min(due, g.now+10*time.Millisecond)
			g.step()
		}
		g.Advance(g.now)
		g.note()
		g.deliver()
		g.check()
	}
}

func (g *grid) step() {
	g.deliver()
	for _, n := range nodes {
		if e := g.edges[n]; e != nil {
			e.Advance(g.now)
			if e.Ended() {
				delete(g.edges, n)
			}
		}
	}
	g.deliver()
}

func (g *grid) note() {
	e := g.Entry()
	at := [2]uint64{g.Epoch(), uint64(e.Tick)}
	if g.past[at] == nil {
		g.past[at] = &game.Entry{}
		copyEntry(g.past[at], e)
	}
}

// move gives the room to another node, as a cluster does.
func (g *grid) move(to string) {
	g.t.Helper()
	state := g.AppendCheckpoint(nil, g.now)
	for _, p := range g.peers { // what comes while the room stands still
		if p.bye == 0 && p.welcome.Seat != 0 && !p.v.gone {
			p.mustInput(1)
		}
	}
	g.now += g.delay // the last entry is there before the state and the record
	g.deliver()
	g.settleAt(to, state, g.Epoch())
}

// rescue has another node go on from what was kept, since the owner's is gone with
// all who were connected there.
func (g *grid) rescue(to string) {
	g.t.Helper()
	for _, p := range g.peers {
		if p.node == g.at && p.bye == 0 {
			p.bye, p.v.gone = wire.ByeShutdown, true
		}
	}
	from := g.at
	g.settleAt(to, g.kept, g.Epoch()+1)
	delete(g.edges, from)
}

func (g *grid) settleAt(to string, state []byte, epoch uint64) {
	g.t.Helper()
	cfg := g.cfg
	cfg.Epoch = epoch
	next, err := Restore(cfg, state, g.now)
	if err != nil {
		g.t.Fatal(err)
	}
	from := g.at
	g.term++
	g.at = to
	next.SetRelay(gridRelay{g, to}, g.term)
	left := g.Room.Depart(g.edgeConfig(from), g.now)
	g.Room = next
	if e := g.edges[to]; e != nil {
		delete(g.edges, to)
		next.Adopt(e, g.now)
	}
	g.edges[from] = left
	for _, n := range nodes {
		if e := g.edges[n]; e != nil {
			e.SetOwner(g.now, to, g.term)
		}
	}
}

// expectCounted demands that every input of a player counts once, and none is lost.
func (g *grid) expectCounted(p *peer, sent int) {
	g.t.Helper()
	for range 40 {
		if p.ack == uint32(sent) {
			break
		}
		g.tick(1)
	}
	expect(g.t, p.name+": acknowledged", p.ack, uint32(sent))
	expect(g.t, p.name+": dropped", p.drops, 0)
	expect(g.t, p.name+": where its unit is", int(unitOf(g.t, p)), sent)
}

// unitOf is X of the player's unit, as it sees it.
func unitOf(t *testing.T, p *peer) int64 {
	t.Helper()
	for row := range p.own.Rows(0) {
		lanes, ok := p.shared.Row(0, row)
		if !ok {
			lanes, _ = p.own.Row(0, row)
		}
		return p.s.schema.Tables[0].Fields[0].Leaves[0].Get(lanes)
	}
	t.Fatalf("%s owns nothing", p.name)
	return 0
}

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

// TestAnyRelay lets players come, go, stall and come back at any node while the room
// moves and is rescued and the network loses and delays: after each message whoever
// holds a tick holds what the room itself showed of it.
func TestAnyRelay(t *testing.T) {
	n, first := *schedules/20, *firstSeed
	if raceEnabled {
		n /= 5
	}
	if first == 0 {
		first = mathrand.Uint64() >> 1
	}
	t.Logf("%d schedules from seed %d", n, first)
	for seed := first; seed < first+uint64(n); seed++ {
		if runRelay(t, seed); t.Failed() {
			return
		}
	}
}

func runRelay(t *testing.T, seed uint64) {
	t.Helper()
	g := newGrid(t, game.Options{MaxPlayers: 6, Spectate: game.Team(0)}, seed, func(c *Config) {
		c.History, c.Grace, c.CheckEvery = 500*time.Millisecond, time.Second, 1
	})
	rng := g.rng
	g.loss = []float64{0, 0, 0.01, 0.1}[rng.IntN(4)]
	g.delay = time.Duration(rng.IntN(3)*10) * time.Millisecond
	g.h.step = func(c *court, now game.Tick) {
		c.hit.All(hit{int32(now)})
		for p := range c.w.Players() {
			shuffleUnits(c, rng, p)
			if rng.IntN(4) == 0 {
				c.hit.To(p, hit{int32(now) + 1000000})
			}
		}
	}
	g.bringTo("a", "first", JoinRequest{Name: "first"})
	g.tick(1)
	g.kept = g.AppendCheckpoint(nil, g.now)
	for i := range 100 {
		for _, p := range g.peers {
			if p.bye == 0 && !p.v.gone && p.welcome.Tick != 0 {
				g.act(p)
			}
		}
		switch rng.IntN(30) {
		case 0, 1, 2:
			g.bringTo(nodes[rng.IntN(3)], fmt.Sprint("player ", i), JoinRequest{Name: "p"}).limit = rng.IntN(3)
		case 3:
			g.bringTo(nodes[rng.IntN(3)], fmt.Sprint("watcher ", i), JoinRequest{Spectate: true}).limit = rng.IntN(3)
		case 4, 5:
			if to := nodes[rng.IntN(3)]; to != g.at {
				g.move(to)
			}
		case 6:
			if to := nodes[rng.IntN(3)]; to != g.at && rng.IntN(3) == 0 {
				g.rescue(to)
			}
		case 7, 8:
			g.kept = g.AppendCheckpoint(nil, g.now)
		}
		g.tick(1)
	}
	g.loss = 0
	for _, p := range g.peers {
		p.closed, p.limit = false, 0
	}
	g.tick(60)
	for _, p := range g.peers {
		if p.bye == 0 && !p.v.gone && (p.tick+2 < g.Entry().Tick || p.epoch != g.Epoch()) {
			g.fatalf("%s at %s is left behind at %d of epoch %d; the room is at %s, at %d of %d",
				p.name, p.node, p.tick, p.epoch, g.at, g.Entry().Tick, g.Epoch())
		}
	}
}

func (g *grid) act(p *peer) {
	switch n := g.rng.IntN(100); {
	case n < 6:
		p.closed = !p.closed
	case n < 9:
		p.v.Detach()
	case n < 11 && p.welcome.Seat != 0:
		p.v.Detach()
		g.resumeTo(nodes[g.rng.IntN(3)], p)
	case n < 12:
		p.v.Leave()
	case n < 14:
		p.v.Resync(wire.Resync{Tick: p.tick})
	case n < 60 && p.welcome.Seat != 0:
		p.mustInput(int8(g.rng.IntN(11) - 5))
	}
}

// resumeTo has a client come back at some node with what it holds.
func (g *grid) resumeTo(node string, old *peer) {
	tok, err := ParseToken(old.welcome.Token)
	if err != nil {
		g.t.Fatal(err)
	}
	held := old.tick
	if old.parts > 0 {
		held = 0
	}
	p := g.bringTo(node, old.name+"'", JoinRequest{Resume: &Resume{Seat: tok.Seat, Secret: tok.Secret, Epoch: old.epoch, Tick: held}})
	p.shared, p.own, p.lives, p.tick, p.ack, p.epoch = old.shared, old.own, old.lives, held, old.ack, old.epoch
	old.shared, old.own, old.tick, old.lives = delta.NewState(g.schema), delta.NewState(g.schema), 0, map[[2]int]life{}
}

// A room that sleeps is not woken by the edges that look after it, and still knows them
// when somebody wakes it.
func TestEdgesLetRoomsSleep(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4, Sleeps: true}, 4, nil)
	g.h.step = func(c *court, _ game.Tick) { c.w.Sleep(0) }
	near := g.bringTo("a", "near", JoinRequest{Name: "near"})
	far := g.bringTo("b", "far", JoinRequest{Name: "far"})
	g.tick(5)
	ticks := g.stats.Ticks
	for range 1000 { // ten seconds
		g.now += 10 * time.Millisecond
		g.step()
		g.Advance(g.now)
	}
	if g.stats.Ticks > ticks+1 || !g.asleep {
		t.Fatalf("%d ticks while it slept", g.stats.Ticks-ticks)
	}
	far.mustInput(1)
	for range 10 {
		g.now += 10 * time.Millisecond
		g.step()
		g.Advance(g.now)
		g.note()
		g.deliver()
	}
	expect(t, "far's unit", unitOf(t, far), 1)
	expect(t, "far's tick", far.tick, g.Entry().Tick)
	expect(t, "near's tick", near.tick, g.Entry().Tick)
	expectList(t, "what the game was told of connections", g.h.presence)
}

// While the room sleeps an edge goes on with those who could not take the newest entry
// when it came, or ask for it again, and nobody counts as slow since he was offered
// nothing.
func TestEdgeOfASleepingRoomServesWhoLags(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4, Sleeps: true}, 4, nil)
	g.h.step = func(c *court, _ game.Tick) { c.w.Sleep(0) }
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
		g := newGrid(t, game.Options{MaxPlayers: 4, Sleeps: true}, 4, nil)
		g.h.step = func(c *court, _ game.Tick) { c.w.Sleep(0) }
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

// An edge that is told nonsense, even as the first, says so and goes on as if it had not
// heard it.
func TestEdgeSurvivesABadFirstState(t *testing.T) {
	g := newGrid(t, game.Options{MaxPlayers: 4}, 5, nil)
	g.bringTo("a", "near", JoinRequest{Name: "near"})
	g.tick(3)
	e := NewEdge(EdgeConfig{ID: g.cfg.ID, Owner: "a", Term: g.term, Empty: -1, Uplink: func(string, []byte) {}}, g.now)
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
