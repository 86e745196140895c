package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Join connects to NATS and takes a lease. It returns when the node has one, or why
// it cannot. In a mesh it waits for the other nodes, for an hour if ctx lets it.
func Join(ctx context.Context, o Options) (*Cluster, error) {
	if !validName.MatchString(o.Name) {
		return nil, fmt.Errorf("cluster: the node's name %q is not 1 to 32 of A-Z a-z 0-9 _ -", o.Name)
	}
	if err := o.Remote.Check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.meshed() {
		setDefault(&o.Replicas, meshReplicas)
		setDefault(&o.Lease, meshLease)
	}
	setDefault(&o.Replicas, 1)
	var nonce [6]byte
	rand.Read(nonce[:]) // never fails, see crypto/rand
	c := &Cluster{
		opts: o, sid: SID(o.Name + "-" + hex.EncodeToString(nonce[:])), done: make(chan struct{}), ring: make(chan struct{}, 1),
		orders: map[string][]func(string){}, transfers: newTransfers(),
	}
	c.log = o.Log.With("node", c.sid)
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	c.node = NewNode(Config{SID: c.sid, Lease: o.Lease}, o.Host.About())
	if err := c.alone(ctx); err != nil {
		c.nc.Close()
		return nil, err
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for subject, take := range map[string]nats.MsgHandler{c.subject(c.sid): c.receive, orderSubject(c.sid): c.obey} {
		if _, err := c.nc.Subscribe(subject, take); err != nil {
			c.nc.Close()
			return nil, fmt.Errorf("cluster: %w", err)
		}
	}
	if err := c.openRelay(); err != nil {
		c.nc.Close()
		return nil, err
	}
	go c.run()
	go c.watch()
	for !c.Valid() {
		select {
		case <-ctx.Done():
			c.Close()
			return nil, fmt.Errorf("cluster: no lease: %w", ctx.Err())
		case <-time.After(joinPoll):
		}
	}
	c.log.Info("in the cluster", "lease", c.node.cfg.Lease)
	if o.meshed() {
		c.log.Info("operators on this machine find it here, as user "+meshName, "nats", o.Embedded.s.ClientURL())
	}
	return c, nil
}

// meshed reports whether the NATS is one of several nodes' own.
func (o *Options) meshed() bool { return o.Embedded != nil && o.Embedded.meshed }

func (c *Cluster) connect(ctx context.Context) error {
	opts := append(c.opts.options(),
		nats.Name("roomd "+c.opts.Name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1), // what was not sent in time is not sent late
	)
	if c.opts.Embedded != nil {
		opts = append(opts, c.opts.Embedded.options()...)
	}
	var err error
	if c.nc, err = nats.Connect(c.opts.Servers, opts...); err != nil {
		return explain(err)
	}
	if c.opts.meshed() {
		err = c.gather(ctx)
	} else {
		err = c.open(ctx, openTime)
	}
	if err != nil {
		c.nc.Close()
	}
	return err
}

func (c *Cluster) open(ctx context.Context, d time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	c.store, err = openStore(ctx, c.nc, c.opts.Replicas, c.log)
	return err
}

// gather waits until enough nodes are there for a store.
func (c *Cluster) gather(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, meshTime)
	defer cancel()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for told := false; ; told = true {
		err := c.open(ctx, meshLook)
		if err == nil {
			return nil
		}
		if !told {
			c.log.Info("waiting for other nodes, as many as replicas: do their addresses and secrets agree?", "replicas", c.opts.Replicas, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cluster: too few nodes are there: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// alone refuses to go on when another node of the same name lives: one that still
// renews its lease after this one has looked for almost a lease. The node's own start
// before is silent, but a store that has just started tells the past as if it were now.
func (c *Cluster) alone(ctx context.Context) error {
	if c.opts.Embedded != nil && !c.opts.meshed() {
		return nil // nobody else reaches the store
	}
	was, err := c.namesakes(ctx)
	if err != nil || len(was) == 0 {
		return err
	}
	c.log.Info("looking whether another node of this name lives", "for", c.node.cfg.Lease)
	tick := time.NewTicker(c.node.cfg.Renew)
	defer tick.Stop()
	last := map[SID]time.Duration{} // when each was renewed
	end := Now() + c.node.cfg.Lease
	for Now() < end {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cluster: %w", ctx.Err())
		}
		now, err := c.namesakes(ctx)
		if err != nil {
			return err
		}
		for sid, n := range now {
			if n.Rev > was[sid].Rev {
				last[sid] = Now()
			}
		}
		was = now
	}
	for sid, n := range was {
		if at, ok := last[sid]; ok && end-at < 2*c.node.cfg.Renew {
			return fmt.Errorf("cluster: another node is named %q (%s, at %s): give this one a name of its own (--node)", c.opts.Name, sid, n.Lease.About.URL)
		}
	}
	return nil
}

// namesakes is the nodes of this one's name whose leases are not dead.
func (c *Cluster) namesakes(ctx context.Context) (map[SID]SeenLease, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	all, err := c.store.nodes(ctx)
	if err != nil {
		return nil, explain(err)
	}
	list, named := map[SID]SeenLease{}, len(c.sid)-len(c.opts.Name)
	for _, n := range all {
		if strings.HasPrefix(string(n.SID), c.opts.Name+"-") && len(n.SID)-len(c.opts.Name) == named && !n.Lease.Dead {
			list[n.SID] = n
		}
	}
	return list, nil
}
