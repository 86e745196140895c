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
// The zero guard works. The coroutine is made by the first run, on the goroutine
// that will drive it, and ends with close.
type guard struct {
	next  func() (ok, more bool)
	stop  func()
	yield func(bool) bool
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
	if g.next == nil {
		g.next, g.stop = iter.Pull(func(yield func(bool) bool) {
			g.yield = yield
			for yield(g.call()) {
			}
		})
	}
	g.f = f
	ok, _ := g.next()
	if g.exits {
		g.unwind()
	}
	return ok
}

// call runs on the coroutine.
func (g *guard) call() (ok bool) {
	defer func() {
		if ok {
			return
		}
		g.crash.stack = debug.Stack()
		if v := recover(); v != nil {
			g.crash.why = fmt.Sprint("panic: ", v)
			return
		}
		// Goexit runs deferred functions and cannot be stopped, but it waits
		// here for as long as the loop does not come back.
		g.crash.why = "runtime.Goexit"
		g.exits = true
		g.yield(false)
		panic(errUnwound)
	}()
	g.f()
	return true
}

// unwind ends a coroutine that waits inside Goexit; the next run makes another.
func (g *guard) unwind() {
	defer func() {
		if v := recover(); v != nil && v != error(errUnwound) {
			panic(v)
		}
	}()
	g.exits = false
	g.close()
}

// close ends the coroutine, if there is one.
func (g *guard) close() {
	if stop := g.stop; stop != nil {
		g.next, g.stop, g.yield, g.f = nil, nil, nil, nil
		stop()
	}
}
