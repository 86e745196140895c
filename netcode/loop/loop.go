package loop

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// Loop is one event loop. Post, Stop, Listen, Attach and ID may be called from
// any goroutine; everything else belongs to the goroutine inside Run.
type Loop struct {
	cfg    Config
	engine engine
	mail   mailbox
	state  atomic.Int32

	beat atomic.Uint64 // passes, for Watch
	idle atomic.Bool   // in the ordinary wait, or not running

	slots    slots
	wheel    wheel
	tasks    taskHeap
	due      []*Task
	ending   []*Conn // connections that settle has to look at
	dead     []*Conn // of those, finished, their sockets to be freed
	sides    []*side
	buffers  [][]byte
	readings []reading // the last is the innermost
	slotEnd  time.Duration
	toRead   []*Conn // by ReadSoon
	batch    batcher // nil: each read and send is a call of its own, always
	busyOut  int     // closed connections whose writer goroutine is not done

	advancing bool // inside runTasks
	stopping  bool
	failure   error
	stats     Stats
}

// States of a Loop.
const (
	stateNew int32 = iota
	stateRunning
	stateEnded
)

// engine is what a loop waits on. wake may be called from any goroutine,
// listen and dial by whom Loop.Listen and Loop.Dial allow, the rest by the loop.
type engine interface {
	kind() Engine
	wake()
	// wait blocks until there is something to poll, wake is called, or d passed.
	wait(d time.Duration) error
	// nap waits d, a slot at most, without giving up the processor.
	nap(d time.Duration)
	// poll handles what is ready without waiting.
	poll() error
	// resume is when the engine wants to be polled though nothing is ready.
	resume() time.Duration
	listen(addr string, accept func(*Conn) Handler) (net.Addr, error)
	dial(addr string, h Handler) (*Conn, error)
	// unlisten ends the listeners, close all the rest.
	unlisten()
	close()
}

// batcher does many reads or sends by one call to the kernel.
type batcher interface {
	// works reports whether it takes anything. Once false it stays so; what it took
	// before is done all the same.
	works() bool
	// offer takes an Offer, if it is one for a batch; flush sends what was taken.
	offer(c *Conn, private []byte, shared Buffer, b []byte) bool
	flush()
	// read reads the connections and presents what came. What is read of c and not
	// presented yet, claim puts to its pending bytes; it reports whether there was any.
	read(list []*Conn)
	claim(c *Conn) bool
}

// New makes a loop. It holds a few descriptors until it has run and stopped, or
// Stop is called.
func New(cfg Config) (*Loop, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &Loop{cfg: cfg}
	l.wheel.done = int64(Now() / wheelSlot)
	l.idle.Store(true)
	e, err := newEngine(l)
	if err != nil {
		return nil, fmt.Errorf("loop: %v engine: %w", cfg.Engine, err)
	}
	l.engine = e
	l.mail.limit, l.mail.wake = cfg.Mailbox, e.wake
	return l, nil
}

func newEngine(l *Loop) (engine, error) {
	if l.cfg.Engine == EngineStd {
		return newStd(l), nil
	}
	e, err := newEpoll(l)
	if err != nil && l.cfg.Engine == EngineAuto {
		return newStd(l), nil
	}
	return e, err
}

// ID is Config.ID.
func (l *Loop) ID() int { return l.cfg.ID }

// Engine is the engine in use, never EngineAuto.
func (l *Loop) Engine() Engine { return l.engine.kind() }

// Uring reports whether sends and reads go through an io_uring. It is called on the
// loop's goroutine, or before Run.
func (l *Loop) Uring() bool { return l.batch != nil && l.batch.works() }

// Run makes the calling goroutine the loop until Stop. It returns an error when
// the poller failed, after closing everything as Stop does, or when it is
// called twice.
func (l *Loop) Run() error {
	if !l.state.CompareAndSwap(stateNew, stateRunning) {
		if l.state.Load() == stateEnded {
			return nil
		}
		return errors.New("loop: Run called twice")
	}
	l.idle.Store(false)
	for !l.stopping {
		l.pass()
	}
	l.shutdown()
	return l.failure
}

// Stop ends the loop: what was posted before still runs, then every connection
// is closed (ErrStopped), and Run returns. It does not wait for that.
func (l *Loop) Stop() {
	l.mail.stop()
	if l.state.CompareAndSwap(stateNew, stateEnded) {
		l.shutdown()
	}
}

// Post has the loop run fn soon. False means that the mailbox is full or the
// loop stopped, and fn does not run; after true it does, if the loop runs.
func (l *Loop) Post(fn func()) bool { return l.mail.post(posted(fn), true) }

// Must is Post for what may not be lost: a full mailbox takes it too, and in order with
// what was posted. The caller bounds how much of it can wait. False means that the loop
// has ended.
func (l *Loop) Must(fn func()) bool { return l.mail.post(posted(fn), false) }

