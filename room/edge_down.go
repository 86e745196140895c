package room

import (
	"fmt"
	"time"

	"github.com/roomd/roomd/netcode/wire"
)

// What an edge is told by the owner, beside entries.

// Receive takes in what the owner sent. b is not kept. An error says that no node of
// this version sent it.
func (e *Edge) Receive(now time.Duration, b []byte) error {
	h, in, err := readDown(b)
	if err != nil || e.ended || h.term > e.cfg.Term {
		return err
	}
	if h.term < e.cfg.Term {
		// The owner before gave the room away after its last tick, which may be under
		// way still; nothing else of it counts.
		if h.kind == downTick && e.follows(h) {
			return e.onTick(now, h, in)
		}
		return nil
	}
	e.heard = now
	switch h.kind {
	case downTick:
		return e.onTick(now, h, in)
	case downState:
		return e.onState(now, h, in)
	case downControl:
		var c control
		if in.json(in.B, &c); in.Bad {
			return errRelay
		}
		e.onControl(now, h, &c)
		return nil
	}
	return fmt.Errorf("%w: kind %d", errRelay, h.kind)
}

// follows reports whether a tick goes on with the history held, and is the next.
func (e *Edge) follows(h downHead) bool {
	return e.aud != nil && h.epoch == e.aud.epoch && h.tick == e.aud.tick()+1
}

// moving notes that the room goes on.
func (e *Edge) moving() { e.stalled = false }

// lacks asks for what is missing.
func (e *Edge) lacks(now time.Duration) {
	e.synced = false
	if now-e.asked >= askEvery {
		e.asked = now
		e.up = appendErrand(e.up, upHello, e.hello(false))
		e.flush()
	}
}

func (e *Edge) onControl(now time.Duration, h downHead, c *control) {
	if c.Claim {
		if now-e.asked >= askEvery {
			e.greet(now)
		}
		return
	}
	if e.asleep = c.Asleep; e.asleep {
		e.cutoff = 0
	}
	if e.aud != nil && h.epoch == e.aud.epoch {
		if c.Asleep {
			e.moving()
		}
		if len(c.Answers) == 0 && h.tick > e.aud.tick() {
			e.lacks(now) // what all edges are told does not come here; answers are told before their tick
		}
	}
	for _, a := range c.Answers {
		e.answers = append(e.answers, a)
		if !a.Bye {
			e.ready = max(e.ready, h.tick)
		}
	}
	e.welcomeAll(now)
}

// welcomeAll answers those whom nobody needs to be asked for, and those whose answer
// had to wait for its entry.
func (e *Edge) welcomeAll(now time.Duration) {
	if e.aud == nil {
		return
	}
	answers := e.answers
	if len(answers) > 0 && e.ready > e.aud.tick() {
		answers = nil
	} else {
		e.answers = nil
	}
	told := len(answers) > 0
	for i := range answers {
		e.answer(&answers[i], now)
	}
	left := e.waiting[:0]
	for _, v := range e.waiting {
		switch {
		case v.gone || v.joined:
		case v.req.Spectate && v.req.Resume == nil && !e.behind(v, now):
			e.aud.welcome(v, seated{answer: answer{ok: true}}, now)
			e.tellMovedTo(v)
			told = true
		default:
			left = append(left, v)
		}
	}
	clear(e.waiting[len(left):])
	e.waiting = left
	if told {
		e.aud.broadcast(now)
		e.aud.sweep()
	}
}

// behind reports whether the client has seen more than there is here: it waits until
// that has come, as it must within a while.
func (e *Edge) behind(v *Viewer, now time.Duration) bool {
	switch {
	case v.req.Epoch < e.aud.epoch || v.req.Epoch == e.aud.epoch && v.req.Tick <= e.aud.tick():
		return false
	case v.took == 0:
		v.took = max(now, 1)
	case now-v.took >= lostAfter:
		v.bye(wire.ByeShutdown, "the room is behind what this client has seen", retrySoon)
	}
	return true
}

func (e *Edge) answer(a *edgeAnswer, now time.Duration) {
	v := e.viewers[a.ID]
	switch {
	case v == nil && a.ID == 0 && a.Bye:
		e.Stop(a.Code, a.Text, a.Retry)
	case v == nil:
	case a.Bye:
		delete(e.viewers, a.ID)
		v.bye(a.Code, a.Text, a.Retry)
	case !v.joined && len(a.Secret) == SecretSize:
		v.seat = a.Seat
		st := seated{answer: answer{ok: true, resumed: a.Resumed}, ack: a.Ack, drops: a.Drops, since: a.Since}
		copy(st.secret[:], a.Secret)
		e.aud.welcome(v, st, now)
		e.tellMovedTo(v)
	}
}

// tellMoved tells everybody where the room is now, if they should know.
func (e *Edge) tellMoved() {
	if e.aud == nil {
		return
	}
	for _, v := range e.aud.viewers {
		e.tellMovedTo(v)
	}
}

func (e *Edge) tellMovedTo(v *Viewer) {
	if e.cfg.Moved == nil || v.gone || !v.joined {
		return
	}
	if at := e.cfg.Moved(); at != "" {
		f := e.aud.pool.Get()
		f.B = wire.AppendMoved(f.B, at)
		v.send(f)
	}
}
