// Package hostile is clients that no server should mind: slow ones, greedy ones,
// liars, and those who come and go all the time. Tests and the load test let them
// loose beside players who are well.
package hostile

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"

	"github.com/roomd/roomd/netcode/wire"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opBinary       = 0x2
	opPing         = 0x9
	opPong         = 0xa
	final          = 0x80
)

// Upgrade is the request of a WebSocket handshake, with further header lines.
func Upgrade(fields ...string) string {
	return "GET /v1/ws HTTP/1.1\r\nHost: roomd\r\n" + strings.Join(append(fields,
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: "+wire.Subprotocol, "", ""), "\r\n")
}

// frame is a client's frame. Its mask is zero, which leaves the payload as it is.
func frame(head byte, payload []byte) []byte {
	f := []byte{head, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		f = binary.BigEndian.AppendUint16([]byte{head, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

// Claim is the head of a frame that claims to have 2^62 bytes (RFC 6455 section 5.2
// has lengths up to 2^63).
func Claim() []byte {
	return append(binary.BigEndian.AppendUint64([]byte{final | opBinary, 0x80 | 127}, 1<<62), 1, 2, 3, 4)
}

// Half is the begin of a frame, as it is when a connection breaks.
func Half() []byte { return []byte{final | opBinary, 0x80 | 126, 1, 0, 9, 9, 9, 9, 1, 2, 3, 4} }

// Ping is the message ping of a client.
func Ping() []byte { return message(wire.KindPing, wire.AppendUint(nil, 1), wire.AppendUint(nil, 1)) }

func message(kind wire.Kind, elements ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendArrayHead(nil, 1+len(elements)), uint64(kind))
	return append(b, bytes.Join(elements, nil)...)
}

// EndlessHeads is what a head is made of that does not end: one line, or many.
func EndlessHeads() []string {
	return []string{strings.Repeat("x", 1000), "X: x\r\n", "\n\n\n", "\x00"}
}

// Flood is something that is harmless once.
type Flood struct {
	Name string
	Unit []byte
	// Policy: it is over a limit of WebSocket connections (RFC 6455 section 7.4.1,
	// 1008); else there are only too many messages for a player.
	Policy bool
}

// Floods is every kind of flood.
func Floods() []Flood {
	empty := func(head byte) []byte { return frame(head, nil) }
	pieces := bytes.Join([][]byte{empty(opBinary), bytes.Repeat(empty(opContinuation), 62), frame(final|opContinuation, Ping())}, nil)
	return []Flood{
		{Name: "pings", Unit: empty(final | opPing), Policy: true},
		{Name: "pongs", Unit: empty(final | opPong), Policy: true},
		{Name: "empty messages", Unit: empty(final | opBinary)},
		{Name: "messages in 64 fragments", Unit: pieces},
		{Name: "fragments of nothing", Unit: append(empty(opBinary), bytes.Repeat(empty(opContinuation), 64)...), Policy: true},
	}
}

// Bombs is short values that claim much, or go deep, by name.
func Bombs() map[string][]byte {
	claim := func(head byte, n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{head}, n) }
	deep := func(head ...byte) []byte { return bytes.Repeat(head, (wire.MaxMessage-100)/len(head)) }
	return map[string][]byte{
		"arrays in arrays":  deep(0x91),
		"maps in maps":      deep(0x81, 0xa1, 'x'),
		"array of 4 G":      claim(0xdd, 1<<32-1),
		"array of 16 M":     claim(0xdd, 1<<24),
		"map of 4 G":        claim(0xdf, 1<<32-1),
		"str of 4 G":        claim(0xdb, 1<<32-1),
		"bin of 4 G":        claim(0xc6, 1<<32-1),
		"ext of 4 G":        append(claim(0xc9, 1<<32-1), 1),
		"arrays that claim": bytes.Repeat(claim(0xdd, 1<<32-1), 1000),
	}
}

// Reset ends a connection with a RST.
func Reset(nc net.Conn) {
	TCP(nc).SetLinger(0)
	TCP(nc).Close()
}

// TCP is the connection under TLS, or without it the connection itself.
func TCP(nc net.Conn) *net.TCPConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return nc.(*net.TCPConn)
}

// Bomb is a message of some kind with a value in it that is a bomb: the first one, and
// those a player sends.
func Bomb(kind wire.Kind, value []byte) []byte {
	one := wire.AppendUint(nil, 1)
	switch kind {
	case wire.KindHello:
		return message(kind, one, value)
	case wire.KindInput:
		return message(kind, one, wire.AppendUint(nil, 0), one, value)
	case wire.KindPing:
		return message(kind, value, nil)
	}
	panic(fmt.Sprint("hostile: no bomb of kind ", kind))
}
