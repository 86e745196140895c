package room

import (
	"log/slog"
	"slices"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// audience is the half of a room that tells: the history ring, the viewers, and
// the frames of the tick. Viewers who hold the same, in the same way, and may see
// the same are a group, for which one frame is encoded.
type audience struct {
	id         string
	epoch      uint64
	grace      time.Duration
	schema     *game.Schema
	schemaHash uint64
	log        *slog.Logger
	actor      actor // what its viewers act on

	ring     *delta.Ring
	scratch  *Scratch
	*cast    // while frames are made
	pool     *wire.Pool
	stats    *Stats
	capacity int        // of ring
	fleet    game.Tick  // FleetFor in ticks
	spectate game.Teams // what spectators are in
	partSize int        // of a keyframe, in bytes
	check    game.Tick  // every so many ticks viewers are told a hash; 0: never

	viewers    []*Viewer // in order of joining
	spectators int       // of them, those here without a seat
	gone       int       // of them, those to be taken out
	unserved   int       // of them, those who did not take the newest entry, or not as they asked for it

	// Of the running broadcast:
	entry   *game.Entry
	now     time.Duration
	private *wire.Frame
	relayed relayed // of the newest entry, if it came from elsewhere
	outward outward // may be nil
	// toOne is the newest tick with an event for one player alone.
	toOne game.Tick
}

// actor is what the viewers of an audience act on: the room here, or an edge that
// passes it on.
type actor interface {
	// input takes in a command of a player. lanes are not kept.
	input(v *Viewer, c command, lanes []int32)
	// detach takes a viewer off its seat, which waits for its return unless the
	// player leaves.
	detach(v *Viewer, leaves bool)
	// wake has Advance called soon.
	wake()
	// tickAt is the tick that the room is at.
	tickAt(now time.Duration) game.Tick
}

// outward tells edges of each entry, while the groups of its broadcast stand.
type outward interface{ publish() }

// audienceConfig is what newAudience needs.
type audienceConfig struct {
	id         string
	epoch      uint64
	grace      time.Duration
	schema     *game.Schema
	spectate   game.Teams // of the kind's options
	history    time.Duration
	checkEvery time.Duration
	frames     *wire.Pool
	scratch    *Scratch // nil: of its own
	log        *slog.Logger
	stats      *Stats
}

func newAudience(c audienceConfig, by actor) *audience {
	clock := clock{rate: int64(c.schema.TickRate)}
	capacity := max(int(clock.ticks(c.history)), predictRun) + 1
	a := &audience{
		id: c.id, epoch: c.epoch, grace: c.grace, schema: c.schema, schemaHash: c.schema.Hash(), log: c.log, actor: by,
		ring: delta.NewRing(c.schema, capacity), capacity: capacity,
		scratch: c.scratch, pool: c.frames, stats: c.stats,
		fleet: clock.ticks(FleetFor), spectate: c.spectate | game.Spectators, partSize: PartSize,
	}
	if a.scratch == nil {
		a.scratch = &Scratch{}
	}
	if c.checkEvery > 0 {
		a.check = clock.ticks(c.checkEvery)
	}
	return a
}

// tick is that of the newest entry, 0 before the first.
func (a *audience) tick() game.Tick {
	if e := a.ring.Newest(); e != nil {
		return e.Tick
	}
	return 0
}

// groupKey is what the shared frame of a viewer depends on, beside the entry.
type groupKey struct {
	teams, baseTeams game.Teams
	base             game.Tick // events up to it are known
	based            bool      // a delta from base, else a keyframe
	predicted        bool      // from base and the two entries before
}

// group is the viewers of one key and their frame.
type group struct {
	key   groupKey
	base  *game.Entry   // nil for a keyframe
	parts []*wire.Frame // of a keyframe, but for the last
	frame *wire.Frame
	state int // length of the frame's state message, events follow it
}

// teamHash is the hash of what some teams see of the newest entry.
type teamHash struct {
	teams game.Teams
	hash  uint32
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
// still has it and all that came after, and the seat was already the client's
// then. A pin keeps an entry without those that came after.
func (a *audience) restore(v *Viewer, req *Resume, since game.Tick) {
	e := a.ring.At(req.Tick)
	if oldest, _ := a.ring.Oldest(); req.Epoch != a.epoch || e == nil || req.Tick < oldest || req.Tick < since {
		return
	}
	v.base, v.based, v.baseTeams = req.Tick, true, a.teams(e, v.seat)
}

// commit makes e the newest entry. Lasting events of the entry that leaves the
// ring are lost for viewers who hold an older one.
func (a *audience) commit(e *game.Entry) {
	if a.unserved > 0 && a.ring.Len() == a.capacity {
		oldest, events := a.ring.Oldest()
		for _, v := range a.viewers {
			if v.base != 0 && v.base < oldest && !v.lost {
				v.lost = hearsLasting(events, v.seat, a.teams(e, v.seat))
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

func hearsLasting(events []game.EventRecord, seat game.PlayerID, teams game.Teams) bool {
	for i := range events {
		ev := &events[i]
		if !ev.Fleeting && (ev.To == 0 && ev.Teams&teams != 0 || ev.To != 0 && ev.To == seat) {
			return true
		}
	}
	return false
}

// broadcast offers the newest entry to every viewer.
func (a *audience) broadcast(now time.Duration) {
	if idle := now - a.now - 2*time.Second/time.Duration(a.schema.TickRate); a.now != 0 && idle >= stalledAfter {
		for _, v := range a.viewers { // the room stood still: there was nothing to take
			v.took = min(v.took+idle, now)
		}
	}
	a.entry, a.now, a.unserved = a.ring.Newest(), now, 0
	if len(a.viewers) == 0 && a.outward == nil {
		return
	}
	a.private = a.pool.Get()
	a.lend()
	if a.outward != nil {
		a.outward.publish()
	}
	for i := 0; i < len(a.viewers); i++ {
		if v := a.viewers[i]; !v.gone {
			a.serve(v)
		}
	}
	a.private.Release()
	for i := range a.groups {
		a.groups[i].release()
		a.groups[i] = group{}
	}
	a.groups, a.hashes = a.groups[:0], a.hashes[:0]
	clear(a.index)
	a.giveBack()
	a.entry, a.private = nil, nil
}

// serve offers one viewer its frames.
func (a *audience) serve(v *Viewer) {
	if !v.lost && v.transfer != nil && !a.proceed(v) {
		a.refused(v)
		return
	}
	switch {
	case v.gone:
		return
	case v.based && v.base == a.entry.Tick && !a.owes(v):
		v.took = a.now // all that there is
		if v.resync {
			a.unserved++
		}
		return
	case int(v.seat) >= len(a.entry.Seats):
		return // a room that is back from a checkpoint does not have the seat, and will say so
	case v.lost:
		v.bye(wire.ByeSlow, "", retrySoon)
		return
	}
	teams := a.teams(a.entry, v.seat)
	g := a.group(a.key(v, teams))
	if g.base == nil {
		a.transfer(v, g)
		if !a.proceed(v) {
			a.refused(v)
		}
		return
	}
	private := a.self(v, offer{entry: a.entry, base: g.base, baseTeams: g.key.baseTeams, heard: g.key.base})
	ok := v.peer.Offer(private, g.frame)
	switch {
	case v.gone:
	case ok:
		a.unpin(v)
		a.taken(v, a.entry, teams)
		if v.resync {
			a.unserved++ // a keyframe is owed when a second is over
		}
	default:
		a.refused(v)
	}
}

// key is the group of a viewer who is not being sent a keyframe.
func (a *audience) key(v *Viewer, teams game.Teams) groupKey {
	switch {
	case v.base == 0:
		// From nothing: what happened before this tick is not told.
		return groupKey{teams: teams, base: a.entry.Tick - 1}
	case !v.based, a.owes(v):
		return groupKey{teams: teams, base: v.base}
	}
	return groupKey{
		teams: teams, baseTeams: v.baseTeams, base: v.base, based: true,
		predicted: v.run >= predictRun && v.baseTeams == teams && v.base+1 == a.entry.Tick && !a.relayed.plain(a.entry.Tick, teams),
	}
}

// owes reports whether the viewer is to have a keyframe that it asked for.
func (a *audience) owes(v *Viewer) bool {
	return v.resync && (v.resynced == 0 || a.now-v.resynced >= resyncEvery)
}

// taken notes that the viewer now holds the entry and has been told all that the
// frames for it said.
func (a *audience) taken(v *Viewer, entry *game.Entry, teams game.Teams) {
	a.stats.FramesTaken++
	if v.based && v.base+1 == entry.Tick && v.baseTeams == teams {
		v.run = min(v.run+1, predictRun)
	} else {
		v.run = 1
	}
	v.took = a.now
	v.base, v.based, v.baseTeams = entry.Tick, true, teams
	v.told = v.offered
}

// refused notes that the viewer's connection is full.
func (a *audience) refused(v *Viewer) {
	if v.gone {
		return
	}
	a.unserved++
	a.stats.FramesRefused++
	if v.pinned != nil && a.now-v.pinnedAt >= PinFor {
		a.unpin(v)
	}
	if a.now-v.took >= SlowLimit {
		a.stats.Slow++
		v.bye(wire.ByeSlow, "", retrySoon)
	}
}

// refresh gives all their time anew: for a while there was nothing to take.
func (a *audience) refresh(now time.Duration) {
	for _, v := range a.viewers {
		v.took = now
	}
}

func (a *audience) unpin(v *Viewer) {
	if v.pinned != nil {
		a.ring.Unpin(v.pinned)
		v.pinned = nil
	}
}

// restart forgets all that viewers hold: another history begins with the tick, in
// which seats are as they say.
func (a *audience) restart(epoch uint64, tick game.Tick, seats []game.Seat) {
	a.epoch, a.toOne = epoch, 0
	for _, v := range a.viewers {
		a.unpin(v)
		v.transfer.release()
		v.transfer = nil
		v.base, v.based, v.run, v.lost, v.resync = 0, false, 0, false, false
		st := game.Seat{}
		if int(v.seat) < len(seats) {
			st = seats[v.seat]
		}
		v.told = inputState{ack: st.Ack, drops: st.Drops, slack: -1}
		f := a.pool.Get()
		f.B = wire.AppendReset(f.B, wire.Reset{Epoch: epoch, Tick: tick, LastSeq: st.Ack})
		v.send(f)
	}
	a.ring = delta.NewRing(a.schema, a.capacity)
}

// tellStalled tells everybody that the room stands still until the next state.
func (a *audience) tellStalled() {
	f := a.pool.Get()
	f.B = wire.AppendStalled(f.B)
	f.Seal()
	for i := 0; i < len(a.viewers); i++ {
		if v := a.viewers[i]; !v.gone && !v.peer.Send(f) {
			v.Detach()
		}
	}
	f.Release()
}

func (a *audience) admit(v *Viewer) {
	a.viewers = append(a.viewers, v)
	if v.seat == 0 {
		a.spectators++
	}
}

// forget is for a viewer that is gone: it is taken out by sweep.
func (a *audience) forget(v *Viewer) {
	a.unpin(v)
	v.transfer.release()
	v.transfer = nil
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
