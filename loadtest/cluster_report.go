package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// clusterReport is the result of a cluster run. The JSON keys carry the units. What
// was not measured is null.
type clusterReport struct {
	StartMS            float64  `json:"start_ms"`
	IdleRSSMB          float64  `json:"idle_rss_mb"`
	BinaryMB           float64  `json:"binary_mb"`
	Nodes              int      `json:"nodes"`
	Rooms              int      `json:"rooms"`
	Bots               int      `json:"bots"`
	LeaseS             float64  `json:"lease_s"`
	RoomsMaxOverMean   float64  `json:"rooms_max_over_mean"`
	RelayP50           *float64 `json:"relay_added_p50_ms"`
	RelayP99           *float64 `json:"relay_added_p99_ms"`
	RelayCPU           *float64 `json:"relay_cpu_us_per_frame"`
	Moves              int      `json:"moves"`
	MovesFailed        int      `json:"moves_failed"`
	MovePauseP50       *float64 `json:"move_pause_p50_ticks"`
	MovePauseP99       *float64 `json:"move_pause_p99_ticks"`
	DisconnectsByMoves int      `json:"disconnects_by_moves"`
	InputsLost         int64    `json:"inputs_lost"`
	InputsTwice        int64    `json:"inputs_twice"`
	StatesChecked      int64    `json:"states_checked"`
	WrongStates        int64    `json:"wrong_states"`
	Kills              int      `json:"kills"`
	ResumeP50          *float64 `json:"resume_p50_s"`
	ResumeP99          *float64 `json:"resume_p99_s"`
	ResumeMax          *float64 `json:"resume_max_s"`
	RoomsLost          int      `json:"rooms_lost"`
	Notes              []string `json:"notes,omitempty"`
}

func (r *clusterReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *clusterReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(t, "a node alone\n")
	row("start to first answer", "%.0f ms", r.StartMS)
	row("memory when idle", "%.1f MB", r.IdleRSSMB)
	row("binary", "%.1f MB", r.BinaryMB)
	fmt.Fprintf(t, "%d nodes, %d rooms, %d bots\n", r.Nodes, r.Rooms, r.Bots)
	row("rooms of the fullest node", "%.2f of the mean", r.RoomsMaxOverMean)
	if r.RelayP50 != nil {
		row("a relay adds", "p50 %.1f ms, p99 %.1f ms, %.1f us of CPU a frame", *r.RelayP50, *r.RelayP99, *r.RelayCPU)
	}
	row("moves", "%d, %d failed", r.Moves, r.MovesFailed)
	if r.MovePauseP50 != nil {
		row("pause by a move", "p50 %.1f ticks, p99 %.1f ticks", *r.MovePauseP50, *r.MovePauseP99)
	}
	row("disconnects by moves", "%d", r.DisconnectsByMoves)
	row("inputs", "%d lost by moves, %d applied twice", r.InputsLost, r.InputsTwice)
	row("states", "%d checked, %d wrong", r.StatesChecked, r.WrongStates)
	if r.ResumeP50 != nil {
		row("back after kill -9", "p50 %.2f s, p99 %.2f s, max %.2f s (%d kills, lease %.1f s)", *r.ResumeP50, *r.ResumeP99, *r.ResumeMax, r.Kills, r.LeaseS)
	}
	row("rooms lost", "%d", r.RoomsLost)
	for _, n := range r.Notes {
		fmt.Fprintf(t, "%s\n", n)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
