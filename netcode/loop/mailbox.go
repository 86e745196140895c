package loop

import "sync"

// mail is something delivered on the goroutine of a loop.
type mail interface{ deliver(l *Loop) }

// posted is the mail of Loop.Post.
type posted func()

func (f posted) deliver(*Loop) { f() }

// mailbox is the only door into a loop from other goroutines: a bounded queue
// with many senders and one receiver. Mail of the loop's own goroutines (one
// chunk and one finished write for each std connection) is bounded by the
// connections and is not counted, nor is that of Must, which its callers bound.
type mailbox struct {
	limit int
	wake  func() // ends the loop's ordinary wait; called with mu held, so never after close

	mu       sync.Mutex
	queue    []mail
	spare    []mail // the batch delivered before, for reuse
	counted  int    // of queue, those that limit bounds
	refused  uint64
	sleeping bool // the loop is in its ordinary wait, or about to be
	stopped  bool // no new counted mail
	closed   bool // no new mail
}

// post queues x and reports whether it will be delivered.
func (m *mailbox) post(x mail, counted bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || counted && m.stopped {
		return false
	}
	if counted {
		if m.counted >= m.limit {
			m.refused++
			return false
		}
		m.counted++
	}
	m.queue = append(m.queue, x)
	m.rouse()
	return true
}

// stop refuses counted mail from now on.
func (m *mailbox) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	m.rouse()
}

func (m *mailbox) rouse() {
	if m.sleeping {
		m.sleeping = false
		m.wake()
	}
}

// close refuses all mail from now on.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped, m.closed, m.sleeping = true, true, false
}

// sleep announces an ordinary wait; false means that there is mail to deliver,
// or a stop that the loop does not know of. Mail that comes after true ends the
// wait.
func (m *mailbox) sleep(knowsStop bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sleeping = len(m.queue) == 0 && m.stopped == knowsStop
	return m.sleeping
}

// awake ends what sleep announced.
func (m *mailbox) awake() {
	m.mu.Lock()
	m.sleeping = false
	m.mu.Unlock()
}

// take empties the queue and reports whether the loop is to stop. The batch is
// valid until the next take.
func (m *mailbox) take() (batch []mail, stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch = m.queue
	clear(m.spare)
	m.queue, m.spare = m.spare[:0], batch
	m.counted = 0
	return batch, m.stopped
}

func (m *mailbox) refusals() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}
