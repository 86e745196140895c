package game

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"
)

// A layout describes what a checkpoint holds, little endian: the kind, the hash
// of its schema (8), its tick rate (2) and seats (2), 1 for a StateSaver or 0,
// the number of tables (2) and each one's name, 1 for a Value or 0, and its row.
// A name is its length (2) and bytes. A shape, such as that of a row, is a code
// (1) and, for a struct, the number of fields (2) and each one's name and shape;
// for an array, the number of elements (4) and the shape of one; for a string,
// the most bytes (1); for a reference, the name of its table. What holds no
// state, such as an empty array, is left out.
type layout struct {
	kind   string
	schema uint64
	rate   int
	seats  int
	saver  bool
	tables []tableLayout
	bytes  []byte // as checkpoints hold it
	hash   uint64 // FNV-1a 64 of bytes
}

type tableLayout struct {
	name   string
	single bool
	row    *shape
}

// Codes of shapes beside those of scalars.
const (
	opStruct opCode = iota + 0x20
	opArray
	opRef
)

// shape is one value of a checkpoint: a scalar, or a struct or an array of them.
type shape struct {
	code   opCode
	n      int    // elements of an array, most bytes of a string
	table  string // of a reference, "" if no single table has such rows
	elem   *shape // of an array
	fields []fieldShape

	least int  // fewest bytes in a checkpoint
	fixed bool // always as many

	// In shapes of this build, not in those read from a checkpoint:
	off  uintptr // in the struct around
	size uintptr // in memory
}

type fieldShape struct {
	name string
	*shape
}

// newLayout describes the probed kind.
func newLayout(k *Kind, saver bool) *layout {
	l := &layout{kind: k.name, schema: k.schema.Hash(), rate: k.opts.TickRate, seats: k.opts.MaxPlayers, saver: saver}
	for _, p := range k.tables {
		row := k.shapeOf(p.typ, scope{})
		if row == nil {
			row = newShape(opStruct)
		}
		l.tables = append(l.tables, tableLayout{p.row.Name, p.row.Single, row})
	}
	l.bytes = l.append(nil)
	l.hash = hashLayout(l.bytes)
	return l
}

func hashLayout(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// shapeOf is the shape of a type that compile accepted, nil if it holds nothing.
func (k *Kind) shapeOf(t reflect.Type, sc scope) *shape {
	var s *shape
	switch code := codeOf(t); {
	case isRef(t):
		s = newShape(opRef)
		s.table = k.tableOf(rowType(t))
	case t.Kind() == reflect.Struct:
		s = newShape(opStruct)
		for i := range t.NumField() {
			f := t.Field(i)
			tg, err := parseTag(f.Tag.Get("net"))
			if f.Name == "_" || err != nil {
				continue
			}
			if inner := k.shapeOf(f.Type, sc.inner(tg)); inner != nil {
				inner.off = f.Offset
				s.addField(f.Name, inner)
			}
		}
		if len(s.fields) == 0 {
			return nil
		}
	case t.Kind() == reflect.Array:
		elem := k.shapeOf(t.Elem(), sc)
		if elem == nil || t.Len() == 0 {
			return nil
		}
		s = newShape(opArray)
		s.setElem(t.Len(), elem)
	default:
		s = newShape(code)
		if code == opString && sc.max != nil {
			s.n = sc.max.max
		}
	}
	s.size = t.Size()
	return s
}

// tableOf is the name of the only table with rows of type t, "" for none.
func (k *Kind) tableOf(t reflect.Type) (name string) {
	n := 0
	for _, p := range k.tables {
		if p.typ == t {
			name = p.row.Name
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return name
}

// newShape is a scalar, or a struct or an array that is still empty.
func newShape(code opCode) *shape {
	s := &shape{code: code, fixed: true}
	switch code {
	case opStruct, opArray:
	case opString:
		s.least, s.fixed = 1, false
	case opRef:
		s.least = opU32.wide()
	default:
		s.least = code.wide()
	}
	return s
}

func (s *shape) addField(name string, f *shape) {
	s.fields = append(s.fields, fieldShape{name, f})
	s.least += f.least
	s.fixed = s.fixed && f.fixed
}

func (s *shape) setElem(n int, elem *shape) {
	s.n, s.elem = n, elem
	s.least, s.fixed = n*elem.least, elem.fixed
}

// field is the field of a struct, nil for none.
func (s *shape) field(name string) *shape {
	for i := range s.fields {
		if s.fields[i].name == name {
			return s.fields[i].shape
		}
	}
	return nil
}

// skip passes over a value of the shape.
func (s *shape) skip(in *stateReader) {
	switch {
	case s.fixed:
		in.take(s.least)
	case s.code == opString:
		in.take(in.upTo(s.n))
	case s.code == opArray:
		for i := 0; i < s.n && in.err == nil; i++ {
			s.elem.skip(in)
		}
	default:
		for i := range s.fields {
			s.fields[i].skip(in)
		}
	}
}

// stored is the code of a scalar's bytes.
func (s *shape) stored() opCode {
	if s.code == opRef {
		return opU32
	}
	return s.code
}

var codeNames = [...]string{
	opBool: "bool", opI8: "int8", opI16: "int16", opI32: "int32", opI64: "int64", opInt: "int",
	opU8: "uint8", opU16: "uint16", opU32: "uint32", opU64: "uint64", opUint: "uint", opF32: "float32", opF64: "float64",
}

// String is the shape in words.
func (s *shape) String() string {
	switch s.code {
	case opStruct:
		return "a struct"
	case opArray:
		return "[" + strconv.Itoa(s.n) + "]" + s.elem.String()
	case opString:
		return "a string with max=" + strconv.Itoa(s.n)
	case opRef:
		return fmt.Sprintf("an ID of table %q", s.table)
	}
	return codeNames[s.code]
}

func (l *layout) append(dst []byte) []byte {
	dst = appendName(dst, l.kind)
	dst = binary.LittleEndian.AppendUint64(dst, l.schema)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(l.rate))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(l.seats))
	dst = appendBool(dst, l.saver)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(l.tables)))
	for _, t := range l.tables {
		dst = appendBool(appendName(dst, t.name), t.single)
		dst = t.row.append(dst)
	}
	return dst
}

