package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

// While a server drains it still answers: a load balancer that it is not ready,
// those who come or wait that it shuts down.
func TestDrainingServerStillAnswers(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		admit := make(chan struct{})
		cfg.ShutdownTimeout = patience
		cfg.Admit = func(_ context.Context, req AdmitRequest) (Admission, error) {
			if req.Auth == "slow" {
				<-admit
			}
			return Admission{}, nil
		}
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"})
		late := l.dial(client.Config{Kind: "walkers"})
		waits := l.dial(client.Config{Kind: "walkers", Auth: "slow"})
		waits.send(waits.core.Hello())
		eventually(t, "Admit is asked", func() bool { return l.admits.len() == 1 })
		if code, _ := l.get("/readyz"); code != http.StatusOK {
			t.Errorf("/readyz before: %d", code)
		}
		l.stop()
		ann.wantBye(wire.ByeShutdown)
		if code, body := l.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
			t.Errorf("/readyz: %d %q", code, body)
		}
		if code, _ := l.get("/healthz"); code != http.StatusOK {
			t.Errorf("/healthz: %d", code)
		}
		if code, _ := l.get("/metrics"); code != http.StatusOK {
			t.Errorf("/metrics: %d", code)
		}
		late.send(late.core.Hello())
		late.wantBye(wire.ByeShutdown)
		close(admit)
		waits.wantBye(wire.ByeShutdown)
		for _, s := range []*seat{ann, late, waits} {
			s.nc.Close()
		}
		begin := time.Now()
		l.end()
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("took %v to end with nobody there", took)
		}
	})
}

// A handler of posts that blocks does not keep the server from ending.
func TestBlockedPostDoesNotDelayTheEnd(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		blocked := make(chan struct{})
		defer close(blocked)
		cfg.ShutdownTimeout = time.Second
		cfg.Post = func(string, string, []byte) { <-blocked }
		l := run(t, cfg)
		ann := l.join(client.Config{Kind: "walkers"}) // which is posted
		l.stop()
		ann.wantBye(wire.ByeShutdown)
		ann.nc.Close()
		begin := time.Now()
		l.end()
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("took %v", took)
		}
		if log := l.logs.String(); !strings.Contains(log, "posts") {
			t.Errorf("the loss is not logged:\n%s", log)
		}
	})
}

// What is posted before the end is delivered before Run returns.
func TestPostsOfTheLastTickAreDelivered(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		first, n := make(chan struct{}), 0
		cfg.Post = func(string, string, []byte) {
			<-first
			n++
		}
		l := run(t, cfg)
		for range 3 {
			l.join(client.Config{Kind: "walkers"}).nc.Close()
		}
		l.stop()
		close(first)
		l.end()
		if n != 3 {
			t.Errorf("%d posts delivered, want 3", n)
		}
	})
}

func TestAdmitThatNeverAnswers(t *testing.T) {
	t.Parallel()
	never := make(chan struct{})
	defer close(never)
	l := run(t, Config{Admit: func(context.Context, AdmitRequest) (Admission, error) {
		<-never // deaf to its context, too
		return Admission{}, nil
	}})
	s := l.dial(client.Config{Kind: "walkers"})
	s.send(s.core.Hello())
	s.wantBye(wire.ByeTimeout)
}
