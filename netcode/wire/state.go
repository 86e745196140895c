package wire

import (
	"math"

	"github.com/roomd/roomd/game"
)

// The heads of state frames, self and events. Each Begin is followed by the
// elements of a body, then by the End of the same name with their number n:
//
//	dst, mark := wire.BeginDelta(dst, back)
//	dst, n := encoder.AppendBody(dst, ...)
//	dst = wire.EndDelta(dst, mark, n)
//
// Each Read takes the n elements after the kind and returns how many of them
// are the body's, which the reader is then at.

// Elements of the heads, kind included.
const (
	deltaHead    = 2
	selfHead     = 4
	keyframeHead = 4
	eventHead    = 3
)

// Predicted in place of a delta's back says that it is one tick and that the body
// tells differences from a prediction (section 6.8).
const Predicted game.Tick = 0

// BeginDelta begins a delta from the state back ticks ago, or one that is
// Predicted (section 6.1).
func BeginDelta(dst []byte, back game.Tick) (out []byte, mark int) {
	dst, mark = BeginArray(dst)
	return AppendUint(append(dst, byte(KindDelta)), uint64(back)), mark
}

// EndDelta ends a delta whose body has n elements.
func EndDelta(dst []byte, mark, n int) []byte { return EndArray(dst, mark, deltaHead+n) }

// ReadDelta reads the head of a delta: back may be Predicted.
func ReadDelta(r *Reader, n int) (back game.Tick, elems int, err error) {
	e := elements{r: *r, left: n, kind: KindDelta}
	back = game.Tick(e.uint("back", math.MaxUint32))
	return back, e.left, e.end(r)
}

// Self is the head of what a player alone is told (section 6.3).
type Self struct {
	DAck  uint32 // ack - the ack last told on this connection
	Slack int16  // quarter ticks that the input of this tick waited, -1 for no fresh one
	Drops uint32 // inputs dropped since the last self
}

// BeginSelf begins a self.
func BeginSelf(dst []byte, s Self) (out []byte, mark int) {
	dst, mark = BeginArray(dst)
	dst = AppendUint(append(dst, byte(KindSelf)), uint64(s.DAck))
	dst = AppendInt(dst, int64(s.Slack))
	return AppendUint(dst, uint64(s.Drops)), mark
}

// EndSelf ends a self whose body has n elements.
func EndSelf(dst []byte, mark, n int) []byte { return EndArray(dst, mark, selfHead+n) }

// ReadSelf reads the head of a self.
func ReadSelf(r *Reader, n int) (s Self, elems int, err error) {
	e := elements{r: *r, left: n, kind: KindSelf}
	s.DAck = uint32(e.uint("dack", math.MaxUint32))
	s.Slack = int16(e.int("slack", -1, math.MaxInt16))
	s.Drops = uint32(e.uint("drops", math.MaxUint32))
	return s, e.left, e.end(r)
}

// Keyframe is the head of a part of a state from nothing (section 6.2).
type Keyframe struct {
	Tick game.Tick
	Part uint16 // from 0
	Last bool   // the state is complete
}

// BeginKeyframe begins a part of a keyframe.
func BeginKeyframe(dst []byte, k Keyframe) (out []byte, mark int) {
	dst, mark = BeginArray(dst)
	dst = AppendUint(append(dst, byte(KindKeyframe)), uint64(k.Tick))
	dst = AppendUint(dst, uint64(k.Part))
	if k.Last {
		return append(dst, 1), mark
	}
	return append(dst, 0), mark
}

// EndKeyframe ends a part whose body has n elements.
func EndKeyframe(dst []byte, mark, n int) []byte { return EndArray(dst, mark, keyframeHead+n) }

// ReadKeyframe reads the head of a part of a keyframe.
func ReadKeyframe(r *Reader, n int) (k Keyframe, elems int, err error) {
	e := elements{r: *r, left: n, kind: KindKeyframe}
	k.Tick = game.Tick(e.uint("tick", math.MaxUint32))
	k.Part = uint16(e.uint("part", math.MaxUint16))
	k.Last = e.uint("last", 1) == 1
	return k, e.left, e.end(r)
}

// AppendCheck appends the hash of the shared store as of the state frame before
// (section 9.4).
func AppendCheck(dst []byte, hash uint32) []byte {
	return AppendUint(append(AppendArrayHead(dst, 2), byte(KindCheck)), uint64(hash))
}

// ReadCheck reads the n elements after the kind.
func ReadCheck(r *Reader, n int) (hash uint32, err error) {
	e := elements{r: *r, left: n, kind: KindCheck}
	hash = uint32(e.uint("hash", math.MaxUint32))
	return hash, e.end(r)
}

// Event is the head of an event (section 7).
type Event struct {
	Back game.Tick // ticks before the state frame that it belongs to
	Type uint8     // number of the event in the schema
}

// AppendEventHead appends an event up to its values, of which the caller
// appends n next.
func AppendEventHead(dst []byte, ev Event, n int) []byte {
	dst = AppendArrayHead(dst, eventHead+n)
	dst = AppendUint(append(dst, byte(KindEvent)), uint64(ev.Back))
	return AppendUint(dst, uint64(ev.Type))
}

// ReadEvent reads the head of an event.
func ReadEvent(r *Reader, n int) (ev Event, elems int, err error) {
	e := elements{r: *r, left: n, kind: KindEvent}
	ev.Back = game.Tick(e.uint("back", math.MaxUint32))
	ev.Type = uint8(e.uint("type", game.MaxEvents-1))
	return ev, e.left, e.end(r)
}
