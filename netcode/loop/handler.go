package loop

import "time"

// Handler is what a connection belongs to. All methods run on the goroutine of
// the connection's loop, never inside one another for the same connection, and
// must not block. They may call any method of any connection of the same loop.
type Handler interface {
	// Read is given all unconsumed bytes, the oldest first, and returns how many
	// of them it consumed; the rest comes again in front of the next bytes. b is
	// valid until return and may be modified; changes to bytes that are not
	// consumed are kept. After a Close, CloseAfterFlush or Detach inside Read the
	// result does not matter; after a Move or SetHandler the rest goes to
	// whatever handler comes next.
	Read(c *Conn, b []byte) int
	// Timer says that the time given to Conn.SetTimer is reached.
	Timer(c *Conn, now time.Duration)
	// Closed is the last call, made exactly once, unless the connection was
	// detached. err is io.EOF when the peer ended it, what Close was given, nil
	// after a complete CloseAfterFlush, or what went wrong.
	Closed(c *Conn, err error)
}

// Keeper keeps count of connections. Gone is called once for each, on the goroutine
// of the loop that had it last, or of whoever closed what was detached. It is a
// pointer, or something else that compares.
type Keeper interface{ Gone() }

// Buffer is bytes shared by many connections (a frame of a broadcast). Bytes
// must not change while anyone holds a reference. Retain and Release are called
// on goroutines of loops; a Buffer offered on several loops needs atomic counts.
type Buffer interface {
	Bytes() []byte
	Retain()
	Release()
}

// Driver is something that runs at times of its own, such as a room.
type Driver interface {
	// Advance does what is due at now and returns when it wants to be called
	// next; Never waits for Task.Wake. A time that is not after now means the
	// next slot. A panic is not recovered.
	Advance(now time.Duration) (next time.Duration)
}

// Preparer is a Driver with connections to be read right before it runs. Prepare is
// called for all that are due, then all is read that was asked for by
// Conn.ReadSoon, then Advance is called for each. Prepare calls no other method of
// the loop.
type Preparer interface {
	Driver
	Prepare(now time.Duration)
}
