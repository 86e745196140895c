package room

import (
	"encoding/binary"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// appendUpHead begins a message up.
func appendUpHead(dst []byte, term uint64) []byte {
	return binary.AppendUvarint(append(dst, relayVersion), term)
}

// onState takes in an entry from nothing: the first, or one after a gap that the
// owner cannot fill any more.
func (e *Edge) onState(now time.Duration, h downHead, in *relayReader) error {
	var head stateHead
	if in.json(in.bytes(), &head); in.Bad {
		return errRelay
	}
	r := wire.NewReader(head.Schema)
	schema, err := wire.ReadSchema(&r)
	if err != nil {
		return err
	}
	rest := e.rest
	switch {
	case e.aud == nil:
		rest = delta.NewRest(schema)
	case e.aud.schemaHash != schema.Hash():
		// The owner's build knows the game otherwise, and what is held here is of no use.
		e.Stop(wire.ByeShutdown, "the game was changed", retryNow)
		return nil
	case h.epoch == e.aud.epoch && h.tick <= e.aud.tick():
		e.synced = h.tick == e.aud.tick()
		return nil
	case h.epoch == e.aud.epoch && e.told < e.aud.tick():
		e.lacks(now) // less than was asked for: the owner may have it
		return nil
	}
	next := schema.NewEntry(0)
	if err := rest.Read(in.B, nil, nil, delta.View{}, next); err != nil {
		return err
	}
	switch next.Tick = h.tick; {
	case e.aud == nil: // an audience has an entry
		e.begin(h, &head, schema, rest)
	case e.aud.tick() != 0:
		e.restart(h.epoch, next)
	}
	*e.aud.ring.Next() = *next
	e.at = 0
	e.take(now, relayed{})
	return nil
}

// begin makes the audience of an edge that had nothing.
func (e *Edge) begin(h downHead, head *stateHead, schema *game.Schema, rest *delta.Rest) {
	e.aud = newAudience(audienceConfig{
		id: e.cfg.ID, epoch: h.epoch, grace: head.Grace, schema: schema, spectate: head.Spectate,
		history: e.cfg.History, checkEvery: head.CheckEvery, frames: e.cfg.Frames, log: e.cfg.Log, stats: &e.stats,
	}, e)
	e.rest, e.public, e.at = rest, delta.NewState(schema), 0
	e.beat = beat{clock: clock{rate: int64(schema.TickRate)}}
	for _, v := range e.waiting {
		v.aud = e.aud
	}
}

// restart begins another history: the room is back from a checkpoint, or too much of
// it was missed here. Nothing that anybody holds is of use, but the connections and
// the seats stay.
func (e *Edge) restart(epoch uint64, first *game.Entry) {
	if e.observer != nil {
		e.observer.End(wire.ByeShutdown, "the room's history begins anew", 0)
		e.observer = nil
	}
	e.beat, e.told, e.answers = beat{clock: e.beat.clock}, 0, nil
	e.aud.restart(epoch, first.Tick, first.Seats)
}

// onTick takes in the entry that follows the newest.
func (e *Edge) onTick(now time.Duration, h downHead, in *relayReader) error {
	back, view := game.Tick(in.Uint()), delta.View{Teams: game.Teams(in.Uint())}
	size, hash := in.Uint(), uint32(in.Uint())
	body := in.Take(size)
	if in.Bad {
		return errRelay
	}
	if e.aud == nil {
		return nil // before the state that was asked for
	}
	newest := e.aud.ring.Newest()
	switch {
	case h.epoch == e.aud.epoch && h.tick <= newest.Tick:
		return nil // known
	case h.epoch != e.aud.epoch || h.tick-back != newest.Tick:
		e.lacks(now)
		return nil
	}
	var told *delta.State
	p := relayed{tick: h.tick, base: newest.Tick, teams: view.Teams}
	if len(body) > 0 {
		if err := e.apply(newest, view, body, &p); err != nil {
			e.at, e.synced = 0, false
			return err
		}
		told = e.public
	}
	next := e.aud.ring.Next()
	if err := e.rest.Read(in.B, newest, told, view, next); err != nil {
		e.at, e.synced = 0, false
		return err
	}
	next.Tick = h.tick
	if hash != 0 && e.aud.hashOf(next, view) != hash {
		e.cfg.Log.Error("this edge holds another state than the room", "room", e.cfg.ID, "tick", h.tick)
		e.stats.WrongHashes++
		e.at = 0
	}
	e.at, e.teams = h.tick, view.Teams
	if told == nil {
		e.at = 0
	}
	e.take(now, p)
	return nil
}

// apply brings the public state to the tick of a body.
func (e *Edge) apply(newest *game.Entry, view delta.View, body []byte, p *relayed) error {
	if e.at != newest.Tick || e.teams != view.Teams {
		if err := e.rebuild(newest, view); err != nil {
			return err
		}
	}
	m := wire.ReadMessages(body)
	if !m.Next() || m.Kind() != wire.KindDelta {
		return errRelay
	}
	r := m.Reader()
	back, n, err := wire.ReadDelta(r, m.Len())
	if err != nil {
		return err
	}
	if p.predicted = back == wire.Predicted; p.predicted {
		err = e.public.ApplyPredicted(r, n)
	} else {
		err = e.public.Apply(r, n)
	}
	p.message = body
	return err
}

// rebuild makes the public state of the newest entry, by way of the entries before
// it, which a prediction needs.
func (e *Edge) rebuild(newest *game.Entry, view delta.View) error {
	from := newest
	for range predictRun - 1 {
		if before := e.aud.ring.At(from.Tick - 1); before != nil {
			from = before
		}
	}
	e.public.Clear()
	if e.aud.lend() {
		defer e.aud.giveBack()
	}
	var base *game.Entry
	for tick := from.Tick; tick <= newest.Tick; tick++ {
		cur := e.aud.ring.At(tick)
		body, n := e.aud.enc.AppendBody(nil, base, view, cur, view)
		r := wire.NewReader(body)
		if err := e.public.Apply(&r, n); err != nil {
			return err
		}
		base = cur
	}
	return nil
}

// take makes the entry that was filled the newest and tells everybody.
func (e *Edge) take(now time.Duration, p relayed) {
	a := e.aud
	a.commit(a.ring.Next())
	e.synced, e.asleep, e.asks = true, false, 0
	e.beat.hear(now, a.tick())
	e.moving()
	a.relayed = p
	if e.observer != nil {
		e.observer.Observe(now)
	}
	e.welcomeAll(now)
	a.broadcast(now)
	a.relayed = relayed{}
	a.sweep()
	e.publish()
}

// beat knows from the entries heard when the owner ticks: the earliest of late is
// the best guess, as for clocks (RFC 5905 section 10).
type beat struct {
	clock clock
	known bool
}

func (b *beat) hear(now time.Duration, tick game.Tick) {
	origin := now - b.clock.span(int64(tick))
	if !b.known || origin < b.clock.origin || origin-b.clock.origin > b.clock.span(2) {
		b.clock.origin, b.known = origin, true
		return
	}
	b.clock.origin += (origin - b.clock.origin) / 64
}

// at is the tick that the owner is at, and next when it is heard of the one after.
func (b *beat) at(now time.Duration) game.Tick { return b.clock.at(now) }

func (b *beat) next(now time.Duration) time.Duration { return b.clock.deadline(b.clock.at(now) + 1) }
