package game

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// opCode says how a scalar lies in memory. Layouts in checkpoints name the sorts
// up to opString by their numbers, which therefore stay as they are.
type opCode uint8

const (
	opNone opCode = iota
	opBool
	opI8
	opI16
	opI32
	opI64
	opInt
	opU8
	opU16
	opU32
	opU64
	opUint
	opF32
	opF64
	opString
	// opRanged is an integer that is narrower than its Go type allows, by its
	// range or by MaxSafeInt; leafOp.raw says how it lies in memory.
	opRanged
)

var kindCodes = [...]opCode{
	reflect.Bool: opBool, reflect.String: opString,
	reflect.Int: opInt, reflect.Int8: opI8, reflect.Int16: opI16, reflect.Int32: opI32, reflect.Int64: opI64,
	reflect.Uint: opUint, reflect.Uint8: opU8, reflect.Uint16: opU16, reflect.Uint32: opU32, reflect.Uint64: opU64,
	reflect.Float32: opF32, reflect.Float64: opF64,
	reflect.UnsafePointer: opNone,
}

// codeOf is opNone for all that is not a supported scalar.
func codeOf(t reflect.Type) opCode { return kindCodes[t.Kind()] }

// bits is the width of an integer as clients know it: int and uint are 64 wide
// everywhere.
func (c opCode) bits() uint8 {
	switch c {
	case opI8, opU8:
		return 8
	case opI16, opU16:
		return 16
	case opI32, opU32:
		return 32
	}
	return 64
}

// plan is a struct type flattened: where its scalars are and what to do with
// them. It is made once for a kind, is immutable and shared by its rooms.
type plan struct {
	what  string // its declaration, for messages
	typ   reflect.Type
	row   RowSchema
	ops   []leafOp // sent scalars in order of lanes
	paths []string // by op: Tank.X, for messages
	trims []leafOp // strings that are not sent but bounded
	refs  []refPlan
	state []stateOp
	names []stateName // fields of the checkpoint, for Diff
}

// leafOp moves one scalar between a struct and its lanes.
type leafOp struct {
	off         uintptr
	code        opCode
	raw         opCode
	show        bool // the struct keeps its full precision
	owner, once bool
	ref         bool
	lane, lanes int32
	table       int32 // of a reference
	maxLen      int
	scale, inv  float64
	fmin, fmax  float64
	min, max    int64
}

// refPlan is a reference whose table is to be found by its row type.
type refPlan struct {
	row             reflect.Type
	op, field, leaf int
	path            string
}

func (p *plan) is(name string, t reflect.Type) bool { return p.row.Name == name && p.typ == t }

// reference is implemented by every ID and nothing else.
type reference interface{ rowType() reflect.Type }

func (id ID[T]) rowType() reflect.Type { return reflect.TypeFor[T]() }

func isRef(t reflect.Type) bool {
	return t.Kind() == reflect.Uint32 && t.Implements(reflect.TypeFor[reference]())
}

func rowType(t reflect.Type) reflect.Type { return reflect.Zero(t).Interface().(reference).rowType() }

// resolve finds the tables of the plan's references.
func (p *plan) resolve(tables []*plan) (errs []error) {
	for _, ref := range p.refs {
		var found []int
		for i, t := range tables {
			if t.typ == ref.row {
				found = append(found, i)
			}
		}
		if len(found) != 1 {
			errs = append(errs, fmt.Errorf("%s: %s: %d tables have rows of type %s: a reference needs exactly one",
				p.what, ref.path, len(found), ref.row.Name()))
			continue
		}
		p.ops[ref.op].table = int32(found[0])
		p.row.Fields[ref.field].Leaves[ref.leaf].Table = found[0]
	}
	return errs
}

// captures reports whether capture has anything to do.
func (p *plan) captures() bool { return len(p.ops) > 0 || len(p.trims) > 0 }

