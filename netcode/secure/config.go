package secure

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// Limits that Config can change; a zero field of Config means these.
const (
	// DefaultHandshakes is how many handshakes run at a time.
	DefaultHandshakes = 256
	// DefaultWaiting is how many connections wait for one of them to end.
	DefaultWaiting = 1024
	// DefaultPerSource is how many of both a source may have.
	DefaultPerSource = 64
	// DefaultTimeout is how long a connection has, from Gate.Accept to the end of
	// its handshake.
	DefaultTimeout = 5 * time.Second
)

const (
	// recordHead is the size of a record's head, maxRecord the longest plain record
	// (RFC 8446 5.1), in bytes.
	recordHead = 5
	maxRecord  = 1 << 14
	// lookEvery is the least time between two looks at the files of a certificate.
	lookEvery = time.Second
	// acmeRetry is the time after a failed attempt to have a certificate made, longer
	// than the minute for which autocert remembers that it failed. It doubles with each,
	// up to acmeRetryMost: Let's Encrypt bears with five failures of a host, and then
	// with one in twelve minutes.
	acmeRetry     = 90 * time.Second
	acmeRetryMost = 15 * time.Minute
	// cacheWait is how long handshakes wait for a new attempt, which the cache may
	// answer.
	cacheWait = 250 * time.Millisecond
	// autocert renews a certificate when one part in renewalPart of its time is left, or
	// renewalMost if that is less, and after a failure tries again within renewalRetry.
	renewalPart  = 3
	renewalMost  = 30 * 24 * time.Hour
	renewalRetry = time.Hour
	// maxAnswer bounds, in bytes, what is searched for an authority's reasons.
	maxAnswer = 64 << 10
)

// Config says what a Gate asks for. Take is required, and Cert and Key, or ACME. It
// is copied by NewGate.
type Config struct {
	// Cert and Key are PEM files: a certificate with those that lead to its
	// authority, and its private key. They are read again when they change.
	Cert, Key string
	// ACME, instead of files, has an authority make the certificates.
	ACME *ACME
	// Handshakes bounds the handshakes at a time, Waiting the connections that wait
	// for one; further ones are closed.
	Handshakes int
	Waiting    int
	// PerSource bounds those of one source, which Source tells of a connection, on its
	// loop; the zero Addr counts for none. Without Source nobody is counted.
	PerSource int
	Source    func(c *loop.Conn) netip.Addr
	// Timeout bounds the time from Gate.Accept to the end of the handshake.
	Timeout time.Duration
	// Admit is asked before a handshake begins, on the loop of c; false closes the
	// connection. It must not block. nil admits everybody.
	Admit func(c *loop.Conn) bool
	// Take gets each connection whose handshake succeeded: a *tls.Conn without
	// deadlines.
	Take func(nc net.Conn)
	// Log gets certificates that cannot be used or made, and failed handshakes at
	// debug level; nil is silent.
	Log *slog.Logger
}

// validate fills defaults and refuses contradictions.
func (c *Config) validate() error {
	or(&c.Handshakes, DefaultHandshakes)
	or(&c.Waiting, DefaultWaiting)
	or(&c.PerSource, DefaultPerSource)
	or(&c.Timeout, DefaultTimeout)
	if c.Admit == nil {
		c.Admit = func(*loop.Conn) bool { return true }
	}
	if c.Source == nil {
		c.Source = func(*loop.Conn) netip.Addr { return netip.Addr{} }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.ACME != nil && (c.Cert != "" || c.Key != ""):
		return errors.New("secure: certificates are made by ACME or come from files: use one of them")
	case c.ACME == nil && (c.Cert == "" || c.Key == ""):
		return errors.New("secure: a certificate needs its key, and a key its certificate: give both files")
	case c.Take == nil:
		return errors.New("secure: Config.Take is missing: it gets the connections")
	case c.Handshakes < 0 || c.Waiting < 0 || c.PerSource < 0 || c.Timeout < 0:
		return fmt.Errorf("secure: Config.Handshakes %d, Waiting %d, PerSource %d and Timeout %v must not be negative",
			c.Handshakes, c.Waiting, c.PerSource, c.Timeout)
	}
	if c.ACME != nil {
		return c.ACME.validate()
	}
	return nil
}

// or gives a zero field its default.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
