package server

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

// TestMetricsAreWellFormed reads /metrics as Prometheus does and checks it by
// Prometheus' rules for names and units.
func TestMetricsAreWellFormed(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"})
		ann.input(1)
		ann.until("the input", func() bool { return ann.core.Ack() == 1 })
		unknown := l.dial(client.Config{Kind: "chess"})
		unknown.send(unknown.core.Hello())
		unknown.wantBye(wire.ByeUnknownKind)
		_, text := l.get("/metrics")
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "roomd_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		for _, want := range []string{
			`roomd_rooms{kind="walkers"} 1`, `roomd_players{kind="walkers"} 1`, `roomd_spectators{kind="pair"} 0`,
			"roomd_ticks_total ", "roomd_tick_late_seconds_count ", "roomd_joins_total 1", "roomd_inputs_applied_total 1",
			`roomd_byes_total{reason="no such kind of game here"} 1`, "roomd_websocket_upgrades_total 2", "go_goroutines ",
		} {
			if !strings.Contains(text, "\n"+want) {
				t.Errorf("no line %q", want)
			}
		}
	})
}

// What a room counted stays in the sums when it ends, and when its loop does.
func TestCountersOutliveRooms(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Empty = time.Millisecond
		l := run(t, cfg)
		for _, kind := range []string{"walkers", "loners"} {
			ann := l.join(client.Config{Kind: kind})
			ann.send(ann.core.AppendLeave(nil))
			ann.wantBye(wire.ByeLeft)
			ann.nc.Close()
		}
		eventually(t, "rooms and isolated loop are gone", func() bool { return len(l.Rooms()) == 0 && len(l.allLoops()) == cfg.Loops })
		if _, text := l.get("/metrics"); !strings.Contains(text, "\nroomd_joins_total 2\n") || !strings.Contains(text, "\nroomd_leaves_total 2\n") {
			t.Error("joins or leaves of rooms that ended are not counted")
		}
	})
}
