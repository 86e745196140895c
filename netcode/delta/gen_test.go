package delta

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/roomd/roomd/game"
)

// layOut numbers the lanes of a schema's rows as game.Kind.Schema does.
func layOut(s *game.Schema) *game.Schema {
	rows := []*game.RowSchema{&s.Input}
	for i := range s.Tables {
		rows = append(rows, &s.Tables[i])
	}
	for i := range s.Events {
		rows = append(rows, &s.Events[i])
	}
	for _, r := range rows {
		r.Lanes = 0
		for i := range r.Fields {
			for j := range r.Fields[i].Leaves {
				l := &r.Fields[i].Leaves[j]
				l.Lane, l.Lanes = r.Lanes, leafLanes(l)
				r.Lanes += l.Lanes
			}
		}
	}
	return s
}

func leafLanes(l *game.Leaf) int {
	switch {
	case l.Type == game.LeafString:
		return 1 + (l.MaxLen+3)/4
	case l.Bits == 64 && (l.Type == game.LeafInt || l.Type == game.LeafUint):
		return 2
	}
	return 1
}

func oneOf[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func randomSchema(rng *rand.Rand) *game.Schema {
	s := &game.Schema{Kind: "random", TickRate: 20}
	tables := 1 + rng.IntN(4)
	for t := range tables {
		s.Tables = append(s.Tables, randomRow(rng, fmt.Sprintf("table%d", t), tables))
	}
	for i := range rng.IntN(3) {
		s.Events = append(s.Events, randomRow(rng, fmt.Sprintf("event%d", i), tables))
	}
	s.Input = randomRow(rng, "input", tables)
	return layOut(s)
}

func randomRow(rng *rand.Rand, name string, tables int) game.RowSchema {
	r := game.RowSchema{Name: name}
	for i := range 1 + rng.IntN(8) {
		f := game.Field{Name: fmt.Sprintf("f%d", i), Vis: oneOf(rng, game.VisAll, game.VisAll, game.VisOwner)}
		switch rng.IntN(4) {
		case 0: // an array
			l := randomLeaf(rng, tables)
			for j := range 1 + rng.IntN(20) {
				l.Name = fmt.Sprint(j)
				f.Leaves = append(f.Leaves, l)
			}
		case 1: // a nested struct
			for j := range 1 + rng.IntN(3) {
				l := randomLeaf(rng, tables)
				l.Name = string(rune('x' + j))
				f.Leaves = append(f.Leaves, l)
			}
		default:
			f.Leaves = []game.Leaf{randomLeaf(rng, tables)}
		}
		r.Fields = append(r.Fields, f)
	}
	return r
}

func randomLeaf(rng *rand.Rand, tables int) game.Leaf {
	l := game.Leaf{Type: game.LeafType(1 + rng.IntN(6)), Bits: 1}
	switch l.Type {
	case game.LeafInt:
		l.Bits = oneOf[uint8](rng, 8, 16, 32, 64)
		l.Min, l.Max = -1<<(l.Bits-1), 1<<(l.Bits-1)-1
		if l.Bits == 64 {
			l.Min, l.Max = -game.MaxSafeInt, game.MaxSafeInt
		}
	case game.LeafUint:
		l.Bits = oneOf[uint8](rng, 8, 16, 32, 64)
		l.Max = 1<<min(l.Bits, 53) - 1
	case game.LeafFixed:
		l.Bits, l.Scale = oneOf[uint8](rng, 32, 64), oneOf[uint32](rng, 1, 16, 256)
		l.Min, l.Max = -1<<31, 1<<31-1
	case game.LeafRef:
		l.Bits, l.Table, l.Max = 32, rng.IntN(tables), game.MaxRows
	case game.LeafString:
		l.Bits, l.MaxLen = 0, 1+rng.IntN(40)
		l.Max = int64(l.MaxLen)
	default:
		l.Max = 1
	}
	return l
}

// world is a mutable entry that changes at random, as a game's would.
type world struct {
	s    *game.Schema
	rng  *rand.Rand
	e    *game.Entry
	gens [][]uint16
	// drift is what the numbers of a row grow by in a tick: motion that can be
	// predicted.
	drift [][]int64
}

const worldRows, worldSeats = 12, 3

func newWorld(s *game.Schema, rng *rand.Rand) *world {
	w := &world{s: s, rng: rng, e: s.NewEntry(worldSeats)}
	for t := range s.Tables {
		w.gens = append(w.gens, make([]uint16, worldRows))
		w.drift = append(w.drift, make([]int64, worldRows))
		w.e.Tables[t].Meta = make([]game.RowMeta, worldRows)
		w.e.Tables[t].Lanes = make([]int32, worldRows*s.Tables[t].Lanes)
	}
	for p := 1; p <= worldSeats; p++ {
		w.e.Seats[p] = game.Seat{Taken: true, Present: true, Teams: game.Team(p % 2)}
	}
	return w
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) teams() game.Teams {
	return oneOf(w.rng, game.Nobody, game.Team(0), game.Team(1), game.Team(0)|game.Team(1), game.Spectators, game.Everyone, game.Everyone)
}

// step changes the world by one tick.
func (w *world) step() {
	w.e.Tick += oneOf[game.Tick](w.rng, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 1000)
	for p := 1; p <= worldSeats; p++ {
		if w.chance(0.05) {
			w.e.Seats[p].Teams = oneOf(w.rng, game.Team(0), game.Team(1), game.Team(0)|game.Team(1))
		}
	}
	for t := range w.s.Tables {
		for r := range worldRows {
			w.stepRow(t, r)
		}
	}
	w.e.Events, w.e.EventLanes = w.e.Events[:0], w.e.EventLanes[:0]
	for i := range w.s.Events {
		if w.chance(0.5) {
			w.emit(i)
		}
	}
}

func (w *world) stepRow(t, r int) {
	m, row := &w.e.Tables[t].Meta[r], w.e.Tables[t].Row(r, w.s.Tables[t].Lanes)
	if m.Gen != 0 && w.chance(0.08) {
		m.Gen = 0
	}
	if m.Gen == 0 {
		if !w.chance(0.15) {
			return
		}
		w.gens[t][r]++
		*m = game.RowMeta{Gen: w.gens[t][r], Show: w.teams(), Reveal: oneOf(w.rng, game.Nobody, game.Nobody, w.teams())}
		clear(row)
		w.change(&w.s.Tables[t], row, 0.7)
	}
	if w.chance(0.1) {
		m.Owner = game.PlayerID(w.rng.IntN(worldSeats + 1))
	}
	if w.chance(0.07) {
		m.Show = w.teams()
	}
	if w.chance(0.07) {
		m.Reveal = w.teams()
	}
	if w.chance(0.2) {
		w.drift[t][r] = oneOf[int64](w.rng, 0, 0, 1, -3, 40, 1<<30)
	}
	if w.chance(0.9) {
		w.move(&w.s.Tables[t], row, w.drift[t][r])
	}
	if w.chance(0.2) {
		w.change(&w.s.Tables[t], row, 0.2)
	}
}

// move adds by to every number of the row.
func (w *world) move(r *game.RowSchema, row []int32, by int64) {
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			switch l := &r.Fields[i].Leaves[j]; {
			case l.Wraps():
				l.Put(row, (l.Get(row)+by)&(1<<l.Bits-1))
			case l.Type == game.LeafInt, l.Type == game.LeafUint, l.Type == game.LeafFixed:
				l.Put(row, l.Clamp(l.Get(row)+by))
			}
		}
	}
}

