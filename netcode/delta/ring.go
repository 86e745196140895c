package delta

import (
	"sort"

	"github.com/roomd/roomd/game"
)

// Ring is a room's history: its newest entries, by count, so that they stay
// however long a sleeping room makes no new ones. Entries are recycled; when
// warm it does not allocate. It belongs to the room's goroutine.
type Ring struct {
	schema   *game.Schema
	entries  []*game.Entry // circular; entries[first] is the oldest
	first, n int
	pins     [MaxPins]pin
	free     []*game.Entry
	next     *game.Entry
}

type pin struct {
	e     *game.Entry
	count int
}

// NewRing returns an empty ring for the newest capacity entries, at least 2.
func NewRing(s *game.Schema, capacity int) *Ring {
	capacity = max(capacity, 2)
	return &Ring{
		schema:  s,
		entries: make([]*game.Entry, capacity),
		free:    make([]*game.Entry, 0, capacity+MaxPins+1),
	}
}

// Next is the entry to fill for the coming Commit: a recycled one, whose old
// content must be overwritten. It is the same entry until Commit.
func (r *Ring) Next() *game.Entry {
	if r.next != nil {
		return r.next
	}
	if n := len(r.free); n > 0 {
		r.next = r.free[n-1]
		r.free = r.free[:n-1]
	} else {
		r.next = r.schema.NewEntry(0)
	}
	return r.next
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
	if r.n == len(r.entries) {
		old := r.entries[r.first]
		r.entries[r.first] = nil
		r.first = (r.first + 1) % len(r.entries)
		r.n--
		if r.pinned(old) == nil {
			r.free = append(r.free, old)
		}
	}
	r.entries[(r.first+r.n)%len(r.entries)] = e
	r.n++
}

// Newest is the newest entry, or nil.
func (r *Ring) Newest() *game.Entry {
	if r.n == 0 {
		return nil
	}
	return r.at(r.n - 1)
}

// Oldest is the oldest entry that is held without a pin, or nil.
func (r *Ring) Oldest() *game.Entry {
	if r.n == 0 {
		return nil
	}
	return r.at(0)
}

// Len is the number of entries held without a pin.
func (r *Ring) Len() int { return r.n }

// At is the entry of a tick, or nil when the room made none or it is gone. It
// is valid until the next Commit, or until Unpin when pinned.
func (r *Ring) At(tick game.Tick) *game.Entry {
	if i := r.since(tick); i < r.n && r.at(i).Tick == tick {
		return r.at(i)
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
	if r.n == 0 || e.Tick < r.at(0).Tick {
		r.free = append(r.free, e)
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

func (r *Ring) at(i int) *game.Entry { return r.entries[(r.first+i)%len(r.entries)] }

// since is the place of the oldest entry that is not before tick.
func (r *Ring) since(tick game.Tick) int {
	return sort.Search(r.n, func(i int) bool { return r.at(i).Tick >= tick })
}
