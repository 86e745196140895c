package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// spectatorsReport is the result of a spectators run.
type spectatorsReport struct {
	Readers              int     `json:"readers"`
	Messages             int64   `json:"messages"`
	BytesPerMessage      float64 `json:"bytes_per_message"`
	UsPerMessage         float64 `json:"cpu_us_per_message"`
	BaselineUsPerMessage float64 `json:"nethttp_cpu_us_per_message"`
	Ratio                float64 `json:"cpu_vs_nethttp_ratio"`
	CPUPct               float64 `json:"server_cpu_pct"` // of one core
	BaselineCPUPct       float64 `json:"nethttp_cpu_pct"`
	EncodesPerEvent      float64 `json:"encodes_per_event"`
	Many                 int     `json:"readers_for_memory"`
	ReadersAtEnd         int     `json:"readers_at_end"`
	RSSPerReader         float64 `json:"rss_bytes_per_reader"`
	Goroutines           float64 `json:"goroutines_for_readers"`
	States               int64   `json:"states_checked"`
	Wrong                int64   `json:"wrong_states"`
}

// compare takes in the rounds of both. Figures are the medians, each for itself.
func (r *spectatorsReport) compare(ours, theirs []cost) {
	var ratios []float64
	for i, c := range ours {
		ratios = append(ratios, c.usPerMessage/theirs[i].usPerMessage)
		r.Messages += c.messages
		r.EncodesPerEvent = max(r.EncodesPerEvent, c.encodesPerEvent)
	}
	own, other := medianCost(ours), medianCost(theirs)
	r.UsPerMessage, r.BaselineUsPerMessage, r.Ratio = own.usPerMessage, other.usPerMessage, medianOf(ratios)
	r.CPUPct, r.BaselineCPUPct, r.BytesPerMessage = own.cpuPct, other.cpuPct, own.bytesPerMessage
}

// broken is an error for what must not be, whatever it cost.
func (r *spectatorsReport) broken() error {
	if r.Wrong > 0 {
		return fmt.Errorf("%d of %d states were wrong", r.Wrong, r.States)
	}
	return nil
}

func (r *spectatorsReport) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return r.writeJSON(w)
	}
	return r.writeTable(w)
}

func (r *spectatorsReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *spectatorsReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(t, "%d readers of one room, 10 events a second\n", r.Readers)
	row("CPU of a message", "%.2f us, plain net/http %.2f us: %.2f of it", r.UsPerMessage, r.BaselineUsPerMessage, r.Ratio)
	row("server CPU", "%.0f %% of one core, plain net/http %.0f %%", r.CPUPct, r.BaselineCPUPct)
	row("messages", "%d of %.0f B", r.Messages, r.BytesPerMessage)
	row("encodes of an event", "%.2f", r.EncodesPerEvent)
	fmt.Fprintf(t, "%d readers, %d events a second\n", r.Many, manyRate)
	row("memory", "%.0f B a reader", r.RSSPerReader)
	row("goroutines for them", "%.0f", r.Goroutines)
	row("readers at the end", "%d", r.ReadersAtEnd)
	row("states", "%d checked, %d wrong", r.States, r.Wrong)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
