package server

import (
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/wire"
)

// public is what a room shows to those who only watch, over HTTP: the room's
// observer, and the loop.Driver of its log. All of it belongs to the room's loop.
// The log outlives the room until its delayed readers have seen the end.
type public struct {
	host *hosted
	log  *sse.Log
	task *loop.Task
	over bool
}

// public is the room's, made for the first who asks. It is nil when the room has
// ended without anybody watching.
func (h *hosted) public() *public {
	at := h.at()
	if h.pub != nil && !h.pub.over || at.Ended() {
		return h.pub
	}
	if at.edge != nil && !at.edge.Ready() {
		return nil
	}
	p := &public{host: h}
	opts := h.kind.Options()
	p.log = sse.NewLog(sse.Config{
		Room: h.id, Schema: at.Schema(), SchemaHash: at.Schema().Hash(), Epoch: at.Epoch(),
		View: at.Public(), Rate: h.srv.cfg.SpectateRate, MinDelay: opts.SpectateDelay, Wake: p.wake, Log: h.srv.cfg.Log,
	}, at.Ring())
	p.task = h.loop.Add(p)
	h.pub = p
	at.SetObserver(p)
	return p
}

// Observe implements room.Observer.
func (p *public) Observe(now time.Duration) { p.log.Observe(now) }

// Readers implements room.Observer.
func (p *public) Readers() int { return p.log.Readers() }

// End implements room.Observer.
func (p *public) End(code wire.Code, text string, retry time.Duration) {
	if text == "" {
		text = code.String()
	}
	if code != wire.ByeShutdown {
		retry = 0
	}
	p.over = true
	p.log.End(loop.Now(), text, retry)
}

func (p *public) wake() {
	if p.task != nil {
		p.task.Wake()
	}
}

// Advance implements loop.Driver.
func (p *public) Advance(now time.Duration) time.Duration {
	next := p.log.Advance(now)
	if p.over && !p.log.Watching() {
		p.task.Remove()
		if p.host.pub == p {
			p.host.pub = nil
			p.host.srv.dir.forget(p.host)
		}
		p.host.srv.stats.forLoop(p.host.loop).logEnded(p.log.Stats())
		return loop.Never
	}
	return next
}
