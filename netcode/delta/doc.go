// Package delta turns entries of a room's history into bodies and back: what a
// viewer must be told to come from one entry to another (PROTOCOL.md, body).
//
// A view is a pure function of one entry, and a delta compares two filtered
// entries: rows that come into sight or leave it, that change owner, team or
// life, and fields that are revealed or hidden all take the same path. The
// server side is [Ring], [Encoder] and [DecodeInput]; the viewer's side is
// [State], [Compose] and [AppendInputValues]. [Filter] says the same thing as
// Encoder and State together, slowly and independently, for tests.
//
// Nothing here does I/O, reads a clock or starts goroutines. Types are used by
// one goroutine at a time.
package delta