// Listen accepts TCP connections at addr ("host:port", port 0 for any free
// one) and returns the address in use. accept runs on the loop for each; the
// connection has TCP_NODELAY, and a nil Handler closes it. A lack of
// descriptors is counted and waited out, and never ends the listener.
func (l *Loop) Listen(addr string, accept func(*Conn) Handler) (net.Addr, error) {
	return l.engine.listen(addr, accept)
}

// Dial opens a TCP connection to a numeric address ("127.0.0.1:80"). It is
// called on the loop's goroutine and does not wait: what is written before the
// connection stands is kept within Config.MaxTail, and a failure arrives in
// h.Closed unless it is known at once. A loop that stops does not dial (ErrStopped).
func (l *Loop) Dial(addr string, h Handler) (*Conn, error) {
	if l.stopping {
		return nil, ErrStopped
	}
	return l.engine.dial(addr, h)
}

// Stats are the loop's counters. It is called on the loop's goroutine, or after
// Run returned.
func (l *Loop) Stats() Stats {
	s := l.stats
	s.MailFull = l.mail.refusals()
	return s
}

// pass is one round. Input is read before tasks run, so that a tick sees what
// came until its slot.
func (l *Loop) pass() {
	l.rest()
	l.beat.Add(1)
	l.stats.Passes++
	if err := l.engine.poll(); err != nil {
		l.fail(err)
	}
	l.settle()
	l.deliver()
	l.wheel.advance(l, Now())
	l.settle()
	l.runTasks()
	l.settle()
}

func (l *Loop) fail(err error) {
	l.failure = fmt.Errorf("loop: poll: %w", err)
	l.stopping = true
}

// rest waits until something may be due: to the next slot while a task nears
// its deadline, else in the ordinary wait.
func (l *Loop) rest() {
	now, due := Now(), l.tasks.next()
	horizon := slotHorizon
	if l.Uring() {
		horizon = uringHorizon
	}
	if due-now <= horizon && l.engine.kind() == EngineEpoll {
		l.restInSlot()
		return
	}
	if l.engine.kind() == EngineEpoll && due != Never {
		due -= slot // the rest in slots
	}
	d := min(min(due, l.wheel.next(), l.engine.resume())-now, longestWait)
	if d <= 0 || !l.mail.sleep(false) {
		return
	}
	l.idle.Store(true)
	err := l.engine.wait(d)
	l.idle.Store(false)
	l.mail.awake()
	if err != nil {
		l.fail(err)
	}
}

// restInSlot waits for the end of the slot. Other goroutines get the processor
// once for each slot, and whenever a signal (the garbage collector's or the
// scheduler's) ends a nap early.
func (l *Loop) restInSlot() {
	runtime.Gosched()
	now := Now()
	for now < l.slotEnd {
		l.engine.nap(l.slotEnd - now)
		if now = Now(); now < l.slotEnd {
			runtime.Gosched()
			now = Now()
		}
	}
	l.slotEnd = soonest(now)
}

// flush sends what waits in the batch.
func (l *Loop) flush() {
	if l.batch != nil {
		l.batch.flush()
	}
}

// readListed reads the connections of ReadSoon.
func (l *Loop) readListed() {
	list := l.toRead
	l.toRead = nil
	switch {
	case len(list) > 1 && l.batch != nil:
		l.batch.read(list)
	default:
		for _, c := range list {
			if c.flags&isToRead != 0 {
				c.flags &^= isToRead
				c.ReadNow()
			}
		}
	}
	clear(list)
	l.toRead = append(list[:0], l.toRead...) // handlers may have asked for more
}

// deliver runs the mail that is there now.
func (l *Loop) deliver() {
	batch, stopped := l.mail.take()
	for _, m := range batch {
		m.deliver(l)
		l.settle()
	}
	l.stats.Mail += uint64(len(batch))
	l.stopping = l.stopping || stopped
}

// shutdown closes everything. Mail is delivered to the end, since connections
// under way to this loop are in it.
func (l *Loop) shutdown() {
	l.idle.Store(true) // what is left is bounded
	l.stopping = true
	l.mail.stop()
	l.deliver()
	for i := range l.slots.all {
		if c := l.slots.all[i].conn; c != nil {
			c.Close(ErrStopped)
		}
	}
	l.settle()
	l.engine.unlisten()
	for end := Now() + stopWait; l.busyOut > 0 && Now() < end; l.deliver() {
		if l.mail.sleep(true) {
			_ = l.engine.wait(end - Now()) // a failed poller is nothing new here
			l.mail.awake()
			_ = l.engine.poll()
		}
	}
	l.mail.close()
	l.deliver()
	l.engine.close()
	l.state.Store(stateEnded)
}
