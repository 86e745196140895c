package ws

import (
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
)

// Handler is what a session does with its connection. Every method runs on the
// goroutine of the connection's loop and must not block.
type Handler interface {
	// Message gets one whole message. b lies in the loop's read buffer: it is
	// valid until Message returns and may be changed. It is UTF-8 when binary is
	// false. After Close no message comes.
	Message(c *Conn, binary bool, b []byte)
	// Timer is called once for each Conn.SetTimer that comes due.
	Timer(c *Conn, now time.Duration)
	// Closed is called exactly once, last, before the socket is closed. err is a
	// *CloseError after an orderly close, a *ProtocolError when the peer broke a
	// rule, ErrDead, ErrCloseTimeout, or what the socket said.
	Closed(c *Conn, err error)
}

// phase is how far a connection has come; it only grows.
type phase uint8

const (
	phaseHead    phase = iota // the request head is being gathered
	phaseOpen                 // messages go both ways
	phaseClosing              // our Close frame is sent, the peer's is awaited
	phaseDone                 // nothing more is read or sent; Closed follows
)

// Conn is one WebSocket connection. Its methods are called only on the goroutine
// of its loop.
type Conn struct {
	lc          *loop.Conn
	server      *Server
	stats       *counters // of the loop it is on
	handler     Handler   // nil until Open returned it
	err         error     // why it ends, once that is known
	subprotocol string
	parser      parser

	phase     phase
	moving    bool  // on its way to another loop
	asked     bool  // a ping of ours is not answered
	routed    bool  // Config.Route took it, with what follows its request
	queued    bool  // a request is here that goes to Config.HTTP when nothing is unsent
	owing     bool  // the answer before was not sent when limit was set
	waits     uint8 // how often it got more time
	pingSpare int32 // pings the peer may still send
	seen      int32 // bytes of the request head already searched

	heard    time.Duration // last byte from the peer
	pinged   time.Duration // last ping to the peer
	refilled time.Duration // pingSpare was last topped up
	halfway  time.Duration // a message has been half here since; 0: none is
	limit    time.Duration // end of the wait for the head, or for the peer's Close
	wanted   time.Duration // the handler's timer; 0: none
}

// newConn makes the connection of lc, which has its place at the gate, on its loop.
func newConn(s *Server, lc *loop.Conn) *Conn {
	c := &Conn{
		lc:     lc,
		server: s,
		stats:  s.shards.of(lc.Loop()),
		parser: parser{maxMessage: s.cfg.MaxMessage, maxFragments: s.cfg.MaxFragments},
	}
	c.heard, c.owing = loop.Now(), lc.Unsent() > 0
	c.limit = c.heard + s.cfg.HeadTimeout
	if c.stay().Refused() != gate.Welcome {
		c.limit = c.heard + min(turnedTimeout, s.cfg.HeadTimeout)
	}
	c.stats.accepted.Add(1)
	lc.SetMaxPending(max(s.cfg.HeadLimit, packedLimit(s.cfg.MaxMessage)+maxHeadSize) + behindMove)
	c.arm()
	return c
}

// Send queues whole server frames, in order, copying what the kernel does not
// take at once. After an error the connection is ending and Closed follows
// (except ErrNotOpen): loop.ErrTailFull when the peer reads too slowly.
func (c *Conn) Send(b []byte) error {
	switch c.phase {
	case phaseHead:
		return ErrNotOpen
	case phaseOpen:
	default:
		return ErrClosing
	}
	if !c.write(b) {
		return c.err
	}
	c.stats.sent.Add(1)
	return nil
}

// Offer sends one tick in one write: private, if any, then shared, both whole
// server frames. false means that nothing was sent because earlier bytes are
// still on their way: the next tick makes up for it. private is valid until
// Offer returns; shared is retained while a part of it is unsent.
func (c *Conn) Offer(private []byte, shared loop.Buffer) bool {
	if c.phase != phaseOpen || !c.lc.Offer(private, shared) {
		return false
	}
	c.stats.sent.Add(1)
	return true
}

