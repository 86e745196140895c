package main

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// readBuffer and writeBuffer are those of a connection, in bytes; write buffers
	// are shared.
	readBuffer  = 512
	writeBuffer = 512
	// maxMessage bounds what a client sends, in bytes.
	maxMessage = 64
	// writeWait is how long a player may take none of a message.
	writeWait = time.Second
)

var errMessage = errors.New("a message that is no input")

// server has the rooms by name. Any goroutine may call its methods.
type server struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex
	rooms    map[string]*room
}

func newServer() *server {
	return &server{
		upgrader: websocket.Upgrader{ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &sync.Pool{}},
		rooms:    map[string]*room{},
	}
}

// ServeHTTP upgrades. The connection goes on in a goroutine of its own, so that
// the stack and the buffers of net/http's are given back.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c.SetReadLimit(maxMessage)
	go s.read(c)
}

// read is the goroutine of a connection.
func (s *server) read(c *websocket.Conn) {
	defer c.Close()
	var buf [maxMessage]byte
	name, err := message(c, buf[:])
	if err != nil {
		return
	}
	r := s.room(string(name))
	p := r.join(c)
	defer r.leave(p)
	for {
		b, err := message(c, buf[:])
		if err != nil {
			return
		}
		dir, seq, err := readInput(b)
		if err != nil {
			return
		}
		r.input(p, dir, seq)
	}
}

// message reads one message into buf.
func message(c *websocket.Conn, buf []byte) ([]byte, error) {
	_, r, err := c.NextReader()
	if err != nil {
		return nil, err
	}
	n := 0
	for n < len(buf) {
		k, err := r.Read(buf[n:])
		n += k
		if err == io.EOF {
			return buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errMessage
}

// room is the room of a name, made and started if there is none.
func (s *server) room(name string) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		r = &room{}
		go r.run(phase(len(s.rooms)))
		s.rooms[name] = r
	}
	return r
}
