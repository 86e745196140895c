package delta

import (
	"slices"
	"sort"

	"github.com/roomd/roomd/game"
)

// Ring is a room's history: its newest entries, by count, so that they stay
// however long a sleeping room makes no new ones. The few that most viewers need
// are held as they are, the others packed until they are asked for. Entries are
// recycled; when warm it does not allocate, unless viewers lag. It belongs to the
// room's goroutine.
type Ring struct {
	schema *game.Schema
	open   []*game.Entry // the newest, newest first
	old    archive       // those before
	kept   []kept        // of old, those that were asked for, and those just unpinned
	pins   [MaxPins]pin
	free   []*game.Entry
	next   *game.Entry
	told   *game.Entry // events of Oldest
}

type pin struct {
	e     *game.Entry
	count int
}

// kept is an entry that is packed, and held as it was for as long as every tick
// asks for it.
type kept struct {
	e     *game.Entry
	asked bool // since the last Commit
}

// NewRing returns an empty ring for the newest capacity entries, at least 2.
func NewRing(s *game.Schema, capacity int) *Ring {
	capacity = max(capacity, 2)
	open := min(capacity, openEntries)
	return &Ring{schema: s, open: make([]*game.Entry, 0, open), old: newArchive(capacity - open)}
}

// Next is the entry to fill for the coming Commit: a recycled one, whose old
// content must be overwritten. It is the same entry until Commit.
func (r *Ring) Next() *game.Entry {
	if r.next != nil {
		return r.next
	}
	r.next = r.spare()
	return r.next
}

// spare is an entry to be filled.
func (r *Ring) spare() *game.Entry {
	n := len(r.free)
	if n == 0 {
		return r.schema.NewEntry(0)
	}
	e := r.free[n-1]
	r.free = r.free[:n-1]
	return e
}

// recycle takes back an entry that is held no more, unless it is pinned.
func (r *Ring) recycle(e *game.Entry) {
	if r.pinned(e) == nil && len(r.free) < spareEntries {
		r.free = append(r.free, e)
	}
}

// Commit makes e, which Next gave, the newest entry; it is immutable from now
// on. The oldest entry beyond the capacity is recycled unless it is pinned.
// Ticks must rise: anything else is a fault of the caller and panics.
func (r *Ring) Commit(e *game.Entry) {
	if e != r.next {
		panic("delta: Commit of an entry that Next did not give")
	}
	if last := r.Newest(); last != nil && e.Tick <= last.Tick {
		panic("delta: Commit of an entry that is not newer")
	}
	r.next = nil
	if n := len(r.open); n < cap(r.open) {
		r.open = append(r.open, e)
	} else {
		last := r.open[n-1]
		r.old.push(last, r.open[n-2])
		r.recycle(last)
	}
	copy(r.open[1:], r.open)
	r.open[0] = e
	r.sweep()
}

// sweep lets entries go that the tick before did not ask for.
func (r *Ring) sweep() {
	n := 0
	for _, k := range r.kept {
		if !k.asked || k.e.Tick < r.tick(0) {
			r.recycle(k.e)
			continue
		}
		r.kept[n] = kept{e: k.e}
		n++
	}
	clear(r.kept[n:])
	r.kept = r.kept[:n]
}

// Newest is the newest entry, or nil.
func (r *Ring) Newest() *game.Entry {
	if len(r.open) == 0 {
		return nil
	}
	return r.open[0]
}

// Oldest is the tick of the oldest entry that is held without a pin, and its
// events, valid until the next call: nothing of an empty ring.
func (r *Ring) Oldest() (game.Tick, []game.EventRecord) {
	switch {
	case r.Len() == 0:
		return 0, nil
	case r.old.n == 0:
		e := r.open[len(r.open)-1]
		return e.Tick, e.Events
	}
	if r.told == nil {
		r.told = &game.Entry{}
	}
	r.old.events(0, r.schema, r.told)
	return r.tick(0), r.told.Events
}

// Len is the number of entries held without a pin.
func (r *Ring) Len() int { return r.old.n + len(r.open) }

// At is the entry of a tick, or nil when the room made none or it is gone. It
// is valid until the next Commit, or until the one after Unpin when pinned.
func (r *Ring) At(tick game.Tick) *game.Entry {
	if i := r.since(tick); i < r.Len() && r.tick(i) == tick {
		return r.entry(i)
	}
	for i := range r.pins {
		if p := &r.pins[i]; p.e != nil && p.e.Tick == tick {
			return p.e
		}
	}
	return nil
}

// Pin keeps e findable by At until Unpin, however old it gets. Pins are
// counted, one Unpin for each. It reports false, and pins nothing, when e is
// not held or MaxPins other entries are pinned.
func (r *Ring) Pin(e *game.Entry) bool {
	if e == nil || e == r.next || r.At(e.Tick) != e {
		return false
	}
	if p := r.pinned(e); p != nil {
		p.count++
		return true
	}
	for i := range r.pins {
		if p := &r.pins[i]; p.e == nil {
			*p = pin{e, 1}
			return true
		}
	}
	return false
}

// Unpin undoes one Pin. It does nothing for an entry that is not pinned.
func (r *Ring) Unpin(e *game.Entry) {
	p := r.pinned(e)
	if p == nil {
		return
	}
	if p.count--; p.count > 0 {
		return
	}
	*p = pin{}
	if !slices.Contains(r.open, e) && !slices.ContainsFunc(r.kept, func(k kept) bool { return k.e == e }) {
		r.kept = append(r.kept, kept{e: e}) // others may be at it until the next Commit
	}
}

func (r *Ring) pinned(e *game.Entry) *pin {
	for i := range r.pins {
		if p := &r.pins[i]; e != nil && p.e == e {
			return p
		}
	}
	return nil
}

// tick is that of entry i, counted from the oldest.
func (r *Ring) tick(i int) game.Tick {
	if i < r.old.n {
		return r.old.record(i).tick
	}
	return r.opened(i).Tick
}

// opened is entry i, which is one of those open.
func (r *Ring) opened(i int) *game.Entry { return r.open[len(r.open)-1-(i-r.old.n)] }

func (r *Ring) hasEvents(i int) bool {
	if i < r.old.n {
		return r.old.hasEvents(i)
	}
	return len(r.opened(i).Events) > 0
}

// entry is entry i. A packed one is unpacked with all between it and the next that
// is not, so that who goes through them in order unpacks each once.
func (r *Ring) entry(i int) *game.Entry {
	e, at := r.whole(i), i
	for e == nil {
		at++
		e = r.whole(at)
	}
	for at > i {
		at--
		next := e
		e = r.spare()
		r.old.unpack(at, r.schema, next, e)
		r.kept = append(r.kept, kept{e, true})
	}
	return e
}

// whole is entry i unless it is packed only.
func (r *Ring) whole(i int) *game.Entry {
	if i >= r.old.n {
		return r.opened(i)
	}
	tick := r.old.record(i).tick
	for j := range r.kept {
		if k := &r.kept[j]; k.e.Tick == tick {
			k.asked = true
			return k.e
		}
	}
	for j := range r.pins {
		if p := &r.pins[j]; p.e != nil && p.e.Tick == tick {
			return p.e
		}
	}
	return nil
}

// since is the place of the oldest entry that is not before tick. Most are asked
// for the newest.
func (r *Ring) since(tick game.Tick) int {
	n := r.Len()
	for i := n - 1; i >= r.old.n; i-- {
		if r.tick(i) < tick {
			return i + 1
		}
	}
	return sort.Search(r.old.n, func(i int) bool { return r.tick(i) >= tick })
}
