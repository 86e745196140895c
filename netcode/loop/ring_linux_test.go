package loop

import "testing"

// moveStack has the goroutine's stack grow, and so move.
//
//go:noinline
func moveStack(n int) byte {
	var b [1 << 10]byte
	if n > 0 {
		b[n%len(b)] = moveStack(n - 1)
	}
	return b[0]
}

// What the ring is told of stays where it is until it is submitted.
func TestRingKeepsItsBuffersInPlace(t *testing.T) {
	r, pair := testRing(t, 4), stream(t)
	same := make(chan bool)
	go func() { // its stack is small
		out, in := make([]byte, 4), make([]byte, 4)
		copy(out, "abcd")
		r.send(pair[0], out, noWait)
		r.recv(pair[1], in)
		moveStack(100)
		err := r.submit()
		same <- err == nil && string(in) == "abcd"
	}()
	if !await(t, same) {
		t.Error("what was sent did not arrive where it was to be read")
	}
}
