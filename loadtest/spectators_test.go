package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadSpectators runs the command as an operator does, with few readers.
func TestLoadSpectators(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "loadtest")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "spectators", "--readers", "100", "--many", "200", "--rounds", "1", "--duration", "1s", "--json")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var r spectatorsReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Wrong != 0 || r.States < 1000 || r.ReadersAtEnd != 200 || r.Goroutines > 20 {
		t.Errorf("%+v", r)
	}
	if r.EncodesPerEvent < 0.5 || r.EncodesPerEvent > 1.5 || r.Ratio <= 0 {
		t.Errorf("%+v", r)
	}
}
