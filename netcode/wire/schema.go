package wire

import (
	"fmt"
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
)

// A schema in a welcome (section 5). Maps have their keys in rising byte order
// and leave out what is false; a leaf is an array.

const leafElements = 7

// AppendSchema appends s.
func AppendSchema(dst []byte, s *game.Schema) []byte {
	dst = AppendMapHead(dst, 5)
	dst = appendRows(AppendStr(dst, "events"), s.Events)
	dst = appendRow(AppendStr(dst, "input"), &s.Input)
	dst = AppendStr(AppendStr(dst, "kind"), s.Kind)
	dst = appendRows(AppendStr(dst, "tables"), s.Tables)
	return AppendUint(AppendStr(dst, "tickRate"), uint64(s.TickRate))
}

func appendRows(dst []byte, rows []game.RowSchema) []byte {
	dst = AppendArrayHead(dst, len(rows))
	for i := range rows {
		dst = appendRow(dst, &rows[i])
	}
	return dst
}

func appendRow(dst []byte, r *game.RowSchema) []byte {
	dst = AppendMapHead(dst, 2+truths(r.Fleeting, r.Single))
	dst = AppendArrayHead(AppendStr(dst, "fields"), len(r.Fields))
	for i := range r.Fields {
		dst = appendField(dst, &r.Fields[i])
	}
	dst = appendTruth(dst, "fleeting", r.Fleeting)
	dst = AppendStr(AppendStr(dst, "name"), r.Name)
	return appendTruth(dst, "single", r.Single)
}

func appendField(dst []byte, f *game.Field) []byte {
	owner := f.Vis == game.VisOwner
	dst = AppendMapHead(dst, 2+truths(f.Once, owner, f.Pos))
	dst = AppendArrayHead(AppendStr(dst, "leaves"), len(f.Leaves))
	for i := range f.Leaves {
		l := &f.Leaves[i]
		low, high := l.Min, l.Max
		if l.Type == game.LeafString {
			low, high = 0, int64(l.MaxLen)
		}
		dst = AppendArrayHead(dst, leafElements)
		dst = AppendStr(dst, l.Name)
		dst = AppendUint(dst, uint64(l.Type))
		dst = AppendUint(dst, uint64(l.Bits))
		dst = AppendUint(dst, uint64(l.Scale))
		dst = AppendInt(dst, low)
		dst = AppendInt(dst, high)
		dst = AppendUint(dst, uint64(l.Table))
	}
	dst = AppendStr(AppendStr(dst, "name"), f.Name)
	dst = appendTruth(dst, "once", f.Once)
	dst = appendTruth(dst, "owner", owner)
	return appendTruth(dst, "pos", f.Pos)
}

func truths(all ...bool) (n int) {
	for _, t := range all {
		if t {
			n++
		}
	}
	return n
}

func appendTruth(dst []byte, key string, t bool) []byte {
	if !t {
		return dst
	}
	return AppendBool(AppendStr(dst, key), true)
}

