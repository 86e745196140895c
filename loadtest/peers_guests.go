package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

const (
	// dialsAtOnce bounds the connections that are not answered yet.
	dialsAtOnce = 500
	// dialPoll is the time between two looks at them.
	dialPoll = 5 * time.Millisecond
	// beatEvery is the time between two reads: a slot of the loop.
	beatEvery = time.Millisecond
)

// party is the clients of one server in a peers run, whichever server that is: they
// send inputs and count frames, and decode none.
type party struct {
	addr  string
	loop  *loop.Loop
	ended chan error

	// Of the loop:
	guests  []*guest
	pace    *loop.Task
	ready   int
	lost    int
	why     error // of the first guest that was lost
	measure bool
	leaving bool
	frames  int64
	bytes   int64
}

func newParty(addr string) (*party, error) {
	l, err := loop.New(loop.Config{})
	if err != nil {
		return nil, err
	}
	p := &party{addr: addr, loop: l, ended: make(chan error, 1)}
	l.Add(beat{})
	go func() { p.ended <- l.Run() }()
	return p, nil
}

// beat keeps a loop reading once each slot. A loop that slept between two frames of a
// burst would be woken by the server's writes, each at the server's cost: more often
// the slower the server is, and never where clients are on machines of their own.
type beat struct{}

// Advance implements loop.Driver.
func (beat) Advance(now time.Duration) time.Duration { return now + beatEvery }

// connect brings in n guests, some at a time, and waits until all are ready.
func (p *party) connect(ctx context.Context, n int, of func(i int) *guest) error {
	deadline := time.Now().Add(connectTimeout)
	dialled, start := 0, 0
	on(p.loop, func() { start = p.ready })
	for {
		var ready int
		var err error
		on(p.loop, func() {
			ready = p.ready - start
			for ; dialled < n && dialled-ready < dialsAtOnce && err == nil; dialled++ {
				err = p.dial(of(dialled))
			}
		})
		if err := errors.Join(err, p.failure()); err != nil {
			return err
		}
		if ready == n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d connections are answered within %v", ready, n, connectTimeout)
		}
		if err := wait(ctx, dialPoll); err != nil {
			return err
		}
	}
}

func (p *party) dial(g *guest) error {
	g.party = p
	c, err := p.loop.Dial(p.addr, g)
	if err != nil {
		return err
	}
	g.conn = c
	p.guests = append(p.guests, g)
	return c.Write(upgradeRequest(p.addr))
}

// play has the guests that are there send inputs.
func (p *party) play(rate float64) {
	on(p.loop, func() {
		if p.pace != nil {
			p.pace.Remove()
		}
		p.pace = p.loop.Add(newPacer(p.guests, rate))
	})
}

// count starts or ends counting and returns what was counted.
func (p *party) count(start bool) (frames, bytes int64) {
	on(p.loop, func() {
		frames, bytes = p.frames, p.bytes
		p.measure, p.frames, p.bytes = start, 0, 0
	})
	return frames, bytes
}

// failure says whether guests were lost.
func (p *party) failure() (err error) {
	on(p.loop, func() {
		if p.lost > 0 {
			err = fmt.Errorf("%d of %d connections were lost, the first: %w", p.lost, len(p.guests), p.why)
		}
	})
	return err
}

func (p *party) stop() {
	on(p.loop, func() { p.leaving = true })
	p.loop.Stop()
	<-p.ended
}

// guest is one client. It belongs to its party's loop.
type guest struct {
	party    *party
	conn     *loop.Conn
	hello    []byte                  // first message; nil for none, and then an upgrade is all there is to wait for
	input    func(dst []byte) []byte // appends the next input; nil for those who watch
	upgraded bool
	ready    bool
	out, msg []byte
}

// Read implements loop.Handler.
func (g *guest) Read(c *loop.Conn, b []byte) int {
	used := 0
	if !g.upgraded {
		n, err := cutHead(b)
		if n == 0 || err != nil {
			if err != nil {
				c.Close(err)
			}
			return 0
		}
		used, g.upgraded = n, true
		if g.hello == nil {
			g.arrive()
		} else if err := c.Write(appendFrame(nil, opBinary, g.hello)); err != nil {
			c.Close(err)
			return used
		}
	}
	for {
		op, payload, n := cutFrame(b[used:])
		if n == 0 {
			return used
		}
		used += n
		switch op {
		case opPing:
			c.Write(appendFrame(nil, opPong, payload))
		case opClose:
			c.Close(errors.New("the server closed"))
			return used
		case opBinary:
			g.arrive()
			if g.party.measure {
				g.party.frames++
				g.party.bytes += int64(len(payload))
			}
		}
	}
}

func (g *guest) arrive() {
	if !g.ready {
		g.ready = true
		g.party.ready++
	}
}

// Timer implements loop.Handler; guests set none.
func (g *guest) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (g *guest) Closed(_ *loop.Conn, err error) {
	p := g.party
	if p.leaving {
		return
	}
	if p.lost++; p.why == nil {
		p.why = err
	}
	if p.why == nil {
		p.why = errors.New("the server closed")
	}
}

// send implements sender.
func (g *guest) send(time.Duration) {
	if g.input == nil || !g.ready {
		return
	}
	g.msg = g.input(g.msg[:0])
	g.out = appendFrame(g.out[:0], opBinary, g.msg)
	g.conn.Write(g.out)
}
