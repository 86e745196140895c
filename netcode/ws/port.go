package ws

import (
	"errors"
	"net/http"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/loop"
)

// port is a Conn as its loop sees it: the loop's callbacks, which are not for
// the users of Conn.
type port Conn

// Read implements loop.Handler.
func (p *port) Read(_ *loop.Conn, b []byte) int {
	c := (*Conn)(p)
	now := loop.Now()
	c.heard = now
	n := 0
	if c.phase == phaseHead {
		if n = c.readHead(b, now); c.phase == phaseHead || c.routed {
			return n
		}
	}
	return n + c.readFrames(b[n:], now)
}

// Closed implements loop.Handler.
func (p *port) Closed(_ *loop.Conn, err error) {
	c := (*Conn)(p)
	c.phase = phaseDone
	c.stats.closed.Add(1)
	if c.err == nil {
		c.err = err
	}
	if h := c.handler; h != nil {
		c.handler = nil
		h.Closed(c, c.err)
	}
}

// readHead gathers the request head and acts on it when it is whole. It returns
// how many bytes it consumed; what follows the head of an upgrade are frames.
func (c *Conn) readHead(b []byte, now time.Duration) int {
	cfg := &c.server.cfg
	size := findHead(b, int(c.seen))
	if size == 0 && len(b) < cfg.HeadLimit {
		c.seen = int32(len(b))
		return 0
	}
	if size == 0 || size > cfg.HeadLimit {
		c.refuse(reject(RejectHeadSize, http.StatusRequestHeaderFieldsTooLarge, "request head too large"))
		return len(b)
	}
	h, ok := splitHead(b[:size])
	wanted := ok && string(h.path) == cfg.Path && h.wantsUpgrade()
	req := Request{head: h, remote: c.lc.RemoteAddr()}
	if e := c.admit(&req, wanted, now); e != nil {
		c.refuse(e)
		return len(b)
	}
	if ok && cfg.Route != nil && c.route(&req) {
		return size
	}
	if !wanted {
		return c.handOver(b)
	}
	var handler Handler
	response, refused := upgrade(cfg, b[:size], &req, func() (err error) {
		if handler, err = cfg.Open(c, &req); err == nil && handler == nil {
			err = errors.New("ws: Config.Open returned no handler")
		}
		return err
	})
	if refused != nil {
		c.refuse(refused)
		return len(b)
	}
	c.handler, c.subprotocol = handler, req.subprotocol
	if c.parser.deflate = req.deflate; req.deflate {
		c.stats.deflating.Add(1)
	}
	c.phase, c.refilled = phaseOpen, now
	c.pingSpare = int32(cfg.PingBurst)
	c.stats.upgraded.Add(1)
	c.write(response)
	c.arm()
	return size
}

// route offers a plain GET to Config.Route and reports whether it was taken. One
// with a mistake goes to Config.HTTP, which says so.
func (c *Conn) route(req *Request) bool {
	h := &req.head
	if string(h.method) != http.MethodGet || h.wantsUpgrade() || !h.checkFields() {
		return false
	}
	if _, n := h.field("Host"); n != 1 { // RFC 9112 3.2
		return false
	}
	for _, name := range [...]string{"Content-Length", "Transfer-Encoding"} {
		if _, n := h.field(name); n > 0 {
			return false
		}
	}
	if !c.stay().Try(req.client) {
		return false
	}
	c.lc.SetTimer(0) // those of the next handler are its own
	if !c.server.cfg.Route(c.lc, req) {
		c.arm()
		return false
	}
	c.phase, c.routed = phaseDone, true
	c.stats.http.Add(1)
	return true
}

// refuse answers a request with an HTTP error and hangs up.
func (c *Conn) refuse(e *RejectError) {
	c.stats.rejected[e.why].Add(1)
	c.server.cfg.Log.Debug("upgrade refused", "peer", c.RemoteAddr(), "status", e.Status, "reason", e.Text)
	c.err = e
	if c.write(appendRejection(nil, e)) {
		c.hangUp()
	}
}

// tally is what the frames of one read add up to.
type tally struct {
	messages, bytes, pings uint64
	pong                   []byte // payload of the last ping, in the loop's buffer
	pongDue                bool
	boundary               bool // a message or control frame ended outside of a fragmented message
}

