package cluster

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// guards are lines without which the cluster would break a promise, what they are
// replaced by to see whether the simulator notices, and which test of it.
var guards = []struct{ name, file, line, without, test string }{
	{"lease", "node.go", "return !n.dead && now < n.valid", "return !n.dead", anyCluster},
	{"dead is dead", "node.go", "case e.Lease.Dead || e.Rev == 0:", "case e.Rev == 0:", anyCluster},
	{"margin", "node.go", "wait := lease + lease*drift/100 + n.cfg.Gap", "wait := lease / 2", anyCluster},
	{"another's lease", "node.go", "lease := max(n.cfg.Lease, p.lease.Lasts)", "lease := n.cfg.Lease", "TestLeasesOfDifferentLengths"},
	{"own renewals", "node.go", "n.sent-p.seen <= wait || n.sent-n.steady <= calm", "n.sent-p.seen <= wait || calm < 0", "TestStoreOutageChangesNoOwner"},
	{"time of sending", "node.go", "n.valid = max(n.valid, sent+n.cfg.Lease)", "n.valid = n.now + 2*n.cfg.Lease", anyCluster},
	{"term", "rooms.go", "Term: e.rec.TermAt(e.rev) + 1}", "Term: e.rec.TermAt(e.rev)}", anyCluster},
	{"epoch", "rooms.go", "rec := Record{Kind: e.rec.Kind, Owner: n.cfg.SID, Term:", "rec := Record{Kind: e.rec.Kind, Owner: n.cfg.SID, Epoch: e.rec.EpochAt(e.rev), Term:", anyCluster},
	{"number of a freeze", "rooms.go", "|| e.try != m.Try {", "{", anyCluster},
	{"undecided", "rooms.go", "			n.hand(m.Room, e)\n		case e.rec", "			n.keep(m.Room, e, \"\")\n		case e.rec", anyCluster},
	{"record of an earlier life", "rooms.go", "case mine && e.rev > e.above:", "case mine:", anyCluster},
	{"purged", "rooms.go", "	if e.gone {", "	if false {", anyCluster},
	{"old news", "rooms.go", "	if m.Rev < e.rev {", "	if m.Rev == 0 {", anyCluster},
}

const anyCluster = "TestAnyCluster"

// TestGuardsMatter takes each guard away, in a copy, and demands that the simulator
// fails then.
func TestGuardsMatter(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("runs without the race detector, and takes a while")
	}
	for _, g := range guards {
		t.Run(strings.ReplaceAll(g.name, " ", "-"), func(t *testing.T) {
			out, err := exec.Command("go", "test", "-overlay", overlay(t, g.file, g.line, g.without),
				"-run", "^"+g.test+"$", "-count=1", "-timeout=2m", ".").CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("the simulator passes without it")
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
