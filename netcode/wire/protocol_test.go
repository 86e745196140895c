package wire_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/roomd/roomd/netcode/wire"
)

var update = flag.Bool("update", false, "write the examples into PROTOCOL.md and testdata/vectors.json")

// exampleBlock is a fenced block of PROTOCOL.md that holds the example of its name.
var exampleBlock = regexp.MustCompile("(?s)```hex ([a-z-]+)\n(.*?)```")

func TestProtocolExamples(t *testing.T) {
	doc, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]example{}
	for _, ex := range examples() {
		want[ex.name] = ex
	}
	fresh := exampleBlock.ReplaceAllStringFunc(string(doc), func(block string) string {
		name := exampleBlock.FindStringSubmatch(block)[1]
		ex, ok := want[name]
		if !ok {
			t.Errorf("no code makes the example %q", name)
			return block
		}
		return fmt.Sprintf("```hex %s\n%s```", name, render(ex))
	})
	if *update {
		if err := os.WriteFile("PROTOCOL.md", []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
		doc = []byte(fresh)
	}
	if string(doc) != fresh {
		t.Error("the examples of PROTOCOL.md are out of date: go test -update ./netcode/wire")
	}
	for _, m := range exampleBlock.FindAllStringSubmatch(string(doc), -1) {
		if got := parseHex(t, m[2]); !bytes.Equal(got, want[m[1]].msg) {
			t.Errorf("example %q: the document has %x, the code makes %x", m[1], got, want[m[1]].msg)
		}
		delete(want, m[1])
	}
	for name := range want {
		t.Errorf("PROTOCOL.md does not show the example %q", name)
	}
}

// parseHex reads the bytes before the # of each line.
func parseHex(t *testing.T, block string) (b []byte) {
	t.Helper()
	for line := range strings.Lines(block) {
		digits, _, _ := strings.Cut(line, "#")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b = append(b, part...)
	}
	return b
}

// The tables of the document and of the code say the same.
func TestProtocolTables(t *testing.T) {
	doc, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	actions := map[wire.Action]string{wire.Stop: "stop", wire.Retry: "retry", wire.Anew: "anew"}
	codes := regexp.MustCompile(`(?m)^\| (\d+) \| ([a-z ]+) \| (\d+) \| (stop|retry|anew) \|`).FindAllStringSubmatch(string(doc), -1)
	if len(codes) != wire.NumCodes-1 {
		t.Errorf("%d bye codes documented, want %d", len(codes), wire.NumCodes-1)
	}
	for i, m := range codes {
		c := wire.Code(i + 1)
		if got, want := strings.Join(m[1:], " "), fmt.Sprintf("%d %s %d %s", c, m[2], c.CloseCode(), actions[c.Action()]); got != want {
			t.Errorf("bye code: the document says %q, the code %q", got, want)
		}
	}
	kinds := regexp.MustCompile(`(?m)^\| (\d+) \| ([a-z]+) \| (client|server) \|`).FindAllStringSubmatch(string(doc), -1)
	if len(kinds) != int(wire.KindCheck) {
		t.Fatalf("%d kinds documented, want %d", len(kinds), wire.KindCheck)
	}
	for i, m := range kinds {
		if k := wire.Kind(i + 1); m[1] != fmt.Sprint(i+1) || m[2] != k.String() {
			t.Errorf("kind: the document says %v, the code %s", m[1:], k)
		}
	}
}
