package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// chaosCmd lets everything go wrong that a node and a cluster survive.
type chaosCmd struct {
	clusterFlags `embed:""`
	Rooms        int           `default:"12" help:"Rooms."`
	Kills        int           `default:"20" help:"Nodes killed with kill -9."`
	Outage       time.Duration `default:"10s" help:"Time that NATS is away."`
	Attack       time.Duration `default:"2s" help:"Time that players are measured under each attack of hostile clients, and before it."`
	Only         []string      `enum:"hostile,kills,stopped,outage,cut,rolling,leader,meshed" default:"hostile,kills,stopped,outage,cut,rolling,leader,meshed" help:"Phases to play."`
}

// Run plays all phases. A promise that is broken is an error.
func (c *chaosCmd) Run() error {
	if err := c.validate(c.Rooms); err != nil {
		return err
	}
	if c.Kills < 0 || c.Outage <= 0 || c.Attack < minAttack {
		return fmt.Errorf("kills must not be negative, the outage positive, the time of an attack %v or more", minAttack)
	}
	if len(c.Only) == 0 {
		return errors.New("--only names no phase")
	}
	ctx, stop := interrupted()
	defer stop()
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	ctx, out := outputTo(ctx, os.Stdout)
	defer out.end(nil)
	return c.play(ctx, dir, out)
}

// phase is one thing that goes wrong. It returns a figure, and which promise was
// broken.
type phase struct {
	name string
	play func(ctx context.Context, s *chaos) (figure string, err error)
}

// On one NATS, on three, and on the nodes' own.
var (
	chaosPhases  = []phase{{"kills", chaosKills}, {"stopped", chaosStopped}, {"outage", chaosOutage}, {"cut", chaosCut}, {"rolling", chaosRolling}}
	chaosOnThree = []phase{{"leader", chaosLeader}}
	chaosOnMesh  = []phase{{"meshed", chaosMeshed}}
)

// chaos is a cluster that is played on while things go wrong. The last node is behind
// a proxy.
type chaos struct {
	cmd    *chaosCmd
	out    io.Writer
	fleet  *fleet
	troupe *troupe
	proxy  *proxy
	behind string // the node behind the proxy
}

func (c *chaosCmd) play(ctx context.Context, dir string, out io.Writer) error {
	failed := 0
	if c.plays("hostile") {
		n, err := c.hostile(ctx, out)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("hostile clients: %w", err)
		}
		failed += n
	}
	for _, part := range []struct {
		name    string
		servers int
		phases  []phase
	}{{"one", 1, chaosPhases}, {"three", 3, chaosOnThree}, {"mesh", 0, chaosOnMesh}} {
		phases := slices.DeleteFunc(slices.Clone(part.phases), func(p phase) bool {
			return !c.plays(p.name)
		})
		if len(phases) == 0 || ctx.Err() != nil {
			continue
		}
		s, err := c.open(ctx, filepath.Join(dir, part.name), part.servers, out)
		if err != nil {
			return err
		}
		for _, p := range phases {
			failed += s.run(ctx, p)
		}
		if failed > 0 {
			say("%s", s.fleet.logs())
		}
		s.close()
	}
	err := context.Cause(ctx)
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d promises were broken", failed))
	}
	return err
}

// open starts nodes on a NATS of n servers, and players.
func (c *chaosCmd) open(ctx context.Context, dir string, n int, out io.Writer) (*chaos, error) {
	if n == 0 {
		return c.openMesh(ctx, dir, out)
	}
	f, err := newFleet(ctx, dir, n, 0, nil, append(c.nodeFlags(), "--replicas", fmt.Sprint(n))...)
	if err != nil {
		return nil, err
	}
	s := &chaos{cmd: c, out: out, fleet: f, behind: nodeName(c.Nodes - 1)}
	s.troupe = newTroupe(f, c.Rooms, c.Players, c.Rate)
	if err := s.begin(ctx, n); err != nil {
		err = fmt.Errorf("%w\n%s", err, f.logs())
		s.close()
		return nil, err
	}
	fmt.Fprintf(out, "%d nodes on %d NATS, %d rooms of %d, lease %v, checkpoints every %v\n", c.Nodes, n, c.Rooms, c.Players, c.Lease, c.Checkpoint)
	return s, nil
}

func (s *chaos) begin(ctx context.Context, servers int) (err error) {
	nodes := s.cmd.Nodes
	if servers == 1 { // others tell their clients of each other, past a proxy
		if s.proxy, err = startProxy(strings.TrimPrefix(s.fleet.broker.url, "nats://")); err != nil {
			return err
		}
		if err := s.fleet.start(s.behind, "nats://"+s.proxy.addr()); err != nil {
			return err
		}
		nodes--
	}
	if err := s.fleet.startNodes(nodes); err != nil {
		return err
	}
	return s.troupe.enter(ctx)
}