// capture writes the sent values of the struct at base into lanes, which hold
// those captured before, and what was rounded or cut back into the struct. It
// returns how many numbers were not finite, and the op of the last.
func (p *plan) capture(base unsafe.Pointer, lanes []int32) (bad, where int) {
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		lane := &lanes[o.lane]
		switch o.code {
		case opF32:
			f := (*float32)(at)
			v := float64(*f)
			if v-v != 0 { // NaN or infinite
				bad, where = bad+1, i
				*f = float32(float64(*lane) * o.inv)
				continue
			}
			q := o.quantize(v)
			*lane = int32(q)
			if !o.show {
				*f = float32(q * o.inv)
			}
		case opF64:
			f := (*float64)(at)
			v := *f
			if v-v != 0 {
				bad, where = bad+1, i
				*f = float64(*lane) * o.inv
				continue
			}
			q := o.quantize(v)
			*lane = int32(q)
			if !o.show {
				*f = q * o.inv
			}
		case opBool, opU8:
			*lane = int32(*(*uint8)(at))
		case opI8:
			*lane = int32(*(*int8)(at))
		case opU16:
			*lane = int32(*(*uint16)(at))
		case opI16:
			*lane = int32(*(*int16)(at))
		case opU32, opI32:
			*lane = *(*int32)(at)
		case opRanged:
			o.captureRanged(at, lanes)
		case opString:
			o.captureString((*string)(at), lanes)
		}
	}
	for i := range p.trims {
		o := &p.trims[i]
		if s := (*string)(unsafe.Add(base, o.off)); len(*s) > o.maxLen {
			*s = strings.Clone(cut(*s, o.maxLen))
		}
	}
	return bad, where
}

// quantize is v in quanta, rounded to the nearest and half up, as
// Math.floor(v*N + 0.5) does in JavaScript; v*N is exact. It saturates.
func (o *leafOp) quantize(v float64) float64 {
	q := math.Floor(v*o.scale + 0.5)
	if q < o.fmin {
		return o.fmin
	}
	if q > o.fmax {
		return o.fmax
	}
	return q
}

func (o *leafOp) captureRanged(at unsafe.Pointer, lanes []int32) {
	v := o.raw.load(at)
	if c := min(max(v, o.min), o.max); c != v {
		v = c
		o.raw.store(at, v)
	}
	o.put(lanes, v)
}

func (o *leafOp) put(lanes []int32, v int64) {
	lanes[o.lane] = int32(v)
	if o.lanes == 2 {
		lanes[o.lane+1] = int32(v >> 32)
	}
}

// captureString bounds the string and makes it valid UTF-8, which is checked
// only when it changed.
func (o *leafOp) captureString(s *string, lanes []int32) {
	if len(*s) > o.maxLen {
		*s = strings.Clone(cut(*s, o.maxLen))
	}
	to := lanes[o.lane : o.lane+o.lanes]
	if packString(to, *s) && !utf8.ValidString(*s) {
		*s = strings.Clone(cut(strings.ToValidUTF8(*s, "\uFFFD"), o.maxLen))
		packString(to, *s)
	}
}

// packString stores s as lanes, length first, and reports a change.
func packString(to []int32, s string) (changed bool) {
	put := func(i int, v int32) {
		changed = changed || to[i] != v
		to[i] = v
	}
	put(0, int32(len(s)))
	i := 1
	for ; len(s) >= 4; i, s = i+1, s[4:] {
		put(i, int32(uint32(s[0])|uint32(s[1])<<8|uint32(s[2])<<16|uint32(s[3])<<24))
	}
	if i == len(to) {
		return changed
	}
	var word uint32
	for j := range len(s) {
		word |= uint32(s[j]) << (8 * j)
	}
	put(i, int32(word))
	for i++; i < len(to); i++ {
		put(i, 0)
	}
	return changed
}

