package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// urlHost has an address.
type urlHost struct{ fakeHost }

func (h *urlHost) About() About { return About{Name: h.name, URL: "ws://one.example/v1/ws"} }

func TestTwoNodesOfOneName(t *testing.T) {
	s := startNATS(t, natsserver.Options{JetStream: true})
	at := Remote{Servers: "nats://" + s.Addr().String()}
	one, err := Join(t.Context(), Options{Name: "one", Host: &urlHost{fakeHost{name: "one"}}, Remote: at, Lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if _, err := joinNode(t, Options{Name: "on", Remote: at, Lease: time.Second}); err != nil {
		t.Errorf("another name is taken for the same: %v", err)
	}
	_, err = joinNode(t, Options{Name: "one", Remote: at, Lease: time.Second})
	if err == nil || !strings.Contains(err.Error(), `another node is named "one"`) || !strings.Contains(err.Error(), "ws://one.example/v1/ws") {
		t.Errorf("a second one joins: %v", err)
	}

	one.Close() // as a crash does: its lease stays
	again, err := joinNode(t, Options{Name: "one", Remote: at, Lease: time.Second})
	if err != nil {
		t.Fatalf("a restart after a crash is refused: %v", err)
	}
	eventually(t, "the crashed start is dead", func() bool { return len(again.c.Peers()) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again.c.Resign(ctx)
	again.c.Close()
	if _, err := joinNode(t, Options{Name: "one", Remote: at, Lease: time.Minute}); err != nil {
		t.Errorf("an orderly restart does not join at once: %v", err)
	}
}
