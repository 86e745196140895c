package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// playReport is the result of a play run. The JSON keys carry the units.
type playReport struct {
	Kind            string  `json:"kind"`
	Rooms           int     `json:"rooms"`
	PlayersPerRoom  int     `json:"players_per_room"`
	Players         int     `json:"players"`
	TickRateHz      int     `json:"tick_rate_hz"`
	DurationS       float64 `json:"duration_s"`
	ServerCPUPct    float64 `json:"server_cpu_pct"` // of one core; -1 when the server is not ours
	ServerRSSMB     float64 `json:"server_rss_mb"`
	RSSPerPlayerKB  float64 `json:"server_rss_kb_per_player"`
	BotsCPUPct      float64 `json:"bots_cpu_pct"`
	Ticks           float64 `json:"ticks"`
	TickLateP50     float64 `json:"tick_late_p50_ms"`
	TickLateP99     float64 `json:"tick_late_p99_ms"`
	TicksSkipped    float64 `json:"ticks_skipped"`
	BytesPerClient  float64 `json:"bytes_per_client_per_s"`
	FramesPerClient float64 `json:"frames_per_client_per_s"`
	LatencyP50      float64 `json:"latency_p50_ms"`
	LatencyP99      float64 `json:"latency_p99_ms"`
	LatencyMax      float64 `json:"latency_max_ms"`
	LatencySamples  int64   `json:"latency_samples"`
	InputsSent      int64   `json:"inputs_sent"`
	InputsLost      int64   `json:"inputs_lost"`
	InputsDropped   int64   `json:"inputs_dropped"` // of those lost: from a full inbox
	StatesChecked   int64   `json:"states_checked"`
	WrongStates     int64   `json:"wrong_states"`
	BotsLost        int     `json:"bots_lost"`
	// Of bots that had trouble: with it, inputs on their way are lost too.
	Drops     int64   `json:"drops,omitempty"`
	Stalls    int64   `json:"stalls,omitempty"`
	SeatsLost int64   `json:"seats_lost,omitempty"`
	Away      int     `json:"bots_away,omitempty"` // not yet back at the end
	BackP50   float64 `json:"back_p50_ms,omitempty"`
	BackP99   float64 `json:"back_p99_ms,omitempty"`
	BackMax   float64 `json:"back_max_ms,omitempty"`

	why error // of the first bot that was lost
}

// verdict is an error for a run in which the server did not keep what it promises:
// slow it may be, but not wrong.
func (r *playReport) verdict() error {
	var bad []string
	for _, c := range []struct {
		n    int64
		what string
	}{
		{r.WrongStates, "wrong states"}, {int64(r.BotsLost), "bots lost"},
		{r.SeatsLost, "seats lost"}, {int64(r.Away), "bots not back"},
	} {
		if c.n > 0 {
			bad = append(bad, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	switch {
	case len(bad) == 0:
		return nil
	case r.why != nil:
		return fmt.Errorf("the run failed: %s; the first lost: %w", strings.Join(bad, ", "), r.why)
	}
	return fmt.Errorf("the run failed: %s", strings.Join(bad, ", "))
}

func (r *playReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *playReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(t, "%s: %d rooms of %d, %d Hz, %.1f s\n", r.Kind, r.Rooms, r.PlayersPerRoom, r.TickRateHz, r.DurationS)
	if r.ServerCPUPct >= 0 {
		row("server CPU", "%.1f %% of one core", r.ServerCPUPct)
		row("server memory", "%.1f MB, %.1f KB a player", r.ServerRSSMB, r.RSSPerPlayerKB)
	}
	row("bots CPU", "%.1f %% of one core", r.BotsCPUPct)
	row("tick lateness", "p50 %.2f ms, p99 %.2f ms", r.TickLateP50, r.TickLateP99)
	row("ticks", "%.0f, %.0f skipped", r.Ticks, r.TicksSkipped)
	row("down", "%.0f B and %.1f frames a client and second", r.BytesPerClient, r.FramesPerClient)
	row("input to state", "p50 %.1f ms, p99 %.1f ms, max %.1f ms (%d samples)", r.LatencyP50, r.LatencyP99, r.LatencyMax, r.LatencySamples)
	row("inputs", "%d sent, %d lost, %d of them from a full inbox", r.InputsSent, r.InputsLost, r.InputsDropped)
	row("states", "%d checked, %d wrong", r.StatesChecked, r.WrongStates)
	row("bots lost", "%d", r.BotsLost)
	if r.Drops+r.Stalls > 0 {
		row("connections dropped", "%d, and %d stalled; %d seats lost, %d not back", r.Drops, r.Stalls, r.SeatsLost, r.Away)
		row("state again after", "p50 %.0f ms, p99 %.0f ms, max %.0f ms", r.BackP50, r.BackP99, r.BackMax)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
