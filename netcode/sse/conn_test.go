package sse

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// bell is a handler that ends its connection after a while.
type bell struct{}

func (bell) Read(_ *loop.Conn, b []byte) int     { return len(b) }
func (bell) Timer(c *loop.Conn, _ time.Duration) { c.Close(nil) }
func (bell) Closed(*loop.Conn, error)            {}
func ring(c *loop.Conn, after time.Duration) loop.Handler {
	c.SetTimer(loop.Now() + after)
	return bell{}
}

// An answer that is the last of its connection arrives whole where it is taken slowly
// too.
func TestLastAnswerTakenSlowly(t *testing.T) {
	for _, engine := range []loop.Engine{loop.EngineAuto, loop.EngineStd} {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			l, err := loop.New(loop.Config{Engine: engine, MaxTail: 1 << 21})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- l.Run() }()
			defer func() { l.Stop(); <-ended }()
			body := bytes.Repeat([]byte("x"), 1<<20)
			conns := 0
			addr, err := l.Listen("127.0.0.1:0", func(c *loop.Conn) loop.Handler {
				if conns++; conns > 1 {
					return ring(c, loop.DefaultFlushTime)
				}
				p := &pollConn{conn: c}
				p.answer(Answer{Body: body})
				return p
			})
			if err != nil {
				t.Fatal(err)
			}
			var peers [2]net.Conn
			for i := range peers {
				if peers[i], err = net.Dial("tcp", addr.String()); err != nil {
					t.Fatal(err)
				}
				defer peers[i].Close()
			}
			io.ReadAll(peers[1]) // until it rings
			got, err := io.ReadAll(peers[0])
			if _, got, _ = bytes.Cut(got, []byte("\r\n\r\n")); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
			}
		})
	}
}