// decode fills the input struct at base from lanes, each value within its
// range. References become IDs of rows that player p can have seen.
func (p *plan) decode(base unsafe.Pointer, lanes []int32, w *World, player PlayerID, seen Tick) {
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		if o.code == opString {
			o.decodeString((*string)(at), lanes)
			continue
		}
		v := int64(lanes[o.lane])
		switch {
		case o.lanes == 2:
			v = int64(uint64(uint32(v)) | uint64(uint32(lanes[o.lane+1]))<<32)
		case o.raw == opU32:
			v = int64(uint32(v))
		}
		v = min(max(v, o.min), o.max)
		switch {
		case o.ref:
			*(*uint32)(at) = w.tables[o.table].visible(int(v)-1, player, seen)
		case o.code == opF32:
			*(*float32)(at) = float32(float64(v) * o.inv)
		case o.code == opF64:
			*(*float64)(at) = float64(v) * o.inv
		default:
			o.raw.store(at, v)
		}
	}
}

// decodeString keeps the string that is there if it is the same.
func (o *leafOp) decodeString(s *string, lanes []int32) {
	var buf [MaxString + 1]byte
	words := lanes[o.lane+1 : o.lane+o.lanes]
	for i, word := range words {
		binary.LittleEndian.PutUint32(buf[4*i:], uint32(word))
	}
	b := buf[:min(max(int(lanes[o.lane]), 0), o.maxLen)]
	if string(b) == *s {
		return
	}
	*s = string(b)
	if !utf8.ValidString(*s) {
		*s = cut(strings.ToValidUTF8(*s, "\uFFFD"), o.maxLen)
	}
}

// clearOwner zeroes the fields that only the owner sees.
func (p *plan) clearOwner(base unsafe.Pointer) {
	for i := range p.ops {
		if o := &p.ops[i]; o.owner {
			o.zero(unsafe.Add(base, o.off))
		}
	}
}

// clearOnce zeroes the fields that a repeated input does not repeat.
func (p *plan) clearOnce(base unsafe.Pointer) {
	for i := range p.ops {
		if o := &p.ops[i]; o.once {
			o.zero(unsafe.Add(base, o.off))
		}
	}
}

func (o *leafOp) zero(at unsafe.Pointer) {
	switch o.raw {
	case opString:
		*(*string)(at) = ""
	case opF32:
		*(*float32)(at) = 0
	case opF64:
		*(*float64)(at) = 0
	default:
		o.raw.store(at, 0)
	}
}

// load reads an integer or bool; a uint64 beyond int64 is the largest int64.
func (c opCode) load(at unsafe.Pointer) int64 {
	switch c {
	case opBool, opU8:
		return int64(*(*uint8)(at))
	case opI8:
		return int64(*(*int8)(at))
	case opU16:
		return int64(*(*uint16)(at))
	case opI16:
		return int64(*(*int16)(at))
	case opU32:
		return int64(*(*uint32)(at))
	case opI32:
		return int64(*(*int32)(at))
	case opI64:
		return *(*int64)(at)
	case opInt:
		return int64(*(*int)(at))
	case opU64:
		return int64(min(*(*uint64)(at), math.MaxInt64))
	case opUint:
		return int64(min(uint64(*(*uint)(at)), math.MaxInt64))
	}
	panic("game: no integer op " + strconv.Itoa(int(c)))
}

// store writes an integer or bool that fits.
func (c opCode) store(at unsafe.Pointer, v int64) {
	switch c {
	case opBool:
		*(*bool)(at) = v != 0
	case opU8, opI8:
		*(*int8)(at) = int8(v)
	case opU16, opI16:
		*(*int16)(at) = int16(v)
	case opU32, opI32:
		*(*int32)(at) = int32(v)
	case opI64, opU64:
		*(*int64)(at) = v
	case opInt, opUint:
		*(*int)(at) = int(v)
	default:
		panic("game: no integer op " + strconv.Itoa(int(c)))
	}
}

// cut is s, at most n bytes of it, cut between runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := 0; i < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}
