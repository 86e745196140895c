package loop

import (
	"fmt"
	"log/slog"
	"time"
)

// Engine says what carries the connections that a loop listens for and dials.
type Engine uint8

// The engines.
const (
	EngineAuto  Engine = iota // EngineEpoll where it works, else EngineStd
	EngineEpoll               // Linux: no goroutine for a connection
	EngineStd                 // package net, a reader goroutine for each connection
)

// String implements fmt.Stringer.
func (e Engine) String() string {
	switch e {
	case EngineAuto:
		return "auto"
	case EngineEpoll:
		return "epoll"
	case EngineStd:
		return "std"
	}
	return fmt.Sprintf("Engine(%d)", uint8(e))
}

// Config says how a Loop treats its connections. The zero value works. It is
// copied by New.
type Config struct {
	// ID names the loop in logs and metrics.
	ID int
	// Engine carries the connections.
	Engine Engine
	// Uring has the sends and reads of a slot done by one call each, of an io_uring
	// (io_uring(7)), where EngineEpoll finds one that works; Loop.Uring tells. An
	// Offer is then always taken, if nothing is unsent: what the kernel refuses is
	// kept as if it had taken the first byte.
	Uring bool
	// MaxTail bounds the bytes that Conn.Write keeps for one connection while
	// the kernel takes none; 0 is DefaultMaxTail. What Offer left is not counted:
	// there is one at a time, and it is shared.
	MaxTail int
	// MaxPending bounds the input of one connection that its handler has not
	// consumed, bytes; 0 is DefaultMaxPending. Conn.SetMaxPending changes it for
	// one connection.
	MaxPending int
	// SendBuffer is SO_SNDBUF and NotSentLowat TCP_NOTSENT_LOWAT, bytes: how
	// much state may grow old in the kernel. 0 is the default, negative leaves
	// the kernel's.
	SendBuffer   int
	NotSentLowat int
	// UserTimeout is TCP_USER_TIMEOUT (RFC 5482): how long a peer may leave sent
	// bytes unacknowledged. 0 is DefaultUserTimeout, negative leaves the kernel's.
	UserTimeout time.Duration
	// Mailbox bounds the functions posted and not yet run; 0 is DefaultMailbox.
	Mailbox int
	// Log gets listeners that have to pause and the like; nil is silent.
	Log *slog.Logger
}

// validate fills defaults and refuses contradictions.
func (c *Config) validate() error {
	or(&c.MaxTail, DefaultMaxTail)
	or(&c.MaxPending, DefaultMaxPending)
	or(&c.SendBuffer, DefaultSendBuffer)
	or(&c.NotSentLowat, DefaultNotSentLowat)
	or(&c.UserTimeout, DefaultUserTimeout)
	or(&c.Mailbox, DefaultMailbox)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Engine > EngineStd:
		return fmt.Errorf("loop: Config.Engine %v is none of EngineAuto, EngineEpoll, EngineStd", c.Engine)
	case c.MaxTail < 0 || c.MaxPending < 0 || c.Mailbox < 0:
		return fmt.Errorf("loop: Config.MaxTail %d, MaxPending %d and Mailbox %d must not be negative", c.MaxTail, c.MaxPending, c.Mailbox)
	case c.MaxPending > maxPendingCeiling:
		return fmt.Errorf("loop: Config.MaxPending %d must be at most %d bytes", c.MaxPending, maxPendingCeiling)
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
