package room

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Room is one authoritative room. Its methods belong to the goroutine of its
// loop, except Info.
type Room struct {
	cfg       Config
	opts      game.Options
	schema    *game.Schema
	log       *slog.Logger
	clock     clock
	sim       simulation
	aud       *audience
	edges     edges
	stats     Stats
	info      atomic.Pointer[Info]
	published time.Duration
	observer  Observer // may be nil

	ended    bool
	vacant   bool // nobody is here
	vacantAt time.Duration

	asleep bool
	woken  bool          // there is something to do
	alarm  time.Duration // when to wake at the latest
}

// New makes a room whose first tick is due at the first moment from now on that
// Config.Phase allows. The kind's New runs; everything else of the game runs in
// Tick. A Room that is not used any more must be ended with Stop.
func New(cfg Config, now time.Duration) (*Room, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Room{cfg: cfg, log: cfg.Log, vacant: true, vacantAt: now, published: now}
	sim, err := newSim(&r.cfg, game.SimConfig{
		Seed: cfg.Seed, Params: cfg.Params, Post: r.sim.post,
		Warn: func(msg string) { r.log.Warn("game: "+msg, "tick", r.sim.tick) },
	})
	if err != nil {
		return nil, err
	}
	r.opts, r.schema = sim.Options(), sim.Schema()
	r.clock = newClock(r.opts.TickRate, cfg.Phase, now)
	r.sim = simulation{
		game: sim, clock: &r.clock, stats: &r.stats, log: r.log, rand: cfg.Rand, grace: cfg.Grace, watch: cfg.Clock,
		guard: guard{shared: cfg.Scratch},
	}
	r.sim.init()
	r.aud = newAudience(audienceConfig{
		id: cfg.ID, epoch: cfg.Epoch, grace: cfg.Grace, schema: r.schema, spectate: r.opts.Spectate,
		history: cfg.History, checkEvery: cfg.CheckEvery, frames: cfg.Frames, scratch: cfg.Scratch, log: r.log, stats: &r.stats,
	}, r)
	r.store(nil)
	return r, nil
}

// newSim runs the kind's New where neither a panic nor Goexit of it does harm.
func newSim(cfg *Config, sc game.SimConfig) (sim *game.Sim, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("room: New of kind %s called runtime.Goexit", cfg.Kind.Name())
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("room: New of kind %s: panic: %v\n%s", cfg.Kind.Name(), v, debug.Stack())
			}
		}()
		sim, err = cfg.Kind.NewSim(sc)
	}()
	<-done
	return sim, err
}

// Tick makes the next tick, whatever its deadline: Advance calls it in time.
func (r *Room) Tick(now time.Duration) {
	if r.ended {
		return
	}
	if r.asleep {
		r.rouse(now)
	}
	tick := r.clock.next
	r.clock.next++
	r.stats.Ticks++
	r.sim.begin(tick, now)

	// 1. Players leave, break off, return and join; mail arrives.
	if !r.sim.turnover() {
		r.fail()
		return
	}
	// 2. What they sent becomes one command for each seat.
	r.sim.command()
	// 3. The game steps. 4. What there is now becomes the newest entry of the ring.
	e := r.aud.ring.Next()
	if !r.sim.play(e) {
		r.fail()
		return
	}
	r.aud.commit(e)
	if r.observer != nil {
		r.observer.Observe(now)
	}
	// 5. The audience is told.
	r.answer(now)
	r.aud.broadcast(now)

	r.settle(now)
}

// answer tells those who arrived whether they are in.
func (r *Room) answer(now time.Duration) {
	arrived := r.sim.arrivals
	if len(arrived) == 0 {
		return
	}
	r.sim.arrivals = nil // a peer may bring the next one while it is told
	for _, v := range arrived {
		a := v.answer
		switch {
		case v.gone:
		case !a.ok:
			r.stats.Refused++
			v.bye(a.code, a.text, a.retry)
		default:
			if a.replaced != nil {
				r.stats.Replaced++
				a.replaced.bye(wire.ByeReplaced, "", 0)
			}
			r.welcome(v, now)
		}
	}
}

// welcome tells a viewer, or the edge that it is at, that it is in.
func (r *Room) welcome(v *Viewer, now time.Duration) {
	st := seated{answer: v.answer}
	if v.seat != 0 {
		seat := &r.sim.seats[v.seat]
		st.ack, st.drops, st.since = seat.ack, seat.drops, seat.since
	}
	if v.remote != nil {
		v.remote.welcome(v, st)
		return
	}
	r.aud.welcome(v, st, now)
}

// settle does what the game asked for and what is due after a tick.
func (r *Room) settle(now time.Duration) {
	asked := r.sim.game.Asked()
	for i := range asked.Kicks {
		r.kick(asked.Kicks[i])
	}
	r.deliver()
	r.aud.sweep()
	switch {
	case r.ended: // by a peer or the handler of a post
	case asked.Ended:
		r.end(wire.ByeGameEnded, asked.EndReason, 0)
	case r.abandoned(now):
		r.end(wire.ByeRoomGone, "", 0)
	default:
		r.rest(now, asked)
		r.publish(now)
	}
}

