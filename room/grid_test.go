package room

import (
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
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

// sleepingGrid is a room that rests after each step.
func sleepingGrid(t *testing.T) *grid {
	t.Helper()
	g := newGrid(t, game.Options{MaxPlayers: 4, Sleeps: true}, 4, nil)
	g.h.step = func(c *court, _ game.Tick) { c.w.Sleep(0) }
	return g
}

// strayEdge is an edge that the room does not know.
func (g *grid) strayEdge() *Edge {
	return NewEdge(EdgeConfig{ID: g.cfg.ID, Owner: "a", Term: g.term, Empty: -1, Uplink: func(string, []byte) {}}, g.now)
}

func (g *grid) edgeConfig(node string) EdgeConfig {
	return EdgeConfig{
		ID: g.cfg.ID, Owner: g.at, Term: g.term, History: g.cfg.History, Empty: -1,
		Uplink: func(owner string, b []byte) { g.post(letterTo{node: owner, from: node, up: true, b: b}) },
	}
}

// bringTo has a player come to a node, wherever the room is.
func (g *grid) bringTo(node, name string, req JoinRequest) *peer {
	p := g.enter(name)
	p.node = node
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

// resumeTo has a client come back at some node with what it holds.
func (g *grid) resumeTo(node string, old *peer) {
	p := g.enter(old.name + "'")
	p.node = node
	p.inherit(old)
	p.ack = old.ack
	p.v = g.join(node, JoinRequest{Resume: p.resumption(old)}, p)
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
