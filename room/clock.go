package room

import (
	"math"
	"time"

	"github.com/roomd/roomd/game"
)

// never is a deadline that does not come.
const never = time.Duration(math.MaxInt64)

// clock says when ticks are due: deadline(t) = origin + t/rate, so that no
// rounding and no late tick moves the ones after it. Only skipped ticks do: they
// shift the origin by whole ticks, and the game's time stands still meanwhile.
type clock struct {
	origin time.Duration // deadline of tick 0
	rate   int64         // ticks per second
	next   game.Tick     // the tick to make next
}

// newClock puts tick 1 at the first moment from now on that is phase after a
// point of the absolute grid of the rate.
func newClock(rate int, phase, now time.Duration) clock {
	c := clock{rate: int64(rate), next: 1}
	phase %= c.span(1)
	n := ceilDiv(int64(now-phase)*c.rate, int64(time.Second))
	c.origin = phase + time.Duration(floorDiv((n-1)*int64(time.Second), c.rate))
	return c
}

// span is the duration of n ticks. It does not overflow for any Tick.
func (c *clock) span(n int64) time.Duration {
	return time.Duration(n * int64(time.Second) / c.rate)
}

func (c *clock) deadline(t game.Tick) time.Duration { return c.origin + c.span(int64(t)) }

// at is the newest tick whose deadline is not after now, at least 0.
func (c *clock) at(now time.Duration) game.Tick {
	d := int64(now - c.origin)
	if d < 0 {
		return 0
	}
	// Apart, whole seconds and the rest cannot overflow. One less than the rest
	// rounds to may be due, since span rounds deadlines down.
	t := d/int64(time.Second)*c.rate + (d%int64(time.Second))*c.rate/int64(time.Second)
	if c.span(t+1) <= now-c.origin {
		t++
	}
	return game.Tick(min(t, math.MaxUint32))
}

// due is the number of ticks whose deadline has come.
func (c *clock) due(now time.Duration) int {
	if t := c.at(now); t >= c.next {
		return int(t-c.next) + 1
	}
	return 0
}

// skip moves the origin so that no tick is due any more, and returns how many
// were.
func (c *clock) skip(now time.Duration) int {
	n := c.due(now)
	c.origin += c.span(int64(n))
	return n
}

// jump continues, after sleep, with the tick that the clock shows now.
func (c *clock) jump(now time.Duration) { c.next = max(c.next, c.at(now)) }

// ticks is the number of ticks closest to d, at least 1.
func (c *clock) ticks(d time.Duration) game.Tick {
	n := math.Round(d.Seconds() * float64(c.rate))
	return game.Tick(min(max(n, 1), math.MaxUint32))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }

// follow shifts the clock so that the tick after t is the next one, when the next
// one was due.
func (c *clock) follow(t game.Tick) {
	due := c.deadline(c.next)
	c.next = t + 1
	c.origin = due - c.span(int64(c.next))
}
