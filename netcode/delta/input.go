package delta

import (
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

var (
	errFields = errors.New("mask names fields that the input does not have")
	errText   = errors.New("text is not UTF-8")
)

// AppendInputValues appends the values of an input that follows prev
// (PROTOCOL.md, input) and returns their mask: bit i is field i. Both are lanes
// of r, references as index + 1; prev is zeros for the first input of a
// connection.
func AppendInputValues(dst []byte, r *game.RowSchema, prev, next []int32) (mask uint64, out []byte) {
	for i := range r.Fields {
		leaves := r.Fields[i].Leaves
		changed := 0
		for j := range leaves {
			if l := planLeaf(&leaves[j]); !l.equalLanes(prev, next) {
				changed++
			}
		}
		if changed == 0 {
			continue
		}
		mask |= 1 << i
		if len(leaves) > 1 {
			dst = wire.AppendUint(dst, uint64(changed))
		}
		last := -1
		for j := range leaves {
			l := planLeaf(&leaves[j])
			if l.equalLanes(prev, next) {
				continue
			}
			if len(leaves) > 1 {
				dst = wire.AppendUint(dst, uint64(j-last-1))
				last = j
			}
			dst = appendInputLeaf(dst, &l, prev, next)
		}
	}
	return mask, dst
}

func appendInputLeaf(dst []byte, l *leafPlan, prev, next []int32) []byte {
	if l.kind != kindString {
		return wire.AppendInt(dst, l.diff(l.number(prev), l.number(next)))
	}
	var text [game.MaxString]byte
	return wire.AppendStr(dst, l.AppendString(text[:0], next))
}

// DecodeInput reads the values of an input into out, each brought into its
// leaf's range. prev is the connection's previous input just as it was sent,
// zeros before the first; it is brought up to date. Both are lanes of r of
// their own; references are index + 1 in both. in.Values is
// untrusted; elements behind the values are ignored. After an error the
// connection cannot go on, since prev is no longer what the client has.
func DecodeInput(r *game.RowSchema, prev []int32, in wire.Input, out []int32) error {
	if in.Mask>>len(r.Fields) != 0 {
		return errFields
	}
	reader := wire.NewReader(in.Values)
	for m := in.Mask; m != 0; m &= m - 1 {
		f := &r.Fields[bits.TrailingZeros64(m)]
		if err := readInputField(&reader, f, prev); err != nil {
			return fmt.Errorf("input field %s: %w", f.Name, err)
		}
	}
	copy(out, prev)
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			l := &r.Fields[i].Leaves[j]
			switch l.Type {
			case game.LeafInt, game.LeafUint, game.LeafFixed:
				l.Put(out, l.Clamp(l.Get(out)))
			}
		}
	}
	return nil
}

func readInputField(r *wire.Reader, f *game.Field, prev []int32) error {
	if len(f.Leaves) == 1 {
		return readInputLeaf(r, &f.Leaves[0], prev)
	}
	n, err := r.ReadUintMax(uint64(len(f.Leaves)))
	if err != nil {
		return err
	}
	last := -1
	for range n {
		gap, err := r.ReadUintMax(uint64(len(f.Leaves)))
		if err != nil {
			return err
		}
		if last += 1 + int(gap); last >= len(f.Leaves) {
			return wire.ErrRange
		}
		if err := readInputLeaf(r, &f.Leaves[last], prev); err != nil {
			return err
		}
	}
	return nil
}

func readInputLeaf(r *wire.Reader, leaf *game.Leaf, prev []int32) error {
	l := planLeaf(leaf)
	if l.kind == kindString {
		b, err := r.ReadStr(l.MaxLen)
		if err != nil {
			return err
		}
		if !utf8.Valid(b) {
			return errText
		}
		putText(&l, prev, b)
		return nil
	}
	d, err := r.ReadInt()
	if err != nil {
		return err
	}
	v, ok := l.add(l.number(prev), d)
	if !ok {
		return wire.ErrRange
	}
	l.Put(prev, v)
	return nil
}
