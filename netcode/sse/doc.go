// Package sse tells what a room's public sees over plain HTTP: as Server-Sent
// Events (WHATWG HTML section 9.2), as lines of JSON, and by long polling.
//
// A room has one Log. It encodes, frames and compresses each event once, into
// immutable blocks, and every Reader is a place in it: a delay is a place further
// back, a slow reader is a place that jumps ahead. A Log and its readers belong
// to the loop of the room; it costs nothing while nobody reads.
package sse
