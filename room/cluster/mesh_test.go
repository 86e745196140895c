package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// freePorts is addresses that nobody listens on now.
func freePorts(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		for { // where no system puts outgoing connections by itself
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(12_000)))
			if err == nil {
				defer l.Close()
				list = append(list, l.Addr().String())
				break
			}
		}
	}
	return list
}

// records counts log records by their text.
type records struct {
	slog.Handler
	mu   sync.Mutex
	seen map[string]int
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[rec.Message]++
	return nil
}

func (r *records) count(start string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text, times := range r.seen {
		if strings.HasPrefix(text, start) {
			n += times
		}
	}
	return n
}

func TestMeshOfThree(t *testing.T) {
	at := freePorts(t, 3)
	embedded := make([]*Embedded, 3)
	nodes := make([]*fakeHost, 3)
	log := &records{seen: map[string]int{}}
	start := func(i int) error {
		e, err := StartMeshed(fmt.Sprint("server", i), t.TempDir(), Mesh{Listen: at[i], Join: at, Secret: "p@ss/word"})
		if err != nil {
			return err
		}
		t.Cleanup(e.Stop)
		embedded[i] = e
		nodes[i], err = joinNode(t, Options{Name: fmt.Sprint("n", i), Embedded: e, Lease: time.Second, Log: slog.New(log)})
		return err
	}
	joined := make(chan error, 3)
	go func() { joined <- start(0) }()
	eventually(t, "the first waits for others", func() bool { return log.count("waiting for other nodes") == 1 })
	for i := 1; i < 3; i++ {
		go func() { joined <- start(i) }()
	}
	for range 3 {
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
	}
	if n := log.count("waiting for other nodes"); n > 3 {
		t.Errorf("that they wait is said %d times", n)
	}
	if r := nodes[0].c.opts.Replicas; r != 3 {
		t.Errorf("%d replicas", r)
	}
	nodes[2].c.Tell(Create{"lobby", "game"})
	eventually(t, "the room runs", func() bool { _, _, ok := nodes[2].runs("lobby"); return ok })
	eventually(t, "all find it", func() bool {
		p, ok := nodes[0].c.Find("lobby")
		q, ok2 := nodes[1].c.Find("lobby")
		return ok && ok2 && p.Alive && q.Alive && p.Owner == nodes[2].c.SID() && q.Owner == p.Owner
	})
	s, _, _ := nodes[2].runs("lobby")
	if err := nodes[2].c.Save("lobby", s.Term, []byte("saved")); err != nil {
		t.Fatal(err)
	}
	nodes[2].c.Close() // without a word
	embedded[2].Stop()
	eventually(t, "it is rescued", func() bool {
		for _, h := range nodes[:2] {
			if got, state, ok := h.runs("lobby"); ok && state == "saved" && got.Epoch > s.Epoch {
				return true
			}
		}
		return false
	})
}

func TestMeshNeedsItsSecret(t *testing.T) {
	at := freePorts(t, 2)
	for i, secret := range []string{"right", "wrong"} {
		e, err := StartMeshed(fmt.Sprint("server", i), t.TempDir(), Mesh{Listen: at[i], Join: at, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Stop)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Join(ctx, Options{Name: "a", Host: &fakeHost{}, Embedded: e}); err == nil || !strings.Contains(err.Error(), "too few nodes") {
			t.Errorf("%v, want that there are too few nodes", err)
		}
		if n := e.s.NumRoutes(); n != 0 {
			t.Errorf("%d routes", n)
		}
	}
}

func TestMeshSaysWhatIsWrong(t *testing.T) {
	join := []string{"10.0.0.1:6222"}
	for _, c := range []struct {
		mesh Mesh
		want string // in the error; empty: none
	}{
		{Mesh{Listen: "127.0.0.1:6222", Join: join}, ""},
		{Mesh{Listen: "0.0.0.0:6222", Join: join, Secret: "secret"}, ""},
		{Mesh{Listen: ":6222", Join: join, Insecure: true}, ""},
		{Mesh{Listen: ":6222", Join: join}, "--cluster-secret-file"},
		{Mesh{Listen: "10.0.0.2:6222", Join: join}, "--cluster-secret-file"},
		{Mesh{Listen: "127.0.0.1:6222"}, "--cluster-join"},
		{Mesh{Listen: "127.0.0.1", Join: join}, "not HOST:PORT"},
		{Mesh{Listen: "127.0.0.1:6222", Join: []string{"10.0.0.1"}}, "not HOST:PORT"},
	} {
		err := c.mesh.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.mesh, err, c.want)
		}
	}
	at := freePorts(t, 1)[0]
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := StartMeshed("a", t.TempDir(), Mesh{Listen: at, Join: join}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v, want that the address is in use", err)
	}
}
