package delta

import "github.com/roomd/roomd/game"

// Filter is what a viewer must hold of an entry: the rule by which Encoder and
// State are judged, written leaf by leaf and sharing no code with them. It is
// slow; tests use it.
func Filter(s *game.Schema, e *game.Entry, v View) *State {
	out := NewState(s)
	for t := range s.Tables {
		schema := &s.Tables[t]
		for r := range e.Tables[t].Meta {
			meta := e.Tables[t].Meta[r]
			if !e.Tables[t].Live(r) || !filterSees(meta, v) {
				continue
			}
			if err := out.spawn(t, r); err != nil {
				panic(err) // an entry beyond what any viewer could hold
			}
			row := out.at(t, r)
			for f := range schema.Fields {
				if !filterReads(meta, v, schema.Fields[f].Vis) {
					continue
				}
				for l := range schema.Fields[f].Leaves {
					filterLeaf(&schema.Fields[f].Leaves[l], e, v, e.Tables[t].Row(r, schema.Lanes), row)
				}
			}
		}
	}
	return out
}

// filterSees: the private part is the rows that the seat owns, the shared part
// the rows shown to one of the teams.
func filterSees(m game.RowMeta, v View) bool {
	if v.Seat != 0 {
		return m.Owner == v.Seat
	}
	return m.Show&v.Teams != 0
}

// filterReads: secrets are the owner's and of the teams they are revealed to;
// open fields are in the private part only where the shared part lacks the row.
func filterReads(m game.RowMeta, v View, vis game.Visibility) bool {
	private, owners := v.Seat != 0, vis == game.VisOwner
	switch {
	case private && owners:
		return true
	case private:
		return m.Show&v.Teams == 0
	case owners:
		return m.Reveal&v.Teams != 0
	}
	return true
}

func filterLeaf(l *game.Leaf, e *game.Entry, v View, from, to []int32) {
	switch l.Type {
	case game.LeafString:
		l.PutString(to, string(l.AppendString(nil, from)))
	case game.LeafRef:
		bits := uint32(l.Get(from))
		target, index := &e.Tables[l.Table], game.RefIndex(bits)
		if bits == 0 || !target.Live(index) {
			return
		}
		m := target.Meta[index]
		if m.Gen == game.RefGen(bits) && (m.Show&v.Teams != 0 || v.Seat != 0 && m.Owner == v.Seat) {
			l.Put(to, int64(index+1))
		}
	default:
		l.Put(to, l.Get(from))
	}
}
