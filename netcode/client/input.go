package client

import (
	"errors"
	"fmt"
	"math"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

var (
	errNoField  = errors.New("client: the input has no such field")
	errNotText  = errors.New("client: the input field is no text")
	errNoNumber = errors.New("client: the input field takes a number")
	errTooLarge = errors.New("client: the input is too large")
)

// InputBuilder is an input being put together. It is made for one schema and
// may be sent any number of times. It keeps its values; Reset zeroes them.
type InputBuilder struct {
	schema *game.Schema
	names  names
	lanes  []int32
	err    error
}

// NewInput returns a zero input for the room's schema. Before the first welcome
// the schema is not known and the input takes no fields.
func (c *Core) NewInput() InputBuilder {
	b := InputBuilder{schema: c.schema, names: c.inputs}
	if c.schema != nil {
		b.lanes = make([]int32, c.schema.Input.Lanes)
	}
	return b
}

// Reset zeroes all fields and forgets an error.
func (b *InputBuilder) Reset() {
	clear(b.lanes)
	b.err = nil
}

// Set gives a number to a field by name, floats in their own unit, bools as 0
// and 1, references as index + 1. It is rounded and brought into the field's
// range; fields that wrap, as angles do, are wrapped. The first mistake is
// kept for Err.
func (b *InputBuilder) Set(name string, v float64) {
	l := b.names[name]
	switch {
	case l == nil:
		b.fail(name, errNoField)
	case l.Type == game.LeafString || math.IsNaN(v):
		b.fail(name, errNoNumber)
	case l.Type == game.LeafFixed:
		l.Put(b.lanes, l.Clamp(wholeOf(v*float64(l.Scale))))
	case l.Wraps():
		l.Put(b.lanes, wholeOf(v)&(1<<l.Bits-1))
	default:
		l.Put(b.lanes, l.Clamp(wholeOf(v)))
	}
}

// wholeOf rounds v, which fits an int64 afterwards.
func wholeOf(v float64) int64 {
	return int64(math.Round(min(max(v, -1<<62), 1<<62)))
}

// SetText gives text to a field by name, cut at the field's length.
func (b *InputBuilder) SetText(name, text string) {
	l := b.names[name]
	switch {
	case l == nil:
		b.fail(name, errNoField)
	case l.Type != game.LeafString:
		b.fail(name, errNotText)
	default:
		l.PutString(b.lanes, cut(text, l.MaxLen))
	}
}

// cut is the longest start of s of at most n bytes that ends with a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := 0
	for i := range s {
		if i > n {
			break
		}
		end = i
	}
	return s[:end]
}

func (b *InputBuilder) fail(name string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %q", err, name)
	}
}

// Err is the first mistake since Reset.
func (b *InputBuilder) Err() error { return b.err }

// Lanes is the input as package delta writes it. It may be written to.
func (b *InputBuilder) Lanes() []int32 { return b.lanes }

// sentInput is an input that the server may not have.
type sentInput struct {
	seq   uint32
	seen  game.Tick
	lanes []int32
}

// AppendInput appends the next input, as seen in the state held. It is kept for
// resending until it is acknowledged.
func (c *Core) AppendInput(dst []byte, b *InputBuilder) ([]byte, error) {
	switch {
	case b.err != nil:
		return dst, b.err
	case !c.link.welcomed || c.welcome.Seat == 0 || c.link.bye != nil:
		return dst, ErrNotJoined
	case b.schema != c.schema:
		return dst, ErrSchemaChanged
	}
	seen := c.welcome.Tick
	if c.holds {
		seen = c.tick
	}
	out, err := c.append(dst, c.seq+1, seen, b.lanes)
	if err != nil {
		return dst, err
	}
	c.seq++
	if len(c.unacked) >= MaxUnacked {
		c.forgetAcked(c.unacked[0].seq)
	}
	c.unacked = append(c.unacked, sentInput{c.seq, seen, append(c.spareLanes(), b.lanes...)})
	return out, nil
}

// append appends one input as what changed since the one sent before on this
// connection.
func (c *Core) append(dst []byte, seq uint32, seen game.Tick, lanes []int32) ([]byte, error) {
	l := &c.link
	mask, values := delta.AppendInputValues(c.values[:0], &c.schema.Input, l.prev, lanes)
	c.values = values
	if len(values) > wire.MaxInput {
		return dst, errTooLarge
	}
	dst = wire.AppendInput(dst, wire.Input{
		DSeq: seq - l.prevSeq, DSeen: int32(seen - l.prevSeen), Mask: mask, Values: values,
	})
	l.prevSeq, l.prevSeen = seq, seen
	copy(l.prev, lanes)
	return dst, nil
}

// resend sends the newest unacknowledged inputs again, on a new connection.
func (c *Core) resend() {
	if n := len(c.unacked) - MaxResent; n > 0 {
		c.forgetAcked(c.unacked[n-1].seq)
	}
	for _, in := range c.unacked {
		if out, err := c.append(c.link.out, in.seq, in.seen, in.lanes); err == nil {
			c.link.out = out
		}
	}
}

// forgetAcked drops the inputs up to and including seq.
func (c *Core) forgetAcked(seq uint32) {
	n := 0
	for n < len(c.unacked) && c.unacked[n].seq <= seq {
		c.spare = append(c.spare, c.unacked[n].lanes[:0])
		n++
	}
	if n > 0 {
		c.unacked = append(c.unacked[:0], c.unacked[n:]...)
	}
}

// spareLanes is memory of a forgotten input, or none.
func (c *Core) spareLanes() []int32 {
	n := len(c.spare)
	if n == 0 {
		return nil
	}
	lanes := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return lanes
}
