package game

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Old is the state in a checkpoint of another build of the game, read by the
// names that its Go structs had. It is valid until Migrate returns. To read a
// table or a field that the checkpoint does not have, or as what it is not,
// makes Migrate fail; Has asks before.
type Old struct{ s *oldState }

// oldState is what stands behind Old.
type oldState struct {
	from   *layout
	tables []oldTable
	state  []byte
	err    error // the first mistake of Migrate
}

type oldTable struct {
	*tableLayout
	places [][]byte // by index: a row's bytes and what follows, nil without a row
}

func newOldState(from *layout) *oldState {
	s := &oldState{from: from}
	for i := range from.tables {
		s.tables = append(s.tables, oldTable{tableLayout: &from.tables[i]})
	}
	return s
}

func (s *oldState) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// TickRate is the number of ticks in a second that the old build had.
func (o Old) TickRate() int {
	if o.s == nil || o.s.from == nil {
		return 0
	}
	return o.s.from.rate
}

// State is what the old build's AppendState appended, nil for none. A game with
// LoadState was given it there.
func (o Old) State() []byte {
	if o.s == nil {
		return nil
	}
	return o.s.state
}

// Has reports whether the checkpoint has the table and in it the field, or the
// table alone for "". A field inside of structs and arrays is Gun.Heat or
// Slots.3.Count.
func (o Old) Has(table, field string) bool {
	t := o.table(table)
	return t != nil && (field == "" || t.row.at(field) != nil)
}

func (o Old) table(name string) *oldTable {
	if o.s == nil {
		return nil
	}
	for i := range o.s.tables {
		if o.s.tables[i].name == name {
			return &o.s.tables[i]
		}
	}
	return nil
}

// Rows yields the rows of a table or Value in order of index.
func (o Old) Rows(table string) iter.Seq[OldRow] {
	return func(yield func(OldRow) bool) {
		t := o.table(table)
		if t == nil {
			o.noTable(table)
			return
		}
		for i := range t.places {
			if t.places[i] != nil && !yield(OldRow{o.s, t, i}) {
				return
			}
		}
	}
}

// Row is the row of a table that had the index, as ID.Index tells it: rows that
// are still there have the same. A Value is row 0. Where no row was, all fields
// are zero.
func (o Old) Row(table string, index int) OldRow {
	t := o.table(table)
	if t == nil {
		o.noTable(table)
	}
	return OldRow{o.s, t, index}
}

func (o Old) noTable(name string) {
	if o.s != nil {
		o.s.fail("the checkpoint has no table %q: ask Has first", name)
	}
}

// OldRow is a row of a checkpoint, valid as long as its Old. Fields are named as
// for Has.
type OldRow struct {
	s *oldState
	t *oldTable
	i int
}

// Index is the row's place in its table.
func (r OldRow) Index() int { return r.i }

// Owner is the row's owner, 0 for none.
func (r OldRow) Owner() PlayerID {
	in := r.bytes()
	return in.place().owner
}

// Int is an integer, with the bits of a uint64 or an ID.
func (r OldRow) Int(field string) int64 {
	s, b := r.read(field, "Int", func(c opCode) bool { return c.signed() || c.unsigned() })
	if b == nil {
		return 0
	}
	return s.stored().integer(b)
}

// Float is a float or an integer.
func (r OldRow) Float(field string) float64 {
	s, b := r.read(field, "Float", func(c opCode) bool { return c != opBool && c != opString })
	switch {
	case b == nil:
		return 0
	case s.code == opF32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case s.code == opF64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case s.code == opU64 || s.code == opUint:
		return float64(binary.LittleEndian.Uint64(b))
	}
	return float64(s.stored().integer(b))
}

// Bool is a bool.
func (r OldRow) Bool(field string) bool {
	_, b := r.read(field, "Bool", func(c opCode) bool { return c == opBool })
	return b != nil && b[0] != 0
}

// Text is a string.
func (r OldRow) Text(field string) string {
	_, b := r.read(field, "Text", func(c opCode) bool { return c == opString })
	return string(b)
}

// bytes are those of the row, none if it is not there.
func (r OldRow) bytes() *stateReader {
	if r.t == nil || r.i < 0 || r.i >= len(r.t.places) || r.t.places[r.i] == nil {
		return &stateReader{err: errNoRow}
	}
	return &stateReader{b: r.t.places[r.i]}
}

var errNoRow = errors.New("game: no such row")

// read finds a scalar and its bytes, which are nil where there is no row. get is
// the name of the caller, which accepts some sorts.
func (r OldRow) read(field, get string, accepts func(opCode) bool) (*shape, []byte) {
	if r.t == nil {
		return nil, nil // told when the row was asked for
	}
	s := r.t.row.at(field)
	switch {
	case s == nil:
		r.s.fail("table %q of the checkpoint has no field %s: ask Has first", r.t.name, field)
		return nil, nil
	case s.elem != nil || s.code == opStruct || !accepts(s.stored()):
		r.s.fail("table %q of the checkpoint: field %s is %s, which %s does not read", r.t.name, field, s, get)
		return nil, nil
	}
	in := r.bytes()
	in.place()
	r.t.row.seek(in, field)
	if s.code == opString {
		return s, in.take(in.upTo(s.n))
	}
	return s, in.take(s.least)
}

// at is the shape of what a path leads to inside s, nil for nothing.
func (s *shape) at(path string) *shape {
	for path != "" && s != nil {
		name, rest, _ := strings.Cut(path, ".")
		s, path = s.inner(name), rest
	}
	return s
}

// inner is the shape of a field of a struct or of an element of an array.
func (s *shape) inner(name string) *shape {
	if s.code != opArray {
		return s.field(name)
	}
	if i, err := strconv.Atoi(name); err != nil || i < 0 || i >= s.n {
		return nil
	}
	return s.elem
}

// seek moves in from the begin of s to what a path that exists leads to.
func (s *shape) seek(in *stateReader, path string) {
	for path != "" {
		name, rest, _ := strings.Cut(path, ".")
		if s.code == opArray {
			i, _ := strconv.Atoi(name)
			for range i {
				s.elem.skip(in)
			}
		} else {
			for j := 0; s.fields[j].name != name; j++ {
				s.fields[j].skip(in)
			}
		}
		s, path = s.inner(name), rest
	}
}
