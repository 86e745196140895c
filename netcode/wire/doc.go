// Package wire is roomd's protocol: the messages between a server and its
// clients, byte for byte as PROTOCOL.md in this folder says. Section numbers in
// comments are of that document.
//
// Every message is a msgpack array [kind, ...]. What goes out is appended to a
// byte slice by AppendX functions, what comes in is read by ReadX functions from
// a [Reader] that never allocates for what it was not given and accepts the
// canonical form only. Message bodies and input values are the business of
// package delta; this package carries them.
//
// Nothing here does I/O, reads a clock or starts goroutines. Only [Frame] and
// [Pool] may be used by several goroutines at once.
package wire
