package room

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/roomd/roomd/game"
)

// What an edge tells the owner.

// greet tells the owner that this edge is there, with everybody at it.
func (e *Edge) greet(now time.Duration) {
	e.asked, e.greeted = now, now
	e.asks++
	if e.cfg.Owner == "" {
		return
	}
	e.up = appendErrand(e.up[:0], upHello, e.hello(true))
	for _, v := range e.waiting {
		if v.gone {
			continue
		}
		if i := slices.IndexFunc(e.answers, func(a edgeAnswer) bool { return a.ID == v.relay.id && !a.Bye }); i >= 0 {
			a := &e.answers[i] // seated by the owner before, and its entry is still to come
			e.up = appendErrand(e.up, upJoin, joining{ID: a.ID, Seat: a.Seat, Secret: a.Secret, Claim: true})
			continue
		}
		e.ask(v)
	}
	if e.aud != nil {
		for _, v := range e.aud.viewers {
			if v.seat != 0 && !v.gone {
				e.up = appendErrand(e.up, upJoin, joining{ID: v.relay.id, Seat: v.seat, Secret: v.secret[:], Claim: true})
				e.repeat(v)
			}
		}
	}
	e.flush()
}

func (e *Edge) hello(claims bool) hello {
	h := hello{Need: !e.synced, Claims: claims}
	if e.aud != nil {
		h.Epoch, h.Tick, h.Watchers = e.aud.epoch, e.aud.tick(), e.aud.spectators
		e.told = h.Tick
	}
	h.Watchers += e.readers()
	for id, v := range e.viewers {
		switch {
		case v.seat != 0:
			h.Seated = append(h.Seated, id)
		case v.joined:
		case v.req.Spectate:
			h.Watchers++
		default:
			h.Waiting = append(h.Waiting, id)
		}
	}
	return h
}

// patience is how long the edge waits before it asks again: at first it hurries, as a
// room that moved is about to be there.
func (e *Edge) patience() time.Duration { return askEvery << min(e.asks, 5) / 2 }

// repeat sends the commands of a player again that the owner may not know.
func (e *Edge) repeat(v *Viewer) {
	box, ack := &v.relay.unacked, e.ack(v.seat)
	for i := range box.n {
		if c, lanes := box.at(i); c.seq > ack {
			e.up, e.scratch = appendInput(e.up, e.scratch, v.relay.id, c, lanes)
		}
	}
}

// ack is the newest command of a seat that is applied.
func (e *Edge) ack(seat game.PlayerID) uint32 {
	if n := e.aud.ring.Newest(); n != nil && int(seat) < len(n.Seats) {
		return n.Seats[seat].Ack
	}
	return 0
}

// ask asks the owner for a seat.
func (e *Edge) ask(v *Viewer) {
	if v.req.Spectate {
		return // nobody needs to be asked
	}
	j := joining{ID: v.relay.id, Name: v.req.Name, User: v.req.User, Params: v.req.Params, Data: v.req.Data}
	if res := v.req.Resume; res != nil {
		j.Seat, j.Secret = res.Seat, res.Secret[:]
	}
	e.up = appendErrand(e.up, upJoin, j)
}

// flush sends the errands that wait.
func (e *Edge) flush() {
	if e.cfg.Owner == "" {
		return
	}
	for up := e.up; len(up) > 0; {
		n := together(up)
		e.scratch = append(appendUpHead(e.scratch[:0], e.cfg.Term), up[:n]...)
		e.cfg.Uplink(e.cfg.Owner, e.scratch)
		up = up[n:]
	}
	e.up = e.up[:0]
}

// together is the length of the errands that go in one message: as many as fit, at
// least one.
func together(up []byte) (n int) {
	for n < len(up) {
		size, head := binary.Uvarint(up[n+1:])
		end := n + 1 + head + int(size)
		if n > 0 && end > maxUpMessage {
			break
		}
		n = end
	}
	return n
}

// repeatLate sends again what should have been answered or applied long ago.
func (e *Edge) repeatLate(now time.Duration) {
	for _, v := range e.waiting {
		if !v.gone {
			e.ask(v)
		}
	}
	if e.aud == nil || !e.synced {
		return
	}
	for _, v := range e.aud.viewers {
		if box := &v.relay.unacked; v.seat != 0 && !v.gone && box.n > 0 {
			newest, _ := box.at(box.n - 1)
			if now-newest.at > helloEvery/2 && newest.seq > e.ack(v.seat) {
				e.repeat(v)
			}
		}
	}
}

// due is when inputs have to be sent next: what comes long before the owner's next
// tick waits, as one message costs as much as another, and what comes right before
// it goes at once.
func (e *Edge) due(now time.Duration) time.Duration {
	tick := e.beat.next(now)
	if e.cutoff = tick - uplinkLead; now < e.cutoff {
		return e.cutoff
	}
	return e.beat.next(tick) - uplinkLead
}
