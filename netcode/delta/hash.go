package delta

import (
	"math/bits"

	"github.com/roomd/roomd/game"
)

// hasher is MurmurHash3_x86_32 with seed 0 over words of 32 bits (Austin
// Appleby, public domain), which JavaScript computes with Math.imul.
type hasher struct{ h, words uint32 }

func (m *hasher) word(w uint32) {
	w *= 0xcc9e2d51
	w = bits.RotateLeft32(w, 15)
	w *= 0x1b873593
	m.h = bits.RotateLeft32(m.h^w, 13)*5 + 0xe6546b64
	m.words++
}

func (m *hasher) sum() uint32 {
	h := m.h ^ 4*m.words
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// leaf adds a number, or a string as its length and its bytes, padded with zeros.
func (m *hasher) leaf(l *leafPlan, row []int32) {
	if l.kind != kindString {
		for _, w := range row[l.lane : l.lane+l.Lanes] {
			m.word(uint32(w))
		}
		return
	}
	for _, w := range row[l.lane : l.lane+1+(int(row[l.lane])+3)/4] {
		m.word(uint32(w))
	}
}

// Hash identifies the rows of the state (PROTOCOL.md section 9.4).
func (s *State) Hash() uint32 {
	var m hasher
	for t := range s.plans {
		for index, row := range s.Rows(t) {
			m.word(uint32(t))
			m.word(uint32(index))
			for i := range s.plans[t].fields {
				for j := range s.plans[t].fields[i].leaves {
					m.leaf(&s.plans[t].fields[i].leaves[j], row)
				}
			}
		}
	}
	return m.sum()
}

// Hash is what State.Hash is for a viewer who holds the entry as v sees it.
func (e *Encoder) Hash(entry *game.Entry, v View) uint32 {
	var m hasher
	for t := range e.tables {
		e.reset(t, &e.tables[t])
		rows := e.source(entry, v)
		for r := range rows.meta {
			var is sight
			if rows.look(r, &is); is.access != 0 {
				m.word(uint32(t))
				m.word(uint32(r))
				e.hashRow(&m, entry, v, is)
			}
		}
	}
	return m.sum()
}

func (e *Encoder) hashRow(m *hasher, entry *game.Entry, v View, is sight) {
	for i := range e.plan.fields {
		f := &e.plan.fields[i]
		row := pick(is.lanes, e.zero, is.access&f.need)
		for j := range f.leaves {
			if l := &f.leaves[j]; l.kind == kindRef {
				m.word(uint32(v.ref(entry, l.Table, uint32(row[l.lane]))))
			} else {
				m.leaf(l, row)
			}
		}
	}
}
