package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// A message between nodes is: version (1), kind (1), the length of the head (4,
// little endian), the head as JSON, and the packed state of a room, or a piece of it,
// to the end.
const messageVersion = 2

const (
	kindOffer = iota + 1
	kindReady
	kindRefused
	kindYours
	kindPiece
)

var errStranger = errors.New("cluster: not a message of this version")

func (c *Cluster) subject(to SID) string { return subjectPrefix + "n." + string(to) }

// send brings a message to another node, if it is there.
func (c *Cluster) send(s Send) {
	switch m := s.Body.(type) {
	case Offer:
		c.sendOffer(s.To, m)
	case Ready:
		c.publish(s.To, message(kindReady, m, nil))
	case Refused:
		c.publish(s.To, message(kindRefused, m, nil))
	case Yours:
		c.publish(s.To, message(kindYours, m, nil))
	default:
		panic(fmt.Sprintf("cluster: %T is no message", s.Body))
	}
}

func (c *Cluster) publish(to SID, b []byte) {
	if err := c.nc.Publish(c.subject(to), b); err != nil {
		c.log.Debug("a message is lost", "to", to, "err", err)
	}
}

func message(kind byte, head any, state []byte) []byte {
	text, err := json.Marshal(head)
	if err != nil {
		panic(err) // numbers and names: cannot be
	}
	b := binary.LittleEndian.AppendUint32([]byte{messageVersion, kind}, uint32(len(text)))
	return append(append(b, text...), state...)
}

// split takes a message apart.
func split(b []byte) (kind byte, head, state []byte, err error) {
	const fixed = 6
	if len(b) < fixed || b[0] != messageVersion {
		return 0, nil, nil, errStranger
	}
	n := binary.LittleEndian.Uint32(b[2:])
	if uint64(n) > uint64(len(b)-fixed) {
		return 0, nil, nil, errStranger
	}
	return b[1], b[fixed : fixed+n], b[fixed+n:], nil
}

func decode(kind byte, head, state []byte) (Event, error) {
	switch kind {
	case kindOffer:
		m, err := unmarshal[Offer](head)
		if err == nil {
			m.State, err = unpack(state)
		}
		return m, err
	case kindReady:
		return unmarshal[Ready](head)
	case kindRefused:
		return unmarshal[Refused](head)
	case kindYours:
		return unmarshal[Yours](head)
	}
	return nil, errStranger
}

func unmarshal[T any](b []byte) (m T, err error) {
	if json.Unmarshal(b, &m) != nil {
		err = errStranger
	}
	return m, err
}

// receive implements nats.MsgHandler.
func (c *Cluster) receive(m *nats.Msg) {
	kind, head, state, err := split(m.Data)
	var ev Event
	switch {
	case err != nil:
	case kind == kindPiece:
		err = c.receivePiece(m, head, state)
	default:
		ev, err = decode(kind, head, state)
	}
	if err != nil {
		c.stats.Strangers.Add(1)
		c.log.Warn("a message that no node of this version sent", "subject", m.Subject, "bytes", len(m.Data))
		return
	}
	if ev != nil {
		c.Tell(ev)
	}
}
