package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// meshLease is that of nodes whose own NATS servers are the cluster's: with a node a
// server dies, and JetStream takes up to 9 s to elect another leader.
const meshLease = 10 * time.Second

// meshSecret is what the nodes of a mesh know.
const meshSecret = "loadtest"

// openMesh starts nodes that need no other NATS than their own, and players.
func (c *chaosCmd) openMesh(ctx context.Context, dir string, out io.Writer) (*chaos, error) {
	cmd := *c
	cmd.Lease = meshLease
	f, err := newMesh(ctx, dir, c.Nodes, cmd.nodeFlags()...)
	if err != nil {
		return nil, err
	}
	s := &chaos{cmd: &cmd, out: out, fleet: f}
	s.troupe = newTroupe(f, c.Rooms, c.Players, c.Rate)
	fmt.Fprintf(out, "%d nodes that are their own NATS, %d rooms of %d, lease %v\n", c.Nodes, c.Rooms, c.Players, cmd.Lease)
	if err := s.troupe.enter(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, f.logs())
		s.close()
		return nil, err
	}
	return s, nil
}

// newMesh starts n nodes, each with a NATS of its own, which are one cluster.
func newMesh(ctx context.Context, dir string, n int, flags ...string) (*fleet, error) {
	self, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(meshSecret), 0o600); err != nil {
		return nil, err
	}
	var join []string
	for range n {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		join = append(join, fmt.Sprint("127.0.0.1:", port))
	}
	f := &fleet{
		dir: dir, broker: &broker{dir: dir}, server: []string{self, "serve"}, nodes: map[string]*member{},
		flags: append([]string{"--grace", nodeGrace, "--empty", nodeEmpty, "--cluster-join", strings.Join(join, ","), "--cluster-secret-file", secret}, flags...),
	}
	// None of them listens before the others are there.
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			errs[i] = f.start(nodeName(i), "", "--cluster-listen", join[i], "--data", filepath.Join(dir, nodeName(i)))
		})
	}
	all.Wait()
	if err := errors.Join(append(errs, f.findMesh(ctx, n))...); err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

var meshAddress = regexp.MustCompile(`nats=(nats://\S+)`)

// findMesh takes the addresses for operators from the nodes' logs: each node chooses
// one when it starts.
func (f *fleet) findMesh(ctx context.Context, n int) error {
	var urls []string
	err := poll(ctx, startTimeout, "the nodes log where operators find them", func() bool {
		urls = urls[:0]
		for i := range n {
			b, err := os.ReadFile(filepath.Join(f.dir, nodeName(i)+".log"))
			found := meshAddress.FindAllStringSubmatch(string(b), -1)
			if err != nil || len(found) == 0 {
				return false
			}
			u, err := url.Parse(found[len(found)-1][1])
			if err != nil {
				return false
			}
			u.User = url.UserPassword("roomd", meshSecret)
			urls = append(urls, u.String())
		}
		return true
	})
	f.broker.url = strings.Join(urls, ",")
	return err
}

// chaosMeshed kills nodes whose NATS servers die with them.
func chaosMeshed(ctx context.Context, s *chaos) (string, error) {
	const kills = 2
	var took []time.Duration
	for range kills {
		if err := errors.Join(s.checkpointed(ctx), s.troupe.playing(ctx, meshTime)); err != nil {
			return "", err
		}
		k, err := killOne(ctx, s.fleet, s.troupe)
		if err == nil && len(k.lost) > 0 {
			err = fmt.Errorf("rooms are lost: %v", k.lost)
		}
		if err != nil {
			return "", err
		}
		took = append(took, k.took...)
		if err := s.fleet.findMesh(ctx, s.cmd.Nodes); err != nil {
			return "", err
		}
	}
	slices.Sort(took)
	return fmt.Sprintf("%d nodes killed with their NATS servers, lease %v, players back after p50 %s, max %s", kills, s.cmd.Lease,
		seconds(nearest(took, 0.50)), seconds(nearest(took, 1))), nil
}

// meshTime is how long players may take to come back there.
const meshTime = 90 * time.Second
