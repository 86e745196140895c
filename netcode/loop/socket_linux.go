package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What epoll is asked to watch for. Errors and hang-ups come unasked.
const (
	watchIn  = unix.EPOLLIN
	watchEnd = unix.EPOLLRDHUP
	watchOut = unix.EPOLLOUT
)

// handle acts on one event.
func (e *epoll) handle(c *Conn, events uint32) {
	if c.flags&(isClosed|isDeparting) != 0 {
		return
	}
	if c.flags&isConnecting != 0 {
		e.connected(c)
		return
	}
	if events&watchOut != 0 && c.flags&hasTail != 0 {
		e.flush(c)
	}
	if events&(watchIn|watchEnd|unix.EPOLLERR|unix.EPOLLHUP) == 0 || c.flags&isClosed != 0 {
		return
	}
	if c.flags&isFlushing == 0 {
		// The end of the stream too is met by reading to it: the last bytes come
		// first. Each event makes progress, so level triggering does not spin.
		e.read(c)
	} else if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		c.Close(socketError(int(c.fd)))
	}
}

func socketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case n == 0:
		return io.EOF
	}
	return unix.Errno(n)
}

// connected ends the dialling of c.
func (e *epoll) connected(c *Conn) {
	if err := socketError(int(c.fd)); !errors.Is(err, io.EOF) {
		c.Close(os.NewSyscallError("connect", err))
		return
	}
	c.flags &^= isConnecting
	if c.flags&hasTail != 0 {
		e.flush(c)
	} else if c.flags&isFlushing != 0 {
		c.linger()
		return
	}
	e.update(c)
}

// update tells epoll what c waits for now, if that changed.
func (e *epoll) update(c *Conn) {
	if want := c.interest(); want != c.armed && c.flags&isClosed == 0 {
		c.armed = want
		if err := e.control(unix.EPOLL_CTL_MOD, int(c.fd), uint32(want), makeHandle(c.slot, c.gen)); err != nil {
			c.Close(err)
		}
	}
}

func (c *Conn) interest() uint16 {
	if c.flags&(isFlushing|isConnecting) != 0 {
		return watchOut // no watchEnd: nothing would be read, and it would stay ready
	}
	want := uint16(watchEnd)
	if c.flags&isQuiet == 0 || c.flags&isLingering != 0 {
		want |= watchIn
	}
	if c.flags&hasTail != 0 {
		want |= watchOut
	}
	return want
}

// read implements transport. Pending bytes go in front of the new ones: copied
// into the loop's buffer while they are few, else read onto where they lie.
func (e *epoll) read(c *Conn) {
	pending := c.pending()
	k := len(pending)
	if k+leastRead > readBuffer {
		pending = slices.Grow(pending, readBuffer)
		c.side.pending = pending
		if n := e.recv(c, pending[k:cap(pending)]); n > 0 {
			c.side.pending = pending[:k+n]
			c.present(c.side.pending)
		}
		return
	}
	b := e.loop.takeBuffer()
	if n := e.recv(c, b[k:]); n > 0 && c.flags&isLingering == 0 {
		copy(b, pending)
		c.present(b[:k+n])
	}
	e.loop.giveBuffer(b)
}

// recv reads once into b. Nothing to read is 0; the end of the stream and
// errors are 0 and close c.
func (e *epoll) recv(c *Conn, b []byte) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	return e.received(c, int(n), errno)
}

// received follows a read that brought n bytes or errno.
func (e *epoll) received(c *Conn, n int, errno unix.Errno) int {
	stats := &e.loop.stats
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		stats.Again++
		return 0
	case c.flags&isLingering != 0 && (errno != 0 || n == 0):
		c.Close(nil)
		return 0
	case errno != 0:
		c.Close(os.NewSyscallError("recv", errno))
		return 0
	case n == 0:
		c.Close(io.EOF)
		return 0
	}
	stats.Reads++
	stats.BytesIn += uint64(n)
	return n
}

