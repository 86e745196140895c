package gametest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// change is one thing that a viewer may not see, made different in entry number
// at of a window of the history.
type change struct {
	at     int
	format string // what is different, for args
	args   []any
	do     func(e *game.Entry)
}

// window is the entries that a parcel was made of, oldest first, the base's and
// the current one included.
func (a *audience) window(p *parcel) (entries []*game.Entry) {
	for tick := p.from; tick <= p.cur.Tick; tick++ {
		if e := a.ring.At(tick); e != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

// disturb changes at random what the viewer may not see in copies of the
// entries behind a parcel, and returns how much. The bytes must stay the same.
func (a *audience) disturb(v *viewer, p *parcel) (n int, err error) {
	entries := a.window(p)
	var changes []change
	for i, e := range entries {
		who := v.eye(p.cur) // by it the events of the ticks between are judged
		if p.base != nil && e.Tick == p.base.Tick {
			who = v.eye(p.base)
		}
		changes = append(changes, a.secretsOf(i, e, who)...)
	}
	if a.same(v, p, a.repack(v, p, entries, changes)) {
		return len(changes), nil
	}
	if !a.same(v, p, a.repack(v, p, entries, nil)) {
		return 0, fmt.Errorf("the same two states do not give the same bytes twice. %s", engineAdvice)
	}
	for i := range changes {
		if c := &changes[i]; !a.same(v, p, a.repack(v, p, entries, changes[i:i+1])) {
			return 0, fmt.Errorf("the bytes that the viewer is sent change when %s. %s", fmt.Sprintf(c.format, c.args...), engineAdvice)
		}
	}
	return 0, fmt.Errorf("the bytes that the viewer is sent depend on what it may not see (%d changes at once). %s", len(changes), engineAdvice)
}

// repack is the parcel as it would be, had the changes been made.
func (a *audience) repack(v *viewer, p *parcel, entries []*game.Entry, changes []change) *parcel {
	ring := delta.NewRing(a.s.schema, len(entries))
	for i, e := range entries {
		c := ring.Next()
		copyEntry(c, e)
		for _, x := range changes {
			if x.at == i {
				x.do(c)
			}
		}
		ring.Commit(c)
	}
	var base *game.Entry
	if p.base != nil {
		base = ring.At(p.base.Tick)
	}
	return v.pack(a.s.encoder(a.s.schema), ring, base, ring.At(p.cur.Tick), p.cut)
}

func (a *audience) same(v *viewer, p, q *parcel) bool {
	return bytes.Equal(p.shared, q.shared) && bytes.Equal(p.private, q.private) &&
		bytes.Equal(p.events, q.events) && bytes.Equal(p.ownEvents, q.ownEvents)
}

func copyEntry(to, from *game.Entry) {
	to.Tick = from.Tick
	to.Seats = append(to.Seats[:0], from.Seats...)
	to.Events = append(to.Events[:0], from.Events...)
	to.EventLanes = append(to.EventLanes[:0], from.EventLanes...)
	for t := range from.Tables {
		to.Tables[t].Meta = append(to.Tables[t].Meta[:0], from.Tables[t].Meta...)
		to.Tables[t].Lanes = append(to.Tables[t].Lanes[:0], from.Tables[t].Lanes...)
	}
}

// secretsOf makes up changes to entry number at that nobody with the eye may
// notice.
func (a *audience) secretsOf(at int, e *game.Entry, who eye) (all []change) {
	add := func(do func(e *game.Entry), format string, args ...any) {
		all = append(all, change{at, format, args, do})
	}
	for t := range a.s.schema.Tables {
		row := &a.s.schema.Tables[t]
		share := min(0.5, disturbed/float64(len(e.Tables[t].Meta)))
		for i := range e.Tables[t].Meta {
			if a.rng.Float64() < share {
				a.rowSecrets(add, row, t, i, e, who)
			}
		}
		if !row.Single && len(row.Fields) > 0 && a.rng.IntN(2) == 0 {
			meta := game.RowMeta{Gen: 1, Owner: a.stranger(who), Show: a.rng64() &^ who.teams, Reveal: a.rng64()}
			lanes := make([]int32, row.Lanes)
			randomize(a.rng, row, lanes, 1, a.someRef)
			add(func(e *game.Entry) {
				e.Tables[t].Meta = append(e.Tables[t].Meta, meta)
				e.Tables[t].Lanes = append(e.Tables[t].Lanes, lanes...)
			}, "table %q gets another row that is hidden from the viewer", row.Name)
		}
	}
	a.eventSecrets(add, e, who)
	for p := range e.Seats {
		if game.PlayerID(p) != who.seat && p > 0 {
			teams, ack := a.rng64()|1, a.rng.Uint32()
			add(func(e *game.Entry) { e.Seats[p].Teams, e.Seats[p].Ack = teams, ack }, "player %d is in other teams", p)
		}
	}
	return all
}

// rowName names a row in a report.
type rowName struct {
	table string
	row   int
	owner game.PlayerID
}

func (n rowName) String() string {
	return fmt.Sprintf("table %q row %d (owner: player %d)", n.table, n.row, n.owner)
}

type adder func(do func(e *game.Entry), format string, args ...any)

// rowSecrets makes up a change to row i of table t.
func (a *audience) rowSecrets(add adder, s *game.RowSchema, t, i int, e *game.Entry, who eye) {
	m := e.Tables[t].Meta[i]
	name := rowName{s.Name, i, m.Owner}
	meta := func(e *game.Entry) *game.RowMeta { return &e.Tables[t].Meta[i] }
	lanes := slices.Clone(e.Tables[t].Row(i, s.Lanes))
	put := func(e *game.Entry) { copy(e.Tables[t].Row(i, s.Lanes), lanes) }
	if !who.sees(&m) {
		randomize(a.rng, s, lanes, 0.5, a.someRef)
		add(put, "%s, which is hidden from the viewer, has other values", name)
		switch hidden := (game.RowMeta{Gen: m.Gen%4000 + 1, Owner: a.stranger(who), Show: a.rng64() &^ who.teams, Reveal: a.rng64()}); {
		case s.Single:
		case m.Gen == 0:
			add(func(e *game.Entry) { *meta(e) = hidden }, "%s comes to be, hidden from the viewer", name)
		case a.rng.IntN(2) == 0:
			add(func(e *game.Entry) { *meta(e) = game.RowMeta{} }, "%s, which is hidden from the viewer, is gone", name)
		default:
			add(func(e *game.Entry) { *meta(e) = hidden }, "%s, which is hidden from the viewer, is another one", name)
		}
		return
	}
	if !who.owns(&m) {
		owner := a.stranger(who)
		add(func(e *game.Entry) { meta(e).Owner = owner }, "%s has another owner", name)
	}
	show, reveal := a.rng64()&^who.teams, a.rng64()&^who.teams
	add(func(e *game.Entry) { meta(e).Show ^= show; meta(e).Reveal ^= reveal },
		"%s is shown and revealed to other teams than the viewer's", name)
	a.fieldSecrets(add, s, name, lanes, t, i, e, who)
}

// fieldSecrets changes the owner fields of a row that the eye sees but does not
// own, and references to what it does not see.
func (a *audience) fieldSecrets(add adder, s *game.RowSchema, name rowName, lanes []int32, t, i int, e *game.Entry, who eye) {
	secret := !who.reads(&e.Tables[t].Meta[i])
	for f := range s.Fields {
		for j := range s.Fields[f].Leaves {
			l := &s.Fields[f].Leaves[j]
			switch {
			case secret && s.Fields[f].Vis == game.VisOwner:
				randomLeaf(a.rng, l, lanes, a.someRef)
			case l.Type == game.LeafRef && l.Get(lanes) != 0 && who.resolve(e, l.Table, uint32(l.Get(lanes))) == 0:
				l.Put(lanes, 0)
			default:
				continue
			}
			value := slices.Clone(lanes[l.Lane : l.Lane+l.Lanes])
			add(func(e *game.Entry) { copy(e.Tables[t].Row(i, s.Lanes)[l.Lane:], value) },
				"%s has another %s, which is not for the viewer", name, leafName(&s.Fields[f], l))
		}
	}
}

// eventSecrets changes, drops and adds events that the eye does not hear.
func (a *audience) eventSecrets(add adder, e *game.Entry, who eye) {
	for i := range e.Events {
		ev := e.Events[i]
		if who.hears(&ev) {
			continue
		}
		row := &a.s.schema.Events[ev.Type]
		lanes := make([]int32, ev.Lanes)
		randomize(a.rng, row, lanes, 1, a.someRef)
		add(func(e *game.Entry) { copy(e.EventLanes[ev.Lane:ev.Lane+ev.Lanes], lanes) },
			"event %q, which is not for the viewer, says something else", row.Name)
		to := a.stranger(who)
		add(func(e *game.Entry) { e.Events[i].To, e.Events[i].Teams = to, a.outside(to, who) },
			"event %q, which is not for the viewer, is for others", row.Name)
	}
	for n := range a.s.schema.Events {
		row := &a.s.schema.Events[n]
		lanes := make([]int32, row.Lanes)
		randomize(a.rng, row, lanes, 1, a.someRef)
		to := a.stranger(who)
		add(func(e *game.Entry) {
			e.Events = append(e.Events, game.EventRecord{
				Type: uint8(n), To: to, Teams: a.outside(to, who), Lane: int32(len(e.EventLanes)), Lanes: int32(row.Lanes),
			})
			e.EventLanes = append(e.EventLanes, lanes...)
		}, "there is one more event %q, which is not for the viewer", row.Name)
	}
}

// outside is the teams of an event for player to, or of one for teams that the
// eye is in none of.
func (a *audience) outside(to game.PlayerID, who eye) game.Teams {
	if to != 0 {
		return game.Nobody
	}
	return ^who.teams
}

// stranger is a player or nobody, but not the eye's.
func (a *audience) stranger(who eye) game.PlayerID {
	p := game.PlayerID(a.rng.IntN(a.s.kind.Options().MaxPlayers + 1))
	if p == who.seat {
		return 0
	}
	return p
}

func (a *audience) rng64() game.Teams { return game.Teams(a.rng.Uint64()) }

// someRef is a reference to any row.
func (a *audience) someRef(int) int64 {
	return int64(a.rng.Uint32() & (1<<24 - 1))
}
