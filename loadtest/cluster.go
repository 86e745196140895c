package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// clusterFlags are what cluster and chaos runs have in common.
type clusterFlags struct {
	Nodes      int           `default:"3" help:"Nodes of the cluster."`
	Players    int           `default:"10" help:"Players in each room."`
	Rate       float64       `default:"10" help:"Inputs a player sends in a second."`
	Lease      time.Duration `default:"1s" help:"Lease of the nodes."`
	Checkpoint time.Duration `default:"500ms" help:"Time between two states that nodes keep of a room."`
	Keep       string        `placeholder:"DIR" help:"Folder for logs, which stay; otherwise a temporary one."`
}

func (c *clusterFlags) validate(rooms int) error {
	if c.Nodes > maxNodes {
		return fmt.Errorf("nodes must be %d or fewer: a letter each", maxNodes)
	}
	if c.Nodes < 2 || rooms < 1 || c.Players < 1 || c.Lease <= 0 || c.Checkpoint <= 0 {
		return errors.New("nodes must be two or more; rooms, players, lease and checkpoint positive")
	}
	return checkRate(c.Rate)
}

// nodeFlags are those of every node.
func (c *clusterFlags) nodeFlags() []string {
	return []string{"--lease", c.Lease.String(), "--checkpoint", c.Checkpoint.String()}
}

// folder is where processes keep logs and streams, and what removes it.
func (c *clusterFlags) folder() (string, func(), error) {
	if c.Keep != "" {
		return c.Keep, func() {}, os.MkdirAll(c.Keep, 0o755)
	}
	dir, err := os.MkdirTemp("", "roomd-cluster-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// output is what a run prints while it goes on. Who reads it may go away, as head
// does: that ends the run, and in order.
type output struct {
	w   io.Writer
	end context.CancelCauseFunc
}

// outputTo is output to w, and a context that ends with it.
func outputTo(ctx context.Context, w io.Writer) (context.Context, *output) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &output{w, end}
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		o.end(err)
	}
	return n, err
}

// clusterCmd measures a cluster.
type clusterCmd struct {
	clusterFlags `embed:""`
	Rooms        int           `default:"60" help:"Rooms."`
	Duration     time.Duration `default:"20s" help:"Time that the moves are spread over, and that relays are measured for."`
	Moves        int           `default:"200" help:"Rooms moved by an operator while they are played."`
	Kills        int           `default:"3" help:"Nodes killed with kill -9."`
	JSON         bool          `name:"json" help:"Print one JSON object."`
}

// clusterRun is one run of clusterCmd.
type clusterRun struct {
	cmd *clusterCmd
	dir string
	bin string // the command roomd
	rep clusterReport

	broken error // promises, whatever the figures are
}

// interrupted is a context that ends with Ctrl-C, SIGTERM, or the terminal: who died
// of one of them would leave processes and folders behind.
func interrupted() (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write to standard output fails instead
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// Run measures and prints the report.
func (c *clusterCmd) Run() error {
	if err := c.validate(c.Rooms); err != nil {
		return err
	}
	if c.Duration <= 0 || c.Moves < 0 || c.Kills < 0 {
		return errors.New("duration must be positive; moves and kills not negative")
	}
	ctx, stop := interrupted()
	defer stop()
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	r := &clusterRun{cmd: c, dir: dir}
	r.rep.Nodes, r.rep.Rooms, r.rep.Bots, r.rep.LeaseS = c.Nodes, c.Rooms, c.Rooms*c.Players, c.Lease.Seconds()
	for _, phase := range []func(context.Context) error{r.alone, r.relay, r.together} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	write := r.rep.writeTable
	if c.JSON {
		write = r.rep.writeJSON
	}
	return errors.Join(write(os.Stdout), r.broken)
}

// say tells on standard error what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// alone measures the command roomd as a single node: its size, its start and its
// memory when nobody plays.
func (r *clusterRun) alone(ctx context.Context) error {
	say("building roomd, and starting it alone")
	var err error
	if r.bin, err = buildRoomd(ctx, r.dir); err != nil {
		return err
	}
	info, err := os.Stat(r.bin)
	if err != nil {
		return err
	}
	r.rep.BinaryMB = float64(info.Size()) / 1e6
	const starts = 5
	var took []float64
	for i := range starts {
		ms, rss, err := r.startAlone(ctx, i == starts-1)
		if err != nil {
			return err
		}
		took, r.rep.IdleRSSMB = append(took, ms), rss
	}
	sortBy(took, func(v float64) float64 { return v })
	r.rep.StartMS = took[starts/2]
	return nil
}

// startAlone starts a node and waits until it answers a request; with weigh also for
// its memory after it was idle.
func (r *clusterRun) startAlone(ctx context.Context, weigh bool) (ms, rss float64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(r.bin, "serve", "--listen", fmt.Sprint("127.0.0.1:", port), "--log-level", "WARN")
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if err := answers(ctx, fmt.Sprintf("http://127.0.0.1:%d/healthz", port), begin.Add(startTimeout)); err != nil {
		return 0, 0, err
	}
	ms = float64(time.Since(begin).Microseconds()) / 1000
	if !weigh {
		return ms, 0, nil
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return 0, 0, err
	}
	u, err := processUsage(cmd.Process.Pid)
	return ms, float64(u.rss) / 1e6, err
}

// knowsRelay reports whether nodes can keep a player whose room is elsewhere.
func (r *clusterRun) knowsRelay() bool {
	out, _ := exec.Command(r.bin, "serve", "--help").CombinedOutput()
	return strings.Contains(string(out), "--relay")
}

// together plays on a cluster: how rooms spread, moves, then kills.
func (r *clusterRun) together(ctx context.Context) (err error) {
	say("starting %d nodes, %d bots join", r.cmd.Nodes, r.rep.Bots)
	f, err := newFleet(ctx, filepath.Join(r.dir, "cluster"), 1, 0, nil, r.cmd.nodeFlags()...)
	if err != nil {
		return err
	}
	defer f.stop()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, f.logs())
		}
	}()
	if err := f.startNodes(r.cmd.Nodes); err != nil {
		return err
	}
	t := newTroupe(f, r.cmd.Rooms, r.cmd.Players, r.cmd.Rate)
	defer t.leave()
	if err := t.enter(ctx); err != nil {
		return err
	}
	at, err := f.rooms(ctx)
	if err != nil {
		return err
	}
	r.rep.RoomsMaxOverMean = maxOverMean(at, r.cmd.Nodes)
	if err := errors.Join(r.moves(ctx, f, t), f.whole()); err != nil {
		return err
	}
	if err := r.kills(ctx, f, t); err != nil {
		return err
	}
	sum := t.totals()
	r.rep.InputsTwice, r.rep.StatesChecked, r.rep.WrongStates = sum.twice, sum.states, t.wrong.Load()
	if r.broken = t.promises(); r.rep.RoomsLost > 0 {
		r.broken = errors.Join(r.broken, fmt.Errorf("%d rooms were lost with nodes that were killed", r.rep.RoomsLost))
	}
	r.rep.RoomsLost += sum.rooms
	return f.whole()
}

// maxOverMean is how uneven rooms are spread over n nodes; 1 is even.
func maxOverMean(at map[string]placed, n int) float64 {
	by, most := map[string]int{}, 0
	for _, p := range at {
		by[p.node]++
		most = max(most, by[p.node])
	}
	return float64(most) * float64(n) / float64(max(len(at), 1))
}
