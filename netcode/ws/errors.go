package ws

import (
	"errors"
	"fmt"
)

// Close codes that this package sends by itself (RFC 6455 7.4.1).
const (
	CodeNormal      uint16 = 1000
	CodeGoingAway   uint16 = 1001
	CodeProtocol    uint16 = 1002
	CodeUnsupported uint16 = 1003
	CodeNoStatus    uint16 = 1005 // never on the wire: the peer's Close frame was empty
	CodeInvalidData uint16 = 1007
	CodePolicy      uint16 = 1008
	CodeTooBig      uint16 = 1009
	CodeInternal    uint16 = 1011
)

var (
	// ErrDead ends a peer that sent no byte for Config.PongWait.
	ErrDead = errors.New("ws: peer is silent")
	// ErrCloseTimeout ends a peer that did not answer a Close frame in time.
	ErrCloseTimeout = errors.New("ws: peer did not answer the close")
	// ErrNotOpen is returned by sending before Open returned.
	ErrNotOpen = errors.New("ws: connection is not open yet")
	// ErrClosing is returned by sending after a Close frame went out or came in.
	ErrClosing = errors.New("ws: connection is closing")
)

// ProtocolError is a rule of RFC 6455 or a limit of Config that the peer broke.
// The connection is closed with Code; Handler.Closed gets the error.
type ProtocolError struct {
	Code   uint16 // close code sent
	Reason string // close reason sent
}

// Error implements error.
func (e *ProtocolError) Error() string { return fmt.Sprintf("ws: %s (%d)", e.Reason, e.Code) }

// CloseError is an orderly end: the peer's Close frame or the server's own.
type CloseError struct {
	Code   uint16 // CodeNoStatus when the peer gave none
	Reason string
	Local  bool // the server closed first
}

// Error implements error.
func (e *CloseError) Error() string {
	who := "peer"
	if e.Local {
		who = "server"
	}
	if e.Reason == "" {
		return fmt.Sprintf("ws: closed by %s (%d)", who, e.Code)
	}
	return fmt.Sprintf("ws: closed by %s: %s (%d)", who, e.Reason, e.Code)
}

// Protocol errors met by the parser; shared values, so that a flood of broken
// connections allocates nothing.
var (
	errLengthBit     = &ProtocolError{CodeProtocol, "frame length has its highest bit set"}
	errLengthForm    = &ProtocolError{CodeProtocol, "frame length is not in its shortest form"}
	errTooBig        = &ProtocolError{CodeTooBig, "message too big"}
	errDeflate       = &ProtocolError{CodeInvalidData, "compressed message is broken"}
	errFragments     = &ProtocolError{CodePolicy, "too many fragments"}
	errText          = &ProtocolError{CodeInvalidData, "text is not UTF-8"}
	errCloseLength   = &ProtocolError{CodeProtocol, "close payload of one byte"}
	errCloseCode     = &ProtocolError{CodeProtocol, "close code that may not be sent"}
	errCloseReason   = &ProtocolError{CodeInvalidData, "close reason is not UTF-8"}
	errPingFlood     = &ProtocolError{CodePolicy, "too many pings"}
	errPongFlood     = &ProtocolError{CodePolicy, "too many pongs that nobody asked for"}
	errFrameHeldOpen = &ProtocolError{CodePolicy, "message held half sent"}
)
