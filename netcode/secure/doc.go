// Package secure puts TLS (RFC 8446, RFC 5246) under connections of package
// loop. It knows no protocol above it.
//
//	listener -> hello (on the loop) -> Config.Admit
//	         -> handshake (a goroutine, few at a time) -> Config.Take -> loop.Attach
//
// A connection waits on its loop, without a goroutine on epoll, until the
// ClientHello is there: who connects and says nothing costs what any idle
// connection costs. The handshake itself blocks, so it leaves the loop. All of it
// has one deadline, counted from Gate.Accept. A keeper of the connection stays
// with it all the way, and is told if it ends on the way.
//
// # What the caller owes
//
// Gate.Accept, Config.Admit and Config.Source run on the loop that listens.
// Config.Take runs on the goroutine of the handshake and owns what it is given.
package secure
