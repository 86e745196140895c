package loop

import (
	"context"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDriverRunsAtItsDeadlines(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		done := make(chan struct{})
		var at, due []time.Duration
		next := Now() + 5*time.Millisecond
		call(t, l, func() {
			l.Add(driver(func(now time.Duration) time.Duration {
				if now < next {
					return next // the first call, at once
				}
				at, due = append(at, now), append(due, next)
				if next += 10 * time.Millisecond; len(at) == 10 {
					close(done)
					return Never
				}
				return next
			}))
		})
		await(t, done)
		call(t, l, func() {
			for i := range at {
				if late := at[i] - due[i]; late < 0 || late > time.Second {
					t.Errorf("run %d is %v late", i, late)
				}
			}
			if s := l.Stats(); s.TaskRuns != 11 || s.Tasks != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	})
}

func TestDueTasksRunInOrderOncePerSlot(t *testing.T) {
	l := start(t, Config{})
	var order []int
	done := make(chan struct{})
	call(t, l, func() {
		now := Now()
		for i := range 50 {
			first := true
			l.Add(driver(func(time.Duration) time.Duration {
				if first {
					first = false
					return now + 5*time.Millisecond + time.Duration((i*7)%50)
				}
				if order = append(order, (i*7)%50); len(order) == 50 {
					close(done)
				}
				return Never
			}))
		}
	})
	await(t, done)
	if !slices.IsSorted(order) {
		t.Errorf("order %v", order)
	}
}

func TestWakeAndRemove(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		runs := make(chan int, 100)
		n, wakes := 0, 0
		var task *Task
		call(t, l, func() {
			task = l.Add(driver(func(now time.Duration) time.Duration {
				n++
				runs <- n
				if wakes > 0 {
					wakes--
					task.Wake() // from inside: the next slot
				}
				return Never
			}))
		})
		await(t, runs) // at once
		call(t, l, func() { task.Wake(); task.Wake() })
		if got := await(t, runs); got != 2 {
			t.Errorf("run %d", got)
		}
		call(t, l, func() { wakes = 3; task.Wake() })
		for want := 3; want <= 6; want++ {
			if got := await(t, runs); got != want {
				t.Errorf("run %d, want %d", got, want)
			}
		}
		call(t, l, func() { task.Wake(); task.Remove(); task.Remove(); task.Wake() })
		call(t, l, func() {})
		call(t, l, func() {
			if n != 6 || l.Stats().Tasks != 0 {
				t.Errorf("%d runs, stats %+v", n, l.Stats())
			}
		})
	})
}

// A driver that always wants to run again at once gets one run a slot, and
// leaves time for the rest.
func TestGreedyDriver(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		runs := 0
		begin := Now()
		call(t, l, func() { l.Add(driver(func(now time.Duration) time.Duration { runs++; return 0 })) })
		until(t, l, "20 runs", func() bool { return runs >= 20 })
		if took := Now() - begin; took < 18*slot {
			t.Errorf("20 runs in %v", took)
		}
	})
}

// Bytes that arrived before a tick are seen by it.
func TestReadBeforeTick(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		read := 0
		c, nc := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int { read += len(b); return len(b) }})
		seen := make(chan bool, 1)
		call(t, l, func() {
			c.Quiet(true)
			l.Add(driver(func(now time.Duration) time.Duration {
				c.ReadNow()
				if read >= 3 {
					select {
					case seen <- true:
					default:
					}
				}
				return now + 5*time.Millisecond
			}))
		})
		write(t, nc, "abc")
		await(t, seen)
	})
}

func TestMailboxFull(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.Mailbox = 10
		l := start(t, cfg)
		hold, held := make(chan struct{}), make(chan struct{})
		l.Post(func() { close(held); <-hold })
		await(t, held)
		ran := make(chan int, 12)
		for i := range 12 {
			if ok := l.Post(func() { ran <- i }); ok != (i < 10) {
				t.Errorf("Post %d: %v", i, ok)
			}
		}
		close(hold)
		for i := range 10 {
			if got := await(t, ran); got != i {
				t.Errorf("post %d ran in place of %d", got, i)
			}
		}
		call(t, l, func() {
			if s := l.Stats(); s.MailFull != 2 {
				t.Errorf("stats %+v", s)
			}
		})
	})
}

func TestPostFromManyGoroutinesKeepsOrder(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		const senders, each = 8, 2000
		var last [senders]int
		var wg sync.WaitGroup
		for s := range senders {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 1; i <= each; i++ {
					for !l.Post(func() {
						if last[s] != i-1 {
							t.Errorf("sender %d: %d after %d", s, i, last[s])
						}
						last[s] = i
					}) {
						runtime.Gosched()
					}
				}
			}()
		}
		wg.Wait()
		call(t, l, func() {
			for s, n := range last {
				if n != each {
					t.Errorf("sender %d: %d", s, n)
				}
			}
		})
	})
}

func TestWatchdog(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		cfg.ID = 7
		idle, stuck := start(t, Config{Engine: cfg.Engine}), start(t, cfg)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		type report struct {
			l      *Loop
			stacks string
		}
		reports := make(chan report, 10)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Watch(ctx, []*Loop{idle, stuck}, 100*time.Millisecond, func(l *Loop, stacks []byte) {
				reports <- report{l, string(stacks)}
			})
		}()
		for range 2 { // each hang is told once
			hold := make(chan struct{})
			stuck.Post(func() { hangForTest(hold) })
			r := await(t, reports)
			if r.l != stuck || r.l.ID() != 7 || !strings.Contains(r.stacks, "hangForTest") {
				t.Errorf("loop %d hangs in\n%s", r.l.ID(), r.stacks)
			}
			close(hold)
			call(t, stuck, func() {})
		}
		cancel()
		await(t, ended)
		if len(reports) > 0 {
			t.Error("a hang was told twice")
		}
	})
}

func hangForTest(hold chan struct{}) { <-hold }

// ReadSoon outside of Prepare is for the next tasks that are due, if the connection is
// still there.
func TestReadSoonOutsideOfPrepare(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l, to := start(t, cfg), start(t, cfg)
		got := make(chan *Loop, 2)
		quiet := &funcs{read: func(c *Conn, b []byte) int { got <- c.Loop(); return len(b) }}
		second, two := connect(t, l, quiet)
		first, one := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			second.ReadSoon()
			return len(b)
		}})
		moving, three := connect(t, l, quiet)
		arrived := make(chan struct{})
		call(t, l, func() {
			for _, c := range []*Conn{first, second, moving} {
				c.Quiet(true)
			}
			moving.ReadSoon()
			moving.ReadNow()
			moving.ReadSoon()
			moving.Move(to, func(c *Conn) { c.Quiet(true); close(arrived) })
		})
		await(t, arrived)
		call(t, l, func() {
			if slices.Contains(l.toRead, moving) {
				t.Error("the one that moved is still to be read here")
			}
		})
		for _, nc := range []net.Conn{one, two, three} {
			write(t, nc, "x")
		}
		var task, other *Task
		call(t, l, func() {
			task = l.Add(preparer(func() { first.ReadSoon() }))
		})
		if await(t, got) != l {
			t.Error("the one that moved is read")
		}
		call(t, l, func() { task.Remove() })
		call(t, to, func() { other = to.Add(preparer(func() { moving.ReadSoon() })) })
		if await(t, got) != to {
			t.Error("read where it was before")
		}
		call(t, to, func() { other.Remove() })
	})
}

// preparer is a Preparer that runs in every slot.
type preparer func()

func (p preparer) Prepare(time.Duration)                        { p() }
func (preparer) Advance(now time.Duration) (next time.Duration) { return now }
