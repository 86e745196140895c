package gametest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// checkSecrets looks for what a viewer may not see in what it decoded, and
// changes what it may not see to find out whether the bytes sent depend on it.
func (s *suite) checkSecrets() error {
	if err := s.record(); err != nil {
		return err
	}
	seen := &sights{owned: make([]bool, len(s.schema.Tables)), hidden: make([]bool, len(s.schema.Tables))}
	changes := 0
	err := s.watch(func(a *audience, v *viewer, p *parcel) error {
		seen.look(p.cur)
		if err := s.scan(v.shared, p.cur, eye{teams: p.sharedView.Teams}, false); err != nil {
			return err
		}
		if v.seat != 0 {
			if err := s.scan(v.own, p.cur, v.eye(p.cur), true); err != nil {
				return err
			}
		}
		if a.rng.IntN(4) != 0 {
			return nil
		}
		n, err := a.disturb(v, p)
		changes += n
		return err
	})
	if err == nil {
		s.note("%d changes of what viewers may not see changed nothing that they are sent", changes)
		seen.tell(s)
	}
	return err
}

// scan judges the rows that a viewer decoded: those of all who have the eye's
// teams, or those of its seat alone.
func (s *suite) scan(state *delta.State, e *game.Entry, who eye, alone bool) error {
	for t := range s.schema.Tables {
		schema := &s.schema.Tables[t]
		for i, row := range state.Rows(t) {
			if !e.Tables[t].Live(i) {
				return fmt.Errorf("table %q row %d: the viewer has a row that is gone. %s", schema.Name, i, engineAdvice)
			}
			m := &e.Tables[t].Meta[i]
			if !who.sees(m) || alone && !who.owns(m) {
				return fmt.Errorf("%v: the viewer has a row that it may not see. %s", rowName{schema.Name, i, m.Owner}, engineAdvice)
			}
			if err := scanRow(schema, row, e, who, who.reads(m)); err != nil {
				return fmt.Errorf("%v: %w. %s", rowName{schema.Name, i, m.Owner}, err, engineAdvice)
			}
		}
	}
	return nil
}

// scanRow judges the values of one row that a viewer decoded: owner fields that
// are not for the eye are zero, and references lead to rows that it sees.
func scanRow(s *game.RowSchema, row []int32, e *game.Entry, who eye, secrets bool) error {
	if f, l := ownersValue(s, row); l != nil && !secrets {
		return fmt.Errorf("the viewer has %s = %s, which is for the owner", leafName(f, l), leafText(l, row))
	}
	for i := range s.Fields {
		for j := range s.Fields[i].Leaves {
			l := &s.Fields[i].Leaves[j]
			if l.Type != game.LeafRef || l.Get(row) == 0 {
				continue
			}
			target := &e.Tables[l.Table]
			if at := int(l.Get(row)) - 1; !target.Live(at) || !who.sees(&target.Meta[at]) {
				return fmt.Errorf("%s tells the viewer of a row that it may not see", leafName(&s.Fields[i], l))
			}
		}
	}
	return nil
}

// ownersValue is the first value of an owner field that is not zero, nil for none.
func ownersValue(s *game.RowSchema, row []int32) (*game.Field, *game.Leaf) {
	for i := range s.Fields {
		f := &s.Fields[i]
		for j := range f.Leaves {
			l := &f.Leaves[j]
			if f.Vis == game.VisOwner && slices.ContainsFunc(row[l.Lane:l.Lane+l.Lanes], func(v int32) bool { return v != 0 }) {
				return f, l
			}
		}
	}
	return nil, nil
}

// sights notes which secrets a play had, so that an author can tell whether
// they are those that were meant.
type sights struct{ owned, hidden []bool } // by table

func (x *sights) look(e *game.Entry) {
	for t := range e.Tables {
		for i := range e.Tables[t].Meta {
			m := &e.Tables[t].Meta[i]
			x.owned[t] = x.owned[t] || m.Gen != 0 && (m.Owner != 0 || m.Reveal != game.Nobody)
			x.hidden[t] = x.hidden[t] || m.Gen != 0 && m.Show != game.Everyone
		}
	}
}

func (x *sights) tell(s *suite) {
	var hidden []string
	for t := range s.schema.Tables {
		row := &s.schema.Tables[t]
		if x.hidden[t] {
			hidden = append(hidden, row.Name)
		}
		var fields []string
		for i := range row.Fields {
			if row.Fields[i].Vis == game.VisOwner {
				fields = append(fields, row.Fields[i].Name)
			}
		}
		switch {
		case len(fields) == 0:
		case x.owned[t]:
			s.note("only owners (Table.Own) and teams (Table.Reveal) get %s of table %q", strings.Join(fields, ", "), row.Name)
		default:
			s.note("warning: nobody ever gets %s of table %q: they are tagged owner, but no row had one; call Table.Own or Reveal",
				strings.Join(fields, ", "), row.Name)
		}
	}
	if len(hidden) > 0 {
		s.note("tables with rows that were hidden from some (Table.Show): %s", strings.Join(hidden, ", "))
	}
}
