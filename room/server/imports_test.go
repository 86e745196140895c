package server

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/roomd/roomd/"

// forbidden lists the edges that would turn the house upside down: imports go
// game <- netcode <- room <- room/cluster <- room/server <- cmd, loadtest.
var forbidden = []struct{ from, to, why string }{
	{"game", module + "netcode", "games know no networking"},
	{"game", module + "room", "games know no rooms, only their World"},
	{"netcode", module + "room", "netcode is below rooms"},
	{"netcode/loop", module, "the loop knows bytes, not protocols"},
	{"netcode/wire", module + "netcode", "messages are at the bottom of netcode"},
	{"netcode/delta", module + "netcode/loop", "deltas are pure functions"},
	{"netcode/delta", module + "netcode/ws", "deltas are pure functions"},
	{"netcode/ws", module + "game", "WebSocket knows frames, not games"},
	{"netcode/ws", module + "netcode/delta", "WebSocket knows frames, not state"},
	{"netcode/sse", module + "room", "streams know frames, not rooms"},
	{"room", module + "netcode/loop", "a room knows no sockets"},
	{"room", module + "netcode/ws", "a room knows no sockets"},
	{"room", "net", "a room does no I/O"},
	{"room", "os", "a room does no I/O"},
	{"client-demo", module, "the pages are files"},
}

// exceptions are edges that a rule above, or the rule that games use the
// standard library only, forbids.
var exceptions = []struct{ from, to, why string }{
	{"game/gametest", module + "netcode/delta", "it shows what players receive"},
	{"game/gametest", module + "netcode/wire", "it shows what players receive"},
}

// only lists modules that must stay behind one door.
var only = []struct {
	module string
	doors  []string
	why    string
}{
	{"github.com/gobwas/", []string{"netcode/ws", "netcode/client", "loadtest"}, "frames are made in one place on each side"},
	{"github.com/nats-io/", []string{"room/cluster", "loadtest"}, "rooms are sharded in one place, and broken in another"},
	{"github.com/alecthomas/kong", []string{"room/server", "loadtest"}, "flags belong to commands"},
	{"golang.org/x/crypto/", []string{"netcode/secure"}, "certificates are got where TLS is spoken"},
	{"github.com/prometheus/", []string{"room/server"}, "counters are plain fields, exported once"},
	{module + "game/gametest", nil, "games are checked in tests, which are not looked at here"},
}

func TestImportsGoOneWay(t *testing.T) {
	for file, imports := range projectImports(t) {
		dir := filepath.ToSlash(filepath.Dir(file))
		for _, imp := range imports {
			excepted := isExcepted(dir, imp)
			for _, f := range forbidden {
				if !excepted && within(dir, f.from) && prefixed(imp, f.to) && !within(strings.TrimPrefix(imp, module), f.from) {
					t.Errorf("%s imports %s: %s", file, imp, f.why)
				}
			}
			for _, o := range only {
				if strings.HasPrefix(imp, o.module) && !behind(dir, o.doors) {
					t.Errorf("%s imports %s: %s (allowed in %v)", file, imp, o.why, o.doors)
				}
			}
			if !excepted && within(dir, "game") && strings.Contains(strings.Split(imp, "/")[0], ".") && !strings.HasPrefix(imp, module+"game") {
				t.Errorf("%s imports %s: package game and the games use the standard library only", file, imp)
			}
		}
	}
}

func isExcepted(dir, imp string) bool {
	for _, e := range exceptions {
		if dir == e.from && imp == e.to {
			return true
		}
	}
	return false
}

// within reports whether dir is the package of the rule. "room" is itself
// alone, since room/server and room/cluster are above it.
func within(dir, rule string) bool {
	return dir == rule || rule != "room" && strings.HasPrefix(dir, rule+"/")
}

func prefixed(imp, rule string) bool {
	return imp == rule || strings.HasPrefix(imp, strings.TrimSuffix(rule, "/")+"/")
}

func behind(dir string, doors []string) bool {
	for _, d := range doors {
		if dir == d || strings.HasPrefix(dir, d+"/") {
			return true
		}
	}
	return false
}

// projectImports is what each Go file beside tests imports.
func projectImports(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".git")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		found[rel] = nil
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			found[rel] = append(found[rel], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d files found under %s", len(found), root)
	}
	return found
}
