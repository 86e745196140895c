package main

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"strings"
)

// The report as a page: one file without scripts, so that it can be kept and sent.

// series is one line of a chart.
type series struct {
	Name  string
	Color string
	at    func(sample) float64
}

// chart is a picture of one or more series over time.
type chart struct {
	Title  string
	Series []series
	SVG    template.HTML
}

const (
	chartWidth, chartHeight = 720, 180
	chartLeft, chartBottom  = 52, 22
)

// draw makes the chart's picture.
func (c *chart) draw(samples []sample) {
	top, end := 0.0, 1.0
	for _, s := range samples {
		end = max(end, s.at)
		for _, line := range c.Series {
			top = max(top, line.at(s))
		}
	}
	top = roundUp(top)
	x := func(at float64) float64 { return chartLeft + (chartWidth-chartLeft-8)*at/end }
	y := func(v float64) float64 { return 8 + (chartHeight-chartBottom-8)*(1-v/top) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img">`, chartWidth, chartHeight)
	for i := range 5 {
		v := top * float64(i) / 4
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/><text x="%d" y="%.1f" class="y">%.4g</text>`,
			chartLeft, chartWidth-8, y(v), y(v), chartLeft-6, y(v)+4, v)
	}
	for i := range 7 {
		at := end * float64(i) / 6
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" class="x">%.0f s</text>`, x(at), chartHeight-4, at)
	}
	for _, line := range c.Series {
		var points []string
		for _, s := range samples {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(s.at), y(line.at(s))))
		}
		fmt.Fprintf(&b, `<polyline points="%s" stroke="%s"/>`, strings.Join(points, " "), line.Color)
	}
	b.WriteString("</svg>")
	c.SVG = template.HTML(b.String()) // numbers and constants only
}

// roundUp is the next of 1, 2, 5, 10 and so on.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if v <= f*unit {
			return f * unit
		}
	}
	return 10 * unit
}

func charts(samples []sample) []chart {
	list := []chart{
		{Title: "Input to state, ms", Series: []series{
			{"p50", "#2a9d8f", func(s sample) float64 { return s.p50 }}, {"p99", "#e76f51", func(s sample) float64 { return s.p99 }},
		}},
		{Title: "Ticks: lateness p99 in ms, and skipped", Series: []series{
			{"late", "#264653", func(s sample) float64 { return s.late }}, {"skipped", "#e63946", func(s sample) float64 { return s.skipped }},
		}},
		{Title: "Down, bytes a client and second", Series: []series{{"bytes", "#457b9d", func(s sample) float64 { return s.bytes }}}},
		{Title: "CPU, percent of one core", Series: []series{
			{"server", "#e76f51", func(s sample) float64 { return s.serverCPU }}, {"bots", "#8d99ae", func(s sample) float64 { return s.botsCPU }},
		}},
		{Title: "Memory of the server, MB", Series: []series{{"RSS", "#6d597a", func(s sample) float64 { return s.rss }}}},
		{Title: "Players with a connection", Series: []series{{"players", "#2a9d8f", func(s sample) float64 { return s.players }}}},
	}
	for i := range list {
		list[i].draw(samples)
	}
	return list
}

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>roomd load test: {{.Report.Kind}}, {{.Report.Players}} players</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
pre { background: #f4f4f2; padding: 1rem; overflow-x: auto }
h2 { font-size: 1rem; margin: 1.6rem 0 .3rem }
svg { width: 100%; background: #fafaf8; border: 1px solid #ddd }
polyline { fill: none; stroke-width: 1.6 } .grid { stroke: #e2e2de } text { font-size: 11px; fill: #666 }
.y { text-anchor: end } .x { text-anchor: middle } .key { margin-right: 1rem; font-size: .85rem } .key b { font-size: 1.2rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181a1b } pre, svg { background: #202324; border-color: #333 } .grid { stroke: #333 } text { fill: #999 } }
</style>
<h1>{{.Report.Kind}}: {{.Report.Rooms}} rooms of {{.Report.PlayersPerRoom}}</h1>
<pre>{{.Table}}</pre>
{{range .Charts}}<h2>{{.Title}}</h2>
<div>{{range .Series}}<span class="key"><b style="color:{{.Color}}">&#9644;</b> {{.Name}}</span>{{end}}</div>
{{.SVG}}
{{end}}</html>
`))

// writeHTML writes the report with the run's second by second.
func (r *playReport) writeHTML(path string, samples []sample) error {
	var table strings.Builder
	if err := r.writeTable(&table); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.renderHTML(f, table.String(), samples)
}

func (r *playReport) renderHTML(w io.Writer, table string, samples []sample) error {
	return page.Execute(w, struct {
		Report *playReport
		Table  string
		Charts []chart
	}{r, table, charts(samples)})
}
