package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/room/cluster"
)

// Config is what a Server is made of. Only Kinds is required.
type Config struct {
	// Kinds are the games served. A hello names one of them.
	Kinds []*game.Kind
	// Listen is the TCP address, default 127.0.0.1:8080.
	Listen string
	// TLSCert and TLSKey are PEM files; with them the port speaks TLS alone. They
	// are read again when they change.
	TLSCert, TLSKey string
	// ACMEHosts, instead of those files, are names that an ACME authority makes
	// certificates for: Let's Encrypt, or that of ACMEDirectory, a URL. It connects to
	// port 443 of each, which is to be this server. ACMECache is a folder that keeps
	// certificates and keys.
	ACMEHosts                []string
	ACMECache, ACMEDirectory string
	// Deflate compresses WebSocket messages of 512 bytes and more for clients that
	// ask for it, as browsers do: less to send for more work and a wait.
	Deflate bool
	// Pages is served at /; nil serves a plain list of the routes.
	Pages fs.FS
	// Origins are the web origins ("https://play.example") that may connect
	// beside the server's own; "*" allows all.
	Origins []string
	// Engine and Loops choose the event loop; zero is epoll where there is
	// epoll, with one loop for each processor.
	Engine loop.Engine
	Loops  int
	// Uring has rooms' sockets written and read through an io_uring where the kernel
	// has one, instead of by a call for each.
	Uring bool
	// Grace is how long the seat of a broken connection is kept, default 20 s.
	Grace time.Duration
	// Empty is how long a room without people is kept, default 30 s; negative
	// for ever.
	Empty time.Duration
	// SpectateRate is the events a second of the streams for those who only
	// watch, default 10.
	SpectateRate int
	// MaxRooms bounds the rooms of this process, default 10,000.
	MaxRooms int
	// MaxConns bounds the connections in all, and MaxConnsPerAddr those of one IPv4
	// address or one /64 of IPv6, sessions over HTTP among them; loopback addresses
	// have as many as they want. The defaults are what the limit of open files
	// leaves, and 512; negative is no bound.
	MaxConns        int
	MaxConnsPerAddr int
	// MaxHandshakes bounds the new players a second, and MaxHandshakesPerAddr those
	// of one address; four seconds' worth may come at once. There may be four times
	// as many TLS handshakes. The defaults are 2500 and 128; negative is no bound.
	MaxHandshakes        int
	MaxHandshakesPerAddr int
	// TrustProxy are proxies whose X-Forwarded-For tells where requests come from.
	// With ProxyProtocol their connections begin with a PROXY header, version 1 or 2,
	// before TLS.
	TrustProxy    []netip.Prefix
	ProxyProtocol bool
	// ShutdownTimeout bounds how long Run takes to end, default 5 s.
	ShutdownTimeout time.Duration
	// Params are given to every room that is made without its own.
	Params game.Params

	countLoopback bool // tests have no other addresses

	// Cluster makes the server a node of a cluster; nil is a server of its own.
	Cluster *ClusterConfig

	// Admit decides who may join, before the room is asked. It runs on its own
	// goroutine and may block until ctx ends: 256 run at a time, 64 of them for one
	// address, and further joins are refused as full. nil admits everyone.
	Admit func(ctx context.Context, req AdmitRequest) (Admission, error)
	// Post receives what games hand to World.Post, in order for each room. It
	// runs on one goroutine for the whole server and may block; while it does,
	// at most 1024 posts wait and further ones are counted, logged and lost.
	Post func(room, topic string, body []byte)
	// Hung is called when a loop has been silent for two seconds, with all
	// goroutines' stacks. The default logs them and exits the process, so that
	// an operator's supervisor starts it anew.
	Hung func(stacks []byte)
	// Log receives all log records; nil discards them.
	Log *slog.Logger
}

// AdmitRequest is what is known of somebody who wants to join. All of it comes
// from the client but RemoteAddr, which is the client's as far as Config.TrustProxy
// tells it, then without a port.
type AdmitRequest struct {
	Kind       string
	Room       string // as asked for; empty for any
	Name       string
	Auth       string // the hello's auth field: a token of the game's own backend
	Spectate   bool
	Params     game.Params
	RemoteAddr netip.AddrPort
}

// Admission is Admit's answer, handed to the game in its JoinInfo.
type Admission struct {
	User string // the player's identity
	Name string // replaces the asked-for name unless empty
	Data []byte // for the game
}

