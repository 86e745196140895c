package room

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// EdgeConfig is what an Edge is made of. ID and Uplink are required.
type EdgeConfig struct {
	// ID is the room's name.
	ID string
	// Owner is the node that has the room and Term the number under which it does;
	// empty if that is not known yet.
	Owner string
	Term  uint64
	// Uplink brings bytes to the owner, for its Room.FromEdge. It must not block; b
	// is valid until return.
	Uplink func(owner string, b []byte)
	// OnWake is called when Advance has something to do before the time it said.
	OnWake func()
	// Moved is where clients find the owner, empty if they should stay; may be nil.
	Moved func() string
	// History and Empty are those of Config, and Frames and Log.
	History time.Duration
	Empty   time.Duration
	Frames  *wire.Pool
	Log     *slog.Logger
}

// Edge is an audience of a room that another node has: fed with the owner's entries
// it serves its viewers like the room itself, from its own history. Its methods
// belong to the goroutine of its loop, except Info.
type Edge struct {
	cfg   EdgeConfig
	aud   *audience // nil until the first state is there
	stats Stats
	info  atomic.Pointer[Info]

	rest   *delta.Rest
	public *delta.State // what the newest entry's public body led to
	teams  game.Teams   // its view
	at     game.Tick    // its tick, 0: it must be made anew

	waiting []*Viewer          // to be answered
	answers []edgeAnswer       // for entries that are not here yet
	ready   game.Tick          // the newest of those
	viewers map[uint32]*Viewer // of the waiting and the seated
	ids     uint32
	up      []byte // errands that wait
	scratch []byte

	synced   bool      // the entries come one after the other
	told     game.Tick // that the owner knows this edge to have
	asleep   bool
	stalled  bool // viewers were told
	ended    bool
	heard    time.Duration // when the owner was heard last
	asked    time.Duration // when the owner was last asked for what is missing
	asks     int           // without an answer
	greeted  time.Duration
	cutoff   time.Duration // from when on errands do not wait for others
	vacant   time.Duration // since when nobody is here, 0: somebody is
	observer Observer
	beat     beat
}

// errand is what an edge keeps of a player: which viewer this is to the owner, and
// the commands that are not known to be applied.
type errand struct {
	id      uint32
	unacked inbox
}

