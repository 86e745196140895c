package loop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

var errTest = errors.New("test")

func TestCloseInsideCallbacks(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		const n = 30
		var conns []*Conn
		closed := make(chan error, 2*n)
		inside := false
		h := &funcs{
			read: func(c *Conn, b []byte) int { // the first to read ends all, itself amid them
				inside = true
				for _, c := range conns {
					c.Close(errTest)
					c.Close(io.ErrShortWrite)
					c.SetTimer(1)
				}
				inside = false
				return len(b)
			},
			timer: func(*Conn, time.Duration) { t.Error("timer of a closed connection") },
			closed: func(c *Conn, err error) {
				if inside {
					t.Error("Closed inside Read")
				}
				for _, c := range conns {
					c.Close(err)
				}
				if c.Write([]byte("x")) != ErrClosed {
					t.Error("Write after Closed")
				}
				closed <- err
			},
		}
		var peers []*net.TCPConn
		accepted := make(chan struct{}, n)
		addr := listen(t, l, func(c *Conn) Handler {
			conns = append(conns, c)
			accepted <- struct{}{}
			return h
		})
		for range n {
			peers = append(peers, dial(t, addr))
			await(t, accepted)
		}
		for _, nc := range peers {
			nc.Write([]byte("end"))
		}
		for range n {
			if err := await(t, closed); err != errTest {
				t.Errorf("closed with %v", err)
			}
		}
		for _, nc := range peers {
			wantEnd(t, nc)
		}
		call(t, l, func() {
			if l.Stats().Conns != 0 || len(closed) != 0 {
				t.Errorf("%d connections, %d more calls of Closed", l.Stats().Conns, len(closed))
			}
		})
	})
}

// What Read returns does not matter once it has ended its connection.
func TestResultOfReadAfterTheEnd(t *testing.T) {
	ends := map[string]func(t *testing.T, c *Conn){
		"Close":           func(_ *testing.T, c *Conn) { c.Close(nil) },
		"CloseAfterFlush": func(_ *testing.T, c *Conn) { c.CloseAfterFlush(patience) },
		"Detach": func(t *testing.T, c *Conn) {
			nc, _, err := c.Detach()
			if err != nil {
				t.Error(err)
				return
			}
			nc.Close()
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, cfg Config) {
				l := start(t, cfg)
				_, nc := connect(t, l, &funcs{read: func(c *Conn, b []byte) int {
					end(t, c)
					return len(b) + 1
				}})
				write(t, nc, "x")
				wantEnd(t, nc)
			})
		})
	}
}

func TestNilHandlerCloses(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		nc := dial(t, listen(t, l, func(*Conn) Handler { return nil }))
		wantEnd(t, nc)
	})
}

// Connections end and begin all the time while the loop broadcasts to all of
// them: descriptors and slots are reused within microseconds, and no byte may
// reach a connection that it is not for. Each peer tells its nonce first; all
// that it gets are copies of it.
func TestReuseStorm(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		live := map[*Conn][]byte{}
		addr := listen(t, l, func(c *Conn) Handler {
			return &funcs{
				read: func(c *Conn, b []byte) int {
					n := len(b) / 8 * 8
					if n > 0 {
						live[c] = append([]byte(nil), b[:8]...)
						c.Write(live[c])
					}
					return n
				},
				closed: func(c *Conn, _ error) { delete(live, c) },
			}
		})
		call(t, l, func() {
			i := 0
			l.Add(driver(func(now time.Duration) time.Duration {
				for c, nonce := range live {
					if i++; i%7 == 0 {
						c.Close(nil)
					} else {
						c.Offer(nonce, newFrame(nonce))
					}
				}
				return now + time.Millisecond
			}))
		})
		rounds := 150
		if testing.Short() {
			rounds = 30
		}
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range rounds {
					storm(t, addr, uint64(w)<<32|uint64(i)+1)
				}
			}()
		}
		wg.Wait()
		until(t, l, "all are gone", func() bool { return l.Stats().Conns == 0 && len(live) == 0 })
	})
}

