package sse

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/roomd/roomd/netcode/wire"
)

// ErrAck says that a client acknowledges what it was never given.
var ErrAck = errors.New("after is beyond the newest message")

// Downlink is what one client without WebSocket has still to get: messages,
// numbered from 1 and each kept until the client says that it has it, so that a
// lost response loses nothing (PROTOCOL.md section 17.2). It belongs to one
// goroutine; time is an argument. The zero value is ready.
type Downlink struct {
	waiting  []message // numbers acked+1 on
	acked    uint64    // the client has all up to it
	given    uint64    // all up to it were given to a request at least once
	size     int       // bytes of waiting
	over     bool
	answered time.Duration // when a fetch was last given something
	reader   uint64        // the newest
	fetch    *Fetch        // waits for something; nil when none does
}

type message struct {
	b  []byte
	at time.Duration
}

// Batch is the answer to a Fetch: messages, or none when nothing came in time.
type Batch struct {
	First      uint64   // number of the first message
	Messages   [][]byte // must not be changed
	Over       bool     // nothing comes after it
	Superseded bool     // a newer reader took over
}

// Send appends a message, which it copies. It reports false, and takes nothing,
// when the client has left too much unacknowledged.
func (d *Downlink) Send(now time.Duration, b []byte) bool {
	return d.append(now, maxUnacked, b)
}

// Offer appends a tick's frames as one message if the client keeps up. false
// means that nothing was taken: what comes later makes up for it.
func (d *Downlink) Offer(now time.Duration, private, shared []byte) bool {
	if len(d.waiting) > 0 && now-d.waiting[0].at > ackTime {
		return false
	}
	if n := d.given - d.acked; n < uint64(len(d.waiting)) && now-d.waiting[n].at > fetchTime {
		return false
	}
	return d.append(now, maxUnacked/2, private, shared)
}

func (d *Downlink) append(now time.Duration, most int, parts ...[]byte) bool {
	b := slices.Concat(parts...)
	if d.over || d.size > 0 && d.size+len(b) > most {
		return false
	}
	d.waiting = append(d.waiting, message{b, now})
	d.size += len(b)
	return true
}

// Newest is the number of the newest message.
func (d *Downlink) Newest() uint64 { return d.acked + uint64(len(d.waiting)) }

// Ack says that the client has everything up to number n.
func (d *Downlink) Ack(n uint64) error {
	switch {
	case n > d.Newest():
		return ErrAck
	case n <= d.acked:
		return nil
	}
	k := int(n - d.acked)
	for i := range d.waiting[:k] {
		d.size -= len(d.waiting[i].b)
		d.waiting[i] = message{}
	}
	d.waiting = d.waiting[k:]
	d.acked, d.given = n, max(d.given, n)
	return nil
}

// Attach announces a reader, a poll or a stream, and returns its number. The one
// before is told that it is superseded.
func (d *Downlink) Attach() uint64 {
	d.reader++
	if f := d.fetch; f != nil {
		d.settle(f, Batch{Superseded: true})
	}
	return d.reader
}

// Fetch is one request for messages.
type Fetch struct {
	after  uint64
	until  time.Duration
	answer func(Batch)
}

// Fetch answers, by calling answer once, with every message after number after,
// as soon as there is one, and not more often than clients gain from; with an
// empty Batch when wait is over. Advance drives it. after is not an
// acknowledgement: a stream has written what the client may never get.
func (d *Downlink) Fetch(now time.Duration, reader, after uint64, wait time.Duration, answer func(Batch)) *Fetch {
	f := &Fetch{after: after, until: now + jittered(wait), answer: answer}
	if reader != d.reader {
		answer(Batch{Superseded: true})
		return f
	}
	d.fetch = f
	d.Advance(now)
	return f
}

// Leave takes a fetch out whose request is gone.
func (d *Downlink) Leave(f *Fetch) {
	if d.fetch == f {
		d.fetch = nil
	}
}

// Waiting reports whether a reader waits for something.
func (d *Downlink) Waiting() bool { return d.fetch != nil }

// Take gives the messages after number after to the answer of another request.
// It is empty while a reader waits: that one gets them.
func (d *Downlink) Take(after uint64) Batch {
	if d.fetch != nil {
		return Batch{}
	}
	return d.batch(after)
}

// End says that the newest message is the last.
func (d *Downlink) End(now time.Duration) {
	d.over = true
	d.Advance(now)
}

// Over reports whether, after End, everything was given to the client, and
// whether the client has said that it has it.
func (d *Downlink) Over() (given, acked bool) {
	return d.over && d.given == d.Newest(), d.over && len(d.waiting) == 0
}

// Advance answers the fetch that waits, if it is time, and returns when it wants
// to be called next; 0 for not before something is sent.
func (d *Downlink) Advance(now time.Duration) time.Duration {
	f := d.fetch
	if f == nil {
		return 0
	}
	if f.after < d.Newest() || d.over {
		if due := d.answered + answerEvery; now < due && d.answered != 0 && !d.over {
			return due
		}
		d.answered = now
		d.settle(f, d.batch(f.after))
		return 0
	}
	if now >= f.until {
		d.settle(f, Batch{})
		return 0
	}
	return f.until
}

func (d *Downlink) settle(f *Fetch, b Batch) {
	d.fetch = nil
	f.answer(b)
}

// batch is everything after a number. What the client has acknowledged is gone.
func (d *Downlink) batch(after uint64) Batch {
	after = max(after, d.acked)
	b := Batch{First: after + 1}
	if after < d.Newest() {
		for _, m := range d.waiting[after-d.acked:] {
			b.Messages = append(b.Messages, m.b)
		}
	}
	d.given = max(d.given, d.Newest())
	b.Over = d.over
	return b
}

// AppendPacked appends the batch as msgpack: an array of the number of the first
// message and the messages, each a bin (PROTOCOL.md section 17.2).
func (b Batch) AppendPacked(dst []byte) []byte {
	dst = wire.AppendArrayHead(dst, 1+len(b.Messages))
	dst = wire.AppendUint(dst, b.First)
	for _, m := range b.Messages {
		dst = wire.AppendBin(dst, m)
	}
	return dst
}

// AppendEvents appends the batch as server-sent events: the data of each is a
// message in base64, its id the message's number.
func (b Batch) AppendEvents(dst []byte) []byte {
	for i, m := range b.Messages {
		dst = strconv.AppendUint(append(dst, "id: "...), b.First+uint64(i), 10)
		dst = base64.StdEncoding.AppendEncode(append(dst, "\ndata: "...), m)
		dst = append(dst, "\n\n"...)
	}
	return dst
}
