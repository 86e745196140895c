package main

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/roomd/roomd/game"
)

// The fixed worlds that the wire format is measured with.

const (
	syntheticEntities = 100
	syntheticSize     = 4096 // px, of the square they move on
	syntheticRate     = 20   // Hz
	syntheticSeconds  = 120
	syntheticSeed     = 1
)

// mover is an entity of the synthetic world.
type mover struct {
	X     float32 `net:"all,quant=1/8,pos"`
	Y     float32 `net:"all,quant=1/8,pos"`
	Angle uint8   `net:"all"` // 1/256 turn
	HP    uint8   `net:"all"`
	State uint8   `net:"all"`

	x, y, heading, speed, turn float64 // px, radians, px/s, radians/s
}

// synthetic is 100 entities that move, rest and change their mind at random. It
// reads no input.
type synthetic struct {
	movers *game.Table[mover]
	rng    *rand.Rand
}

func newSynthetic(w *game.World) game.Game[struct{}] {
	return &synthetic{game.NewTable[mover](w, "mover"), rand.New(rand.NewPCG(syntheticSeed, 0))}
}

func (g *synthetic) Join(game.PlayerID, game.JoinInfo) error { return nil }
func (g *synthetic) Leave(game.PlayerID)                     {}

func (g *synthetic) Start() {
	for range syntheticEntities {
		m := mover{HP: 100}
		m.x, m.y = g.rng.Float64()*syntheticSize, g.rng.Float64()*syntheticSize
		m.heading = g.rng.Float64() * 2 * math.Pi
		m.show()
		g.movers.Add(m)
	}
}

func (g *synthetic) Step(game.Tick, game.Inputs[struct{}]) {
	const dt = 1.0 / syntheticRate
	for _, m := range g.movers.All() {
		if g.rng.Float64() < 0.5*dt {
			g.decide(m)
		}
		if m.speed > 0 {
			m.heading += m.turn * dt
			m.x += math.Cos(m.heading) * m.speed * dt
			m.y += math.Sin(m.heading) * m.speed * dt
			if m.x < 0 || m.x > syntheticSize || m.y < 0 || m.y > syntheticSize {
				m.heading += math.Pi
				m.x, m.y = min(max(m.x, 0), syntheticSize), min(max(m.y, 0), syntheticSize)
			}
		}
		if g.rng.Float64() < 0.2*dt {
			m.HP = (m.HP + 90) % 100
		}
		if g.rng.Float64() < 0.5*dt {
			m.State = uint8(g.rng.IntN(6))
		}
		m.show()
	}
}

// decide has an entity go another way, or stop.
func (g *synthetic) decide(m *mover) {
	m.speed, m.turn = 0, 0
	if g.rng.Float64() < 0.6 {
		m.speed = 120 + g.rng.Float64()*160
		m.heading = g.rng.Float64() * 2 * math.Pi
	}
	if g.rng.Float64() < 0.5 {
		m.turn = (g.rng.Float64()*2 - 1) * 1.5
	}
}

// show brings what is sent up to date.
func (m *mover) show() {
	m.X, m.Y = float32(m.x), float32(m.y)
	m.Angle = uint8(int64(math.Floor(m.heading/(2*math.Pi)*256 + 0.5)))
}

// quakeEntity is an entity of a recorded game of QuakeWorld, with its ten
// columns: positions in 1/8 unit, angles in 1/65536 turn.
type quakeEntity struct {
	X, Y, Z                     int32  `net:"all"`
	Pitch, Yaw, Roll            uint16 `net:"all"`
	Model, Frame, Effects, Skin int32  `net:"all"`
}

type quakeFrame struct {
	id  uint16
	row quakeEntity
}

// quake plays a recording, a frame each tick.
type quake struct {
	entities *game.Table[quakeEntity]
	frames   [][]quakeFrame
	held     map[uint16]game.ID[quakeEntity]
	order    []uint16 // held, in order of coming
}

func newQuake(frames [][]quakeFrame) func(w *game.World) game.Game[struct{}] {
	return func(w *game.World) game.Game[struct{}] {
		return &quake{game.NewTable[quakeEntity](w, "entity"), frames, map[uint16]game.ID[quakeEntity]{}, nil}
	}
}

func (g *quake) Join(game.PlayerID, game.JoinInfo) error { return nil }
func (g *quake) Leave(game.PlayerID)                     {}

func (g *quake) Step(now game.Tick, _ game.Inputs[struct{}]) {
	frame := g.frames[now-1]
	here := map[uint16]bool{}
	for _, e := range frame {
		here[e.id] = true
	}
	stay := g.order[:0]
	for _, id := range g.order {
		if here[id] {
			stay = append(stay, id)
		} else {
			g.entities.Remove(g.held[id])
			delete(g.held, id)
		}
	}
	g.order = stay
	for _, e := range frame {
		if row := g.entities.Get(g.held[e.id]); row != nil {
			*row = e.row
			continue
		}
		g.held[e.id] = g.entities.Add(e.row)
		g.order = append(g.order, e.id)
	}
}

// readQuake reads a recording: "QST1", then frames, little endian: time in ms
// (u32), n (u16), n entities of id (u16) and ten columns (int32).
func readQuake(path string) ([][]quakeFrame, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(b) < 4 || string(b[:4]) != "QST1" {
		return nil, fmt.Errorf("%s: no QST1 recording", path)
	}
	const head, size, columns = 6, 42, 10
	var frames [][]quakeFrame
	changes := 0 // frames that are not as the one before
	for b = b[4:]; len(b) >= head; {
		n := int(binary.LittleEndian.Uint16(b[4:]))
		if b = b[head:]; len(b) < n*size {
			return nil, fmt.Errorf("%s: ends within a frame", path)
		}
		frame := make([]quakeFrame, n)
		for i := range frame {
			var c [columns]int32
			for k := range c {
				c[k] = int32(binary.LittleEndian.Uint32(b[2+4*k:]))
			}
			frame[i] = quakeFrame{binary.LittleEndian.Uint16(b), quakeEntity{
				c[0], c[1], c[2], uint16(c[3]), uint16(c[4]), uint16(c[5]), c[6], c[7], c[8], c[9],
			}}
			b = b[size:]
		}
		if k := len(frames); k > 0 && !slices.Equal(frames[k-1], frame) {
			changes++
		}
		frames = append(frames, frame)
	}
	if changes == 0 {
		return nil, fmt.Errorf("%s: nothing changes in its %d frames: there is nothing to measure", path, len(frames))
	}
	return frames, nil
}
