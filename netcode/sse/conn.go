package sse

import (
	"strconv"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// ServeConn answers the request of a connection of the log's loop with a stream,
// HTTP/1.1 or 1.0, ended by the end of the connection (RFC 9112 section 6.3).
// fields are further header fields. It reports false, and does nothing, when the
// log takes no readers.
func (l *Log) ServeConn(c *loop.Conn, q Request, fields [][2]string) bool {
	s := &stream{conn: c}
	q.Head = func(gzip bool) []byte {
		b := appendHead(nil, "200 OK", q.Header(gzip), fields)
		return append(b, "Connection: close\r\n\r\n"...)
	}
	s.reader = l.Read(loop.Now(), q, s)
	if s.reader == nil {
		return false
	}
	c.SetHandler(s)
	return true
}

func appendHead(dst []byte, status string, lists ...[][2]string) []byte {
	dst = append(append(append(dst, "HTTP/1.1 "...), status...), "\r\n"...)
	for _, list := range lists {
		for _, f := range list {
			dst = append(append(append(append(dst, f[0]...), ": "...), f[1]...), "\r\n"...)
		}
	}
	return dst
}

// stream is the connection of a Reader: loop.Handler and Sink.
type stream struct {
	conn   *loop.Conn
	reader *Reader
}

// Read implements loop.Handler: a reader has nothing more to say.
func (s *stream) Read(_ *loop.Conn, b []byte) int { return len(b) }

// Timer implements loop.Handler.
func (s *stream) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (s *stream) Closed(*loop.Conn, error) { s.reader.Leave() }

// Offer implements Sink.
func (s *stream) Offer(private []byte, block *Block) bool {
	if block == nil {
		return s.conn.Offer(private, nil)
	}
	return s.conn.Offer(private, block)
}

// End implements Sink.
func (s *stream) End(last []byte) {
	if s.conn.Write(last) == nil {
		s.conn.CloseAfterFlush(0)
	}
}

// PollConn answers the request of a connection of the log's loop with a long
// poll. Then the connection goes to the handler that next makes, or ends if next
// is nil.
func (l *Log) PollConn(c *loop.Conn, q Request, wait time.Duration, fields [][2]string, next func(*loop.Conn) loop.Handler) {
	p := &pollConn{conn: c, fields: fields, next: next}
	c.SetHandler(p)
	p.poll = l.Poll(loop.Now(), q, wait, p.answer)
}

// pollConn is the connection of a Poll.
type pollConn struct {
	conn   *loop.Conn
	poll   *Poll
	fields [][2]string
	next   func(*loop.Conn) loop.Handler
	done   bool
}

// Read implements loop.Handler: what follows the request waits for its answer.
func (p *pollConn) Read(*loop.Conn, []byte) int { return 0 }

// Timer implements loop.Handler.
func (p *pollConn) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (p *pollConn) Closed(*loop.Conn, error) {
	p.done = true
	if p.poll != nil {
		p.poll.Leave()
	}
}

func (p *pollConn) answer(a Answer) {
	if p.done {
		return
	}
	p.done = true
	status, fields, body := a.Response()
	b := appendHead(nil, status, fields, p.fields)
	if p.next == nil {
		b = append(b, "Connection: close\r\n"...)
	}
	if len(body) > 0 || a.Over {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10), "\r\n"...)
	}
	b = append(append(b, "\r\n"...), body...)
	// It may be more than Write keeps. Offer is refused where the answer before fills
	// the kernel.
	if !p.conn.Offer(b, nil) && p.conn.Write(b) != nil {
		return
	}
	if p.next == nil {
		var flush time.Duration
		if p.conn.Unsent() > 0 {
			flush = answerTime
		}
		p.conn.CloseAfterFlush(flush)
		return
	}
	p.conn.SetHandler(p.next(p.conn))
}

// Response is the status line, the header fields and the body of an answer: 200
// with events, 204 without, 410 when there will be none.
func (a Answer) Response() (status string, fields [][2]string, body []byte) {
	vary := [2]string{"Vary", "Origin"}
	switch {
	case a.Body != nil:
		cache := "public, max-age=1"
		if a.Past {
			cache = "public, max-age=60, immutable"
		}
		return "200 OK", [][2]string{{"Content-Type", "application/json"}, {"Cache-Control", cache}, vary}, a.Body
	case a.Over:
		return "410 Gone", [][2]string{{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, vary},
			[]byte(`{"error":"the room is over","code":"over"}` + "\n")
	}
	return "204 No Content", [][2]string{{"Cache-Control", "no-store"}, vary}, nil
}
