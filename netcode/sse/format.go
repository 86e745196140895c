package sse

import (
	"encoding/base64"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/roomd/roomd/game"
)

// Format is how a stream is written.
type Format uint8

// The formats.
const (
	// FormatJSON is an event stream of JSON.
	FormatJSON Format = iota
	// FormatBase64 is an event stream whose key and delta events hold the
	// messages of PROTOCOL.md in base64.
	FormatBase64
	// FormatLines is a JSON object a line.
	FormatLines

	// NumFormats is their number.
	NumFormats
)

// String is the format's name in metrics.
func (f Format) String() string {
	return [...]string{"json", "base64", "ndjson"}[min(f, FormatLines)]
}

// contentType is the media type of a stream.
func (f Format) contentType() string {
	if f == FormatLines {
		return "application/x-ndjson"
	}
	return "text/event-stream"
}

// appendEvent appends one event. data is an object, in one line; an empty id is
// none. Lines carry name and id inside the object.
func (f Format) appendEvent(dst []byte, name, id string, data []byte) []byte {
	dst = f.begin(dst, name, id)
	if f == FormatLines {
		if len(data) > 2 {
			dst = append(append(dst, ','), data[1:]...)
		} else {
			dst = append(dst, '}')
		}
		return append(dst, '\n')
	}
	return append(append(dst, data...), "\n\n"...)
}

// begin appends an event up to its data, of lines up to the first member.
func (f Format) begin(dst []byte, name, id string) []byte {
	if f == FormatLines {
		dst = append(append(append(dst, `{"event":"`...), name...), '"')
		if id != "" {
			dst = append(append(append(dst, `,"id":"`...), id...), '"')
		}
		return dst
	}
	dst = append(append(append(dst, "event: "...), name...), '\n')
	if id != "" {
		dst = append(append(append(dst, "id: "...), id...), '\n')
	}
	return append(dst, "data: "...)
}

// beginHello and endHello stand around the members of a hello, which is too long
// to be copied for each reader.
func (f Format) beginHello(dst []byte) []byte {
	dst = f.begin(dst, "hello", "")
	if f == FormatLines {
		return append(dst, ',')
	}
	return append(dst, '{')
}

func (f Format) endHello(dst []byte) []byte {
	if f == FormatLines {
		return append(dst, "}\n"...)
	}
	return append(dst, "}\n\n"...)
}

// appendHeartbeat appends what tells that the stream is alive and where it is.
func (f Format) appendHeartbeat(dst []byte, id string) []byte {
	if f == FormatLines {
		return append(dst, '\n')
	}
	return append(append(append(dst, "id: "...), id...), "\n\n"...)
}

// appendRetry appends the wait before a client connects again, a random one, so
// that clients who lost the same server do not return at once.
func (f Format) appendRetry(dst []byte) []byte {
	if f == FormatLines {
		return dst
	}
	wait := retryLow + rand.N(retryHigh-retryLow)
	dst = append(dst, "retry: "...)
	return append(strconv.AppendInt(dst, wait.Milliseconds(), 10), "\n\n"...)
}

// happening is what a tick of the stream tells, in the forms that were asked for.
type happening struct {
	tick   game.Tick
	at     time.Duration
	id     string
	key    []byte   // JSON of the state
	delta  []byte   // JSON of what changed
	events [][]byte // JSON
	msgKey []byte   // messages
	msg    []byte
	told   []byte // event messages
}

// append frames the tick as one block: the state or its change, then events. Only
// the last event of the block has the id, so that none of a tick is missed.
func (f Format) append(dst []byte, h *happening, key bool) []byte {
	name := "delta"
	if key {
		name = "key"
	}
	if f == FormatBase64 {
		msg := h.msg
		if key {
			msg = h.msgKey
		}
		all := append(append([]byte(nil), msg...), h.told...)
		return f.appendEvent(dst, name, h.id, base64.StdEncoding.AppendEncode(nil, all))
	}
	data := h.delta
	if key {
		data = h.key
	}
	id := h.id
	if len(h.events) > 0 {
		id = ""
	}
	dst = f.appendEvent(dst, name, id, data)
	for i, ev := range h.events {
		if i == len(h.events)-1 {
			id = h.id
		}
		dst = f.appendEvent(dst, "event", id, ev)
	}
	return dst
}
