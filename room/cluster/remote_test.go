package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
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

// certificates makes an authority and a certificate of it for this machine, as files.
func certificates(t *testing.T) (ca, cert, key string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600))
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, &leafKey.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalECPrivateKey(leafKey)
	must(err)
	return write("ca.pem", "CERTIFICATE", caDER), write("cert.pem", "CERTIFICATE", leafDER), write("key.pem", "EC PRIVATE KEY", keyDER)
}

func TestNATSWithTLS(t *testing.T) {
	ca, cert, key := certificates(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	b, err := os.ReadFile(ca)
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatal(err)
	}
	s := startNATS(t, natsserver.Options{JetStream: true, TLS: true, TLSVerify: true, TLSTimeout: 5, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}})
	good := Remote{Servers: "tls://" + s.Addr().String(), CA: ca, Cert: cert, Key: key}
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
		"unknown authority": {Servers: good.Servers, Cert: cert, Key: key},
		"tls":               {Servers: good.Servers, CA: ca},
		"no such file":      {Servers: good.Servers, CA: "/nowhere.pem"},
	} {
		if _, err := joinNode(t, Options{Name: "b", Remote: r}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
