package ws

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/roomd/roomd/netcode/loop"
)

// Stats is a sum over all connections of a Server since it was made.
type Stats struct {
	Accepted  uint64          // connections taken from the loop, by Server.Again each time anew
	Closed    uint64          // of them, ended while this package owned them
	HTTP      uint64          // of them, handed to Config.HTTP or taken by Config.Route
	Upgraded  uint64          // of them, answered with 101
	Rejected  [rejects]uint64 // of them, refused, by reason
	Deflating uint64          // of them, with messages that may be compressed
	Messages  uint64          // messages delivered
	Bytes     uint64          // payload bytes of them
	Sent      uint64          // frames sent by Conn.Send and Offer; shared frames count per connection
	Pings     uint64          // pings received
	PingsSent uint64          // pings sent to silent peers
	Dead      uint64          // peers ended for silence
	// Protocol errors by the close code they were answered with.
	ProtocolErrors uint64 // 1002
	InvalidData    uint64 // 1007
	Policy         uint64 // 1008: ping and fragment floods, messages held half sent
	TooBig         uint64 // 1009
}

// counters is Stats while it grows. One loop normally has a block of its own, so
// that the atomics stay in its cache.
type counters struct {
	accepted, closed, http, upgraded atomic.Uint64
	rejected                         [rejects]atomic.Uint64
	deflating, messages, bytes, sent atomic.Uint64
	pings, pingsSent, dead           atomic.Uint64
	protocol, data, policy, tooBig   atomic.Uint64
	_                                [64]byte // keeps the next block off this cache line
}

// fault counts a protocol error by its close code.
func (c *counters) fault(code uint16) {
	switch code {
	case CodeInvalidData:
		c.data.Add(1)
	case CodePolicy:
		c.policy.Add(1)
	case CodeTooBig:
		c.tooBig.Add(1)
	default:
		c.protocol.Add(1)
	}
}

// shards are the counters of a Server.
type shards struct {
	seed   maphash.Seed
	blocks [statShards]counters
}

func newShards() *shards { return &shards{seed: maphash.MakeSeed()} }

// of returns the block that connections of l count in.
func (s *shards) of(l *loop.Loop) *counters {
	return &s.blocks[maphash.Comparable(s.seed, l)%statShards]
}

// sum adds the blocks up. Any goroutine may call it.
func (s *shards) sum() (t Stats) {
	for i := range s.blocks {
		c := &s.blocks[i]
		t.Accepted += c.accepted.Load()
		t.Closed += c.closed.Load()
		t.HTTP += c.http.Load()
		t.Upgraded += c.upgraded.Load()
		for r := range t.Rejected {
			t.Rejected[r] += c.rejected[r].Load()
		}
		t.Deflating += c.deflating.Load()
		t.Messages += c.messages.Load()
		t.Bytes += c.bytes.Load()
		t.Sent += c.sent.Load()
		t.Pings += c.pings.Load()
		t.PingsSent += c.pingsSent.Load()
		t.Dead += c.dead.Load()
		t.ProtocolErrors += c.protocol.Load()
		t.InvalidData += c.data.Load()
		t.Policy += c.policy.Load()
		t.TooBig += c.tooBig.Load()
	}
	return t
}
