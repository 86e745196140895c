package gametest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/roomd/roomd/game"
)

// director makes up what happens to a room, tick by tick, from chance and what
// the room is like. Its first and last third are busy with people who come and
// go, so that the game can get deep in between; then all leave for a moment.
type director struct {
	c      *config
	rng    *rand.Rand
	schema *game.Schema
	opts   game.Options
	repeat game.Tick // how long an input stands in for those that are missing
	actors []actor
}

// actor is one seat that takes part.
type actor struct {
	seat      game.PlayerID
	seated    bool
	present   bool
	joined    game.Tick
	held      []int32 // the input sent last
	sent      bool    // held was sent by this player
	sentAt    game.Tick
	seen      game.Tick
	silentFor int // ticks
}

func newDirector(kind *game.Kind, s *game.Schema, c *config, rng *rand.Rand) *director {
	d := &director{c: c, rng: rng, schema: s, opts: kind.Options()}
	if d.opts.Missing == game.Repeat {
		d.repeat = game.Tick(max(1, game.RepeatFor.Seconds()*float64(d.opts.TickRate)))
	}
	for p := range c.players {
		d.actors = append(d.actors, actor{seat: game.PlayerID(p + 1), held: make([]int32, s.Input.Lanes)})
	}
	if c.players > 1 {
		d.actors[c.players-1].seat = game.PlayerID(d.opts.MaxPlayers) // the last seat, too
	}
	return d
}

// turn makes up the tick after the one of e, which is nil at first, in a room
// that asked for what asked says. i counts the ticks played.
func (d *director) turn(i int, e *game.Entry, asked game.Asked) turn {
	t := turn{now: 1}
	if e != nil {
		t.now = e.Tick + 1
	}
	if d.opts.Sleeps && asked.SleepSet && e != nil && d.rng.IntN(2) == 0 {
		t.now += game.Tick(d.rng.IntN(50))
		if asked.SleepUntil > e.Tick {
			t.now = min(t.now, asked.SleepUntil)
		}
	}
	for j := range d.actors {
		d.appear(&t, &d.actors[j], i, asked)
	}
	if len(d.c.letters) > 0 && d.rng.IntN(10) == 0 {
		t.acts = append(t.acts, act{kind: actMail, letter: d.c.letters[d.rng.IntN(len(d.c.letters))]})
	}
	slices.SortStableFunc(t.acts, func(a, b act) int { return cmp.Compare(a.kind, b.kind) })
	for j := range d.actors {
		d.press(&t, &d.actors[j], e)
	}
	return t
}

// appear decides whether the actor joins, leaves, breaks off or returns.
func (d *director) appear(t *turn, a *actor, i int, asked game.Asked) {
	third := max(d.c.ticks/3, 1)
	calm, exodus := i >= third && i < 2*third, i == 2*third
	if a.seated {
		if exodus || kicked(asked, a.seat) || !calm && d.rng.IntN(80) == 0 {
			t.acts = append(t.acts, act{kind: actLeave, player: a.seat})
			a.seated = false
			if exodus || d.rng.IntN(4) != 0 {
				return // else the seat has its next player at once
			}
		} else {
			d.waver(t, a)
			return
		}
	} else if i > 2*third && i <= 2*third+2 || !calm && i >= 8 && d.rng.IntN(12) != 0 {
		return
	}
	t.acts = append(t.acts, act{kind: actJoin, player: a.seat, info: d.info(a.seat)})
	clear(a.held)
	*a = actor{seat: a.seat, seated: true, present: true, joined: t.now, held: a.held}
}

// waver lets a connection break or return.
func (d *director) waver(t *turn, a *actor) {
	if a.present && d.rng.IntN(100) == 0 || !a.present && d.rng.IntN(10) == 0 {
		a.present = !a.present
		t.acts = append(t.acts, act{kind: actPresent, player: a.seat, back: a.present})
	}
}

func kicked(asked game.Asked, p game.PlayerID) bool {
	for _, k := range asked.Kicks {
		if k.Player == p {
			return true
		}
	}
	return false
}

func (d *director) info(p game.PlayerID) game.JoinInfo {
	if d.c.joins != nil {
		return d.c.joins(d.rng, p)
	}
	info := game.JoinInfo{Name: "player " + strconv.Itoa(int(p))}
	if d.rng.IntN(4) == 0 {
		info.Name = texts[d.rng.IntN(len(texts))]
	}
	return info
}

// heard tells the director what the game said to those who joined.
func (d *director) heard(t *turn, refused []string) {
	n := 0
	for i := range t.acts {
		a := &t.acts[i]
		if a.kind != actJoin {
			continue
		}
		if a.refused = refused[n]; a.refused != "" {
			for j := range d.actors {
				d.actors[j].seated = d.actors[j].seated && d.actors[j].seat != a.player
			}
		}
		n++
	}
}

// press decides what the actor's command is: a new input, the last one again,
// or none. e is what players may have seen.
func (d *director) press(t *turn, a *actor, e *game.Entry) {
	if !a.seated || a.joined == t.now {
		return
	}
	if a.silentFor > 0 {
		a.silentFor--
	} else if d.rng.IntN(15) == 0 {
		a.silentFor = 1 + d.rng.IntN(15)
	}
	if a.silentFor > 0 || !a.present {
		if a.sent && t.now-a.sentAt <= d.repeat {
			t.commands = append(t.commands, command{a.seat, game.Repeated, a.seen, append([]int32(nil), a.held...)})
		}
		return
	}
	d.choose(a, e)
	a.sent, a.sentAt = true, t.now
	if back := game.Tick(1 + d.rng.IntN(6)); t.now-back >= a.joined && t.now > back {
		a.seen = t.now - back
	}
	t.commands = append(t.commands, command{a.seat, game.Fresh, a.seen, append([]int32(nil), a.held...)})
}

// choose changes what the actor holds down, as people do: now and then.
func (d *director) choose(a *actor, e *game.Entry) {
	if d.c.inputs != nil {
		d.c.inputs(d.rng, d.schema, a.held)
		return
	}
	if a.sent && d.rng.IntN(5) != 0 {
		return
	}
	share := 1.0
	if d.rng.IntN(2) == 0 {
		share = 0.4
	}
	randomize(d.rng, &d.schema.Input, a.held, share, func(t int) int64 { return d.ref(t, e) })
}

// ref is a row's index + 1 as a client would send it, mostly of a row that may
// be there.
func (d *director) ref(t int, e *game.Entry) int64 {
	n := 1
	if e != nil && t < len(e.Tables) {
		n += len(e.Tables[t].Meta)
	}
	switch d.rng.IntN(10) {
	case 0:
		return 0
	case 1:
		return int64(d.rng.IntN(game.MaxRows)) + 1
	}
	return int64(d.rng.IntN(n) + 1)
}
