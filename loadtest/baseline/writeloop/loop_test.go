package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// Three viewers come, each is sent every frame, one goes, and the others stay.
func TestFramesReachEveryViewer(t *testing.T) {
	for _, size := range []int{64, 512} {
		l, port, err := listen(size)
		if err != nil {
			t.Fatal(err)
		}
		var viewers [3]net.Conn
		for i := range viewers {
			viewers[i] = dial(t, port)
		}
		for len(l.viewers) < len(viewers) {
			tick(t, l)
		}
		for i := range viewers {
			readHead(t, viewers[i])
		}
		first := l.ticks
		for range 5 {
			tick(t, l)
		}
		frame := make([]byte, len(makeFrame(size, 0)))
		for i := range viewers {
			for n := 0; ; n++ { // a viewer's first frames may be older than first
				if _, err := io.ReadFull(viewers[i], frame); err != nil {
					t.Fatal(err)
				}
				fill := frame[len(frame)-1]
				if !bytes.Equal(frame, makeFrame(size, fill)) {
					t.Fatalf("viewer %d got % x", i, frame)
				}
				if int(fill) == (first+4)%patterns {
					break
				}
			}
		}
		viewers[0].Close()
		for len(l.viewers) == len(viewers) {
			tick(t, l)
		}
		if len(l.viewers) != 2 || l.refused != 0 {
			t.Errorf("%d viewers are left, %d frames were refused", len(l.viewers), l.refused)
		}
	}
}

func tick(t *testing.T, l *loop) {
	t.Helper()
	if err := l.tick(); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, port int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	return c
}

// readHead checks the answer with the example of RFC 6455 section 1.3.
func readHead(t *testing.T, c net.Conn) {
	t.Helper()
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%v, %q", err, got)
	}
}
