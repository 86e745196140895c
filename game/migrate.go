package game

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unsafe"
)

// migration is what becomes of a checkpoint of another layout.
type migration struct {
	from   *layout
	tables []tableMove // in the checkpoint's order
	old    *oldState   // what Migrate reads; nil for a game without
}

// tableMove is a table of the checkpoint and where its rows go.
type tableMove struct {
	to  *rows // nil: dropped
	row valueMove
}

// valueMove takes one value of a row to its place in another build's row.
type valueMove struct {
	from  *shape
	to    *shape      // nil: dropped
	parts []valueMove // the fields of a struct, in from's order, or the element of an array
}

// planMigration finds the place of all that a checkpoint of layout from holds.
// What does not fit is left to a Migrator, or is the error.
func (s *Sim) planMigration(from *layout) (*migration, error) {
	to := s.kind.layout
	if from.kind != to.kind {
		return nil, fmt.Errorf("game: the checkpoint is of kind %q, not of %q", from.kind, to.kind)
	}
	p := &movePlanner{}
	if from.rate != to.rate {
		p.misfit("the tick rate was %d and is %d", from.rate, to.rate)
	}
	m := &migration{from: from}
	for i := range from.tables {
		m.tables = append(m.tables, p.table(&from.tables[i], to, s.w.tables))
	}
	if _, ok := s.rules.game().(Migrator); ok {
		m.old = newOldState(from)
	} else if len(p.misfits) > 0 {
		return nil, fmt.Errorf("game: the checkpoint is of another build of %s: %s: use another name, or implement Migrate",
			to.kind, strings.Join(p.misfits, "; "))
	}
	return m, nil
}

// movePlanner collects what does not fit.
type movePlanner struct {
	of      string // the table looked at
	misfits []string
}

// misfit keeps as many as an error needs to name.
func (p *movePlanner) misfit(format string, args ...any) {
	if len(p.misfits) < maxMisfits {
		p.misfits = append(p.misfits, fmt.Sprintf(format, args...))
	}
}

func (p *movePlanner) table(from *tableLayout, to *layout, tables []*rows) tableMove {
	for i := range to.tables {
		t := &to.tables[i]
		switch {
		case t.name != from.name:
			continue
		case t.single != from.single:
			p.misfit("table %q was %s and is %s", t.name, tableSort(from.single), tableSort(t.single))
			return tableMove{row: valueMove{from: from.row}}
		}
		p.of = t.name
		return tableMove{tables[i], p.value("", from.row, t.row)}
	}
	return tableMove{row: valueMove{from: from.row}}
}

func tableSort(single bool) string {
	if single {
		return "a Value"
	}
	return "a Table"
}

// value plans the move of a value whose place in the row is path.
func (p *movePlanner) value(path string, from, to *shape) valueMove {
	if !to.holds(from) {
		p.misfit("table %q: field %s was %s and is %s", p.of, path, from, to)
		return valueMove{from: from}
	}
	m := valueMove{from: from, to: to}
	switch from.code {
	case opArray:
		m.parts = []valueMove{p.value(path, from.elem, to.elem)}
	case opStruct:
		for _, f := range from.fields {
			if part := to.field(f.name); part != nil {
				m.parts = append(m.parts, p.value(join(path, f.name), f.shape, part))
			} else {
				m.parts = append(m.parts, valueMove{from: f.shape})
			}
		}
	}
	return m
}

// holds reports whether every value of the other shape is one of this, what is
// inside structs and arrays aside.
func (s *shape) holds(o *shape) bool {
	switch {
	case s.code != o.code:
		return s.code.widens(o.code)
	case s.code == opArray || s.code == opString:
		return s.n >= o.n
	case s.code == opRef:
		return s.table == o.table || s.table == "" || o.table == ""
	}
	return true
}

// widens reports whether a number of sort c can be any number of sort o.
func (c opCode) widens(o opCode) bool {
	switch {
	case o == opF32:
		return c == opF64
	case c.signed() && o.signed(), c.unsigned() && o.unsigned():
		return c.bits() >= o.bits()
	case c.signed() && o.unsigned():
		return c.bits() > o.bits()
	}
	return false
}

