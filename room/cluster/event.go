package cluster

import "time"

// Event is what happens to a Node: one of the types below.
type Event interface{}

// Wake says that the time of Node.Next has come.
type Wake struct{}

// Outcome is how a compare-and-set ended.
type Outcome uint8

const (
	Won     Outcome = iota // the key is as wanted
	Lost                   // the key had another revision: nothing changed
	Unknown                // no answer in time: it may have happened, or happen yet
)

// Answer ends the Put of the same key.
type Answer struct {
	Key     Key
	Outcome Outcome
	Rev     Rev // of Won
}

// SeenLease and SeenRoom tell what the store holds, or held a while ago: by a watch
// or as the answer to a Get. Revision 0 says that the key is not there; a lease that
// was deleted is dead.
type SeenLease struct {
	SID   SID
	Rev   Rev
	Lease Lease
}

type SeenRoom struct {
	Room   string
	Rev    Rev
	Record Record
}

// Create asks for a new room on this node, MoveRoom to give one of its rooms to
// another node, CloseRoom to end one of its rooms.
type Create struct{ Room, Kind string }

type MoveRoom struct {
	Room string
	To   SID
}

type CloseRoom struct{ Room string }

// Frozen answers the Freeze of the same number: the room stands still after a tick,
// and this is all of it.
type Frozen struct {
	Room  string
	Try   uint64
	Tick  uint32
	Hash  uint64
	State []byte
}

// Loaded answers Load, unless an Unload or another Load of the room came first: the
// room is there and would go on from Tick. Err is empty, or why it is not.
type Loaded struct {
	Room string
	Term uint64
	Tick uint32
	Hash uint64
	// Changed says that the game is another one in this build, and what was loaded is
	// not the same, but what has become of it.
	Changed bool
	Err     string
}

// Offer, Ready, Refused and Yours travel between nodes, in this order or not at all.
type Offer struct {
	From   SID
	Room   string
	Record Record // as it stands
	Tick   uint32
	Hash   uint64
	State  []byte
}

type Ready struct {
	From SID
	Room string
	Term uint64 // of the Offer
	Hash uint64 // of what was loaded
	// Changed as in Loaded: the room goes on with a new history.
	Changed bool `json:",omitempty"`
}

type Refused struct {
	From SID
	Room string
	Term uint64
	Why  string
}

// Yours tells the target that the record names it. It is a hint: the record will
// be seen anyway.
type Yours struct {
	Room   string
	Rev    Rev
	Record Record
}

// Effect is what a Node wants done: one of the types below, in order.
type Effect interface{}

// Key is that of a lease (SID) or of a room's record (Room).
type Key struct {
	SID  SID
	Room string
}

// Put is a compare-and-set: if the key has revision Rev it becomes the Lease or the
// Record, or is deleted if both are nil. One Put for a key is under way at a time.
type Put struct {
	Key    Key
	Rev    Rev
	Lease  *Lease
	Record *Record
}

// Get asks for SeenLease or SeenRoom.
type Get struct{ Key Key }

// Send brings an Offer, Ready, Refused or Yours to another node, if it can.
type Send struct {
	To   SID
	Body any
}

// Start begins or takes up a room: Term is new. With Loaded it goes on from what
// was loaded; with neither that nor Fresh from its newest checkpoint, in a new
// epoch. It is the room of Owner, this start of the node, and of no later one.
type Start struct {
	Room   string
	Kind   string
	Owner  SID
	Term   uint64
	Epoch  uint64
	Loaded bool
	Fresh  bool
}

// Freeze has a room stand still and answer Frozen; Thaw lets it go on.
type Freeze struct {
	Room string
	Try  uint64
}

type Thaw struct{ Room string }

// Drop forgets a room that is another node's now, or nobody's if To is empty.
type Drop struct {
	Room string
	To   SID
}

// Load prepares a room of another node; Unload forgets that.
type Load struct {
	Room  string
	Kind  string
	Term  uint64
	Epoch uint64
	Tick  uint32
	State []byte
}

type Unload struct{ Room string }

// Failed says that what was asked for will not be.
type Failed struct {
	Room string
	Why  string
}

// Quit says that the lease is dead: everything of this SID ends at once.
type Quit struct{ By SID }

const never = time.Duration(1<<63 - 1)
