package secure

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// certificates is where a Gate has its certificates from. Any goroutine may use
// it.
type certificates interface {
	// get is the certificate for a handshake. It waits for nothing but files.
	get(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// fill adds what is known of the certificates to s.
	fill(s *Stats)
}

// certificate is a pair of files, read again when they change. Any goroutine may
// use it.
type certificate struct {
	files    [2]string // certificate, key
	log      *slog.Logger
	reloads  atomic.Uint64
	failures atomic.Uint64

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]os.FileInfo // as they were when last read
	broken bool           // what was read then is not usable
	looked time.Duration
}

// loadCertificate reads the files at time now; they must be usable.
func loadCertificate(cert, key string, log *slog.Logger, now time.Duration) (*certificate, error) {
	c := &certificate{files: [2]string{cert, key}, log: log, looked: now}
	c.seen, _ = c.stat() // what is not there fails to load
	pair, err := c.load()
	if err != nil {
		return nil, err
	}
	c.pair = pair
	return c, nil
}

// get implements certificates.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.at(loop.Now()), nil
}

// fill implements certificates.
func (c *certificate) fill(s *Stats) {
	s.Reloads, s.Failures = c.reloads.Load(), c.failures.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Expires = c.pair.Leaf.NotAfter
}

// at is the certificate to use at time now, at most lookEvery behind its files.
// While they do not fit each other, as between the writes of the two, the pair
// from before stays.
func (c *certificate) at(now time.Duration) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now < c.looked+lookEvery {
		return c.pair
	}
	c.looked = now
	seen, err := c.stat()
	changed := err == nil && !same(seen, c.seen)
	switch {
	case err != nil:
		c.unusable(err, !c.broken)
		return c.pair
	case !changed && !c.broken:
		return c.pair
	}
	c.seen = seen
	pair, err := c.load()
	if err != nil {
		c.unusable(err, changed || !c.broken)
		return c.pair
	}
	c.pair, c.broken = pair, false
	c.reloads.Add(1)
	c.log.Info("certificate read again", "cert", c.files[0], "subject", pair.Leaf.Subject, "until", pair.Leaf.NotAfter)
	return c.pair
}

// unusable keeps the pair from before; c.mu is held. The files are tried again at
// each look, and counted and logged once for each change.
func (c *certificate) unusable(err error, news bool) {
	c.broken = true
	if news {
		c.failures.Add(1)
		c.log.Error("certificate cannot be read again, the one from before stays", "err", err, "until", c.pair.Leaf.NotAfter)
	}
}

func (c *certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return nil, fmt.Errorf("secure: certificate %s with key %s: %w", c.files[0], c.files[1], err)
	}
	return &pair, nil
}

func (c *certificate) stat() (seen [2]os.FileInfo, err error) {
	for i, name := range c.files {
		if seen[i], err = os.Stat(name); err != nil {
			return seen, fmt.Errorf("secure: %w", err)
		}
	}
	return seen, nil
}

// same tells by what a change leaves behind: another time, another size, or
// another file behind the name, as when a link is set to a new folder.
func same(a, b [2]os.FileInfo) bool {
	for i := range a {
		if b[i] == nil || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() || !os.SameFile(a[i], b[i]) {
			return false
		}
	}
	return true
}