// change gives each leaf a new value with probability p.
func (w *world) change(r *game.RowSchema, row []int32, p float64) {
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			if w.chance(p) {
				w.changeLeaf(&r.Fields[i].Leaves[j], row)
			}
		}
	}
}

func (w *world) changeLeaf(l *game.Leaf, row []int32) {
	switch {
	case l.Type == game.LeafString:
		text := strings.Repeat(oneOf(w.rng, "a", "é", "\x00", "日本"), w.rng.IntN(l.MaxLen+1))
		l.PutString(row, strings.ToValidUTF8(text[:min(len(text), l.MaxLen)], ""))
	case l.Type == game.LeafRef:
		l.Put(row, int64(w.someRef(l.Table)))
	case w.chance(0.3):
		l.Put(row, oneOf(w.rng, l.Min, l.Max, 0))
	case l.Wraps():
		l.Put(row, (l.Get(row)+int64(w.rng.IntN(60)-30))&(1<<l.Bits-1))
	default:
		l.Put(row, l.Clamp(l.Get(row)+w.rng.Int64N(1<<w.rng.IntN(40))-w.rng.Int64N(1<<w.rng.IntN(40))))
	}
}

// someRef is a reference to a live row, an earlier life of one, or none.
func (w *world) someRef(t int) uint32 {
	r := w.rng.IntN(worldRows)
	gen := w.gens[t][r]
	if gen > 1 && w.chance(0.2) {
		gen--
	}
	if gen == 0 || w.chance(0.1) {
		return 0
	}
	return uint32(gen)<<20 | uint32(r)
}

func (w *world) emit(i int) {
	r := &w.s.Events[i]
	ev := game.EventRecord{Type: uint8(i), Fleeting: r.Fleeting, Teams: w.teams(), Lane: int32(len(w.e.EventLanes)), Lanes: int32(r.Lanes)}
	if w.chance(0.3) {
		ev.To = game.PlayerID(1 + w.rng.IntN(worldSeats))
	}
	w.e.EventLanes = append(w.e.EventLanes, make([]int32, r.Lanes)...)
	w.change(r, w.e.EventLanes[ev.Lane:], 0.7)
	w.e.Events = append(w.e.Events, ev)
}

// copyTo captures the world. Rows that are gone leave rubbish behind, as they
// may in an entry.
func (w *world) copyTo(e *game.Entry) {
	e.Tick = w.e.Tick
	e.Seats = append(e.Seats[:0], w.e.Seats...)
	e.Events = append(e.Events[:0], w.e.Events...)
	e.EventLanes = append(e.EventLanes[:0], w.e.EventLanes...)
	for t := range w.e.Tables {
		from, to, n := &w.e.Tables[t], &e.Tables[t], 0
		for r := range from.Meta {
			if from.Meta[r].Gen != 0 {
				n = r + 1
			}
		}
		to.Meta = append(to.Meta[:0], from.Meta[:n]...)
		to.Lanes = append(to.Lanes[:0], from.Lanes[:n*w.s.Tables[t].Lanes]...)
	}
}
