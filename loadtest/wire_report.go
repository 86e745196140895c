package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// wireReport is the result of a wire run.
type wireReport struct {
	Synthetic  *wireResult `json:"synthetic"`
	QuakeWorld *wireResult `json:"quakeworld"` // null without the recording
}

// wireResult is one world's. Bytes are those of the delta message, without the
// WebSocket head and what is private to a player.
type wireResult struct {
	Frames        int     `json:"frames"`
	Entities      float64 `json:"entities_per_frame"`
	Changed       float64 `json:"changed_entities_per_frame"`
	Bytes         float64 `json:"bytes_per_frame"`
	EncodeNs      float64 `json:"encode_ns_per_entity"` // changed entity
	DecodeNs      float64 `json:"decode_ns_per_entity"`
	EncodeUs100   float64 `json:"encode_us_per_100_entities"` // changed or not
	Allocs        float64 `json:"allocs_per_frame"`
	JSONBytes     float64 `json:"json_full_bytes_per_frame"`
	MapBytes      float64 `json:"msgpack_maps_full_bytes_per_frame"`
	MapDeltaBytes float64 `json:"msgpack_maps_delta_bytes_per_frame"`
}

func (r *wireReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// published is what others need for the same worlds, in bytes per frame, as a
// study measured them with its own encoders; the second world is the same
// recording.
var published = []struct {
	name             string
	synthetic, quake float64
}{
	{"Colyseus schema 4.0.24, best integer types", 547, 48.9},
	{"rows of absolute integers", 539, 54.9},
	{"rows of signed differences", 332, 43.9},
	{"groups, gated prediction (the study's own)", 176, 35.0},
	{"bit-packed, linear prediction", 153, 31.5},
}

func (r *wireReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	pair := func(name string, format string, of func(*wireResult) float64) {
		fmt.Fprintf(t, "  %s\t"+format+"\t", name, of(r.Synthetic))
		if r.QuakeWorld != nil {
			fmt.Fprintf(t, format, of(r.QuakeWorld))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t, "bytes per frame\tsynthetic\tQuakeWorld")
	pair("roomd", "%.1f", func(r *wireResult) float64 { return r.Bytes })
	pair("msgpack maps, changed values", "%.1f", func(r *wireResult) float64 { return r.MapDeltaBytes })
	pair("msgpack maps, full state", "%.0f", func(r *wireResult) float64 { return r.MapBytes })
	pair("JSON, full state", "%.0f", func(r *wireResult) float64 { return r.JSONBytes })
	fmt.Fprintln(t, "published, not measured here\t\t")
	for _, p := range published {
		fmt.Fprintf(t, "  %s\t%.0f\t%.1f\n", p.name, p.synthetic, p.quake)
	}
	fmt.Fprintln(t, "roomd's cost\t\t")
	pair("entities", "%.1f", func(r *wireResult) float64 { return r.Entities })
	pair("changed entities a frame", "%.1f", func(r *wireResult) float64 { return r.Changed })
	pair("encode, ns a changed entity", "%.0f", func(r *wireResult) float64 { return r.EncodeNs })
	pair("decode, ns a changed entity", "%.0f", func(r *wireResult) float64 { return r.DecodeNs })
	pair("encode, us per 100 entities and view", "%.1f", func(r *wireResult) float64 { return r.EncodeUs100 })
	pair("allocations a frame", "%.0f", func(r *wireResult) float64 { return r.Allocs })
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