func (s *shape) append(dst []byte) []byte {
	dst = append(dst, byte(s.code))
	switch s.code {
	case opStruct:
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.fields)))
		for _, f := range s.fields {
			dst = f.append(appendName(dst, f.name))
		}
	case opArray:
		dst = s.elem.append(binary.LittleEndian.AppendUint32(dst, uint32(s.n)))
	case opString:
		dst = append(dst, byte(s.n))
	case opRef:
		dst = appendName(dst, s.table)
	}
	return dst
}

func appendName(dst []byte, name string) []byte {
	return append(binary.LittleEndian.AppendUint16(dst, uint16(len(name))), name...)
}

// parseLayout reads the layout of a checkpoint, which is untrusted.
func parseLayout(b []byte) (*layout, error) {
	r := &stateReader{b: b}
	l := &layout{bytes: b, hash: hashLayout(b)}
	l.kind, l.schema = r.name(), r.u64()
	l.rate, l.seats, l.saver = int(r.u16()), int(r.u16()), r.bool()
	n := int(r.u16())
	if n > MaxTables {
		r.fail("its layout has too many tables")
	}
	for i := 0; i < n && r.err == nil; i++ {
		t := tableLayout{name: r.name(), single: r.bool()}
		t.row = r.shape(0)
		l.tables = append(l.tables, t)
		if r.err == nil && t.row.code != opStruct {
			r.fail("its layout has rows that are no structs")
		}
	}
	if len(r.b) > 0 {
		r.fail("its layout is longer than it says")
	}
	return l, r.err
}

func (r *stateReader) name() string {
	n := int(r.u16())
	if n > maxLayoutName {
		r.fail("its layout has a name that is too long")
	}
	return string(r.take(n))
}

// shape reads a shape at a depth of nesting; after a failure it is of no use.
func (r *stateReader) shape(depth int) *shape {
	s := newShape(opCode(r.u8()))
	if depth > maxNesting {
		r.fail("its layout is nested too deeply")
		return s
	}
	switch {
	case s.code == opStruct:
		for n := int(r.u16()); n > 0 && r.err == nil; n-- {
			name := r.name()
			s.addField(name, r.shape(depth+1))
			r.bound(uint64(s.least))
		}
		if depth > 0 && len(s.fields) == 0 {
			r.fail("its layout has a struct without fields")
		}
	case s.code == opArray:
		n, elem := r.u32(), r.shape(depth+1)
		if r.bound(uint64(n) * uint64(elem.least)); n == 0 {
			r.fail("its layout has an array without elements")
		}
		if r.err == nil {
			s.setElem(int(n), elem)
		}
	case s.code == opString:
		s.n = int(r.u8())
	case s.code == opRef:
		s.table = r.name()
	case s.code < opBool || s.code > opF64:
		r.fail("its layout has a value of an unknown sort")
	}
	return s
}

// bound refuses rows larger than any build writes, before more is added to them:
// so nothing overflows.
func (r *stateReader) bound(bytes uint64) {
	if bytes > maxRowState {
		r.fail("its layout has rows that are too large")
	}
}
