package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

const (
	// maxPayload is what the two-byte length of a frame can tell, in bytes.
	maxPayload = 1<<16 - 1
	// maxHead bounds a request head, in bytes.
	maxHead = 4 << 10
	// patterns is how many different frames there are, so that viewers are not
	// sent the same bytes each tick.
	patterns = 16
	backlog  = 4096
)

// loop belongs to the goroutine that calls tick.
type loop struct {
	listener int
	greeting map[int][]byte // request heads that are not complete, by socket
	viewers  []int          // sockets that frames are sent to
	frames   [patterns][]byte
	ticks    int
	refused  int // frames that a full socket did not take
}

// listen returns a loop on a free port.
func listen(size int) (*loop, int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("socket: %w", err)
	}
	l := &loop{listener: fd, greeting: map[int][]byte{}}
	for i := range l.frames {
		l.frames[i] = makeFrame(size, byte(i))
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, 0, fmt.Errorf("bind: %w", err)
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, 0, fmt.Errorf("listen: %w", err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, 0, fmt.Errorf("getsockname: %w", err)
	}
	return l, at.(*syscall.SockaddrInet4).Port, nil
}

// makeFrame is one binary frame of a server (RFC 6455 section 5.2).
func makeFrame(size int, fill byte) []byte {
	f := []byte{0x82, byte(size)}
	if size > 125 {
		f = binary.BigEndian.AppendUint16([]byte{0x82, 126}, uint16(size))
	}
	return append(f, bytes.Repeat([]byte{fill}, size)...)
}

// tick lets in who has come and sends a frame to everyone.
func (l *loop) tick() error {
	if err := l.accept(); err != nil {
		return err
	}
	for fd, head := range l.greeting {
		l.greet(fd, head)
	}
	l.deliver(l.frames[l.ticks%patterns])
	l.ticks++
	return nil
}

func (l *loop) accept() error {
	for {
		fd, _, err := syscall.Accept4(l.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		switch {
		case err == nil:
			syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
			l.greeting[fd] = nil
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.ECONNABORTED):
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

// greet answers a request head once it is complete.
func (l *loop) greet(fd int, head []byte) {
	var buf [maxHead]byte
	n, err := syscall.Read(fd, buf[:])
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return
	}
	if head = append(head, buf[:max(n, 0)]...); err != nil || n == 0 || len(head) > maxHead {
		delete(l.greeting, fd)
		syscall.Close(fd)
		return
	}
	if l.greeting[fd] = head; !bytes.Contains(head, []byte("\r\n\r\n")) {
		return
	}
	delete(l.greeting, fd)
	if _, err := syscall.Write(fd, switched(head)); err != nil {
		syscall.Close(fd)
		return
	}
	l.viewers = append(l.viewers, fd)
}

// switched is the answer to an upgrade (RFC 6455 section 4.2.2).
func switched(head []byte) []byte {
	_, key, _ := bytes.Cut(head, []byte("Sec-WebSocket-Key: "))
	key, _, _ = bytes.Cut(key, []byte("\r\n"))
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
}

// deliver is what is measured. A write to a non-blocking socket never sleeps, so
// the runtime need not be told of it, which would cost a third more.
func (l *loop) deliver(frame []byte) {
	here := l.viewers[:0]
	for _, fd := range l.viewers {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		switch {
		case errno == syscall.EAGAIN:
			l.refused++
		case errno != 0 || int(n) < len(frame):
			syscall.Close(fd)
			continue
		}
		here = append(here, fd)
	}
	l.viewers = here
}
