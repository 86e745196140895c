package ws

import (
	"net/http"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/loop"
)

// Timer implements loop.Handler. The loop has one timer for a connection; it
// serves all waits of this package and the handler's own.
func (p *port) Timer(_ *loop.Conn, now time.Duration) {
	c := (*Conn)(p)
	switch c.phase {
	case phaseHead:
		switch {
		case now >= c.limit && (c.owing || c.lc.Unsent() > 0) && c.waits < answerTimes:
			c.waits++
			c.owing = c.lc.Unsent() > 0
			c.limit = now + c.server.cfg.HeadTimeout
		case now >= c.limit && c.queued:
			c.end(loop.ErrTailPending)
		case now >= c.limit:
			c.headLate()
		case c.queued:
			c.queued = false
			c.lc.SetHandler(p) // which is given the request again
		}
	case phaseOpen:
		c.watch(now)
	case phaseClosing:
		if now >= c.limit {
			c.end(ErrCloseTimeout)
		}
	}
	c.arm()
}

// arm sets the loop's timer to the first of the waits. Waits that move on with
// each byte are only looked at again when the timer fires.
func (c *Conn) arm() {
	at := c.limit
	switch c.phase {
	case phaseHead:
		if c.queued {
			at = min(at, loop.Now()+queuedPoll)
		}
	case phaseOpen:
		cfg := &c.server.cfg
		at = min(max(c.heard, c.pinged)+cfg.PingEvery, c.heard+cfg.PongWait)
		if c.halfway > 0 {
			at = min(at, c.halfway+cfg.FrameTimeout)
		}
		if c.wanted > 0 {
			at = min(at, c.wanted)
		}
	case phaseDone:
		at = 0
	}
	c.lc.SetTimer(at)
}

// watch keeps an open connection honest: a message held half sent, a dead peer,
// a silent one, then the handler's own timer.
func (c *Conn) watch(now time.Duration) {
	cfg := &c.server.cfg
	switch {
	case c.halfway > 0 && now >= c.halfway+cfg.FrameTimeout:
		c.fail(errFrameHeldOpen)
		return
	case now >= c.heard+cfg.PongWait:
		c.stats.dead.Add(1)
		c.end(ErrDead)
		return
	case now >= max(c.heard, c.pinged)+cfg.PingEvery:
		c.pinged, c.asked = now, true
		c.stats.pingsSent.Add(1)
		c.sendControl(ws.OpPing, nil)
	}
	if c.phase == phaseOpen && c.wanted > 0 && now >= c.wanted {
		c.wanted = 0
		c.handler.Timer(c, now)
	}
}

// headLate ends a peer that did not send its request head in time.
func (c *Conn) headLate() {
	e := reject(RejectHeadTimeout, http.StatusRequestTimeout, "request head took too long")
	if c.seen > 0 {
		c.refuse(e)
		return
	}
	// A connection opened ahead of use, as browsers do, asked nothing.
	c.stats.rejected[e.why].Add(1)
	c.end(e)
}

// end drops the connection at once, for a peer that would not hear more.
func (c *Conn) end(err error) {
	c.err = err
	c.phase = phaseDone
	c.parser = parser{}
	c.lc.Close(err)
}
