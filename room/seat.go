package room

import (
	"time"

	"github.com/roomd/roomd/game"
)

// seat is what the room keeps of one player, connected or not.
type seat struct {
	taken   bool
	present bool          // as the game was last told
	leaving bool          // gives up the seat at the next tick
	viewer  *Viewer       // nil while the connection is broken
	until   time.Duration // when the seat is freed; counts while not present
	held    time.Duration // until when a player without a viewer counts as present
	since   game.Tick     // tick of the join
	secret  secretHash

	inbox inbox
	ack   uint32 // newest sequence applied or dropped
	drops uint32 // inputs dropped, modulo 2^32
	slack int16  // quarter ticks that the applied input waited, -1 without one

	// The newest input applied, for the policy Repeat.
	last     []int32
	lastSeen game.Tick
	lastTick game.Tick // when it was applied, 0 for never
}

// occupy gives the free seat to a new player, keeping only its memory.
func (s *seat) occupy(v *Viewer, now game.Tick, secret secretHash, width int) {
	box, last := s.inbox, s.last
	if last == nil && width > 0 {
		box, last = inbox{width: width}, make([]int32, width)
	}
	box.clear()
	clear(last)
	*s = seat{taken: true, present: true, viewer: v, since: now, secret: secret, slack: -1, inbox: box, last: last}
}

// free forgets the player, keeping only memory.
func (s *seat) free() {
	box, last := s.inbox, s.last
	box.clear()
	clear(last)
	*s = seat{inbox: box, last: last}
}

// newest is the sequence of the newest command known.
func (s *seat) newest() uint32 {
	if s.inbox.n == 0 {
		return s.ack
	}
	c, _ := s.inbox.at(s.inbox.n - 1)
	return c.seq
}

// put queues a command and reports whether the oldest was dropped for it.
func (s *seat) put(c command, lanes []int32) (dropped bool) {
	if s.inbox.full() {
		old, _ := s.inbox.pop()
		s.ack = old.seq
		s.drops++
		dropped = true
	}
	s.inbox.push(c, lanes)
	return dropped
}

// take is the seat's input for a tick. lanes are valid until the next put; nil
// is a zero input.
func (s *seat) take(clock *clock, tick, repeat game.Tick, now time.Duration) (st game.State, seen game.Tick, lanes []int32) {
	if s.inbox.n > 0 {
		c, lanes := s.inbox.pop()
		s.ack = c.seq
		s.slack = quarters(clock, now-c.at)
		s.lastSeen, s.lastTick = c.seen, tick
		copy(s.last, lanes)
		return game.Fresh, c.seen, lanes
	}
	s.slack = -1
	if s.lastTick != 0 && tick-s.lastTick <= repeat {
		return game.Repeated, s.lastSeen, s.last
	}
	return game.Missed, 0, nil
}

// quarters is a wait in whole quarter ticks.
func quarters(c *clock, wait time.Duration) int16 {
	q := int64(max(wait, 0)) * 4 / int64(c.span(1))
	return int16(min(q, maxSlack))
}
