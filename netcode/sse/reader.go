package sse

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/roomd/roomd/game"
)

// Sink is where a reader's bytes go: a connection of the loop, or a handler of
// net/http. Its methods are called on the log's goroutine.
type Sink interface {
	// Offer takes private, valid until return, and then block, either of which may
	// be nil, or nothing at all and returns false: the reader tries again later.
	Offer(private []byte, block *Block) bool
	// End sends last, valid until return, behind all that was offered, and then
	// closes the connection.
	End(last []byte)
}

// Request is what a reader asks for.
type Request struct {
	Format Format
	Gzip   bool
	Delay  time.Duration
	// Epoch and Tick are the cursor that the reader holds, if HasCursor.
	Epoch     uint64
	Tick      game.Tick
	HasCursor bool
	// Head is sent before all else: the head of the response, made by the
	// transport once it knows from Plain whether the answer is compressed.
	Head func(gzip bool) []byte
}

// Reader is one response: a place in a feed.
type Reader struct {
	log    *Log
	feed   *feed
	tier   *tier
	sink   Sink
	packed bool
	gone   bool
	jumped bool // head says so
	next   uint64
	head   []byte        // not yet taken
	behind time.Duration // since when nothing was taken; 0: it is up to date
	until  time.Duration // when the response ends
	slot   int           // in tier.readers
}

// reason says why a reader does not go on where it was.
type reason uint8

const (
	resetEpoch   reason = iota // the cursor is of another history
	resetExpired               // of a tick that is not kept
	resetFuture                // of a tick that is still to come
	resetSlow                  // the reader took too long
	numReasons
)

var reasons = [numReasons]string{"epoch", "expired", "future", "slow"}

// Reasons are the names of Stats.Resets.
func Reasons() []string { return reasons[:] }

// Read brings a reader in. It is sent the head, a hello, a reset if it cannot go
// on from its cursor, and the stream from the newest keyframe that is due, or
// from its cursor exactly. It returns nil when the log is over or full.
func (l *Log) Read(now time.Duration, q Request, s Sink) *Reader {
	if l.over || l.readers >= MaxReaders {
		return nil
	}
	f, t := l.place(now, q)
	r := &Reader{
		log: l, feed: f, tier: t, sink: s, packed: q.Gzip, slot: len(t.readers),
		until: now + time.Duration((0.8+0.2*rand.Float64())*float64(maxAge)),
	}
	t.readers = append(t.readers, r)
	l.readers++
	next, why, reset := l.start(f, t, q)
	r.next = next
	// A compressed stream begins with a group: who goes on within one reads plain.
	if r.packed = q.Gzip && !(q.HasCursor && !reset); r.packed {
		f.pack(next)
	}
	// The head is long and most sinks take it at once: it is made in a buffer that
	// all readers share.
	head := q.Format.appendRetry(l.head[:0])
	head = l.appendHello(q.Format.beginHello(head), now, f, t)
	head = q.Format.endHello(head)
	if reset {
		l.stats.Resets[why]++
		head = appendReset(head, q.Format, why)
	}
	l.head = head
	if r.head = append(l.first[:0], q.Head(r.packed)...); r.packed {
		r.head = appendStored(append(r.head, gzipHead...), head)
	} else {
		r.head = append(r.head, head...)
	}
	l.first = r.head
	if r.pump(now); len(r.head) > 0 {
		r.head = bytes.Clone(r.head)
	}
	l.cfg.Wake()
	return r
}

// place is the feed and the tier of a request, the feed with an entry if the
// room has one.
func (l *Log) place(now time.Duration, q Request) (*feed, *tier) {
	f := l.feeds[q.Format]
	if f == nil {
		f = &feed{format: q.Format, first: 1, keyAt: -DefaultGroup}
		l.feeds[q.Format] = f
		l.begin(f, now)
	}
	f.idle = 0
	delay := q.Delay
	if f.most > 0 {
		delay = min(delay, f.most)
	}
	delay = max(delay, l.cfg.MinDelay)
	delay = min((delay+delayStep-1)/delayStep*delayStep, MaxDelay)
	return f, f.tier(delay, now)
}

