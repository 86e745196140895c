package gametest

import (
	"fmt"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// eye is what a viewer may see, written straight from game.RowMeta: the checks
// judge the engine by it, so it uses none of its code. With a seat it is what
// that player may see in all; without one, what its teams may.
type eye struct {
	teams game.Teams
	seat  game.PlayerID
}

func (e eye) sees(m *game.RowMeta) bool {
	return m.Gen != 0 && (m.Show&e.teams != 0 || e.owns(m))
}

func (e eye) owns(m *game.RowMeta) bool { return e.seat != 0 && m.Gen != 0 && m.Owner == e.seat }

// reads reports whether the fields tagged owner are for this eye.
func (e eye) reads(m *game.RowMeta) bool {
	return e.owns(m) || m.Gen != 0 && m.Show&e.teams != 0 && m.Reveal&e.teams != 0
}

// hears reports whether an event is for this eye.
func (e eye) hears(ev *game.EventRecord) bool {
	return ev.To == 0 && ev.Teams&e.teams != 0 || ev.To != 0 && ev.To == e.seat
}

// resolve is the index + 1 of the row of table t that a reference names, 0 when
// there is none or the eye does not see it.
func (e eye) resolve(entry *game.Entry, t int, ref uint32) int64 {
	i := game.RefIndex(ref)
	if ref == 0 || t >= len(entry.Tables) || !entry.Tables[t].Live(i) {
		return 0
	}
	if m := &entry.Tables[t].Meta[i]; m.Gen != game.RefGen(ref) || !e.sees(m) {
		return 0
	}
	return int64(i) + 1
}

// encoder is the part of delta.Encoder that viewers depend on.
type encoder interface {
	AppendBody(dst []byte, base *game.Entry, bv delta.View, cur *game.Entry, cv delta.View) ([]byte, int)
	AppendEvents(dst []byte, ring *delta.Ring, from, to game.Tick, v delta.View, fleetCut game.Tick) []byte
}

// viewer is one who watches a room: what was sent and what came of it.
type viewer struct {
	name  string
	seat  game.PlayerID // 0: none
	teams game.Teams    // without a seat
	life  int           // of the seat

	shared, own *delta.State
	fresh       bool      // has nothing yet
	base        game.Tick // that it has
}

// eye is what the viewer may see of an entry.
func (v *viewer) eye(e *game.Entry) eye {
	if v.seat == 0 {
		return eye{teams: v.teams}
	}
	if int(v.seat) >= len(e.Seats) {
		return eye{seat: v.seat}
	}
	return eye{teams: e.Seats[v.seat].Teams, seat: v.seat}
}

// views are the shared and the private part of what the viewer is sent.
func (v *viewer) views(e *game.Entry) (shared, private delta.View) {
	teams := v.eye(e).teams
	return delta.View{Teams: teams}, delta.View{Teams: teams, Seat: v.seat}
}

// forget is a viewer who begins anew.
func (v *viewer) forget() {
	v.shared.Clear()
	v.own.Clear()
	v.fresh = true
}

// parcel is what a viewer is sent at a time.
type parcel struct {
	base, cur            *game.Entry // base is nil for a viewer who has nothing
	from                 game.Tick   // the events are of the ticks after it
	cut                  game.Tick   // fleeting events before it are left out
	shared, private      []byte
	nShared, nPrivate    int
	events, ownEvents    []byte
	sharedView, ownView  delta.View
	baseShared, baseView delta.View
}

// pack makes what brings the viewer from base to cur.
func (v *viewer) pack(enc encoder, ring *delta.Ring, base, cur *game.Entry, cut game.Tick) *parcel {
	p := &parcel{base: base, cur: cur, from: cur.Tick - 1, cut: cut}
	p.sharedView, p.ownView = v.views(cur)
	if base != nil {
		p.from = base.Tick
		p.baseShared, p.baseView = v.views(base)
	}
	p.shared, p.nShared = enc.AppendBody(nil, base, p.baseShared, cur, p.sharedView)
	p.events = enc.AppendEvents(nil, ring, p.from, cur.Tick, p.sharedView, cut)
	if v.seat != 0 {
		p.private, p.nPrivate = enc.AppendBody(nil, base, p.baseView, cur, p.ownView)
		p.ownEvents = enc.AppendEvents(nil, ring, p.from, cur.Tick, p.ownView, cut)
	}
	return p
}

// viewersOf are the viewers of a play: each seat that takes part, spectators,
// and one for each team in use who is in that team alone.
func (s *suite) viewersOf() (all []*viewer) {
	opts := s.kind.Options()
	add := func(name string, seat game.PlayerID, teams game.Teams) {
		all = append(all, &viewer{
			name: name, seat: seat, teams: teams, fresh: true,
			shared: delta.NewState(s.schema), own: delta.NewState(s.schema),
		})
	}
	d := newDirector(s.kind, s.schema, s.c, nil)
	for i := range d.actors {
		add(fmt.Sprintf("player %d", d.actors[i].seat), d.actors[i].seat, game.Nobody)
	}
	add("a spectator", 0, opts.Spectate|game.Spectators)
	for n, left := 0, maxTeams; n <= game.MaxTeam && left > 0; n++ {
		if s.teams&game.Team(n) != 0 {
			add(fmt.Sprintf("a viewer of team %d alone", n), 0, game.Team(n))
			left--
		}
	}
	return all
}
