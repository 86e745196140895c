package client

import (
	"errors"
	"fmt"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// eventMode says to what the next event belongs.
type eventMode uint8

const (
	noEvents      eventMode = iota
	privateEvents           // to the self before, whose frame is to come
	sharedEvents            // to the state frame before
)

// Receive takes one WebSocket message. After an error the connection is of no
// use; the Core is, for another one.
func (c *Core) Receive(msg []byte) error {
	c.stats.Bytes += uint64(len(msg))
	if c.taken {
		c.taken, c.events = false, c.events[:0]
		if len(c.link.private) == 0 {
			c.eventLanes = c.eventLanes[:0]
		}
	}
	messages := wire.ReadMessages(msg)
	for messages.Next() && c.link.bye == nil {
		if err := c.message(messages.Kind(), messages.Reader(), messages.Len()); err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	if c.link.mode == sharedEvents {
		c.flushEvents()
		c.link.mode = noEvents
	}
	return messages.Err()
}

func (c *Core) message(kind wire.Kind, r *wire.Reader, n int) error {
	switch kind {
	case wire.KindWelcome:
		w, err := wire.ReadWelcome(r, n)
		if err != nil {
			return err
		}
		return c.onWelcome(w)
	case wire.KindBye:
		b, err := wire.ReadBye(r, n)
		c.link.bye = &b
		return err
	case wire.KindPong:
		p, err := wire.ReadPong(r, n)
		c.link.pong, c.link.hasPong = p, true
		return err
	}
	if !c.link.welcomed {
		return fmt.Errorf("%s before welcome", kind)
	}
	switch kind {
	case wire.KindSelf:
		return c.onSelf(r, n)
	case wire.KindDelta:
		return c.onDelta(r, n)
	case wire.KindKeyframe:
		return c.onKeyframe(r, n)
	case wire.KindEvent:
		return c.onEvent(r, n)
	case wire.KindCheck:
		return c.onCheck(r, n)
	case wire.KindReset:
		return c.onReset(r, n)
	case wire.KindStalled:
		c.link.stalled = true
	case wire.KindMoved:
		url, err := wire.ReadMoved(r, n)
		c.link.moved = url
		return err
	}
	return nil // what only servers receive is unknown here, and skipped
}

func (c *Core) onWelcome(w wire.Welcome) error {
	switch {
	case c.link.welcomed:
		return errors.New("second welcome")
	case w.Proto != wire.ProtocolVersion:
		return fmt.Errorf("server speaks protocol version %d, not %d", w.Proto, wire.ProtocolVersion)
	case w.Schema == nil && w.SchemaHash != c.hash:
		return errors.New("welcome without the schema")
	case w.Schema != nil && w.Schema.Hash() != w.SchemaHash:
		return errors.New("schema is not the one that its hash names")
	}
	same := c.link.resuming && w.Room == c.room && w.Epoch == c.welcome.Epoch && w.Seat == c.welcome.Seat
	if w.SchemaHash != c.hash {
		c.setSchema(w.Schema, w.SchemaHash)
	}
	// A seat can be regained without the state: a keyframe follows then.
	if !w.Resumed() || w.Epoch != c.welcome.Epoch {
		c.holds = false
	}
	w.Schema = nil
	c.welcome, c.room, c.token = w, w.Room, w.Token
	l := &c.link
	l.welcomed, l.prevSeq, l.prevSeen, l.told, l.slack = true, w.LastSeq, w.Tick, w.LastSeq, -1
	l.prev = append(l.prev[:0], make([]int32, c.schema.Input.Lanes)...)
	c.ack = w.LastSeq
	if !same {
		c.unacked, c.seq = c.unacked[:0], w.LastSeq
		return nil
	}
	c.seq = max(c.seq, w.LastSeq)
	c.forgetAcked(w.LastSeq)
	c.resend()
	return nil
}

// onReset drops all but the seat (PROTOCOL.md section 9.5).
func (c *Core) onReset(r *wire.Reader, n int) error {
	q, err := wire.ReadReset(r, n)
	if err != nil {
		return err
	}
	c.shared.Clear()
	c.own.Clear()
	c.dropSelf()
	c.stats.Resets++
	c.holds, c.welcome.Epoch = false, q.Epoch
	c.link.waiting, c.link.part = false, 0
	c.link.told, c.ack = q.LastSeq, q.LastSeq
	return nil
}

func (c *Core) onSelf(r *wire.Reader, n int) error {
	s, elems, err := wire.ReadSelf(r, n)
	if err != nil {
		return err
	}
	l := &c.link
	l.told += s.DAck
	l.slack = s.Slack
	c.stats.Drops += uint64(s.Drops)
	l.self, l.selfElems, l.hasSelf = append(l.self[:0], r.Rest()...), elems, true
	c.beginEvents(privateEvents)
	return nil
}

func (c *Core) onDelta(r *wire.Reader, n int) error {
	back, elems, err := wire.ReadDelta(r, n)
	if err != nil {
		return err
	}
	if c.link.waiting {
		c.dropSelf()
		return nil
	}
	predicted := back == wire.Predicted
	if predicted {
		back = 1
	}
	if !c.holds || c.tick+back < c.tick {
		return c.resync(errNoBase)
	}
	switch {
	case c.cfg.Blind:
	case predicted:
		err = c.shared.ApplyPredicted(r, elems)
	default:
		err = c.shared.Apply(r, elems)
	}
	if err != nil {
		return c.resync(err)
	}
	return c.complete(c.tick + back)
}

func (c *Core) onKeyframe(r *wire.Reader, n int) error {
	k, elems, err := wire.ReadKeyframe(r, n)
	if err != nil {
		return err
	}
	l := &c.link
	if k.Part == 0 {
		c.shared.Clear()
		c.own.Clear()
		c.stats.Keyframes++
		l.waiting, l.key, l.part = false, k.Tick, 0
	}
	if l.waiting {
		c.dropSelf()
		return nil
	}
	c.holds = false
	if k.Part != l.part || k.Tick != l.key {
		return c.resync(errParts)
	}
	l.part++
	if !c.cfg.Blind {
		if err := c.shared.Apply(r, elems); err != nil {
			return c.resync(err)
		}
	}
	if !k.Last {
		return nil
	}
	l.part = 0
	return c.complete(k.Tick)
}

// complete brings the own part to the tick that the shared part is at.
func (c *Core) complete(tick game.Tick) error {
	l := &c.link
	if l.hasSelf && !c.cfg.Blind {
		own := wire.NewReader(l.self)
		if err := c.own.Apply(&own, l.selfElems); err != nil {
			return c.resync(err)
		}
	}
	l.hasSelf, l.stalled = false, false
	c.holds, c.tick, c.ack, c.slack = true, tick, l.told, l.slack
	c.stats.Frames++
	c.forgetAcked(c.ack)
	for i := range l.private {
		e := &l.private[i]
		if e.Tick > tick {
			return errors.New("event from before the first tick")
		}
		e.Tick = tick - e.Tick
	}
	c.beginEvents(sharedEvents)
	return nil
}

// onCheck compares the shared part with what the server says it is.
func (c *Core) onCheck(r *wire.Reader, n int) error {
	hash, err := wire.ReadCheck(r, n)
	if err != nil || c.cfg.Blind || !c.holds {
		return err
	}
	c.stats.Checks++
	held := c.shared.Hash()
	if held == hash {
		return nil
	}
	c.stats.WrongHashes++
	tick := c.tick
	return c.askAgain(wire.Resync{Tick: tick, Reason: wire.ResyncHash, Hash: held, Hashed: true},
		fmt.Errorf("at tick %d the state has hash %08x, the server's %08x", tick, held, hash))
}

var (
	errNoBase = errors.New("delta without a state that it starts from")
	errParts  = errors.New("part of a keyframe out of order")
)

// resync gives up the state held and asks for another.
func (c *Core) resync(cause error) error {
	return c.askAgain(wire.Resync{Reason: wire.ResyncBase}, cause)
}

func (c *Core) askAgain(q wire.Resync, cause error) error {
	l := &c.link
	c.fault = cause
	c.holds, l.waiting = false, true
	c.dropSelf()
	if l.resyncs++; l.resyncs > MaxResyncs {
		return fmt.Errorf("no state frame fits: %w", cause)
	}
	c.stats.Resyncs++
	l.out = wire.AppendResync(l.out, q)
	return nil
}

// dropSelf drops what was private to a frame that is not applied.
func (c *Core) dropSelf() {
	c.link.hasSelf, c.link.mode, c.link.private = false, noEvents, c.link.private[:0]
}

// beginEvents says to what the events that follow belong. Those of the frame
// before are complete.
func (c *Core) beginEvents(mode eventMode) {
	if c.link.mode == sharedEvents {
		c.flushEvents()
	}
	c.link.mode = mode
}

func (c *Core) onEvent(r *wire.Reader, n int) error {
	ev, elems, err := wire.ReadEvent(r, n)
	if err != nil || c.cfg.Blind || c.link.mode == noEvents {
		return err
	}
	if int(ev.Type) >= len(c.schema.Events) {
		return fmt.Errorf("event of type %d, which the schema lacks", ev.Type)
	}
	row := &c.schema.Events[ev.Type]
	if len(c.events)+len(c.link.private)+len(c.link.public) >= MaxEvents || len(c.eventLanes)+row.Lanes > maxEventLanes {
		c.loseEvents()
	}
	at := len(c.eventLanes)
	for range row.Lanes {
		c.eventLanes = append(c.eventLanes, 0)
	}
	if err := delta.DecodeEvent(row, r, elems, c.eventLanes[at:]); err != nil {
		return err
	}
	e := Event{Tick: ev.Back, Name: row.Name, Row: Row{Index: -1, names: c.eventsBy[ev.Type]}, number: int(ev.Type), at: at}
	if c.link.mode == privateEvents {
		e.Private = true
		c.link.private = append(c.link.private, e)
		return nil
	}
	if ev.Back > c.tick {
		return errors.New("event from before the first tick")
	}
	e.Tick = c.tick - ev.Back
	c.link.public = append(c.link.public, e)
	return nil
}

func (c *Core) loseEvents() {
	c.stats.EventsLost += uint64(len(c.events) + len(c.link.private) + len(c.link.public))
	c.events, c.link.private, c.link.public, c.eventLanes = c.events[:0], c.link.private[:0], c.link.public[:0], c.eventLanes[:0]
}

// flushEvents moves the events of the newest state frame to the queue, in order
// of tick, shared ones first within a tick.
func (c *Core) flushEvents() {
	private, public := c.link.private, c.link.public
	for len(private)+len(public) > 0 {
		if len(private) == 0 || len(public) > 0 && public[0].Tick <= private[0].Tick {
			c.events, public = append(c.events, public[0]), public[1:]
		} else {
			c.events, private = append(c.events, private[0]), private[1:]
		}
	}
	c.link.private, c.link.public = c.link.private[:0], c.link.public[:0]
}
