package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
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
	name  string
	ready bool          // the manager has a certificate, and renews it
	tried chan struct{} // closed when the attempt under way is over; nil: none is
	again time.Duration // when the next attempt may be
}

func newAuthority(cfg ACME, log *slog.Logger) (*authority, error) {
	if err := writable(cfg.Cache); err != nil {
		return nil, fmt.Errorf("secure: the folder for certificates: %w", err)
	}
	a := &authority{log: log, hosts: map[string]*host{}}
	a.manager = &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cfg.Cache), HostPolicy: autocert.HostWhitelist(cfg.Hosts...)}
	if cfg.Directory != "" {
		a.manager.Client = &acme.Client{DirectoryURL: cfg.Directory}
	}
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
		return nil, fmt.Errorf("secure: a handshake for %q, which is no host of this server", hello.ServerName)
	}
	if p := hello.SupportedProtos; len(p) == 1 && p[0] == acme.ALPNProto {
		return a.manager.GetCertificate(hello)
	}
	if tried := a.obtain(h); tried != nil {
		wait, cancel := context.WithTimeout(hello.Context(), cacheWait)
		defer cancel()
		select {
		case <-tried:
		case <-wait.Done():
		}
	}
	if !a.isReady(h) {
		return nil, ErrNoCertificate
	}
	return a.manager.GetCertificate(ask(h.name))
}

// ask is the hello of a client that knows ECDSA: there is one certificate a host.
func ask(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

func (a *authority) isReady(h *host) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return h.ready
}

// obtain begins an attempt to get a certificate, if there is none and it is time.
// It returns what is closed at the end of the one under way, nil if none is.
func (a *authority) obtain(h *host) (tried chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.ready || h.tried == nil && loop.Now() < h.again {
		return nil
	}
	if h.tried == nil {
		h.tried = make(chan struct{})
		go a.try(h)
	}
	return h.tried
}

// try is one attempt, which may take minutes.
func (a *authority) try(h *host) {
	cert, err := a.manager.GetCertificate(ask(h.name))
	a.mu.Lock()
	defer a.mu.Unlock()
	close(h.tried)
	h.tried, h.ready, h.again = nil, err == nil, loop.Now()+acmeRetry
	if err != nil {
		a.failed++
		a.log.Error("no certificate from the ACME authority", "host", h.name, "err", err, "again", acmeRetry)
		return
	}
	a.made++
	a.log.Info("certificate for a host", "host", h.name, "until", cert.Leaf.NotAfter)
}

// fill implements certificates.
func (a *authority) fill(s *Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Reloads, s.Unusable = a.made, a.failed
	for _, h := range a.hosts {
		if !h.ready {
			continue
		}
		cert, err := a.manager.GetCertificate(ask(h.name))
		if err == nil && (s.Expires.IsZero() || cert.Leaf.NotAfter.Before(s.Expires)) {
			s.Expires = cert.Leaf.NotAfter
		}
	}
}
