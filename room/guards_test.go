package room

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// guards are lines without which some viewer would hold a wrong state, what they
// are replaced by to see whether a test notices, and where that test is.
var guards = []struct{ name, file, line, without, pkg, test string }{
	{"generation", "../netcode/delta/encoder.go", "h.was.gen != h.is.gen, false", "h.was.access == 0, false", ".", key},
	{"generation in a prediction", "../netcode/delta/encoder.go", "h.predict = h.was1.gen == h.is.gen && h.was2.gen == h.is.gen",
		"h.predict = h.was1.access != 0 && h.was2.access != 0", "../netcode/delta", "TestDecodedEqualsFiltered"},
	{"run", "audience.go", "predicted: v.run >= predictRun &&", "predicted: v.run >= predictRun-1 &&", ".", key},
	{"run after a change of team", "audience.go", "v.base+1 == entry.Tick && v.baseTeams == teams {", "v.base+1 == entry.Tick {", ".", key},
	{"pin", "transfer.go", "if a.ring.Pin(t.entry) {", "if t == nil && a.ring.Pin(t.entry) {", ".", key},
	{"seat clearing", "../game/world.go", "r.release(p)", "_ = r", ".", key},
	{"seat of a resume", "audience.go", "|| req.Tick < since {", "{", ".", key},
}

const key = "TestAnySchedule"

// TestGuardsMatter takes each guard away, in a copy, and demands that the
// schedules fail then.
func TestGuardsMatter(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("runs without the race detector, and takes a while")
	}
	for _, g := range guards {
		t.Run(strings.ReplaceAll(g.name, " ", "-"), func(t *testing.T) {
			out, err := exec.Command("go", "test", "-overlay", overlay(t, g.file, g.line, g.without),
				"-run", "^"+g.test+"$", "-count=1", "-timeout=5m", g.pkg).CombinedOutput()
			switch {
			case err == nil, strings.Contains(string(out), "panic: test timed out"):
				t.Errorf("the schedules pass without it")
			case !strings.Contains(string(out), "--- FAIL: "+g.test) && !strings.Contains(string(out), "panic:"):
				t.Errorf("%v:\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "seed") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

// overlay is a file for -overlay that changes one line of a source file.
func overlay(t *testing.T, file, line, without string) string {
	t.Helper()
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), line); n != 1 {
		t.Fatalf("%s has %q %d times, want once", file, line, n)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "changed.go")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(strings.Replace(string(src), line, without, 1)), 0o600)
	}
	path := filepath.Join(dir, "overlay.json")
	if err == nil {
		err = os.WriteFile(path, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
