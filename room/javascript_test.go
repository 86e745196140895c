package room

import (
	"bufio"
	"bytes"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// TestSchedulesInJavaScript plays the schedules of TestAnySchedule and hands
// what each viewer is sent to the JavaScript SDK, which must come to the same
// states: compared are the hashes of both stores at every tick.
func TestSchedulesInJavaScript(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("runs without the race detector, and takes a while")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Node")
		}
		t.Skip("no Node: the JavaScript decoder is not tested with schedules")
	}
	cmd := exec.Command(node, "../client-demo/test/replay.js")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n, first := *schedules, *firstSeed
	if first == 0 {
		first = mathrand.Uint64() >> 1
	}
	t.Logf("%d schedules from seed %d", n, first)
	w := bufio.NewWriterSize(in, 1<<20)
	p := &tape{w: w}
	for seed := first; seed < first+uint64(n) && p.err == nil && !t.Failed(); seed++ {
		runSchedule(t, seed, p)
	}
	w.Flush()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	t.Logf("%s", bytes.TrimSpace(out.Bytes()))
	if !bytes.HasPrefix(out.Bytes(), []byte("ok ")) {
		t.Error("the decoder does not say that it checked anything")
	}
}
