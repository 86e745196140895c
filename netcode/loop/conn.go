package loop

import (
	"net"
	"net/netip"
	"time"
)

// Conn is one connection. All its methods are called on the goroutine of its
// loop; after Move returns, and the batch is over, that is the other loop's.
// Methods of a closed connection do nothing.
type Conn struct {
	loop       *Loop
	handler    Handler
	transport  transport
	side       *side         // nil while nothing is kept for it
	deadline   time.Duration // of the timer; 0 is none
	wheelAt    int64         // where the wheel looks at it; 0 is nowhere
	slot, gen  uint32        // gen 0: in no slot
	fd         int32         // of an epoll connection, else -1
	flags      flags
	armed      uint16 // what epoll watches
	maxPending int32
	segment    int32 // bytes sent since the last MSG_EOR
	remote     netip.AddrPort
	keeper     Keeper // nil: nobody
}

// flags are the state of a connection.
type flags uint16

const (
	isClosed     flags = 1 << iota // Close was called; Closed follows at settle
	isDetached                     // closed without a call of Closed
	isConnecting                   // dialled, not yet standing
	isFlushing                     // CloseAfterFlush: the tail is still to go
	isLingering                    // CloseAfterFlush: waits for the peer to end
	isQuiet                        // read by ReadNow only
	isReading                      // inside Handler.Read
	isSwapped                      // SetHandler was called inside Handler.Read
	isDeparting                    // Move was called; leaves at settle
	isAgain                        // pending bytes are to be presented at settle
	isListed                       // in Loop.ending
	hasTail                        // unsent bytes are kept
	isQueued                       // an Offer waits for the batch's flush
	isToRead                       // in Loop.toRead
	isInBatch                      // what was read is not presented yet
)

// transport carries the bytes of connections: the epoll engine those of a loop,
// a stdConn those of one. All methods run on the loop.
type transport interface {
	// read takes what is there, once, and presents it.
	read(c *Conn)
	// send takes what it can of a and b now and says how many bytes; 0 without
	// an error is none now. sendLater asks to keep everything as tail.
	send(c *Conn, a, b []byte) (int, error)
	// update follows a change of flags: what to wait for, what to flush.
	update(c *Conn)
	// endWrite tells the peer that nothing follows.
	endWrite(c *Conn)
	// depart takes c off l, arrive brings it to l.
	depart(c *Conn, l *Loop)
	arrive(c *Conn, l *Loop) error
	// detach makes a net.Conn of it, with what was read and not presented.
	detach(c *Conn) (net.Conn, []byte, error)
	// unhook stops events, before Closed; end frees the socket, after it.
	unhook(c *Conn)
	end(c *Conn)
}

// sendLater is the result of a send that only works from a tail.
const sendLater = -1

// side is what only some connections need: bytes kept for them, and what is to
// happen at settle.
type side struct {
	pending []byte // unconsumed input
	tail    tail
	err     error       // for Closed
	to      *Loop       // of a Move
	then    func(*Conn) // of a Move
}

func newConn(l *Loop, t transport, fd int, remote netip.AddrPort) *Conn {
	return &Conn{loop: l, transport: t, fd: int32(fd), maxPending: int32(l.cfg.MaxPending), remote: remote}
}

// more is the side storage of c, made if it has none.
func (c *Conn) more() *side {
	if c.side == nil {
		l := c.loop
		if n := len(l.sides); n > 0 {
			c.side, l.sides = l.sides[n-1], l.sides[:n-1]
		} else {
			c.side = &side{}
		}
	}
	return c.side
}

// less gives back side storage that holds nothing.
func (c *Conn) less() {
	s := c.side
	if s == nil || len(s.pending) > 0 || c.flags&(hasTail|isClosed|isDeparting|isReading) != 0 {
		return
	}
	c.side = nil
	if l := c.loop; len(l.sides) < keptSides {
		pending := s.pending[:0]
		if cap(pending) > keptPending {
			pending = nil
		}
		*s = side{pending: pending}
		l.sides = append(l.sides, s)
	}
}

