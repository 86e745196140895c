package room

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Relay carries what a room tells its edges. All calls come from the room's
// goroutine and must not block; b is valid until return. What does not arrive is
// asked for again.
type Relay interface {
	// Publish tells all edges.
	Publish(b []byte)
	// Send tells one.
	Send(edge string, b []byte)
}

// edges is the half of a relay that is at the owner: it knows edges, and players at
// edges as occupants of seats, but neither who watches there nor what anybody holds.
type edges struct {
	room  *Room
	relay Relay // nil without a cluster
	term  uint64
	by    map[string]*edgeLink
	rest  *delta.Rest
	run   int       // ticks published one after the other since an edge began, up to predictRun
	last  game.Tick // published
	out   []byte
}

// edgeLink is one edge.
type edgeLink struct {
	name     string
	viewers  map[uint32]*Viewer
	watchers int
	heard    game.Tick // the room's tick when the edge was heard last
	synced   bool      // has the newest entry, or is about to
	wants    bool      // the state, once there is one
}

// remote is the Peer of a viewer at an edge.
type remote struct {
	edges *edges
	link  *edgeLink
	id    uint32
	// resumed is part of the answer.
	resumed bool
}

// SetRelay lets the room have edges, before its first tick or between ticks. term is
// that of the owner.
func (r *Room) SetRelay(relay Relay, term uint64) {
	r.edges = edges{room: r, relay: relay, term: term, by: map[string]*edgeLink{}, rest: delta.NewRest(r.schema), last: r.aud.tick()}
	r.aud.outward = &r.edges
}

// FromEdge takes in what an edge sent. b is not kept. An error says that no node of
// this version sent it.
func (r *Room) FromEdge(now time.Duration, edge string, b []byte) error {
	in := newRelayReader(b)
	if in.Byte() != relayVersion {
		return errRelay
	}
	e := &r.edges
	if in.Uint() != e.term || r.ended || e.relay == nil {
		return nil // to an owner before, or meant for one to come
	}
	link := e.by[edge]
	for len(in.B) > 0 && !in.Bad {
		kind := in.Byte()
		content := in.bytes()
		if in.Bad {
			break
		}
		if link == nil && kind != upHello {
			e.control(edge, control{Claim: true}) // its hello is lost, or it was silent for long
			return nil
		}
		switch kind {
		case upHello:
			link = e.hello(in, edge, content, now)
		case upJoin:
			e.join(in, link, content)
		case upInput:
			e.input(in, link, content, now)
		case upPart:
			e.part(in, link, content)
		default:
			return errRelay
		}
	}
	if in.Bad {
		return errRelay
	}
	return nil
}

func (e *edges) hello(in *relayReader, edge string, content []byte, now time.Duration) *edgeLink {
	var h hello
	if in.json(content, &h); in.Bad {
		return nil
	}
	link := e.by[edge]
	if link == nil {
		if len(e.by) >= MaxEdges {
			return nil
		}
		link = &edgeLink{name: edge, viewers: map[uint32]*Viewer{}}
		e.by[edge] = link
		if !h.Claims {
			e.control(edge, control{Claim: true})
		}
	}
	link.heard, link.watchers = e.room.tickAt(now), h.Watchers
	if !h.Claims {
		e.compare(link, &h)
	}
	if h.Need || !link.synced {
		e.sync(link, h)
	}
	if e.control(edge, control{Asleep: e.room.asleep}); link.wants {
		e.room.wake()
	}
	return link
}

// compare mends what lost messages left different: viewers of whom only one side
// knows.
func (e *edges) compare(link *edgeLink, h *hello) {
	for _, id := range h.Seated {
		if link.viewers[id] == nil {
			(&remote{edges: e, link: link, id: id}).Bye(wire.ByeShutdown, "the seat is not known", retryNow)
		}
	}
	for id, v := range link.viewers {
		if !slices.Contains(h.Seated, id) && !slices.Contains(h.Waiting, id) {
			delete(link.viewers, id)
			v.part(false)
		}
	}
}

