package loop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// listener is a listening socket of a loop. It lives as long as the loop.
type listener struct {
	fd      int
	reserve int // a descriptor to give up when there are none left; -1 is none
	at      handle
	resume  time.Duration // when a resting listener goes on; 0 is not resting
	accept  func(*Conn) Handler
}

func (ln *listener) close() {
	unix.Close(ln.fd)
	if ln.reserve >= 0 {
		unix.Close(ln.reserve)
	}
}

// listen implements Loop.Listen. The socket listens when it returns; the loop
// takes it over by mail.
func (e *epoll) listen(addr string, accept func(*Conn) Handler) (net.Addr, error) {
	fd, local, err := e.listenSocket(addr)
	if err != nil {
		return nil, fmt.Errorf("loop: listen on %s: %w", addr, err)
	}
	ln := &listener{fd: fd, reserve: openReserve(), accept: accept}
	if !e.loop.Post(func() { e.addListener(ln) }) {
		ln.close()
		return nil, ErrMailboxFull
	}
	return local, nil
}

func (e *epoll) addListener(ln *listener) {
	e.listeners = append(e.listeners, ln)
	ln.at = makeHandle(uint32(len(e.listeners)), 0)
	if err := e.control(unix.EPOLL_CTL_ADD, ln.fd, unix.EPOLLIN, ln.at); err != nil {
		e.loop.fail(err)
	}
}

// openReserve returns -1 when there is no descriptor left even now.
func openReserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

func (e *epoll) listenSocket(addr string) (int, net.Addr, error) {
	want, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return -1, nil, err
	}
	ip, _ := netip.AddrFromSlice(want.IP)
	families := []netip.Addr{ip.Unmap().WithZone(want.Zone)}
	// All addresses: one socket for both families, or IPv4 where IPv6 is off. Package net
	// takes [::] for that too.
	if !ip.IsValid() || ip == netip.IPv6Unspecified() {
		families = []netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}
	}
	fd := -1
	for _, ip := range families {
		fd, err = e.bind(netip.AddrPortFrom(ip, uint16(want.Port)), len(families) > 1)
		if err == nil || errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return -1, nil, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return -1, nil, os.NewSyscallError("getsockname", err)
	}
	return fd, net.TCPAddrFromAddrPort(addrPort(sa)), nil
}

// bind makes a listening socket with the options that its connections inherit.
func (e *epoll) bind(at netip.AddrPort, bothFamilies bool) (fd int, err error) {
	family, sa := sockaddr(at)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if family == unix.AF_INET6 {
		only := 1
		if bothFamilies {
			only = 0
		}
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, os.NewSyscallError("setsockopt", err)
	}
	if err = e.setOptions(fd); err != nil {
		return -1, err
	}
	if err = unix.Bind(fd, sa); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// accept takes the connections that wait on ln, a bounded number, so that a
// storm of them leaves time for the others.
func (e *epoll) accept(ln *listener) {
	if ln.resume != 0 {
		return
	}
	for range acceptsPerWake {
		fd, sa, err := unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			e.accepted(ln, fd, addrPort(sa))
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			switch err := e.refuse(ln); {
			case errors.Is(err, unix.EAGAIN):
				return
			case err != nil:
				e.pause(ln, err)
				return
			}
		case passing(err):
		default:
			e.pause(ln, err)
			return
		}
	}
}

// passing reports whether err concerns one connection only: accept(2) hands
// over the network errors that it already met.
func passing(err error) bool {
	for _, e := range [...]unix.Errno{
		unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENOPROTOOPT,
		unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ETIMEDOUT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (e *epoll) accepted(ln *listener, fd int, remote netip.AddrPort) {
	l := e.loop
	c := newConn(l, e, fd, remote)
	if err := l.admit(c); err != nil {
		unix.Close(fd)
		l.stats.Refused++
		return
	}
	l.stats.Accepts++
	h := ln.accept(c)
	if h == nil {
		c.Close(nil)
		return
	}
	c.handler = h
}

// refuse accepts a connection with the reserve descriptor and closes it: its
// peer learns at once that there is no room, and the listener does not stay
// ready for ever.
func (e *epoll) refuse(ln *listener) error {
	if ln.reserve < 0 {
		return unix.EMFILE
	}
	unix.Close(ln.reserve)
	fd, _, err := unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err == nil {
		unix.Close(fd)
		e.loop.stats.Refused++
	}
	ln.reserve = openReserve()
	return err
}

// pause lets ln rest: the error would only come again.
func (e *epoll) pause(ln *listener, err error) {
	e.loop.stats.Pauses++
	e.loop.cfg.Log.Warn("listener rests", "loop", e.loop.cfg.ID, "for", acceptPause, "err", err)
	ln.resume = Now() + acceptPause
	if err := e.control(unix.EPOLL_CTL_MOD, ln.fd, 0, ln.at); err != nil {
		e.loop.fail(err)
	}
}

// resume implements engine.
func (e *epoll) resume() time.Duration {
	first := Never
	for _, ln := range e.listeners {
		if ln.resume != 0 {
			first = min(first, ln.resume)
		}
	}
	return first
}

func (e *epoll) resumeListeners() {
	for _, ln := range e.listeners {
		if ln.resume == 0 || ln.resume > Now() {
			continue
		}
		ln.resume = 0
		if ln.reserve < 0 {
			ln.reserve = openReserve()
		}
		if err := e.control(unix.EPOLL_CTL_MOD, ln.fd, unix.EPOLLIN, ln.at); err != nil {
			e.loop.fail(err)
		}
	}
}

func sockaddr(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a.Addr().Unmap().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	sa6 := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if ifi, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		sa6.ZoneId = uint32(ifi.Index)
	}
	return unix.AF_INET6, sa6
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
