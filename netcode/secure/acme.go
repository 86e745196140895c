package secure

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/roomd/roomd/netcode/loop"
)

// ErrOtherHost ends a handshake for a host that is none of ACME.Hosts.
var ErrOtherHost = errors.New("secure: no host of this server")

// ErrNoCertificate ends a handshake for a host whose certificate is still to come.
var ErrNoCertificate = errors.New("secure: no certificate for this host yet")

// ACME has certificates made by an authority (RFC 8555), which connects to the
// gate itself to see whose the hosts are (TLS-ALPN-01, RFC 8737): as port 443 of
// each. Its terms are agreed to.
type ACME struct {
	// Hosts are the names to have certificates for, in ASCII; handshakes for others,
	// and without a name, fail.
	Hosts []string
	// Cache is a folder for certificates and keys, made if it is not there.
	Cache string
	// Directory is the URL of the authority; "" is Let's Encrypt.
	Directory string
}

// validate rejects what no authority would take.
func (a *ACME) validate() error {
	for _, host := range a.Hosts {
		_, err := netip.ParseAddr(host)
		if err == nil || !strings.Contains(strings.Trim(host, "."), ".") || strings.ContainsFunc(host, notOfName) {
			return fmt.Errorf("secure: %q is no name to have a certificate for: ACME needs one like play.example.com", host)
		}
	}
	switch u, err := url.Parse(a.Directory); {
	case len(a.Hosts) == 0:
		return errors.New("secure: ACME needs a host to have a certificate for")
	case a.Cache == "":
		return errors.New("secure: ACME needs a folder that keeps certificates: authorities make only a few a week")
	case err != nil || a.Directory != "" && (u.Scheme != "https" || u.Host == ""):
		return fmt.Errorf("secure: %q is no https:// URL of an ACME directory", a.Directory)
	}
	return nil
}

// notOfName reports what is in no name of a host as DNS has it.
func notOfName(r rune) bool {
	return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// authority has the certificates of some hosts made. Any goroutine may use it.
type authority struct {
	manager *autocert.Manager
	log     *slog.Logger
	hosts   map[string]*host // constant, their fields are not

	mu     sync.Mutex
	made   uint64
	failed uint64
}

// host is one name; authority.mu guards it.
type host struct {
	name    string
	expires time.Time     // of the manager's certificate, which it renews; zero: it has none
	late    time.Time     // when to say that it is not renewed
	tried   chan struct{} // closed when the attempt under way is over; nil: none is
	began   time.Duration // when it began
	again   time.Duration // when the next attempt may be
	pause   time.Duration // before again
}

func newAuthority(cfg ACME, log *slog.Logger) (*authority, error) {
	if err := writable(cfg.Cache); err != nil {
		return nil, fmt.Errorf("secure: the folder for certificates: %w", err)
	}
	a := &authority{log: log, hosts: map[string]*host{}}
	a.manager = &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cfg.Cache), HostPolicy: autocert.HostWhitelist(cfg.Hosts...)}
	directory := cmp.Or(cfg.Directory, autocert.DefaultACMEDirectory)
	a.manager.Client = &acme.Client{DirectoryURL: directory, HTTPClient: &http.Client{Transport: &transport{log: log}}}
	for _, name := range cfg.Hosts {
		name = canonical(name)
		a.hosts[name] = &host{name: name}
	}
	return a, nil
}

// writable makes dir if needed. The manager says nothing of what it cannot keep.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// begin has the certificates made that are missing.
func (a *authority) begin() {
	for _, h := range a.hosts {
		a.obtain(h)
	}
}

// get implements certificates. It waits for the cache, but not for the authority,
// whose own handshake would wait behind those that wait for it.
func (a *authority) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	h := a.hosts[canonical(hello.ServerName)]
	if h == nil {
		return nil, fmt.Errorf("%w: %q", ErrOtherHost, hello.ServerName)
	}
	if p := hello.SupportedProtos; len(p) == 1 && p[0] == acme.ALPNProto {
		return a.manager.GetCertificate(hello)
	}
	if tried, left := a.obtain(h); left > 0 {
		wait, cancel := context.WithTimeout(hello.Context(), left)
		defer cancel()
		select {
		case <-tried:
		case <-wait.Done():
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current(h)
}

// ask is the hello of a client that knows ECDSA: there is one certificate a host.
func ask(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

// obtain begins an attempt to get a certificate, if there is none and it is time.
// It returns what is closed at the end of the one under way, and how long a
// handshake waits for that. Once it is clear that the cache has no answer, nobody
// does: the places for handshakes are those of the other hosts and of the
// authority too.
func (a *authority) obtain(h *host) (tried chan struct{}, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := loop.Now()
	if !h.expires.IsZero() || h.tried == nil && now < h.again {
		return nil, 0
	}
	if h.tried == nil {
		h.tried, h.began = make(chan struct{}), now
		go a.try(h)
	}
	return h.tried, h.began + cacheWait - now
}

// try is one attempt, which may take minutes.
func (a *authority) try(h *host) {
	cert, err := a.manager.GetCertificate(ask(h.name))
	a.mu.Lock()
	defer a.mu.Unlock()
	close(h.tried)
	h.tried = nil
	if err != nil {
		h.pause = min(max(2*h.pause, acmeRetry), acmeRetryMost)
		h.again = loop.Now() + h.pause
		a.failed++
		a.log.Error("no certificate from the ACME authority", "host", h.name, "err", err, "again", h.pause)
		return
	}
	a.note(h, cert.Leaf, time.Now())
}

// current is the certificate in use. a.mu is held.
func (a *authority) current(h *host) (*tls.Certificate, error) {
	if h.expires.IsZero() {
		return nil, ErrNoCertificate
	}
	cert, err := a.manager.GetCertificate(ask(h.name))
	if err == nil {
		a.note(h, cert.Leaf, time.Now())
	}
	return cert, err
}

// note compares the certificate in use with the one before: the manager renews
// without a word, and fails without one. a.mu is held.
func (a *authority) note(h *host, leaf *x509.Certificate, now time.Time) {
	if leaf.NotAfter.After(h.expires) {
		a.made++
		a.log.Info("certificate for a host", "host", h.name, "until", leaf.NotAfter)
		h.expires = leaf.NotAfter
		// A quarter of the time for renewal is gone; one just read from the cache has
		// acmeRetry left.
		h.late = h.expires.Add(-min(h.expires.Sub(leaf.NotBefore)/renewalPart, renewalMost) * 3 / 4)
		if soon := now.Add(acmeRetry); h.late.Before(soon) {
			h.late = soon
		}
	}
	if now.After(h.late) {
		h.late = now.Add(renewalRetry)
		a.failed++
		a.log.Error("certificate not renewed by the ACME authority, the one from before stays", "host", h.name, "until", h.expires)
	}
}

// fill implements certificates.
func (a *authority) fill(s *Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.hosts {
		cert, err := a.current(h)
		if err == nil && (s.Expires.IsZero() || cert.Leaf.NotAfter.Before(s.Expires)) {
			s.Expires = cert.Leaf.NotAfter
		}
	}
	s.Reloads, s.Failures = a.made, a.failed
}
