package loop

import (
	"context"
	"runtime"
	"time"
)

// Watch looks at loops until ctx ends and calls hung, with the stacks of all
// goroutines, when one of them has been inside a callback for longer than limit
// (a Step that never returns). A loop in its ordinary wait, or not running, is
// well. hung is called once for each time that a loop hangs. Silence is counted
// in looks, not in time, so that a process that was suspended is not blamed.
func Watch(ctx context.Context, loops []*Loop, limit time.Duration, hung func(l *Loop, stacks []byte)) {
	type pulse struct {
		beat  uint64
		quiet int
	}
	pulses := make([]pulse, len(loops))
	tick := time.NewTicker(max(limit/watchSamples, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, l := range loops {
			p := &pulses[i]
			if beat := l.beat.Load(); beat != p.beat || l.idle.Load() {
				*p = pulse{beat: beat}
				continue
			}
			if p.quiet++; p.quiet == watchSamples+1 {
				hung(l, allStacks())
			}
		}
	}
}

// allStacks is a dump of all goroutines, cut at maxStacks.
func allStacks() []byte {
	b := make([]byte, 64<<10)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) || len(b) >= maxStacks {
			return b[:n]
		}
		b = make([]byte, 2*len(b))
	}
}
