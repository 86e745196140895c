// Package client is the Go side of a connection to a roomd server, for bots,
// tools and tests.
//
// [Core] is the protocol without any I/O: bytes of WebSocket messages go in,
// the state a viewer holds and bytes to send come out. It decodes the schema it
// is sent, so that it needs no code of the game. [Dial] puts a Core behind a
// socket, with one goroutine that reads, reconnects and resumes.
package client
