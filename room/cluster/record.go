package cluster

import (
	"slices"
	"time"
)

// SID names one start of a node and is never used again: a node that lost its
// lease comes back under another.
type SID string

// Rev is the revision of a key in the store: it rises with every change of any
// key. 0 is a key that is not there.
type Rev uint64

// Lease is the record of a node.
type Lease struct {
	N    uint64 `json:"n"`              // renewals
	Dead bool   `json:"dead,omitempty"` // for ever
	By   SID    `json:"by,omitempty"`   // who killed it
	// Lasts is Config.Lease of the node: rescuers that are set up with a shorter one wait
	// for this.
	Lasts time.Duration `json:"lasts,omitempty"`
	// About tells others of the node; it means nothing to the protocol.
	About About `json:"about"`
}

// About is what a node says of itself with each renewal.
type About struct {
	Name    string  `json:"name"`
	URL     string  `json:"url,omitempty"` // where clients find it
	Rooms   int     `json:"rooms"`
	Players int     `json:"players"`
	Busy    float64 `json:"busy"` // share of its time spent in ticks
	Drain   bool    `json:"drain,omitempty"`
	// Kinds are those of which the node takes new rooms; all if empty.
	Kinds []string `json:"kinds,omitempty"`
	// Runs are those that the node's build has; all if empty.
	Runs []string `json:"runs,omitempty"`
}

// Can reports whether the node can have rooms of a kind.
func (a *About) Can(kind string) bool { return len(a.Runs) == 0 || slices.Contains(a.Runs, kind) }

// Takes reports whether the node takes new rooms of a kind.
func (a *About) Takes(kind string) bool {
	return !a.Drain && a.Can(kind) && (len(a.Kinds) == 0 || slices.Contains(a.Kinds, kind))
}

// Lighter reports whether a new room belongs rather to this node than to b: the one
// that ticks less, if that is more than noise, else the one with fewer rooms.
func (a *About) Lighter(b *About) bool {
	const noise = 0.2
	if d := a.Busy - b.Busy; d > noise || d < -noise {
		return d < 0
	}
	return a.Rooms < b.Rooms
}

// Record is that of a room.
type Record struct {
	Kind  string `json:"kind"`
	Owner SID    `json:"owner"`
	Term  uint64 `json:"term"`
	// Epoch of the history; 0 is the revision of this record: with it a new
	// history began.
	Epoch uint64 `json:"epoch,omitempty"`
	// Tick and Hash are of the state that the owner before gave away; Tick is 0
	// when it gave none.
	Tick uint32 `json:"tick,omitempty"`
	Hash uint64 `json:"hash,omitempty"`
}

// EpochAt is the epoch of a record that has revision r.
func (c *Record) EpochAt(r Rev) uint64 {
	if c.Epoch != 0 {
		return c.Epoch
	}
	return uint64(r)
}

// Config is what a Node needs to know. SID is required.
type Config struct {
	SID SID
	// Lease is how long the node may act after a renewal was sent that succeeded;
	// 0 is 3 s.
	Lease time.Duration
	// Renew is the time between renewals; 0 is a sixth of Lease.
	Renew time.Duration
	// Gap is the time beyond a lease that a rescuer waits, for writes that were
	// begun in time; 0 is 150 ms.
	Gap time.Duration
	// Patience is how long a move waits for the other node; 0 is 2 s.
	Patience time.Duration
	// Forget is how long what is dead or over is kept; 0 is an hour.
	Forget time.Duration
}

// drift is by how much clocks may run apart, in a hundredth.
const drift = 5

func (c *Config) validate() {
	setDefault(&c.Lease, 3*time.Second)
	setDefault(&c.Renew, c.Lease/6)
	setDefault(&c.Gap, 150*time.Millisecond)
	setDefault(&c.Patience, 2*time.Second)
	setDefault(&c.Forget, time.Hour)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
