package server

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
)

func TestConfigIsChecked(t *testing.T) {
	untagged := game.Define("odd name!", game.Options{}, newWalk(false))
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no kinds", Config{}, "no kind"},
		{"one name twice", Config{Kinds: []*game.Kind{walkers, walkers}}, `two kinds are named "walkers"`},
		{"a kind with a mistake", Config{Kinds: []*game.Kind{untagged}}, "odd name!"},
		{"negative loops", Config{Kinds: []*game.Kind{walkers}, Loops: -1}, "negative"},
		{"negative grace", Config{Kinds: []*game.Kind{walkers}, Grace: -1}, "negative"},
		{"no NATS", clustered(ClusterConfig{Node: "one"}), "a folder for an embedded one"},
		{"a mesh without a folder", clustered(ClusterConfig{Listen: "127.0.0.1:1", Join: []string{"127.0.0.1:2"}}), "meshing needs --data"},
		{"a mesh of nobody", clustered(ClusterConfig{Data: "data", Listen: "127.0.0.1:1"}), "--cluster-join"},
		{"a mesh that nobody finds", clustered(ClusterConfig{Data: "data", Join: []string{"127.0.0.1:2"}}), "needs --cluster-listen"},
		{"a mesh and a NATS", clustered(ClusterConfig{Data: "data", Listen: "127.0.0.1:1", NATS: "nats://127.0.0.1"}), "use one of them"},
		{"a mesh for everybody", clustered(ClusterConfig{Data: "data", Listen: ":1", Join: []string{"10.0.0.1:1"}}), "--cluster-secret-file"},
		{"headers of no proxy", Config{Kinds: []*game.Kind{walkers}, ProxyProtocol: true}, "--trust-proxy"},
		{"an open NATS", clustered(ClusterConfig{NATS: "nats://10.0.0.1:4222"}), "--insecure"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func clustered(c ClusterConfig) Config {
	return Config{Kinds: []*game.Kind{walkers}, Cluster: &c}
}

// TestFlagsAreLaidOverTheConfig runs Exec up to the port that it cannot have.
func TestFlagsAreLaidOverTheConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		args []string
		code int
		want string
	}{
		{"the program's own address", Config{Listen: "127.0.0.1:port"}, nil, 1, "127.0.0.1:port"},
		{"a flag's address", Config{Listen: "127.0.0.1:port"}, []string{"serve", "--listen", "127.0.0.1:other"}, 1, "127.0.0.1:other"},
		{"the program's own grace", Config{Grace: -time.Second}, nil, 1, "negative"},
		{"an unknown flag", Config{}, []string{"--frobnicate"}, 2, "--frobnicate"},
		{"a secret that is not there", Config{}, []string{"--data", "d", "--cluster-secret-file", "/nowhere"}, 1, "--cluster-secret-file"},
		{"a mesh without a folder", Config{}, []string{"--cluster-join", "a:1,b:2"}, 1, "meshing needs --data"},
		{"fewer than no connections", Config{}, []string{"--max-conns=-1"}, 1, "--max-conns"},
		{"a proxy without an address", Config{}, []string{"--trust-proxy", "10.0.0.1,proxy.example"}, 1, "--trust-proxy"},
		{"headers of no proxy", Config{}, []string{"--proxy-protocol"}, 1, "--trust-proxy"},
		{"an unknown engine", Config{}, []string{"--engine", "steam"}, 2, "steam"},
	} {
		var out, errs bytes.Buffer
		c.cfg.Kinds = []*game.Kind{walkers}
		if code := Exec(c.cfg, c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, want %d, with %q in %q", c.name, code, c.code, c.want, errs.String())
		}
	}
}
