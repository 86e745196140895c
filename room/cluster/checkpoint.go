package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"
)

// A checkpoint is kept under its room and term, as one of these forms (1 byte) and
// what is said there.
const (
	formWhole  = iota + 1 // the packed state
	formPieces            // a manifest as JSON; the pieces are keys of their own
)

// manifest names the complete states of a room under a term that are in pieces, the
// newest first: the one before is there until the next is complete too.
type manifest struct {
	States []pieces `json:"states"`
}

// pieces is a packed state in keys of the checkpoint's, a generation and a number
// each.
type pieces struct {
	Gen   uint64 `json:"gen"`
	Count int    `json:"count"`
	Size  int    `json:"size"`
	Hash  []byte `json:"hash"` // SHA-256
}

// keeper remembers what is kept in pieces of the rooms here.
type keeper struct {
	mu    sync.Mutex // held while one is saved
	rooms map[string]*kept
}

type kept struct {
	term uint64
	gen  uint64 // the last that was begun
	manifest
	junk []uint64 // generations that no manifest names
}

// keptStates is how many complete states a manifest names.
const keptStates = 2

var errIncomplete = errors.New("pieces are missing or damaged")

// checkpointKey names a room's state under a term. Owners write under their own: one
// that was replaced and does not know it yet overwrites nothing.
func checkpointKey(room string, term uint64) string {
	return room + "." + strconv.FormatUint(term, 10)
}

func pieceKey(key string, gen uint64, n int) string { return fmt.Sprintf("%s.%d.%d", key, gen, n) }

// save keeps a packed state, in pieces if it is larger than one.
func (s *store) save(ctx context.Context, room string, term uint64, packed []byte, size int) error {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	key, k := checkpointKey(room, term), s.kept.rooms[room]
	if len(packed) <= size {
		_, err := s.checkpoints.Put(ctx, key, append([]byte{formWhole}, packed...))
		if err == nil && k != nil && k.term == term {
			delete(s.kept.rooms, room)
			s.purgeStates(ctx, key+".>")
		}
		return err
	}
	if k == nil || k.term != term {
		k = &kept{term: term}
		s.kept.rooms[room] = k
	}
	return s.savePieces(ctx, key, k, packed, size)
}

// savePieces writes the manifest last, so that it names nothing that is not there.
func (s *store) savePieces(ctx context.Context, key string, k *kept, packed []byte, size int) error {
	k.gen++
	k.junk = append(k.junk, k.gen)
	hash := sha256.Sum256(packed)
	p := pieces{Gen: k.gen, Size: len(packed), Hash: hash[:]}
	for at := 0; at < len(packed); at += size {
		if _, err := s.checkpoints.Put(ctx, pieceKey(key, k.gen, p.Count), packed[at:min(at+size, len(packed))]); err != nil {
			return err
		}
		p.Count++
	}
	next := manifest{States: append([]pieces{p}, k.States...)}
	over := next.States[min(keptStates, len(next.States)):]
	next.States = next.States[:len(next.States)-len(over)]
	text, err := json.Marshal(next)
	if err != nil {
		panic(err) // numbers: cannot be
	}
	if _, err := s.checkpoints.Put(ctx, key, append([]byte{formPieces}, text...)); err != nil {
		return err // the manifest may be there all the same: its pieces are junk when the next one is
	}
	k.manifest, k.junk = next, k.junk[:len(k.junk)-1]
	for _, p := range over {
		k.junk = append(k.junk, p.Gen)
	}
	for len(k.junk) > 0 && s.purgeStates(ctx, fmt.Sprintf("%s.%d.>", key, k.junk[0])) == nil {
		k.junk = k.junk[1:]
	}
	return nil
}

// purgeStates removes keys without a trace; their TTL ends what is left.
func (s *store) purgeStates(ctx context.Context, keys string) error {
	return s.states.Purge(ctx, jetstream.WithPurgeSubject("$KV."+checkpointBucket+"."+keys))
}

// load is the newest complete state of a room before a term; nil when there is none.
func (s *store) load(ctx context.Context, room string, term uint64) ([]byte, error) {
	for t := term; t > 0 && t+termsBack > term; {
		t--
		state, err := s.loadTerm(ctx, checkpointKey(room, t))
		if state != nil || err != nil {
			return state, err
		}
	}
	return nil, nil
}

// loadTerm looks again when something is missing: reads may be old.
func (s *store) loadTerm(ctx context.Context, key string) ([]byte, error) {
	for try := 1; ; try++ {
		e, err := s.checkpoints.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		state, err := s.assemble(ctx, key, e.Value(), try == loadTries)
		switch {
		case err == nil:
			return state, nil
		case !errors.Is(err, errIncomplete):
			return nil, err
		case try == loadTries:
			s.log.Error("a checkpoint is damaged, an older one has to do", "key", key)
			return nil, nil
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// assemble is the state of a checkpoint; with older, one before the newest will do.
func (s *store) assemble(ctx context.Context, key string, value []byte, older bool) ([]byte, error) {
	if len(value) == 0 {
		return nil, errIncomplete
	}
	var m manifest
	switch value[0] {
	case formWhole:
		return whole(value[1:])
	case formPieces:
		if json.Unmarshal(value[1:], &m) != nil {
			return nil, errIncomplete
		}
	}
	for i, p := range m.States {
		if i > 0 && !older {
			break
		}
		packed, err := s.fetch(ctx, key, p)
		if err == nil {
			return whole(packed)
		}
		if !errors.Is(err, errIncomplete) {
			return nil, err
		}
	}
	return nil, errIncomplete
}

func whole(packed []byte) ([]byte, error) {
	state, err := unpack(packed)
	if err != nil {
		return nil, errIncomplete
	}
	return state, nil
}

// fetch puts the pieces of a state together.
func (s *store) fetch(ctx context.Context, key string, p pieces) ([]byte, error) {
	if p.Size < 0 || p.Size > s2.MaxEncodedLen(maxState) {
		return nil, errIncomplete
	}
	var packed []byte
	for n := range p.Count {
		e, err := s.checkpoints.Get(ctx, pieceKey(key, p.Gen, n))
		if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && len(e.Value()) > p.Size-len(packed) {
			return nil, errIncomplete
		}
		if err != nil {
			return nil, err
		}
		packed = append(packed, e.Value()...)
	}
	if hash := sha256.Sum256(packed); len(packed) != p.Size || !bytes.Equal(hash[:], p.Hash) {
		return nil, errIncomplete
	}
	return packed, nil
}

// forget deletes the states of a room that is over or has newer ones.
func (s *store) forget(ctx context.Context, room string, term uint64) {
	s.kept.mu.Lock()
	if k := s.kept.rooms[room]; k != nil && k.term == term {
		delete(s.kept.rooms, room)
	}
	s.kept.mu.Unlock()
	key := checkpointKey(room, term)
	if s.purgeStates(ctx, key) == nil {
		s.purgeStates(ctx, key+".>")
	}
}

const (
	// checkpointTTL is how long a state is kept that nobody renews.
	checkpointTTL = 24 * time.Hour
	// termsBack is over how many terms a state is looked for: owners save when they
	// begin, and only those that died before that leave none.
	termsBack = 16
	// loadTries is how often a state is looked for before an older one will do.
	loadTries = 3
	// saveTime bounds one write of a state, with pieceTime more for each piece, and
	// loadTime one attempt to read it.
	saveTime  = 5 * time.Second
	pieceTime = 200 * time.Millisecond
	loadTime  = 30 * time.Second
)
