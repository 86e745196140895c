package delta

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// Rest carries entries from a room to its edges. What the public is told of an
// entry travels as the body that its viewers get; the rest, which turns that into
// the entry itself, is made and read here. Between nodes of one version only: it
// is no part of the protocol of clients.
//
// Both sides begin with a guess of each row: the base's, with what the public body
// says in its place. What differs follows as numbers in 7-bit groups
// (encoding/binary's varints): per table the number of rows, the rows whose meta
// data changed, and the rows whose lanes differ from the guess; then seats; then
// events. It belongs to one goroutine.
type Rest struct {
	schema *game.Schema
	tables []rowPlan
	empty  *game.Entry
	guess  []int32
}

// NewRest returns one for entries of the schema.
func NewRest(s *game.Schema) *Rest {
	r := &Rest{schema: s, tables: planRows(s.Tables), empty: s.NewEntry(0)}
	lanes := 0
	for i := range r.tables {
		lanes = max(lanes, r.tables[i].lanes)
	}
	r.guess = make([]int32, lanes)
	return r
}

// Append appends what is missing to make cur of base, nil for nothing, beside a
// body of what v sees; without one if told is false.
func (p *Rest) Append(dst []byte, base, cur *game.Entry, v View, told bool) []byte {
	if base == nil {
		base = p.empty
	}
	for t := range p.tables {
		was, is := &base.Tables[t], &cur.Tables[t]
		dst = binary.AppendUvarint(dst, uint64(len(is.Meta)))
		dst = appendMetas(dst, was.Meta, is.Meta)
		dst = p.appendRows(dst, t, was, is, v, told)
	}
	dst = appendSeats(dst, base.Seats, cur.Seats)
	return appendEvents(dst, cur)
}

func appendMetas(dst []byte, was, is []game.RowMeta) []byte {
	last := -1
	for r := range is {
		if r < len(was) && was[r] == is[r] || r >= len(was) && is[r] == (game.RowMeta{}) {
			continue
		}
		m := &is[r]
		dst = binary.AppendUvarint(dst, uint64(r-last))
		last = r
		dst = binary.AppendUvarint(dst, uint64(m.Gen))
		dst = binary.AppendUvarint(dst, uint64(m.Owner))
		dst = binary.AppendUvarint(dst, uint64(m.Show))
		dst = binary.AppendUvarint(dst, uint64(m.Reveal))
	}
	return append(dst, 0)
}

func (p *Rest) appendRows(dst []byte, t int, was, is *game.TableRows, v View, told bool) []byte {
	n, last := p.tables[t].lanes, -1
	for r := range is.Meta {
		row := is.Row(r, n)
		if is.Meta[r].Gen == 0 || r < len(was.Meta) && was.Meta[r] == is.Meta[r] && equal(was.Row(r, n), row) {
			continue
		}
		guess := p.guessRow(t, r, was, &is.Meta[r], v, told, row)
		if equal(guess, row) {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(r-last))
		last = r
		lane := -1
		for i := range row {
			if d := row[i] - guess[i]; d != 0 {
				dst = binary.AppendUvarint(dst, uint64(i-lane))
				lane = i
				dst = binary.AppendVarint(dst, int64(d))
			}
		}
		dst = append(dst, 0)
	}
	return append(dst, 0)
}

// guessRow is the row before, if it is the same life, with what the public is told
// of the row now: public. It is valid until the next call.
func (p *Rest) guessRow(t, r int, was *game.TableRows, meta *game.RowMeta, v View, told bool, public []int32) []int32 {
	plan := &p.tables[t]
	guess := p.guess[:plan.lanes]
	if r < len(was.Meta) && was.Meta[r].Gen == meta.Gen {
		copy(guess, was.Row(r, plan.lanes))
	} else {
		clear(guess)
	}
	access := v.access(meta)
	if !told || access == 0 {
		return guess
	}
	for i := range plan.fields {
		f := &plan.fields[i]
		if access&f.need == 0 {
			continue
		}
		for j := range f.leaves {
			if l := &f.leaves[j]; l.kind != kindRef { // the public knows no generations
				copy(guess[l.lane:l.lane+l.Lanes], public[l.lane:l.lane+l.Lanes])
			}
		}
	}
	return guess
}

