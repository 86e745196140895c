package game

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// World is a room as its game sees it. It is made by the engine for one Game
// and used by that game's methods only, on the room's goroutine.
type World struct {
	opts   Options
	params Params
	now    Tick
	src    *rand.ChaCha8
	rng    *rand.Rand
	seats  []seat // by PlayerID, up to the highest that was ever taken; the first is unused
	tables []*rows
	events []eventType
	out    outbox
	asked  Asked
	told   bool // the room has read asked, so it makes way for what comes next
	bad    uint64
	post   func(topic string, body []byte)
	warn   func(msg string)
	plans  planSource
	onLoss func(Loss) // see Sim.OnLoss; nil
}

// seat is the engine's own knowledge of a player.
type seat struct {
	taken bool
	teams Teams
}

// newWorld returns an empty world; opts have their defaults.
func newWorld(opts Options, cfg SimConfig, plans planSource) *World {
	w := &World{
		opts:   opts,
		params: cfg.Params,
		src:    rand.NewChaCha8(cfg.Seed),
		seats:  make([]seat, 1),
		post:   cfg.Post,
		warn:   cfg.Warn,
		plans:  plans,
	}
	w.rng = rand.New(w.src)
	return w
}

// Now is the tick that is being made: that of Step, or of the coming Step
// during Join, Leave, Present and Mail.
func (w *World) Now() Tick { return w.now }

// Rate is the number of ticks in a second.
func (w *World) Rate() int { return w.opts.TickRate }

// Ticks is the number of ticks closest to d, at least 1 for a positive d.
func (w *World) Ticks(d time.Duration) Tick {
	if d <= 0 {
		return 0
	}
	n := math.Round(d.Seconds() * float64(w.opts.TickRate))
	return Tick(min(max(n, 1), math.MaxUint32))
}

// Params are the settings the room was made with. The game must not change them.
func (w *World) Params() Params { return w.params }

// Rand is the room's source of chance, seeded with the room and part of its
// checkpoints. What players see does not predict it.
func (w *World) Rand() *rand.Rand { return w.rng }

// Players yields the seated players in order of seat, those whose connection is
// broken included.
func (w *World) Players() iter.Seq[PlayerID] {
	return func(yield func(PlayerID) bool) { w.eachPlayer(yield) }
}

func (w *World) eachPlayer(yield func(PlayerID) bool) {
	for p := 1; p < len(w.seats); p++ {
		if w.seats[p].taken && !yield(PlayerID(p)) {
			return
		}
	}
}

// SetTeam puts a seated player into the teams t, which decide what the player
// sees. A player is always in at least one team: Nobody changes nothing.
func (w *World) SetTeam(p PlayerID, t Teams) {
	if w.taken(p) && t != Nobody {
		w.seats[p].teams = t
	}
}

// TeamsOf is the set of teams that player p is in, Nobody for an empty seat.
func (w *World) TeamsOf(p PlayerID) Teams {
	if !w.taken(p) {
		return Nobody
	}
	return w.seats[p].teams
}

// Sleep lets a room of a kind with Options.Sleeps rest after this tick until
// the given tick, or until a player, an input or mail wakes it if until is 0.
// Each Step decides anew: without a call the room stays awake.
func (w *World) Sleep(until Tick) {
	w.forgetTold()
	w.asked.SleepSet = true
	w.asked.SleepUntil = until
}

// Kick takes player p out of the room after this tick. The reason, at most
// MaxReason bytes, is told to the player.
func (w *World) Kick(p PlayerID, reason string) {
	if !w.taken(p) {
		return
	}
	w.forgetTold()
	for _, k := range w.asked.Kicks {
		if k.Player == p {
			return
		}
	}
	w.asked.Kicks = append(w.asked.Kicks, Kick{Player: p, Reason: cut(reason, MaxReason)})
}

// End ends the room after this tick. The reason, at most MaxReason bytes, is
// told to everyone. The first call counts.
func (w *World) End(reason string) {
	w.forgetTold()
	if !w.asked.Ended {
		w.asked.Ended = true
		w.asked.EndReason = cut(reason, MaxReason)
	}
}

// Post sends body to the server's own handler of the topic, which runs outside
// the room. The room keeps body: the game must not change it afterwards.
func (w *World) Post(topic string, body []byte) {
	if w.post != nil {
		w.post(topic, body)
	}
}

// forgetTold makes room for new wishes once the room has read the old ones.
func (w *World) forgetTold() {
	if w.told {
		w.told = false
		w.asked = Asked{Kicks: w.asked.Kicks[:0]}
	}
}

func (w *World) taken(p PlayerID) bool {
	return int(p) < len(w.seats) && w.seats[p].taken
}

// sit takes seat p, which is at most MaxPlayers.
func (w *World) sit(p PlayerID, t Teams) {
	for int(p) >= len(w.seats) {
		w.seats = append(w.seats, seat{})
	}
	w.seats[p] = seat{taken: true, teams: t}
}

func (w *World) warning(msg string) {
	if w.warn != nil {
		w.warn(msg)
	}
}

// release takes away from a leaving player all that the next holder of the
// seat must not inherit.
func (w *World) release(p PlayerID) {
	w.asked.Kicks = slices.DeleteFunc(w.asked.Kicks, func(k Kick) bool { return k.Player == p })
	for _, r := range w.tables {
		r.release(p)
	}
	w.out.dropTo(p)
	w.seats[p] = seat{}
}
