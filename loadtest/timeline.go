package main

import (
	"context"
	"fmt"
	"os"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// sample is one second of a run.
type sample struct {
	at                 float64 // seconds since the begin
	p50, p99           float64 // of the latency, ms
	late               float64 // p99 of ticks, ms
	skipped            float64
	bytes              float64 // a client and second
	serverCPU, botsCPU float64 // percent of one core
	rss                float64 // MB
	players            float64
}

// timeline samples a run once a second.
type timeline struct {
	run      *run
	slice    *hdr.Histogram // of the running second; the bots' loop's
	begin    time.Time
	last     reading
	bytes    int64
	samples  []sample
	progress bool
}

func newTimeline(r *run, first reading, progress bool) *timeline {
	t := &timeline{run: r, slice: hdr.New(1, maxLatency.Microseconds(), 3), begin: first.at, last: first, progress: progress}
	r.on(func() { r.slice = t.slice })
	return t
}

// watch samples until the time is over.
func (t *timeline) watch(ctx context.Context, d time.Duration) error {
	end := t.begin.Add(d)
	for {
		left := time.Until(end)
		if err := wait(ctx, min(left, time.Second)); err != nil {
			return err
		}
		if err := t.take(); err != nil {
			return err
		}
		if left <= time.Second {
			return nil
		}
		t.run.on(t.slice.Reset)
	}
}

func (t *timeline) take() error {
	now, err := t.run.read()
	if err != nil {
		return err
	}
	was := t.last
	t.last = now
	secs := now.at.Sub(was.at).Seconds()
	s := sample{
		at:        now.at.Sub(t.begin).Seconds(),
		late:      1000 * quantile(was.metrics, now.metrics, "roomd_tick_late_seconds", 0.99),
		skipped:   now.metrics["roomd_ticks_skipped_total"] - was.metrics["roomd_ticks_skipped_total"],
		serverCPU: 100 * (now.server.cpu - was.server.cpu).Seconds() / secs,
		botsCPU:   100 * (now.bots.cpu - was.bots.cpu).Seconds() / secs,
		rss:       float64(now.server.rss) / 1e6,
	}
	t.run.on(func() {
		s.p50, s.p99 = middleAndTail(t.slice)
		s.bytes = float64(t.run.swarm.bytes-t.bytes) / secs / float64(len(t.run.swarm.bots))
		t.bytes = t.run.swarm.bytes
		for _, b := range t.run.swarm.bots {
			if b.playing && !b.gone && b.dropped == 0 {
				s.players++
			}
		}
	})
	t.samples = append(t.samples, s)
	if t.progress {
		fmt.Fprintf(os.Stderr, "%5.0f s  %5.0f players  latency p50 %.1f p99 %.1f ms  ticks late p99 %.1f ms, %.0f skipped  server %.0f %% %.0f MB  bots %.0f %%\n",
			s.at, s.players, s.p50, s.p99, s.late, s.skipped, s.serverCPU, s.rss, s.botsCPU)
	}
	return nil
}

// isTerminal reports whether people read a file.
func isTerminal(f *os.File) bool {
	i, err := f.Stat()
	return err == nil && i.Mode()&os.ModeCharDevice != 0
}
