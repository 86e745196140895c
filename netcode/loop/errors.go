package loop

import "errors"

// Errors that callers branch on; they arrive in Handler.Closed, or from the
// method that names them.
var (
	// ErrClosed: the connection is closed, or closing after a flush.
	ErrClosed = errors.New("loop: connection closed")
	// ErrStopped: the loop was stopped; its connections end with it.
	ErrStopped = errors.New("loop: stopped")
	// ErrTailFull: the peer reads too slowly for what is written to it
	// (Config.MaxTail).
	ErrTailFull = errors.New("loop: too many unsent bytes for this connection")
	// ErrPendingFull: the handler left more input unconsumed than
	// Config.MaxPending.
	ErrPendingFull = errors.New("loop: too much unconsumed input on this connection")
	// ErrFlushTimeout: the peer did not read the last bytes in the time given to
	// CloseAfterFlush.
	ErrFlushTimeout = errors.New("loop: last bytes were not read in time")
	// ErrMailboxFull: the loop's mailbox is full or the loop stopped; a
	// connection that was to move there is closed.
	ErrMailboxFull = errors.New("loop: mailbox full or loop stopped")
	// ErrTailPending: Detach needs a connection without unsent bytes.
	ErrTailPending = errors.New("loop: connection has unsent bytes")
	// ErrEngine: the loop's engine cannot carry the connection.
	ErrEngine = errors.New("loop: not possible with this loop's engine")
	// ErrConnLimit: the loop holds as many connections as it can.
	ErrConnLimit = errors.New("loop: too many connections on this loop")
)
