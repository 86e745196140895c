// Package server assembles roomd: it turns connections into sessions, places
// them in rooms, runs rooms on loops and serves the HTTP routes around them. It
// is the only package that knows all the others.
//
// A game's own binary is one line:
//
//	func main() { server.Main(tanks.Kind) }
//
// A connection lives through these states, always on the goroutine of the loop
// that owns it at the time:
//
//	upgrade -> waiting for hello -> (Admit, off the loop) -> placed
//	        -> moved to the room's loop -> joining -> playing -> closed
package server
