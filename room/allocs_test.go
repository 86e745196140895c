package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// sink is a peer that takes everything and looks at nothing.
type sink struct {
	bytes  int
	offers int
}

func (p *sink) Send(f *wire.Frame) bool { return len(f.Bytes()) > 0 }

func (p *sink) Offer(private, shared *wire.Frame) bool {
	if private != nil {
		p.bytes += len(private.Bytes())
	}
	p.bytes += len(shared.Bytes())
	p.offers++
	return true
}

func (p *sink) Bye(wire.Code, string, time.Duration) {}

// load is a room whose players send one input a tick.
type load struct {
	r      *Room
	now    time.Duration
	vs     []*Viewer
	inputs [2]wire.Input
	n      int
}

func newLoad(tb testing.TB, players, spectators int) *load {
	tb.Helper()
	h := &hooks{step: func(g *court, _ game.Tick) {
		for _, u := range g.units.All() {
			u.Trail[0]++
		}
		g.hit.All(hit{3})
	}}
	// The scripts' own records are no part of a steady tick.
	kind := game.Define("load", game.Options{TickRate: rate, MaxPlayers: max(players, 1)}, func(w *game.World) game.Game[move] {
		return quiet{&court{
			w: w, hooks: h, units: game.NewTable[unit](w, "unit"), purse: game.NewTable[purse](w, "purse"),
			round: game.NewValue[round](w, "round"), hit: game.NewEvent[hit](w, "hit"),
		}}
	})
	r, err := New(Config{ID: "load", Kind: kind, Empty: -1}, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Stop(wire.ByeShutdown, "", 0) })
	l := &load{r: r}
	for i := range players + spectators {
		v := r.Join(JoinRequest{Spectate: i >= players}, &sink{})
		if i < players {
			l.vs = append(l.vs, v)
		}
	}
	in := &r.schema.Input
	zero, one := make([]int32, in.Lanes), make([]int32, in.Lanes)
	in.Fields[0].Leaves[0].Put(one, 3)
	for i, lanes := range [2][2][]int32{{zero, one}, {one, zero}} {
		mask, values := delta.AppendInputValues(nil, in, lanes[0], lanes[1])
		l.inputs[i] = wire.Input{DSeq: 1, DSeen: 1, Mask: mask, Values: values}
	}
	r.Advance(0)
	for range 100 {
		l.tick(tb)
	}
	return l
}

// quiet is court without its records.
type quiet struct{ *court }

func (g quiet) Step(now game.Tick, in game.Inputs[move]) {
	for c := range in.All() {
		for _, u := range g.units.Of(c.Player) {
			u.X += int32(c.Input.Dx)
			u.State = uint8(c.State)
			u.Ammo++
		}
	}
	g.hooks.step(g.court, now)
}

func (l *load) tick(tb testing.TB) {
	for _, v := range l.vs {
		if err := v.Input(l.now, l.inputs[l.n&1]); err != nil {
			tb.Fatal(err)
		}
	}
	l.n++
	l.now += time.Second / rate
	l.r.Advance(l.now)
}

func TestSteadyTickDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	l := newLoad(t, 16, 100)
	l.r.published = 1 << 62 // a snapshot once a second is not the steady tick
	if n := testing.AllocsPerRun(200, func() { l.tick(t) }); n != 0 {
		t.Errorf("%v allocations per tick", n)
	}
	st := l.r.Stats()
	expect(t, "inputs applied", st.InputsApplied, 16*st.Ticks-16)
	expect(t, "frames refused", st.FramesRefused, 0)
}

func BenchmarkTick(b *testing.B) {
	for _, c := range []struct{ players, spectators int }{{0, 0}, {4, 0}, {16, 0}, {16, 1000}, {256, 0}} {
		b.Run(fmt.Sprintf("players=%d/spectators=%d", c.players, c.spectators), func(b *testing.B) {
			l := newLoad(b, c.players, c.spectators)
			b.ReportAllocs()
			before := l.r.Stats()
			for b.Loop() {
				l.tick(b)
			}
			st := l.r.Stats()
			if n := st.FramesTaken - before.FramesTaken; n > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/viewer")
			}
		})
	}
}
