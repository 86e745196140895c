package room

import (
	"sync"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// Scratch is what a room needs only while it runs: a coroutine for game code, and
// memory to encode with. Rooms that share one have as much of it as run at once, and
// what one has used is warm for the next. Any goroutine's rooms may share it, those of
// one loop do so best. The zero Scratch works; Close ends it.
type Scratch struct {
	mu         sync.Mutex
	coroutines []*coroutine
	casts      map[*game.Schema][]*cast
}

// cast is what frames are made with, and the groups of the broadcast under way.
type cast struct {
	enc    *delta.Encoder
	groups []group
	index  map[groupKey]int // into groups
	hashes []teamHash
	body   []byte // of a part of a keyframe
}

// SetScratch replaces Config.Scratch, where that was not nil. The room's goroutine
// calls it, before the first tick or between two.
func (r *Room) SetScratch(s *Scratch) {
	if r.sim.guard.shared != nil {
		r.sim.guard.shared, r.aud.scratch = s, s
	}
}

// Close ends the coroutines, which are goroutines to the runtime. No room that shares
// the Scratch runs meanwhile; one that does later makes another.
func (s *Scratch) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.coroutines {
		c.close()
	}
	s.coroutines, s.casts = nil, nil
}

func (s *Scratch) coroutine() *coroutine {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.coroutines)
	if n == 0 {
		return &coroutine{}
	}
	c := s.coroutines[n-1]
	s.coroutines = s.coroutines[:n-1]
	return c
}

func (s *Scratch) putCoroutine(c *coroutine) {
	s.mu.Lock()
	s.coroutines = append(s.coroutines, c)
	s.mu.Unlock()
}

func (s *Scratch) cast(schema *game.Schema) *cast {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.casts[schema]
	n := len(list)
	if n == 0 {
		return &cast{enc: delta.NewEncoder(schema), index: map[groupKey]int{}}
	}
	s.casts[schema] = list[:n-1]
	return list[n-1]
}

func (s *Scratch) putCast(schema *game.Schema, c *cast) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.casts == nil {
		s.casts = map[*game.Schema][]*cast{}
	}
	s.casts[schema] = append(s.casts[schema], c)
}

// lend gives the audience what it encodes with and reports whether it had not got it:
// then the caller gives it back.
func (a *audience) lend() bool {
	if a.cast != nil {
		return false
	}
	a.cast = a.scratch.cast(a.schema)
	return true
}

func (a *audience) giveBack() {
	a.scratch.putCast(a.schema, a.cast)
	a.cast = nil
}
