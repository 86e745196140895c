package game_test

import (
	"fmt"
	"testing"

	"github.com/roomd/roomd/game"
)

// mover has the six fields of a common real-time row.
type mover struct {
	X, Y   float32 `net:"all,quant=1/256,pos"`
	VX, VY float32 `net:"all,quant=1/256"`
	Turn   uint8   `net:"all"`
	HP     int16   `net:"owner"`
}

type shot struct {
	X, Y float32 `net:"quant=1/16"`
	By   game.ID[mover]
}

type stick struct {
	DX, DY int8
	Fire   bool    `net:"once"`
	Aim    float32 `net:"quant=1/64"`
	Say    string  `net:"max=8"`
}

// crowd is a room of rows that move, with 8 players whose inputs are returned.
func crowd(t testing.TB, rows int) (*room, func()) {
	r := play(t, game.Options{MaxPlayers: 8}, func(w *game.World, s *script[stick]) {
		tab, ev := game.NewTable[mover](w, "mover"), game.NewEvent[shot](w, "shot")
		s.join = func(p game.PlayerID, _ game.JoinInfo) error {
			for range rows / 8 {
				tab.Own(tab.Add(mover{VX: 0.3, VY: -0.2, HP: 9}), p)
			}
			return nil
		}
		s.step = func(now game.Tick, in game.Inputs[stick]) {
			var last game.ID[mover]
			for _, m := range tab.All() {
				m.X += m.VX
				m.Y += m.VY
				m.Turn++
			}
			for c := range in.All() {
				for id, m := range tab.Of(c.Player) {
					m.VX += float32(c.Input.DX) * c.Input.Aim / 100
					last = id
				}
				if c.Input.Fire {
					ev.All(shot{X: 3, By: last})
					ev.To(c.Player, shot{})
				}
			}
			for p := range w.Players() {
				_ = in.Of(p)
			}
			tab.Remove(last)
			tab.Own(tab.Add(mover{HP: int16(w.Rand().IntN(9))}), 8)
		}
	})
	r.seat(t, 1, 2, 3, 4, 5, 6, 7, 8)
	lanes := make([]int32, r.Schema().Input.Lanes)
	for i, v := range []int64{3, -2, 1, 40} {
		r.Schema().Input.Fields[i].Leaves[0].Put(lanes, v)
	}
	r.Schema().Input.Fields[4].Leaves[0].PutString(lanes, "hello")
	return r, func() {
		for p := game.PlayerID(1); p <= 8; p++ {
			r.Command(p, game.Fresh, r.now, lanes)
		}
	}
}

func TestWarmTickDoesNotAllocate(t *testing.T) {
	r, inputs := crowd(t, 96)
	tick := func() {
		inputs()
		r.tick()
		r.Asked()
	}
	for range 10 {
		tick()
	}
	if n := testing.AllocsPerRun(200, tick); n != 0 {
		t.Errorf("a tick allocates %v times", n)
	}
}

func BenchmarkCapture(b *testing.B) {
	for _, rows := range []int{16, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			r, _ := crowd(b, rows/8*8)
			r.tick()
			for b.Loop() {
				r.Capture(r.e)
			}
			n := len(r.e.Tables[0].Meta)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}

func BenchmarkTick(b *testing.B) {
	r, inputs := crowd(b, 96)
	for b.Loop() {
		inputs()
		r.tick()
	}
}

func BenchmarkIterate(b *testing.B) {
	_, _, tab := items(b, 2)
	for n := range uint32(1000) {
		tab.Add(item{N: n})
	}
	sum := uint32(0)
	for b.Loop() {
		for id, it := range tab.All() {
			sum += it.N + tab.Get(id).N
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

func BenchmarkCheckpoint(b *testing.B) {
	r, _ := crowd(b, 1000)
	r.tick()
	buf := r.AppendCheckpoint(nil)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		buf = r.AppendCheckpoint(buf[:0])
	}
}

func BenchmarkNewSim(b *testing.B) {
	for b.Loop() {
		if _, err := brawlKind.NewSim(game.SimConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}
