package wire

import (
	"fmt"
	"math"

	"github.com/roomd/roomd/game"
)

// maxInputMask has a bit for each field that an input may have.
const maxInputMask = 1<<game.MaxFields - 1

// Input is one input of a player (section 8). Its values are decoded by package
// delta, which knows the schema.
type Input struct {
	DSeq  uint32 // sequence - that of the input before, at least 1
	DSeen int32  // tick that the player saw - that of the input before
	Mask  uint64 // bit i: field i differs from the input before
	// Values are the msgpack elements of the changed fields. They are part of
	// the bytes that were read and live as long.
	Values []byte
}

// AppendInput appends the message. Values must be whole msgpack elements, at
// most MaxInput bytes: anything else is a fault of the caller and panics.
func AppendInput(dst []byte, in Input) []byte {
	n, r := 4, NewReader(in.Values)
	for ; r.Len() > 0; n++ {
		if err := r.Skip(); err != nil {
			panic(fmt.Sprintf("wire: AppendInput: values: %v", err))
		}
	}
	if len(in.Values) > MaxInput {
		panic("wire: AppendInput: values beyond MaxInput")
	}
	dst = AppendArrayHead(dst, n)
	dst = AppendUint(append(dst, byte(KindInput)), uint64(in.DSeq))
	dst = AppendInt(dst, int64(in.DSeen))
	dst = AppendUint(dst, in.Mask)
	return append(dst, in.Values...)
}

// ReadInput reads the n elements after the kind. r must be of Messages, at its
// message's end when they are read: Values is all that is left.
func ReadInput(r *Reader, n int) (Input, error) {
	e := elements{r: *r, left: n, kind: KindInput}
	in := Input{DSeq: uint32(e.uint("dseq", math.MaxUint32))}
	in.DSeen = int32(e.int("dseen", math.MinInt32, math.MaxInt32))
	in.Mask = e.uint("mask", maxInputMask)
	if in.DSeq == 0 {
		e.fail("dseq", ErrRange)
	}
	in.Values = e.r.Rest()
	if len(in.Values) > MaxInput {
		e.fail("values", ErrRange)
	}
	return in, e.end(r)
}
