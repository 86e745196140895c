package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

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

// A recording that cannot be measured is an error, and so is one that is named and
// not there.
func TestWireRecordings(t *testing.T) {
	dir := t.TempDir()
	frame := func(x int32, ids ...uint16) (b []byte) {
		b = binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(len(ids)))
		for _, id := range ids {
			b = binary.LittleEndian.AppendUint16(b, id)
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
			b = append(b, make([]byte, 9*4)...)
		}
		return b
	}
	for _, c := range []struct {
		name   string
		frames [][]byte
		ok     bool
	}{
		{"empty", nil, false},
		{"one frame", [][]byte{frame(1, 1)}, false},
		{"standing still", [][]byte{frame(1, 1), frame(1, 1)}, false},
		{"nobody", [][]byte{frame(0), frame(0)}, false},
		{"cut", [][]byte{frame(1, 1), frame(2, 1)[:20]}, false},
		{"moving", [][]byte{frame(1, 1), frame(2, 1)}, true},
		{"leaving", [][]byte{frame(1, 1), frame(1)}, true},
	} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(append([]byte("QST1"), bytes.Join(c.frames, nil)...))
		z.Close()
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		frames, err := readQuake(path)
		if (err == nil) != c.ok {
			t.Errorf("%s: %d frames, %v", c.name, len(frames), err)
		}
		if err != nil {
			continue
		}
		options := game.Options{TickRate: syntheticRate, Spectate: game.Everyone}
		r, err := measureWire(game.Define("quakeworld", options, newQuake(frames)), len(frames), 1)
		if err == nil {
			err = (&wireReport{QuakeWorld: r}).writeJSON(io.Discard)
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := (&wireCmd{Rounds: 1, QuakeWorld: filepath.Join(dir, "missing")}).Run(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a recording that is named and not there: %v", err)
	}
	var c wireCmd
	k, err := kong.New(&c)
	if err == nil {
		_, err = k.Parse(nil)
	}
	if err != nil || c.QuakeWorld != quakeRecording {
		t.Errorf("%v; the recording is %s where nobody names one, want %s", err, c.QuakeWorld, quakeRecording)
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