// validate fills defaults and rejects contradictions. It runs Kind.Check, so an
// author sees a wrong tag when the server starts.
func (c *Config) validate() error {
	if len(c.Kinds) == 0 {
		return errors.New("server: no kind of game given")
	}
	seen := map[string]bool{}
	for _, k := range c.Kinds {
		if err := k.Check(); err != nil {
			return fmt.Errorf("server: %w", err)
		}
		if seen[k.Name()] {
			return fmt.Errorf("server: two kinds are named %q", k.Name())
		}
		seen[k.Name()] = true
	}
	if c.Cluster != nil {
		if err := c.Cluster.validate(); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	c.fillDefaults()
	if c.Loops < 0 || c.Grace < 0 || c.MaxRooms < 0 || c.SpectateRate < 0 || c.ShutdownTimeout < 0 {
		return errors.New("server: Loops, Grace, MaxRooms, SpectateRate and ShutdownTimeout must not be negative")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("server: --tls-cert and --tls-key, TLSCert and TLSKey, go together: one of them is missing")
	}
	switch {
	case len(c.ACMEHosts) == 0 && (c.ACMECache != "" || c.ACMEDirectory != ""):
		return errors.New("server: --acme-cache and --acme-directory are for certificates of --acme-host, which is missing")
	case len(c.ACMEHosts) > 0 && c.TLSCert != "":
		return errors.New("server: --acme-host has certificates made, and --tls-cert names one: use one of them")
	case len(c.ACMEHosts) > 0 && c.ACMECache == "":
		return errors.New("server: --acme-host needs --acme-cache, a folder that keeps certificates: authorities make only a few a week")
	}
	if c.ProxyProtocol && len(c.TrustProxy) == 0 {
		return errors.New("server: --proxy-protocol needs --trust-proxy, the proxies that send PROXY headers")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// secure reports whether the port speaks TLS.
func (c *Config) secure() bool { return c.TLSCert != "" || len(c.ACMEHosts) > 0 }

// acme is nil without ACMEHosts.
func (c *Config) acme() *secure.ACME {
	if len(c.ACMEHosts) == 0 {
		return nil
	}
	return &secure.ACME{Hosts: c.ACMEHosts, Cache: c.ACMECache, Directory: c.ACMEDirectory}
}

// validate rejects contradictions.
func (c *ClusterConfig) validate() error {
	remote, mesh := c.remote(), c.mesh()
	switch meshed := c.Listen != "" || len(c.Join) > 0; {
	case meshed && c.Data == "":
		return errors.New("meshing needs --data, a folder for this node's part of the streams")
	case meshed && c.NATS != "":
		return errors.New("--cluster-listen makes a NATS of the nodes' own, and --nats names another: use one of them")
	case meshed && c.Listen == "":
		return errors.New("--cluster-join needs --cluster-listen, where the other nodes find this one")
	case meshed:
		return mesh.Check()
	case c.NATS == "" && c.Data == "":
		return errors.New("a cluster needs the addresses of a NATS, or a folder for an embedded one")
	}
	return remote.Check()
}

// remote is how a NATS elsewhere is reached.
func (c *ClusterConfig) remote() cluster.Remote {
	return cluster.Remote{Servers: c.NATS, Credentials: c.Credentials, CA: c.CA, Cert: c.Cert, Key: c.Key, Insecure: c.Insecure}
}

func (c *ClusterConfig) mesh() cluster.Mesh {
	return cluster.Mesh{Listen: c.Listen, Join: c.Join, Secret: c.Secret, Insecure: c.Insecure}
}

// fillDefaults sets what a flag can set too, and ShutdownTimeout.
func (c *Config) fillDefaults() {
	setDefault(&c.Listen, "127.0.0.1:8080")
	setDefault(&c.Loops, runtime.GOMAXPROCS(0))
	setDefault(&c.Grace, 20*time.Second)
	setDefault(&c.Empty, 30*time.Second)
	setDefault(&c.MaxRooms, 10_000)
	setDefault(&c.MaxConns, defaultConns(openFiles()))
	setDefault(&c.MaxConnsPerAddr, 512)
	setDefault(&c.MaxHandshakes, 2500)
	setDefault(&c.MaxHandshakesPerAddr, 128)
	setDefault(&c.SpectateRate, sse.DefaultRate)
	setDefault(&c.ShutdownTimeout, 5*time.Second)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
