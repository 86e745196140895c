package secure

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
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
			{"play.example.test.evil.test", nil}, {"", nil}, {"127.0.0.1", nil}, {"new.example.test", nil},
		} {
			want := "unrecognized name"
			if c.name == "new.example.test" {
				want = "internal error"
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				_, err := shake(&tls.Config{ServerName: c.name, InsecureSkipVerify: true, MaxVersion: version}, c.protocols...)
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("a handshake for %q %q: %v, want %s", c.name, c.protocols, err, want)
				}
			}
		}
		// One attempt for the host whose certificate cannot be made, however many come.
		r.eventually("all are counted", func(s Stats) bool {
			return s.Results[Done] == 3 && s.Results[Failed] == 4 && s.Results[OtherHost] == 10 && s.Busy == 0 && s.Reloads == 1 && s.Failures == 1
		})
		if s := r.gate.Stats(); time.Until(s.Expires) < 59*24*time.Hour {
			t.Errorf("expires %v", s.Expires)
		}
		if len(taken) > 0 {
			t.Errorf("a connection of %q was given away", <-taken)
		}
	})
}

// silent is the URL of an authority that says nothing.
func silent(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return "https://" + ln.Addr().String() + "/directory"
}

// Handshakes for a host whose authority takes its time leave the places for them to
// others at once, but for the first ones, which the cache might answer.
func TestACMETakesLong(t *testing.T) {
	cache := t.TempDir()
	keep(t, cache, "play.example.test", "play.example.test")
	r := newRig(t, loop.EngineAuto, Config{
		ACME: &ACME{Hosts: []string{"play.example.test", "new.example.test"}, Cache: cache, Directory: silent(t)},
		Take: closeIt, Handshakes: 1, Waiting: 100,
	})
	try := func(name string) error {
		return tls.Client(r.connect(), &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	}
	if err := try("new.example.test"); err == nil {
		t.Error("a certificate from nowhere")
	}
	begin := time.Now()
	for range 20 { // of which each would wait in the one place there is
		if err := try("new.example.test"); err == nil {
			t.Error("a certificate from nowhere")
		}
	}
	if err := try("play.example.test"); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 10*cacheWait {
		t.Errorf("21 handshakes took %v", took)
	}
}

// Attempts that fail are ever further apart.
func TestACMEPauses(t *testing.T) {
	a, err := newAuthority(ACME{Hosts: []string{"a.test"}, Cache: t.TempDir(), Directory: nobody(t)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := a.hosts["a.test"]
	for _, want := range []time.Duration{acmeRetry, 2 * acmeRetry, 4 * acmeRetry, 8 * acmeRetry, acmeRetryMost, acmeRetryMost} {
		h.again = 0
		tried, _ := a.obtain(h)
		<-tried
		a.mu.Lock()
		next := h.again - loop.Now()
		a.mu.Unlock()
		if next > want || next < want-patience {
			t.Errorf("the next attempt is after %v, want %v", next, want)
		}
		if tried, _ := a.obtain(h); tried != nil {
			t.Error("an attempt before it is time")
		}
	}
}

// What the manager does without a word is counted and logged: renewals, and those
// that are late, once in a while.
func TestRenewal(t *testing.T) {
	var said bytes.Buffer
	a, err := newAuthority(ACME{Hosts: []string{"a.test"}, Cache: t.TempDir()}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	begin := time.Now()
	leaf := func(from time.Duration) *x509.Certificate {
		return &x509.Certificate{NotBefore: begin.Add(from), NotAfter: begin.Add(from + 80*day)}
	}
	first, second := leaf(0), leaf(70*day)
	for _, c := range []struct {
		at           time.Duration
		leaf         *x509.Certificate
		made, failed uint64
	}{
		{0, first, 1, 0},
		{59 * day, first, 1, 0},
		{61 * day, first, 1, 1}, // from day 53 on it was to be renewed
		{61*day + renewalRetry/2, first, 1, 1},
		{62 * day, first, 1, 2},
		{70 * day, second, 2, 2},
		{129 * day, second, 2, 2},
		{149 * day, leaf(70*day + time.Second), 3, 2}, // from the cache, a day before its end
		{149*day + 2*acmeRetry, leaf(70*day + time.Second), 3, 3},
	} {
		a.note(a.hosts["a.test"], c.leaf, begin.Add(c.at))
		if a.made != c.made || a.failed != c.failed {
			t.Errorf("after %v: %d made, %d failed, want %d and %d", c.at, a.made, a.failed, c.made, c.failed)
		}
	}
	if n := strings.Count(said.String(), "not renewed"); n != 3 {
		t.Errorf("said %d times: %s", n, &said)
	}
}

// The reasons of an authority are logged, each once in a while, and arrive whole
// where they belong.
func TestReasonsOfAnAuthority(t *testing.T) {
	const (
		limited = `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}`
		nonce   = `{"type":"urn:ietf:params:acme:error:badNonce","detail":"old"}`
		valid   = `{"status":"valid","challenges":[{"type":"tls-alpn-01","status":"valid"}]}`
	)
	invalid := `{"status":"invalid","challenges":[{"type":"tls-alpn-01","error":{"type":"urn:ietf:params:acme:error:connection","detail":"refused"}}]}`
	long := `{"detail":"` + strings.Repeat("x", 2*maxAnswer) + `"}`
	answers := map[string]struct {
		code int
		body string
	}{"limited": {429, limited}, "nonce": {400, nonce}, "valid": {200, valid}, "invalid": {200, invalid}, "long": {200, long}, "html": {502, "<p>"}}
	ca := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		a := answers[r.URL.Path[1:]]
		w.WriteHeader(a.code)
		io.WriteString(w, a.body)
	}))
	defer ca.Close()
	var said bytes.Buffer
	c := http.Client{Transport: &transport{log: slog.New(slog.NewTextHandler(&said, nil))}}
	for _, name := range []string{"valid", "nonce", "limited", "limited", "long", "invalid", "html"} {
		res, err := c.Get(ca.URL + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if res.Body.Close(); err != nil || string(b) != answers[name].body {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	ca.Close()
	if _, err := c.Get(ca.URL); err == nil {
		t.Error("an answer of nobody")
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	for i, want := range []string{"too many", "acme:error:connection detail=refused", "502", "no answer"} {
		if len(lines) != 4 || !strings.Contains(lines[i], want) {
			t.Fatalf("no %q as line %d of %s", want, i, &said)
		}
	}
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
