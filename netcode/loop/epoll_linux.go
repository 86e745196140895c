package loop

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the engine of EngineEpoll: one epoll instance, level triggered, and
// an eventfd that ends its ordinary wait. It is also the transport of every
// connection on it (socket_linux.go).
//
// Calls on non-blocking descriptors never sleep, so they are raw: the scheduler
// is not told of them, which saves a third of their cost.
type epoll struct {
	loop      *Loop
	fd        int
	eventFD   int
	events    [eventsPerPoll]unix.EpollEvent
	ready     int         // events that wait brought and poll has not handled
	listeners []*listener // event data: generation 0, slot = index + 1; slot 0 is the eventfd
	park      *park
	batch     *batch // nil without Config.Uring, or where there is none
	joined    [joinedSend]byte
}

func newEpoll(l *Loop) (engine, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	e := &epoll{loop: l, fd: fd, eventFD: event}
	if err = e.control(unix.EPOLL_CTL_ADD, event, unix.EPOLLIN, 0); err == nil {
		e.park, err = newPark(fd)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	if l.cfg.Uring {
		e.openBatch()
	}
	return e, nil
}

func (e *epoll) openBatch() {
	q, err := newBatch(e)
	if err != nil {
		e.loop.cfg.Log.Warn("no io_uring here, system calls are used instead", "loop", e.loop.cfg.ID, "err", err)
		return
	}
	e.batch, e.loop.batch = q, q
}

func (e *epoll) kind() Engine { return EngineEpoll }

func (e *epoll) control(op, fd int, events uint32, h handle) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(uint32(h)), Pad: int32(uint32(h >> 32))}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(e.fd, op, fd, &ev))
}

// wake is called with the mailbox locked and not closed, so eventFD is ours.
func (e *epoll) wake() {
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(e.eventFD), uintptr(unsafe.Pointer(&one)), 8)
}

func (e *epoll) drainEvent() {
	var n uint64
	unix.RawSyscall(unix.SYS_READ, uintptr(e.eventFD), uintptr(unsafe.Pointer(&n)), 8)
}

// take asks the kernel for events without waiting.
func (e *epoll) take() error {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd),
		uintptr(unsafe.Pointer(&e.events[0])), eventsPerPoll, 0, 0, 0)
	if errno != 0 {
		e.ready = 0
		if errno == unix.EINTR {
			return nil
		}
		return os.NewSyscallError("epoll_pwait", errno)
	}
	e.ready = int(n)
	return nil
}

// wait parks the goroutine until there are events or d is over. A wait in a system
// call would hold a thread, and each time have the runtime's monitor look for
// threads that hang, every 20 us.
func (e *epoll) wait(d time.Duration) error {
	if err := e.take(); err != nil || e.ready > 0 {
		return err
	}
	return e.park.wait(e.fd, d, func() (bool, error) {
		err := e.take()
		return e.ready > 0, err
	})
}

// nap is a raw sleep: it keeps the processor, which a slot's wait is too short
// to be worth giving up for. Signals end it early.
func (e *epoll) nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(min(d, slot)))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

func (e *epoll) poll() error {
	e.resumeListeners()
	for range pollsPerPass {
		if e.ready == 0 {
			if err := e.take(); err != nil {
				return err
			}
		}
		n := e.ready
		e.ready = 0
		for i := range n {
			e.dispatch(&e.events[i])
		}
		if n < eventsPerPoll {
			break
		}
	}
	return nil
}

func (e *epoll) dispatch(ev *unix.EpollEvent) {
	slot, gen := uint32(ev.Fd), uint32(ev.Pad)
	switch {
	case gen != 0:
		if c := e.loop.slots.get(makeHandle(slot, gen)); c != nil {
			e.handle(c, ev.Events)
		}
	case slot == 0:
		e.drainEvent()
	case int(slot) <= len(e.listeners):
		e.accept(e.listeners[slot-1])
	}
}

func (e *epoll) unlisten() {
	for _, ln := range e.listeners {
		ln.close()
	}
	e.listeners = nil
}

func (e *epoll) close() {
	if e.batch != nil {
		e.batch.close()
	}
	if e.park != nil {
		e.park.close()
	}
	unix.Close(e.eventFD)
	unix.Close(e.fd)
}

// dial implements Loop.Dial.
func (e *epoll) dial(addr string, h Handler) (*Conn, error) {
	remote, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	family, sa := sockaddr(remote)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err = e.setOptions(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := newConn(e.loop, e, fd, remote)
	c.handler = h
	switch err = unix.Connect(fd, sa); {
	case errors.Is(err, unix.EINPROGRESS):
		c.flags |= isConnecting
	case err != nil:
		unix.Close(fd)
		return nil, fmt.Errorf("loop: dial %s: %w", addr, os.NewSyscallError("connect", err))
	}
	if err = e.loop.admit(c); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

// setOptions sets what every connection has. Accepted sockets inherit it from
// their listener.
func (e *epoll) setOptions(fd int) error {
	cfg := &e.loop.cfg
	for _, o := range [...]struct {
		level, name, value int
		required           bool
	}{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, true},
		{unix.IPPROTO_TCP, unix.TCP_MAXSEG, maxSegment, false},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, cfg.SendBuffer, false},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, cfg.NotSentLowat, false},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.UserTimeout / time.Millisecond), false},
	} {
		if o.value < 0 {
			continue
		}
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil && o.required {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}
