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

// A node that gives its rooms away takes none that could stay where it is.
func TestDrainingNodeRefusesOffers(t *testing.T) {
	n := NewNode(Config{SID: "a"}, About{})
	drive(n, 0)
	offer := Offer{From: "b", Room: "lobby", Record: Record{Kind: "game", Owner: "b", Term: 3}, Tick: 7}
	for _, drain := range []bool{true, false} {
		n.About(About{Drain: drain})
		var loads, refused int
		for _, e := range n.Step(time.Millisecond, offer) {
			switch e := e.(type) {
			case Load:
				loads++
			case Send:
				if _, ok := e.Body.(Refused); ok && e.To == "b" {
					refused++
				}
			}
		}
		if drain && (loads != 0 || refused != 1) || !drain && (loads != 1 || refused != 0) {
			t.Errorf("draining %t: %d loads, %d refusals", drain, loads, refused)
		}
	}
}
