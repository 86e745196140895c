package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// pacer sends every bot's inputs at times fixed beforehand, whether or not
// anything came back (an open loop), spread evenly over each interval. Latency
// counts from the planned time, so that a pause of ours or the server's is not
// hidden by the inputs that it kept from being sent.
type pacer struct {
	bots    []sender
	every   time.Duration // between two bots
	start   time.Duration
	sent    int64 // inputs planned so far, one bot after the other
	stopped bool
}

// sender sends one input that was due at the given time.
type sender interface{ send(due time.Duration) }

// The least and the most inputs that a player sends in a second: what lies between two
// is a time that a timer takes, and no kind ticks as often.
const minRate, maxRate = 0.001, 1000.0

func checkRate(rate float64) error {
	if !(rate >= minRate && rate <= maxRate) { // NaN too
		return fmt.Errorf("the rate must be from %v to %v inputs a second", minRate, maxRate)
	}
	return nil
}

func newPacer[S sender](senders []S, rate float64) *pacer {
	bots := make([]sender, len(senders))
	for i, s := range senders {
		bots[i] = s
	}
	// The players of a room press at times of their own, not one after the other.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(bots), func(i, j int) { bots[i], bots[j] = bots[j], bots[i] })
	every := time.Duration(float64(time.Second) / rate / float64(len(bots)))
	return &pacer{bots: bots, every: max(every, 1), start: loop.Now()}
}

// Advance implements loop.Driver.
func (p *pacer) Advance(now time.Duration) time.Duration {
	for !p.stopped {
		due := p.start + time.Duration(p.sent)*p.every
		if due > now {
			return due
		}
		p.bots[p.sent%int64(len(p.bots))].send(due)
		p.sent++
	}
	return loop.Never
}

func sortBy[T any, K cmp.Ordered](s []T, key func(T) K) {
	slices.SortFunc(s, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}
