package main

import (
	"encoding/binary"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Players of one room see each other's inputs and not those of another room, and
// are gone when they leave.
func TestPlayersSeeEachOther(t *testing.T) {
	srv := httptest.NewServer(newServer())
	defer srv.Close()
	ann, bob := join(t, srv, "a"), join(t, srv, "a")
	other := join(t, srv, "b")
	say(t, ann, 3, 70_001)
	say(t, bob, 9, 70_002)
	say(t, other, 1, 70_003)
	until(t, ann, func(s state) bool { return len(s.rows) == 2 && s.seq(70_001) && s.seq(70_002) })
	until(t, bob, func(s state) bool { return len(s.rows) == 2 && s.seq(70_001) && s.seq(70_002) })
	until(t, other, func(s state) bool { return len(s.rows) == 1 && s.seq(70_003) })
	ann.Close()
	until(t, bob, func(s state) bool { return len(s.rows) == 1 && s.seq(70_002) })
}

// A walker moves each tick and ages as those of the workload do.
func TestStep(t *testing.T) {
	p := &player{id: 1, hp: fullHP}
	p.turn(8)
	changed := 0
	for now := range uint32(10 * tickRate) {
		x, y, hp := p.x, p.y, p.hp
		p.step(now)
		if p.x == x || p.y == y || p.x < 0 || p.x >= size || p.y < 0 || p.y >= size {
			t.Fatalf("tick %d: from %v, %v to %v, %v", now, x, y, p.x, p.y)
		}
		if p.hp != hp {
			changed++
		}
	}
	if changed != 10 {
		t.Errorf("the health changed %d times in 10 s", changed)
	}
}

func TestPhasesAreSpread(t *testing.T) {
	const rooms, parts = 100, 10
	var n [parts]int
	for i := range rooms {
		n[phase(i)*parts/period]++
	}
	for i := range n {
		if n[i] < rooms/parts/2 || n[i] > rooms/parts*2 {
			t.Errorf("of %d rooms, %v tick in each %dth of a period", rooms, n, parts)
		}
	}
}

func TestBadInputs(t *testing.T) {
	for _, b := range []string{"", "\x92\x01", "\x92\x01\xce\x00\x00\x00", "\x93\x01\xce\x00\x00\x00\x01", "\x92\xff\xce\x00\x00\x00\x01"} {
		if _, _, err := readInput([]byte(b)); err == nil {
			t.Errorf("% x was taken", b)
		}
	}
}

func join(t *testing.T, srv *httptest.Server, room string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err := c.WriteMessage(websocket.BinaryMessage, []byte(room)); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c *websocket.Conn, dir uint8, seq uint32) {
	t.Helper()
	b := binary.BigEndian.AppendUint32([]byte{0x92, dir, 0xce}, seq)
	if err := c.WriteMessage(websocket.BinaryMessage, b); err != nil {
		t.Fatal(err)
	}
}

// until reads states until one is right.
func until(t *testing.T, c *websocket.Conn, right func(state) bool) {
	t.Helper()
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		s, err := readState(b)
		if err != nil {
			t.Fatalf("%v: % x", err, b)
		}
		if right(s) {
			return
		}
	}
}

type state struct{ rows [][]int64 }

func (s state) seq(n int64) bool {
	for _, row := range s.rows {
		if row[5] == n {
			return true
		}
	}
	return false
}

func readState(b []byte) (s state, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	next := func(n int) []byte {
		v := b[:n]
		b = b[n:]
		return v
	}
	num := func() int64 {
		switch c := next(1)[0]; {
		case c < 0x80, c >= 0xe0:
			return int64(int8(c))
		case c == 0xcc:
			return int64(next(1)[0])
		case c == 0xcd:
			return int64(binary.BigEndian.Uint16(next(2)))
		case c == 0xce:
			return int64(binary.BigEndian.Uint32(next(4)))
		case c == 0xd0:
			return int64(int8(next(1)[0]))
		default:
			return int64(c &^ 0x90) // the number of an array's elements
		}
	}
	if num() != 2 {
		return s, fmt.Errorf("no pair")
	}
	num() // tick
	next(1)
	for range binary.BigEndian.Uint16(next(2)) {
		row := make([]int64, num())
		for i := range row {
			row[i] = num()
		}
		s.rows = append(s.rows, row)
	}
	if len(b) > 0 {
		return s, fmt.Errorf("%d bytes are left", len(b))
	}
	return s, nil
}
