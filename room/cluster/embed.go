package cluster

import (
	"errors"
	"fmt"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// Embedded is a NATS server in this process. It opens no port.
type Embedded struct{ s *natsserver.Server }

// StartEmbedded starts one that keeps its streams in dir.
func StartEmbedded(name, dir string) (*Embedded, error) {
	if dir == "" {
		return nil, errors.New("cluster: an embedded NATS needs a directory for its streams")
	}
	s, err := natsserver.NewServer(&natsserver.Options{
		ServerName: name, DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: true,
		NoSigs: true, NoLog: true, MaxPayload: maxPayload,
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: embedded NATS: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(embedTime) {
		s.Shutdown()
		return nil, errors.New("cluster: the embedded NATS does not start")
	}
	return &Embedded{s}, nil
}

// Stop ends it when everything is on disk.
func (e *Embedded) Stop() {
	e.s.Shutdown()
	e.s.WaitForShutdown()
}

const (
	// maxPayload bounds a message of the embedded server, and so a room's state.
	maxPayload = 8 << 20
	embedTime  = 10 * time.Second
)
