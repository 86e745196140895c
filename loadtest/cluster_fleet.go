package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/roomd/roomd/room/cluster"
)

// fleet is nodes of a cluster and their NATS, as processes on the loopback, in a
// folder with their logs. Its methods may be called by any goroutine.
type fleet struct {
	dir    string
	server []string // program and first arguments of every node
	flags  []string // of every node
	broker *broker

	mu    sync.Mutex
	nodes map[string]*member
}

// member is a node of a fleet, running or not.
type member struct {
	*process
	flags  []string // of its own
	nats   string
	paused bool
}

// Seats and rooms outlive every failure that is played here.
const (
	nodeGrace = "60s"
	nodeEmpty = "5m"
)

// newFleet starts a NATS of n servers; nodes come with start. Without a server's
// program, nodes are this program and serve the load test's own kinds.
func newFleet(ctx context.Context, dir string, servers, port int, program []string, flags ...string) (*fleet, error) {
	if program == nil {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		program = []string{self}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	b, err := startBroker(dir, servers, port)
	if err != nil {
		return nil, err
	}
	f := &fleet{
		dir: dir, broker: b, server: append(slices.Clone(program), "serve"), nodes: map[string]*member{},
		flags: append([]string{"--grace", nodeGrace, "--empty", nodeEmpty, "--log-level", "WARN"}, flags...),
	}
	if err := b.ready(ctx); err != nil {
		f.stop()
		return nil, fmt.Errorf("NATS: %w", err)
	}
	return f, nil
}

// nodeName is the name of node i of at most maxNodes.
func nodeName(i int) string { return string(rune('a' + i)) }

const maxNodes = 'z' - 'a' + 1

// startNodes starts n nodes, named a, b, c and so on.
func (f *fleet) startNodes(n int) error {
	for i := range n {
		if err := f.start(nodeName(i), f.broker.url); err != nil {
			return err
		}
	}
	return nil
}

// start starts a node on the NATS at that address.
func (f *fleet) start(name, nats string, flags ...string) error {
	argv := slices.Concat(f.server, []string{"--node", name}, f.flags, flags)
	if nats != "" {
		argv = append(argv, "--nats", nats)
	}
	if !slices.Contains(flags, "--listen") {
		argv = append(argv, "--listen", "127.0.0.1:0")
	}
	p, err := spawn(f.dir, name, argv...)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[name] = &member{process: p, flags: flags, nats: nats}
	return nil
}

// restart starts a node that has ended under its name.
func (f *fleet) restart(name string) error {
	m := f.get(name)
	return f.start(name, m.nats, m.flags...)
}

func (f *fleet) get(name string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[name]
}

// names is the nodes that run, in order.
func (f *fleet) names() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, m := range f.nodes {
		if m.running() {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// whole is an error if a node has ended that nobody ended: what is measured of the
// others is not what was asked for.
func (f *fleet) whole() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, m := range f.nodes {
		if !m.running() {
			return fmt.Errorf("node %s ended by itself", name)
		}
	}
	return nil
}

// nameOf is the node that listens, or listened, on an address.
func (f *fleet) nameOf(addr string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, m := range f.nodes {
		if m.addr == addr {
			return name
		}
	}
	return ""
}

// pause is SIGSTOP, resume SIGCONT.
func (f *fleet) pause(name string) error { return f.halt(name, true, syscall.SIGSTOP) }

func (f *fleet) resume(name string) error { return f.halt(name, false, syscall.SIGCONT) }

func (f *fleet) halt(name string, paused bool, sig syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[name].paused = paused
	return f.nodes[name].cmd.Process.Signal(sig)
}

// anywhere is the address of the balancer that a fleet is behind: dial connects to
// some node that runs.
const anywhere = "anywhere:80"

// dial connects to an address, or to any node: a balancer sees that a node is gone
// or does not answer.
func (f *fleet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	if addr != anywhere {
		return d.DialContext(ctx, network, addr)
	}
	f.mu.Lock()
	var list []string
	for _, m := range f.nodes {
		if m.running() && !m.paused {
			list = append(list, m.addr)
		}
	}
	f.mu.Unlock()
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	err := errors.New("no node runs")
	for _, at := range list {
		var c net.Conn
		if c, err = d.DialContext(ctx, network, at); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// admin is an operator's connection, which the caller closes.
func (f *fleet) admin(ctx context.Context) (*cluster.Admin, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return cluster.OpenAdmin(ctx, cluster.Remote{Servers: f.broker.url})
}

// placed is where a room is.
type placed struct {
	node        string
	term, epoch uint64
}

// rooms is where all rooms are, as the store has it. A list lacks what changes while
// it is made: two that agree are asked for.
func (f *fleet) rooms(ctx context.Context) (at map[string]placed, err error) {
	// A store that has just lost its leader does not answer for a while.
	for end := time.Now().Add(backTime); ; {
		if at, err = f.list(ctx); err == nil || ctx.Err() != nil || time.Now().After(end) {
			return at, err
		}
	}
}

func (f *fleet) list(ctx context.Context) (map[string]placed, error) {
	a, err := f.admin(ctx)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var before map[string]placed
	for {
		_, list, err := a.State(ctx)
		if err != nil {
			return nil, err
		}
		at, whole := map[string]placed{}, true
		for _, r := range list {
			at[r.Room] = placed{r.Node, r.Term, r.Epoch}
			whole = whole && r.Node != ""
		}
		if whole && maps.Equal(at, before) {
			return at, nil
		}
		before = at
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// joined waits until the store shows a living node of that name with a lease.
func (f *fleet) joined(ctx context.Context, name string, within time.Duration) error {
	a, err := f.admin(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	return poll(ctx, within, fmt.Sprintf("node %s is in the cluster", name), func() bool {
		nodes, _, err := a.State(ctx)
		return err == nil && slices.ContainsFunc(nodes, func(n cluster.NodeInfo) bool { return n.Name == name && !n.Dead })
	})
}

// cpu is what the running nodes have used so far.
func (f *fleet) cpu() (sum time.Duration, err error) {
	for _, name := range f.names() {
		u, err := processUsage(f.get(name).pid())
		if err != nil {
			return 0, err
		}
		sum += u.cpu
	}
	return sum, nil
}

// stop ends everything. Nodes are killed: there is nobody to give rooms to.
func (f *fleet) stop() {
	f.mu.Lock()
	for _, m := range f.nodes {
		m.kill()
	}
	f.mu.Unlock()
	f.broker.stop()
}

// logs is the ends of all logs, for who has to find out what went wrong.
func (f *fleet) logs() string {
	var b strings.Builder
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*process, 0, len(f.nodes))
	for _, m := range f.nodes {
		list = append(list, m.process)
	}
	slices.SortFunc(list, func(x, y *process) int { return cmp.Compare(x.name, y.name) })
	for _, p := range list {
		b.WriteString(p.tail())
	}
	return b.String()
}

// poll waits until ok holds.
func poll(ctx context.Context, within time.Duration, what string, ok func() bool) error {
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", within, what)
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// buildRoomd builds the command roomd, as it is shipped, into a folder.
func buildRoomd(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "roomd")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "github.com/roomd/roomd/cmd/roomd")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the command roomd cannot be built: %w: run this in its repository, with Go installed\n%s", err, out)
	}
	return bin, nil
}