// storm is one short connection.
func storm(t *testing.T, addr string, nonce uint64) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], nonce)
	nc.Write(b[:])
	for range 1 + nonce%5 {
		var got [8]byte
		if _, err := io.ReadFull(nc, got[:]); err != nil {
			return // the server closed it
		}
		if got != b {
			t.Errorf("got %x, want %x", got, b)
			return
		}
	}
}

// driver is a Driver made of a function.
type driver func(now time.Duration) time.Duration

func (d driver) Advance(now time.Duration) time.Duration { return d(now) }

// A quiet connection that lingers reads to its peer's end, whatever comes before it.
func TestQuietConnectionLingers(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 1)
		c, nc := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		call(t, l, func() { c.Quiet(true) })
		write(t, nc, string(make([]byte, 3*stdReadBuffer)))
		call(t, l, func() { c.CloseAfterFlush(10 * patience) })
		if err := nc.CloseWrite(); err != nil {
			t.Error(err)
		}
		if err := await(t, closed); err != nil {
			t.Error(err)
		}
	})
}

// Closed may dial again, but not on a loop that stops: nobody would close that.
func TestDialWhileStopping(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		peers, l := start(t, cfg), start(t, cfg)
		addr := listen(t, peers, func(*Conn) Handler { return &funcs{} })
		ended := make(chan error, 1)
		_, nc := connect(t, l, &funcs{closed: func(*Conn, error) {
			_, err := l.Dial(addr, &funcs{})
			ended <- err
		}})
		l.Stop()
		if err := await(t, ended); !errors.Is(err, ErrStopped) {
			t.Errorf("dialled: %v", err)
		}
		nc.Close()
	})
}

// Who has asked for CloseAfterFlush has no connection to detach.
func TestDetachAfterFlush(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 1)
		c, nc := connect(t, l, &funcs{closed: func(_ *Conn, err error) { closed <- err }})
		call(t, l, func() {
			c.CloseAfterFlush(patience)
			if _, _, err := c.Detach(); err != ErrClosed {
				t.Errorf("detached: %v", err)
			}
		})
		nc.Close()
		if err := await(t, closed); err != nil {
			t.Error(err)
		}
	})
}

// What a peer sends after the last flush goes to no handler, and is counted.
func TestLateInputIsCounted(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		closed := make(chan error, 1)
		c, nc := connect(t, l, &funcs{
			read:   func(*Conn, []byte) int { t.Error("read while closing"); return 0 },
			closed: func(_ *Conn, err error) { closed <- err },
		})
		call(t, l, func() { c.CloseAfterFlush(patience) })
		write(t, nc, "late")
		nc.Close()
		if err := await(t, closed); err != nil {
			t.Errorf("closed with %v", err)
		}
		call(t, l, func() {
			if s := l.Stats(); s.BytesIn != 4 || s.Reads != 1 {
				t.Errorf("%d bytes in %d reads", s.BytesIn, s.Reads)
			}
		})
	})
}

// Who ends his stream with his last bytes still gets the answer to them.
func TestAnswerToLastBytes(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		t.Run("flushed", func(t *testing.T) {
			answerLastBytes(t, cfg, nil, func(c *Conn) { c.CloseAfterFlush(patience) })
		})
		t.Run("written", func(t *testing.T) { answerLastBytes(t, cfg, io.EOF, func(*Conn) {}) })
	})
}

func answerLastBytes(t *testing.T, cfg Config, want error, then func(*Conn)) {
	l := start(t, cfg)
	answer := pattern(20_000)
	closed := make(chan error, 1)
	c, nc := connect(t, l, &funcs{
		read: func(c *Conn, b []byte) int {
			c.Write(answer)
			then(c)
			return len(b)
		},
		closed: func(_ *Conn, err error) { closed <- err },
	})
	call(t, l, func() {
		write(t, nc, "request")
		if err := nc.CloseWrite(); err != nil {
			t.Error(err)
		}
		s, ok := c.transport.(*stdConn)
		for end := Now() + patience; ok && !s.failed() && Now() < end; {
			runtime.Gosched() // the reader has the end too, when the loop comes to it
		}
	})
	if got, err := io.ReadAll(nc); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("%d bytes of %d, %v", len(got), len(answer), err)
	}
	nc.Close()
	if err := await(t, closed); err != want {
		t.Errorf("closed with %v", err)
	}
}
