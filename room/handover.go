package room

import (
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Depart ends the room here, since another node goes on with it from the checkpoint
// that was taken last, and returns the edge that its audience becomes: nobody is told
// anything. What came in after the checkpoint is the edge's to pass on. There must be
// an entry.
func (r *Room) Depart(cfg EdgeConfig, now time.Duration) *Edge {
	cfg.ID, cfg.History, cfg.Frames, cfg.Log = r.cfg.ID, r.cfg.History, r.cfg.Frames, r.cfg.Log
	setDefault(&cfg.Empty, defaultEmpty)
	e := &Edge{cfg: cfg, aud: r.aud, stats: Stats{}, viewers: map[uint32]*Viewer{}, heard: now, observer: r.observer}
	e.rest, e.public = delta.NewRest(r.schema), delta.NewState(r.schema)
	e.beat = beat{clock: clock{rate: int64(r.schema.TickRate)}}
	e.asleep = r.asleep
	r.aud.actor, r.aud.outward, r.aud.stats = e, nil, &e.stats
	for _, v := range r.aud.viewers {
		if !v.gone {
			e.enlist(v)
			if v.seat != 0 {
				v.relay.unacked = r.sim.seats[v.seat].inbox.clone()
			}
		}
	}
	for _, v := range r.sim.arrivals {
		if v.remote == nil && !v.gone {
			e.enlist(v)
			e.waiting = append(e.waiting, v)
		}
	}
	r.aud = newAudience(audienceConfig{id: r.cfg.ID, schema: r.schema, history: time.Second, frames: r.cfg.Frames, log: r.log, stats: &r.stats, epoch: e.aud.epoch}, r)
	r.observer, r.sim.arrivals, r.edges = nil, nil, edges{}
	r.Stop(wire.ByeMoved, "", 0)
	e.greet(now)
	e.tellMoved()
	e.publish()
	return e
}

// enlist gives a viewer its number at the edge.
func (e *Edge) enlist(v *Viewer) {
	e.ids++
	v.relay = &errand{id: e.ids}
	e.viewers[e.ids] = v
}

// Awaits reports whether an edge of this room has not heard all of the history that the
// room goes on with: the rest may be under way.
func (r *Room) Awaits(e *Edge) bool {
	own := r.Entry()
	return own != nil && e.aud != nil && e.aud.epoch == r.aud.epoch && e.aud.tick() < own.Tick
}

// Adopt takes over the audience of an edge of this room: those who are seated keep
// their seats, all keep their connections, and nobody is told anything if the history
// goes on. The edge is of no use afterwards.
func (r *Room) Adopt(e *Edge, now time.Duration) {
	waiting := e.waiting
	e.ended, e.waiting = true, nil
	r.sim.now = now
	if e.aud != nil && e.aud.schemaHash == r.aud.schemaHash {
		r.inherit(e)
	} else if e.aud != nil {
		for i := 0; i < len(e.aud.viewers); i++ {
			e.aud.viewers[i].bye(wire.ByeShutdown, "the game was changed", retryNow)
		}
	}
	r.stats.Add(&e.stats)
	for _, v := range waiting {
		if !v.gone {
			v.aud, v.relay = r.aud, nil
			r.arrive(v)
		}
	}
}

func (r *Room) inherit(e *Edge) {
	own, a := r.aud, e.aud
	newest := own.ring.Newest()
	a.actor, a.outward, a.stats, a.relayed = r, own.outward, &r.stats, relayed{}
	a.grace, a.check, a.schema = own.grace, own.check, own.schema
	r.aud = a
	if a.epoch == own.epoch && a.tick() > newest.Tick {
		r.log.Error("the edge knows ticks of this history that the room does not", "edge", a.tick(), "room", newest.Tick)
	}
	// What happened in ticks that the edge has missed nobody can tell its viewers any more.
	if a.epoch != own.epoch || a.tick() > newest.Tick || a.tick() < newest.Tick && len(a.schema.Events) > 0 {
		if e.observer != nil {
			e.observer.End(wire.ByeShutdown, "the room's history begins anew", 0)
			e.observer = nil
		}
		a.restart(own.epoch, newest.Tick, newest.Seats)
	}
	if a.tick() != newest.Tick {
		copyEntry(a.ring.Next(), newest)
		a.commit(a.ring.Next())
	}
	r.observer = e.observer
	for i := 0; i < len(a.viewers); i++ {
		r.seatAgain(a.viewers[i])
	}
	r.sim.stirred = true
}

// seatAgain puts a viewer that was at an edge on its seat, with what it had sent.
func (r *Room) seatAgain(v *Viewer) {
	relay := v.relay
	v.relay = nil
	if v.seat == 0 || v.gone {
		return
	}
	answer := r.sim.claim(v, &Resume{Seat: v.seat, Secret: v.secret})
	if !answer.ok {
		v.bye(answer.code, answer.text, answer.retry)
		return
	}
	box := &relay.unacked
	for i := range box.n {
		c, lanes := box.at(i)
		r.input(v, c, lanes)
	}
}

func copyEntry(to, from *game.Entry) {
	to.Tick = from.Tick
	if len(to.Tables) < len(from.Tables) {
		to.Tables = make([]game.TableRows, len(from.Tables))
	}
	for t := range from.Tables {
		to.Tables[t].Meta = append(to.Tables[t].Meta[:0], from.Tables[t].Meta...)
		to.Tables[t].Lanes = append(to.Tables[t].Lanes[:0], from.Tables[t].Lanes...)
	}
	to.Seats = append(to.Seats[:0], from.Seats...)
	to.Events = append(to.Events[:0], from.Events...)
	to.EventLanes = append(to.EventLanes[:0], from.EventLanes...)
}
