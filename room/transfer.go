package room

import (
	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// transfer is a keyframe that is under way to one viewer. Its parts are shared
// with all who began in the same tick; the private frame goes with the last.
type transfer struct {
	entry  *game.Entry
	tick   game.Tick // of entry, by which it is found again
	teams  game.Teams
	heard  game.Tick // events up to it were known, 0 for who joins
	events []byte    // for this player alone
	frames []*wire.Frame
	next   int
}

func (t *transfer) release() {
	if t == nil {
		return
	}
	for _, f := range t.frames[t.next:] {
		f.Release()
	}
}

// transfer begins to send a viewer the keyframe of its group. The events are
// taken now: they may have left the ring when the last part goes.
func (a *audience) transfer(v *Viewer, g *group) {
	t := &transfer{entry: a.entry, tick: a.entry.Tick, teams: g.key.teams, heard: v.base}
	t.frames = append(append(t.frames, g.parts...), g.frame)
	for _, f := range t.frames {
		f.Retain()
	}
	if v.seat != 0 && a.toOne > g.key.base {
		t.events = a.appendEvents(nil, t.entry, g.key.base, delta.View{Teams: t.teams, Seat: v.seat})
	}
	v.transfer = t
}

// proceed offers parts until the connection is full, and reports whether the
// keyframe is done with: sent, or to be made anew of the newest entry.
func (a *audience) proceed(v *Viewer) bool {
	t := v.transfer
	if t.entry = a.ring.At(t.tick); t.entry == nil {
		a.outlived(v)
		return true
	}
	for t.next < len(t.frames) {
		var private *wire.Frame
		if t.next == len(t.frames)-1 {
			private = a.self(v, offer{entry: t.entry, baseTeams: t.teams, events: t.events})
		}
		f := t.frames[t.next]
		ok := v.peer.Offer(private, f)
		if v.gone {
			return true
		}
		if !ok {
			if t.next == 0 {
				a.end(v) // nothing of it was taken: the next one will be newer
			}
			return false
		}
		f.Release()
		t.next++
		v.took = a.now
		if t.next == 1 {
			a.begun(v)
		}
	}
	a.end(v)
	a.stats.Keyframes++
	a.taken(v, t.entry, t.teams)
	return true
}

// begun notes that the viewer holds nothing but the beginning of a keyframe. Its
// entry is kept until a delta from it is taken: the keyframe may be under way for
// longer than the ring remembers.
func (a *audience) begun(v *Viewer) {
	t := v.transfer
	a.unpin(v)
	v.based, v.base = false, t.tick
	if v.resync {
		v.resync, v.resynced = false, max(a.now, 1)
	}
	if a.ring.Pin(t.entry) {
		v.pinned, v.pinnedAt = t.entry, a.now
	}
}

// outlived ends a keyframe so slow that the entry is gone from which deltas would
// start. Who joins gets another one; who has heard events has lost some.
func (a *audience) outlived(v *Viewer) {
	if v.transfer.heard == 0 {
		v.base = 0
	} else {
		v.lost = true
	}
	a.end(v)
}

func (a *audience) end(v *Viewer) {
	v.transfer.release()
	v.transfer = nil
}