// readFrames handles the frames at the front of b and returns how many bytes
// they took. Frames behind a Move wait for the next loop.
func (c *Conn) readFrames(b []byte, now time.Duration) int {
	var t tally
	n := 0
	for c.phase <= phaseClosing && !c.moving {
		got, payload, size, err := c.parser.next(b[n:])
		if err != nil {
			c.streamBroke(err)
			break
		}
		if size == 0 {
			break
		}
		n += size
		t.boundary = t.boundary || !c.parser.open()
		c.handle(got, payload, &t, now)
	}
	c.flushPong(&t)
	c.stats.messages.Add(t.messages)
	c.stats.bytes.Add(t.bytes)
	c.stats.pings.Add(t.pings)
	if c.phase == phaseDone {
		return len(b)
	}
	c.noteHalf(len(b) > n && !c.moving || c.parser.open(), t.boundary, now)
	return n
}

// handle acts on one frame. After our own Close only the peer's counts.
func (c *Conn) handle(got int, payload []byte, t *tally, now time.Duration) {
	if c.phase != phaseOpen && got != gotClose {
		return
	}
	switch got {
	case gotBinary, gotText:
		c.flushPong(t) // in the order of what it answers, and before a Move
		t.messages++
		t.bytes += uint64(len(payload))
		switch {
		case c.phase != phaseOpen:
		case c.parser.packed:
			c.messagePacked(got == gotBinary, payload)
		default:
			c.handler.Message(c, got == gotBinary, payload)
		}
	case gotPing:
		t.pings++
		if !c.takePing(now) {
			c.fail(errPingFlood)
			return
		}
		if c.server.cfg.EveryPong {
			c.sendControl(ws.OpPong, payload)
			return
		}
		t.pong, t.pongDue = payload, true
	case gotPong:
		// A pong may come unasked for (RFC 6455 5.5.3), but not without end.
		if !c.asked && !c.takePing(now) {
			c.fail(errPongFlood)
		}
		c.asked = false
	case gotClose:
		c.flushPong(t)
		c.peerClosed(payload)
	}
}

// flushPong answers the last ping that is not answered yet.
func (c *Conn) flushPong(t *tally) {
	if t.pongDue && c.phase == phaseOpen {
		c.sendControl(ws.OpPong, t.pong)
	}
	t.pongDue = false
}

// takePing spends one of the pings, or pongs unasked for, that the peer may send.
func (c *Conn) takePing(now time.Duration) bool {
	cfg := &c.server.cfg
	if more := (now - c.refilled) / cfg.PingRefill; more > 0 {
		c.refilled += more * cfg.PingRefill
		c.pingSpare = int32(min(time.Duration(cfg.PingBurst), time.Duration(c.pingSpare)+more))
	}
	c.pingSpare--
	return c.pingSpare >= 0
}

// noteHalf keeps the time since when the peer holds one message half sent. A
// message that ended meanwhile starts the time anew.
func (c *Conn) noteHalf(half, ended bool, now time.Duration) {
	switch {
	case !half:
		c.halfway = 0
	case c.halfway == 0 || ended:
		c.halfway = now
		c.arm()
	}
}

// streamBroke ends the connection after bytes that are no frames.
func (c *Conn) streamBroke(err *ProtocolError) {
	if c.phase == phaseOpen {
		c.fail(err)
		return
	}
	c.hangUp() // our Close frame is out already
}

// handOver gives a request that is no upgrade to Config.HTTP, with everything
// read of it, and returns how many bytes it consumed. While an answer that
// Config.Route made is not sent, the request waits.
func (c *Conn) handOver(b []byte) int {
	take := c.server.cfg.HTTP
	if take == nil {
		c.refuse(reject(RejectNotFound, http.StatusNotFound, "not found"))
		return len(b)
	}
	stay := c.stay()
	nc, read, err := c.lc.Detach()
	if errors.Is(err, loop.ErrTailPending) {
		c.queued = true
		c.arm()
		return 0
	}
	if err != nil {
		c.end(err)
		return len(b)
	}
	stay.Try(c.lc.RemoteAddr().Addr()) // what a proxy sends by it next may come from anybody
	c.phase = phaseDone
	c.stats.http.Add(1)
	take(&readConn{Conn: nc, read: read})
	return len(b)
}
