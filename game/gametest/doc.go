// Package gametest is a conformance suite that any game runs in its own tests:
//
//	func TestConformance(t *testing.T) { gametest.Run(t, tanks.Kind) }
//
// It plays rooms of the kind with players who join, leave, lose their
// connection and press buttons at random, and checks what the engine promises
// to players and what it needs of a game: equal inputs give equal states, a
// checkpoint holds all state, what viewers decode is what the game holds, and
// secrets stay where they belong. What it finds it says in the game's own
// words: table, field and tick.
//
// The plays are random, so a failure prints the options to repeat its play
// with. A mistake that only deep play reaches is found if the players can get
// there: see [Inputs] and [Joins].
//
// Tests are the only ones to import this package.
package gametest