// sync sends an edge what it lacks: the entries after its newest, or the state.
func (e *edges) sync(link *edgeLink, h hello) {
	ring := e.room.aud.ring
	newest := ring.Newest()
	if newest == nil {
		link.wants = true
		return
	}
	link.synced, link.wants, e.run = true, false, 1
	if h.Epoch == e.room.aud.epoch && ring.At(h.Tick) != nil {
		base := ring.At(h.Tick)
		for tick := h.Tick + 1; tick <= newest.Tick; tick++ {
			if cur := ring.At(tick); cur != nil {
				e.relay.Send(link.name, e.tick(base, cur, groupKey{}, nil))
				base = cur
			}
		}
		return
	}
	e.relay.Send(link.name, e.state(newest))
}

// state is the message of an entry from nothing.
func (e *edges) state(cur *game.Entry) []byte {
	r := e.room
	head, err := json.Marshal(stateHead{
		Schema: wire.AppendSchema(nil, r.schema), Grace: r.cfg.Grace, Spectate: r.aud.spectate, MaxPlayers: r.opts.MaxPlayers,
		CheckEvery: r.cfg.CheckEvery,
	})
	if err != nil {
		panic(err) // numbers and bytes: cannot be
	}
	e.out = downHead{downState, e.term, r.aud.epoch, cur.Tick}.append(e.out[:0])
	e.out = binary.AppendUvarint(e.out, uint64(len(head)))
	e.out = append(e.out, head...)
	e.out = e.rest.Append(e.out, nil, cur, delta.View{}, false)
	r.aud.stats.RelayedBytes += uint64(len(e.out))
	return e.out
}

// tick is the message of an entry that follows base. public is what the key's group
// is told, empty for nothing.
func (e *edges) tick(base, cur *game.Entry, key groupKey, public []byte) []byte {
	a := e.room.aud
	e.out = downHead{downTick, e.term, a.epoch, cur.Tick}.append(e.out[:0])
	e.out = binary.AppendUvarint(e.out, uint64(cur.Tick-base.Tick))
	e.out = binary.AppendUvarint(e.out, uint64(key.teams))
	e.out = binary.AppendUvarint(e.out, uint64(len(public)))
	hash := uint32(0)
	if len(public) > 0 && a.check > 0 && cur.Tick/a.check != base.Tick/a.check {
		hash = a.hash(key.teams)
	}
	e.out = binary.AppendUvarint(e.out, uint64(hash))
	e.out = append(e.out, public...)
	e.out = e.rest.Append(e.out, base, cur, delta.View{Teams: key.teams}, len(public) > 0)
	a.stats.RelayedBytes += uint64(len(e.out))
	return e.out
}

// publish implements outward: one message for all edges, whoever is there.
func (e *edges) publish() {
	if len(e.by) == 0 {
		return
	}
	a := e.room.aud
	cur, base := a.entry, a.ring.At(e.last)
	told := false
	for name, link := range e.by {
		switch {
		case cur.Tick-link.heard > e.room.clock.ticks(edgeSilence):
			e.lose(link)
			delete(e.by, name)
		case link.wants || link.synced && base == nil:
			link.wants, link.synced, e.run = false, true, 0
			e.relay.Send(name, e.state(cur))
		default:
			told = told || link.synced
		}
	}
	if base != nil && told {
		key := groupKey{teams: e.public(cur), base: base.Tick, based: true}
		key.baseTeams = key.teams
		key.predicted = e.run >= predictRun && base.Tick+1 == cur.Tick
		g := a.group(key)
		e.relay.Publish(e.tick(base, cur, key, g.frame.B[wire.HeadRoom:wire.HeadRoom+g.state]))
	}
	if e.last+1 != cur.Tick {
		e.run = 0
	}
	e.last, e.run = cur.Tick, min(e.run+1, predictRun)
}

// public is the teams that most players are in: what they are told is what edges
// can pass on.
func (e *edges) public(cur *game.Entry) game.Teams {
	best, most := e.room.aud.spectate, 0
	for p := range cur.Seats {
		n := 0
		if teams := cur.Seats[p].Teams; cur.Seats[p].Taken && teams != best {
			for q := range cur.Seats {
				if cur.Seats[q].Taken && cur.Seats[q].Teams == teams {
					n++
				}
			}
			if n > most {
				best, most = teams, n
			}
		}
	}
	return best
}

