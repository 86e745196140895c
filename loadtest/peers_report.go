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
	duels
	bytes int // of payload
}

// crowdSize is rooms of players, beside the plain server.
type crowdSize struct {
	duels
	rooms, players int
	rss, plainRSS  float64 // of a player who joined
}

// duels are those of roomd: with a system call for each write and read, and with
// io_uring if there is one.
type duels []duel

func (d duels) plain() *duel { return &d[0] }

// uring may be nil.
func (d duels) uring() *duel {
	if len(d) < 2 {
		return nil
	}
	return &d[1]
}

func (r *peersReport) note(text string) { r.notes = append(r.notes, text) }

// writeJSON writes one object. Ratios are roomd's figure by the other's, medians of
// the rounds; CPU is that of the server's process, in % of a core. What was not
// compared has no keys.
func (r *peersReport) writeJSON(w io.Writer) error {
	m := map[string]any{
		"rounds": r.rounds, "round_s": r.seconds, "took_s": r.took, "viewers": r.viewers, "notes": r.notes,
	}
	if r.idle > 0 {
		m["idle_connections"], m["idle_rss_bytes_per_conn"], m["idle_baseline_rss_bytes_per_conn"] = r.idle, r.idleRSS, r.plainRSS
	}
	put := func(name string, d *duel) {
		m[name+"_min"], m[name+"_max"] = d.least, d.most
	}
	// A key names what is compared with what; the worst of the sizes counts.
	ratio := func(key, size string, d *duel) {
		if d != nil {
			worst, _ := m[key].(float64)
			m[key], m[key+size] = max(worst, d.ratio), d.ratio
			put(key+size, d)
		}
	}
	for i := range r.deliveries {
		d := &r.deliveries[i]
		size, own := fmt.Sprint("_", d.bytes), d.plain()
		ratio("delivery_cpu_vs_write_ratio", size, own)
		ratio("delivery_uring_vs_write_ratio", size, d.uring())
		m["delivery_cpu_us_per_frame"+size] = own.ours.usPerMessage
		m["delivery_write_cpu_us_per_frame"+size] = own.theirs.usPerMessage
		m["delivery_bytes_per_frame"+size] = own.ours.bytesPerMessage
		m["delivery_server_cpu_pct"+size] = own.ours.cpuPct
		m["delivery_frames_per_s"+size] = float64(own.ours.messages) / r.seconds
		m["delivery_write_frames_per_s"+size] = float64(own.theirs.messages) / r.seconds
	}
	for i := range r.crowds {
		c := &r.crowds[i]
		own, name, clients := c.plain(), fmt.Sprint("crowd", c.players), float64(c.rooms*c.players)*r.seconds
		m[name+"_rooms"] = c.rooms
		m[name+"_frames_per_client_per_s"] = float64(own.ours.messages) / clients
		m[name+"_baseline_frames_per_client_per_s"] = float64(own.theirs.messages) / clients
		ratio(name+"_cpu_vs_baseline_ratio", "", own)
		ratio(name+"_uring_vs_baseline_ratio", "", c.uring())
		m[name+"_server_cpu_pct"], m[name+"_baseline_cpu_pct"] = own.ours.cpuPct, own.theirs.cpuPct
		m[name+"_joined_rss_bytes_per_conn"], m[name+"_baseline_joined_rss_bytes_per_conn"] = c.rss, c.plainRSS
	}
	if len(r.crowds) > 0 {
		first := &r.crowds[0]
		m["server_cpu_pct"] = first.plain().ours.cpuPct
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
	if len(r.deliveries) > 0 {
		fmt.Fprintf(t, "%d viewers of one room, beside a loop of write(2): CPU of a frame\n", r.viewers)
	}
	for i := range r.deliveries {
		d := &r.deliveries[i]
		own := d.plain()
		row(fmt.Sprint(d.bytes, " B"), "%.2f us, the loop %.2f us: %s", own.ours.usPerMessage, own.theirs.usPerMessage, vs(own))
		if u := d.uring(); u != nil {
			row("  io_uring", "%.2f us: %s", u.ours.usPerMessage, vs(u))
		}
		row("", "%.0f and %.0f frames a second of %.1f and %.1f B", float64(own.ours.messages)/r.seconds, float64(own.theirs.messages)/r.seconds,
			own.ours.bytesPerMessage, own.theirs.bytesPerMessage)
	}
	if len(r.crowds) > 0 {
		fmt.Fprintln(t, "players, beside a plain Go server on gorilla/websocket: CPU of one core")
	}
	for i := range r.crowds {
		c := &r.crowds[i]
		own, clients := c.plain(), float64(c.rooms*c.players)*r.seconds
		row(fmt.Sprintf("%d rooms of %d", c.rooms, c.players), "%.1f %%, the plain server %.1f %%: %s", own.ours.cpuPct, own.theirs.cpuPct, vs(own))
		if u := c.uring(); u != nil {
			row("  io_uring", "%.1f %%: %s", u.ours.cpuPct, vs(u))
		}
		row("", "%.1f and %.1f frames a client and second, of %.1f and %.1f B", float64(own.ours.messages)/clients, float64(own.theirs.messages)/clients,
			own.ours.bytesPerMessage, own.theirs.bytesPerMessage)
		row("", "%.0f and %.0f B of memory a player", c.rss, c.plainRSS)
	}
	if r.idle > 0 {
		fmt.Fprintf(t, "%d idle connections: memory of one\n", r.idle)
		row("", "%.0f B, the plain server %.0f B", r.idleRSS, r.plainRSS)
	}
	for _, n := range r.notes {
		fmt.Fprintln(t, n)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