// Close sends a Close frame behind everything sent before and ends the
// connection when the peer has answered it, at the latest after
// Config.CloseTimeout. From now on no message comes and nothing can be sent;
// Closed follows with a *CloseError. Only the first Close counts, and inside Open
// none: return an error there. A reason above 123 bytes is cut; a code that no Close
// frame may carry (RFC 6455 7.4) is sent as CodeInternal.
func (c *Conn) Close(code uint16, reason string) {
	if c.phase != phaseOpen {
		return
	}
	if code != CodeNoStatus && !validCode(code) {
		code = CodeInternal
	}
	c.err = &CloseError{Code: code, Reason: reason, Local: true}
	var buf [2 + maxControl]byte
	if !c.write(appendClose(buf[:0], code, reason)) {
		return
	}
	c.phase = phaseClosing
	c.limit = loop.Now() + c.server.cfg.CloseTimeout
	c.lc.Quiet(false) // the answer must be heard without a room's ticks
	c.arm()
}

// Move hands the connection to another loop: then runs there first, and every
// later call of the handler too. It takes effect when the callback under way
// returns; until then messages wait, and those that were read but not handled are handled
// there. When the other loop takes no more connections this one is closed, and
// Closed called here. A Move ends Quiet. Open cannot move.
func (c *Conn) Move(to *loop.Loop, then func(c *Conn)) {
	c.moving = true
	c.lc.Move(to, func(*loop.Conn) {
		c.moving = false
		c.stats = c.server.shards.of(to)
		then(c)
	})
}

// SetHandler puts another handler in place, from the next call on.
func (c *Conn) SetHandler(h Handler) { c.handler = h }

// SetTimer asks for one call of Handler.Timer at the given time of loop.Now; 0
// asks for none. The timer is as coarse as the loop's wheel.
func (c *Conn) SetTimer(at time.Duration) {
	c.wanted = at
	c.arm()
}

// ReadSoon is that of loop.Conn: inside Prepare of a loop.Preparer, it has the
// messages that arrived handled before the Advance.
func (c *Conn) ReadSoon() { c.lc.ReadSoon() }

// Quiet stops the loop from waking for this connection; its room reads it by
// ReadSoon each tick instead. false wakes for it again.
func (c *Conn) Quiet(on bool) {
	if c.phase == phaseOpen {
		c.lc.Quiet(on)
	}
}

// Subprotocol is the one agreed on: Config.Subprotocol or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// RemoteAddr is the peer's address as the socket, or a PROXY header, tells it.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.lc.RemoteAddr() }

// Loop is the loop that owns the connection.
func (c *Conn) Loop() *loop.Loop { return c.lc.Loop() }

// write writes control bytes. After a failure the loop is closing the connection.
func (c *Conn) write(b []byte) bool {
	err := c.lc.Write(b)
	if err == nil {
		return true
	}
	c.phase = phaseDone
	if c.err == nil {
		c.err = err
	}
	return false
}

// hangUp ends the connection when everything written is with the peer. The loop
// half-closes and reads on until the peer ends too, so that a reset does not
// take our last bytes from it.
func (c *Conn) hangUp() {
	c.phase = phaseDone
	c.parser = parser{}
	c.lc.CloseAfterFlush(c.server.cfg.CloseTimeout)
}

// fail ends the connection for breaking a rule: a Close frame, and nothing of
// the peer's is read any more (RFC 6455 7.1.7).
func (c *Conn) fail(err *ProtocolError) {
	c.err = err
	c.stats.fault(err.Code)
	c.server.cfg.Log.Debug("websocket peer broke the protocol", "peer", c.RemoteAddr(), "code", err.Code, "reason", err.Reason)
	c.lastWords(err.Code, err.Reason)
}

// lastWords sends a Close frame and hangs up without waiting for an answer.
func (c *Conn) lastWords(code uint16, reason string) {
	var buf [2 + maxControl]byte
	if c.write(appendClose(buf[:0], code, reason)) {
		c.hangUp()
	}
}

// peerClosed answers the peer's Close frame, once (RFC 6455 5.5.1), and hangs up.
func (c *Conn) peerClosed(payload []byte) {
	if c.phase == phaseClosing {
		c.hangUp() // it was the answer to ours
		return
	}
	code, reason, fault := closeData(payload)
	if fault != nil {
		c.fail(fault)
		return
	}
	c.err = &CloseError{Code: code, Reason: reason}
	c.lastWords(code, "")
}

// sendControl sends a ping or a pong.
func (c *Conn) sendControl(op ws.OpCode, payload []byte) {
	var buf [2 + maxControl]byte
	c.write(append(appendHead(buf[:0], op, len(payload)), payload...))
}
