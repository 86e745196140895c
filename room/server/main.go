package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/loop"
)

// Main is a whole main function for the given kinds: flags, signals, a drain on
// SIGTERM or interrupt, and the exit code. A second signal ends the process at
// once.
func Main(kinds ...*game.Kind) {
	os.Exit(Exec(Config{Kinds: kinds}, os.Args[1:], os.Stdout, os.Stderr))
}

// Exec is Main with everything given: cfg is what the flags in args are laid
// over, and what their defaults are. A cfg.Log is kept, whatever the flags say of
// logs. It returns the exit code.
func Exec(cfg Config, args []string, stdout, stderr io.Writer) int {
	var c commands
	cfg.fillDefaults()
	p, err := kong.New(&c, kong.Name("roomd"), kong.Writers(stdout, stderr), kong.UsageOnError(), kong.Vars{
		"listen": cfg.Listen, "engine": cfg.Engine.String(), "io": map[bool]string{false: "syscall", true: "uring"}[cfg.Uring], "loops": strconv.Itoa(cfg.Loops),
		"grace": cfg.Grace.String(), "empty": cfg.Empty.String(), "rooms": strconv.Itoa(cfg.MaxRooms),
		"spectate": strconv.Itoa(cfg.SpectateRate), "tls_cert": cfg.TLSCert, "tls_key": cfg.TLSKey,
		"conns": strconv.Itoa(max(cfg.MaxConns, 0)), "addrconns": strconv.Itoa(max(cfg.MaxConnsPerAddr, 0)),
		"handshakes": strconv.Itoa(max(cfg.MaxHandshakes, 0)), "addrhandshakes": strconv.Itoa(max(cfg.MaxHandshakesPerAddr, 0)),
		"deflate": strconv.FormatBool(cfg.Deflate),
	},
		kong.Description("Serve multiplayer game rooms to browsers and other clients."))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	ctx, err := p.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "roomd:", err)
		return 2
	}
	if err := ctx.Run(&cfg, output{stdout, stderr}); err != nil {
		fmt.Fprintln(stderr, "roomd:", err)
		return 1
	}
	return 0
}

type output struct{ out, err io.Writer }

type commands struct {
	Serve serveCmd `cmd:"" default:"withargs" help:"Serve rooms until interrupted (the default)."`
	Nodes nodesCmd `cmd:"" help:"List the nodes of a cluster."`
	Rooms roomsCmd `cmd:"" help:"List, move and close the rooms of a cluster."`
	Drain drainCmd `cmd:"" help:"Have a node of a cluster give its rooms away."`
}

type serveCmd struct {
	Listen   string            `default:"${listen}" help:"Address to listen on."`
	TLSCert  string            `name:"tls-cert" placeholder:"FILE" default:"${tls_cert}" help:"Certificate (PEM) to speak TLS with: https and wss. Read again when it changes."`
	TLSKey   string            `name:"tls-key" placeholder:"FILE" default:"${tls_key}" help:"Key of that certificate."`
	ACME     acmeFlags         `embed:"" prefix:"acme-"`
	Deflate  bool              `default:"${deflate}" negatable:"" help:"Compress messages of 512 bytes and more for clients that ask for it: first states, large rooms."`
	Origins  []string          `name:"origin" placeholder:"URL" help:"Web origin that may connect beside this server's own; * for all."`
	Engine   string            `enum:"auto,epoll,std" default:"${engine}" help:"Event loop: auto, epoll or std (a goroutine for each connection)."`
	IO       string            `name:"io" enum:"syscall,uring" default:"${io}" help:"How sockets are written and read: syscall, or uring (io_uring, where the kernel has it): less work for many viewers."`
	Loops    int               `default:"${loops}" help:"Event loops; 0 for one each processor."`
	Grace    time.Duration     `default:"${grace}" help:"How long a lost connection's seat is kept."`
	Empty    time.Duration     `default:"${empty}" help:"How long a room without people is kept."`
	MaxRooms int               `default:"${rooms}" help:"Rooms at a time."`
	Spectate int               `name:"spectate-rate" default:"${spectate}" help:"Events a second of the streams for those who only watch."`
	Params   map[string]string `name:"param" placeholder:"KEY=VALUE" help:"Parameter for every room."`
	Limits   limitFlags        `embed:"" group:"Who may connect:"`
	Cluster  clusterFlags      `embed:"" group:"A node of a cluster:"`
	Log      string            `enum:"text,json" default:"text" help:"Log format: text or json."`
	LogLevel slog.Level        `default:"INFO" help:"Least level logged: debug, info, warn or error."`
}

// acmeFlags have certificates made.
type acmeFlags struct {
	Host      []string `placeholder:"NAME,..." help:"Have Let's Encrypt make certificates for these names, whose port 443 is this server, and agree to its terms."`
	Cache     string   `placeholder:"DIR" help:"Folder that keeps these certificates and their keys."`
	Directory string   `placeholder:"URL" help:"Have another ACME authority make them."`
}

// natsFlags are how a NATS is reached, by nodes and by operators.
type natsFlags struct {
	NATS      string `name:"nats" placeholder:"URL,..." help:"Servers of a NATS with JetStream that the nodes share."`
	NATSCreds string `name:"nats-creds" placeholder:"FILE" help:"Credentials for NATS."`
	NATSCA    string `name:"nats-ca" placeholder:"FILE" help:"Certificates that those of tls:// servers are checked against; the system's by default."`
	NATSCert  string `name:"nats-cert" placeholder:"FILE" help:"Certificate for NATS that asks for one."`
	NATSKey   string `name:"nats-key" placeholder:"FILE" help:"Key of that certificate."`
	Insecure  bool   `help:"Let NATS go over the network unencrypted, and a cluster have no secret."`
}