// start is where a reader begins.
func (l *Log) start(f *feed, t *tier, q Request) (next uint64, why reason, reset bool) {
	next = f.group(t.head)
	if !q.HasCursor {
		return next, 0, false
	}
	switch n, exact := f.find(q.Tick, t.head); {
	case q.Epoch != l.cfg.Epoch:
		return next, resetEpoch, true
	case t.head > f.first && f.tickBefore(t.head) < q.Tick || t.head == f.first && q.Tick > l.base:
		return next, resetFuture, true
	case !exact:
		return next, resetExpired, true
	default:
		return n + 1, 0, false
	}
}

// tickBefore is the tick of the newest entry before n.
func (f *feed) tickBefore(n uint64) game.Tick { return f.at(n - 1).tick }

func appendReset(dst []byte, f Format, why reason) []byte {
	return f.appendEvent(dst, "reset", "", append(append([]byte(`{"reason":"`), reasons[why]...), `"}`...))
}

// appendHello appends the members of a hello. The tick is that of the newest entry
// that is due for the reader, never the room's.
func (l *Log) appendHello(dst []byte, now time.Duration, f *feed, t *tier) []byte {
	dst = append(dst, l.hello...)
	dst = strconv.AppendFloat(append(dst, `,"delay":`...), t.delay.Seconds(), 'f', -1, 64)
	if t.head > f.first {
		dst = strconv.AppendUint(append(dst, `,"tick":`...), uint64(f.tickBefore(t.head)), 10)
	} else {
		wait := t.delay
		if len(f.entries) > 0 {
			wait = max(0, f.entries[0].at+t.delay-now)
		}
		dst = strconv.AppendInt(append(dst, `,"startsInMs":`...), wait.Milliseconds(), 10)
	}
	return dst
}

// Leave takes the reader out; its connection is gone.
func (r *Reader) Leave() {
	if r.gone {
		return
	}
	r.gone = true
	list := r.tier.readers
	last := len(list) - 1
	list[r.slot] = list[last]
	list[r.slot].slot = r.slot
	list[last] = nil
	r.tier.readers = list[:last]
	r.log.readers--
}

// finish ends the response.
func (r *Reader) finish(last []byte) {
	r.Leave()
	r.sink.End(last)
}

// pump offers what is due until the sink is full.
func (r *Reader) pump(now time.Duration) {
	l, f := r.log, r.feed
	if len(r.head) > 0 && r.next >= r.tier.head && !r.send(now, nil) {
		return
	}
	for r.next < r.tier.head {
		if g := f.group(r.tier.head); r.next < f.first || r.lapped(g) {
			r.jump(g)
		}
		e := f.at(r.next)
		block := e.plain
		if r.packed {
			block = e.packed
		}
		if !r.send(now, block) {
			return
		}
		l.stats.Raw += uint64(len(e.plain.b))
		l.stats.Wire += uint64(len(block.b))
		r.next++
		if e.last || now >= r.until {
			r.finish(nil)
			return
		}
	}
}

// jump gives up what lies between the reader and group g, and says so.
func (r *Reader) jump(g uint64) {
	r.next = g
	if r.jumped {
		return
	}
	r.jumped = true
	r.log.stats.Skips++
	r.log.stats.Resets[resetSlow]++
	reset := appendReset(nil, r.feed.format, resetSlow)
	if r.packed {
		reset = appendStored(nil, reset)
	}
	r.head = append(r.head, reset...)
}

// lapped reports whether a whole group lies between the reader and the newest
// group g.
func (r *Reader) lapped(g uint64) bool {
	for n := r.next + 1; n < g; n++ {
		if r.feed.at(n).key {
			return true
		}
	}
	return false
}

// send offers a block behind what is left of the head.
func (r *Reader) send(now time.Duration, block *Block) bool {
	if r.sink.Offer(r.head, block) {
		r.head, r.behind, r.jumped = nil, 0, false
		return true
	}
	switch {
	case r.gone:
	case r.behind == 0:
		r.behind = max(now, 1)
	case now-r.behind >= stall:
		r.log.stats.Stalled++
		r.finish(nil)
	}
	return false
}