func (c opCode) signed() bool   { return c >= opI8 && c <= opInt }
func (c opCode) unsigned() bool { return c >= opU8 && c <= opUint }

// readTables fills all tables from the checkpoint.
func (m *migration) readTables(w *World, in *stateReader, budget *int) {
	for _, r := range w.tables {
		r.reset()
		if r.restoreSingle(); r.plan.row.Single {
			r.plan.zero(r.at(0))
		}
	}
	for i := range m.tables {
		t := &m.tables[i]
		if m.old != nil || t.to == nil {
			ahead := *in
			places := skipTable(&ahead, t.row.from, m.old != nil, budget)
			if m.old != nil {
				m.old.tables[i].places = places
			}
			if t.to == nil || ahead.err != nil {
				*in = ahead
				continue
			}
		}
		t.to.readState(in, budget, &t.row)
	}
}

// skipTable passes over a table. If asked it returns what each place holds: the
// bytes from there on, or nil without a row.
func skipTable(in *stateReader, row *shape, keep bool, budget *int) (places [][]byte) {
	n := int(in.u32())
	if n > MaxRows || n*placeBytes > len(in.b) {
		in.fail("a table has an impossible number of rows")
		return nil
	}
	if keep {
		if *budget -= n * int(unsafe.Sizeof(places[0])); *budget < 0 {
			in.fail("a table needs too much memory")
			return nil
		}
		places = make([][]byte, n)
	}
	for i := 0; i < n && in.err == nil; i++ {
		at := in.b
		if p := in.place(); !p.live() {
			continue
		}
		row.skip(in)
		if keep {
			places[i] = at
		}
	}
	return places
}

// read fills the zeroed value at base, which is where the struct around it is.
func (m *valueMove) read(in *stateReader, base unsafe.Pointer) {
	if m.to == nil {
		m.from.skip(in)
		return
	}
	at := unsafe.Add(base, m.to.off)
	switch m.from.code {
	case opStruct:
		for i := range m.parts {
			m.parts[i].read(in, at)
		}
	case opArray:
		for i := 0; i < m.from.n && in.err == nil; i++ {
			m.parts[0].read(in, unsafe.Add(at, uintptr(i)*m.to.elem.size))
		}
	case opString:
		*(*string)(at) = string(in.take(in.upTo(m.from.n)))
	default:
		from, to := m.from.stored(), m.to.stored()
		b := in.take(from.wide())
		switch {
		case b == nil:
		case from == opBool && b[0] > 1:
			in.fail("a bool is neither 0 nor 1")
		case from == opF32 && to == opF64:
			*(*float64)(at) = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		case from == opF32 || from == opF64:
			to.read(b, at)
		default:
			to.store(at, from.integer(b))
		}
	}
}

// integer is a bool or an integer of a checkpoint; that of a uint64 has its bits.
func (c opCode) integer(b []byte) int64 {
	switch c {
	case opI8:
		return int64(int8(b[0]))
	case opI16:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case opU16:
		return int64(binary.LittleEndian.Uint16(b))
	case opI32:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case opU32:
		return int64(binary.LittleEndian.Uint32(b))
	case opI64, opInt, opU64, opUint:
		return int64(binary.LittleEndian.Uint64(b))
	}
	return int64(b[0])
}

// zero clears all state of the struct at base.
func (p *plan) zero(base unsafe.Pointer) {
	for i := range p.state {
		o := &p.state[i]
		at := unsafe.Add(base, o.off)
		if o.code == opString {
			*(*string)(at) = ""
			continue
		}
		clear(unsafe.Slice((*byte)(at), uintptr(o.count)*o.code.size()))
	}
}

// finish lets the game see to what did not fit.
func (m *migration) finish(g any, state []byte) error {
	if m.old == nil {
		return nil
	}
	m.old.state = state
	err := g.(Migrator).Migrate(Old{m.old})
	err = errors.Join(err, m.old.err)
	*m.old = oldState{} // its bytes are the caller's
	if err != nil {
		return fmt.Errorf("game: Migrate: %w", err)
	}
	return nil
}
