package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// A message between nodes is: version (1), kind (1), the length of the head (4,
// little endian), the head as JSON, and the state of a room to the end.
const messageVersion = 1

const (
	kindOffer = iota + 1
	kindReady
	kindRefused
	kindYours
)

var errStranger = errors.New("cluster: not a message of this version")

func (c *Cluster) subject(to SID) string { return subjectPrefix + "n." + string(to) }

// send brings a message to another node, if it is there and it fits.
func (c *Cluster) send(s Send) {
	b := encode(s.Body)
	if int64(len(b)) > c.nc.MaxPayload() {
		if o, ok := s.Body.(Offer); ok {
			why := fmt.Sprintf("its state takes %d bytes, and a message of NATS %d", len(b), c.nc.MaxPayload())
			c.Tell(Refused{From: s.To, Room: o.Room, Term: o.Record.Term, Why: why})
		}
		return
	}
	if err := c.nc.Publish(c.subject(s.To), b); err != nil {
		c.log.Debug("a message is lost", "to", s.To, "err", err)
	}
}

func encode(body any) []byte {
	var kind byte
	var state []byte
	switch m := body.(type) {
	case Offer:
		kind, state = kindOffer, m.State
		m.State = nil
		body = m
	case Ready:
		kind = kindReady
	case Refused:
		kind = kindRefused
	case Yours:
		kind = kindYours
	default:
		panic(fmt.Sprintf("cluster: %T is no message", body))
	}
	head, err := json.Marshal(body)
	if err != nil {
		panic(err) // numbers and names: cannot be
	}
	b := binary.LittleEndian.AppendUint32([]byte{messageVersion, kind}, uint32(len(head)))
	return append(append(b, head...), state...)
}

func decode(b []byte) (Event, error) {
	const fixed = 6
	if len(b) < fixed || b[0] != messageVersion {
		return nil, errStranger
	}
	n := int(binary.LittleEndian.Uint32(b[2:]))
	if n > len(b)-fixed {
		return nil, errStranger
	}
	head, state := b[fixed:fixed+n], b[fixed+n:]
	switch b[1] {
	case kindOffer:
		m, err := unmarshal[Offer](head)
		m.State = state
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
	ev, err := decode(m.Data)
	if err != nil {
		c.stats.Strangers.Add(1)
		c.log.Warn("a message that no node of this version sent", "subject", m.Subject, "bytes", len(m.Data))
		return
	}
	c.Tell(ev)
}
