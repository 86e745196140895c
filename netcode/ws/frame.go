package ws

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// AppendMessage appends b as one unmasked server frame (RFC 6455 5.2), ready for
// Conn.Send. It serves control answers and examples; frames that many viewers
// share are sealed once elsewhere and sent as they are.
func AppendMessage(dst []byte, isBinary bool, b []byte) []byte {
	op := ws.OpText
	if isBinary {
		op = ws.OpBinary
	}
	return append(appendHead(dst, op, len(b)), b...)
}

// appendHead appends the head of an unmasked final frame of n payload bytes.
func appendHead(dst []byte, op ws.OpCode, n int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n <= 125:
		return append(dst, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// appendClose appends a Close frame. CodeNoStatus makes an empty one; a reason
// that is too long is cut between runes, and what is no UTF-8 is left out.
func appendClose(dst []byte, code uint16, reason string) []byte {
	if code == CodeNoStatus {
		return appendHead(dst, ws.OpClose, 0)
	}
	reason = strings.ToValidUTF8(reason, "")
	if len(reason) > maxCloseReason {
		cut := maxCloseReason
		for cut > 0 && !utf8.RuneStart(reason[cut]) {
			cut--
		}
		reason = reason[:cut]
	}
	dst = appendHead(dst, ws.OpClose, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, code), reason...)
}
