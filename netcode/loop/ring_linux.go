package loop

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is an io_uring (io_uring(7)) used as one system call in place of many: what
// is submitted may not wait (MSG_DONTWAIT), so that all of it is complete when
// submit returns. Between two submits the kernel holds no operation, no buffer and
// no descriptor of ours, which is all there is to the lifetime of any of them.
//
// It belongs to a loop's goroutine, not to a thread: IORING_SETUP_SINGLE_ISSUER
// would bind it to one, and saves nothing where no work is left for later.
type ring struct {
	fd     int
	queued int // operations that wait for submit
	// results are those of the operations of the last submit, in their order: what
	// the system call of that name returns, or the negative errno; notSubmitted for
	// those that the kernel never saw.
	results []int32

	head, tail     *uint32 // of the submission queue: the kernel's, ours
	mask           uint32
	entries        []submission
	doneHead, done *uint32 // of the completion queue: ours, the kernel's
	doneMask       uint32
	completions    []completion
	memory         [][]byte
	// pointed are what the queued operations point to. The compiler sees no pointer in
	// theirs: it would leave a buffer on a stack, which moves.
	pointed []*byte
}

// submission is struct io_uring_sqe, completion io_uring_cqe, of linux/io_uring.h.
type submission struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	off, addr     uint64
	len, msgFlags uint32
	userData      uint64
	_             [3]uint64
}

type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqCPU, sqIdle, features, wqFD uint32
	_                                                          [3]uint32
	sq                                                         struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	cq                                                         struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

const (
	opSend = 26 // IORING_OP_SEND, Linux 5.6
	opRecv = 27 // IORING_OP_RECV, Linux 5.6

	setupClamp     = 1 << 4 // IORING_SETUP_CLAMP
	enterGetEvents = 1 << 0 // IORING_ENTER_GETEVENTS
	featSingleMmap = 1 << 0 // IORING_FEAT_SINGLE_MMAP
	offSubmissions = 0x10000000

	// notSubmitted is no result: those are errnos and lengths.
	notSubmitted = math.MinInt32
	// submitTries bounds the attempts at a submit that makes no progress.
	submitTries = 8
)

var errRingWaits = errors.New("loop: io_uring completes sends or receives that may not wait otherwise than the calls do")

// newRing makes a ring for n operations at once, at least 3, and tries it out: a
// kernel or a sandbox may have the calls and not what is needed of them.
func newRing(n int) (*ring, error) {
	p := ringParams{flags: setupClamp}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &ring{fd: int(fd)}
	if err := r.mapQueues(&p); err != nil {
		r.close()
		return nil, err
	}
	if err := r.try(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) mapQueues(p *ringParams) error {
	if p.features&featSingleMmap == 0 {
		return errors.New("loop: the kernel's io_uring is older than Linux 5.4")
	}
	length := max(p.sq.array+4*p.sqEntries, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	queues, err := r.mmap(0, int(length))
	if err != nil {
		return err
	}
	submissions, err := r.mmap(offSubmissions, int(p.sqEntries)*int(unsafe.Sizeof(submission{})))
	if err != nil {
		return err
	}
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&queues[off])) }
	r.head, r.tail, r.mask = word(p.sq.head), word(p.sq.tail), *word(p.sq.mask)
	r.doneHead, r.done, r.doneMask = word(p.cq.head), word(p.cq.tail), *word(p.cq.mask)
	r.entries = unsafe.Slice((*submission)(unsafe.Pointer(&submissions[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&queues[p.cq.cqes])), p.cqEntries)
	r.results = make([]int32, p.sqEntries)
	r.pointed = make([]*byte, p.sqEntries)
	for i, array := 0, unsafe.Slice(word(p.sq.array), p.sqEntries); i < len(array); i++ {
		array[i] = uint32(i) // an operation's place is its entry, always
	}
	return nil
}

func (r *ring) mmap(offset int64, length int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r.memory = append(r.memory, b)
	return b, nil
}

// try sends and receives on sockets of its own, full and empty ones too.
func (r *ring) try() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	in := make([]byte, 8)
	r.recv(pair[1], in)
	r.send(pair[0], []byte("io_uring"), noWait)
	r.recv(pair[1], in)
	if err := r.submit(); err != nil {
		return err
	}
	if r.results[0] != -int32(unix.EAGAIN) || r.results[1] != 8 || r.results[2] != 8 || string(in) != "io_uring" {
		return fmt.Errorf("%w: %v", errRingWaits, r.results[:3])
	}
	return nil
}

// full reports whether there is no room for another operation.
func (r *ring) full() bool { return r.queued == len(r.entries) }

// send and recv queue an operation; the caller sees to it that the ring is not
// full, that b is not empty, and that b and fd stay as they are until submit returns.
func (r *ring) send(fd int, b []byte, flags int) { r.push(opSend, fd, b, uint32(flags)) }
func (r *ring) recv(fd int, b []byte)            { r.push(opRecv, fd, b, unix.MSG_DONTWAIT) }

func (r *ring) push(opcode uint8, fd int, b []byte, flags uint32) {
	first := &b[0]
	r.pointed[r.queued] = first
	e := &r.entries[(*r.tail+uint32(r.queued))&r.mask]
	*e = submission{
		opcode: opcode, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(first))), len: uint32(len(b)),
		msgFlags: flags, userData: uint64(r.queued),
	}
	r.queued++
}

// submit has the kernel do what is queued and fills results. An error says that the
// ring is of no use any more; operations may be left, as notSubmitted.
//
// The call is not raw: a batch takes up to milliseconds.
func (r *ring) submit() error {
	n := r.queued
	r.queued = 0
	for i := range n {
		r.results[i] = notSubmitted
	}
	atomic.StoreUint32(r.tail, *r.tail+uint32(n))
	for sent, seen, tries := 0, 0, 0; ; tries++ {
		wait, flags := 0, 0
		if sent == n { // none of them may wait, so this is not the rule
			wait, flags = n-seen, enterGetEvents
		}
		k, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n-sent), uintptr(wait), uintptr(flags), 0, 0)
		if errno == 0 {
			sent += int(k)
		}
		got := r.reap()
		if seen += got; seen == n {
			clear(r.pointed[:n])
			return nil
		}
		if got > 0 || errno == unix.EINTR {
			tries = 0
		}
		if tries >= submitTries {
			// The kernel reads the queue in io_uring_enter only: what it left is ours.
			atomic.StoreUint32(r.tail, atomic.LoadUint32(r.head))
			if errno == 0 {
				return errors.New("loop: io_uring_enter makes no progress")
			}
			return os.NewSyscallError("io_uring_enter", errno)
		}
	}
}

// reap takes the completions that are there.
func (r *ring) reap() int {
	head, tail := *r.doneHead, atomic.LoadUint32(r.done)
	n := int(tail - head)
	for ; head != tail; head++ {
		c := &r.completions[head&r.doneMask]
		r.results[c.userData] = c.result
	}
	atomic.StoreUint32(r.doneHead, head)
	return n
}

func (r *ring) close() {
	for _, b := range r.memory {
		_ = unix.Munmap(b) // nothing is left to do about it
	}
	unix.Close(r.fd)
}
