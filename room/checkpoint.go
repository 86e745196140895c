package room

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/roomd/roomd/game"
)

// A checkpoint of a room is, little endian: the magic, the tick (4), the lanes (2)
// and the hash (8) of an input, the number of taken seats (2) and each, rising; the
// number of letters (2) and for each the lengths of topic (2) and body (4) and
// both; then that of the simulation (game.Sim), to the end. A seat is its number
// (2), flags (1), tick of the join (4), hash of the secret (32), ack (4), drops
// (4), what the newest input applied had seen (4) and when it was applied (4), its
// lanes (4 each), milliseconds of grace left (4), the number of commands that wait
// (1) and each: sequence (4), seen (4), microseconds waited (4), lanes (4 each).
const checkpointMagic = "rmr\x02"

// Flags of a seat in a checkpoint.
const (
	seatPresent = 1 << iota
	seatLeaving
	seatFlags = 1<<iota - 1
)

// errCheckpoint is what all faults of checkpoints are.
var errCheckpoint = errors.New("room: damaged checkpoint")

// AppendCheckpoint appends all state of the room but its viewers and what they
// were told: another process goes on from it with Restore. It is called between
// ticks, after the first. now is the time of the room's clock. A game that fails at
// it ends its room, see Ended, and appends nothing.
func (r *Room) AppendCheckpoint(dst []byte, now time.Duration) []byte {
	s, before := &r.sim, dst
	dst = append(dst, checkpointMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(s.tick))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(s.width))
	dst = binary.LittleEndian.AppendUint64(dst, r.schema.Input.Hash())
	dst = binary.LittleEndian.AppendUint16(dst, uint16(s.players))
	for p := range s.seats {
		if s.seats[p].taken {
			dst = s.seats[p].append(binary.LittleEndian.AppendUint16(dst, uint16(p)), now)
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.mail)))
	for _, m := range s.mail {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(m.topic)))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.body)))
		dst = append(append(dst, m.topic...), m.body...)
	}
	if !r.between(func() { dst = s.game.AppendCheckpoint(dst) }) {
		return before
	}
	return dst
}

// between runs game code between ticks, if the room has not ended, and reports whether the
// game survived.
func (r *Room) between(f func()) bool {
	switch {
	case r.ended:
		return false
	case r.sim.guard.run(f):
		return true
	}
	r.wake() // whoever drives the room learns that it is over
	r.fail()
	return false
}

func (s *seat) append(dst []byte, now time.Duration) []byte {
	flags, grace := byte(0), time.Duration(0)
	if s.present {
		flags |= seatPresent
	} else {
		grace = max(0, s.until-now)
	}
	if s.leaving {
		flags |= seatLeaving
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(s.since))
	dst = append(dst, s.secret[:]...)
	for _, v := range [...]uint32{s.ack, s.drops, uint32(s.lastSeen), uint32(s.lastTick)} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	dst = appendLanes(dst, s.last)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(min(grace.Milliseconds(), math.MaxUint32)))
	dst = append(dst, byte(s.inbox.n))
	for i := range s.inbox.n {
		c, lanes := s.inbox.at(i)
		waited := min(max(now-c.at, 0).Microseconds(), math.MaxUint32)
		for _, v := range [...]uint32{c.seq, uint32(c.seen), uint32(waited)} {
			dst = binary.LittleEndian.AppendUint32(dst, v)
		}
		dst = appendLanes(dst, lanes)
	}
	return dst
}

