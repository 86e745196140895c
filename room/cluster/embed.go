package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Embedded is a NATS server in this process. It opens no port, or when it is meshed
// one for other servers, and one for operators on this machine's loopback.
type Embedded struct {
	s      *natsserver.Server
	meshed bool
	user   nats.Option // who clients are; nil for anybody
}

// Mesh makes the embedded servers of three or more nodes one NATS.
type Mesh struct {
	// Listen is the address for the other nodes' servers, HOST:PORT.
	Listen string
	// Join is where those are found. One that is up is enough, but a node that is
	// the first needs to know of others; this node may be among them.
	Join []string
	// Secret is what all nodes know. It may be empty on a machine's loopback only,
	// unless Insecure is set.
	Secret   string
	Insecure bool
}

// Check says what is wrong with it.
func (m *Mesh) Check() error {
	if len(m.Join) == 0 {
		return errors.New("cluster: a mesh needs the addresses of the other nodes (--cluster-join)")
	}
	host, _, err := splitAddress(m.Listen)
	if err != nil {
		return err
	}
	if m.Secret == "" && !m.Insecure && !loopback(host) {
		return fmt.Errorf("cluster: whoever reaches %s could join: give all nodes a secret (--cluster-secret-file), or --insecure", m.Listen)
	}
	for _, at := range m.Join {
		if _, _, err := splitAddress(at); err != nil {
			return err
		}
	}
	return nil
}

// StartEmbedded starts one that keeps its streams in dir and is alone.
func StartEmbedded(name, dir string) (*Embedded, error) { return startEmbedded(name, dir, nil) }

// StartMeshed starts one that keeps its part of the streams in dir. Its name must be
// its own in the mesh, and the same at each start with this dir.
func StartMeshed(name, dir string, m Mesh) (*Embedded, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	return startEmbedded(name, dir, &m)
}

func startEmbedded(name, dir string, m *Mesh) (*Embedded, error) {
	if dir == "" {
		return nil, errors.New("cluster: an embedded NATS needs a directory for its streams")
	}
	o := &natsserver.Options{
		ServerName: name, DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: true,
		NoSigs: true, NoLog: true, MaxPayload: maxPayload,
	}
	e := &Embedded{meshed: m != nil}
	if m != nil {
		m.options(o)
		e.user = nats.UserInfo(o.Username, o.Password)
	}
	s, err := natsserver.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("cluster: embedded NATS: %w", err)
	}
	if m != nil {
		// The server ends the process when it cannot listen.
		l, err := net.Listen("tcp", m.Listen)
		if err != nil {
			return nil, fmt.Errorf("cluster: embedded NATS: %w", err)
		}
		l.Close()
	}
	go s.Start()
	if !s.ReadyForConnections(embedTime) {
		s.Shutdown()
		return nil, errors.New("cluster: the embedded NATS does not start")
	}
	e.s = s
	return e, nil
}

// options are nats.go's for a client in this process.
func (e *Embedded) options() []nats.Option {
	opts := []nats.Option{nats.InProcessServer(e.s)}
	if e.user != nil {
		opts = append(opts, e.user)
	}
	return opts
}

// options sets those of a server in the mesh. Check was called.
func (m *Mesh) options(o *natsserver.Options) {
	host, port, _ := splitAddress(m.Listen)
	o.Cluster = natsserver.ClusterOpts{
		Name: meshName, Host: host, Port: port,
		ConnectRetries: routeRetries, PingInterval: routePing, MaxPingsOut: 2,
	}
	// NATS meshes no server that does not listen for clients: this one does so for
	// those on this machine who know the secret, or for nobody.
	o.DontListen, o.Host, o.Port = false, "127.0.0.1", natsserver.RANDOM_PORT
	o.Username, o.Password = meshName, m.Secret
	var user *url.Userinfo
	if m.Secret != "" {
		o.Cluster.Username, o.Cluster.Password = meshName, m.Secret
		user = url.UserPassword(meshName, m.Secret)
	} else {
		o.Password = rand.Text()
	}
	for _, at := range m.Join {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: at, User: user})
	}
}

// Stop ends it when everything is on disk.
func (e *Embedded) Stop() {
	e.s.Shutdown()
	e.s.WaitForShutdown()
}

const (
	// maxPayload bounds a message of the embedded server, in bytes.
	maxPayload = 8 << 20
	embedTime  = 10 * time.Second

	meshName = "roomd" // of the NATS cluster, and of the user of its routes
	// meshLease is longer than JetStream is without a leader when one dies with its
	// node: 4 to 9 s, which no option changes.
	meshLease    = 10 * time.Second
	meshReplicas = 3
	// meshTime is how long a node waits for enough others, meshLook for one answer.
	meshTime = time.Hour
	meshLook = 2 * time.Second
	// routePing is the silence after which another server is asked for a sign.
	routePing = 2 * time.Second
	// routeRetries is how often a server that was heard of is looked for, each
	// second or so.
	routeRetries = 1 << 30
)
