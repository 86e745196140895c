package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
)

// The keys that machines read are there, null where nothing was measured.
func TestClusterReport(t *testing.T) {
	var b bytes.Buffer
	rep := &clusterReport{RelayP50: some(1), RelayP99: some(2), RelayCPU: some(3), Notes: []string{"a note"}}
	if err := rep.writeTable(&b); err != nil || !strings.Contains(b.String(), "a relay adds") || !strings.Contains(b.String(), "a note") {
		t.Errorf("table, %v:\n%s", err, b.String())
	}
	b.Reset()
	rep.RelayP50 = nil
	if err := rep.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"start_ms", "idle_rss_mb", "binary_mb", "nodes", "rooms", "bots", "rooms_max_over_mean",
		"relay_added_p50_ms", "relay_added_p99_ms", "relay_cpu_us_per_frame", "move_pause_p50_ticks", "move_pause_p99_ticks",
		"disconnects_by_moves", "inputs_lost", "inputs_twice", "wrong_states", "resume_p50_s", "resume_p99_s", "resume_max_s", "rooms_lost",
	} {
		if _, ok := got[key]; !ok {
			t.Errorf("the report has no %s", key)
		}
	}
	for _, key := range []string{"relay_added_p50_ms", "move_pause_p50_ticks", "move_pause_p99_ticks", "resume_p50_s", "resume_p99_s", "resume_max_s"} {
		if got[key] != nil {
			t.Errorf("%s was not measured and is a number", key)
		}
	}
}

// A tick that is shown with two contents is found, whoever sees it and however late.
func TestTwoContentsAreFound(t *testing.T) {
	h := &history{known: map[moment]uint32{}}
	for _, s := range []struct {
		epoch uint64
		tick  uint32
		hash  uint32
		ok    bool
	}{{1, 1, 7, true}, {1, 2, 8, true}, {1, 1, 7, true}, {2, 1, 9, true}, {1, 1, 9, false}} {
		if h.check(s.epoch, game.Tick(s.tick), s.hash) != s.ok {
			t.Errorf("%+v is not seen as that", s)
		}
	}
}

// What asks a run to end lets it clean up.
func TestInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ctx, stop := interrupted()
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		stop()
	}
}

// A run whose reader went away ends.
func TestOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, out := outputTo(t.Context(), w)
	if fmt.Fprintln(out, "a line"); ctx.Err() != nil {
		t.Errorf("it ends while somebody reads: %v", context.Cause(ctx))
	}
	r.Close()
	if fmt.Fprintln(out, "another"); !errors.Is(context.Cause(ctx), syscall.EPIPE) {
		t.Errorf("nobody reads, and it goes on: %v", context.Cause(ctx))
	}
}

// Faults, lost seats and inputs that come twice are broken promises; inputs that
// were lost are counted alone.
func TestPromises(t *testing.T) {
	tr := newTroupe(nil, 2, 1, 1)
	for _, p := range tr.all() {
		p.client = &client.Client{}
	}
	if err := tr.promises(); err != nil {
		t.Errorf("nothing happened: %v", err)
	}
	p := tr.rooms[1].players[0]
	p.lost = 3
	if err := tr.promises(); err != nil || tr.totals().lost != 3 {
		t.Errorf("3 inputs lost: %v, %+v", err, tr.totals())
	}
	p.fault("tick %d was shown with two contents", 7)
	p.reseat, p.twice = true, 1
	err := tr.promises()
	for _, want := range []string{"room room-2: tick 7 was shown", "1 players lost their seats, in 1 rooms", "1 inputs were applied twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}

// A node that ended and was not started again makes a fleet incomplete.
func TestFleetIsWhole(t *testing.T) {
	done := make(chan struct{})
	f := &fleet{nodes: map[string]*member{"a": {process: &process{done: make(chan struct{})}}, "b": {process: &process{done: done}}}}
	if err := f.whole(); err != nil {
		t.Error(err)
	}
	close(done)
	if err := f.whole(); err == nil || !strings.Contains(err.Error(), "node b") {
		t.Errorf("b ended: %v", err)
	}
}

// A port that cannot be had is an error that names it, at once.
func TestPorts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = (&natsCmd{Name: "nats-1", Port: ln.Addr().(*net.TCPAddr).Port, Store: t.TempDir()}).Run()
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("NATS on a port that is taken: %v", err)
	}
	for _, c := range []demoCmd{{Port: 0}, {Port: 65534}, {Port: 8081, NATSPort: -1}, {Port: 8081, NATSPort: 65536}} {
		c.Rooms, c.Players, c.Lease, c.Again = 1, 1, time.Second, time.Second
		if err := c.Run(); err == nil || !strings.Contains(err.Error(), "--port") {
			t.Errorf("nodes from port %d and NATS on %d: %v", c.Port, c.NATSPort, err)
		}
	}
}

// Each node of a cluster has a name of its own that roomd takes.
func TestNodeNames(t *testing.T) {
	c := clusterFlags{Nodes: maxNodes, Players: 1, Rate: 1, Lease: time.Second, Checkpoint: time.Second}
	if err := c.validate(1); err != nil || nodeName(c.Nodes-1) != "z" {
		t.Errorf("%d nodes up to %s: %v", c.Nodes, nodeName(c.Nodes-1), err)
	}
	c.Nodes++
	if err := c.validate(1); err == nil {
		t.Errorf("a node is named %s", nodeName(c.Nodes-1))
	}
}

// No rate leads to a time between inputs that timers refuse.
func TestRates(t *testing.T) {
	for rate, ok := range map[float64]bool{
		minRate: true, 10: true, maxRate: true, 0: false, -1: false, 1e-12: false, 2e9: false, math.Inf(1): false, math.NaN(): false,
	} {
		if err := checkRate(rate); (err == nil) != ok {
			t.Errorf("%v inputs a second: %v", rate, err)
		}
	}
}

func TestNearest(t *testing.T) {
	list := []time.Duration{4, 1, 3, 2}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 4, 1: 4} {
		if got := nearest(list, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if nearest([]float64(nil), 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}
