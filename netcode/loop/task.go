package loop

import "time"

// Task is a Driver on a Loop. Its methods are called on the loop's goroutine.
type Task struct {
	loop    *Loop
	driver  Driver
	prepare Preparer // the driver, if it is one
	next    time.Duration
	pos     int // in the loop's heap, -1 while it runs or is about to
	woken   bool
	removed bool
}

// Add makes d a task that is due at once. It is called on the loop's goroutine,
// or before Run.
func (l *Loop) Add(d Driver) *Task {
	t := &Task{loop: l, driver: d}
	t.prepare, _ = d.(Preparer)
	l.tasks.push(t)
	l.stats.Tasks++
	return t
}

// Wake makes the task due now, whatever deadline it gave. From inside an
// Advance, its own or another's, it runs in the next slot.
func (t *Task) Wake() {
	switch {
	case t.removed:
	case t.pos < 0:
		t.woken = true
	default:
		t.next = 0
		if t.loop.advancing {
			t.next = soonest(Now())
		}
		t.loop.tasks.fix(t)
	}
}

// Remove ends the task: Advance is not called again.
func (t *Task) Remove() {
	if t.removed {
		return
	}
	t.removed = true
	t.loop.stats.Tasks--
	if t.pos >= 0 {
		t.loop.tasks.remove(t)
	}
}

// soonest is the first slot after now.
func soonest(now time.Duration) time.Duration { return now.Truncate(slot) + slot }

// runTasks runs each task that is due, once.
func (l *Loop) runTasks() {
	now := Now()
	if l.tasks.next() > now {
		return
	}
	l.due = l.tasks.takeDue(now, l.due[:0])
	l.advancing = true
	for _, t := range l.due {
		if t.prepare != nil {
			t.prepare.Prepare(now)
		}
	}
	l.readListed()
	for _, t := range l.due {
		if t.removed {
			continue
		}
		now = Now()
		l.countLag(now, t.next)
		t.woken = false
		next := t.driver.Advance(now)
		if t.removed {
			continue
		}
		if t.woken {
			next = 0
		}
		t.next = max(next, soonest(now))
		l.tasks.push(t)
	}
	l.advancing = false
	clear(l.due)
}

func (l *Loop) countLag(now, due time.Duration) {
	l.stats.TaskRuns++
	if due == 0 {
		return // woken or new: due whenever the loop comes to it
	}
	l.stats.Lag = now - due
	l.stats.MaxLag = max(l.stats.MaxLag, l.stats.Lag)
}

// taskHeap holds the waiting tasks, the first due at index 0.
type taskHeap []*Task

func (h taskHeap) next() time.Duration {
	if len(h) == 0 {
		return Never
	}
	return h[0].next
}

// takeDue moves the tasks due at now to dst, in order of their deadlines.
func (h *taskHeap) takeDue(now time.Duration, dst []*Task) []*Task {
	for h.next() <= now {
		t := (*h)[0]
		h.remove(t)
		dst = append(dst, t)
	}
	return dst
}

func (h *taskHeap) push(t *Task) {
	t.pos = len(*h)
	*h = append(*h, t)
	h.fix(t)
}

func (h *taskHeap) remove(t *Task) {
	s := *h
	i, last := t.pos, len(s)-1
	s.swap(i, last)
	s[last] = nil
	*h = s[:last]
	t.pos = -1
	if i < last {
		h.fix(s[i])
	}
}

// fix restores the order after t's deadline changed.
func (h taskHeap) fix(t *Task) {
	i := t.pos
	for i > 0 && h[i].next < h[(i-1)/2].next {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].next < h[first].next {
				first = child
			}
		}
		if first == i {
			return
		}
		h.swap(i, first)
		i = first
	}
}

func (h taskHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