// join brings in a viewer of an edge, as Room.Join does one from here.
func (e *edges) join(in *relayReader, link *edgeLink, content []byte) {
	var j joining
	if in.json(content, &j); in.Bad {
		return
	}
	if v := link.viewers[j.ID]; v != nil {
		if !j.Claim && v.seat != 0 && v.arrival == nil { // the answer is lost
			st := &e.room.sim.seats[v.seat]
			v.remote.welcome(v, seated{answer: answer{secret: v.secret, resumed: v.remote.resumed}, ack: st.ack, drops: st.drops, since: st.since})
		}
		return
	}
	v := &Viewer{aud: e.room.aud, arrival: &arrival{req: JoinRequest{
		Name: cutText(j.Name, wire.MaxName), User: j.User, Params: j.Params, Data: j.Data,
	}}}
	if j.Seat != 0 {
		v.req.Resume = &Resume{Seat: j.Seat}
		if copy(v.req.Resume.Secret[:], j.Secret) != SecretSize {
			in.Bad = true
			return
		}
	}
	v.remote = &remote{edges: e, link: link, id: j.ID}
	v.peer = v.remote
	link.viewers[j.ID] = v
	if !j.Claim {
		e.room.arrive(v)
		return
	}
	answer := e.room.sim.claim(v, v.req.Resume)
	v.arrival = nil
	if !answer.ok {
		v.bye(answer.code, answer.text, answer.retry)
	}
}

func (e *edges) input(in *relayReader, link *edgeLink, content []byte, now time.Duration) {
	r := newRelayReader(content)
	v := link.viewers[uint32(r.Uint())]
	c := command{seq: uint32(r.Uint()), seen: game.Tick(r.Uint()), at: now}
	s := &e.room.sim
	if v == nil || v.gone || !s.holds(v) {
		return
	}
	if v.input == nil {
		v.input = make([]int32, s.width)
	}
	for i := range v.input {
		v.input[i] = int32(r.Int())
	}
	if r.Bad || len(r.B) > 0 {
		in.Bad = true
		return
	}
	c.seen = min(c.seen, s.tick)
	e.room.input(v, c, v.input)
	e.room.wake()
}

func (e *edges) part(in *relayReader, link *edgeLink, content []byte) {
	r := newRelayReader(content)
	id, leaves := uint32(r.Uint()), r.Byte() == 1
	if in.Bad = r.Bad; in.Bad {
		return
	}
	if v := link.viewers[id]; v != nil {
		delete(link.viewers, id)
		v.part(leaves)
	}
}

// lose takes all players of an edge off their seats, which wait for their return.
func (e *edges) lose(link *edgeLink) {
	for _, v := range link.viewers {
		v.part(false)
	}
}

func (e *edges) control(edge string, c control) {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and texts: cannot be
	}
	e.out = downHead{downControl, e.term, e.room.aud.epoch, e.room.sim.tick}.append(e.out[:0])
	e.relay.Send(edge, append(e.out, b...))
}

// end tells the viewers at edges that the room is over.
func (e *edges) end(code wire.Code, text string, retry time.Duration) {
	for _, link := range e.by {
		for _, v := range link.viewers {
			v.bye(code, text, retry)
		}
		e.control(link.name, control{Answers: []edgeAnswer{{Bye: true, Code: code, Text: text, Retry: retry}}}) // those without a seat
	}
	e.by = nil
}

// watchers is how many watch at edges, and watched whether anybody does.
func (e *edges) watchers() (n int) {
	for _, link := range e.by {
		n += link.watchers
	}
	return n
}

func (e *edges) watched() bool { return e.watchers() > 0 }

// welcome tells the edge that its viewer has a seat.
func (p *remote) welcome(v *Viewer, st seated) {
	v.arrival, v.secret, p.resumed = nil, st.secret, st.resumed
	p.edges.control(p.link.name, control{Answers: []edgeAnswer{{
		ID: p.id, Seat: v.seat, Secret: st.secret[:], Resumed: st.resumed, Ack: st.ack, Drops: st.drops, Since: st.since,
	}}})
}

// Send implements Peer: a viewer at an edge is no part of the audience here.
func (p *remote) Send(f *wire.Frame) bool {
	panic(fmt.Sprintf("room: %d bytes to a viewer at an edge", f.Len()))
}

// Offer implements Peer, as Send.
func (p *remote) Offer(_, shared *wire.Frame) bool { return p.Send(shared) }

// Bye implements Peer.
func (p *remote) Bye(code wire.Code, text string, retry time.Duration) {
	delete(p.link.viewers, p.id)
	p.edges.control(p.link.name, control{Answers: []edgeAnswer{{ID: p.id, Bye: true, Code: code, Text: text, Retry: retry}}})
}
