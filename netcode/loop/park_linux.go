package loop

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// park is a place in the runtime's poller where a goroutine waits for an epoll
// instance. The runtime watches an instance of its own, which watches the other only
// while somebody waits: otherwise each event would wake a thread for nothing.
type park struct {
	fd   int
	file *os.File // fd
	raw  syscall.RawConn
}

// newPark makes a place to wait for the epoll instance fd.
func newPark(fd int) (*park, error) {
	own, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = unix.SetNonblock(own, true) // else os.File does not wait for it
	if err == nil {
		err = unix.EpollCtl(own, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{})
	}
	if err != nil {
		unix.Close(own)
		return nil, fmt.Errorf("loop: nested epoll: %w", err)
	}
	p := &park{fd: own, file: os.NewFile(uintptr(own), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails where the runtime's poller does not have it
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("loop: nested epoll: %w", err)
	}
	return p, nil
}

// wait calls ready until it is true or fails, whenever fd may have events, for d at
// most.
func (p *park) wait(fd int, d time.Duration, ready func() (bool, error)) error {
	if err := p.file.SetReadDeadline(time.Now().Add(d)); err != nil {
		return fmt.Errorf("loop: %w", err)
	}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	var done bool
	var failed error
	err := p.raw.Read(func(uintptr) bool {
		done, failed = ready()
		return done || failed != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	off := unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{})
	return errors.Join(failed, err, off)
}

func (p *park) close() { p.file.Close() }
