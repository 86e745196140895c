package server

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/netcode/ws"
)

// closeUnsupported is the WebSocket close code of messages that are text (RFC
// 6455 section 7.4.1).
const closeUnsupported = 1003

// socket is a WebSocket connection: a link, and the ws.Handler of its session.
type socket struct {
	*ws.Conn
	ses *session
}

// open implements ws.Config.Open.
func (s *Server) open(c *ws.Conn, req *ws.Request) (ws.Handler, error) {
	if req.Subprotocol() != wire.Subprotocol {
		return nil, &ws.RejectError{Status: http.StatusBadRequest, Text: "the WebSocket subprotocol " + wire.Subprotocol + " is required"}
	}
	k := &socket{Conn: c}
	k.ses = newSession(s, k, req.ClientAddr())
	c.SetTimer(loop.Now() + helloTimeout)
	return k, nil
}

// upgradeLater gives an upgrade back to the loop on a connection that asked for
// something else before: proxies that keep connections send whatever comes by them.
// Its path is as the loop knows it, so that it does not come here again.
func (s *Server) upgradeLater(w http.ResponseWriter, r *http.Request) {
	if _, ok := r.Header["Upgrade"]; !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		fail(w, http.StatusBadRequest, "upgrade", "an upgrade has no body")
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, http.StatusInternalServerError, "upgrade", "this connection cannot be upgraded")
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s %s\r\nHost: %s\r\n", socketPath, r.Proto, r.Host)
	r.Header.Write(&b) // into memory: does not fail
	b.WriteString("\r\n")
	behind, _ := rw.Reader.Peek(rw.Reader.Buffered())
	b.Write(behind)
	if err = nc.SetDeadline(time.Time{}); err == nil {
		err = s.ws.Return(s.loops[0], nc, b.Bytes())
	}
	if err != nil {
		nc.Close()
	}
}

// Message implements ws.Handler.
func (k *socket) Message(_ *ws.Conn, binary bool, b []byte) {
	if !binary {
		k.ses.srv.count.text.Add(1)
		k.Close(closeUnsupported, "binary messages only")
		return
	}
	k.ses.message(b)
}

// Timer implements ws.Handler.
func (k *socket) Timer(*ws.Conn, time.Duration) { k.ses.timer() }

// Closed implements ws.Handler. The client of a connection that stood until the
// welcome may hold its token.
func (k *socket) Closed(*ws.Conn, error) { k.ses.broken(true) }

// Move implements link.
func (k *socket) Move(to *loop.Loop, then func()) {
	k.Conn.Move(to, func(*ws.Conn) { then() })
}

// Send implements link.
func (k *socket) Send(f *wire.Frame) bool { return k.Conn.Send(k.fit(f).Bytes()) == nil }

// fit is the frame as this client can best have it.
func (k *socket) fit(f *wire.Frame) *wire.Frame {
	if k.WantsDeflated(f.Len()) {
		return f.Deflated(k.ses.srv.ws.AppendDeflated)
	}
	return f
}

// Offer implements link.
func (k *socket) Offer(private, shared *wire.Frame) bool {
	if private == nil {
		return k.Conn.Offer(nil, k.fit(shared))
	}
	return k.Conn.Offer(k.fit(private).Bytes(), k.fit(shared))
}

// closeReason fits a text into a close frame (RFC 6455 section 5.5: 125 bytes
// with the code).
func closeReason(code wire.Code, text string) string {
	if text == "" {
		text = code.String()
	}
	const limit = 123
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
