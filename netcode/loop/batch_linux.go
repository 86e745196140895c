package loop

import (
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// batchSends and batchReads bound what is submitted at once: calls of a few
	// milliseconds, and of one.
	batchSends = 1024
	batchReads = 256
	// batchCopies is the memory for offers in two parts, which are sent as one, up to
	// joinedSend each, bytes.
	batchCopies = 64 << 10
	// batchRead is the room for the input of one connection, bytes. Who has sent
	// more is read again.
	batchRead = 1 << 10
)

// batch gathers the offers of a slot, and the reads before it, to have each done by
// one system call. An offer in a batch is taken: what the kernel then refuses
// becomes the connection's tail, as the rest of a partial write does.
type batch struct {
	epoll  *epoll
	ring   *ring
	sends  []queuedSend
	copies []byte
	in     []byte       // batchRead for each read
	reads  []queuedRead // submitted and not presented yet
	broken bool         // the ring has failed
}

// queuedSend is an offer that waits for flush.
type queuedSend struct {
	c      *Conn
	b      []byte
	shared Buffer // whose bytes b are, retained; nil when b lies in copies
}

// queuedRead is the input of one connection.
type queuedRead struct {
	c *Conn  // nil: nothing is to be done about it any more
	b []byte // where it lies, behind what was pending
	k int    // length of what was pending
	n int32  // result
}

func newBatch(e *epoll) (*batch, error) {
	r, err := newRing(batchSends)
	if err != nil {
		return nil, err
	}
	return &batch{
		epoll: e, ring: r,
		copies: make([]byte, 0, batchCopies), in: make([]byte, batchReads*batchRead), reads: make([]queuedRead, 0, batchReads),
	}, nil
}

func (q *batch) works() bool { return !q.broken }

// offer queues private and b, the bytes of shared. It reports false for what is
// better written at once.
func (q *batch) offer(c *Conn, private []byte, shared Buffer, b []byte) bool {
	n, joined := len(private)+len(b), len(private) > 0
	if joined && n > joinedSend {
		return false
	}
	if joined && len(q.copies)+n > cap(q.copies) {
		q.flush()
	}
	if q.broken { // it may be since this flush
		return false
	}
	if !joined {
		shared.Retain()
	} else {
		at := len(q.copies)
		q.copies = append(append(q.copies, private...), b...)
		b, shared = q.copies[at:], nil
	}
	q.ring.send(int(c.fd), b, c.sendFlags(len(b)))
	q.sends = append(q.sends, queuedSend{c, b, shared})
	c.flags |= isQueued
	if q.ring.full() {
		q.flush()
		runtime.Gosched() // else a long burst looks to the runtime's monitor as if it hung
	}
	return true
}

// flush sends what is queued. It calls no handler.
func (q *batch) flush() {
	if len(q.sends) == 0 {
		return
	}
	q.submit()
	for i := range q.sends {
		s := &q.sends[i]
		s.c.flags &^= isQueued
		n := q.ring.results[i]
		if n == notSubmitted {
			done, errno := sendNow(s.c, s.b)
			n = int32(done)
			if errno != 0 {
				n = -int32(errno)
			}
		}
		q.sent(s, n)
	}
	clear(q.sends)
	q.sends, q.copies = q.sends[:0], q.copies[:0]
}

// submit has the ring do what is queued in it; what it leaves, the caller does by
// single calls. A ring that fails is not used again.
func (q *batch) submit() {
	l := q.epoll.loop
	l.stats.Batches++
	if err := q.ring.submit(); err != nil {
		l.cfg.Log.Error("io_uring failed, system calls are used instead", "loop", l.cfg.ID, "err", err)
		q.broken = true
	}
}

// sent follows the send of s, which returned n.
func (q *batch) sent(s *queuedSend, n int32) {
	c, stats := s.c, &q.epoll.loop.stats
	switch {
	case n > 0:
		stats.Writes++
		stats.BytesOut += uint64(n)
	case n == -int32(unix.EAGAIN) || n == -int32(unix.EINTR):
		stats.Again++
		n = 0
	default:
		c.Close(os.NewSyscallError("send", unix.Errno(-n)))
		n = int32(len(s.b))
	}
	left := s.b[n:]
	if len(left) == 0 {
		if s.shared != nil {
			s.shared.Release()
		}
		return
	}
	if n > 0 {
		stats.Partial++
	}
	t := &c.more().tail
	if s.shared != nil {
		t.shared, t.offset = s.shared, int(n)
	} else {
		t.private = append([]byte(nil), left...)
	}
	c.grown(len(left))
}

// read reads each connection of list once and presents what came.
func (q *batch) read(list []*Conn) {
	for len(list) > 0 {
		part := list[:min(len(list), batchReads)]
		list = list[len(part):]
		for _, c := range part {
			if c.flags&isToRead != 0 && (c.fd < 0 || len(c.pending()) > batchRead/2 || q.broken) {
				c.flags &^= isToRead
				c.ReadNow()
			}
		}
		q.flush() // what those offered: the ring is for reads now
		for _, c := range part {
			if c.flags&isToRead != 0 {
				c.flags &^= isToRead
				q.queueRead(c)
			}
		}
		q.presentAll()
	}
}

func (q *batch) queueRead(c *Conn) {
	if q.broken { // by the flush before
		c.ReadNow()
		return
	}
	if !c.readable() {
		return
	}
	b := q.in[len(q.reads)*batchRead:][:batchRead:batchRead]
	k := copy(b, c.pending())
	q.ring.recv(int(c.fd), b[k:])
	q.reads = append(q.reads, queuedRead{c: c, b: b, k: k})
	c.flags |= isInBatch
}

// presentAll has the queued reads done. The results are copied first, because
// handlers make offers.
func (q *batch) presentAll() {
	if len(q.reads) == 0 {
		return
	}
	q.submit()
	for i := range q.reads {
		q.reads[i].n = q.ring.results[i]
	}
	for i := range q.reads {
		if r := q.reads[i]; r.c != nil {
			q.reads[i].c = nil
			q.present(&r)
		}
	}
	clear(q.reads)
	q.reads = q.reads[:0]
}

// present gives the handler of a connection what was read.
func (q *batch) present(r *queuedRead) {
	c := r.c
	c.flags &^= isInBatch
	if !c.readable() {
		return // not even the stream's end is acted on: what is unsent would go with it
	}
	n := q.received(r)
	if n == 0 {
		return
	}
	c.present(r.b[:r.k+n])
	if r.k+n == len(r.b) {
		c.ReadNow() // there may be more
	}
}

// claim puts what was read of c, and is not presented yet, behind its pending
// bytes: something is done with c before its turn.
func (q *batch) claim(c *Conn) bool {
	c.flags &^= isInBatch
	i := slices.IndexFunc(q.reads, func(r queuedRead) bool { return r.c == c })
	r := q.reads[i]
	q.reads[i].c = nil
	n := q.received(&r)
	if n > 0 {
		s := c.more()
		s.pending = append(s.pending, r.b[r.k:r.k+n]...)
	}
	return n > 0
}

// received is how many bytes a read brought.
func (q *batch) received(r *queuedRead) int {
	if r.n == notSubmitted {
		return q.epoll.recv(r.c, r.b[r.k:])
	}
	return q.epoll.received(r.c, int(max(r.n, 0)), unix.Errno(max(-r.n, 0)))
}

func (q *batch) close() { q.ring.close() }