// deliver hands what the game posted to the server's own handler.
func (r *Room) deliver() {
	posts := r.sim.posts
	for i := range posts {
		if r.cfg.Post != nil {
			r.cfg.Post(posts[i].topic, posts[i].body)
		}
		posts[i] = letter{}
	}
	r.sim.posts = posts[:0]
}

// input implements actor. A command that is known already, since an edge sent it
// once more, is nothing.
func (r *Room) input(v *Viewer, c command, lanes []int32) {
	st := &r.sim.seats[v.seat]
	if c.seq <= st.newest() {
		return
	}
	if st.put(c, lanes) {
		r.stats.InputsDropped++
	} else {
		r.sim.waiting++
	}
	r.wake()
}

// detach implements actor.
func (r *Room) detach(v *Viewer, leaves bool) { r.sim.detach(v, leaves) }

func (r *Room) kick(k game.Kick) {
	st := &r.sim.seats[k.Player]
	if st.leaving {
		return
	}
	r.stats.Kicks++
	st.leaving, r.sim.stirred = true, true
	if st.viewer != nil {
		st.viewer.bye(wire.ByeKicked, k.Reason, 0)
	}
}

// abandoned reports whether nobody has been here for Config.Empty.
func (r *Room) abandoned(now time.Duration) bool {
	switch {
	case r.sim.players > 0 || len(r.aud.viewers) > 0 || len(r.sim.arrivals) > 0 || r.observers() > 0 || r.edges.watched():
		r.vacant = false
	case !r.vacant:
		r.vacant, r.vacantAt = true, now
	default:
		return r.cfg.Empty >= 0 && now-r.vacantAt >= r.cfg.Empty
	}
	return false
}

// fail ends the room after its game failed.
func (r *Room) fail() {
	c := &r.sim.guard.crash
	r.log.Error("the game failed; its room ends", "room", r.cfg.ID, "kind", r.schema.Kind, "tick", r.sim.tick,
		"why", c.why, "stack", string(c.stack))
	r.stats.Panics++
	r.end(wire.ByeGameFailed, "", retrySoon)
}

// Stop ends the room: everybody is told the code and the text. It does nothing
// to a room that has ended.
func (r *Room) Stop(code wire.Code, text string, retry time.Duration) {
	if !r.ended {
		r.wake()
		r.end(code, text, retry)
	}
}

func (r *Room) end(code wire.Code, text string, retry time.Duration) {
	r.ended = true
	for i := 0; i < len(r.aud.viewers); i++ {
		r.aud.viewers[i].bye(code, text, retry)
	}
	for i := 0; i < len(r.sim.arrivals); i++ {
		r.sim.arrivals[i].bye(code, text, retry)
	}
	r.edges.end(code, text, retry)
	if r.observer != nil {
		r.observer.End(code, text, retry)
	}
	r.sim.arrivals, r.sim.mail, r.sim.posts = nil, nil, nil
	if !r.sim.close() {
		r.log.Error("the game's Close failed", "room", r.cfg.ID, "why", r.sim.guard.crash.why)
	}
	r.sim.players = 0
	r.asleep = false
	r.store(nil)
}

// Mail hands a message to the game at the next tick. The room keeps body. It
// reports false when the room has ended or MaxMail messages wait.
func (r *Room) Mail(topic string, body []byte) bool {
	if r.ended || len(r.sim.mail) >= MaxMail {
		r.stats.MailDropped++
		return false
	}
	r.sim.mail = append(r.sim.mail, letter{topic, body})
	r.wake()
	return true
}

// Observer is told what the public of a room may want to know. All calls come
// from the room's goroutine.
type Observer interface {
	// Observe is called after each tick, when the ring has its entry.
	Observe(now time.Duration)
	// Readers is how many watch; the room lives on for them.
	Readers() int
	// End is the last call: the room is over, as for Peer.Bye.
	End(code wire.Code, text string, retry time.Duration)
}

// Stalled tells everybody that the room stands still until its next tick, which comes
// as soon as the room goes on, even if it sleeps.
func (r *Room) Stalled() {
	r.aud.tellStalled()
	r.wake()
}

// SetObserver gives the room its observer, before anything else or between ticks.
func (r *Room) SetObserver(o Observer) {
	r.observer = o
	r.wake() // an empty room may be about to end
}

func (r *Room) observers() int {
	if r.observer == nil {
		return 0
	}
	return r.observer.Readers()
}

// Ring is the room's history, to be read between ticks on the room's goroutine.
func (r *Room) Ring() *delta.Ring { return r.aud.ring }

// Public is the teams whose sight spectators have.
func (r *Room) Public() game.Teams { return r.aud.spectate }

// Epoch names this history of the room.
func (r *Room) Epoch() uint64 { return r.aud.epoch }

// Ended reports whether the room is over. It is of no use then but for Info,
// Stats and Entry.
func (r *Room) Ended() bool { return r.ended }

// Stats are the room's counters.
func (r *Room) Stats() Stats { return r.stats }

// Schema is the kind's, shared and constant.
func (r *Room) Schema() *game.Schema { return r.schema }

// Entry is the newest entry of the history, nil before the first tick. It must
// not be changed and is valid until the next tick.
func (r *Room) Entry() *game.Entry { return r.aud.ring.Newest() }
