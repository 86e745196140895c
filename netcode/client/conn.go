package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/wire"
)

// CloseError is a WebSocket close by the server (RFC 6455 section 7.1.5) that
// no bye explained.
type CloseError struct {
	Code   uint16 // RFC 6455 section 7.4; 1005 for none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("client: server closed the connection: %d %s", e.Code, e.Reason)
}

var (
	errText        = errors.New("client: server sent text")
	errMessageSize = errors.New("client: message from the server is too large")
	errSubprotocol = errors.New("client: server does not speak " + wire.Subprotocol)
)

// conn is a client's WebSocket: one goroutine reads, any may write.
type conn struct {
	nc   net.Conn
	br   *bufio.Reader
	head [ws.MaxHeaderSize]byte
	msg  []byte // being read
	max  int    // bytes of a message

	mu  sync.Mutex
	out bytes.Buffer // the frame being written
}

// dial connects and shakes hands (RFC 6455 section 4.1).
func dial(ctx context.Context, url string, o *Options) (*conn, error) {
	d := ws.Dialer{
		Protocols: []string{wire.Subprotocol},
		NetDial:   o.NetDial,
		TLSConfig: o.TLS,
	}
	nc, br, hs, err := d.Dial(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("client: dial %s: %w", url, err)
	}
	if hs.Protocol != wire.Subprotocol {
		nc.Close()
		return nil, errSubprotocol
	}
	if br == nil { // else it holds what came right behind the handshake
		br = bufio.NewReaderSize(nc, readBuffer)
	}
	return &conn{nc: nc, br: br, max: o.MaxMessage}, nil
}

// next reads up to the end of a message, answering control frames on the way.
// The message is valid until the next call.
func (c *conn) next() ([]byte, error) {
	c.msg = c.msg[:0]
	state := ws.StateClientSide
	for {
		if err := c.nc.SetReadDeadline(time.Now().Add(maxSilence)); err != nil {
			return nil, err
		}
		h, err := ws.ReadHeaderBuffer(c.br, c.head[:])
		if err != nil {
			return nil, err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return nil, c.refuse(ws.StatusProtocolError, err)
		}
		switch {
		case h.OpCode.IsControl():
			if err := c.control(h); err != nil {
				return nil, err
			}
			continue
		case h.OpCode == ws.OpText:
			return nil, c.refuse(ws.StatusUnsupportedData, errText)
		case h.Length > int64(c.max-len(c.msg)):
			return nil, c.refuse(ws.StatusMessageTooBig, errMessageSize)
		}
		at := len(c.msg)
		c.msg = slices.Grow(c.msg, int(h.Length))[:at+int(h.Length)]
		if _, err := io.ReadFull(c.br, c.msg[at:]); err != nil {
			return nil, err
		}
		if h.Fin {
			return c.msg, nil
		}
		state = state.Set(ws.StateFragmented)
	}
}

// control answers a control frame (RFC 6455 section 5.5), whose size was checked.
func (c *conn) control(h ws.Header) error {
	var payload [ws.MaxControlFramePayloadSize]byte
	b := payload[:h.Length]
	if _, err := io.ReadFull(c.br, b); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		return c.write(ws.OpPong, b)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(b)
		if code.Empty() {
			code = ws.StatusNoStatusRcvd
		}
		_ = c.write(ws.OpClose, b[:min(len(b), 2)]) // section 5.5.1; it is closed either way
		return &CloseError{uint16(code), reason}
	}
	return nil
}

// refuse closes because of what the server sent.
func (c *conn) refuse(code ws.StatusCode, why error) error {
	_ = c.write(ws.OpClose, ws.NewCloseFrameBody(code, "")) // it is given up either way
	return why
}

// write sends one masked frame (RFC 6455 section 5.3). The payload is copied.
func (c *conn) write(op ws.OpCode, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	c.out.Reset()
	if err := ws.WriteHeader(&c.out, h); err != nil {
		return err
	}
	at := c.out.Len()
	c.out.Write(payload)
	ws.Cipher(c.out.Bytes()[at:], h.Mask, 0)
	if err := c.nc.SetWriteDeadline(time.Now().Add(maxWrite)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out.Bytes())
	return err
}

// close says goodbye and closes the socket.
func (c *conn) close() {
	_ = c.write(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")) // best effort
	c.nc.Close()
}