func appendLanes(dst []byte, lanes []int32) []byte {
	for _, v := range lanes {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return dst
}

// Migrated reports whether the room was restored from a checkpoint of a build in which
// the game is another one: then it has another history, see SetEpoch.
func (r *Room) Migrated() bool { return r.sim.game.Migrated() }

// SetEpoch names the history of a room that Restore made, before its first tick.
func (r *Room) SetEpoch(epoch uint64) {
	r.cfg.Epoch, r.aud.epoch = epoch, epoch
	r.store(nil)
}

// Hash identifies the state of the game: rooms that go on alike have the same. A game
// that fails at it ends its room, see Ended.
func (r *Room) Hash() (hash uint64) {
	r.between(func() { hash = r.sim.game.Hash() })
	return hash
}

// Restore makes a room that goes on from a checkpoint of the same kind, with the
// tick after it due at the first moment from now on that Config.Phase allows.
// Nobody is connected: every seat waits for its player, who resumes with the
// token held, for what was left of its grace or Config.Grace. It keeps the
// history, and Config.Epoch is that of the checkpoint, only if nothing happened
// to the room since and the kind is declared as it was; else the epoch must be a
// new one. See game.Migrator for kinds that changed; if their input did, inputs
// that wait are dropped. b is untrusted and not kept.
func Restore(cfg Config, b []byte, now time.Duration) (*Room, error) {
	r, err := New(cfg, now)
	if err != nil {
		return nil, err
	}
	if err := r.load(b, now); err != nil {
		r.sim.close()
		return nil, err
	}
	return r, nil
}

// Epoch 0 of Config is filled by New; load only reads the clock's rate.
func (r *Room) load(b []byte, now time.Duration) error {
	in := &checkpointReader{b: b}
	if string(in.take(len(checkpointMagic))) != checkpointMagic {
		return fmt.Errorf("%w: not one of this version", errCheckpoint)
	}
	s := &r.sim
	tick := game.Tick(in.u32())
	in.width = int(in.u16())
	in.foreign = in.u64() != r.schema.Input.Hash()
	if !in.foreign && in.width != s.width {
		return fmt.Errorf("%w: its inputs have %d lanes, not %d", errCheckpoint, in.width, s.width)
	}
	last := 0
	for range in.u16() {
		p := int(in.u16())
		if p <= last || p > s.most {
			return fmt.Errorf("%w: seat %d after %d, of %d", errCheckpoint, p, last, s.most)
		}
		s.reach(p)
		if last = p; !in.seat(&s.seats[p], s, now) {
			return in.error()
		}
		s.players++
		s.waiting += s.seats[p].inbox.n
	}
	for range in.u16() {
		topic, body := int(in.u16()), int(in.u32())
		m := letter{string(in.take(topic)), append([]byte(nil), in.take(body)...)}
		if in.short || len(s.mail) >= MaxMail {
			return in.error()
		}
		s.mail = append(s.mail, m)
	}
	if in.short || tick == 0 || tick == math.MaxUint32 {
		return in.error()
	}
	s.begin(tick, now)
	s.started, s.stirred = true, true
	var err error
	if !s.guard.run(func() { err = s.game.LoadCheckpoint(in.b) }) {
		return fmt.Errorf("room: the game failed on its checkpoint: %s", s.guard.crash.why)
	}
	if err != nil {
		return err
	}
	for p := range s.most + 1 {
		if (p < len(s.seats) && s.seats[p].taken) != s.game.Taken(game.PlayerID(p)) {
			return fmt.Errorf("%w: the game has other seats taken", errCheckpoint)
		}
	}
	// The newest entry again, so that whoever holds it goes on from it.
	e := r.aud.ring.Next()
	if !s.capture(e) {
		return fmt.Errorf("room: the game failed on its checkpoint: %s", s.guard.crash.why)
	}
	r.aud.commit(e)
	r.clock.follow(tick)
	r.store(nil)
	return nil
}

// checkpointReader reads untrusted bytes; after the end it gives zeros.
type checkpointReader struct {
	b       []byte
	short   bool
	width   int  // lanes of its inputs
	foreign bool // its inputs mean something else than those of the kind
}

func (r *checkpointReader) take(n int) []byte {
	if n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *checkpointReader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *checkpointReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *checkpointReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *checkpointReader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *checkpointReader) error() error {
	if r.short {
		return fmt.Errorf("%w: too short", errCheckpoint)
	}
	return errCheckpoint
}

// lanes reads an input; a foreign one leaves to as it is.
func (r *checkpointReader) lanes(to []int32) {
	if r.foreign {
		r.take(4 * r.width)
		return
	}
	for i := range to {
		to[i] = int32(r.u32())
	}
}

// seat reads a seat and reports whether it is one. Its player's connection is
// gone, whatever it was.
func (r *checkpointReader) seat(st *seat, s *simulation, now time.Duration) bool {
	flags := r.u8()
	since := game.Tick(r.u32())
	var secret secretHash
	copy(secret[:], r.take(len(secret)))
	st.occupy(nil, since, secret, s.width)
	st.ack, st.drops = r.u32(), r.u32()
	st.lastSeen, st.lastTick = game.Tick(r.u32()), game.Tick(r.u32())
	r.lanes(st.last)
	st.present, st.leaving = flags&seatPresent != 0, flags&seatLeaving != 0
	st.until, st.held = now+time.Duration(r.u32())*time.Millisecond, now+claimFor
	n := int(r.u8())
	if r.short || flags&^seatFlags != 0 || n > InboxSize {
		return false
	}
	if r.foreign {
		st.lastSeen, st.lastTick = 0, 0
	}
	lanes := make([]int32, s.width)
	for range n {
		c := command{seq: r.u32(), seen: game.Tick(r.u32())}
		c.at = now - time.Duration(r.u32())*time.Microsecond
		if r.lanes(lanes); r.foreign {
			st.ack = c.seq
			st.drops++
			continue
		}
		st.inbox.push(c, lanes)
	}
	return !r.short
}
