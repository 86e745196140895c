package server

import (
	"fmt"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
)

// Clients that ask for compression and those that do not play in one room: large
// states come compressed to the former alone, and all hold the same.
func TestDeflate(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		crowd := game.Define("crowd", game.Options{TickRate: 60, MaxPlayers: 64}, newWalk(false))
		cfg.Deflate, cfg.Kinds = true, []*game.Kind{crowd}
		l := run(t, cfg)
		join := func(i int) *seat {
			return l.join(client.Config{Kind: "crowd", Room: "r", Name: fmt.Sprint("a walker with a long name ", i)})
		}
		plain := join(0)
		for i := range 25 {
			join(i + 1) // reads no more
		}
		l.deflate = true
		packed := []*seat{join(26), join(27)}
		for i, s := range packed {
			if s.packed == 0 {
				t.Errorf("client %d got its first state as it is", i)
			}
			s.input(3)
		}
		for _, s := range append(packed, plain) {
			for _, other := range packed {
				s.until("the move", func() bool { x, _ := s.x(other.core.Seat()); return x == 3 })
			}
			s.wantEveryTick(2)
		}
		if plain.packed > 0 {
			t.Error("a client that did not ask got compressed messages")
		}
		if n := l.ws.Stats().Deflating; n != 2 {
			t.Errorf("%d connections with compression", n)
		}
	})
}

// It is off unless asked for.
func TestNoDeflateByDefault(t *testing.T) {
	l := run(t, Config{})
	l.deflate = true
	s := l.join(client.Config{Kind: "walkers"})
	if s.packed > 0 || l.ws.Stats().Deflating > 0 {
		t.Errorf("%d messages came compressed", s.packed)
	}
}