// NewEdge makes an edge that asks the owner for the room's state at once.
func NewEdge(cfg EdgeConfig, now time.Duration) *Edge {
	setDefault(&cfg.History, defaultHistory)
	setDefault(&cfg.Empty, defaultEmpty)
	if cfg.Frames == nil {
		cfg.Frames = &wire.Pool{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Edge{cfg: cfg, viewers: map[uint32]*Viewer{}, heard: now}
	e.info.Store(&Info{ID: cfg.ID})
	e.greet(now)
	return e
}

// SetOwner says who has the room now. What the owner before did not acknowledge is
// told to this one.
func (e *Edge) SetOwner(now time.Duration, owner string, term uint64) {
	if term <= e.cfg.Term && e.cfg.Owner != "" || e.ended {
		return
	}
	e.cfg.Owner, e.cfg.Term = owner, term
	e.synced, e.up, e.asks = false, nil, 0
	e.greet(now)
	e.tellMoved()
}

// Join brings a viewer in, as Room.Join does.
func (e *Edge) Join(req JoinRequest, p Peer) *Viewer {
	e.ids++
	v := &Viewer{aud: e.aud, peer: p, arrival: &arrival{req: req}, relay: &errand{id: e.ids}}
	if v.aud == nil {
		v.aud = &audience{actor: e} // until there is one
	}
	v.req.Name = cutText(req.Name, wire.MaxName)
	switch {
	case e.ended:
		v.bye(wire.ByeRoomGone, "", 0)
	case len(e.waiting) >= MaxArrivals || e.aud != nil && len(e.aud.viewers)+len(e.waiting) >= MaxViewers:
		v.bye(wire.ByeFull, "", retryFull)
	default:
		e.waiting, e.viewers[v.relay.id] = append(e.waiting, v), v
		e.ask(v)
		e.flush()
		e.wake()
	}
	return v
}

// input implements actor.
func (e *Edge) input(v *Viewer, c command, lanes []int32) {
	box := &v.relay.unacked
	box.width = len(lanes)
	if box.full() {
		box.pop()
	}
	box.push(c, lanes)
	if e.cfg.Owner != "" && len(e.up) < maxUp { // else it is repeated later
		e.up, e.scratch = appendInput(e.up, e.scratch, v.relay.id, c, lanes)
	}
	if c.at >= e.cutoff {
		e.wake()
	}
}

// detach implements actor.
func (e *Edge) detach(v *Viewer, leaves bool) {
	if v.relay == nil || e.viewers[v.relay.id] != v {
		return
	}
	delete(e.viewers, v.relay.id)
	if !v.joined || v.seat != 0 {
		e.up = appendPart(e.up, v.relay.id, leaves)
	}
	e.wake()
}

// wake implements actor.
func (e *Edge) wake() {
	if e.cfg.OnWake != nil {
		e.cfg.OnWake()
	}
}

// tickAt implements actor.
func (e *Edge) tickAt(now time.Duration) game.Tick {
	if e.asleep {
		return max(e.aud.tick(), e.beat.at(now))
	}
	return e.aud.tick()
}

// Advance sends what waits and does what is due. It returns when it wants to be
// called next: shortly before the owner's next tick, or sooner if there is more.
func (e *Edge) Advance(now time.Duration) (next time.Duration) {
	if e.ended {
		return never
	}
	if e.aud != nil {
		e.aud.sweep()
	}
	e.welcomeAll(now)
	again := e.again(now)
	switch {
	case !e.synced && now-e.asked >= e.patience():
		e.greet(now)
	case now-e.greeted >= helloEvery:
		e.greeted = now
		e.up = appendErrand(e.up, upHello, e.hello(false))
		e.repeatLate(now)
	}
	if len(e.up) > 0 && now >= e.cutoff {
		e.flush()
	}
	e.look(now)
	if e.ended {
		return never
	}
	next = e.greeted + helloEvery
	switch {
	case !e.synced:
		next = min(next, e.asked+e.patience())
	case !e.asleep:
		next = min(next, e.due(now))
	}
	return max(min(next, again), now+slot)
}

// again offers the newest entry once more to those who did not take it, when no newer
// one has come for a while, and returns when to do so next. Who has it is offered
// nothing while the room sleeps or stands still: that time does not count.
func (e *Edge) again(now time.Duration) time.Duration {
	a := e.aud
	switch {
	case a == nil || a.tick() == 0:
		return never
	case a.unserved == 0:
		if e.asleep || e.stalled {
			a.refresh(now)
		}
		return never
	}
	wait := e.beat.clock.span(2)
	if now >= a.now+wait {
		a.broadcast(now)
		a.sweep()
	}
	return a.now + wait
}

// look sees whether the owner is still there, and anybody here.
func (e *Edge) look(now time.Duration) {
	silent := now - e.heard
	switch {
	case silent >= lostAfter:
		e.Stop(wire.ByeShutdown, "the room's node is not heard", retrySoon)
		return
	case silent >= stalledAfter && !e.stalled:
		e.stall()
	}
	if len(e.viewers) > 0 || e.readers() > 0 || e.aud != nil && len(e.aud.viewers) > 0 {
		e.vacant = 0
	} else if e.vacant == 0 {
		e.vacant = max(now, 1)
	} else if e.cfg.Empty >= 0 && now-e.vacant >= e.cfg.Empty {
		e.Stop(wire.ByeRoomGone, "", 0)
	}
}

// stall tells the viewers that the room stands still.
func (e *Edge) stall() {
	e.stalled = true
	if e.aud == nil {
		return
	}
	e.aud.tellStalled()
}

func (e *Edge) readers() int {
	if e.observer == nil {
		return 0
	}
	return e.observer.Readers()
}

// Stop ends the edge: everybody at it is told the code and the text.
func (e *Edge) Stop(code wire.Code, text string, retry time.Duration) {
	if e.ended {
		return
	}
	e.ended = true
	for _, v := range append([]*Viewer(nil), e.waiting...) {
		v.bye(code, text, retry)
	}
	if e.aud != nil {
		for i := 0; i < len(e.aud.viewers); i++ {
			e.aud.viewers[i].bye(code, text, retry)
		}
	}
	if e.observer != nil {
		e.observer.End(code, text, retry)
	}
	e.waiting = nil
	e.flush()
	e.publish()
}

// Gone ends the edge since nobody has the room any more. An owner that ends its room
// says why; a room that was never heard from its last owner is lost.
func (e *Edge) Gone() {
	if e.synced && !e.stalled || e.aud == nil {
		e.Stop(wire.ByeRoomGone, "", 0)
		return
	}
	e.Stop(wire.ByeLost, "", 0)
}

// Info is the newest snapshot. Any goroutine may call it.
func (e *Edge) Info() Info { return *e.info.Load() }

func (e *Edge) publish() {
	i := Info{ID: e.cfg.ID, Ended: e.ended, Asleep: e.asleep}
	if e.aud != nil {
		i.Kind, i.Epoch, i.Tick, i.TickRate, i.Spectators = e.aud.schema.Kind, e.aud.epoch, e.aud.tick(), e.aud.schema.TickRate, e.aud.spectators
	}
	e.info.Store(&i)
}

// SetObserver gives the edge its observer. There must be a state: see Ready.
func (e *Edge) SetObserver(o Observer) { e.observer = o }

// Ready reports whether there is something to see. The methods below are of no use
// before.
func (e *Edge) Ready() bool { return e.aud != nil }

// Ring is the edge's history.
func (e *Edge) Ring() *delta.Ring { return e.aud.ring }

// Public is the teams whose sight spectators have.
func (e *Edge) Public() game.Teams { return e.aud.spectate }

// Epoch names the history of the room.
func (e *Edge) Epoch() uint64 { return e.aud.epoch }

// Schema is that of the owner's kind.
func (e *Edge) Schema() *game.Schema { return e.aud.schema }

// Entry is the newest entry, nil before the first.
func (e *Edge) Entry() *game.Entry {
	if e.aud == nil {
		return nil
	}
	return e.aud.ring.Newest()
}

// Ended reports whether the edge is over.
func (e *Edge) Ended() bool { return e.ended }

// Owner is the node that has the room, as far as the edge was told.
func (e *Edge) Owner() (sid string, term uint64) { return e.cfg.Owner, e.cfg.Term }

// Stats are the edge's counters.
func (e *Edge) Stats() Stats { return e.stats }
