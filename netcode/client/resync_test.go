package client

import (
	"testing"

	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

func TestCoreAsksForAKeyframe(t *testing.T) {
	c, s := joined(t)
	receive(t, c, []byte{0x96, 3, 1, 1, 1, 9, 0}) // removes a row that is not there
	m := wire.ReadMessages(c.Outgoing())
	if !m.Next() || m.Kind() != wire.KindResync || c.Fault() == nil {
		t.Fatal("no resync asked for")
	}
	private, shared := s.frames(s.step(6), wire.Self{})
	receive(t, c, private, shared) // does not fit and is passed over
	if _, ok := c.Tick(); ok || len(c.Outgoing()) != 0 {
		t.Fatal("a delta was applied, or another keyframe asked for")
	}
	s.base = nil
	private, shared = s.frames(s.step(7, 8), wire.Self{})
	receive(t, c, private, shared)
	s.expect(c)
	if got := c.Stats(); got.Resyncs != 1 || got.Keyframes != 2 {
		t.Fatalf("stats %+v", got)
	}
}

func TestCoreGivesUpWhenNothingFits(t *testing.T) {
	c, s := joined(t)
	var err error
	for i := 0; err == nil && i <= MaxResyncs; i++ {
		key, mark := wire.BeginKeyframe(nil, wire.Keyframe{Tick: 5, Last: true})
		key = wire.EndKeyframe(append(key, 0x63), mark, 1) // table 98
		err = c.Receive(key)
	}
	if err == nil {
		t.Fatal("no error")
	}
	c.Hello()
	s.base = nil
	private, shared := s.frames(s.step(7, 8), wire.Self{})
	receive(t, c, s.welcome(nil), private, shared)
	s.expect(c)
}

func TestCoreTakesKeyframeInParts(t *testing.T) {
	c, s := joined(t)
	s.frames(s.step(3, 4, 5), wire.Self{})
	private, parts := s.keyframe()
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	receive(t, c, parts[0], parts[1])
	if tick, ok := c.Tick(); ok {
		t.Fatalf("holds tick %d before the last part", tick)
	}
	receive(t, c, private, parts[2])
	s.expect(c)
	if got := c.Stats(); got.Resyncs != 0 || got.Keyframes != 2 {
		t.Fatalf("stats %+v", got)
	}

	receive(t, c, parts[0], parts[2])
	if got := c.Stats(); got.Resyncs != 1 {
		t.Fatalf("a part is missing: stats %+v", got)
	}
	receive(t, c, parts[1], parts[0], parts[1], private, parts[2])
	s.expect(c)
}

func TestCoreFindsWrongState(t *testing.T) {
	c, s := joined(t)
	private, shared := s.frames(s.step(3, 4), wire.Self{})
	right := s.enc.Hash(s.base, delta.View{Teams: s.view.Teams})
	receive(t, c, private, append(shared, wire.AppendCheck(nil, right+1)...))
	m := wire.ReadMessages(c.Outgoing())
	if !m.Next() || m.Kind() != wire.KindResync {
		t.Fatalf("asks for %s, want a resync", m.Kind())
	}
	q, err := wire.ReadResync(m.Reader(), m.Len())
	if want := (wire.Resync{Tick: s.base.Tick, Reason: wire.ResyncHash, Hash: right, Hashed: true}); err != nil || q != want {
		t.Fatalf("asks %+v, %v; want %+v", q, err, want)
	}
	if got := c.Stats(); got.WrongHashes != 1 || got.Resyncs != 1 {
		t.Fatalf("stats %+v", got)
	}
	private, parts := s.keyframe()
	receive(t, c, append([][]byte{private}, parts...)...)
	s.expect(c)
}
