package game

import (
	"fmt"
	"hash/fnv"
	"io"
)

const (
	// MaxFields is the number of replicated fields of a row or of an input:
	// with the spawn bit their mask fits the 53 bits of a JavaScript number.
	MaxFields = 52
	// MaxLeaves bounds the scalars of one row, elements of arrays counted.
	MaxLeaves = 256
	// MaxTables and MaxEvents bound what one kind may define.
	MaxTables = 64
	MaxEvents = 64
	// MaxString is the largest max= of a string, in bytes.
	MaxString = 255
	// MaxSafeInt is the largest magnitude of a replicated integer (2^53-1), the
	// last that JavaScript holds exactly.
	MaxSafeInt = 1<<53 - 1
)

// Visibility says who may receive a field of a row.
type Visibility uint8

const (
	// VisAll fields go to everyone who is shown the row.
	VisAll Visibility = iota
	// VisOwner fields go to the row's owner and the teams it is revealed to.
	VisOwner
)

// LeafType is the wire type of one scalar.
type LeafType uint8

const (
	LeafBool   LeafType = 1
	LeafInt    LeafType = 2
	LeafUint   LeafType = 3
	LeafFixed  LeafType = 4 // a float as a whole number of quanta
	LeafRef    LeafType = 5 // an ID of a row of table Leaf.Table
	LeafString LeafType = 6
)

// Schema describes what a kind replicates: tables, events and the input, each
// in order of definition. It is constant for a kind and shared; callers must
// not change it.
type Schema struct {
	Kind     string
	TickRate int // ticks per second
	Tables   []RowSchema
	Events   []RowSchema
	Input    RowSchema
}

// RowSchema describes the replicated fields of one struct type.
type RowSchema struct {
	Name     string
	Single   bool // a Value: one row, always there
	Fleeting bool // an event that is dropped when it is late
	Fields   []Field
	Lanes    int // int32 words of a captured row
}

// Field is one bit of a row's change mask: a scalar, or a whole array or nested
// struct with several leaves.
type Field struct {
	Name   string // as the SDK shows it: HP is hp, HitPoints is hitPoints
	Vis    Visibility
	Pos    bool // part of the row's position
	Once   bool // inputs: zeroed when the command is repeated
	Leaves []Leaf
}

// Leaf is one scalar of a row and its place in the captured lanes.
type Leaf struct {
	Name   string // path inside the field: "" for a scalar, "3", "x", "3.x"
	Type   LeafType
	Bits   uint8  // width of the Go type: 8, 16, 32 or 64; 1 for bools
	Scale  uint32 // LeafFixed: quanta per unit, a power of two
	Min    int64  // smallest and largest value, in quanta for LeafFixed
	Max    int64
	Table  int // LeafRef: number of the table it refers to
	MaxLen int // LeafString: bytes
	Lane   int // first lane
	Lanes  int
}

// Wraps reports whether the leaf is sent and predicted modulo its width, as
// angles are: unsigned integers of 8 and 16 bits.
func (l *Leaf) Wraps() bool { return l.Type == LeafUint && l.Bits <= 16 }

// Get is the value of a leaf in a captured row: quanta for LeafFixed, the ID's
// bits for LeafRef, the length in bytes for LeafString.
func (l *Leaf) Get(row []int32) int64 {
	v := row[l.Lane]
	switch {
	case l.Lanes == 2 && l.Type != LeafString:
		return int64(uint64(uint32(v)) | uint64(uint32(row[l.Lane+1]))<<32)
	case l.Type == LeafUint || l.Type == LeafRef:
		return int64(uint32(v))
	}
	return int64(v)
}

// Put stores a value as Get returns it. Strings are stored by PutString.
func (l *Leaf) Put(row []int32, v int64) {
	row[l.Lane] = int32(v)
	if l.Lanes == 2 && l.Type != LeafString {
		row[l.Lane+1] = int32(v >> 32)
	}
}

// AppendString appends the bytes of a LeafString in a captured row.
func (l *Leaf) AppendString(dst []byte, row []int32) []byte {
	n := int(row[l.Lane])
	for i := range n {
		w := uint32(row[l.Lane+1+i/4])
		dst = append(dst, byte(w>>(8*(i%4))))
	}
	return dst
}

// PutString stores the first MaxLen bytes of s, the rest of the lanes zeroed,
// so that equal strings have equal lanes.
func (l *Leaf) PutString(row []int32, s string) {
	if len(s) > l.MaxLen {
		s = s[:l.MaxLen]
	}
	clear(row[l.Lane : l.Lane+l.Lanes])
	row[l.Lane] = int32(len(s))
	for i := range len(s) {
		row[l.Lane+1+i/4] |= int32(uint32(s[i]) << (8 * (i % 4)))
	}
}

// Clamp brings v into the leaf's range.
func (l *Leaf) Clamp(v int64) int64 { return min(max(v, l.Min), l.Max) }

// Hash identifies the schema: two builds whose schemas have equal hashes
// understand each other's rows, events and inputs.
func (s *Schema) Hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d\n", s.Kind, s.TickRate)
	for i := range s.Tables {
		s.Tables[i].hash(h, "table")
	}
	for i := range s.Events {
		s.Events[i].hash(h, "event")
	}
	s.Input.hash(h, "input")
	return h.Sum64()
}

// Hash identifies what the lanes of a row mean.
func (r *RowSchema) Hash() uint64 {
	h := fnv.New64a()
	r.hash(h, "row")
	return h.Sum64()
}

func (r *RowSchema) hash(w io.Writer, what string) {
	fmt.Fprintf(w, "%s %s %t %t\n", what, r.Name, r.Single, r.Fleeting)
	for i := range r.Fields {
		f := &r.Fields[i]
		fmt.Fprintf(w, " %s %d %t %t\n", f.Name, f.Vis, f.Pos, f.Once)
		for j := range f.Leaves {
			l := &f.Leaves[j]
			fmt.Fprintf(w, "  %s %d %d %d %d %d %d %d\n", l.Name, l.Type, l.Bits, l.Scale, l.Min, l.Max, l.Table, l.MaxLen)
		}
	}
}
