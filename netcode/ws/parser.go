package ws

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// What parser.next found.
const (
	gotNothing  = iota // the frame is not complete: more bytes are needed
	gotFragment        // a piece of a message that goes on
	gotBinary          // a whole message
	gotText
	gotPing
	gotPong
	gotClose
)

// parser cuts a client's byte stream into messages and control frames. It does
// no I/O and holds no bytes but those of a fragmented message. The zero value
// with limits set is ready.
type parser struct {
	maxMessage   int
	maxFragments int
	deflate      bool // messages may be compressed

	packed bool // the newest message is
	// The fragmented message being assembled; nil, 0 and false between messages.
	assembled []byte
	fragments int  // data frames of it so far
	checked   int  // bytes of assembled known to be whole UTF-8 runes
	text      bool // it is text

	// ahead is how many bytes are known to be whole runes of the frame that is not
	// complete yet, the rune that assembled ends in included.
	ahead int
}

// open reports whether a fragmented message is being assembled.
func (p *parser) open() bool { return p.fragments > 0 }

// next reads the frame at the front of b. It returns what it found, the payload
// and the size of the frame; gotNothing with size 0 asks for the same bytes with
// more behind them. The payload of an unfragmented frame is b itself, unmasked in
// place, and of a fragmented message a buffer that the parser gives away. Bytes
// of an incomplete frame are not touched. After an error the stream is lost.
func (p *parser) next(b []byte) (got int, payload []byte, size int, err *ProtocolError) {
	h, head, err := p.head(b)
	if err != nil || head == 0 {
		return gotNothing, nil, 0, err
	}
	size = head + int(h.Length)
	if len(b) < size {
		return gotNothing, nil, 0, p.look(h, b[head:])
	}
	payload = b[head:size:size]
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		return gotPing, payload, size, nil
	case ws.OpPong:
		return gotPong, payload, size, nil
	case ws.OpClose:
		return gotClose, payload, size, nil
	}
	if h.Fin && !p.open() {
		switch {
		case h.OpCode == ws.OpBinary:
			return gotBinary, payload, size, nil
		case p.packed:
			return gotText, payload, size, nil
		}
		ahead := p.ahead
		p.ahead = 0
		if !utf8.Valid(payload[ahead:]) {
			return gotNothing, nil, 0, errText
		}
		return gotText, payload, size, nil
	}
	got, payload, err = p.fragment(h, payload)
	return got, payload, size, err
}

// head reads a frame head (RFC 6455 5.2) and refuses what the head alone tells,
// as early as its bytes tell it. size is 0 while the head is incomplete.
func (p *parser) head(b []byte) (h ws.Header, size int, err *ProtocolError) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	h.Length = int64(b[1] & 0x7f)
	p.unpack(&h)
	state := ws.StateServerSide
	if p.open() {
		state = state.Set(ws.StateFragmented)
	}
	// A control frame may not be longer than 125 bytes, so here 126 and 127
	// already stand for lengths that are too long.
	if err := ws.CheckHeader(h, state); err != nil {
		return h, 0, &ProtocolError{CodeProtocol, err.Error()}
	}
	size = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		if h.Length, size = int64(binary.BigEndian.Uint16(b[2:])), 4; h.Length < 126 {
			return h, 0, errLengthForm
		}
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n>>63 != 0 {
			return h, 0, errLengthBit
		}
		if h.Length, size = int64(n), 10; n <= 0xffff {
			return h, 0, errLengthForm
		}
	}
	if h.OpCode.IsData() {
		if err := p.admit(h.Length); err != nil {
			return h, 0, err
		}
	}
	if len(b) < size+4 {
		return h, 0, nil
	}
	copy(h.Mask[:], b[size:])
	return h, size + 4, nil
}

// admit holds a data frame's claim against the limits of its message.
func (p *parser) admit(length int64) *ProtocolError {
	limit := p.maxMessage
	if p.packed {
		limit = packedLimit(limit)
	}
	if length > int64(limit-len(p.assembled)) {
		return errTooBig
	}
	if p.fragments >= p.maxFragments {
		return errFragments
	}
	return nil
}

// fragment adds one data frame to the message being assembled (RFC 6455 5.4).
func (p *parser) fragment(h ws.Header, payload []byte) (got int, whole []byte, err *ProtocolError) {
	if !p.open() {
		p.text = h.OpCode == ws.OpText
	}
	p.fragments++
	p.assembled = append(p.assembled, payload...)
	if p.text && !p.packed {
		p.checked += p.ahead
		p.ahead = 0
		n, ok := runes(p.assembled[p.checked:])
		p.checked += n
		if !ok || h.Fin && p.checked < len(p.assembled) {
			return gotNothing, nil, errText
		}
	}
	if !h.Fin {
		return gotFragment, nil, nil
	}
	got = gotBinary
	if p.text {
		got = gotText
	}
	whole = p.assembled
	p.assembled, p.fragments, p.checked, p.text = nil, 0, 0, false
	return got, whole, nil
}

// look checks what has come of a text frame that is not complete, so that no peer
// has to send 16 MiB to hear that the first byte was wrong. b is its payload, which
// stays masked.
func (p *parser) look(h ws.Header, b []byte) *ProtocolError {
	if p.packed || h.OpCode != ws.OpText && !(h.OpCode == ws.OpContinuation && p.text) {
		return nil
	}
	cut := p.assembled[p.checked:] // a rune that began in the fragment before
	for p.ahead < len(cut)+len(b) {
		var buf [lookSize]byte
		k := copy(buf[:], cut[min(p.ahead, len(cut)):])
		from := max(p.ahead-len(cut), 0)
		n := k + copy(buf[k:], b[from:])
		ws.Cipher(buf[k:n], h.Mask, from)
		whole, ok := runes(buf[:n])
		p.ahead += whole
		if !ok {
			return errText
		}
		if n < len(buf) {
			break // what follows the whole runes has not come
		}
	}
	return nil
}

// runes returns how many bytes of b are whole UTF-8 runes, and whether what
// follows them can still become one.
func runes(b []byte) (n int, ok bool) {
	for cut := len(b); ; cut-- {
		if utf8.Valid(b[:cut]) {
			return cut, cut == len(b) || !utf8.FullRune(b[cut:])
		}
		// Only the start of one rune, at most three bytes, can be cut off.
		if cut == 0 || len(b)-cut == utf8.UTFMax-1 {
			return 0, false
		}
	}
}

// closeData reads the payload of a Close frame (RFC 6455 5.5.1, 7.4).
func closeData(payload []byte) (code uint16, reason string, err *ProtocolError) {
	switch len(payload) {
	case 0:
		return CodeNoStatus, "", nil
	case 1:
		return 0, "", errCloseLength
	}
	code = binary.BigEndian.Uint16(payload)
	reason = string(payload[2:])
	switch {
	case !validCode(code):
		return 0, "", errCloseCode
	case !utf8.ValidString(reason):
		return 0, "", errCloseReason
	}
	return code, reason, nil
}

// validCode reports whether a Close frame may carry code (RFC 6455 7.4 and the
// registry that it began: 1012 to 1014 were added).
func validCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