// ReadSchema reads a schema. It is bounded by the limits of package game, and
// what it allocates by the bytes it is given. The lanes of rows are laid out as
// package game does: fields and leaves in order.
func ReadSchema(r *Reader) (*game.Schema, error) {
	s := &game.Schema{}
	var has int
	err := readMap(r, func(key string) (err error) {
		has++
		switch key {
		case "events":
			s.Events, err = readRows(r, game.MaxEvents)
		case "input":
			err = readRow(r, &s.Input)
		case "kind":
			s.Kind, err = readName(r, MaxKind)
			if err == nil && !ValidKind(s.Kind) {
				err = ErrText
			}
		case "tables":
			s.Tables, err = readRows(r, game.MaxTables)
		case "tickRate":
			var v uint64
			v, err = r.ReadUintMax(MaxTickRate)
			s.TickRate = int(v)
		default:
			has--
			err = r.Skip()
		}
		return err
	})
	if err == nil && (has != 5 || s.TickRate == 0) {
		err = fmt.Errorf("incomplete: %w", ErrShort)
	}
	if err == nil {
		err = checkRefs(s)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkRefs refuses references to tables that do not exist: tables come last.
func checkRefs(s *game.Schema) error {
	check := func(row *game.RowSchema) error {
		for i := range row.Fields {
			for j := range row.Fields[i].Leaves {
				if l := &row.Fields[i].Leaves[j]; l.Type == game.LeafRef && l.Table >= len(s.Tables) {
					return fmt.Errorf("%s.%s: table %d: %w", row.Name, row.Fields[i].Name, l.Table, ErrRange)
				}
			}
		}
		return nil
	}
	for _, rows := range [][]game.RowSchema{s.Tables, s.Events, {s.Input}} {
		for i := range rows {
			if err := check(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readMap reads a map with rising keys and calls value at each value.
func readMap(r *Reader, value func(key string) error) error {
	n, err := r.ReadMapHead()
	if err != nil {
		return err
	}
	last := ""
	for i := range n {
		k, err := r.ReadStr(MaxSchemaName)
		if err != nil {
			return err
		}
		key := string(k)
		if i > 0 && key <= last {
			return fmt.Errorf("key %q out of order: %w", key, ErrForm)
		}
		last = key
		if err := value(key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// readTruth reads the value of a key that is left out when false.
func readTruth(r *Reader) (bool, error) {
	v, err := r.ReadBool()
	if err == nil && !v {
		err = ErrForm
	}
	return v, err
}

func readName(r *Reader, limit int) (string, error) {
	b, err := r.ReadStr(limit)
	if err == nil && !utf8.Valid(b) {
		err = ErrText
	}
	return string(b), err
}

func readRows(r *Reader, limit int) ([]game.RowSchema, error) {
	n, err := r.ReadArrayHead()
	if err != nil || n == 0 {
		return nil, err
	}
	if n > limit {
		return nil, ErrRange
	}
	rows := make([]game.RowSchema, n)
	for i := range rows {
		if err := readRow(r, &rows[i]); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
	}
	return rows, nil
}

func readRow(r *Reader, row *game.RowSchema) error {
	has, leaves := 0, 0
	err := readMap(r, func(key string) (err error) {
		switch key {
		case "fields":
			has++
			row.Fields, err = readFields(r, row, &leaves)
		case "fleeting":
			row.Fleeting, err = readTruth(r)
		case "name":
			has++
			row.Name, err = readName(r, MaxSchemaName)
		case "single":
			row.Single, err = readTruth(r)
		default:
			err = r.Skip()
		}
		return err
	})
	if err == nil && has != 2 {
		err = fmt.Errorf("incomplete: %w", ErrShort)
	}
	return err
}

func readFields(r *Reader, row *game.RowSchema, leaves *int) ([]game.Field, error) {
	n, err := r.ReadArrayHead()
	if err != nil || n == 0 {
		return nil, err
	}
	if n > game.MaxFields {
		return nil, ErrRange
	}
	fields := make([]game.Field, n)
	for i := range fields {
		if err := readField(r, row, &fields[i], leaves); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
	}
	return fields, nil
}

func readField(r *Reader, row *game.RowSchema, f *game.Field, leaves *int) error {
	has := 0
	err := readMap(r, func(key string) (err error) {
		switch key {
		case "leaves":
			has++
			f.Leaves, err = readLeaves(r, row, leaves)
		case "name":
			has++
			f.Name, err = readName(r, MaxSchemaName)
		case "once":
			f.Once, err = readTruth(r)
		case "owner":
			var owner bool
			if owner, err = readTruth(r); owner {
				f.Vis = game.VisOwner
			}
		case "pos":
			f.Pos, err = readTruth(r)
		default:
			err = r.Skip()
		}
		return err
	})
	if err == nil && has != 2 {
		err = fmt.Errorf("incomplete: %w", ErrShort)
	}
	return err
}

func readLeaves(r *Reader, row *game.RowSchema, leaves *int) ([]game.Leaf, error) {
	n, err := r.ReadArrayHead()
	if err != nil {
		return nil, err
	}
	if *leaves += n; n == 0 || *leaves > game.MaxLeaves {
		return nil, ErrRange
	}
	list := make([]game.Leaf, n)
	for i := range list {
		l := &list[i]
		if err := readLeaf(r, l); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		l.Lane = row.Lanes
		row.Lanes += l.Lanes
	}
	return list, nil
}

// readLeaf reads [name, type, bits, scale, min, max, table, ...].
func readLeaf(r *Reader, l *game.Leaf) error {
	n, err := r.ReadArrayHead()
	if err != nil {
		return err
	}
	if n < leafElements {
		return ErrShort
	}
	if l.Name, err = readName(r, MaxSchemaName); err != nil {
		return err
	}
	var v [3]uint64
	for i, limit := range [...]uint64{uint64(game.LeafString), 64, game.MaxScale} {
		if v[i], err = r.ReadUintMax(limit); err != nil {
			return err
		}
	}
	l.Type, l.Bits, l.Scale = game.LeafType(v[0]), uint8(v[1]), uint32(v[2])
	if l.Min, err = r.ReadInt(); err != nil {
		return err
	}
	if l.Max, err = r.ReadInt(); err != nil {
		return err
	}
	table, err := r.ReadUintMax(game.MaxTables - 1)
	if err != nil {
		return err
	}
	l.Table = int(table)
	if err := checkLeaf(l); err != nil {
		return err
	}
	return r.SkipN(n - leafElements)
}

// checkLeaf refuses what no schema of package game has, and sets the lanes.
func checkLeaf(l *game.Leaf) error {
	var low, high int64 // what the type may hold
	ok := true
	l.Lanes = 1
	switch l.Type {
	case game.LeafBool:
		ok, high = l.Bits == 1, 1
	case game.LeafInt:
		ok, high = wholeBits(l.Bits), safe(1<<(l.Bits-1)-1)
		low = max(-high-1, -MaxSafe)
	case game.LeafUint:
		ok, high = wholeBits(l.Bits), safe(1<<l.Bits-1)
	case game.LeafFixed:
		ok = (l.Bits == 32 || l.Bits == 64) && bits.OnesCount32(l.Scale) == 1
		low, high = math.MinInt32, math.MaxInt32
	case game.LeafRef:
		ok, high = l.Bits == 32, math.MaxUint32
	case game.LeafString:
		ok, high = l.Bits == 0 && l.Min == 0 && l.Max > 0, game.MaxString
	}
	ok = ok && low <= l.Min && l.Min <= l.Max && l.Max <= high
	ok = ok && (l.Scale == 0 || l.Type == game.LeafFixed) && (l.Table == 0 || l.Type == game.LeafRef)
	if !ok {
		return fmt.Errorf("type %d: %w", l.Type, ErrRange)
	}
	switch {
	case l.Type == game.LeafString:
		l.MaxLen = int(l.Max)
		l.Lanes = 1 + (l.MaxLen+3)/4
	case l.Bits == 64 && l.Type != game.LeafFixed:
		l.Lanes = 2
	}
	return nil
}

func wholeBits(n uint8) bool { return n == 8 || n == 16 || n == 32 || n == 64 }

func safe(v uint64) int64 { return int64(min(v, MaxSafe)) }
