package room

import (
	"slices"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// audience is the half of a room that tells: the history ring, the viewers, and
// the frames of the tick. Viewers who hold the same and may see the same are a
// group, for which one frame is encoded.
type audience struct {
	ring     *delta.Ring
	enc      *delta.Encoder
	pool     *wire.Pool
	stats    *Stats
	capacity int        // of ring
	fleet    game.Tick  // FleetFor in ticks
	spectate game.Teams // what spectators are in

	viewers    []*Viewer // in order of joining
	spectators int       // of them, those here without a seat
	gone       int       // of them, those to be taken out
	behind     int       // of them, those who did not take the newest entry

	// Of the running broadcast:
	entry   *game.Entry
	now     time.Duration
	groups  []group
	index   map[groupKey]int // into groups
	private *wire.Frame
	// toOne is the newest tick with an event for one player alone.
	toOne game.Tick
}

// groupKey is what the shared frame of a viewer depends on, beside the entry.
type groupKey struct {
	teams, baseTeams game.Teams
	base             game.Tick // events up to it are known
	based            bool      // a delta from base, else a keyframe
}

// group is the viewers of one key and their frame.
type group struct {
	key   groupKey
	base  *game.Entry // nil for a keyframe
	frame *wire.Frame
	state int // length of the frame's state message, events follow it
}

// teams is what a viewer is in at an entry.
func (a *audience) teams(e *game.Entry, seat game.PlayerID) game.Teams {
	if seat == 0 {
		return a.spectate
	}
	if int(seat) >= len(e.Seats) {
		return game.Nobody
	}
	return e.Seats[seat].Teams
}

// restore gives a resumed viewer the base that its client holds, if the ring
// still has it and the seat was already the client's then.
func (a *audience) restore(v *Viewer, req *Resume, epoch uint64, since game.Tick) {
	e := a.ring.At(req.Tick)
	if req.Epoch != epoch || e == nil || req.Tick < since {
		return
	}
	v.base, v.based, v.baseTeams = req.Tick, true, a.teams(e, v.seat)
}

// commit makes e the newest entry. Lasting events of the entry that leaves the
// ring are lost for viewers who hold an older one.
func (a *audience) commit(e *game.Entry) {
	if old := a.ring.Oldest(); a.behind > 0 && a.ring.Len() == a.capacity {
		for _, v := range a.viewers {
			if v.based && v.base < old.Tick && !v.lost {
				v.lost = hearsLasting(old, v.seat, a.teams(e, v.seat))
			}
		}
	}
	for i := range e.Events {
		if e.Events[i].To != 0 {
			a.toOne = e.Tick
			break
		}
	}
	a.ring.Commit(e)
}

func hearsLasting(e *game.Entry, seat game.PlayerID, teams game.Teams) bool {
	for i := range e.Events {
		ev := &e.Events[i]
		if !ev.Fleeting && (ev.To == 0 && ev.Teams&teams != 0 || ev.To != 0 && ev.To == seat) {
			return true
		}
	}
	return false
}

// broadcast offers the newest entry to every viewer.
func (a *audience) broadcast(now time.Duration) {
	a.entry, a.now, a.behind = a.ring.Newest(), now, 0
	if len(a.viewers) == 0 {
		return
	}
	a.private = a.pool.Get()
	for i := 0; i < len(a.viewers); i++ {
		if v := a.viewers[i]; !v.gone {
			a.serve(v)
		}
	}
	a.private.Release()
	for i := range a.groups {
		a.groups[i].frame.Release()
		a.groups[i] = group{}
	}
	a.groups = a.groups[:0]
	clear(a.index)
	a.entry, a.private = nil, nil
}

// serve offers one viewer its frames.
func (a *audience) serve(v *Viewer) {
	if v.lost {
		v.bye(wire.ByeSlow, "", retrySoon)
		return
	}
	teams := a.teams(a.entry, v.seat)
	g := a.group(a.key(v, teams))
	private := a.self(v, g, teams)
	ok := v.peer.Offer(private, g.frame)
	switch {
	case v.gone:
	case ok:
		a.taken(v, g, teams)
	default:
		a.behind++
		a.stats.FramesRefused++
		if a.now-v.took >= SlowLimit {
			a.stats.Slow++
			v.bye(wire.ByeSlow, "", retrySoon)
		}
	}
}

func (a *audience) key(v *Viewer, teams game.Teams) groupKey {
	switch {
	case !v.based:
		// From nothing: what happened before this tick is not told.
		return groupKey{teams: teams, base: a.entry.Tick - 1}
	case v.resync && (v.resynced == 0 || a.now-v.resynced >= resyncEvery):
		return groupKey{teams: teams, base: v.base}
	}
	return groupKey{teams: teams, baseTeams: v.baseTeams, base: v.base, based: true}
}

// taken notes that the viewer now holds the newest entry and has been told all
// that g and its private frame said.
func (a *audience) taken(v *Viewer, g *group, teams game.Teams) {
	a.stats.FramesTaken++
	if v.pinned != nil {
		a.ring.Unpin(v.pinned)
		v.pinned = nil
	}
	v.took = a.now
	v.base, v.based, v.baseTeams = a.entry.Tick, true, teams
	if g.base == nil {
		a.stats.Keyframes++
		if v.resync {
			v.resync, v.resynced = false, max(a.now, 1)
		}
		// A keyframe may be under way for longer than the ring remembers.
		if a.ring.Pin(a.entry) {
			v.pinned = a.entry
		}
	}
	v.told = v.offered
}

func (a *audience) admit(v *Viewer) {
	a.viewers = append(a.viewers, v)
	if v.seat == 0 {
		a.spectators++
	}
}

// forget is for a viewer that is gone: it is taken out by sweep.
func (a *audience) forget(v *Viewer) {
	if v.pinned != nil {
		a.ring.Unpin(v.pinned)
		v.pinned = nil
	}
	if !v.joined {
		return
	}
	a.gone++
	if v.seat == 0 {
		a.spectators--
	}
}

// sweep takes out the viewers that are gone. It must not run in a broadcast.
func (a *audience) sweep() {
	if a.gone > 0 {
		a.viewers = slices.DeleteFunc(a.viewers, func(v *Viewer) bool { return v.gone })
		a.gone = 0
	}
}
