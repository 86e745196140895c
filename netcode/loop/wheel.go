package loop

import (
	"math/bits"
	"time"
)

// handle names one life of one slot: generation above, slot number below. The
// kernel carries it with each event, the wheel with each timer.
type handle uint64

func makeHandle(slot, gen uint32) handle { return handle(gen)<<32 | handle(slot) }

// wheel holds the timers of connections: a ring of buckets, one for each 16 ms,
// with handles instead of pointers. A timer set later stays where it is and is
// looked at again when its bucket comes; one set earlier gets a second entry,
// and the first, no longer named by Conn.wheelAt, is dropped when its bucket
// comes.
type wheel struct {
	buckets [wheelSlots][]handle
	used    [wheelSlots / 64]uint64 // bit i: bucket i is not empty
	done    int64                   // the last tick of the wheel that was run
	spare   []handle
}

// wheelTick is the first tick of the wheel at or after t.
func wheelTick(t time.Duration) int64 {
	n := int64(t / wheelSlot)
	if t%wheelSlot > 0 {
		n++
	}
	return n
}

// set puts a timer for c where its deadline says, unless it is already looked
// at early enough.
func (w *wheel) set(c *Conn) {
	at := min(max(wheelTick(c.deadline), w.done+1), w.done+wheelSlots-1)
	if c.wheelAt > w.done && c.wheelAt <= at {
		return
	}
	c.wheelAt = at
	i := int(at) & (wheelSlots - 1)
	w.buckets[i] = append(w.buckets[i], makeHandle(c.slot, c.gen))
	w.used[i/64] |= 1 << (i % 64)
}

// next is when advance has something to look at.
func (w *wheel) next() time.Duration {
	from := w.done + 1
	for off := int64(0); off < wheelSlots; {
		i := int(from+off) & (wheelSlots - 1)
		word := w.used[i/64] >> (i % 64)
		if word != 0 {
			return time.Duration(from+off+int64(bits.TrailingZeros64(word))) * wheelSlot
		}
		off += int64(64 - i%64)
	}
	return Never
}

// advance runs the timers that are due at now, in order of their ticks: none is passed
// over, however late the loop comes.
func (w *wheel) advance(l *Loop, now time.Duration) {
	last := int64(now / wheelSlot)
	for w.done < last {
		at := int64(w.next() / wheelSlot)
		w.done = min(at, last)
		if at <= last {
			w.run(l, int(at)&(wheelSlots-1), now)
		}
	}
}

func (w *wheel) run(l *Loop, i int, now time.Duration) {
	bucket := w.buckets[i]
	w.buckets[i], w.spare = w.spare[:0], nil // timers set from here on go to later buckets
	w.used[i/64] &^= 1 << (i % 64)
	for _, h := range bucket {
		c := l.slots.get(h)
		if c == nil || c.wheelAt == 0 || c.wheelAt > w.done {
			continue
		}
		c.wheelAt = 0
		switch {
		case c.deadline == 0:
		case wheelTick(c.deadline) > w.done:
			w.set(c) // in a late round it may be due, but behind others
		default:
			c.deadline = 0
			c.expired(now)
		}
	}
	if cap(bucket) <= keptBucket {
		w.spare = bucket[:0]
	}
}
