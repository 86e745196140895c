package ws

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// Compression of messages (permessage-deflate, RFC 7692). Each message stands for
// itself: neither side keeps a window between two of them, so that an idle
// connection keeps nothing, and a frame for many is compressed once.

// deflateAnswer is the parameters that every accepted offer gets (RFC 7692 7.1).
const deflateAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// rsvDeflate is RSV1, the bit of a compressed message's first frame (RFC 7692 6).
const rsvDeflate = 4

// flushMark ends what a compressor flushed, and is left out (RFC 7692 7.2.1).
// inflateEnd puts it back, and an empty last block behind it.
var (
	flushMark  = []byte{0, 0, 0xff, 0xff}
	inflateEnd = []byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}
)

// offersDeflate reports whether one of the client's offers can be accepted, and
// with what answer. What is malformed or unknown is declined (RFC 7692 7.1), which
// is no reason to refuse the connection.
func offersDeflate(h *head) (answer string, ok bool) {
	for k, v, rest, more := nextField(h.fields); more; k, v, rest, more = nextField(rest) {
		if !strings.EqualFold(string(k), "Sec-WebSocket-Extensions") {
			continue
		}
		for offer := range strings.SplitSeq(string(v), ",") {
			if answer, ok := acceptOffer(offer); ok {
				return answer, true
			}
		}
	}
	return "", false
}

// acceptOffer answers one offer. A smaller window for what this server sends would
// be another compression of each shared frame: such offers are declined.
func acceptOffer(offer string) (answer string, ok bool) {
	name, params, _ := strings.Cut(offer, ";")
	if strings.TrimSpace(name) != "permessage-deflate" {
		return "", false
	}
	answer = deflateAnswer
	seen := map[string]bool{}
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		key, value, has := strings.Cut(param, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[key] {
			return "", false
		}
		seen[key] = true
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			ok = !has
		case "client_max_window_bits":
			ok = !has || windowBits(value)
		case "server_max_window_bits":
			ok = has && value == "15"
			answer += "; server_max_window_bits=15"
		default:
			ok = false
		}
		if !ok {
			return "", false
		}
	}
	return answer, true
}

// windowBits reports whether s is a size of a window: 8 to 15 without leading
// zeros (RFC 7692 7.1.2).
func windowBits(s string) bool {
	switch s {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

// packers are the compressors and decompressors of a Server, each large, and only
// as many as work at a time. Any goroutine may use it.
type packers struct{ deflaters, inflaters sync.Pool }

// deflater compresses one message at a time.
type deflater struct {
	w   *flate.Writer
	out appender
}

// appender is an io.Writer onto a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// AppendDeflated appends b compressed, the payload of a message whose first frame
// has RSV1 set. Any goroutine may call it.
func (s *Server) AppendDeflated(dst, b []byte) []byte {
	d, _ := s.packers.deflaters.Get().(*deflater)
	if d == nil {
		d = &deflater{}
		d.w, _ = flate.NewWriter(&d.out, deflateLevel) // fails for unknown levels only
	}
	d.out.b = dst
	d.w.Reset(&d.out)
	d.w.Write(b) // an appender takes everything
	d.w.Flush()
	dst = bytes.TrimSuffix(d.out.b, flushMark)
	d.out.b = nil
	s.packers.deflaters.Put(d)
	return dst
}

// Deflates reports whether messages to this client may be compressed.
func (c *Conn) Deflates() bool { return c.parser.deflate }

// WantsDeflated reports whether a message of n bytes is worth compressing for this
// client.
func (c *Conn) WantsDeflated(n int) bool { return c.parser.deflate && n >= c.server.cfg.DeflateFrom }

// AppendMessage appends b as one frame for this client, compressed if both want
// that and it gets smaller by it.
func (c *Conn) AppendMessage(dst []byte, isBinary bool, b []byte) []byte {
	if c.WantsDeflated(len(b)) {
		if packed := c.server.AppendDeflated(nil, b); len(packed) < len(b) {
			at := len(dst)
			dst = AppendMessage(dst, isBinary, packed)
			dst[at] |= rsvDeflate << 4
			return dst
		}
	}
	return AppendMessage(dst, isBinary, b)
}

// inflater decompresses one message at a time.
type inflater struct {
	r   io.ReadCloser // also a flate.Resetter
	in  packedReader
	out []byte
}

// packedReader reads a payload and then inflateEnd, and no byte too many.
type packedReader struct{ payload, end []byte }

func (r *packedReader) Read(p []byte) (int, error) {
	if len(r.payload) == 0 {
		r.payload, r.end = r.end, nil
	}
	if len(r.payload) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.payload)
	r.payload = r.payload[n:]
	return n, nil
}

func (r *packedReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := r.Read(b[:])
	return b[0], err
}

// inflate returns what b holds, at most limit bytes, valid until the next call.
func (f *inflater) inflate(b []byte, limit int) ([]byte, *ProtocolError) {
	f.in = packedReader{b, inflateEnd}
	if f.r == nil {
		f.r = flate.NewReader(&f.in)
	} else if err := f.r.(flate.Resetter).Reset(&f.in, nil); err != nil {
		return nil, errDeflate
	}
	out := f.out[:0]
	for {
		if len(out) == cap(out) {
			out = append(out, make([]byte, max(len(out), inflateStep))...)[:len(out)]
		}
		n, err := f.r.Read(out[len(out):min(cap(out), limit+1)])
		out = out[:len(out)+n]
		f.out = out
		switch {
		case len(out) > limit:
			return nil, errTooBig
		case err == io.EOF:
			return out, f.rest()
		case err != nil:
			return nil, errDeflate
		}
	}
}

// rest refuses what follows a block that its sender marked as the last one, but
// for the byte that RFC 7692 7.2.3.4 has there.
func (f *inflater) rest() *ProtocolError {
	if left := f.in.payload; f.in.end != nil && (len(left) > 1 || len(left) == 1 && left[0] != 0) {
		return errDeflate
	}
	return nil
}

// messagePacked handles a whole message that is compressed. Handler.Message gets
// bytes that are valid until it returns, as always.
func (c *Conn) messagePacked(binary bool, payload []byte) {
	pool := &c.server.packers.inflaters
	f, _ := pool.Get().(*inflater)
	if f == nil {
		f = &inflater{}
	}
	b, err := f.inflate(payload, c.server.cfg.MaxMessage)
	if err == nil && !binary && !utf8.Valid(b) {
		err = errText
	}
	if err != nil {
		c.fail(err)
	} else {
		c.handler.Message(c, binary, b)
	}
	f.in = packedReader{}
	if cap(f.out) > keptInflated {
		f.out = nil
	}
	pool.Put(f)
}

// unpack takes the bit of a compressed message off the head of its first frame.
// What is left of the reserved bits is refused as always.
func (p *parser) unpack(h *ws.Header) {
	if !p.open() && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		p.packed = p.deflate && h.Rsv&rsvDeflate != 0
		if p.packed {
			h.Rsv &^= rsvDeflate
		}
	}
}

// packedLimit is the most that a message of n bytes takes compressed: stored blocks
// have heads of 5 bytes (RFC 1951 3.2.4).
func packedLimit(n int) int { return n + n>>10 + 64 }
