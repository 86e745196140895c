package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/roomd/roomd/netcode/client"
)

// reader follows a room by its public stream, as an EventSource does.
type reader struct {
	t    *testing.T
	ids  chan string // of the events, and "reset" for one
	last string
}

func watch(t *testing.T, n *node, room, after string) *reader {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+n.addr+"/v1/rooms/"+room+"/spectate", nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream of %s at %s: %v, %v", room, n.name, resp, err)
	}
	r := &reader{t: t, ids: make(chan string, 1000)}
	go func() {
		defer resp.Body.Close()
		defer close(r.ids)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				r.ids <- id
			}
		}
	}()
	return r
}

// read takes n events, of which each is newer than the one before, and reports whether
// the stream went on so long.
func (r *reader) read(n int) bool {
	r.t.Helper()
	for range n {
		id, ok := <-r.ids
		if !ok {
			return false
		}
		if newer(r.t, r.last, id) {
			r.last = id
		}
	}
	return true
}

func newer(t *testing.T, old, id string) bool {
	t.Helper()
	var a, b [2]uint64
	fmt.Sscanf(old, "%d-%d", &a[0], &a[1])
	if n, err := fmt.Sscanf(id, "%d-%d", &b[0], &b[1]); n != 2 {
		t.Fatalf("event id %q: %v", id, err)
	}
	if b[0] < a[0] || b[0] == a[0] && b[1] < a[1] {
		t.Fatalf("the stream went back from %s to %s", old, id)
	}
	return old != id
}

// metric is the value of one of a node's metrics.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	resp, err := http.Get("http://" + n.addr + "/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if m := regexp.MustCompile("^" + name + " (.*)$").FindStringSubmatch(lines.Text()); m != nil {
			v, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// TestEdges plays one room through three nodes that keep their clients: players and
// readers at each see the same ticks; strangers' messages harm nobody; and when the
// room's node dies the others' clients keep their connections and seats.
func TestEdges(t *testing.T) {
	nodes := startClusterWith(t, []string{"--relay", "always"}, "one", "two", "three")
	var players []*gamer
	for _, n := range nodes {
		g := play(t, n.addr, n.name, "duel")
		g.goesOn(5)
		players = append(players, g)
	}
	for i, g := range players {
		g.goesOn(40)
		if _, seat := g.room(); int(seat) != i+1 || g.c.Address() != "ws://"+nodes[i].addr+"/v1/ws" {
			t.Errorf("player %d has seat %d at %s", i+1, seat, g.c.Address())
		}
	}
	for _, g := range players[1:] {
		same(t, players[0], g)
	}
	owner := ownerOf(t, nodes, "duel")
	var edges []*node
	var readers []*reader
	for _, n := range nodes {
		r := watch(t, n, "duel", "")
		r.read(10)
		if readers = append(readers, r); n != owner {
			edges = append(edges, n)
			if n.metric("roomd_cluster_edges") != 1 || n.metric("roomd_relayed_frames_total") == 0 {
				t.Errorf("%s counts %v edges and %v relayed frames", n.name, n.metric("roomd_cluster_edges"), n.metric("roomd_relayed_frames_total"))
			}
		}
	}
	strangers(t, edges[0])
	for _, g := range players {
		g.goesOn(10)
	}
	checkRescue(t, nodes, owner, players, readers)
}

// strangers sends what no node does.
func strangers(t *testing.T, n *node) {
	t.Helper()
	nc, err := nats.Connect(n.nats)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, b := range []string{"", "\x01", "\x63\x01\x01", "\x01\xff\xff", "\x01\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "{}"} {
		if err := nc.Publish("roomd.r.duel", []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "strangers are counted", func() bool { return n.metric("roomd_cluster_strangers_total") >= 5 })
}

func checkRescue(t *testing.T, nodes []*node, owner *node, players []*gamer, readers []*reader) {
	t.Helper()
	epoch, _ := players[0].now()
	owner.cmd.Process.Kill()
	<-owner.done
	for i, g := range players {
		if nodes[i] == owner {
			continue
		}
		await(t, "a new history begins", func() bool { now, _ := g.now(); return now > epoch })
		g.goesOn(30)
		var stats client.Stats
		g.c.View(func(core *client.Core) { stats = core.Stats() })
		if _, seat := g.room(); int(seat) != i+1 || stats.Resets != 1 || g.breaks() != 0 {
			t.Errorf("player %d has seat %d after %d resets and %d breaks", i+1, seat, stats.Resets, g.breaks())
		}
		for readers[i].read(1) { // until the node ends the stream, whose history is over
		}
		again := watch(t, nodes[i], "duel", readers[i].last)
		if again.last = readers[i].last; !again.read(10) || strings.HasPrefix(again.last, fmt.Sprint(epoch, "-")) {
			t.Errorf("the stream at %s goes on at %s", nodes[i].name, again.last)
		}
	}
	resp, err := http.Get("http://" + nodes[(indexOf(nodes, owner)+1)%len(nodes)].addr + "/v1/rooms/duel/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var snapshot map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&snapshot); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the snapshot: %d, %v", resp.StatusCode, err)
	}
}

func indexOf(nodes []*node, n *node) int {
	for i := range nodes {
		if nodes[i] == n {
			return i
		}
	}
	return -1
}
