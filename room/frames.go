package room

import (
	"fmt"

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

// encode makes the frame of a group: the state message, then shared events, then
// the check if one is due. A base that left the ring makes it a keyframe.
func (a *audience) encode(g *group) {
	if g.key.based {
		g.base = a.ring.At(g.key.base)
	}
	g.frame = a.pool.Get()
	view := delta.View{Teams: g.key.teams}
	if g.base == nil {
		a.appendKeyframe(g, view)
	} else if body := a.relayed.body(g.key, a.entry.Tick); body != nil {
		a.stats.Relayed++
		g.frame.B = append(g.frame.B, body...)
	} else {
		a.stats.Encodes++
		g.frame.B = a.appendDelta(g.frame.B, g, view)
	}
	f := g.frame
	g.state = len(f.B) - wire.HeadRoom
	f.B = a.appendEvents(f.B, a.entry, g.key.base, view)
	if a.check > 0 && a.entry.Tick/a.check != g.key.base/a.check {
		f.B = wire.AppendCheck(f.B, a.hash(g.key.teams))
	}
	f.Seal()
	a.stats.FrameBytes += uint64(f.Len())
}

// appendDelta appends a delta (PROTOCOL.md section 6.1).
func (a *audience) appendDelta(dst []byte, g *group, view delta.View) []byte {
	back, n := a.entry.Tick-g.base.Tick, 0
	if g.key.predicted {
		back = wire.Predicted
	}
	dst, mark := wire.BeginDelta(dst, back)
	if g.key.predicted {
		past := [predictRun]*game.Entry{g.base, a.ring.At(g.key.base - 1), a.ring.At(g.key.base - 2)}
		dst, n = a.enc.AppendPredicted(dst, past, a.entry, view)
	} else {
		dst, n = a.enc.AppendBody(dst, g.base, delta.View{Teams: g.key.baseTeams}, a.entry, view)
	}
	return wire.EndDelta(dst, mark, n)
}

// appendKeyframe makes the parts of a keyframe (PROTOCOL.md section 6.2), the
// last in the group's frame. Groups that differ in the events they lack only
// share the parts.
func (a *audience) appendKeyframe(g *group, view delta.View) {
	if twin := a.twin(g); twin != nil {
		for _, p := range twin.parts {
			p.Retain()
			g.parts = append(g.parts, p)
		}
		g.frame.B = append(g.frame.B, twin.frame.B[wire.HeadRoom:wire.HeadRoom+twin.state]...)
		return
	}
	a.stats.Encodes++
	from, k := delta.Place{}, wire.Keyframe{Tick: a.entry.Tick}
	for {
		n, mark := 0, 0
		a.body, n, from, k.Last = a.enc.AppendPart(a.body[:0], a.entry, view, from, a.partSize-keyframeHead)
		f := g.frame
		if !k.Last {
			f = a.pool.Get()
		}
		f.B, mark = wire.BeginKeyframe(f.B, k)
		f.B = wire.EndKeyframe(append(f.B, a.body...), mark, n)
		if k.Last {
			return
		}
		f.Seal()
		a.stats.FrameBytes += uint64(f.Len())
		g.parts = append(g.parts, f)
		k.Part++
	}
}

// twin is a group whose frames begin with the keyframe that g needs, or nil.
func (a *audience) twin(g *group) *group {
	for i := range a.groups {
		if o := &a.groups[i]; o != g && o.base == nil && o.key.teams == g.key.teams {
			return o
		}
	}
	return nil
}

func (g *group) release() {
	g.frame.Release()
	for _, p := range g.parts {
		p.Release()
	}
}

// hash is that of what the teams see of the newest entry.
func (a *audience) hash(teams game.Teams) uint32 {
	for _, h := range a.hashes {
		if h.teams == teams {
			return h.hash
		}
	}
	h := a.enc.Hash(a.entry, delta.View{Teams: teams})
	a.hashes = append(a.hashes, teamHash{teams, h})
	return h
}

// hashOf is that of what the view sees of an entry.
func (a *audience) hashOf(e *game.Entry, v delta.View) uint32 {
	if a.lend() {
		defer a.giveBack()
	}
	return a.enc.Hash(e, v)
}

// appendEvents appends the events of the ticks after heard up to the entry's.
func (a *audience) appendEvents(dst []byte, entry *game.Entry, heard game.Tick, v delta.View) []byte {
	cut := game.Tick(0)
	if entry.Tick > a.fleet {
		cut = entry.Tick - a.fleet
	}
	return a.enc.AppendEvents(dst, a.ring, heard, entry.Tick, v, cut)
}

// offer is what the private frame of a viewer depends on.
type offer struct {
	entry     *game.Entry
	base      *game.Entry // nil: from nothing
	baseTeams game.Teams
	heard     game.Tick // events up to it are known
	events    []byte    // or those to tell, made before
}

// self is the frame for one player alone (PROTOCOL.md section 6.3) with the
// events for that player, or nil when there is nothing to tell. It is valid
// until the next call.
func (a *audience) self(v *Viewer, o offer) *wire.Frame {
	if v.seat == 0 {
		return nil
	}
	st := &o.entry.Seats[v.seat]
	v.offered = inputState{ack: st.Ack, drops: st.Drops, slack: st.Slack}
	view := delta.View{Teams: st.Teams, Seat: v.seat}
	f := a.private
	dst, mark := wire.BeginSelf(f.B[:wire.HeadRoom], wire.Self{
		DAck: v.offered.ack - v.told.ack, Slack: v.offered.slack, Drops: v.offered.drops - v.told.drops,
	})
	dst, n := a.enc.AppendBody(dst, o.base, delta.View{Teams: o.baseTeams, Seat: v.seat}, o.entry, view)
	dst = wire.EndSelf(dst, mark, n)
	state := len(dst)
	if o.base == nil {
		dst = append(dst, o.events...)
	} else if a.toOne > o.heard {
		dst = a.appendEvents(dst, o.entry, o.heard, view)
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

// blame logs that a viewer holds another state than it should.
func (a *audience) blame(v *Viewer, q wire.Resync) {
	want := "unknown"
	if e := a.ring.At(q.Tick); e != nil {
		want = fmt.Sprintf("%08x", a.hashOf(e, delta.View{Teams: a.teams(e, v.seat)}))
	}
	a.log.Warn("a viewer holds another state than the room's", "seat", v.seat, "tick", q.Tick,
		"hash", fmt.Sprintf("%08x", q.Hash), "want", want)
}
