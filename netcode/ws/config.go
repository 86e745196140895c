package ws

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
)

// Config says what a Server accepts. The zero value works except for Open,
// which is required. It is copied by NewServer and not read again.
type Config struct {
	// Path is the request path of the upgrade, without query; "" is DefaultPath.
	Path string
	// Subprotocol is selected when the client offers it; "" is
	// DefaultSubprotocol. A client that offers none, or only others, is upgraded
	// without one: Open decides with Request.Subprotocol.
	Subprotocol string
	// Origins lists further origins that may connect, as browsers send them
	// ("https://game.example"), or "*" for all. A request without Origin (no
	// browser) and one from the same host are always allowed.
	Origins []string
	// AllowOrigin may allow what Origins does not name; nil allows nothing. It runs on
	// the loop and must not block.
	AllowOrigin func(origin string) bool
	// MaxMessage bounds one message in bytes; a claim above it ends the
	// connection with 1009 before anything of it is buffered.
	MaxMessage int
	// MaxFragments bounds the data frames of one message; more is 1008.
	MaxFragments int
	// Deflate compresses messages where the client asks for it (RFC 7692), those of
	// DeflateFrom bytes and more. MaxMessage bounds what a message holds, compressed
	// or not.
	Deflate     bool
	DeflateFrom int
	// HeadLimit bounds the request head in bytes; more is 431.
	HeadLimit int
	// HeadTimeout bounds the wait for the whole request head; then 408.
	HeadTimeout time.Duration
	// FrameTimeout bounds the time from the first byte of a message to its last;
	// then 1008.
	FrameTimeout time.Duration
	// PingEvery is how long a peer may be silent before it is pinged.
	PingEvery time.Duration
	// PongWait is how long a peer may be silent before it is dropped as dead
	// (ErrDead). It must be longer than PingEvery.
	PongWait time.Duration
	// CloseTimeout bounds the wait for the answer to a Close frame.
	CloseTimeout time.Duration
	// PingBurst is how many pings, and pongs that answer none, a peer may send at
	// once, and one more each PingRefill; more is 1008.
	PingBurst  int
	PingRefill time.Duration
	// EveryPong answers each ping. By default only the last ping of those read
	// together is answered, as RFC 6455 5.5.3 allows; conformance suites want all.
	EveryPong bool
	// Gate bounds connections and handshakes, and knows whose X-Forwarded-For
	// counts. A connection that it does not take is answered with 429 or 503 and
	// Retry-After. nil is one that takes all.
	Gate *gate.Gate
	// ProxyProtocol expects a PROXY header, of version 1 or 2, at the front of each
	// connection of a proxy that Gate trusts.
	ProxyProtocol bool
	// Probe reports paths that are served although there are too many connections
	// already: those by which operators look at the server. nil is none.
	Probe func(path string) bool
	// Open is called on the loop for a valid upgrade, before the 101 response:
	// sending is not possible yet (ErrNotOpen). An error refuses the upgrade: a
	// *RejectError with its status, any other as 500 without its text. The
	// Request is valid until Open returns, strings taken from it for ever.
	Open func(c *Conn, req *Request) (Handler, error)
	// Route may take a GET request that is no upgrade, before HTTP: it gives the
	// connection another handler, which answers, and returns true. It runs on the
	// loop's goroutine and must not block. req is valid until it returns.
	Route func(c *loop.Conn, req *Request) bool
	// HTTP takes every other request, on the loop's goroutine: it must not
	// block, and owns the connection. HTTPListener.Hand fits. nil answers 404.
	HTTP func(net.Conn)
	// Log gets refused upgrades and protocol errors at debug level; nil is silent.
	Log *slog.Logger
}

// validate fills defaults and refuses contradictions.
func (c *Config) validate() error {
	or(&c.Path, DefaultPath)
	or(&c.Subprotocol, DefaultSubprotocol)
	or(&c.MaxMessage, DefaultMaxMessage)
	or(&c.MaxFragments, DefaultMaxFragments)
	or(&c.DeflateFrom, DefaultDeflateFrom)
	or(&c.HeadLimit, DefaultHeadLimit)
	or(&c.HeadTimeout, DefaultHeadTimeout)
	or(&c.FrameTimeout, DefaultFrameTimeout)
	or(&c.PingEvery, DefaultPingEvery)
	or(&c.PongWait, DefaultPongWait)
	or(&c.CloseTimeout, DefaultCloseTimeout)
	or(&c.PingBurst, DefaultPingBurst)
	or(&c.PingRefill, DefaultPingRefill)
	if c.Gate == nil {
		c.Gate = gate.New(gate.Config{})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Open == nil:
		return errors.New("ws: Config.Open is missing: it makes the Handler of each connection")
	case c.Path[0] != '/':
		return fmt.Errorf("ws: Config.Path %q must begin with a slash", c.Path)
	case c.MaxMessage < 1 || c.MaxMessage > maxMessageCeiling:
		return fmt.Errorf("ws: Config.MaxMessage %d must be 1..%d bytes", c.MaxMessage, maxMessageCeiling)
	case c.MaxFragments < 1 || c.PingBurst < 1:
		return errors.New("ws: Config.MaxFragments and PingBurst must be at least 1")
	case c.DeflateFrom < 0:
		return errors.New("ws: Config.DeflateFrom must not be negative")
	case c.HeadLimit < minHeadLimit:
		return fmt.Errorf("ws: Config.HeadLimit %d must be at least %d bytes", c.HeadLimit, minHeadLimit)
	case min(c.HeadTimeout, c.FrameTimeout, c.PingEvery, c.CloseTimeout, c.PingRefill) < 0:
		return errors.New("ws: Config durations must not be negative")
	case c.PongWait <= c.PingEvery:
		return fmt.Errorf("ws: Config.PongWait %v must be longer than PingEvery %v, or no peer could answer in time", c.PongWait, c.PingEvery)
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
