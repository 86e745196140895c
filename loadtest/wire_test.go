package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// TestWireBytes keeps the wire format from growing: bytes do not depend on the
// machine.
func TestWireBytes(t *testing.T) {
	options := game.Options{TickRate: syntheticRate, Spectate: game.Everyone}
	r, err := measureWire(game.Define("synthetic", options, newSynthetic), syntheticRate*syntheticSeconds, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("synthetic: %.1f B a frame, msgpack maps %.0f B, JSON %.0f B", r.Bytes, r.MapBytes, r.JSONBytes)
	if r.Bytes > 160 || r.Bytes < 100 || r.Frames != syntheticRate*syntheticSeconds-1 {
		t.Errorf("synthetic: %.1f B in each of %d frames", r.Bytes, r.Frames)
	}
	if r.MapBytes < 20*r.Bytes || r.JSONBytes < 20*r.Bytes {
		t.Errorf("baselines: %.0f and %.0f B", r.MapBytes, r.JSONBytes)
	}
	frames, err := readQuake("../../shared/traces/demo2-mvd.state.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no recording of QuakeWorld here")
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err = measureWire(game.Define("quakeworld", options, newQuake(frames[:3000])), 3000, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("QuakeWorld, the first 3,000 frames: %.1f B a frame", r.Bytes)
	if r.Bytes > 38 {
		t.Errorf("QuakeWorld: %.1f B a frame", r.Bytes)
	}
}

func TestWireReport(t *testing.T) {
	report := wireReport{Synthetic: &wireResult{Bytes: 156.1}}
	var text, object strings.Builder
	if err := errors.Join(report.writeTable(&text), report.writeJSON(&object)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "156.1") || !strings.Contains(text.String(), "Colyseus") {
		t.Errorf("table:\n%s", &text)
	}
	var got map[string]map[string]float64
	if err := json.Unmarshal([]byte(object.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got["synthetic"]["bytes_per_frame"] != 156.1 || got["quakeworld"] != nil {
		t.Errorf("object: %s", &object)
	}
}
