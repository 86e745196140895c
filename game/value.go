package game

// Value is a table of exactly one row, always there and shown to Everyone: the
// score, the phase of a round, the seed of a map.
type Value[T any] struct{ t Table[T] }

// NewValue defines a value of the kind, under the rules of NewTable. It starts
// as the zero T.
func NewValue[T any](w *World, name string) *Value[T] {
	v := &Value[T]{}
	v.t.define(w, name, true)
	v.t.rows.add()
	return v
}

// Get is the value, to be read and changed in place. The pointer stays valid
// for the life of the room.
func (v *Value[T]) Get() *T { return (*T)(v.t.rows.at(0)) }
