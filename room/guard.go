package room

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
)

// guard runs game code on a coroutine of its own, so that neither a panic nor
// runtime.Goexit reaches the loop: a recover alone cannot stop Goexit, which
// would end the loop's goroutine and with it all other rooms. Switching there
// and back takes less than a tenth of a microsecond, without the scheduler.
//
// What Go itself does not survive ends the process all the same: running out of
// memory or stack, concurrent writes of a map, a deadlocked or endless Step (the
// loop's watchdog sees that). Game code must not lock its OS thread.
//
// The zero guard works: it has a coroutine of its own, which ends with close.
type guard struct {
	shared *Scratch   // where the coroutine is from, for one run
	own    *coroutine // without shared
	crash  crash
}

// coroutine is made by its first run and goes on until it is closed. Only one
// goroutine at a time runs it.
type coroutine struct {
	next  func() (ok, more bool)
	stop  func()
	f     func()
	exits bool // f called runtime.Goexit
	crash crash
}

// crash says how game code failed.
type crash struct {
	why   string
	stack []byte
}

// errUnwound ends a coroutine that is inside runtime.Goexit. iter.Pull hands a
// Goexit on to its caller; a panic that overtakes it can be recovered there.
var errUnwound = errors.New("room: unwound")

// run calls f and reports whether it returned; if not, g.crash says why.
func (g *guard) run(f func()) bool {
	c := g.own
	if g.shared != nil {
		c = g.shared.coroutine()
	} else if c == nil {
		c = &coroutine{}
		g.own = c
	}
	ok := c.run(f)
	if !ok {
		g.crash, c.crash = c.crash, crash{}
	}
	if g.shared != nil {
		g.shared.putCoroutine(c)
	}
	return ok
}

// close ends the coroutine, if there is one of the guard's own.
func (g *guard) close() {
	if g.own != nil {
		g.own.close()
	}
}

func (c *coroutine) run(f func()) bool {
	if c.next == nil {
		c.next, c.stop = iter.Pull(c.serve)
	}
	c.f = f
	ok, _ := c.next()
	c.f = nil
	if c.exits {
		c.unwind()
	}
	return ok
}

// serve is the coroutine: it makes one call after the other until it is closed.
func (c *coroutine) serve(yield func(bool) bool) {
	closed := false
	defer func() {
		if closed {
			return
		}
		// Goexit runs deferred functions and cannot be stopped, not even by the
		// recover of a panic that overtook it, but it waits here for as long as the
		// loop does not come back.
		c.exits = true
		yield(false)
		panic(errUnwound)
	}()
	for yield(c.call()) {
	}
	closed = true
}

// call notes how f failed, if it did not return.
func (c *coroutine) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		c.crash = crash{"runtime.Goexit", debug.Stack()}
		if v := recover(); v != nil {
			c.crash.why = fmt.Sprint("panic: ", v)
		}
	}()
	c.f()
	return true
}

// unwind ends a coroutine that waits inside Goexit; the next run makes another.
func (c *coroutine) unwind() {
	defer func() {
		if v := recover(); v != nil && v != error(errUnwound) {
			panic(v)
		}
	}()
	c.exits = false
	c.close()
}

// close ends the coroutine, if there is one.
func (c *coroutine) close() {
	if stop := c.stop; stop != nil {
		c.next, c.stop, c.f = nil, nil, nil
		stop()
	}
}
