package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/roomd/roomd/netcode/wire"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

var errHead = errors.New("the server did not switch to WebSocket")

// upgradeRequest is a bot's handshake. The key is a constant: it guards against
// caches, and there is none between a bot and its server.
func upgradeRequest(addr string) []byte {
	return fmt.Appendf(nil, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: %s\r\n\r\n", addr, wire.Subprotocol)
}

// cutHead returns how long the response head is, 0 while it is incomplete.
func cutHead(b []byte) (int, error) {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
		return 0, errHead
	}
	return i + 4, nil
}

// cutFrame returns the first complete frame of b: its opcode, its payload and
// how many bytes it takes; 0 while it is incomplete. Servers do not mask, and
// roomd does not fragment.
func cutFrame(b []byte) (op byte, payload []byte, n int) {
	if len(b) < 2 {
		return 0, nil, 0
	}
	head, size := 2, int(b[1]&0x7f)
	switch size {
	case 126:
		if head = 4; len(b) < head {
			return 0, nil, 0
		}
		size = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, nil, 0
		}
		size = int(binary.BigEndian.Uint64(b[2:]))
	}
	if len(b) < head+size {
		return 0, nil, 0
	}
	return b[0] & 0xf, b[head : head+size], head + size
}

// appendFrame appends a masked client frame. The mask is zero, which leaves the
// payload as it is: masking guards browsers' users, and bots have none.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	default:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}
