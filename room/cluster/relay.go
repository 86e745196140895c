package cluster

import (
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// The relay brings what rooms and their edges tell each other. It is NATS at most
// once: what is lost is noticed and asked for by the rooms. Subjects are a room's,
// for what is the same for all edges, and a node's, for what is for one edge or one
// owner. Messages of a node's are: version (1), the lengths of room (1) and sender
// (1) and both, and what is told.
const relayVersion = 1

// relay is the shell's part of it.
type relay struct {
	out chan packet
	in  chan *nats.Msg

	mu   sync.Mutex
	subs map[string]*nats.Subscription // by room
	free sync.Pool                     // of *[]byte
}

// packet is one message that waits for the network.
type packet struct {
	subject string
	b       *[]byte
}

const (
	// relayQueue bounds the messages that wait in either direction; beyond it they
	// are lost, counted and asked for again.
	relayQueue = 8192

	entriesOf = subjectPrefix + "r." // and the room: what all its edges are told
	downTo    = subjectPrefix + "d." // and the node: what one edge is told
	upTo      = subjectPrefix + "u." // and the node: what an owner is told
)

// openRelay subscribes to what is for this node.
func (c *Cluster) openRelay() error {
	r := &c.relay
	r.out, r.in, r.subs = make(chan packet, relayQueue), make(chan *nats.Msg, relayQueue), map[string]*nats.Subscription{}
	for _, subject := range []string{downTo + string(c.sid), upTo + string(c.sid)} {
		if _, err := c.nc.ChanSubscribe(subject, r.in); err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
	}
	go c.relayOut()
	go c.relayIn()
	return nil
}

// Publish tells all edges of a room. It does not block and keeps no slice.
func (c *Cluster) Publish(room string, b []byte) {
	p := c.relay.buffer()
	*p = append(*p, b...)
	c.enqueue(packet{entriesOf + room, p})
}

// Down tells one edge of a room of this node.
func (c *Cluster) Down(edge SID, room string, b []byte) { c.tellNode(downTo+string(edge), room, b) }

// Up tells the owner of a room of which there is an edge here.
func (c *Cluster) Up(owner SID, room string, b []byte) { c.tellNode(upTo+string(owner), room, b) }

func (c *Cluster) tellNode(subject, room string, b []byte) {
	p := c.relay.buffer()
	*p = append(*p, relayVersion, byte(len(room)), byte(len(c.sid)))
	*p = append(append(*p, room...), c.sid...)
	*p = append(*p, b...)
	c.enqueue(packet{subject, p})
}

func (r *relay) buffer() *[]byte {
	if p, ok := r.free.Get().(*[]byte); ok {
		*p = (*p)[:0]
		return p
	}
	return new([]byte)
}

func (c *Cluster) enqueue(p packet) {
	select {
	case c.relay.out <- p:
	default:
		c.stats.RelayLost.Add(1)
		c.relay.free.Put(p.b)
	}
}

// relayOut writes, so that no loop waits for a socket.
func (c *Cluster) relayOut() {
	for {
		select {
		case p := <-c.relay.out:
			if err := c.nc.Publish(p.subject, *p.b); err != nil {
				c.stats.RelayLost.Add(1)
			}
			c.relay.free.Put(p.b)
		case <-c.ctx.Done():
			return
		}
	}
}

// relayIn hands over what comes, in order.
func (c *Cluster) relayIn() {
	for {
		select {
		case m := <-c.relay.in:
			c.relayed(m)
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Cluster) relayed(m *nats.Msg) {
	if len(m.Subject) > len(entriesOf) && m.Subject[:len(entriesOf)] == entriesOf {
		c.opts.Host.Down(m.Subject[len(entriesOf):], m.Data)
		return
	}
	b := m.Data
	if len(b) < 3 || b[0] != relayVersion || len(b) < 3+int(b[1])+int(b[2]) {
		c.Stranger(m.Subject, len(b))
		return
	}
	names, n := b[3:], int(b[1])
	room, from := string(names[:n]), SID(names[n:n+int(b[2])])
	b = names[n+int(b[2]):]
	if m.Subject[:len(downTo)] == downTo {
		c.opts.Host.Down(room, b)
	} else {
		c.opts.Host.Up(room, from, b)
	}
}

// Stranger counts and logs a message that no node of this version sent.
func (c *Cluster) Stranger(subject string, size int) {
	c.stats.Strangers.Add(1)
	c.log.Warn("a message that no node of this version sent", "subject", subject, "bytes", size)
}

// Watch subscribes to what a room tells all its edges, Unwatch ends that.
func (c *Cluster) Watch(room string) {
	r := &c.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subs[room] != nil {
		return
	}
	sub, err := c.nc.ChanSubscribe(entriesOf+room, r.in)
	if err != nil {
		c.log.Warn("a room cannot be watched", "room", room, "err", err)
		return
	}
	r.subs[room] = sub
}

// Unwatch undoes Watch.
func (c *Cluster) Unwatch(room string) {
	r := &c.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if sub := r.subs[room]; sub != nil {
		delete(r.subs, room)
		sub.Unsubscribe()
	}
}
