package cluster

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/roomd/roomd/netcode/secure/securetest"
)

func TestPlainNATSStaysOnTheMachine(t *testing.T) {
	for _, c := range []struct {
		remote Remote
		want   string // in the error; empty: none
	}{
		{Remote{}, ""},
		{Remote{Servers: "nats://127.0.0.1:4222"}, ""},
		{Remote{Servers: "127.1.2.3:4222, nats://localhost:4222,nats://[::1]:4222"}, ""},
		{Remote{Servers: "tls://nats.example:4222,wss://nats.example"}, ""},
		{Remote{Servers: "nats://10.0.0.1:4222", Insecure: true}, ""},
		{Remote{Servers: "nats://10.0.0.1:4222"}, "use tls://10.0.0.1:4222, or --insecure"},
		{Remote{Servers: "nats.example"}, "use tls://nats.example, or --insecure"},
		{Remote{Servers: "tls://a.example:4222,ws://b.example"}, "ws://b.example is not encrypted"},
		{Remote{Servers: "nats://ann:secret@127.0.0.1.example:4222"}, "127.0.0.1.example:4222 is not"},
		{Remote{Servers: "nats://ann:sec ret@\x7f"}, "no address of a NATS"},
		{Remote{Cert: "node.pem"}, "needs its key"},
	} {
		err := c.remote.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.remote, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "ann") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

// A node and its NATS know each other by their certificates.
func TestNATSWithTLS(t *testing.T) {
	server, node := securetest.New(t, t.TempDir(), "nats"), securetest.New(t, t.TempDir(), "node")
	pair, err := tls.LoadX509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := startNATS(t, natsserver.Options{JetStream: true, TLS: true, TLSVerify: true, TLSTimeout: 5, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: securetest.Trust(t, node.Cert).RootCAs,
	}})
	good := Remote{Servers: "tls://" + s.Addr().String(), CA: server.Cert, Cert: node.Cert, Key: node.Key}
	h, err := joinNode(t, Options{Name: "a", Remote: good, Lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	h.c.Tell(Create{"lobby", "game"})
	eventually(t, "a room runs", func() bool { _, _, ok := h.runs("lobby"); return ok })
	op, err := OpenAdmin(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	eventually(t, "operators see it", func() bool { _, rooms, err := op.State(t.Context()); return err == nil && len(rooms) == 1 })

	for want, r := range map[string]Remote{
		"unknown authority": {Servers: good.Servers, Cert: node.Cert, Key: node.Key},
		"tls":               {Servers: good.Servers, CA: server.Cert},
		"no such file":      {Servers: good.Servers, CA: "/nowhere.pem"},
	} {
		if _, err := joinNode(t, Options{Name: "b", Remote: r}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
