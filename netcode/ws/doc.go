// Package ws speaks the server side of WebSocket (RFC 6455) on package loop.
//
// One port serves everything: the request head is gathered on the loop, an
// upgrade on Config.Path becomes a Conn, and any other request is handed to
// Config.HTTP with the bytes already read. Frames are parsed where the loop
// read them and unmasked in place, so a message that is not fragmented is
// neither copied nor allocated for.
//
//	bytes -> parseHead -> upgrade -> parser.next -> Handler.Message
//	         (head.go)  (handshake.go) (parser.go)   (yours)
//
// The head, the handshake and the parser are pure functions of bytes; conn.go
// and timer.go join them to a loop.Conn, and are the only files that read a
// clock.
//
// # What the caller owes
//
// Every method of Conn and every method of Handler runs on the goroutine of the
// loop that owns the connection. Message bytes die when Message returns. A
// Handler hears Closed exactly once for every Open that returned it, and
// nothing after it.
//
// # What this package refuses
//
// No extensions but permessage-deflate, which is off unless asked for (compression
// of 64 to 512 byte deltas gains little) and keeps no state between messages; no
// client side, no TLS of its own (package secure puts it under Attach), and no
// policy on what messages mean: text is delivered like binary, and the session
// answers 1003 when it wants none.
package ws
