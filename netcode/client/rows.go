package client

import (
	"iter"
	"math"
	"strconv"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// names finds a row's leaves by name: "hp", and "pos.x" or "cards.3" where a
// field has several.
type names map[string]*game.Leaf

func namesOf(r *game.RowSchema) names {
	n := names{}
	for i := range r.Fields {
		f := &r.Fields[i]
		for j := range f.Leaves {
			l := &f.Leaves[j]
			if len(f.Leaves) == 1 {
				n[f.Name] = l
			}
			if l.Name != "" {
				n[f.Name+"."+l.Name] = l
			}
		}
	}
	return n
}

// Row is one row of a table or the values of an event, as the server let this
// viewer see them. It is valid until the next call of Core.Receive, or until
// Core.Rows moves on.
type Row struct {
	Index int  // in its table; -1 for events
	Mine  bool // the row is this player's own
	names names
	lanes []int32
}

// Value is a number by name, floats in their own unit, bools as 0 and 1,
// references as index + 1. It is NaN when the name is none of a number.
func (r Row) Value(field string) float64 {
	l := r.names[field]
	if l == nil || l.Type == game.LeafString {
		return math.NaN()
	}
	v := float64(l.Get(r.lanes))
	if l.Type == game.LeafFixed {
		v /= float64(l.Scale)
	}
	return v
}

// Str is a string by name; a number is written in decimal. It is empty when
// there is no such name.
func (r Row) Str(field string) string {
	l := r.names[field]
	switch {
	case l == nil:
		return ""
	case l.Type == game.LeafString:
		return string(l.AppendString(nil, r.lanes))
	}
	return strconv.FormatFloat(r.Value(field), 'g', -1, 64)
}

// Ref is the index of the row that a reference refers to, and whether it refers
// to any that this viewer may see.
func (r Row) Ref(field string) (index int, ok bool) {
	l := r.names[field]
	if l == nil || l.Type != game.LeafRef {
		return 0, false
	}
	index = int(l.Get(r.lanes)) - 1
	return index, index >= 0
}

// Lanes is the row as package delta holds it.
func (r Row) Lanes() []int32 { return r.lanes }

// table is the number of a table by name, -1 for none.
func (c *Core) table(name string) int {
	if c.schema == nil {
		return -1
	}
	for t := range c.schema.Tables {
		if c.schema.Tables[t].Name == name {
			return t
		}
	}
	return -1
}

// Row is one row of a table and whether this viewer sees it.
func (c *Core) Row(table string, index int) (Row, bool) {
	t := c.table(table)
	if t < 0 {
		return Row{}, false
	}
	return c.row(t, index)
}

func (c *Core) row(t, index int) (Row, bool) {
	r := Row{Index: index, names: c.tables[t]}
	_, r.Mine = c.own.Row(t, index)
	if !r.Mine {
		var ok bool
		r.lanes, ok = c.shared.Row(t, index)
		return r, ok
	}
	r.lanes = c.scratch[:c.schema.Tables[t].Lanes]
	delta.Compose(c.shared, c.own, t, index, r.lanes)
	return r, true
}

// Rows yields the rows of a table that this viewer sees, by rising index. There
// are none of a table that does not exist. A Row is valid for its turn only.
func (c *Core) Rows(table string) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		t := c.table(table)
		if t < 0 {
			return
		}
		for i := range max(c.shared.End(t), c.own.End(t)) {
			if r, ok := c.row(t, i); ok && !yield(r) {
				return
			}
		}
	}
}

// Len is the number of rows of a table that this viewer sees in the shared part.
func (c *Core) Len(table string) int {
	if t := c.table(table); t >= 0 {
		return c.shared.Len(t)
	}
	return 0
}

// Event is something that happened once.
type Event struct {
	Tick    game.Tick
	Name    string // as the game defined it
	Private bool   // for this player alone
	Row            // its values

	number int // of its schema
	at     int // of its lanes in Core.eventLanes
}

// Events is what happened since the last call, in order of tick. The slice and
// what is in it are valid until the next Receive.
func (c *Core) Events() []Event {
	if c.taken {
		return nil
	}
	c.taken = true
	for i := range c.events {
		e := &c.events[i]
		e.lanes = c.eventLanes[e.at : e.at+c.schema.Events[e.number].Lanes]
	}
	return c.events
}
