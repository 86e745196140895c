package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
)

// soon bounds every wait of these tests.
const soon = 30 * time.Second

// node is a roomd process in a cluster.
type node struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	addr string
	nats string
	done chan struct{}
}

// verb runs one of the operator's verbs and returns what it says.
func (n *node) verb(args ...string) string {
	n.t.Helper()
	out, err := exec.Command(n.cmd.Path, append(args, "--nats", n.nats)...).CombinedOutput()
	n.t.Logf("roomd %s: %v\n%s", strings.Join(args, " "), err, out)
	return string(out)
}

// startCluster starts a NATS and nodes of the binary on it.
func startCluster(t *testing.T, names ...string) []*node { return startClusterWith(t, nil, names...) }

// startClusterWith gives the nodes flags.
func startClusterWith(t *testing.T, flags []string, names ...string) []*node {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "roomd")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(soon) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	var list []*node
	for _, name := range names {
		list = append(list, startNode(t, bin, s.ClientURL(), name, flags...))
	}
	return list
}

func startNode(t *testing.T, bin, nats, name string, flags ...string) *node {
	t.Helper()
	n := &node{t: t, name: name, done: make(chan struct{})}
	n.cmd = exec.Command(bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--nats", nats, "--node", name, "--lease", "1s",
		"--checkpoint", "200ms", "--grace", "20s", "--log-level", "WARN"}, flags...)...)
	n.cmd.Stderr = os.Stderr
	n.nats = nats
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.cmd.Process.Kill()
		<-n.done
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { n.cmd.Wait(); close(n.done) }()
	_, addr, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if err != nil || !ok {
		t.Fatalf("%s printed %q, %v", name, line, err)
	}
	n.addr = strings.Trim(addr, "/")
	return n
}

// balance is a balancer before the nodes, as players come by: any that lives.
func balance(t *testing.T, nodes []*node) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			if !forward(a, nodes) {
				a.Close()
			}
		}
	}()
	return ln.Addr().String()
}

// forward connects a client to some node that lives.
func forward(a net.Conn, nodes []*node) bool {
	for _, i := range rand.Perm(len(nodes)) {
		if b, err := net.Dial("tcp", nodes[i].addr); err == nil {
			go func() { io.Copy(a, b); a.Close() }()
			go func() { io.Copy(b, a); b.Close() }()
			return true
		}
	}
	return false
}

// gamer plays and notes what it is shown.
type gamer struct {
	t *testing.T
	c *client.Client

	mu    sync.Mutex
	epoch uint64
	tick  game.Tick
	known map[string]uint32 // hash of what was shown, by epoch and tick
	bad   string
	lost  int // connections
}

// breaks is how often the player was without a connection.
func (g *gamer) breaks() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

func play(t *testing.T, addr, name, room string) *gamer {
	t.Helper()
	g := &gamer{t: t, known: map[string]uint32{}}
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	var err error
	g.c, err = client.Dial(ctx, "ws://"+addr+"/v1/ws", client.Options{
		Config: client.Config{Kind: "arena", Room: room, Name: name}, OnUpdate: g.update,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.c.Close() })
	return g
}

// update checks that history only goes on.
func (g *gamer) update(c *client.Client) {
	connected := c.Connected()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !connected {
		g.lost++
	}
	c.View(func(core *client.Core) {
		tick, ok := core.Tick()
		if !ok || g.bad != "" || tick == g.tick && core.Epoch() == g.epoch {
			return
		}
		if core.Epoch() < g.epoch || core.Epoch() == g.epoch && tick < g.tick {
			g.bad = fmt.Sprintf("from %d-%d to %d-%d", g.epoch, g.tick, core.Epoch(), tick)
		}
		g.epoch, g.tick = core.Epoch(), tick
		g.known[fmt.Sprint(g.epoch, "-", tick)] = core.Shared().Hash()
	})
}

// now is the history and the tick that the player is shown.
func (g *gamer) now() (uint64, game.Tick) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bad != "" {
		g.t.Fatal(g.bad)
	}
	return g.epoch, g.tick
}

