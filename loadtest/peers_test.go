package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestLoadPeers runs all that the command measures, with few clients: what it finds
// is not judged here.
func TestLoadPeers(t *testing.T) {
	cmd := &peersCmd{Rounds: 1, Duration: 300 * time.Millisecond, Viewers: 20, Idle: 100, Rooms: 4, Baseline: "baseline", Only: []string{"delivery", "crowd", "idle"}}
	rep, err := cmd.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := rep.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"delivery_cpu_vs_write_ratio", "delivery_cpu_vs_write_ratio_64", "delivery_cpu_vs_write_ratio_512", "idle_rss_bytes_per_conn",
		"joined_rss_bytes_per_conn", "crowd10_cpu_vs_baseline_ratio", "crowd50_cpu_vs_baseline_ratio", "server_cpu_pct",
	} {
		if _, ok := got[key].(float64); !ok {
			t.Errorf("the report has no %s", key)
		}
	}
	for _, key := range []string{"delivery_uring_vs_write_ratio", "delivery_uring_vs_write_ratio_512", "crowd10_uring_vs_baseline_ratio"} {
		if _, ok := got[key].(float64); ok != hasUring() {
			t.Errorf("the report has %s: %v", key, ok)
		}
	}
	for i := range rep.deliveries {
		d := rep.deliveries[i].plain()
		if d.theirs.bytesPerMessage != float64(sizes[i]) || d.ours.bytesPerMessage < d.theirs.bytesPerMessage ||
			d.ours.bytesPerMessage > d.theirs.bytesPerMessage+1 {
			t.Errorf("frames of %.2f B are compared with frames of %.2f B", d.ours.bytesPerMessage, d.theirs.bytesPerMessage)
		}
	}
	b.Reset()
	if err := rep.writeTable(&b); err != nil || !strings.Contains(b.String(), "gorilla/websocket") {
		t.Errorf("%v in %q", err, b.String())
	}
}

// What was not compared has no key: a 0 would be a figure.
func TestPeersReportParts(t *testing.T) {
	var b bytes.Buffer
	if err := (&peersReport{rounds: 1, seconds: 1}).writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"idle", "crowd", "delivery", "joined"} {
		if strings.Contains(b.String(), part) {
			t.Errorf("nothing was compared, and the report has %s:\n%s", part, &b)
		}
	}
}

// Without the folder of the baselines the command says what to do.
func TestPeersWithoutBaseline(t *testing.T) {
	cmd := &peersCmd{Rounds: 1, Duration: time.Second, Viewers: 2, Idle: 1, Rooms: 2, Baseline: t.TempDir(), Only: []string{"idle"}}
	if _, err := cmd.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "--baseline") {
		t.Error(err)
	}
}

// A run that compares nothing fails.
func TestPeersWithoutComparison(t *testing.T) {
	cmd := &peersCmd{Rounds: 1, Duration: time.Second, Viewers: 2, Idle: 1, Rooms: 2, Baseline: "baseline"}
	if _, err := cmd.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "--only") {
		t.Error(err)
	}
}
