// Package game is what a game author writes against: a [Game] with three
// methods, a [World] to reach players, chance and time, and [Table]s of plain
// structs that hold all state.
//
// One declaration of state is enough. A struct type given to [NewTable] is at
// once the replication schema, the checkpoint and the state hash; an input type
// given to [Define] is at once the wire format of commands and their limits.
// Struct tags say who sees a field and how finely:
//
//	type Tank struct {
//		X, Y float32 `net:"all,quant=1/256,pos"` // replicated, quantized
//		Turn uint8   `net:"all"`
//		Ammo uint8   `net:"owner"`               // only its owner receives it
//		Heat float32                             // never leaves the server
//	}
//
// Everything in this package except [Define] and [Kind] is called by one
// goroutine, the loop that owns the room; authors need no locks. The package
// uses the standard library only, does no I/O and reads no clock: time is the
// [Tick] that Step is given.
package game
