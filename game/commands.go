package game

import "unsafe"

// rules is a Game whose input type is erased, with the commands of its tick.
type rules interface {
	game() any
	join(p PlayerID, info JoinInfo) error
	leave(p PlayerID)
	step(now Tick)
	command(p PlayerID, st State, seen Tick, lanes []int32)
	// forget drops what is kept of a seat that became free.
	forget(p PlayerID)
}

// commands holds one command for each seat.
type commands[I any] struct {
	w   *World
	by  []Command[I] // by PlayerID, as World.seats
	set []bool       // by holds a command for the coming Step
	// last is each seat's newest decoded input: equal strings are kept
	// instead of made again.
	last []I
}

func (c *commands[I]) taken(p PlayerID) bool { return c.w.taken(p) }

// ruleSet is the one implementation of rules.
type ruleSet[I any] struct {
	g    Game[I]
	plan *plan
	in   commands[I]
}

func newRuleSet[I any](w *World, g Game[I], in *plan) *ruleSet[I] {
	return &ruleSet[I]{g: g, plan: in, in: commands[I]{w: w}}
}

// reach makes room for every seat that was ever taken.
func (c *commands[I]) reach() {
	for p := len(c.by); p < len(c.w.seats); p++ {
		var zero I
		c.by = append(c.by, Command[I]{Player: PlayerID(p)})
		c.set = append(c.set, false)
		c.last = append(c.last, zero)
	}
}

func (r *ruleSet[I]) game() any                            { return r.g }
func (r *ruleSet[I]) join(p PlayerID, info JoinInfo) error { return r.g.Join(p, info) }
func (r *ruleSet[I]) leave(p PlayerID)                     { r.g.Leave(p) }

func (r *ruleSet[I]) step(now Tick) {
	r.in.reach()
	r.g.Step(now, Inputs[I]{c: &r.in})
	for p, set := range r.in.set {
		if set {
			r.in.set[p] = false
			r.in.by[p] = Command[I]{Player: PlayerID(p)}
		}
	}
}

func (r *ruleSet[I]) command(p PlayerID, st State, seen Tick, lanes []int32) {
	c := &r.in
	c.reach()
	c.set[p] = true
	cmd := &c.by[p]
	*cmd = Command[I]{Player: p, State: st, Seen: seen}
	if lanes == nil {
		return
	}
	r.plan.decode(unsafe.Pointer(&c.last[p]), lanes, c.w, p, seen)
	cmd.Input = c.last[p]
	if st == Repeated {
		r.plan.clearOnce(unsafe.Pointer(&cmd.Input))
	}
}

func (r *ruleSet[I]) forget(p PlayerID) {
	if int(p) >= len(r.in.by) {
		return
	}
	var zero I
	r.in.last[p] = zero
	r.in.set[p] = false
	r.in.by[p] = Command[I]{Player: p}
}