// Loop is the loop that owns the connection.
func (c *Conn) Loop() *Loop { return c.loop }

// RemoteAddr is the peer's address; the zero AddrPort when it has none.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// SetRemoteAddr replaces the peer's address by the one that a proxy tells.
func (c *Conn) SetRemoteAddr(a netip.AddrPort) { c.remote = a }

// SetKeeper has k told when the connection has ended, whatever handler and loop
// it has by then. Keeper is the one set last. It goes along with Detach and comes
// back with Attach, also from under TLS.
func (c *Conn) SetKeeper(k Keeper) { c.keeper = k }

// Keeper is what SetKeeper was given.
func (c *Conn) Keeper() Keeper { return c.keeper }

// SetHandler hands the connection to h. Called inside Read, bytes that Read
// leaves go to h at once; otherwise pending bytes go to it at the end of the
// batch.
func (c *Conn) SetHandler(h Handler) {
	c.handler = h
	if c.flags&isReading != 0 {
		c.flags |= isSwapped
		return
	}
	if c.side != nil && len(c.side.pending) > 0 {
		c.list(isAgain)
	}
}

// Unsent is how many bytes of what was written and offered are kept until the
// kernel takes them. Where a goroutine writes they count until it has written all;
// an Offer of which the kernel is still to be asked does not.
func (c *Conn) Unsent() int {
	if c.side == nil {
		return 0
	}
	return c.side.tail.size
}

// SetMaxPending bounds the input that the handler may leave unconsumed, bytes.
func (c *Conn) SetMaxPending(n int) { c.maxPending = int32(min(max(n, 0), maxPendingCeiling)) }

// SetTimer has Handler.Timer called once, at or up to 20 ms after the time at
// (of Now). It replaces the time set before and costs little; 0 clears it.
func (c *Conn) SetTimer(at time.Duration) {
	if c.flags&(isClosed|isFlushing|isLingering) == 0 {
		c.setTimer(at)
	}
}

func (c *Conn) setTimer(at time.Duration) {
	c.deadline = at
	if at != 0 && c.gen != 0 {
		c.loop.wheel.set(c)
	}
}

// expired is called by the wheel.
func (c *Conn) expired(now time.Duration) {
	switch {
	case c.flags&isClosed != 0:
	case c.flags&isFlushing != 0:
		c.Close(ErrFlushTimeout)
	case c.flags&isLingering != 0:
		c.Close(nil)
	case c.flags&isDeparting != 0:
		c.deadline = now // rings where it arrives
	case c.handler != nil:
		c.handler.Timer(c, now)
	}
}

// ReadNow reads the socket once, right now, and presents what came. Inside the
// connection's own Read it does nothing.
func (c *Conn) ReadNow() {
	if !c.readable() {
		return
	}
	c.flags &^= isToRead // this is it
	if c.flags&isInBatch != 0 && c.loop.batch.claim(c) {
		c.presentPending() // the socket may have no more
	}
	if c.readable() {
		c.transport.read(c)
	}
}

// ReadSoon has the socket read before the tasks that are due run, together with
// those of all connections for which it is called meanwhile. A Preparer calls it;
// outside of Prepare it is for when tasks are due next.
func (c *Conn) ReadSoon() {
	if c.flags&isToRead == 0 && c.readable() {
		c.flags |= isToRead
		c.loop.toRead = append(c.loop.toRead, c)
	}
}

func (c *Conn) readable() bool {
	return c.flags&(isClosed|isConnecting|isFlushing|isLingering|isDeparting|isReading) == 0 && c.gen != 0
}

// sendQueued sends an Offer that waits in the batch: what follows is not to
// overtake it, or ends the connection.
func (c *Conn) sendQueued() {
	if c.flags&isQueued != 0 {
		c.loop.flush()
	}
}

// Quiet(true) takes the connection's input out of the poll, because ReadNow
// fetches it in time; its end is still noticed. Quiet(false) puts it back. A
// Move ends it.
func (c *Conn) Quiet(on bool) {
	if on == (c.flags&isQuiet != 0) || c.flags&isClosed != 0 {
		return
	}
	c.flags ^= isQuiet
	if c.gen != 0 {
		c.transport.update(c)
	}
}

