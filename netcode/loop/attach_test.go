package loop

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// Pieces that the connection gives singly, as TLS gives its records, come in one
// read when nobody looked for a while; more than the buffer waits at the peer.
func TestReaderGathersPieces(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ours, theirs := net.Pipe()
		theirs.SetDeadline(time.Now().Add(patience))
		var got []string
		h := &funcs{read: func(_ *Conn, b []byte) int {
			got = append(got, string(b))
			return len(b)
		}}
		c, err := l.Attach(ours, h)
		if err != nil {
			t.Fatal(err)
		}
		call(t, l, func() { c.Quiet(true) })
		for _, piece := range []string{"a", "bc", "d"} {
			write(t, theirs, piece) // returns when it is read
		}
		sum := func() (n int) {
			for _, s := range got {
				n += len(s)
			}
			return n
		}
		until(t, l, "the last piece is there", func() bool { return c.transport.(*stdConn).filled() == 4 })
		call(t, l, func() {
			c.ReadNow()
			if len(got) != 1 || got[0] != "abcd" {
				t.Errorf("read %q", got)
			}
		})
		big := pattern(3 * stdReadBuffer)
		go theirs.Write(big)
		until(t, l, "all of it", func() bool { c.ReadNow(); return sum() == 4+len(big) })
		var all []byte
		for _, s := range got[1:] {
			all = append(all, s...)
		}
		if !bytes.Equal(all, big) {
			t.Error("the bytes changed")
		}
		theirs.Close()
	})
}

// filled is how many bytes wait for the loop.
func (s *stdConn) filled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n - s.taken
}

// The reader may be in the middle of a read when its connection is detached:
// nothing of what came before or after is lost.
func TestDetachWhileReading(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ours, theirs := net.Pipe()
		theirs.SetDeadline(time.Now().Add(patience))
		c, err := l.Attach(ours, &funcs{read: func(*Conn, []byte) int { return 0 }})
		if err != nil {
			t.Fatal(err)
		}
		write(t, theirs, "presented")
		until(t, l, "presented", func() bool { return len(c.pending()) == 9 })
		call(t, l, func() { c.Quiet(true) })
		write(t, theirs, " waiting")
		until(t, l, "waiting", func() bool { return c.transport.(*stdConn).filled() == 8 })
		var nc net.Conn
		var read []byte
		call(t, l, func() { nc, read, err = c.Detach() })
		if err != nil || string(read) != "presented waiting" {
			t.Fatalf("read %q, %v", read, err)
		}
		go theirs.Write([]byte("after"))
		wantRead(t, nc, "after")
		nc.Close()
	})
}

// answers writes of itself when it has read "update", as crypto/tls answers
// updates of keys, and reads on whatever came of it.
type answers struct {
	net.Conn
	writing chan struct{}
}

func (a *answers) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if string(b[:n]) != "update" {
		return n, err
	}
	close(a.writing)
	a.Conn.Write([]byte("answer"))
	return a.Conn.Read(b)
}

// A peer that does not take such an answer does not hold up the loop that
// detaches its connection.
func TestDetachWhileAnswering(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ours, theirs := net.Pipe()
		theirs.SetDeadline(time.Now().Add(patience))
		a := &answers{ours, make(chan struct{})}
		c, err := l.Attach(a, &funcs{read: func(*Conn, []byte) int { return 0 }})
		if err != nil {
			t.Fatal(err)
		}
		write(t, theirs, "request")
		until(t, l, "presented", func() bool { return len(c.pending()) == 7 })
		write(t, theirs, "update")
		await(t, a.writing)
		var nc net.Conn
		var read []byte
		call(t, l, func() { nc, read, err = c.Detach() })
		if err != nil || string(read) != "request" {
			t.Fatalf("read %q, %v", read, err)
		}
		go theirs.Write([]byte("after"))
		wantRead(t, nc, "after")
		go nc.Write([]byte("response"))
		wantRead(t, theirs, "response")
		nc.Close()
	})
}

// writes notes each write, and knows how to end its half, as tls.Conn does.
type writes struct {
	net.Conn
	sizes  chan int
	halves chan struct{}
}

func (w *writes) Write(b []byte) (int, error) {
	w.sizes <- len(b)
	return w.Conn.Write(b)
}

func (w *writes) CloseWrite() error {
	close(w.halves)
	return nil
}

// The parts of an Offer are one write where each write is a record, and the end
// waits for the peer's.
func TestOfferIsOneWrite(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ours, theirs := net.Pipe()
		theirs.SetDeadline(time.Now().Add(patience))
		w := &writes{ours, make(chan int, 10), make(chan struct{})}
		closed := make(chan error, 1)
		c, err := l.Attach(w, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		if err != nil {
			t.Fatal(err)
		}
		shared := newFrame([]byte("shared"))
		call(t, l, func() {
			c.Offer([]byte("private "), shared)
			c.CloseAfterFlush(patience)
		})
		wantRead(t, theirs, "private shared")
		await(t, w.halves)
		if len(w.sizes) != 1 {
			t.Errorf("%d writes", len(w.sizes))
		}
		select {
		case err := <-closed:
			t.Errorf("closed before the peer: %v", err)
		default:
		}
		write(t, theirs, "too late")
		theirs.Close()
		if err := await(t, closed); err != nil {
			t.Errorf("closed: %v", err)
		}
	})
}
