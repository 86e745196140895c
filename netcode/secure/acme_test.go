package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/roomd/roomd/netcode/loop"
)

// keep puts a certificate for a host into a cache, in autocert's file format, and
// returns who trusts it.
func keep(t *testing.T, cache, file, host string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour),
		DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(filepath.Join(cache, file), b, 0o600); err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, ServerName: host}
}

// nobody is the URL of an authority that is not there.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "https://" + ln.Addr().String() + "/directory"
}

// What is in the cache is served, and nothing else; the authority finds its
// challenge there too. That certificates are made is autocert's matter: there is
// no authority here.
func TestACME(t *testing.T) {
	onEngines(t, func(t *testing.T, engine loop.Engine) {
		cache := filepath.Join(t.TempDir(), "made", "for", "it")
		taken := make(chan string, 16)
		r := newRig(t, engine, Config{
			ACME: &ACME{Hosts: []string{"Play.example.test", "new.example.test"}, Cache: cache, Directory: nobody(t)},
			Take: func(nc net.Conn) {
				taken <- nc.(*tls.Conn).ConnectionState().NegotiatedProtocol
				nc.Close()
			},
		})
		known := keep(t, cache, "play.example.test", "play.example.test")
		challenge := keep(t, cache, "play.example.test+token", "play.example.test")
		keep(t, cache, "other.example.test", "other.example.test")
		keep(t, cache, "other.example.test+token", "other.example.test")
		r.gate.Obtain()
		shake := func(cfg *tls.Config, protocols ...string) (tls.ConnectionState, error) {
			cfg = cfg.Clone()
			cfg.NextProtos = protocols
			tc := tls.Client(r.connect(), cfg)
			defer tc.Close()
			err := tc.Handshake()
			return tc.ConnectionState(), err
		}
		for _, name := range []string{"play.example.test", "PLAY.example.test"} {
			cfg := known.Clone()
			cfg.ServerName = name
			if _, err := shake(cfg, "h2", "http/1.1"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if p := <-taken; p != "http/1.1" {
				t.Errorf("%s speaks %q", name, p)
			}
		}
		s, err := shake(challenge, acme.ALPNProto)
		if err != nil || s.NegotiatedProtocol != acme.ALPNProto {
			t.Errorf("the challenge: %q, %v", s.NegotiatedProtocol, err)
		}
		for _, c := range []struct {
			name      string
			protocols []string
		}{
			{"other.example.test", nil}, {"other.example.test", []string{acme.ALPNProto}}, {"new.example.test", []string{acme.ALPNProto}},
			{"play.example.test.evil.test", nil}, {"", nil}, {"127.0.0.1", nil}, {"new.example.test", nil}, {"new.example.test", nil},
		} {
			if _, err := shake(&tls.Config{ServerName: c.name, InsecureSkipVerify: true}, c.protocols...); err == nil {
				t.Errorf("a handshake for %q %q", c.name, c.protocols)
			}
		}
		// One attempt for the host whose certificate cannot be made, however many come.
		r.eventually("all are counted", func(s Stats) bool {
			return s.Results[Done] == 3 && s.Results[Failed] == 8 && s.Busy == 0 && s.Reloads == 1 && s.Unusable == 1
		})
		if s := r.gate.Stats(); time.Until(s.Expires) < 59*24*time.Hour {
			t.Errorf("expires %v", s.Expires)
		}
		if len(taken) > 0 {
			t.Errorf("a connection of %q was given away", <-taken)
		}
	})
}

func TestACMEContradictions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	take := func(net.Conn) {}
	for want, cfg := range map[string]Config{
		"use one of them":   {Cert: "a", Key: "b", Take: take, ACME: &ACME{Hosts: []string{"a.test"}, Cache: dir}},
		"a host":            {Take: take, ACME: &ACME{Cache: dir}},
		"a folder":          {Take: take, ACME: &ACME{Hosts: []string{"a.test"}}},
		`"localhost"`:       {Take: take, ACME: &ACME{Hosts: []string{"localhost"}, Cache: dir}},
		`"*.a.test"`:        {Take: take, ACME: &ACME{Hosts: []string{"*.a.test"}, Cache: dir}},
		`"192.0.2.1"`:       {Take: take, ACME: &ACME{Hosts: []string{"192.0.2.1"}, Cache: dir}},
		`"https://a.test/"`: {Take: take, ACME: &ACME{Hosts: []string{"https://a.test/"}, Cache: dir}},
		"https:// URL":      {Take: take, ACME: &ACME{Hosts: []string{"a.test"}, Cache: dir, Directory: "http://a.test"}},
		"not a directory":   {Take: take, ACME: &ACME{Hosts: []string{"a.test"}, Cache: file}},
	} {
		if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