// Close ends the connection: from now on it neither reads nor writes, unsent
// bytes are dropped, and Handler.Closed is told err at the end of the batch.
// Only the first call counts.
func (c *Conn) Close(err error) {
	c.sendQueued()
	if c.flags&isClosed != 0 {
		return
	}
	c.more().err = err
	c.list(isClosed)
}

// CloseAfterFlush ends the connection once its unsent bytes are with the peer:
// it stops reading, sends what is left, ends the stream and waits for the peer
// to end its own, at most d in all (0 is DefaultFlushTime). Closed is told nil,
// or ErrFlushTimeout when bytes were left. Timers set before are void.
func (c *Conn) CloseAfterFlush(d time.Duration) {
	c.sendQueued()
	if c.flags&(isClosed|isFlushing|isLingering) != 0 {
		return
	}
	if d <= 0 {
		d = DefaultFlushTime
	}
	c.flags = c.flags&^isDeparting | isFlushing
	if c.side != nil {
		c.side.pending = c.side.pending[:0]
	}
	c.setTimer(Now() + d)
	if c.flags&(hasTail|isConnecting) == 0 {
		c.linger()
	} else if c.gen != 0 {
		c.transport.update(c)
	}
}

// linger follows a flush. Closing at once would reset the connection if the
// peer still sends, and with it bytes that it has not yet read (RFC 9112
// section 9.6).
func (c *Conn) linger() {
	c.flags = c.flags&^isFlushing | isLingering
	if c.gen != 0 {
		c.transport.endWrite(c)
		c.transport.update(c)
	}
}

// Move hands the connection to another loop at the end of the batch: unread
// and unsent bytes travel with it. There, then runs first (it may be nil), and
// bytes that no handler has consumed are presented next. Until the batch ends
// the connection still writes here, but no longer reads. If it is closed
// before it arrives, or the other loop takes no mail (ErrMailboxFull), then
// does not run and Closed is called here.
func (c *Conn) Move(to *Loop, then func(c *Conn)) {
	if c.flags&(isClosed|isFlushing|isLingering) != 0 {
		return
	}
	if c.fd >= 0 && to.Engine() != EngineEpoll {
		c.Close(ErrEngine)
		return
	}
	if c.flags&isInBatch != 0 {
		c.loop.batch.claim(c)
	}
	s := c.more()
	s.to, s.then = to, then
	c.list(isDeparting)
}

// Detach takes the connection off the loop as a net.Conn, with the bytes that
// were read and not consumed: inside Read those are all that Read was given.
// Closed is not called. The net.Conn has the address of RemoteAddr and tells the
// keeper, if there is one, of its Close. It fails with ErrTailPending while bytes
// are unsent; for want of a descriptor too, and then the connection is closed.
func (c *Conn) Detach() (net.Conn, []byte, error) {
	c.sendQueued()
	if c.flags&(hasTail|isConnecting|isFlushing) == 0 && c.flags&isInBatch != 0 {
		c.loop.batch.claim(c)
	}
	switch {
	case c.flags&(isClosed|isLingering) != 0:
		return nil, nil, ErrClosed
	case c.flags&(hasTail|isConnecting|isFlushing) != 0:
		return nil, nil, ErrTailPending
	}
	unread := c.unread()
	nc, rest, err := c.transport.detach(c)
	if err != nil {
		c.Close(err)
		return nil, nil, err
	}
	if c.keeper != nil && !c.tellsKeeper() {
		nc = &keptConn{Conn: nc, remote: c.remote, keeper: c.keeper}
	}
	c.list(isClosed | isDetached)
	return nc, append(unread, rest...), nil
}

// list sets a flag that settle acts on.
func (c *Conn) list(f flags) {
	if c.flags |= f; c.flags&isListed == 0 {
		c.flags |= isListed
		c.loop.ending = append(c.loop.ending, c)
	}
}