// send implements transport.
func (e *epoll) send(c *Conn, a, b []byte) (int, error) {
	n, err := e.writev(c, a, b, nil)
	if n > 0 && n < len(a)+len(b) {
		e.loop.stats.Partial++
	}
	return n, err
}

// writev writes the parts in one call, leaving out empty ones. Small parts are
// copied to one: a vector costs the kernel more than that.
func (e *epoll) writev(c *Conn, parts ...[]byte) (int, error) {
	var iov [3]unix.Iovec
	k, size := 0, 0
	var one []byte
	for _, p := range parts {
		if len(p) > 0 {
			one = p
			iov[k].Base = &p[0]
			iov[k].SetLen(len(p))
			k++
			size += len(p)
		}
	}
	if k > 1 && size <= len(e.joined) {
		one = e.joined[:0]
		for _, p := range parts {
			one = append(one, p...)
		}
		k = 1
	}
	var n uintptr
	var errno unix.Errno
	if k == 1 {
		n, errno = sendNow(c, one)
	} else {
		msg := unix.Msghdr{Iov: &iov[0]}
		msg.SetIovlen(k)
		n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&msg)), uintptr(c.sendFlags(size)))
	}
	stats := &e.loop.stats
	switch errno {
	case 0:
		stats.Writes++
		stats.BytesOut += uint64(n)
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		stats.Again++
		return 0, nil
	}
	return 0, os.NewSyscallError("send", errno)
}

// sendNow is send(2). It and recv(2) have less to look after than write(2) and read(2):
// a fifth of the time of a read.
func sendNow(c *Conn, b []byte) (uintptr, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		uintptr(c.sendFlags(len(b))), 0, 0)
	return n, errno
}

// controlListener prepares a socket of the goroutine engine that is to listen.
func controlListener(_, _ string, rc syscall.RawConn) error {
	return rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, maxSegment) // a hint
	})
}

// noWait are the flags of every send.
const noWait = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// sendFlags are those of a send of n bytes, which it counts. The kernel compares what it
// holds with SO_SNDBUF when it begins a piece of memory to gather sends in, which then
// grows to 64 KB beyond that. MSG_EOR ends it earlier.
func (c *Conn) sendFlags(n int) int {
	if c.segment += int32(min(n, segmentEnd)); c.segment < segmentEnd {
		return noWait
	}
	c.segment = 0
	return noWait | unix.MSG_EOR
}

// flush sends of the tail what the kernel takes.
func (e *epoll) flush(c *Conn) {
	p := c.side.tail.pieces()
	n, err := e.writev(c, p[0], p[1], p[2])
	if err != nil {
		c.Close(err)
		return
	}
	c.sent(n)
}

// endWrite implements transport.
func (e *epoll) endWrite(c *Conn) {
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.Close(nil) // the peer ended it first
	}
}

// depart implements transport.
func (e *epoll) depart(c *Conn, _ *Loop) {
	e.unhook(c)
}

// arrive implements transport.
func (e *epoll) arrive(c *Conn, _ *Loop) error {
	c.armed = c.interest()
	return e.control(unix.EPOLL_CTL_ADD, int(c.fd), uint32(c.armed), makeHandle(c.slot, c.gen))
}

// unhook implements transport. A connection that is not hooked is left alone by
// the kernel.
func (e *epoll) unhook(c *Conn) {
	unix.EpollCtl(e.fd, unix.EPOLL_CTL_DEL, int(c.fd), &unix.EpollEvent{})
	c.armed = 0
}

// end implements transport.
func (e *epoll) end(c *Conn) {
	if c.fd >= 0 {
		unix.Close(int(c.fd))
		c.fd = -1
	}
}

// detach implements transport. The copy that FileConn makes is the net.Conn's;
// ours, gone from epoll before, is closed.
func (e *epoll) detach(c *Conn) (net.Conn, []byte, error) {
	e.unhook(c)
	f := os.NewFile(uintptr(c.fd), "tcp")
	nc, err := net.FileConn(f)
	f.Close()
	c.fd = -1
	return nc, nil, err
}
