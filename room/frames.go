package room

import (
	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// group is the group of a key, its frame encoded when it is first asked for. It
// is valid until the next call.
func (a *audience) group(key groupKey) *group {
	if n := len(a.groups); n > 0 && a.groups[n-1].key == key {
		return &a.groups[n-1]
	}
	i, ok := a.index[key]
	if !ok {
		i = len(a.groups)
		a.index[key] = i
		a.groups = append(a.groups, group{key: key})
		a.encode(&a.groups[i])
	}
	return &a.groups[i]
}

// encode makes the frame of a group: the state message, then shared events. A
// base that left the ring makes it a keyframe.
func (a *audience) encode(g *group) {
	if g.key.based {
		g.base = a.ring.At(g.key.base)
	}
	f := a.pool.Get()
	view := delta.View{Teams: g.key.teams}
	if g.base != nil {
		f.B = a.appendState(f.B, g.base, delta.View{Teams: g.key.baseTeams}, view)
	} else if twin := a.keyframe(g); twin != nil {
		f.B = append(f.B, twin.frame.B[wire.HeadRoom:wire.HeadRoom+twin.state]...)
	} else {
		f.B = a.appendState(f.B, nil, view, view)
	}
	g.state = len(f.B) - wire.HeadRoom
	f.B = a.appendEvents(f.B, g.key.base, view)
	f.Seal()
	g.frame = f
	a.stats.FrameBytes += uint64(f.Len())
}

// keyframe is a group whose frame begins with the keyframe that g needs, or nil.
func (a *audience) keyframe(g *group) *group {
	for i := range a.groups {
		if o := &a.groups[i]; o != g && o.base == nil && o.key.teams == g.key.teams {
			return o
		}
	}
	return nil
}

// appendState appends a delta (PROTOCOL.md, delta), or with a nil base a
// keyframe (PROTOCOL.md, keyframe) of one part.
func (a *audience) appendState(dst []byte, base *game.Entry, bv, v delta.View) []byte {
	a.stats.Encodes++
	var mark, n int
	if base == nil {
		dst, mark = wire.BeginKeyframe(dst, a.entry.Tick)
		dst, n = a.enc.AppendBody(dst, nil, bv, a.entry, v)
		return wire.EndKeyframe(dst, mark, n)
	}
	dst, mark = wire.BeginDelta(dst, a.entry.Tick-base.Tick)
	dst, n = a.enc.AppendBody(dst, base, bv, a.entry, v)
	return wire.EndDelta(dst, mark, n)
}

func (a *audience) appendEvents(dst []byte, from game.Tick, v delta.View) []byte {
	cut := game.Tick(0)
	if a.entry.Tick > a.fleet {
		cut = a.entry.Tick - a.fleet
	}
	return a.enc.AppendEvents(dst, a.ring, from, a.entry.Tick, v, cut)
}

// self is the frame for one player alone (PROTOCOL.md, self) with the events
// for that player, or nil when there is nothing to tell. It is made from the
// same base as the group's frame and is valid until the next call.
func (a *audience) self(v *Viewer, g *group, teams game.Teams) *wire.Frame {
	if v.seat == 0 {
		return nil
	}
	st := &a.entry.Seats[v.seat]
	v.offered = inputState{ack: st.Ack, drops: v.room.sim.seats[v.seat].drops, slack: st.Slack}
	view := delta.View{Teams: teams, Seat: v.seat}
	baseView := delta.View{Teams: g.key.baseTeams, Seat: v.seat}
	f := a.private
	dst, mark := wire.BeginSelf(f.B[:wire.HeadRoom], wire.Self{
		DAck: v.offered.ack - v.told.ack, Slack: v.offered.slack, Drops: v.offered.drops - v.told.drops,
	})
	n := 0
	if a.enc.HasPrivate(a.entry, view) || g.base != nil && a.enc.HasPrivate(g.base, baseView) {
		dst, n = a.enc.AppendBody(dst, g.base, baseView, a.entry, view)
	}
	dst = wire.EndSelf(dst, mark, n)
	state := len(dst)
	if a.toOne > g.key.base {
		dst = a.appendEvents(dst, g.key.base, view)
	}
	f.B = dst
	if n == 0 && len(dst) == state && v.offered == v.told {
		return nil
	}
	f.Seal()
	a.stats.SelfFrames++
	a.stats.SelfBytes += uint64(f.Len())
	return f
}