func (s *chaos) close() {
	s.fleet.stop()
	for _, p := range s.troupe.all() {
		if p.client != nil {
			p.cancel()
			p.client.Close()
		}
	}
	if s.proxy != nil {
		s.proxy.stop()
	}
}

// run plays one phase and prints its line. It returns the number of failures. That a
// phase was ended before its time is none.
func (s *chaos) run(ctx context.Context, p phase) int {
	err := s.troupe.playing(ctx, backTime)
	figure := ""
	if err == nil {
		figure, err = p.play(ctx, s)
	}
	if err == nil {
		err = s.troupe.playing(ctx, backTime)
	}
	if ctx.Err() != nil {
		err = nil
	}
	err = errors.Join(err, s.troupe.promises())
	if err == nil && ctx.Err() != nil {
		return 0
	}
	if err != nil {
		fmt.Fprintf(s.out, "  %-8s %s\n  FAILED: %s\n", p.name, figure, strings.ReplaceAll(err.Error(), "\n", "\n    "))
		return 1
	}
	fmt.Fprintf(s.out, "  %-8s %s: ok\n", p.name, figure)
	return 0
}

// checkpointed waits until every room surely has a checkpoint of its own.
func (s *chaos) checkpointed(ctx context.Context) error {
	return wait(ctx, 2*s.cmd.Checkpoint+s.cmd.Lease)
}

// chaosKills kills loaded nodes one after another, and starts each again under its
// name: all players go on, in the seats that they had.
func chaosKills(ctx context.Context, s *chaos) (string, error) {
	var took []time.Duration
	for i := range s.cmd.Kills {
		if err := errors.Join(s.checkpointed(ctx), s.troupe.playing(ctx, backTime)); err != nil {
			return "", err
		}
		k, err := killOne(ctx, s.fleet, s.troupe)
		if err == nil && len(k.lost) > 0 {
			err = fmt.Errorf("rooms are lost: %v", k.lost)
		}
		if err != nil {
			return fmt.Sprintf("%d of %d kills", i, s.cmd.Kills), err
		}
		fmt.Fprintf(s.out, "    kill %d: %s\n", i+1, k)
		took = append(took, k.took...)
	}
	return fmt.Sprintf("%d kills, players back after p50 %s, p99 %s, max %s", s.cmd.Kills,
		seconds(nearest(took, 0.50)), seconds(nearest(took, 0.99)), seconds(nearest(took, 1))), nil
}

// chaosStopped stops a node for twice its lease, as a hypervisor does that suspends
// it, and lets it go on: its rooms are elsewhere in a new history, which no frame of
// the node contradicts, and it comes back to the cluster by itself.
func chaosStopped(ctx context.Context, s *chaos) (string, error) {
	node, rooms, err := loaded(ctx, s.fleet)
	if err != nil {
		return "", err
	}
	if err := s.checkpointed(ctx); err != nil {
		return "", err
	}
	list := concerned(s.fleet, s.troupe, node, rooms)
	if err := s.fleet.pause(node); err != nil {
		return "", err
	}
	if err := wait(ctx, 2*s.cmd.Lease); err != nil {
		return "", err
	}
	if err := s.fleet.resume(node); err != nil {
		return "", err
	}
	took, err := comeBack(ctx, list, backTime)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("node %s with %d rooms stopped for %v, players back %s at most after it went on", node, len(rooms), 2*s.cmd.Lease,
		seconds(max(nearest(took, 1)-2*s.cmd.Lease, 0))), s.fleet.joined(ctx, node, backTime)
}

// chaosCut cuts a node off from NATS for twice its lease: its rooms go on elsewhere
// in a new history, and it comes back by itself.
func chaosCut(ctx context.Context, s *chaos) (string, error) {
	node := s.behind
	rooms, err := s.load(ctx, node)
	if err != nil {
		return "", err
	}
	if err := s.checkpointed(ctx); err != nil {
		return "", err
	}
	list := concerned(s.fleet, s.troupe, node, rooms)
	s.proxy.cut.Store(true)
	err = wait(ctx, 2*s.cmd.Lease)
	s.proxy.heal()
	if err != nil {
		return "", err
	}
	took, err := comeBack(ctx, list, backTime)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("node %s with %d rooms cut off from NATS for %v, players back after %s at most", node, len(rooms), 2*s.cmd.Lease,
		seconds(nearest(took, 1))), s.fleet.joined(ctx, node, backTime)
}

// load moves a third of the rooms to a node, and returns which it has.
func (s *chaos) load(ctx context.Context, node string) (map[string]bool, error) {
	a, err := s.fleet.admin(ctx)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	for i, h := range s.troupe.rooms {
		if i%3 == 0 {
			if err := a.Move(ctx, h.name, node); err != nil {
				return nil, fmt.Errorf("room %s to %s: %w", h.name, node, err)
			}
		}
	}
	at, err := s.fleet.rooms(ctx)
	rooms := map[string]bool{}
	for room, p := range at {
		if p.node == node {
			rooms[room] = true
		}
	}
	return rooms, err
}

