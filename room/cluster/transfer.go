package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
)

// Limits of states, in bytes where nothing else is said.
const (
	// maxState bounds a state, maxPiece what of it goes in one message or value: less
	// where NATS's own limit is lower, down to minPiece.
	maxState = 64 << 20
	maxPiece = 512 << 10
	minPiece = 1 << 10
	// maxHead is what of a message is not state.
	maxHead = 4 << 10
	// maxTransfers bounds the states that a node puts together at a time, and those
	// that it sends.
	maxTransfers = 4
	// pieceAgain is the time between two attempts to begin with a node that has
	// enough to put together.
	pieceAgain = 20 * time.Millisecond
)

var errState = errors.New("cluster: this is no state, or too large a one")

// pack compresses a state (S2 block format).
func pack(state []byte) []byte { return s2.Encode(nil, state) }

// unpack is its inverse. It allocates no more than maxState.
func unpack(b []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(b); err != nil || n > maxState {
		return nil, errState
	}
	state, err := s2.Decode(nil, b)
	if err != nil {
		return nil, errState
	}
	return state, nil
}

// piece is the head of a part of a state that is too large for one message. They
// are sent one by one: each is answered with nothing, answerBusy or answerNone.
type piece struct {
	From SID
	ID   uint64 // of the transfer, of this sender
	At   int    // where in the packed state it belongs
	Size int    // of the packed state
	// Offer is what the state belongs to, without it; with the first piece only.
	Offer *Offer `json:",omitempty"`
}

const (
	answerBusy = "busy" // the first piece may be sent again
	answerNone = "none" // no such transfer, or not this piece of it
)

// transfers is the states under way at a node.
type transfers struct {
	mu   sync.Mutex
	last uint64 // ID of those that are sent
	from map[transferKey]*transfer
	send chan struct{} // holds as many as are sent
}

type transferKey struct {
	from SID
	id   uint64
}

// transfer is a state that comes in.
type transfer struct {
	offer Offer
	size  int
	got   []byte
	drop  *time.Timer
}

func newTransfers() *transfers {
	return &transfers{from: map[transferKey]*transfer{}, send: make(chan struct{}, maxTransfers)}
}

// pieceSize is what of a state goes in one message or value.
func (c *Cluster) pieceSize() int { return pieceSize(c.nc.MaxPayload()) }

func pieceSize(maxPayload int64) int { return int(max(minPiece, min(maxPiece, maxPayload-maxHead))) }

// sendOffer brings an Offer with a state to another node, if that is there.
func (c *Cluster) sendOffer(to SID, o Offer) {
	state := o.State
	o.State = nil
	switch {
	case len(state) > maxState:
		c.Tell(Refused{From: to, Room: o.Room, Term: o.Record.Term, Why: fmt.Sprintf("its state takes %d bytes, and %d is the limit", len(state), maxState)})
	case len(state) > maxPiece:
		go func() { c.sendPacked(to, o, pack(state)) }() // to pack takes a while: renewals do not wait for it
	default:
		c.sendPacked(to, o, pack(state))
	}
}

func (c *Cluster) sendPacked(to SID, o Offer, packed []byte) {
	if len(packed) <= c.pieceSize() {
		c.publish(to, message(kindOffer, o, packed))
		return
	}
	go c.sendState(to, o, packed)
}

// sendState brings an Offer whose packed state is too large for one message. Offers
// may come late or not at all, so it runs beside the node; a failure is told as the
// refusal that the target did not send, which ends the move.
func (c *Cluster) sendState(to SID, o Offer, packed []byte) {
	ctx, cancel := context.WithTimeout(c.ctx, c.node.cfg.Patience)
	defer cancel()
	err := func() error {
		select {
		case c.transfers.send <- struct{}{}:
			defer func() { <-c.transfers.send }()
		case <-ctx.Done():
			return ctx.Err()
		}
		c.transfers.mu.Lock()
		c.transfers.last++
		id := c.transfers.last
		c.transfers.mu.Unlock()
		for at, size := 0, c.pieceSize(); at < len(packed); at += size {
			p := piece{From: c.sid, ID: id, At: at, Size: len(packed)}
			if at == 0 {
				p.Offer = &o
			}
			if err := c.sendPiece(ctx, to, message(kindPiece, p, packed[at:min(at+size, len(packed))])); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		c.log.Debug("a state did not arrive", "room", o.Room, "to", to, "err", err)
		c.Tell(Refused{From: to, Room: o.Room, Term: o.Record.Term, Why: "its state did not arrive: " + err.Error()})
	}
}

func (c *Cluster) sendPiece(ctx context.Context, to SID, b []byte) error {
	for {
		m, err := c.nc.RequestWithContext(ctx, c.subject(to), b)
		switch {
		case err != nil:
			return err
		case len(m.Data) == 0:
			return nil
		case string(m.Data) != answerBusy:
			return fmt.Errorf("the other node does not take it: %s", m.Data)
		}
		select {
		case <-time.After(pieceAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// receivePiece takes in a part of a state, and tells the node the Offer with the last.
func (c *Cluster) receivePiece(m *nats.Msg, head, body []byte) error {
	var p piece
	if json.Unmarshal(head, &p) != nil || p.Size <= 0 || p.Size > s2.MaxEncodedLen(maxState) ||
		p.At < 0 || len(body) == 0 || len(body) > p.Size-p.At || (p.At == 0) != (p.Offer != nil) {
		return errStranger
	}
	answer, done := c.transfers.take(p, body, c.node.cfg.Patience)
	if err := m.Respond([]byte(answer)); err != nil {
		c.log.Debug("a piece is not answered", "err", err)
	}
	if done != nil {
		// To unpack takes a while: other messages do not wait for it.
		go func() {
			defer c.transfers.end(transferKey{p.From, p.ID})
			state, err := unpack(done.got)
			if err != nil {
				c.stats.Strangers.Add(1)
				c.log.Warn("a state cannot be unpacked", "room", done.offer.Room, "from", p.From)
				return
			}
			done.offer.State = state
			c.Tell(done.offer)
		}()
	}
	return nil
}

// take adds a piece, and returns what to answer and the transfer if it was the last.
func (t *transfers) take(p piece, body []byte, patience time.Duration) (string, *transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := transferKey{p.From, p.ID}
	tr := t.from[key]
	switch {
	case tr == nil && p.Offer != nil && len(t.from) >= maxTransfers:
		return answerBusy, nil
	case tr == nil && p.Offer != nil:
		tr = &transfer{offer: *p.Offer, size: p.Size}
		tr.drop = time.AfterFunc(patience, func() { t.end(key) })
		t.from[key] = tr
	}
	if tr == nil || p.At != len(tr.got) || p.Size != tr.size {
		return answerNone, nil
	}
	tr.got = append(tr.got, body...)
	if len(tr.got) < tr.size {
		return "", nil
	}
	tr.drop.Stop()
	return "", tr
}

// end forgets a transfer.
func (t *transfers) end(key transferKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tr := t.from[key]; tr != nil {
		tr.drop.Stop()
		delete(t.from, key)
	}
}
