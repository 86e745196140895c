package game

import (
	"iter"
	"reflect"
	"unsafe"
)

// Table holds the rows of one struct type. It is made by NewTable in the kind's
// New and used on the room's goroutine. Rows do not move: a *T stays valid
// until its row is removed.
type Table[T any] struct{ rows rows }

// NewTable defines a table of the kind. It is called in New only, always with
// the same names, types and order, because they are the kind's schema; mistakes
// are told by Kind.Check.
func NewTable[T any](w *World, name string) *Table[T] {
	t := &Table[T]{}
	t.define(w, name, false)
	return t
}

func (t *Table[T]) define(w *World, name string, single bool) {
	r := &t.rows
	r.w = w
	r.plan = w.plans.tablePlan(name, reflect.TypeFor[T](), single)
	r.setChunk(unsafe.Sizeof(*new(T)), single)
	r.newChunk = func(n int) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(make([]T, n))) }
	w.tables = append(w.tables, r)
}

// Add puts a row into the table and names it. The row is shown to Everyone,
// revealed to Nobody and owned by nobody. A full table (MaxRows) gives 0.
func (t *Table[T]) Add(row T) ID[T] {
	i := t.rows.add()
	if i < 0 {
		return 0
	}
	*(*T)(t.rows.at(i)) = row
	return makeID[T](i, t.rows.meta[i].Gen)
}

// Get is the row named id, or nil when it was removed. The pointer is valid
// until the row is removed.
func (t *Table[T]) Get(id ID[T]) *T {
	if i := t.rows.find(uint32(id)); i >= 0 {
		return (*T)(t.rows.at(i))
	}
	return nil
}

// Remove takes the row out and reports whether it was there. Its place is not
// given out again within the tick.
func (t *Table[T]) Remove(id ID[T]) bool {
	i := t.rows.find(uint32(id))
	if i < 0 {
		return false
	}
	t.rows.remove(i)
	return true
}

// Len is the number of rows.
func (t *Table[T]) Len() int { return t.rows.live }

// All yields the rows in order of index: those that were in the table when the
// loop began and have not been removed until their turn. Rows may be added and
// removed meanwhile.
func (t *Table[T]) All() iter.Seq2[ID[T], *T] {
	return func(yield func(ID[T], *T) bool) { t.each(yield) }
}

func (t *Table[T]) each(yield func(ID[T], *T) bool) {
	r := &t.rows
	last := r.births
	for i := 0; i < r.top; i++ {
		g := r.meta[i].Gen
		if g != 0 && r.slots[i].birth <= last && !yield(makeID[T](i, g), (*T)(r.at(i))) {
			return
		}
	}
}

// Own makes p the owner of the row, who alone receives its owner fields beside
// the teams it is revealed to. A p without a seat is nobody.
func (t *Table[T]) Own(id ID[T], p PlayerID) {
	if i := t.rows.find(uint32(id)); i >= 0 {
		t.rows.setOwner(i, p)
	}
}

// Owner is the owner of the row, 0 for none.
func (t *Table[T]) Owner(id ID[T]) PlayerID {
	if i := t.rows.find(uint32(id)); i >= 0 {
		return t.rows.meta[i].Owner
	}
	return 0
}

// Of yields the rows that p owns, in order of index, under the same rules as
// All. It costs no more than their number.
func (t *Table[T]) Of(p PlayerID) iter.Seq2[ID[T], *T] {
	return func(yield func(ID[T], *T) bool) { t.eachOf(p, yield) }
}

func (t *Table[T]) eachOf(p PlayerID, yield func(ID[T], *T) bool) {
	r := &t.rows
	last := r.births
	for i := r.firstOf(p); i >= 0; i = r.nextOf(p, i) {
		if r.slots[i].birth <= last && !yield(makeID[T](i, r.meta[i].Gen), (*T)(r.at(i))) {
			return
		}
	}
}

// Show says which teams see the row, beside its owner.
func (t *Table[T]) Show(id ID[T], to Teams) {
	if i := t.rows.find(uint32(id)); i >= 0 {
		t.rows.meta[i].Show = to
	}
}

// Reveal says which teams receive the row's owner fields, beside its owner.
func (t *Table[T]) Reveal(id ID[T], to Teams) {
	if i := t.rows.find(uint32(id)); i >= 0 {
		t.rows.meta[i].Reveal = to
	}
}
