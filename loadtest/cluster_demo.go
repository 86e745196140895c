package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/room/cluster"
)

// demoCmd is a cluster to play on and to break.
type demoCmd struct {
	Port     int           `default:"8081" help:"Port of the first node; the others have the next ones."`
	NATSPort int           `name:"nats-port" default:"4222" help:"Port of NATS."`
	Rooms    int           `default:"6" help:"Rooms in which bots play."`
	Players  int           `default:"3" help:"Bots in each, beside those of the game."`
	Lease    time.Duration `default:"3s" help:"Lease of the nodes."`
	Again    time.Duration `default:"5s" help:"Time after which a node that ended is started again."`
}

const (
	// demoLook is the time between two looks at the cluster.
	demoLook = 200 * time.Millisecond
	// demoFresh is how new a state is that shows that a room is played.
	demoFresh = 200 * time.Millisecond
)

var demoNodes = []string{"one", "two", "three"}

// demo is a running one.
type demo struct {
	cmd    *demoCmd
	out    io.Writer
	fleet  *fleet
	troupe *troupe
	bin    string

	nodes   map[cluster.SID]cluster.NodeInfo // all that there ever were
	rooms   map[string]cluster.RoomInfo
	missing map[string]bool // rooms that the last list lacked: the next one decides
	away    bool            // NATS
}

