package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// peersReport is the result of a peers run.
type peersReport struct {
	rounds     int
	seconds    float64 // measured, each round
	took       float64 // s, all in all
	viewers    int
	deliveries []delivery
	crowds     []crowdSize
	idle       int // connections
	idleRSS    float64
	plainRSS   float64 // of an idle connection of the plain server
	notes      []string
}

// delivery is frames of one size to all viewers of a room, beside the write loop.
type delivery struct {
	duel
	bytes int // of payload
}

// crowdSize is rooms of players, beside the plain server.
type crowdSize struct {
	duel
	rooms, players int
	rss, plainRSS  float64 // of a player who joined
}

func (r *peersReport) note(text string) { r.notes = append(r.notes, text) }

// writeJSON writes one object. Ratios are roomd's figure by the other's, medians of
// the rounds; CPU is that of the server's process, in % of a core.
func (r *peersReport) writeJSON(w io.Writer) error {
	m := map[string]any{
		"rounds": r.rounds, "round_s": r.seconds, "took_s": r.took, "viewers": r.viewers, "notes": r.notes,
		"idle_connections": r.idle, "idle_rss_bytes_per_conn": r.idleRSS, "idle_baseline_rss_bytes_per_conn": r.plainRSS,
	}
	put := func(name string, d *duel) {
		m[name+"_ratio_min"], m[name+"_ratio_max"] = d.least, d.most
	}
	worst := 0.0
	for i := range r.deliveries {
		d := &r.deliveries[i]
		name := fmt.Sprint("_", d.bytes)
		worst = max(worst, d.ratio)
		m["delivery_cpu_vs_write_ratio"+name] = d.ratio
		m["delivery_cpu_us_per_frame"+name] = d.ours.usPerMessage
		m["delivery_write_cpu_us_per_frame"+name] = d.theirs.usPerMessage
		m["delivery_bytes_per_frame"+name] = d.ours.bytesPerMessage
		m["delivery_server_cpu_pct"+name] = d.ours.cpuPct
		m["delivery_frames_per_s"+name] = float64(d.ours.messages) / r.seconds
		m["delivery_write_frames_per_s"+name] = float64(d.theirs.messages) / r.seconds
		put("delivery"+name, &d.duel)
	}
	m["delivery_cpu_vs_write_ratio"] = worst
	for i := range r.crowds {
		c := &r.crowds[i]
		name := fmt.Sprint("crowd", c.players)
		clients := float64(c.rooms*c.players) * r.seconds
		m[name+"_rooms"] = c.rooms
		m[name+"_frames_per_client_per_s"] = float64(c.ours.messages) / clients
		m[name+"_baseline_frames_per_client_per_s"] = float64(c.theirs.messages) / clients
		m[name+"_cpu_vs_baseline_ratio"] = c.ratio
		m[name+"_server_cpu_pct"], m[name+"_baseline_cpu_pct"] = c.ours.cpuPct, c.theirs.cpuPct
		m[name+"_joined_rss_bytes_per_conn"], m[name+"_baseline_joined_rss_bytes_per_conn"] = c.rss, c.plainRSS
		put(name, &c.duel)
	}
	if len(r.crowds) > 0 {
		first := &r.crowds[0]
		m["server_cpu_pct"] = first.ours.cpuPct
		m["joined_rss_bytes_per_conn"], m["joined_baseline_rss_bytes_per_conn"] = first.rss, first.plainRSS
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(m)
}

func (r *peersReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	vs := func(d *duel) string { return fmt.Sprintf("%.2f of it (%.2f to %.2f)", d.ratio, d.least, d.most) }
	fmt.Fprintf(t, "medians of %d rounds of %.1f s by turns, one processor for each server, %.0f s in all\n", r.rounds, r.seconds, r.took)
	fmt.Fprintf(t, "%d viewers of one room, beside a loop of write(2): CPU of a frame\n", r.viewers)
	for i := range r.deliveries {
		d := &r.deliveries[i]
		row(fmt.Sprint(d.bytes, " B"), "%.2f us, the loop %.2f us: %s", d.ours.usPerMessage, d.theirs.usPerMessage, vs(&d.duel))
		row("", "%.0f and %.0f frames a second of %.1f and %.1f B", float64(d.ours.messages)/r.seconds, float64(d.theirs.messages)/r.seconds,
			d.ours.bytesPerMessage, d.theirs.bytesPerMessage)
	}
	fmt.Fprintln(t, "players, beside a plain Go server on gorilla/websocket: CPU of one core")
	for i := range r.crowds {
		c := &r.crowds[i]
		clients := float64(c.rooms*c.players) * r.seconds
		row(fmt.Sprintf("%d rooms of %d", c.rooms, c.players), "%.1f %%, the plain server %.1f %%: %s", c.ours.cpuPct, c.theirs.cpuPct, vs(&c.duel))
		row("", "%.1f and %.1f frames a client and second, of %.1f and %.1f B", float64(c.ours.messages)/clients, float64(c.theirs.messages)/clients,
			c.ours.bytesPerMessage, c.theirs.bytesPerMessage)
		row("", "%.0f and %.0f B of memory a player", c.rss, c.plainRSS)
	}
	fmt.Fprintf(t, "%d idle connections: memory of one\n", r.idle)
	row("", "%.0f B, the plain server %.0f B", r.idleRSS, r.plainRSS)
	for _, n := range r.notes {
		fmt.Fprintln(t, n)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
