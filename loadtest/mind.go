package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/netcode/client"
)

// mind is a game's own bot: it plays as a person would, from what a client is shown.
// One plays one seat.
type mind interface {
	// press fills in the next input, in which the one before still is.
	press(see *client.Core, in *client.InputBuilder)
}

// minds makes the bots of the kinds that have one; a game adds its own here.
var minds = map[string]func() mind{
	arena.Kind.Name(): func() mind { return &gunner{side: rand.N[uint16](2)*2 - 1} },
}

// mindOf is the bot of a kind.
func mindOf(kind string) (func() mind, error) {
	if f := minds[kind]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("kind %s has no bot of its own; those that do: %s", kind, strings.Join(slices.Sorted(maps.Keys(minds)), ", "))
}

// brain is what a bot with a mind has: the whole client.
type brain struct {
	mind mind
	core *client.Core
	in   client.InputBuilder
}

// think is send for a bot with a mind.
func (b *bot) think(due time.Duration) {
	p := b.brain
	if _, ok := p.core.Tick(); !ok {
		return
	}
	p.mind.press(p.core, &p.in)
	msg, err := p.core.AppendInput(b.msg[:0], &p.in)
	if err == nil {
		err = p.in.Err()
	}
	if err != nil {
		b.conn.Close(err)
		return
	}
	b.msg, b.seq = msg, p.core.Seq()
	b.sentAt[b.seq%inFlight] = due
	b.out = appendFrame(b.out[:0], opBinary, b.msg)
	b.swarm.sent++
	b.conn.Write(b.out)
}

// see is messages for a bot with a mind.
func (b *bot) see(payload []byte) error {
	p := b.brain
	before, _ := p.core.Tick()
	wrong := p.core.Stats().WrongHashes
	err := p.core.Receive(payload)
	if bye := p.core.Bye(); bye != nil {
		return bye
	}
	if err != nil {
		return err
	}
	if out := p.core.Outgoing(); len(out) > 0 {
		b.conn.Write(appendFrame(nil, opBinary, out))
	}
	if p.core.Welcomed() && !b.playing {
		b.welcomed()
	}
	tick, ok := p.core.Tick()
	if !ok || tick == before {
		return nil
	}
	b.shown()
	b.acked(uint32(max(int32(p.core.Ack()-b.ack), 0)))
	b.steer(int16(p.core.Slack()))
	if b.tick = tick; b.swarm.measure {
		b.swarm.wrong += int64(p.core.Stats().WrongHashes - wrong)
		b.check()
	}
	return nil
}

// welcomed notes the seat that a bot with a mind has.
func (b *bot) welcomed() {
	c := b.brain.core
	if b.token != "" && b.seat != c.Seat() {
		b.swarm.trouble.reseated++
	}
	if b.schema != c.Schema() {
		b.schema, b.brain.in = c.Schema(), c.NewInput()
		b.swarm.schemas[b.schema.Hash()] = b.schema
	}
	b.playing, b.token, b.seat, b.state = true, c.Token(), c.Seat(), c.Shared()
	b.ack = c.Ack()
}

// gunner is a bot of arena: it drives about its nearest enemy, keeps it in its sights
// and fires. It knows no walls, so it changes its side where it is stuck.
type gunner struct {
	x, y float64
	side uint16 // 1 or -1
}

const (
	gunnerNear = 12   // units: it circles an enemy that is nearer
	gunnerAim  = 1500 // it fires when its aim is at most so far off
)

func (g *gunner) press(see *client.Core, in *client.InputBuilder) {
	me, ok := own(see, "tank")
	if !ok || me.Value("hp") == 0 {
		in.Set("fire", 0)
		return
	}
	x, y, aim := me.Value("x"), me.Value("y"), uint16(me.Value("aim"))
	if x == g.x && y == g.y && rand.IntN(10) == 0 {
		g.side = -g.side
	}
	g.x, g.y = x, y
	best, dx, dy := 1e9, arena.Width/2-x, arena.Width/2-y
	for foe := range see.Rows("tank") {
		fx, fy := foe.Value("x")-x, foe.Value("y")-y
		if far := fx*fx + fy*fy; !foe.Mine && foe.Value("hp") > 0 && far < best {
			best, dx, dy = far, fx, fy
		}
	}
	way := arena.Angle(dx, dy)
	off := int16(way - aim)
	fire := 0.0
	if best < 1e9 && max(off, -off) < gunnerAim {
		fire = 1
	}
	in.Set("aim", float64(way))
	in.Set("fire", fire)
	if best < gunnerNear*gunnerNear {
		way += g.side << 14
	} else {
		way += g.side << 12
	}
	in.Set("moveX", 127*arena.Cos(way))
	in.Set("moveY", 127*arena.Sin(way))
}

// own is the row that is the player's.
func own(see *client.Core, table string) (client.Row, bool) {
	for r := range see.Rows(table) {
		if r.Mine {
			return r, true
		}
	}
	return client.Row{}, false
}