// Run plays until Ctrl-C.
func (c *demoCmd) Run() error {
	if c.Rooms < 1 || c.Players < 1 || c.Lease <= 0 || c.Again <= 0 {
		return errors.New("rooms, players, lease and again must be positive")
	}
	const ports = 1 << 16
	if c.Port < 1 || c.Port+len(demoNodes) > ports || c.NATSPort < 0 || c.NATSPort >= ports {
		return fmt.Errorf("--port must be from 1 to %d, --nats-port below %d", ports-len(demoNodes), ports)
	}
	ctx, stop := interrupted()
	defer stop()
	dir, err := os.MkdirTemp("", "roomd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	say("building roomd")
	bin, err := buildRoomd(ctx, dir)
	if err != nil {
		return err
	}
	f, err := newFleet(ctx, filepath.Join(dir, "nodes"), 1, c.NATSPort, []string{bin}, "--lease", c.Lease.String())
	if err != nil {
		return err
	}
	defer f.stop()
	playing, out := outputTo(ctx, os.Stdout)
	defer out.end(nil)
	d := &demo{cmd: c, out: out, fleet: f, bin: bin}
	err = d.run(playing)
	if ctx.Err() == nil && playing.Err() != nil {
		return context.Cause(playing)
	}
	return err
}

func (d *demo) run(ctx context.Context) error {
	for i, name := range demoNodes {
		if err := d.fleet.start(name, d.fleet.broker.url, "--listen", fmt.Sprint("127.0.0.1:", d.cmd.Port+i)); err != nil {
			return err
		}
	}
	d.troupe = newTroupe(d.fleet, d.cmd.Rooms, d.cmd.Players, 10)
	d.troupe.kind, d.troupe.fill = "arena", wander
	if err := d.troupe.enter(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, d.fleet.logs())
	}
	a, err := d.fleet.admin(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	d.look(ctx, a)
	d.explain()
	for _, name := range demoNodes {
		go d.tend(ctx, name)
	}
	for wait(ctx, demoLook) == nil {
		d.look(ctx, a)
	}
	fmt.Fprintln(d.out, "\nall processes are ended")
	return nil
}

// wander is a bot of the arena: it drives, aims and fires somewhere.
func wander(b *client.InputBuilder, n uint32, _ uint8) {
	r := rand.New(rand.NewPCG(uint64(n/turnEvery), 1))
	b.Set("moveX", float64(r.IntN(255)-127))
	b.Set("moveY", float64(r.IntN(255)-127))
	b.Set("aim", float64(r.IntN(1<<16)))
	b.Set("fire", float64(n%8/7))
}

// explain prints what there is to try.
func (d *demo) explain() {
	var b strings.Builder
	room := d.troupe.rooms[0].name
	fmt.Fprintf(&b, "\nThree nodes on %s, %d rooms with bots. Open any:\n", d.fleet.broker.url, d.cmd.Rooms)
	for i, name := range demoNodes {
		fmt.Fprintf(&b, "  http://127.0.0.1:%d/   node %s, kill -9 %d\n", d.cmd.Port+i, name, d.fleet.get(name).pid())
	}
	to := demoNodes[0]
	if d.rooms[room].Node == to {
		to = demoNodes[1]
	}
	fmt.Fprintf(&b, "\nIn another terminal:\n")
	for _, verb := range []string{"nodes", "rooms list", fmt.Sprintf("rooms move %s %s", room, to), "drain two"} {
		fmt.Fprintf(&b, "  %s %s --nats %s\n", d.bin, verb, d.fleet.broker.url)
	}
	fmt.Fprintf(&b, "  kill -9 %-8d # a node, whose rooms go on elsewhere; it is started again after %v\n", d.fleet.get(demoNodes[2]).pid(), d.cmd.Again)
	fmt.Fprintf(&b, "  kill -STOP %-5d # NATS: all rooms stand still after the lease, %v; kill -CONT lets them go on\n", d.fleet.broker.servers[0].pid(), d.cmd.Lease)
	fmt.Fprintf(&b, "\nLogs are in %s. Ctrl-C ends everything.\n\n", d.fleet.dir)
	io.WriteString(d.out, b.String())
}

// event prints one line.
func (d *demo) event(format string, args ...any) {
	fmt.Fprintf(d.out, "%s  %s\n", time.Now().Format("15:04:05.0"), fmt.Sprintf(format, args...))
}

// tend starts a node again whenever it has ended.
func (d *demo) tend(ctx context.Context, name string) {
	for {
		m := d.fleet.get(name)
		select {
		case <-m.done:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		d.event("node %s ended, process %d; it is started again in %v", name, m.pid(), d.cmd.Again)
		for wait(ctx, d.cmd.Again) == nil {
			if err := d.fleet.restart(name); err != nil {
				d.event("node %s cannot be started: %v", name, err)
				continue
			}
			d.event("node %s runs again, process %d", name, d.fleet.get(name).pid())
			break
		}
	}
}

// look prints what has changed in the cluster.
func (d *demo) look(ctx context.Context, a *cluster.Admin) {
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	nodes, rooms, err := a.State(short)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !d.away:
		d.event("NATS does not answer: %v", err)
	case err == nil && d.away:
		d.event("NATS answers again")
	}
	if d.away = err != nil; d.away {
		return
	}
	d.seeNodes(nodes)
	d.seeRooms(ctx, rooms)
}

func (d *demo) seeNodes(list []cluster.NodeInfo) {
	first := d.nodes == nil
	if first {
		d.nodes = map[cluster.SID]cluster.NodeInfo{}
	}
	for _, n := range list {
		was, known := d.nodes[n.SID]
		d.nodes[n.SID] = n
		switch {
		case first:
		case !known && !n.Dead:
			d.event("node %s is in the cluster", n.Name)
		case known && n.Dead && !was.Dead:
			d.event("node %s is gone: its rooms are the others' now", n.Name)
		case known && n.Drain && !was.Drain:
			d.event("node %s gives its rooms away", n.Name)
		}
	}
}

func (d *demo) seeRooms(ctx context.Context, list []cluster.RoomInfo) {
	now := map[string]cluster.RoomInfo{}
	for _, r := range list {
		now[r.Room] = r
		was, known := d.rooms[r.Room]
		switch {
		case d.rooms == nil:
		case !known:
			d.event("room %s is new, at node %s", r.Room, r.Node)
		case r.Epoch != was.Epoch:
			d.back(ctx, r.Room, fmt.Sprintf("room %s is back, at node %s, from its last checkpoint", r.Room, r.Node))
		case r.Term != was.Term:
			d.back(ctx, r.Room, fmt.Sprintf("room %s moved from node %s to %s", r.Room, was.Node, r.Node))
		default:
			d.calm(r.Room)
		}
	}
	missing := map[string]bool{}
	for room, was := range d.rooms {
		if _, ok := now[room]; ok {
			continue
		}
		if d.missing[room] {
			d.event("room %s ended", room)
			continue
		}
		now[room], missing[room] = was, true
	}
	d.rooms, d.missing = now, missing
}

// of is the bots of a room, nil if people made it.
func (d *demo) of(room string) []*player {
	i := slices.IndexFunc(d.troupe.rooms, func(h *history) bool { return h.name == room })
	if i < 0 {
		return nil
	}
	return d.troupe.rooms[i].players
}

// calm forgets the pauses of a room that is played.
func (d *demo) calm(room string) {
	for _, p := range d.of(room) {
		p.mu.Lock()
		if time.Since(p.last) < demoFresh {
			p.gap = 0
		}
		p.mu.Unlock()
	}
}

// back prints what happened to a room once all its bots are shown states again, with
// the longest time that one was without.
func (d *demo) back(ctx context.Context, room, what string) {
	list := d.of(room)
	if list == nil {
		d.event("%s", what)
		return
	}
	changed := time.Now()
	go func() {
		err := poll(ctx, backTime, "all its bots play", func() bool {
			return !slices.ContainsFunc(list, func(p *player) bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return !p.last.After(changed)
			})
		})
		if err != nil {
			d.event("%s; %v", what, err)
			return
		}
		d.event("%s; its players were without a state for %s at most", what, seconds(worstGap(list)))
	}()
}