// calm runs f, in which no room may change hands or begin a new history and no input
// may be lost, and returns the longest time that a player was without a state.
func (s *chaos) calm(ctx context.Context, sameOwners bool, f func() error) (time.Duration, error) {
	if err := s.troupe.settle(ctx); err != nil {
		return 0, err
	}
	before, err := s.fleet.rooms(ctx)
	if err != nil {
		return 0, err
	}
	lost := s.troupe.totals().lost
	clearGaps(s.troupe.all())
	if err := f(); err != nil {
		return 0, err
	}
	if err := s.troupe.playing(ctx, backTime); err != nil {
		return 0, err
	}
	pause := worstGap(s.troupe.all())
	if err := s.troupe.settle(ctx); err != nil {
		return pause, err
	}
	after, err := s.fleet.rooms(ctx)
	if err != nil {
		return pause, err
	}
	var errs []error
	for room, was := range before {
		switch is := after[room]; {
		case is.node == "":
			errs = append(errs, fmt.Errorf("room %s is lost", room))
		case is.epoch != was.epoch:
			errs = append(errs, fmt.Errorf("room %s began a new history at node %s: %d after %d", room, is.node, is.epoch, was.epoch))
		case sameOwners && is.term != was.term:
			errs = append(errs, fmt.Errorf("room %s changed hands from %s to %s", room, was.node, is.node))
		}
	}
	if n := s.troupe.totals().lost - lost; n > 0 {
		errs = append(errs, fmt.Errorf("%d inputs were lost", n))
	}
	return pause, errors.Join(errs...)
}

// chaosOutage takes NATS away and brings it back: all rooms stand still and go on,
// where they are and in the same history, and nothing is lost.
func chaosOutage(ctx context.Context, s *chaos) (string, error) {
	pause, err := s.calm(ctx, true, func() error {
		if err := s.fleet.broker.servers[0].end(); err != nil {
			return err
		}
		if err := wait(ctx, s.cmd.Outage); err != nil {
			return err
		}
		return s.fleet.broker.start(0)
	})
	return fmt.Sprintf("NATS away for %v, rooms stood still for %s", s.cmd.Outage, seconds(pause)), err
}

// chaosRolling ends every node by SIGTERM and starts it again, as an update does: no
// room is lost, no history ends, and only players that were connected to the node
// have to connect again, once.
func chaosRolling(ctx context.Context, s *chaos) (string, error) {
	total := 0
	pause, err := s.calm(ctx, false, func() error {
		for _, node := range s.fleet.names() {
			n, err := s.renew(ctx, node)
			if err != nil {
				return fmt.Errorf("node %s: %w", node, err)
			}
			total += n
		}
		return nil
	})
	return fmt.Sprintf("%d nodes ended by SIGTERM and started again, %d reconnects, longest pause %s", s.cmd.Nodes, total, seconds(pause)), err
}

// renew ends a node and starts it again. It returns how many connections broke.
func (s *chaos) renew(ctx context.Context, node string) (int, error) {
	addr := s.fleet.get(node).addr
	list := s.troupe.all()
	before, there := make([]int, len(list)), make([]bool, len(list))
	for i, p := range list {
		there[i] = p.at() == addr
		p.mu.Lock()
		before[i] = p.broken
		p.mu.Unlock()
	}
	if err := s.fleet.get(node).end(); err != nil {
		return 0, err
	}
	if err := s.troupe.playing(ctx, backTime); err != nil {
		return 0, err
	}
	if err := s.fleet.restart(node); err != nil {
		return 0, err
	}
	if err := errors.Join(s.fleet.joined(ctx, node, backTime), s.troupe.playing(ctx, backTime)); err != nil {
		return 0, err
	}
	sum, most, others := 0, 0, 0
	for i, p := range list {
		p.mu.Lock()
		n := p.broken - before[i]
		p.mu.Unlock()
		if sum += n; there[i] {
			most = max(most, n)
		} else {
			others += n
		}
	}
	if most > 1 || others > 0 {
		return sum, fmt.Errorf("players that were connected there had to connect again up to %d times, others %d times", most, others)
	}
	return sum, nil
}

// chaosLeader kills the NATS server that leads the stream of owners, one of three:
// rooms stand still until there is another leader, and stay where they are.
func chaosLeader(ctx context.Context, s *chaos) (string, error) {
	i, err := s.fleet.broker.leader(ctx)
	if err != nil {
		return "", err
	}
	pause, err := s.calm(ctx, true, func() error {
		s.fleet.broker.servers[i].kill()
		// Whether or not the rooms stand still: the election is over by then.
		if err := wait(ctx, s.cmd.Outage); err != nil {
			return err
		}
		if err := s.troupe.playing(ctx, backTime); err != nil {
			return err
		}
		return s.fleet.broker.start(i)
	})
	return fmt.Sprintf("leader %s of the stream of owners killed, longest pause %s", s.fleet.broker.servers[i].name, seconds(pause)), err
}