func (g *gamer) room() (room string, seat game.PlayerID) {
	g.c.View(func(core *client.Core) { room, seat = core.Room(), core.Seat() })
	return room, seat
}

// goesOn waits until the player is shown n further ticks.
func (g *gamer) goesOn(n game.Tick) {
	g.t.Helper()
	epoch, from := g.now()
	await(g.t, "the game goes on", func() bool {
		e, tick := g.now()
		return e > epoch || tick >= from+n
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(soon); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// same compares what two players were shown of the same ticks.
func same(t *testing.T, a, b *gamer) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for at, hash := range a.known {
		if other, ok := b.known[at]; ok {
			if n++; other != hash {
				t.Errorf("%s was shown with two contents", at)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d ticks were shown to both", n)
	}
}

// TestClusterOfThree lets players come to any node, a node that ends orderly give its
// rooms away, and a node that is killed be replaced.
func TestClusterOfThree(t *testing.T) {
	nodes := startCluster(t, "one", "two", "three")
	anywhere := balance(t, nodes)
	ann := play(t, anywhere, "ann", "duel")
	bob := play(t, anywhere, "bob", "duel")
	if room, seat := bob.room(); room != "duel" || seat != 2 {
		t.Fatalf("bob has seat %d in %q", seat, room)
	}
	ann.goesOn(30)
	bob.goesOn(30)
	epoch, _ := ann.now()

	owner := ownerOf(t, nodes, "duel")
	to := nodes[0]
	if to == owner {
		to = nodes[1]
	}
	if out := owner.verb("rooms", "move", "duel", to.name); !strings.Contains(out, "room duel is at "+to.name) {
		t.Errorf("the move says %q", out)
	}
	ann.goesOn(10)
	if out := owner.verb("rooms", "show", "duel"); !strings.Contains(out, to.name) {
		t.Errorf("the room is shown as %q", out)
	}
	if out := owner.verb("nodes"); strings.Count(out, " up ") != 3 {
		t.Errorf("the nodes are shown as %q", out)
	}
	if out := owner.verb("rooms", "move", "duel", "nowhere"); !strings.Contains(out, `no node "nowhere" is alive`) {
		t.Errorf("a wrong move says %q", out)
	}
	owner = to
	begin := time.Now()
	owner.cmd.Process.Signal(syscall.SIGTERM)
	ann.goesOn(3)
	t.Logf("goes on %v after the signal", time.Since(begin).Round(time.Millisecond))
	<-owner.done
	ann.goesOn(30)
	bob.goesOn(30)
	if now, _ := ann.now(); now != epoch {
		t.Errorf("epoch %d became %d by a move", epoch, now)
	}
	same(t, ann, bob)

	eve := play(t, anywhere, "eve", "duel")
	if room, seat := eve.room(); room != "duel" || seat != 3 {
		t.Errorf("eve has seat %d in %q", seat, room)
	}
	victim := ownerOf(t, nodes, "duel")
	died := time.Now()
	victim.cmd.Process.Kill()
	<-victim.done
	await(t, "a new history begins", func() bool { now, _ := ann.now(); return now > epoch })
	t.Logf("back %v after the kill, with a lease of 1 s", time.Since(died).Round(10*time.Millisecond))
	ann.goesOn(30)
	bob.goesOn(30)
	if _, seat := ann.room(); seat != 1 {
		t.Errorf("ann has seat %d now", seat)
	}
	same(t, ann, bob)
}

// ownerOf is the node that has a room.
func ownerOf(t *testing.T, nodes []*node, room string) (owner *node) {
	t.Helper()
	await(t, "somebody has the room", func() bool {
		for _, n := range nodes {
			resp, err := http.Get("http://" + n.addr + "/v1/rooms")
			if err != nil {
				continue
			}
			var list struct{ Rooms []struct{ ID, Node string } }
			err = json.NewDecoder(resp.Body).Decode(&list)
			resp.Body.Close()
			for _, r := range list.Rooms {
				if err == nil && r.ID == room && r.Node == "" { // its own
					owner = n
					return true
				}
			}
		}
		return false
	})
	return owner
}
