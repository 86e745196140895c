package client

import (
	"testing"

	"github.com/roomd/roomd/netcode/wire"
)

// FuzzReceive gives a joined core two messages of any bytes, then a connection
// that is right again.
func FuzzReceive(f *testing.F) {
	s := newServer(&testing.T{})
	private, shared := s.frames(s.step(1, 2), wire.Self{})
	key := append(private, shared...)
	e := s.step(3, 4)
	s.emit(e, 0, 5)
	s.emit(e, 1, 6)
	private, shared = s.frames(e, wire.Self{DAck: 1})
	f.Add(append(private, shared...), private)
	f.Add(private, shared)
	f.Add(wire.AppendBye(nil, wire.Bye{Code: wire.ByeSlow}), wire.AppendPong(nil, wire.Pong{ID: 1}))
	welcome := s.welcome(nil)
	want := newServer(&testing.T{})
	want.frames(want.step(1, 2), wire.Self{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		c := NewCore(Config{Kind: "tanks"})
		c.Hello()
		receive(t, c, welcome, key)
		if c.Receive(a) == nil {
			_ = c.Receive(b) // an error is as good as none
		}
		for _, ev := range c.Events() {
			ev.Value("power")
		}
		for r := range c.Rows("tanks") {
			r.Str("name")
		}
		c.Hello()
		receive(t, c, welcome, key)
		want.t = t
		want.expect(c)
	})
}
