package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsCmd is a NATS server with JetStream as a process of its own, so that it can be
// killed and stopped without a download.
type natsCmd struct {
	Name   string   `required:"" help:"Name of the server."`
	Port   int      `required:"" help:"Port for clients."`
	Store  string   `required:"" help:"Folder of the streams."`
	Route  int      `help:"Port for other servers; 0 for a server alone."`
	Routes []string `help:"URLs of the other servers."`
}

// Run serves until SIGTERM.
func (c *natsCmd) Run() error {
	o := &natsserver.Options{
		ServerName: c.Name, Host: "127.0.0.1", Port: c.Port, JetStream: true, StoreDir: c.Store, NoLog: true,
	}
	if c.Route != 0 {
		o.Cluster = natsserver.ClusterOpts{Name: "load", Host: "127.0.0.1", Port: c.Route}
		for _, r := range c.Routes {
			u, err := url.Parse(r)
			if err != nil {
				return err
			}
			o.Routes = append(o.Routes, u)
		}
	}
	// The server itself does not say why it cannot listen, and waits for what does not come.
	ln, err := net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	ln.Close()
	s, err := natsserver.NewServer(o)
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		return errors.New("NATS does not start")
	}
	fmt.Println("nats://" + s.Addr().String())
	s.WaitForShutdown()
	return nil
}

// broker is the NATS of a fleet: one server, or three that are one cluster. Each
// keeps its ports and its streams when it is started again.
type broker struct {
	dir     string
	argv    [][]string // by server
	servers []*process
	url     string // of all servers, separated by commas
}

// startBroker starts n servers. The first one takes the given port, 0 for any.
func startBroker(dir string, n, port int) (*broker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &broker{dir: dir, servers: make([]*process, n)}
	ports, routes := make([]int, n), make([]int, n)
	var urls, others []string
	for i := range n {
		if ports[i] = port; i > 0 || port == 0 {
			if ports[i], err = freePort(); err != nil {
				return nil, err
			}
		}
		if routes[i], err = freePort(); err != nil {
			return nil, err
		}
		urls = append(urls, fmt.Sprint("nats://127.0.0.1:", ports[i]))
		others = append(others, fmt.Sprint("nats://127.0.0.1:", routes[i]))
	}
	b.url = strings.Join(urls, ",")
	for i := range n {
		name := fmt.Sprint("nats-", i+1)
		argv := []string{self, "nats", "--name", name, "--port", strconv.Itoa(ports[i]), "--store", filepath.Join(dir, name)}
		if n > 1 {
			argv = append(argv, "--route", strconv.Itoa(routes[i]), "--routes", strings.Join(others, ","))
		}
		b.argv = append(b.argv, argv)
		if err := b.start(i); err != nil {
			b.stop()
			return nil, err
		}
	}
	return b, nil
}

// start starts server i, for the first time or again.
func (b *broker) start(i int) (err error) {
	b.servers[i], err = spawn(b.dir, fmt.Sprint("nats-", i+1), b.argv[i]...)
	return err
}

// stop ends all servers.
func (b *broker) stop() {
	for _, p := range b.servers {
		if p != nil && p.running() {
			p.end()
		}
	}
}

// stateStream is the stream that says which node owns what.
const stateStream = "KV_ROOMD_STATE"

// leader is the number of the server that leads the stream of leases and owners.
func (b *broker) leader(ctx context.Context) (int, error) {
	nc, err := nats.Connect(b.url)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := js.Stream(ctx, stateStream)
	if err != nil {
		return 0, err
	}
	cluster := s.CachedInfo().Cluster
	if cluster == nil {
		return 0, errors.New("the stream of owners is in no cluster")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(cluster.Leader, "nats-"))
	if err != nil || n < 1 || n > len(b.servers) {
		return 0, fmt.Errorf("the leader of the stream of owners is %q", cluster.Leader)
	}
	return n - 1, nil
}

// ready waits until the broker answers for JetStream: three servers elect first.
func (b *broker) ready(ctx context.Context) error {
	nc, err := nats.Connect(b.url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for end := time.Now().Add(2 * startTimeout); ; {
		try, cancel := context.WithTimeout(ctx, time.Second)
		_, err = js.AccountInfo(try)
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}
