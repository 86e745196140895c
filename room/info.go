package room

import (
	"maps"
	"time"

	"github.com/roomd/roomd/game"
)

// Info is what a list of rooms says of one room: a snapshot, as of the last
// change of its people or at most a second before its newest tick.
type Info struct {
	ID         string
	Kind       string
	Epoch      uint64
	Tick       game.Tick
	TickRate   int
	Players    int // seats taken, broken connections included
	MaxPlayers int
	Spectators int
	Asleep     bool
	Ended      bool
	// Summary is the game's own, nil for none. It must not be changed.
	Summary game.Params
}

// Info is the newest snapshot. Any goroutine may call it.
func (r *Room) Info() Info { return *r.info.Load() }

// publish renews the snapshot when it is old or people came or went.
func (r *Room) publish(now time.Duration) {
	old := r.info.Load()
	same := r.sim.players == old.Players && r.spectators() == old.Spectators && r.asleep == old.Asleep
	if same && now-r.published < infoEvery {
		return
	}
	if !r.sim.guard.run(r.sim.summaryFn) {
		r.fail()
		return
	}
	r.published = now
	r.store(maps.Clone(r.sim.summary))
}

func (r *Room) store(summary game.Params) {
	r.info.Store(&Info{
		ID: r.cfg.ID, Kind: r.schema.Kind, Epoch: r.cfg.Epoch, Tick: r.sim.tick, TickRate: r.opts.TickRate,
		Players: r.sim.players, MaxPlayers: r.opts.MaxPlayers, Spectators: r.spectators(),
		Asleep: r.asleep, Ended: r.ended, Summary: summary,
	})
}

// spectators is all who watch, over whatever transport.
func (r *Room) spectators() int { return r.aud.spectators + r.observers() + r.edges.watchers() }
