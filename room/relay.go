package room

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// What a room and its edges tell each other. Numbers are varints (encoding/binary)
// unless said otherwise.
//
// Down, to edges, begins with the version (1 byte), the kind (1 byte), the owner's
// term, the epoch and the tick:
//
//	tick     back to the tick before; the teams of the public body and its length, 0
//	         for none; the hash of what they see, 0 for none; the public body, byte
//	         for byte the delta of a client; the rest (delta.Rest)
//	state    length and JSON of a stateHead; the rest, from nothing
//	control  JSON of a downControl
//
// Up, to the owner, begins with the version (1 byte) and the owner's term; then, to
// the end, for each errand its kind (1 byte), its length and its content:
//
//	hello    JSON of an upHello
//	join     JSON of an upJoin
//	input    viewer, sequence, seen, lanes of the input
//	part     viewer, 1 if the seat is given up, else 0
const relayVersion = 2

const (
	downTick = iota + 1
	downState
	downControl
)

const (
	upHello = iota + 1
	upJoin
	upInput
	upPart
)

var errRelay = errors.New("room: not a message of a node of this version")

// stateHead is what an edge must know of a room beside its entries.
type stateHead struct {
	Schema     []byte // as in a welcome
	Grace      time.Duration
	Spectate   game.Teams
	MaxPlayers int
	CheckEvery time.Duration
}

// control is what is told to one edge.
type control struct {
	Answers []edgeAnswer `json:",omitempty"`
	// Asleep says that the room makes no ticks until somebody wakes it.
	Asleep bool `json:",omitempty"`
	// Claim asks the edge to say who is there: the owner does not know it yet.
	Claim bool `json:",omitempty"`
}

// edgeAnswer tells a viewer at an edge that it is in, or bye.
type edgeAnswer struct {
	ID      uint32
	Bye     bool          `json:",omitempty"`
	Code    wire.Code     `json:",omitempty"`
	Text    string        `json:",omitempty"`
	Retry   time.Duration `json:",omitempty"`
	Seat    game.PlayerID `json:",omitempty"`
	Secret  []byte        `json:",omitempty"`
	Resumed bool          `json:",omitempty"`
	Ack     uint32        `json:",omitempty"`
	Drops   uint32        `json:",omitempty"`
	Since   game.Tick     `json:",omitempty"`
}

// hello keeps an edge known, and asks for what it lacks.
type hello struct {
	Need     bool      `json:",omitempty"` // entries after the cursor, or the state
	Claims   bool      `json:",omitempty"` // all who are there follow
	Epoch    uint64    `json:",omitempty"`
	Tick     game.Tick `json:",omitempty"`
	Watchers int       `json:",omitempty"` // those without a seat
	// Seated are the viewers who were told their seats, Waiting those who asked for
	// one. The owner knows the first and forgets all others.
	Seated, Waiting []uint32 `json:",omitempty"`
}

// joining is a JoinRequest from an edge.
type joining struct {
	ID     uint32
	Name   string        `json:",omitempty"`
	User   string        `json:",omitempty"`
	Params game.Params   `json:",omitempty"`
	Data   []byte        `json:",omitempty"`
	Seat   game.PlayerID `json:",omitempty"` // to resume
	Secret []byte        `json:",omitempty"`
	// Claim says that the seat was given by an owner before.
	Claim bool `json:",omitempty"`
}

// downHead is the beginning of every message down.
type downHead struct {
	kind  byte
	term  uint64
	epoch uint64
	tick  game.Tick
}

func (h downHead) append(dst []byte) []byte {
	dst = append(dst, relayVersion, h.kind)
	dst = binary.AppendUvarint(dst, h.term)
	dst = binary.AppendUvarint(dst, h.epoch)
	return binary.AppendUvarint(dst, uint64(h.tick))
}

func readDown(b []byte) (downHead, *relayReader, error) {
	r := newRelayReader(b)
	if r.Byte() != relayVersion {
		return downHead{}, nil, errRelay
	}
	h := downHead{kind: r.Byte(), term: r.Uint(), epoch: r.Uint(), tick: game.Tick(r.Uint())}
	if r.Bad {
		return downHead{}, nil, errRelay
	}
	return h, r, nil
}

// appendErrand appends an errand up whose content is JSON.
func appendErrand(dst []byte, kind byte, content any) []byte {
	b, err := json.Marshal(content)
	if err != nil {
		panic(err) // numbers and texts: cannot be
	}
	dst = binary.AppendUvarint(append(dst, kind), uint64(len(b)))
	return append(dst, b...)
}

// appendInput appends an input up. scratch is overwritten and returned.
func appendInput(dst, scratch []byte, id uint32, c command, lanes []int32) (out, again []byte) {
	b := binary.AppendUvarint(scratch[:0], uint64(id))
	b = binary.AppendUvarint(b, uint64(c.seq))
	b = binary.AppendUvarint(b, uint64(c.seen))
	for _, v := range lanes {
		b = binary.AppendVarint(b, int64(v))
	}
	dst = binary.AppendUvarint(append(dst, upInput), uint64(len(b)))
	return append(dst, b...), b
}

func appendPart(dst []byte, id uint32, leaves bool) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 8), uint64(id))
	if leaves {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	dst = binary.AppendUvarint(append(dst, upPart), uint64(len(b)))
	return append(dst, b...)
}

// relayReader reads what another node wrote.
type relayReader struct{ wire.Varints }

func newRelayReader(b []byte) *relayReader { return &relayReader{wire.Varints{B: b}} }

func (r *relayReader) bytes() []byte { return r.Take(r.Uint()) }

func (r *relayReader) json(b []byte, into any) {
	if r.Bad || json.Unmarshal(b, into) != nil {
		r.Bad = true
	}
}

// relayed is the public part of an entry as its owner told it.
type relayed struct {
	tick      game.Tick // 0: none
	base      game.Tick
	teams     game.Teams
	predicted bool
	message   []byte
}

// body is the message for a group, if that is one which it was made for.
func (p *relayed) body(k groupKey, tick game.Tick) []byte {
	if p.tick != tick || !k.based || k.base != p.base || k.teams != p.teams || k.baseTeams != p.teams || k.predicted != p.predicted {
		return nil
	}
	return p.message
}

// plain reports whether there is a message for those teams that predicts nothing:
// then it is taken, rather than another one made.
func (p *relayed) plain(tick game.Tick, teams game.Teams) bool {
	return p.tick == tick && p.teams == teams && !p.predicted
}
