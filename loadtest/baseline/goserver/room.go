package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// The numbers of the workload, as loadtest/crowd has them.
const (
	tickRate   = 30
	size       = 1024 // units
	directions = 16
	fullHP     = 100

	period = time.Second / tickRate
	// catchUp is the number of late ticks that are made up for.
	catchUp = 3
)

var velocities = [directions][2]int16{
	{24, 5}, {20, 13}, {13, 20}, {5, 24}, {-5, 24}, {-13, 20}, {-20, 13}, {-24, 5},
	{-24, -5}, {-20, -13}, {-13, -20}, {-5, -24}, {5, -24}, {13, -20}, {20, -13}, {24, -5},
}

// room is one room. mu guards all of it but what only its own goroutine uses.
type room struct {
	mu      sync.Mutex
	players []*player
	last    uint32 // number of the newest player

	// Of the room's goroutine:
	now     uint32
	frame   []byte
	viewers []*websocket.Conn
}

// player is a player and its walker.
type player struct {
	conn   *websocket.Conn
	id     uint32
	x, y   float32
	vx, vy int16 // eighths of a unit a tick
	seq    uint32
	hp     uint8
}

// phase spreads the ticks of rooms over the period, however many there will be.
func phase(n int) time.Duration {
	const golden = 0.6180339887498949
	turns := float64(n) * golden
	return time.Duration((turns - float64(int(turns))) * float64(period))
}

// run is the goroutine of a room, which lives as long as the server.
func (r *room) run(phase time.Duration) {
	for next := time.Now().Add(phase); ; next = next.Add(period) {
		late := time.Since(next)
		if late > catchUp*period {
			next = next.Add(late.Truncate(period))
		}
		time.Sleep(-late)
		r.tick()
	}
}

func (r *room) join(c *websocket.Conn) *player {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	p := &player{conn: c, id: r.last, x: float32(rand.IntN(size*8)) / 8, y: float32(rand.IntN(size*8)) / 8, hp: fullHP}
	p.turn(uint8(p.id))
	r.players = append(r.players, p)
	return p
}

func (r *room) leave(p *player) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.players, p); i >= 0 {
		r.players = slices.Delete(r.players, i, i+1)
	}
}

// input is applied at once and shown at the next tick: the newest one counts.
func (r *room) input(p *player, dir uint8, seq uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.seq = seq
	p.turn(dir)
}

// tick moves everyone and writes the state.
func (r *room) tick() {
	r.mu.Lock()
	r.now++
	r.viewers = r.viewers[:0]
	for _, p := range r.players {
		p.step(r.now)
		r.viewers = append(r.viewers, p.conn)
	}
	r.frame = appendState(r.frame[:0], r.now, r.players)
	r.mu.Unlock()
	if len(r.viewers) == 0 {
		return
	}
	m, err := websocket.NewPreparedMessage(websocket.BinaryMessage, r.frame)
	if err != nil {
		return // no frame can be made of bytes: there is no such error
	}
	until := time.Now().Add(writeWait)
	for _, c := range r.viewers {
		c.SetWriteDeadline(until)
		if c.WritePreparedMessage(m) != nil {
			c.Close() // its reader takes it out
		}
	}
	clear(r.viewers)
}

func (p *player) step(now uint32) {
	if (now+7*p.id)%tickRate == 0 {
		p.hp = p.hp%fullHP + 1
	}
	p.x = wrap(p.x + float32(p.vx)/8)
	p.y = wrap(p.y + float32(p.vy)/8)
}

func (p *player) turn(dir uint8) {
	v := velocities[dir%directions]
	p.vx, p.vy = v[0], v[1]
}

func wrap(v float32) float32 {
	switch {
	case v >= size:
		return v - size
	case v < 0:
		return v + size
	}
	return v
}
