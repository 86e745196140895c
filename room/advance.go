package room

import (
	"time"

	"github.com/roomd/roomd/game"
)

// Advance makes the ticks that are due, makes up for at most Config.CatchUp late
// ones and skips the others. It returns when it wants to be called next: the
// deadline of the next tick, or when a sleeping room must wake, at the latest
// math.MaxInt64. It never fails and runs at most CatchUp+1 ticks.
func (r *Room) Advance(now time.Duration) (next time.Duration) {
	switch {
	case r.ended:
		return never
	case r.asleep && !r.woken && now < r.alarm:
		return r.alarm
	case r.asleep:
		r.rouse(now)
	default:
		for n := min(r.clock.due(now), r.cfg.CatchUp+1); n > 0; n-- {
			r.stats.late(now - r.clock.deadline(r.clock.next))
			r.Tick(now)
			if r.ended || r.asleep {
				break
			}
		}
		return r.after(now)
	}
	if r.clock.due(now) > 0 { // the one that waking is for; it is not late
		r.Tick(now)
	}
	return r.after(now)
}

// after is the deadline that Advance returns.
func (r *Room) after(now time.Duration) time.Duration {
	switch {
	case r.ended:
		return never
	case r.asleep && r.woken:
		return now
	case r.asleep:
		return r.alarm
	}
	r.stats.TicksSkipped += uint64(r.clock.skip(now))
	return r.clock.deadline(r.clock.next)
}

// rest lets the room sleep if the game asked for it, nothing waits, and every
// viewer has the newest entry, and as a keyframe if that was asked for, since none
// is sent anything until the room wakes.
func (r *Room) rest(now time.Duration, asked game.Asked) {
	if !r.opts.Sleeps || !asked.SleepSet || r.aud.unserved > 0 || !r.sim.idle() {
		return
	}
	alarm := never
	if u := asked.SleepUntil; u != 0 {
		if u <= r.clock.next {
			return
		}
		alarm = r.clock.deadline(u)
	}
	alarm = min(alarm, r.sim.deadline)
	if r.vacant && r.cfg.Empty >= 0 {
		alarm = min(alarm, r.vacantAt+r.cfg.Empty)
	}
	if alarm > now {
		r.asleep, r.woken, r.alarm = true, false, alarm
	}
}

// rouse ends sleep. The next tick is the one that the clock shows, so that it
// can be made at once, unless that one was made before the room fell asleep.
func (r *Room) rouse(now time.Duration) {
	r.asleep, r.woken = false, false
	r.stats.Wakes++
	r.clock.jump(now)
	r.aud.refresh(now)
}

// wake tells the driver of a sleeping room that there is something to do.
func (r *Room) wake() {
	if !r.asleep || r.woken {
		return
	}
	r.woken = true
	if r.cfg.OnWake != nil {
		r.cfg.OnWake()
	}
}

// tickAt is the tick that the room is at: the newest made, or the clock's while
// the room sleeps.
func (r *Room) tickAt(now time.Duration) game.Tick {
	if r.asleep {
		return max(r.sim.tick, r.clock.at(now))
	}
	return r.sim.tick
}