// clusterFlags make a node of a cluster; without them there is none.
type clusterFlags struct {
	natsFlags
	Data       string        `placeholder:"DIR" help:"Folder for a NATS in this process, when there is no other."`
	Listen     string        `name:"cluster-listen" placeholder:"HOST:PORT" help:"Make the NATS servers in three or more such processes one: the address for the others."`
	Join       []string      `name:"cluster-join" placeholder:"HOST:PORT" help:"The others' addresses; this node's own may be among them."`
	SecretFile string        `name:"cluster-secret-file" placeholder:"FILE" help:"What all of them know, so that nobody else joins."`
	Node       string        `placeholder:"NAME" help:"This node's name; the host's by default."`
	Advertise  string        `placeholder:"URL" help:"Where clients find this node, as wss://node1.example/v1/ws."`
	Replicas   int           `help:"NATS servers that keep the cluster's state (1, or 3 with --cluster-listen)."`
	Kinds      []string      `name:"kinds" placeholder:"KIND,..." help:"Kinds of which this node takes new rooms; all by default."`
	Relay      string        `enum:"auto,always" default:"auto" help:"Clients whose room is at another node: auto lets them go there, always keeps them here."`
	Lease      time.Duration `help:"Silence after which a node's rooms are taken over (3s, or 10s with --cluster-listen)."`
	Checkpoint time.Duration `default:"2s" help:"Time between two states kept of a room: what is lost with a node."`
}

// config is nil without a cluster.
func (c *clusterFlags) config() (*ClusterConfig, error) {
	if c.NATS == "" && c.Data == "" && c.Listen == "" && len(c.Join) == 0 {
		return nil, nil
	}
	var secret string
	if c.SecretFile != "" {
		b, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("--cluster-secret-file: %w", err)
		}
		if secret = strings.TrimSpace(string(b)); secret == "" {
			return nil, fmt.Errorf("--cluster-secret-file: there is no secret in %s", c.SecretFile)
		}
	}
	name := c.Node
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("--node is missing, and the host has no name: %w", err)
		}
		name, _, _ = strings.Cut(host, ".")
	}
	return &ClusterConfig{
		Node: name, NATS: c.NATS, Credentials: c.NATSCreds, CA: c.NATSCA, Cert: c.NATSCert, Key: c.NATSKey,
		Data: c.Data, Listen: c.Listen, Join: c.Join, Secret: secret, Insecure: c.Insecure, Advertise: c.Advertise,
		Replicas: c.Replicas, Lease: c.Lease, Checkpoint: c.Checkpoint, RelayAlways: c.Relay == "always", Kinds: c.Kinds,
	}, nil
}

// Run serves. It prints the URL on standard output once it listens.
func (c *serveCmd) Run(cfg *Config, o output) error {
	cfg.Listen, cfg.Loops, cfg.Grace, cfg.Empty, cfg.MaxRooms = c.Listen, c.Loops, c.Grace, c.Empty, c.MaxRooms
	cfg.SpectateRate, cfg.Deflate, cfg.TLSCert, cfg.TLSKey = c.Spectate, c.Deflate, c.TLSCert, c.TLSKey
	if len(c.ACME.Host) > 0 {
		cfg.ACMEHosts = c.ACME.Host
	}
	cfg.ACMECache, cfg.ACMEDirectory = cmp.Or(c.ACME.Cache, cfg.ACMECache), cmp.Or(c.ACME.Directory, cfg.ACMEDirectory)
	cfg.Origins = append(cfg.Origins, c.Origins...)
	if len(c.Params) > 0 {
		params := maps.Clone(cfg.Params)
		if params == nil {
			params = game.Params{}
		}
		maps.Copy(params, c.Params)
		cfg.Params = params
	}
	cfg.Engine = map[string]loop.Engine{"auto": loop.EngineAuto, "epoll": loop.EngineEpoll, "std": loop.EngineStd}[c.Engine]
	cfg.Uring = c.IO == "uring"
	if cfg.Log == nil {
		cfg.Log = newLogger(c.Log, c.LogLevel, o.err)
	}
	err := c.Limits.lay(cfg)
	if err != nil {
		return err
	}
	if cfg.Cluster, err = c.Cluster.config(); err != nil {
		return err
	}
	if cfg.Cluster != nil || cfg.secure() {
		// A loop with rooms keeps its processor while it waits for a slot to end: what
		// travels by NATS or TLS would wait with it.
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), cfg.Loops+spareProcessors))
	}
	srv, err := New(*cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(1)
	}()
	go func() {
		if addr, err := srv.Addr(ctx); err == nil {
			fmt.Fprintln(o.out, "Play at", cfg.url(addr))
		}
	}()
	return srv.Run(ctx)
}

// url is where players of a server at addr find it.
func (c *Config) url(addr net.Addr) string {
	at := strings.Replace(addr.String(), "[::]", "localhost", 1)
	if _, port, err := net.SplitHostPort(at); err == nil && len(c.ACMEHosts) > 0 {
		at = strings.TrimSuffix(net.JoinHostPort(c.ACMEHosts[0], port), ":443")
	}
	if c.secure() {
		return "https://" + at + "/"
	}
	return "http://" + at + "/"
}

func newLogger(format string, level slog.Level, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
