package loop

import (
	"net"
	"testing"
	"time"
)

// batches runs a test on a loop that reads in batches, and on one whose order it has to
// have.
func batches(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("epoll", func(t *testing.T) { test(t, Config{Engine: EngineEpoll}) })
	t.Run("uring", func(t *testing.T) { test(t, Config{Engine: EngineEpoll, Uring: true}) })
}

// once is a Preparer that runs prepare and reads conns, and then sleeps.
type once struct {
	conns   []*Conn
	prepare func()
	done    chan struct{}
}

func (o *once) Prepare(time.Duration) {
	o.prepare()
	for _, c := range o.conns {
		c.ReadSoon()
	}
}

func (o *once) Advance(time.Duration) time.Duration {
	close(o.done)
	return Never
}

// readTogether has l read conns in one batch, right after prepare.
func readTogether(t *testing.T, l *Loop, conns []*Conn, prepare func()) {
	t.Helper()
	o := &once{conns, prepare, make(chan struct{})}
	call(t, l, func() { l.Add(o) })
	await(t, o.done)
}

// ReadNow of a connection whose input is read and not presented yet presents it,
// though the socket has nothing more.
func TestReadNowWithinABatch(t *testing.T) {
	batches(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		var got []byte
		var second *Conn
		first, one := connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			second.ReadNow()
			if string(got) != "two" {
				t.Errorf("ReadNow brought %q", got)
			}
			return len(b)
		}})
		var two *net.TCPConn
		second, two = connect(t, l, &funcs{read: func(_ *Conn, b []byte) int {
			got = append(got, b...)
			return len(b)
		}})
		readTogether(t, l, []*Conn{first, second}, func() {
			write(t, one, "one")
			write(t, two, "two")
		})
	})
}