func appendEvents(dst []byte, e *game.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(e.Events)))
	for i := range e.Events {
		ev := &e.Events[i]
		kind := uint64(ev.Type) << 1
		if ev.Fleeting {
			kind |= 1
		}
		dst = binary.AppendUvarint(dst, kind)
		dst = binary.AppendUvarint(dst, uint64(ev.To))
		dst = binary.AppendUvarint(dst, uint64(ev.Teams))
		dst = binary.AppendUvarint(dst, uint64(ev.Lanes))
		for _, v := range e.EventLanes[ev.Lane : ev.Lane+ev.Lanes] {
			dst = binary.AppendVarint(dst, int64(v))
		}
	}
	return dst
}

var errRest = errors.New("delta: damaged entry")

// Read undoes Append: it fills into with what b says, given the same base and view,
// and the state that v has after the body, nil if none was told. b is not kept.
func (p *Rest) Read(b []byte, base *game.Entry, public *State, v View, into *game.Entry) error {
	if base == nil {
		base = p.empty
	}
	in := &varints{wire.Varints{B: b}}
	for t := range p.tables {
		p.readTable(in, t, &base.Tables[t], public, v, &into.Tables[t])
		if in.Bad {
			return fmt.Errorf("%w: table %s", errRest, p.schema.Tables[t].Name)
		}
	}
	readSeats(in, base.Seats, into)
	readEvents(in, p.schema, into)
	if in.Bad || len(in.B) > 0 {
		return errRest
	}
	return nil
}

func (p *Rest) readTable(in *varints, t int, was *game.TableRows, public *State, v View, is *game.TableRows) {
	plan := &p.tables[t]
	n := in.UintMax(game.MaxRows)
	if n*plan.lanes > MaxStateWords {
		in.Bad = true
	}
	if in.Bad {
		return
	}
	is.Meta, is.Lanes = sized(is.Meta, n), sized(is.Lanes, n*plan.lanes)
	clear(is.Meta[copy(is.Meta, was.Meta):])
	readMetas(in, is.Meta)
	for r := range n {
		row := is.Row(r, plan.lanes)
		if is.Meta[r].Gen == 0 {
			clear(row)
			continue
		}
		var seen []int32
		if public != nil {
			seen, _ = public.Row(t, r)
		}
		copy(row, p.guessRow(t, r, was, &is.Meta[r], v, seen != nil, seen))
	}
	for r := in.next(-1, n); r >= 0; r = in.next(r, n) {
		row := is.Row(r, plan.lanes)
		for i := in.next(-1, plan.lanes); i >= 0; i = in.next(i, plan.lanes) {
			row[i] += int32(in.Int())
		}
	}
}

func readMetas(in *varints, is []game.RowMeta) {
	for r := in.next(-1, len(is)); r >= 0; r = in.next(r, len(is)) {
		m := &is[r]
		m.Gen = uint16(in.UintMax(1<<16 - 1))
		m.Owner = game.PlayerID(in.UintMax(1<<16 - 1))
		m.Show, m.Reveal = game.Teams(in.Uint()), game.Teams(in.Uint())
	}
}

func readEvents(in *varints, s *game.Schema, into *game.Entry) {
	into.Events, into.EventLanes = into.Events[:0], into.EventLanes[:0]
	for range in.UintMax(len(in.B)) {
		kind := in.UintMax(1<<9 - 1)
		ev := game.EventRecord{
			Type: uint8(kind >> 1), Fleeting: kind&1 != 0, To: game.PlayerID(in.UintMax(1<<16 - 1)),
			Teams: game.Teams(in.Uint()), Lane: int32(len(into.EventLanes)),
		}
		if int(ev.Type) >= len(s.Events) || in.UintMax(s.Events[ev.Type].Lanes) != s.Events[ev.Type].Lanes {
			in.Bad = true
			return
		}
		ev.Lanes = int32(s.Events[ev.Type].Lanes)
		for range ev.Lanes {
			into.EventLanes = append(into.EventLanes, int32(in.Int()))
		}
		into.Events = append(into.Events, ev)
		if in.Bad {
			return
		}
	}
}

// sized is s with n elements, of any content.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// varints reads numbers from another node.
type varints struct{ wire.Varints }

// next is the index behind last that a gap leads to, or -1 at the end of the list
// or where it leads to n or beyond.
func (r *varints) next(last, n int) int {
	gap := r.UintMax(n)
	if gap == 0 {
		return -1
	}
	if last += gap; last >= n {
		r.Bad, r.B = true, nil
		return -1
	}
	return last
}
